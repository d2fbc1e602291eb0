"""One class from its pictures to its circuit: φ of all patches, then METHOD §§1–3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.stages import Heard, arrays_of, by_name, by_number
from neurflow_report.attribution.integrated_gradients import Attribution
from neurflow_report.circuit.deletions import Deletions, Inclusion
from neurflow_report.circuit.discovery import Scores, Search, find_neurons
from neurflow_report.circuit.neuron_groups import group_neurons
from neurflow_report.network.forward import layer_means
from neurflow_report.progress import SilentStep, Step
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.records import GroupEdge, LayerResult, Neuron
from neurflow_report.setup.workspace import check_patches, patch_batches

Means = tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """The circuit of one class.

    Attributes:
        means: φ of all its patches, (P, C) a layer, which it was found from.
        scores: all of them.
        cache: the activations on these patches.
        inclusion: by layer below the logits and τ, what is core without some of the pictures; none where it is not
            asked for.
    """

    means: Means
    layers: tuple[LayerResult, ...]
    edges: tuple[GroupEdge, ...]
    scores: Scores
    cache: ActivationCache
    inclusion: Mapping[tuple[str, int], Inclusion] = field(default_factory=dict)


def find_circuit(run: ClassRun) -> Circuit:
    """Run METHOD §§1–3 for one class.

    Raises:
        InputError too-few-patches.
        RunError not-finite.
    """
    workspace, settings = run.workspace, run.settings
    check_patches(run.name, len(run.pixels), run.patches, settings.k)
    means, cache = patch_means(run, "patches")
    scores: Scores = {}
    deletions = None
    if settings.asks("deletions"):
        seed = run.seed(0, EXPERIMENTS["deletions"].seed)
        deletions = Deletions(pictures=len(run.pixels), per_picture=workspace.grid.per_image, seed=seed)
    neurons = search_neurons(run, means, cache, scores, deletions)
    with run.stage("neuron groups", None):
        names = [info.name for info in workspace.segments.layers]
        layers, edges = group_neurons(names, neurons, means, settings.max_neuron)
    inclusion = {} if deletions is None else deletions.found
    return Circuit(means=means, layers=layers, edges=edges, scores=scores, cache=cache, inclusion=inclusion)


def patch_means(run: ClassRun, stage: str) -> tuple[Means, ActivationCache]:
    """φ of all patches, (P, C) a layer, and the activations that were kept on the way.

    Where pictures are held out, both halves keep activations at once: each has half of the memory for them.

    Raises: RunError not-finite.
    """
    workspace = run.workspace if run.held is None else replace(run.workspace, keep=run.workspace.keep // 2)
    with run.stage(stage, run.patches) as step:
        heard = Heard(step=step)
        cache = ActivationCache.of_search(workspace, run.pixels, heard.note)
        kept = run.stages.stage("patches", pixels=run.pixels, layers=sorted(cache.kept.layers))
        if (known := kept.found()) is not None:
            cache.kept.restore(by_number(known, "full"), run.pixels.device)
            step.advance(run.patches)
            return tuple(by_number(known, "mean").values()), cache
        means = layer_means(
            workspace.forward.segments,
            patch_batches(workspace, run.pixels),
            total=run.patches,
            kept=cache.kept,
            most=workspace.forward.rows,
            on_batch=step.advance,
            note=heard.note,
        )
        if not heard.noted:
            kept.keep(lambda: by_name(mean=means, full=cache.kept.values()))
    return means, cache


def search_neurons(
    run: ClassRun,
    means: Means,
    cache: ActivationCache,
    scores: Scores | None = None,
    deletions: Deletions | None = None,
) -> tuple[tuple[Neuron, ...], ...]:
    """The core neurons of every layer, input → output (METHOD §§2–3).

    Args:
        run: of the class.
        means: φ of all patches, (P, C) for each layer.
        cache: of the activations.
        scores: a dictionary that takes the scores.
        deletions: is told of T.
    Raises: RunError not-finite.
    """

    heard = Heard(step=SilentStep())

    @contextmanager
    def stage(layer: str, targets: int) -> Iterator[Step]:
        with run.stage(f"neurons of {layer}", targets) as step:
            heard.step, heard.noted = step, False
            cache.batch.note = heard.note
            yield heard

    settings = run.settings
    search = Search(
        k=settings.k, tau=settings.tau, max_semantic=settings.max_semantic, quadrature=settings.quadrature,
        taus=settings.tried,
    )  # fmt: skip
    return find_neurons(
        search,
        layers=[info.name for info in run.workspace.segments.layers],
        layer_pairs=run.layer_pairs(),
        means=means,
        logit=run.logit,
        activations=cache.activations,
        stage=stage,
        scores=scores,
        deletions=deletions,
        recalled=partial(_recalled, run, sorted(cache.kept.layers), heard),
    )


def _recalled(
    run: ClassRun,
    layers: Sequence[int],
    heard: Heard,
    number: int,
    core: NDArray[np.int64],
    wanted: NDArray[np.int64],
    make: Callable[[], Attribution],
) -> Attribution:
    """The attributions of a layer's targets, as they are kept, or as `make` makes them.

    Args:
        layers: those whose activations are at hand, from a pass of other batches than those made again.
        heard: the step of the layer.
    """
    settings, fields = run.settings, tuple(Attribution.__dataclass_fields__)
    kept = run.stages.stage(
        "attributions",
        pixels=run.pixels,
        layers=list(layers),
        number=number,
        core=core,
        wanted=wanted,
        quadrature=asdict(settings.quadrature),
        precision=settings.precision,
    )
    if (known := kept.found()) is not None:
        heard.advance(len(core))
        return Attribution(**{name: torch.from_numpy(known[name]) for name in fields})
    found = make()
    if not heard.noted:
        kept.keep(lambda: dict(zip(fields, arrays_of([getattr(found, name) for name in fields]), strict=True)))
    return found
