"""The recursion from the class logit down to the lowest declared layer (METHOD §§2–3).

1. core(top) = {the logit}.
2. At layer ℓ, for each a in core(ℓ): its concept V_a, the attributions T(a, i, v) over V_a, its core set S_a,
   its semantic groups, and their edge weights w(a, i, j).
3. core(ℓ−1) = ∪ S_a; stop at the lowest layer, whose neurons have concepts and semantic groups only.
4. At every layer the semantic groups of all its core neurons cluster into neuron groups (wiring.py).

r, the vector that groups are made from, is the activation of the layer below; the lowest layer stands in for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.circuit.attribution import Attribution, Pairs, Quadrature, Segment, attribute
from neurflow_report.circuit.concepts import concepts, core_set, dead
from neurflow_report.circuit.grouping import closest_first, partition
from neurflow_report.errors import RunError
from neurflow_report.network.forward import Rows
from neurflow_report.results.records import CoreScore, Neuron, NeuronEdge, SemanticGroup

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
Activations = Callable[[int, Indices], Tensor]
"""The full activation of a layer (by its number) on patches (by their indices)."""


class Counter(Protocol):
    """Who counts the targets done."""

    def advance(self, n: int = 1) -> None:
        """`n` more targets are done."""

    def note(self, text: str) -> None:
        """A batch was made smaller, in one line."""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One step of the recursion: the segment up from a layer, its ends' channel axes, and the most rows a batch."""

    segment: Segment
    axis: int
    out_axis: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Search:
    """The settings of a search, under the names of METHOD §1."""

    k: int
    tau: int
    max_semantic: int
    quadrature: Quadrature


def find_neurons(
    search: Search,
    *,
    layers: Sequence[str],
    hops: Sequence[Hop],
    means: Sequence[Floats],
    logit: int,
    activations: Activations,
    stage: Callable[[str, int], AbstractContextManager[Counter]],
) -> tuple[tuple[Neuron, ...], ...]:
    """The core neurons of every layer, input → output; the last layer's is the logit alone.

    Args: layers: names; hops: hops[i] leads from layer i to i+1; means: a (P, C) array of φ a layer; logit: channel of
    the last layer; stage: told a layer's name and target count, it follows the targets done.
    Raises: RunError not-finite when an attribution is NaN or infinite.
    """
    core = np.array([logit], dtype=np.int64)
    found: list[tuple[Neuron, ...]] = []
    for number in range(len(layers) - 1, -1, -1):
        with stage(layers[number], len(core)) as counter:
            neurons = layer_neurons(search, layers, hops, means, number, core, activations, counter)
        found.append(tuple(neurons))
        core = np.array(sorted({s.channel for n in neurons for s in n.core}), dtype=np.int64)
    return tuple(reversed(found))


