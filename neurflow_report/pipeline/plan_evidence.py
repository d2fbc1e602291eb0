"""The experiments' stages of a plan, from what few sets cost (calibrate_evidence.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from neurflow_report.network.forward import kept_bytes, layers_to_keep
from neurflow_report.pipeline.activity import staying
from neurflow_report.pipeline.calibrate import Calibration, clustering_seconds
from neurflow_report.pipeline.examine import Bench
from neurflow_report.pipeline.experiments import KNOCKED
from neurflow_report.pipeline.planned import PlannedClass, PlannedStage
from neurflow_report.spec.presets import sizes
from neurflow_report.spec.schema import Spec

PREDICTED = {"masking", "optimality", "weights", "concepts", "stability"}
"""The experiments that a plan knows the cost of."""


def evidence_stages(
    bench: Bench, spec: Spec, costs: Calibration, classes: Sequence[PlannedClass], circuit: Sequence[PlannedStage]
) -> list[PlannedStage]:
    """What the experiments add to the stages of the circuit, `circuit`: the patches first, then the neurons of each
    layer, output → input."""
    asked, known = set(sizes(spec.fidelity).experiments), costs.evidence
    found = [_masking(bench, spec, costs, classes)] if "masking" in asked else []
    names = [info.name for info in bench.segments.layers]
    held = _held(bench, max((c.patches for c in classes), default=0))
    for number in range(1, len(names)):
        if "concepts" in asked:
            found.append(_deeper(spec, circuit[len(names) - number], names[number], known.tested[number], classes))
        if known.knockouts[number] is not None:
            found.append(_knockouts(spec, costs, classes, names[number], number, held[number - 1].through))
    if "stability" in asked:
        found.append(_stability(bench, spec, costs, classes))
    return found


def evidence_bytes(bench: Bench, spec: Spec, patches: int) -> int:
    """Bytes at the experiments' peak for a class of so many patches: activations, and what knock-outs make of them."""
    if not set(sizes(spec.fidelity).experiments) & ({"edges"} | KNOCKED):
        return 0
    layers = bench.segments.layers
    terms = [
        patches * lower.channels * math.prod(upper.shape) // upper.channels * bench.segments.dtype.itemsize
        for lower, upper in pairwise(layers)
    ]
    held = (at.bytes for at in _held(bench, patches))
    return max(b + min(more, max(bench.tables, bench.keep - b)) for b, more in zip(held, terms, strict=True))


@dataclass(frozen=True)
class _Held:
    """When knock-outs at a layer begin: how many segments the activations at hand have been through, and the bytes of
    all that are held then."""

    through: int
    bytes: int


def _held(bench: Bench, patches: int) -> list[_Held]:
    """Of each layer but the top, as activity.py has it."""
    each = [kept_bytes(bench.segments, n, patches) for n in range(len(bench.segments.layers))]
    kept, last, found = frozenset(layers_to_keep(bench.segments, patches, bench.keep)), -1, list[_Held]()
    for number, needed in enumerate(each[:-1]):
        through = number + 1 if number in kept else 0
        if number not in kept and needed <= bench.keep:
            through, kept, last = last + 1, staying(kept, number, each, bench.keep), number
        found.append(_Held(through=through, bytes=sum(each[n] for n in kept) + (each[last] if last >= 0 else 0)))
    return found


def _masking(bench: Bench, spec: Spec, costs: Calibration, classes: Sequence[PlannedClass]) -> PlannedStage:
    """F1: each picture under all masks of each layer and τ, at that layer and from it up; the way there once each."""
    masks, top = 3 + 2 * sizes(spec.fidelity).draws, len(bench.segments.layers) - 1
    passes = len(spec.fidelity.taus or (spec.core.tau,)) * sum(c.pictures for c in classes)
    work, seconds = 0.0, 0.0
    for number, cost in enumerate(costs.evidence.masking):
        work += passes * (cost.multiply_adds + sum(costs.row_work[: number + 1]))
        seconds += passes * ((cost.seconds or 0.0) + sum((costs.segments or ())[: number + 1]))
    return PlannedStage(
        name="masking",
        amount=passes * masks * (2 * top - 1),
        unit="masked pictures",
        multiply_adds=round(work),
        seconds=None if costs.segments is None else seconds,
    )


def _deeper(spec: Spec, neurons: PlannedStage, name: str, tested: int, classes: Sequence[PlannedClass]) -> PlannedStage:
    """F6: the neurons tested on as many patches as the largest k, at the price of the search."""
    amount = tested * len(classes)
    depth = min(max(spec.concept.k, *sizes(spec.fidelity).ks), min(c.patches for c in classes))
    share = amount / max(1, neurons.amount) * depth / spec.concept.k
    return PlannedStage(
        name=f"attributions for the tests at {name}",
        amount=amount,
        unit="targets",
        multiply_adds=round(neurons.multiply_adds * share),
        seconds=None if neurons.seconds is None else neurons.seconds * share,
    )


def _knockouts(
    spec: Spec,
    costs: Calibration,
    classes: Sequence[PlannedClass],
    name: str,
    number: int,
    held: int,
) -> PlannedStage:
    """F2, F3 and F4 at a layer. Args: held: how many segments the activations at hand have been through; those of the
    patches ranked go through the others."""
    known, size = costs.evidence, sizes(spec.fidelity)
    cost, tested = known.knockouts[number], known.tested[number]
    assert cost is not None  # noqa: S101  # asked for by the caller
    ranked = sum(min(c.patches, size.patches + tested * spec.concept.k) if size.patches else c.patches for c in classes)
    seconds = None
    work = (cost.multiply_adds + sum(costs.row_work[held:number])) * ranked
    if cost.seconds is not None:
        passed = sum((costs.segments or ())[held:number]) + (0.0 if held else costs.crop or 0.0)
        seconds = (cost.seconds + passed) * ranked
    return PlannedStage(
        name=f"knock-outs for {name}",
        amount=known.sets[number] * len(classes),
        unit="sets",
        multiply_adds=round(work),
        seconds=seconds,
    )


def _stability(bench: Bench, spec: Spec, costs: Calibration, classes: Sequence[PlannedClass]) -> PlannedStage:
    """F7: every draw clusters each neuron's concept, and each layer's semantic groups but the top's."""
    draws, layers, known = sizes(spec.fidelity).noise_draws, costs.layers, costs.evidence
    neurons = [cost.targets or 1 for cost in layers]
    seconds = None
    if known.partition is not None:
        seconds = sum(neurons) * known.partition
        for number, cost in enumerate(layers[:-1]):
            width = bench.segments.layers[max(number - 1, 0)].channels
            seconds += clustering_seconds(bench, round(neurons[number] * cost.groups), width, spec.groups.max_neuron)
        seconds *= draws * len(classes)
    return PlannedStage(
        name="stability",
        amount=draws * sum(neurons) * len(classes),
        unit="clusterings",
        multiply_adds=0,
        seconds=seconds,
    )
