"""One class from its circuit to its evidence: the experiments F1 to F14, the ledger, the failure signatures (METHOD
§§5–6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache as cache_once
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.ablation.ablation import Ablation
from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.certify import at_tau, certify
from neurflow_report.analysis.class_circuit import Circuit, find_circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.held_out import HeldOut, hold_out
from neurflow_report.analysis.layer_tests import TOGETHER, layer_tests
from neurflow_report.analysis.masking_passes import MaskingPasses
from neurflow_report.analysis.network_part import network_part
from neurflow_report.circuit.top_patches import silent_share
from neurflow_report.errors import RunError
from neurflow_report.fidelity import layer_experiments
from neurflow_report.fidelity.causal import judged
from neurflow_report.fidelity.cautions import cautions
from neurflow_report.fidelity.certificates import chosen_tau
from neurflow_report.fidelity.experiment import LayerExperiment, Part, Results, Subject
from neurflow_report.fidelity.ledger import ledger
from neurflow_report.fidelity.masking import Masked, masking
from neurflow_report.labels.coherence import coherences, held_patches
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.records import (
    Caution,
    Census,
    Certificate,
    Claim,
    Control,
    EdgeDrop,
    EdgeEffect,
    GroupEdge,
    GroupLabel,
    LayerResult,
    Masking,
    Measure,
    NotRun,
    TwoSided,
)
from neurflow_report.setup.workspace import Workspace


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
    two_sided: tuple[TwoSided, ...] = ()
    controls: tuple[Control, ...] = ()
    census: tuple[Census, ...] = ()
    edge_effects: tuple[EdgeEffect, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    labels: tuple[GroupLabel, ...] = ()


def examine(run: ClassRun, *, control: bool = False) -> Findings:
    """Run METHOD §§1–3 and the experiments for one class.

    Args: control: whether it is a control, of whose groups no coherence is asked.
    Raises:
        InputError too-few-patches.
        RunError not-finite.
    """
    circuit, certificates = find_circuit(run), tuple[Certificate, ...]()
    if run.settings.automatic is not None:
        certificates = certify(run, circuit)
        run, circuit = at_tau(run, circuit, chosen_tau(certificates, run.settings.tau))
    settings = run.settings
    masked = class_masking(run, circuit)
    held = None if control or run.held is None else hold_out(run, circuit)
    found = Results(not_run=masked.not_run) + experiments(run, circuit, held=held)
    silent = {layer.name: silent_share(m) for layer, m in zip(circuit.layers, circuit.means, strict=True)}
    return Findings(
        layers=circuit.layers,
        edges=circuit.edges,
        masking=masked.masking,
        two_sided=masked.two_sided,
        measures=found.measures,
        edge_drops=found.edge_drops,
        not_run=found.not_run,
        claims=ledger(
            masked.masking,
            found.measures,
            found.not_run,
            two_sided=masked.two_sided,
            experiments=settings.sizes.experiments,
            thresholds=settings.thresholds,
        ),
        cautions=cautions(
            circuit.layers,
            masked.masking,
            pictures=run.pictures,
            limit=settings.limit,
            crowded=settings.k / run.patches,
            tolerance=settings.quadrature.tolerance,
            silent=silent,
            measures=found.measures,
        ),
        candidates=run.patches,
        census=found.census,
        edge_effects=found.edge_effects,
        certificates=certificates,
        labels=() if held is None else coherent(circuit, held, run.workspace.grid.per_image),
    )


def coherent(circuit: Circuit, held: HeldOut, per_image: int) -> tuple[GroupLabel, ...]:
    """The coherence of all neuron groups below the logit, from there down."""
    picture = np.arange(len(held.means[0])) // per_image
    return tuple(
        row
        for number in range(len(circuit.layers) - 2, -1, -1)
        for row in coherences(
            circuit.layers[number],
            held_patches(circuit.layers[number], held.layers[number]),
            circuit.means[number],
            held.means[number],
            picture,
        )
    )


def with_control(
    found: Findings, run: ClassRun, workspace: Workspace, *, control: str, names: Sequence[str]
) -> Findings:
    """`found` with the same pipeline run on another network, `workspace`, over the same pictures.

    Its circuit is that of the logit which this network gives most of the pictures, so that there is something to lose.

    Args:
        control: its name.
        names: of the logits.
    """
    logit = _usual(workspace, run.pixels)
    try:
        stages = run.stages.on(f"{control} {run.settings.seed}", workspace)
        own = replace(run, workspace=workspace, logit=logit, name=f"{run.name}, {control}", stages=stages)
        other = examine(own, control=True)
    except RunError as error:
        missing = NotRun(experiment="controls", case=control, reason=error.message)
        return replace(found, not_run=(*found.not_run, missing))
    record = Control(
        name=control,
        logit=logit,
        logit_name=names[logit],
        masking=other.masking,
        two_sided=other.two_sided,
        measures=other.measures,
        edge_drops=other.edge_drops,
        not_run=other.not_run,
        claims=other.claims,
    )
    return replace(found, controls=(*found.controls, record))


def _usual(workspace: Workspace, pixels: Tensor) -> int:
    """The logit that most pictures are given; the lowest of several."""
    top = len(workspace.segments.layers) - 1
    return int(torch.bincount(workspace.forward.activations(top, pixels).argmax(dim=1)).argmax())


def experiments(
    run: ClassRun,
    circuit: Circuit,
    wanted: Callable[[str, int], bool] = lambda *_: True,
    held: HeldOut | None = None,
) -> Results:
    """F2 to F14, those asked for, from the lowest layer up.

    Args:
        wanted: whether an experiment is wanted at the layer of this number. Those that share their draws (F2, F3, F4
            and F6) are all done where one of them is.
        held: the circuit on the pictures held out, where it is there already.
    """
    cache, found, top = circuit.cache.going_up(), Results(), len(circuit.layers) - 1
    at_layers = [
        (number, experiment)
        for number in range(top + 1)
        for experiment in layer_experiments(run.settings.sizes.experiments)
        if number in experiment.numbers(top) and wanted(experiment.name, number)
    ]
    if held is None and run.held is not None and any(experiment.held_out for _, experiment in at_layers):
        held = hold_out(run, circuit)
    for number in range(top + 1):
        if number and any(wanted(name, number) for name in TOGETHER):
            found += layer_tests(run, cache, circuit, number)
        for _, experiment in (one for one in at_layers if one[0] == number):
            if held is not None and experiment.held_out:
                layers = [*circuit.layers[:number], held.layers[number], *circuit.layers[number + 1 :]]
                measured = replace(circuit, layers=tuple(layers), means=held.means)
                found += _at_layer(run, held.cache, measured, number, experiment)
            else:
                found += _at_layer(run, cache, circuit, number, experiment)
    return found + judged(found.edge_tests)


def _at_layer(
    run: ClassRun, cache: ActivationCache, circuit: Circuit, number: int, experiment: LayerExperiment
) -> Results:
    """One experiment at one layer, on the pictures of the cache."""
    settings, workspace, top = run.settings, run.workspace, len(circuit.layers) - 1

    def phi(removed: NDArray[np.bool_], targets: Sequence[int], patches: Sequence[int]) -> NDArray[np.floating]:
        engine, sets = cache.ablations(number - 1, step.note), torch.from_numpy(removed)
        chunks = cache.chunks(number - 1, np.array(patches))
        return np.concatenate([engine.phi(part, sets, targets).cpu().numpy() for part in chunks], axis=2)

    @cache_once
    def counted() -> tuple[Ablation, Tensor]:
        """The knock-outs that set channels to their means, and these."""
        below, row = number - 1, workspace.forward.activations(number - 1, run.pixels[:1])
        shape = [1] * row.ndim
        shape[workspace.segments.feature_axis(below)] = -1
        mean = torch.from_numpy(circuit.means[below].mean(axis=0, dtype=np.float64)).to(row).view(shape)
        return workspace.ablations(below, row - mean, step.note, mean=mean), mean

    def from_means(moved: NDArray[np.bool_]) -> Callable[[int, NDArray[np.int64]], Tensor]:
        engine, mean = counted()
        sets = torch.from_numpy(moved).to(mean.device)

        def phi_of(target: int, patches: NDArray[np.int64]) -> Tensor:
            found = [engine.phi(part - mean, sets, [target])[:, 0] for part in cache.chunks(number - 1, patches)]
            return torch.cat(found, dim=1)

        return phi_of

    def part(seed: int | None) -> Part:
        pair = run.layer_pairs()[number - 1]
        return network_part(workspace, cache, pair, number, run.settings.quadrature, seed=seed, note=step.note)

    def activations(pixels: Tensor) -> Iterator[Tensor]:
        rows = min(workspace.pair_rows[number:], default=workspace.forward_rows)
        return (workspace.forward.activations(number, part) for part in torch.split(pixels, rows) if len(part))

    with run.stage(experiment.stage.format(layer=circuit.layers[number].name), None) as step:
        subject = Subject(
            number=number,
            layers=circuit.layers,
            edges=circuit.edges,
            means=circuit.means,
            logit=run.logit,
            max_semantic=settings.max_semantic,
            max_neuron=1 if number == top else settings.max_neuron,
            sizes=settings.sizes,
            seed=run.seed(number, EXPERIMENTS[experiment.name].seed),
            phi=phi,
            from_means=from_means,
            part=part,
            pictures=partial(activations, cache.pixels),
            measured=partial(activations, run.measured),
            others=partial(activations, run.of_others),
            above=workspace.segments.between(number, top),
            axis=workspace.segments.feature_axis(number),
            inclusion=circuit.inclusion.get((circuit.layers[number].name, settings.tau)),
        )
        return experiment.run(subject)


def class_masking(run: ClassRun, circuit: Circuit) -> Masked:
    """F1 of a class."""
    settings, layers = run.settings, circuit.layers
    if not settings.asks("masking"):
        return Masked()
    tested = sum(bool(layer.neurons) for layer in layers[:-1])
    with run.stage("masking", len(settings.taus) * tested) as step:
        return masking(
            layers=[layer.name for layer in layers],
            neurons=[layer.neurons for layer in layers],
            channels=[layer.channels for layer in layers],
            target=run.logit,
            taus=settings.taus,
            draws=settings.sizes.draws,
            seed=settings.seed,
            predictions=MaskingPasses(run.workspace, run.measured, run.of_others, run.logit, step, run.stages),
            others=len(run.of_others),
        )
