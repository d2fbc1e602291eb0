"""One class from its pictures to its circuit: φ of all patches, then METHOD §§1–3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurflow_report.circuit.attribution import Quadrature
from neurflow_report.circuit.knockout import Knockouts, knockouts
from neurflow_report.circuit.search import Hop, Scores, Search, find_neurons
from neurflow_report.circuit.wiring import wire
from neurflow_report.errors import InputError
from neurflow_report.images.patches import PatchGrid, crops
from neurflow_report.network.cut import Segments
from neurflow_report.network.forward import Kept, Rows, batch_rows, hop_rows, layer_means, layers_to_keep, row_bytes
from neurflow_report.network.swift import Forward
from neurflow_report.pipeline.progress import Progress, Step
from neurflow_report.pipeline.trust import Trust, trusted
from neurflow_report.results.records import GroupEdge, LayerResult, Neuron
from neurflow_report.spec.schema import Spec

TABLES = 8
"""The part of the memory, 1/TABLES, that knock-outs may take for their tables; their rows have so much less."""
SETS = 512
"""The most rows of a knock-out at once."""
Means = tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A network at its cuts, ready for any class: what all classes share.

    `forward`: what forward passes run on; `forward_rows`: the most rows of one; `hop_rows[i]`: the most rows with
    gradients through stages[i]; `memory`: bytes for activations; `keep`: those of them for full activations of a
    class's patches; `tables`: those that what knock-outs make of them may take in any case; `trust`: which segments are
    run as they are.
    """

    segments: Segments
    grid: PatchGrid
    forward: Forward
    forward_rows: int
    hop_rows: tuple[int, ...]
    memory: int
    keep: int
    trust: Trust = field(default_factory=Trust)

    @property
    def tables(self) -> int:
        return self.memory // TABLES

    @classmethod
    def set_up(
        cls, segments: Segments, grid: PatchGrid, memory: int, example: Tensor, *, compared: bool = True
    ) -> Bench:
        """Measure how many rows fit into half of `memory` bytes; the other half is for activations that are kept,
        unless a row takes more. Args: example: a few pictures as inputs, on which all that is made of the segments is
        compared with them, unless nothing will rest on it. Raises InputError out-of-memory when not even one row fits.
        """
        try:
            rows, keep = _rows(segments, memory // 2, example), memory // 2
        except InputError:
            rows, keep = _rows(segments, memory, example), 0
        forward = Forward.of(segments, example, most=rows[0], compared=compared)
        return cls(
            segments=segments,
            grid=grid,
            forward=forward,
            forward_rows=rows[0],
            hop_rows=rows[1:],
            memory=memory,
            keep=keep,
            trust=trusted(segments, forward.segments, example, rows[1:]) if compared else Trust(),
        )

    def of(self, segments: Segments, example: Tensor) -> Bench:
        """The same for another network with these layers. Args: as `set_up`."""
        forward = Forward.of(segments, example, most=self.forward_rows)
        trust = trusted(segments, forward.segments, example, self.hop_rows)
        return replace(self, segments=segments, forward=forward, trust=trust)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not used of all that was made of the segments, and why."""
        return (*self.segments.notes, *self.forward.notes, *self.trust.notes)

    def activations(self, pixels: Tensor, layer: int, patches: NDArray[np.int64]) -> Tensor:
        """The full activation of layers[layer] on `patches` of the pictures, as many at a time as fit the memory."""
        parts = np.array_split(patches, max(1, -(-len(patches) // self.forward_rows)))
        return torch.cat([self.forward.activations(layer, crops(pixels, part, self.grid)) for part in parts])

    def knockouts(self, layer: int, row: Tensor, note: Callable[[str], None]) -> Knockouts:
        """The knock-outs of layers[layer], seen one layer up, as many rows at once as fit the half of the memory that
        is not for what is kept. Args: row: (1, …) of the layer; note: told where memory runs out."""
        segments = self.forward.segments
        return knockouts(
            segments.stages[layer],
            row,
            axis=segments.feature_axis(layer),
            out_axis=segments.feature_axis(layer + 1),
            rows=Rows(most=self.knockout_rows(segments.stages[layer], row), note=note),
            whole=layer in self.trust.knockouts,
        )

    def knockout_rows(self, part: nn.Module, row: Tensor) -> int:
        """How many rows of a knock-out run at once through a segment: a power of two, or three times one, so that a
        little more or less memory changes nothing. A quarter as many patches are made ready beside them
        (masked_core.py)."""
        fitting = (self.memory // 2 - self.tables) * 4 // (5 * row_bytes(part, row, kept=True))
        fitting = max(1, min(SETS, fitting))
        step = 1 << max(0, fitting.bit_length() - 2)
        return fitting // step * step

    def hops(self) -> tuple[Hop, ...]:
        """The steps of the recursion, lowest first."""
        axis = self.segments.feature_axis
        return tuple(
            Hop(
                segment=stage,
                axis=axis(i),
                out_axis=axis(i + 1),
                rows=self.hop_rows[i],
                whole=i in self.trust.attributions,
            )
            for i, stage in enumerate(self.segments.stages)
        )


def _rows(segments: Segments, memory: int, example: Tensor) -> tuple[int, ...]:
    """The most rows of a forward pass, and with gradients of each stage, that fit."""
    return (batch_rows(segments, memory, example), *hop_rows(segments, memory, example))


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """The circuit of one class, φ of all its patches, (P, C) a layer, which it was found from, all scores, and what is
    `kept` of the full activations."""

    means: Means
    layers: tuple[LayerResult, ...]
    edges: tuple[GroupEdge, ...]
    scores: Scores
    kept: Kept | None = None


def find_circuit(bench: Bench, spec: Spec, pixels: Tensor, *, logit: int, name: str, progress: Progress) -> Circuit:
    """Run METHOD §§1–3 for one class: the arguments are those of `evidence.examine`.

    Raises: InputError too-few-patches; RunError not-finite.
    """
    candidates = len(pixels) * bench.grid.per_image
    check_patches(name, len(pixels), candidates, spec.concept.k)
    with progress.stage(f"{name}: patches", candidates) as step:
        kept = Kept(layers_to_keep(bench.segments, candidates, bench.keep), candidates, step.note)
        means = layer_means(
            bench.forward.segments,
            patch_batches(bench, pixels),
            total=candidates,
            kept=kept,
            most=bench.forward.rows,
            on_batch=step.advance,
            note=step.note,
        )
    scores: Scores = {}
    neurons = search_neurons(bench, spec, pixels, means, logit, name, progress, kept, scores)
    with progress.stage(f"{name}: neuron groups", None):
        layers, edges = wire([info.name for info in bench.segments.layers], neurons, means, spec.groups.max_neuron)
    return Circuit(means=means, layers=layers, edges=edges, scores=scores, kept=kept)


def check_patches(name: str, pictures: int, candidates: int, k: int) -> None:
    """Raises InputError too-few-patches where a class's pictures give fewer than k patches."""
    if candidates < k:
        raise InputError(
            "too-few-patches",
            f"class {name!r} has {candidates} patches from {pictures} pictures, and a concept needs k = {k}",
            hint=f"set concept.k to at most {candidates}, or give more pictures, scales or a smaller stride",
            path=("concept", "k"),
        )


def patch_batches(bench: Bench, pixels: Tensor) -> Iterator[Tensor]:
    """All patches of the pictures in their fixed order, as many at a time as fit the memory."""
    count = len(pixels) * bench.grid.per_image
    for first in range(0, count, bench.forward_rows):
        yield crops(pixels, np.arange(first, min(first + bench.forward_rows, count)), bench.grid)


def search_neurons(
    bench: Bench,
    spec: Spec,
    pixels: Tensor,
    means: Means,
    logit: int,
    name: str,
    progress: Progress,
    kept: Kept | None = None,
    scores: Scores | None = None,
) -> tuple[tuple[Neuron, ...], ...]:
    """The core neurons of every layer, input → output (METHOD §§2–3), from the φ of all patches, and their activations
    where they were kept; `scores` takes the scores. Raises RunError not-finite."""

    rows = Rows(most=bench.forward_rows)

    def full(layer: int, patches: NDArray[np.int64]) -> Tensor:
        held = kept.get(layer, patches) if kept else None
        return made(layer, patches) if held is None else held

    def made(layer: int, patches: NDArray[np.int64]) -> Tensor:
        def run(n: int) -> Tensor:
            parts = np.array_split(patches, -(-len(patches) // n))
            return torch.cat([bench.forward.activations(layer, crops(pixels, part, bench.grid)) for part in parts])

        return rows.attempt(run)

    @contextmanager
    def stage(layer: str, targets: int) -> Iterator[Step]:
        with progress.stage(f"{name}: neurons of {layer}", targets) as step:
            rows.note = step.note
            yield step

    search = Search(
        k=spec.concept.k,
        tau=spec.core.tau,
        max_semantic=spec.groups.max_semantic,
        quadrature=Quadrature(**spec.attribution.model_dump()),
    )
    return find_neurons(
        search,
        layers=[info.name for info in bench.segments.layers],
        hops=bench.hops(),
        means=means,
        logit=logit,
        activations=full,
        stage=stage,
        scores=scores,
    )