def layer_neurons(
    search: Search,
    layers: Sequence[str],
    hops: Sequence[Hop],
    means: Sequence[Floats],
    number: int,
    core: Indices,
    activations: Activations,
    counter: Counter,
) -> list[Neuron]:
    """The records of all targets `core` of one layer, by its number: a step of `find_neurons`, with its arguments."""
    hop = hops[max(number - 1, 0)]
    rows, neurons = Rows(most=hop.rows, note=counter.note), list[Neuron]()

    def found(part: Indices, n: int) -> list[Neuron]:
        fewer = replace(hop, rows=n)
        parts = _portions(part, max(1, n // search.k))
        return [x for some in parts for x in _portion(search, layers, fewer, means, number, some, activations)]

    for part in _portions(core, max(1, hop.rows // search.k)):
        neurons += rows.attempt(partial(found, part))
        counter.advance(len(part))
    return neurons


def _portion(
    search: Search,
    layers: Sequence[str],
    hop: Hop,
    means: Sequence[Floats],
    number: int,
    part: Indices,
    activations: Activations,
) -> list[Neuron]:
    """The records of some targets, attributed together."""
    below = max(number - 1, 0)
    wanted = concepts(means[number], part, search.k)
    scored = _attribute(search, hop, below, part, wanted, activations) if number else None
    if scored is not None and not _finite(scored):
        raise RunError("not-finite", f"an attribution of layer {layers[number]!r} is NaN or infinite")
    neurons = []
    for i, channel in enumerate(part):
        phi, mine = means[number][:, channel], _rows(scored, i, search.k)
        neurons.append(_neuron(search, layers[number], int(channel), phi, wanted[i], means[below], mine))
    return neurons


def _portions(core: Indices, size: int) -> list[Indices]:
    """Targets a few at a time, so that the activations of their concepts fit the memory."""
    return [core[i : i + size] for i in range(0, len(core), size)]


def _attribute(
    search: Search, hop: Hop, below: int, part: Indices, wanted: Indices, activations: Activations
) -> Attribution:
    """T of every (target, concept patch); each patch's activation is computed once for all targets of the portion."""
    used, rows = np.unique(wanted, return_inverse=True)
    full = activations(below, used)
    pairs = Pairs(
        rows=torch.as_tensor(rows.reshape(-1), device=full.device),
        channels=torch.as_tensor(np.repeat(part, wanted.shape[1]), device=full.device),
    )
    return attribute(
        hop.segment, full, pairs, axis=hop.axis, out_axis=hop.out_axis, quadrature=search.quadrature, rows=hop.rows
    )


def _finite(scored: Attribution) -> bool:
    """Whether all T are finite, and all gaps: φ may have no value at the zero baseline where T has one."""
    return bool(torch.isfinite(scored.values).all() and torch.isfinite(scored.gap).all())


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """One target's share of an Attribution, on the CPU: T (k, C), gap and error (k,), nodes."""

    values: Floats
    gap: Floats
    error: Floats
    nodes: int


def _rows(scored: Attribution | None, i: int, k: int) -> _Scored | None:
    if scored is None:
        return None
    mine = slice(i * k, (i + 1) * k)
    values, gap, error = (x[mine].cpu().double().numpy() for x in (scored.values, scored.gap, scored.error))
    return _Scored(values=values, gap=gap, error=error, nodes=int(scored.nodes[mine].max()))


def _neuron(
    search: Search, layer: str, channel: int, phi: Floats, concept: Indices, r: Floats, scored: _Scored | None
) -> Neuron:
    """The record of one target: its core set, semantic groups and edges."""
    scores = np.abs(scored.values).mean(axis=0) if scored else np.zeros(0)
    core = core_set(scores, search.tau)
    split = partition(r[concept], search.max_semantic)
    groups = [np.flatnonzero(split.labels == label) for label in range(split.count)]
    groups.sort(key=lambda members: (-len(members), members[0]))
    return Neuron(
        layer=layer,
        channel=channel,
        concept=tuple(concept.tolist()),
        activations=tuple(float(x) for x in phi[concept]),
        core=tuple(CoreScore(channel=int(c), score=float(scores[c])) for c in core),
        gap_mean=float(scored.gap.mean()) if scored else None,
        gap_max=float(scored.gap.max()) if scored else None,
        nodes=scored.nodes if scored else None,
        silhouette=split.silhouette,
        groups=tuple(_semantic(j + 1, m, phi, concept, r, core, scored) for j, m in enumerate(groups)),
        dead=dead(phi),
        error_mean=float(scored.error.mean()) if scored else None,
        error_max=float(scored.error.max()) if scored else None,
    )


def _semantic(
    index: int, members: Indices, phi: Floats, concept: Indices, r: Floats, core: Indices, scored: _Scored | None
) -> SemanticGroup:
    """V_{a,j}, closest to its centre first, with w(a, i, j) over the core set."""
    patches = concept[members]
    weights = edge_weights(scored.values[members][:, core]) if scored else np.zeros(0)
    return SemanticGroup(
        index=index,
        patches=tuple(patches[closest_first(r[patches])].tolist()),
        activation=float(phi[patches].mean()),
        edges=tuple(
            NeuronEdge(channel=int(c), weight=float(w)) for c, w in zip(core, weights, strict=scored is not None)
        ),
    )


def edge_weights(values: Floats) -> Floats:
    """w(a, i, j) from T of the group's patches and the core neurons, (patches, |S_a|): signed, Σ|w| = 1.

    All zeros where every mean attribution is zero. METHOD §3.
    """
    mean: Floats = values.mean(axis=0)
    total = np.abs(mean).sum()
    return mean / total if total > 0 else mean
