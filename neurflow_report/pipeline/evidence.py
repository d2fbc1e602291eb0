"""One class from its circuit to its evidence: the experiments F1 to F8, the ledger, the failure signatures (METHOD
§§5–6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.circuit.concepts import silent_share
from neurflow_report.circuit.masked import masked_logits
from neurflow_report.errors import RunError
from neurflow_report.fidelity.cautions import cautions
from neurflow_report.fidelity.critical import marginal_contributions, neucept, neuron_mct
from neurflow_report.fidelity.edges import edge_drops, edge_validity
from neurflow_report.fidelity.ledger import ledger, limits
from neurflow_report.fidelity.masking import Predictions, masking
from neurflow_report.fidelity.stability import stability
from neurflow_report.network.forward import Rows
from neurflow_report.pipeline.activity import Activity
from neurflow_report.pipeline.examine import Bench, Circuit, find_circuit
from neurflow_report.pipeline.experiments import Results, layer_tests
from neurflow_report.pipeline.progress import Progress, Step
from neurflow_report.results.records import (
    Caution,
    Claim,
    Control,
    EdgeDrop,
    GroupEdge,
    LayerResult,
    Masking,
    Measure,
    NotRun,
)
from neurflow_report.spec.presets import sizes
from neurflow_report.spec.schema import Spec


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the method and the experiments say of one class."""

    layers: tuple[LayerResult, ...]
    edges: tuple[GroupEdge, ...]
    masking: tuple[Masking, ...]
    measures: tuple[Measure, ...]
    edge_drops: tuple[EdgeDrop, ...]
    not_run: tuple[NotRun, ...]
    claims: tuple[Claim, ...]
    cautions: tuple[Caution, ...]
    candidates: int
    controls: tuple[Control, ...] = ()


def examine(bench: Bench, spec: Spec, pixels: Tensor, *, logit: int, name: str, progress: Progress) -> Findings:
    """Run METHOD §§1–3 and the experiments for one class.

    Args: pixels: the class's pictures as inputs, (I, C, S, S); logit: its output's index; name: for the progress.
    Raises: InputError too-few-patches; RunError not-finite.
    """
    circuit = find_circuit(bench, spec, pixels, logit=logit, name=name, progress=progress)
    tests = _masking(bench, spec, pixels, circuit, logit, name, progress)
    found, drops = _experiments(bench, spec, pixels, circuit, logit, name, progress)
    silent = {layer.name: silent_share(m) for layer, m in zip(circuit.layers, circuit.means, strict=True)}
    return Findings(
        layers=circuit.layers,
        edges=circuit.edges,
        masking=tests,
        measures=found.measures,
        edge_drops=drops,
        not_run=found.not_run,
        claims=ledger(
            tests,
            found.measures,
            found.not_run,
            experiments=sizes(spec.fidelity).experiments,
            thresholds=limits(spec.fidelity.thresholds.model_dump()),
        ),
        cautions=cautions(
            circuit.layers,
            tests,
            pictures=len(pixels),
            limit=spec.data.limit,
            crowded=spec.concept.k / len(circuit.means[0]),
            tolerance=spec.attribution.tolerance,
            silent=silent,
            measures=found.measures,
        ),
        candidates=len(circuit.means[0]),
    )


def with_control(
    found: Findings,
    bench: Bench,
    spec: Spec,
    pixels: Tensor,
    *,
    control: str,
    name: str,
    names: Sequence[str],
    progress: Progress,
) -> Findings:
    """`found` with the same pipeline run on another network: `bench`, over the same pictures.

    Its circuit is that of the logit which this network gives most of the pictures, so that there is something to lose.
    Args: control: its name; names: of the logits.
    """
    logit = _usual(bench, pixels)
    try:
        other = examine(bench, spec, pixels, logit=logit, name=f"{name}, {control}", progress=progress)
    except RunError as error:
        missing = NotRun(experiment="controls", case=control, reason=error.message)
        return replace(found, not_run=(*found.not_run, missing))
    record = Control(
        name=control,
        logit=logit,
        logit_name=names[logit],
        masking=other.masking,
        measures=other.measures,
        edge_drops=other.edge_drops,
        not_run=other.not_run,
        claims=other.claims,
    )
    return replace(found, controls=(*found.controls, record))


def _usual(bench: Bench, pixels: Tensor) -> int:
    """The logit that most pictures are given; the lowest of several."""
    top = len(bench.segments.layers) - 1
    return int(torch.bincount(bench.forward.activations(top, pixels).argmax(dim=1)).argmax())


def _experiments(
    bench: Bench, spec: Spec, pixels: Tensor, circuit: Circuit, logit: int, name: str, progress: Progress
) -> tuple[Results, tuple[EdgeDrop, ...]]:
    """F2 to F8, those asked for, from the lowest layer up."""
    activity, found, drops = Activity(bench, pixels, circuit.kept), Results(), tuple[EdgeDrop, ...]()
    for number in range(len(circuit.layers)):
        if number:
            found += layer_tests(spec, activity, circuit, number, logit=logit, name=name, progress=progress)
            edges, measured = _edges(spec, activity, circuit, number, logit, name, progress)
            found, drops = found + edges, drops + measured
        found += _stability(spec, circuit, number, logit, name, progress)
        found += _critical(bench, spec, pixels, circuit, number, logit, name, progress)
    return found, drops


