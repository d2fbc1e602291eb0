"""What the experiments cost: a few sets on one picture or patch of each layer, extrapolated to all sets.

The work is linear in the number of sets, with a part that does not depend on it (what a picture's sets share): it is
counted and timed with few and with more of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurflow_report.circuit.grouping import partition
from neurflow_report.circuit.knockout import Knockouts, knockouts
from neurflow_report.circuit.masked import masked_logits
from neurflow_report.network.count import multiply_adds
from neurflow_report.network.forward import Rows
from neurflow_report.pipeline.examine import Bench
from neurflow_report.spec.presets import Sizes, sizes
from neurflow_report.spec.schema import Spec

FEW, MORE, PATCHES = 4, 16, 8
"""Sets, and patches, that are tried."""
Timed = Callable[[Callable[[], object]], float]
"""The seconds of a piece of work."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Multiply-adds and seconds (None: not timed)."""

    multiply_adds: float
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class EvidenceCost:
    """By layer, input → output. `masking`: F1 of one picture and τ, without the way to the layer; `knockouts`: of one
    patch, all sets and tested targets of the layer (None for the lowest); `sets`, `tested`: how many these are;
    `partition`: the seconds of one neuron's clustering (None: not timed). Empty where not asked for."""

    masking: tuple[Cost, ...]
    knockouts: tuple[Cost | None, ...]
    sets: tuple[int, ...]
    tested: tuple[int, ...]
    partition: float | None


def measure_evidence(
    bench: Bench, spec: Spec, values: Sequence[Tensor], targets: Sequence[int], timed: Timed | None
) -> EvidenceCost:
    """Args: values: the layers' activations on some patches; targets: how many each layer has, likely or at most;
    timed: None where seconds are not wanted."""
    size = sizes(spec.fidelity)
    asked, top = set(size.experiments), len(values) - 1
    widths = [info.channels for info in bench.segments.layers]
    tested = [min(count, size.targets) for count in targets]
    sets = [0, *(count_sets(size, widths[i - 1], tested[i]) for i in range(1, top + 1))]
    masked = range(top) if "masking" in asked else range(0)
    return EvidenceCost(
        masking=tuple(_masking(bench, values, number, 3 + 2 * size.draws, timed) for number in masked),
        knockouts=tuple(
            _knocked(bench, values, number, sets[number], tested[number], timed) if sets[number] else None
            for number in range(top + 1)
        ),
        sets=tuple(sets),
        tested=tuple(tested),
        partition=None if timed is None else _partition(spec, values, timed),
    )


def count_sets(size: Sizes, width: int, tested: int) -> int:
    """How many sets of a layer of `width` channels are knocked out for the neurons tested one layer up."""
    asked, count = set(size.experiments), 0
    if "optimality" in asked:
        count += tested + size.optimality_draws
    if asked & {"weights", "methods"}:
        count += sum(min(size.weight_draws, math.comb(width, n)) for n in size.sizes if n < width)
    return count


def _masking(bench: Bench, values: Sequence[Tensor], number: int, masks: int, timed: Timed | None) -> Cost:
    """One picture under F1's masks at a layer, and from it up."""
    top, one = len(values) - 1, values[number][:1]
    engine = _engine(bench, one, number)
    widths = [bench.segments.layers[i].channels for i in range(number, top)]

    def work(count: int) -> None:
        keep = [_drawn(count, width) for width in widths]
        masked_logits(bench.forward.segments, number, engine, one, keep, rows=bench.forward_rows)

    return _linear(work, masks, timed)


def _knocked(bench: Bench, values: Sequence[Tensor], number: int, sets: int, tested: int, timed: Timed | None) -> Cost:
    """One patch under a layer's sets, for the targets tested."""
    below = values[number - 1][:PATCHES]
    engine, width = _engine(bench, below[:1], number - 1), bench.segments.layers[number - 1].channels
    found = _linear(lambda count: engine.phi(below, _drawn(count, width), range(tested)), sets, timed)
    seconds = None if found.seconds is None else found.seconds / len(below)
    return Cost(multiply_adds=found.multiply_adds / len(below), seconds=seconds)


def _engine(bench: Bench, row: Tensor, layer: int) -> Knockouts:
    forward = bench.forward
    return knockouts(
        forward.segments.stages[layer],
        row,
        axis=forward.segments.feature_axis(layer),
        out_axis=forward.segments.feature_axis(layer + 1),
        rows=Rows(most=bench.forward_rows),
    )


def _drawn(count: int, width: int) -> Tensor:
    """Sets of half of the channels."""
    return torch.rand((count, width), generator=torch.Generator().manual_seed(0)) < 0.5


def _linear(work: Callable[[int], object], sets: int, timed: Timed | None) -> Cost:
    """The cost for `sets` sets; the work is run once before it is timed."""
    low, high = min(FEW, sets), min(MORE, sets)

    def at(measured: Callable[[int], float]) -> float:
        first, second = measured(low), measured(high)
        slope = (second - first) / (high - low) if high > low else 0.0
        return second + max(slope, 0.0) * (sets - high)

    count = at(lambda n: float(multiply_adds(lambda: work(n))))
    seconds = None if timed is None else at(lambda n: timed(lambda: work(n)))
    return Cost(multiply_adds=count, seconds=seconds)


def _partition(spec: Spec, values: Sequence[Tensor], timed: Timed) -> float:
    """The seconds of clustering one concept."""
    width = max(value.shape[1] for value in values[:-1])
    points = np.random.default_rng(0).normal(size=(spec.concept.k, width))
    return timed(lambda: partition(points, spec.groups.max_semantic))