def _edges(
    spec: Spec, activity: Activity, circuit: Circuit, number: int, logit: int, name: str, progress: Progress
) -> tuple[Results, tuple[EdgeDrop, ...]]:
    """F8 of the edges from layer `number` down."""
    if "edges" not in sizes(spec.fidelity).experiments:
        return Results(), ()

    def knocked(sets: NDArray[np.bool_], targets: Sequence[int], patches: Sequence[int]) -> NDArray[np.floating]:
        engine, keep = activity.knockouts(number - 1, step.note), torch.from_numpy(~sets)
        chunks = activity.parts(number - 1, np.array(patches))
        parts = [engine.phi(part, keep, targets).cpu().numpy() for part in chunks]
        return np.concatenate(parts, axis=2)

    upper, lower = circuit.layers[number], circuit.layers[number - 1]
    with progress.stage(f"{name}: knock-outs for the edges at {upper.name}", None) as step:
        drops = edge_drops(upper, lower, circuit.edges, knocked)
    measures, missing = edge_validity(upper.name, drops, seed=(spec.runtime.seed, logit, number, 8))
    return Results(measures=measures, not_run=missing), drops


def _stability(spec: Spec, circuit: Circuit, number: int, logit: int, name: str, progress: Progress) -> Results:
    """F7 at one layer; the logit's neuron groups are one by definition."""
    if "stability" not in sizes(spec.fidelity).experiments:
        return Results()
    top = number == len(circuit.layers) - 1
    with progress.stage(f"{name}: stability", None):
        found = stability(
            circuit.layers[number],
            circuit.means[max(number - 1, 0)],
            draws=sizes(spec.fidelity).noise_draws,
            max_semantic=spec.groups.max_semantic,
            max_neuron=1 if top else spec.groups.max_neuron,
            seed=(spec.runtime.seed, logit, number, 7),
        )
    return Results(measures=found)


def _critical(
    bench: Bench, spec: Spec, pixels: Tensor, circuit: Circuit, number: int, logit: int, name: str, progress: Progress
) -> Results:
    """F5 at one layer below the logits."""
    layer, top = circuit.layers[number], len(circuit.layers) - 1
    if "critical" not in sizes(spec.fidelity).experiments or number == top or not layer.neurons:
        return Results()
    core, seed = [n.channel for n in layer.neurons], (spec.runtime.seed, logit, number, 5)
    axis, above = bench.segments.feature_axis(number), bench.segments.between(number, top)
    rows = min(bench.hop_rows[number:])
    with progress.stage(f"{name}: critical neurons", None):
        contributions = np.concatenate(
            [
                marginal_contributions(above, bench.forward.activations(number, part), logit, axis)
                for part in torch.split(pixels, rows)
            ]
        )
        first = neuron_mct(layer.name, core, contributions)
        second, missing = neucept(layer.name, core, circuit.means[number], circuit.means[top][:, logit], seed=seed)
    return Results(
        measures=tuple(m for m in (first, second) if m is not None),
        not_run=tuple(m for m in (missing,) if m is not None),
    )


def _masking(
    bench: Bench, spec: Spec, pixels: Tensor, circuit: Circuit, logit: int, name: str, progress: Progress
) -> tuple[Masking, ...]:
    """F1."""
    if "masking" not in sizes(spec.fidelity).experiments:
        return ()
    layers, taus = circuit.layers, spec.fidelity.taus or (spec.core.tau,)
    tested = sum(bool(layer.neurons) for layer in layers[:-1])
    with progress.stage(f"{name}: masking", len(taus) * tested) as step:
        return masking(
            layers=[layer.name for layer in layers],
            neurons=[layer.neurons for layer in layers],
            channels=[layer.channels for layer in layers],
            target=logit,
            taus=taus,
            draws=sizes(spec.fidelity).draws,
            seed=spec.runtime.seed,
            predictions=_predictions(bench, pixels, step),
        )


def _predictions(bench: Bench, pixels: Tensor, step: Step) -> Predictions:
    """Class predicted under each mask, a few pictures at a time."""
    rows, activity = Rows(most=bench.forward_rows, note=step.note), Activity(bench, pixels)

    def run(layer: int, keep: Sequence[Tensor], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        parts, engine = [], activity.knockouts(layer, step.note)
        for part in torch.split(pixels, n):
            full = bench.forward.activations(layer, part)
            both = masked_logits(bench.forward.segments, layer, engine, full, keep, rows=n)
            parts.append([logits.argmax(dim=2).cpu().numpy() for logits in both])
        alone, upward = (np.concatenate(some, axis=1) for some in zip(*parts, strict=True))
        return alone, upward

    def predict(layer: int, keep: Sequence[Tensor]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        found = rows.attempt(partial(run, layer, keep))
        step.advance()
        return found

    return predict
