"""The recursion from the class logit down to the lowest declared layer (METHOD §§2–3).

1. core(top) = {the logit}.
2. At layer ℓ, for each a in core(ℓ): its concept V_a, the attributions T(a, i, v) over V_a, its core set S_a,
   its semantic groups, and their edge weights w(a, i, j).
3. core(ℓ−1) = ∪ S_a; stop at the lowest layer, whose neurons have concepts and semantic groups only.
4. At every layer the semantic groups of all its core neurons cluster into neuron groups (neuron_groups.py).

r, the vector that groups are made from, is the activation of the layer below; the lowest layer stands in for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.attribution.integrated_gradients import Attribution, Pairs, Quadrature, Segment, attribute
from neurflow_report.circuit.clustering import closest_first, partition
from neurflow_report.circuit.top_patches import concepts, core_set, dead
from neurflow_report.errors import RunError
from neurflow_report.network.forward import AdaptiveBatch
from neurflow_report.results.records import CoreScore, Neuron, NeuronEdge, SemanticGroup

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
Activations = Callable[[int, Indices], Tensor]
"""The full activation of a layer (by its number) on patches (by their indices)."""
Scores = dict[tuple[str, int], Floats]
"""score(a, i) of every channel i below, (C,), by layer and channel a (METHOD §2)."""


class Counter(Protocol):
    """Counts the targets done."""

    def advance(self, n: int = 1) -> None:
        """`n` more targets are done."""

    def note(self, text: str) -> None:
        """A batch was made smaller, in one line."""


@dataclass(frozen=True, kw_only=True)
class LayerPair:
    """One step of the recursion.

    Attributes:
        segment: from the lower layer to the upper one.
        axis, out_axis: the channel axes of its input and output.
        rows: the most rows a batch.
        whole: whether it is run as it is, since the split segment gives something else.
    """

    segment: Segment
    axis: int
    out_axis: int
    rows: int
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Search:
    """The settings of a search, under the names of METHOD §1; `max_semantic`: the most semantic groups of a neuron."""

    k: int
    tau: int
    max_semantic: int
    quadrature: Quadrature


def find_neurons(
    search: Search,
    *,
    layers: Sequence[str],
    layer_pairs: Sequence[LayerPair],
    means: Sequence[Floats],
    logit: int,
    activations: Activations,
    stage: Callable[[str, int], AbstractContextManager[Counter]],
    scores: Scores | None = None,
) -> tuple[tuple[Neuron, ...], ...]:
    """The core neurons of every layer, input → output; the last layer's is the logit alone.

    Args:
        search: the settings.
        layers: their names.
        layer_pairs: the one at i leads from layer i to i + 1.
        means: φ of all patches, (P, C) for each layer.
        logit: channel of the last layer.
        activations: gives a layer's full activation on patches.
        stage: given a layer's name and target count, it counts the targets done.
        scores: a dictionary that takes the scores.
    Raises: RunError not-finite when an attribution is NaN or infinite.
    """
    core = np.array([logit], dtype=np.int64)
    found: list[tuple[Neuron, ...]] = []
    for number in range(len(layers) - 1, -1, -1):
        with stage(layers[number], len(core)) as counter:
            neurons = layer_neurons(search, layers, layer_pairs, means, number, core, activations, counter, scores)
        found.append(tuple(neurons))
        core = np.array(sorted({s.channel for n in neurons for s in n.core}), dtype=np.int64)
    return tuple(reversed(found))


def layer_neurons(
    search: Search,
    layers: Sequence[str],
    layer_pairs: Sequence[LayerPair],
    means: Sequence[Floats],
    number: int,
    core: Indices,
    activations: Activations,
    counter: Counter,
    scores: Scores | None = None,
) -> list[Neuron]:
    """The records of all targets `core` of one layer, by its number: a step of `find_neurons`, with its arguments."""
    below = max(number - 1, 0)
    wanted = concepts(means[number], core, search.k)
    scored = None
    if number and len(core):
        scored = attributions(search.quadrature, layer_pairs[below], below, core, wanted, activations, counter)
    if scored is None:
        counter.advance(len(core))
    elif not _finite(scored):
        raise RunError("not-finite", f"an attribution of layer {layers[number]!r} is NaN or infinite")
    table, neurons = np.empty((len(core), means[below].shape[1])), list[Neuron]()
    for i, a in enumerate(core.tolist()):
        one = _rows(scored, i, search.k)
        neurons.append(_neuron(search, layers[number], a, means[number][:, a], wanted[i], means[below], one))
        if one and scores is not None:
            table[i] = one.scores
            scores[layers[number], a] = table[i]
    return neurons


def attributions(
    quadrature: Quadrature,
    layer_pair: LayerPair,
    below: int,
    core: Indices,
    wanted: Indices,
    activations: Activations,
    counter: Counter,
) -> Attribution:
    """T of every target on its patches, on the CPU: pair i·k + j is target core[i] on patch wanted[i, j].

    A few patches at a time, with all targets that want them: a patch's activation is taken once, and what its targets
    share is computed once.

    Args:
        quadrature: how the integral is computed.
        layer_pair: from the lower layer to the targets'.
        below: the number of the lower layer.
        core: the targets, (targets,).
        wanted: their concepts' patches, (targets, k).
        activations: gives a layer's full activation on patches.
        counter: counts the targets done.
    """
    k = wanted.shape[1]
    used, place = np.unique(wanted, return_inverse=True)
    pairs = _PairsOfLayer(
        quadrature=quadrature,
        layer_pair=layer_pair,
        below=below,
        used=used,
        place=place.reshape(-1),
        channels=np.repeat(core, k),
        activations=activations,
    )
    rows, done = AdaptiveBatch(most=layer_pair.rows, note=counter.note), 0
    whole: Attribution | None = None
    for first in range(0, len(used), layer_pair.rows):
        for mine, part in rows.attempt(partial(pairs.attributed, first, min(first + layer_pair.rows, len(used)))):
            whole = whole or _room(len(pairs.place), part)
            _put(whole, mine, part)
            counter.advance((done + len(mine)) // k - done // k)  # targets, of k pairs each
            done += len(mine)
    assert whole is not None  # noqa: S101  # a concept has a patch
    return whole


@dataclass(frozen=True, kw_only=True)
class _PairsOfLayer:
    """All (target, patch) pairs of a layer: pair p is target `channels[p]` on the patch `used[place[p]]`."""

    quadrature: Quadrature
    layer_pair: LayerPair
    below: int
    used: Indices
    place: Indices
    channels: Indices
    activations: Activations

    def attributed(self, first: int, last: int, n: int) -> list[tuple[Indices, Attribution]]:
        """Of the patches `used[first:last]`, n at a time: which pairs are theirs, and their T."""
        return [self._some(start, min(start + n, last), n) for start in range(first, last, n)]

    def _some(self, first: int, last: int, n: int) -> tuple[Indices, Attribution]:
        mine = np.flatnonzero((self.place >= first) & (self.place < last))
        full = self.activations(self.below, self.used[first:last])
        pairs = Pairs(
            rows=torch.as_tensor(self.place[mine] - first, device=full.device),
            channels=torch.as_tensor(self.channels[mine], device=full.device),
        )
        how = {
            "axis": self.layer_pair.axis,
            "out_axis": self.layer_pair.out_axis,
            "rows": n,
            "whole": self.layer_pair.whole,
        }
        return mine, attribute(self.layer_pair.segment, full, pairs, quadrature=self.quadrature, **how)  # type: ignore[arg-type]


def _room(count: int, like: Attribution) -> Attribution:
    """Room for the attributions of `count` pairs, on the CPU."""
    return Attribution(
        **{
            name: torch.zeros((count, *getattr(like, name).shape[1:]), dtype=getattr(like, name).dtype)
            for name in Attribution.__dataclass_fields__
        }
    )


def _put(whole: Attribution, mine: Indices, part: Attribution) -> None:
    """The pairs `mine` of the whole are `part`."""
    where = torch.as_tensor(mine)
    for name in Attribution.__dataclass_fields__:
        getattr(whole, name)[where] = getattr(part, name).cpu()


def _finite(scored: Attribution) -> bool:
    """Whether all T are finite, and all gaps: φ may have no value at the zero baseline where T has one."""
    return bool(torch.isfinite(scored.values).all() and torch.isfinite(scored.gap).all())


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """One target's share of an Attribution, on the CPU: T (k, C), gap and error (k,), the most steps of a patch."""

    values: Floats
    gap: Floats
    error: Floats
    n_steps: int

    @cached_property
    def scores(self) -> Floats:
        """score(a, i), (C,)."""
        found: Floats = np.abs(self.values).mean(axis=0)
        return found


def _rows(scored: Attribution | None, i: int, k: int) -> _Scored | None:
    if scored is None:
        return None
    mine = slice(i * k, (i + 1) * k)
    values, gap, error = (x[mine].cpu().double().numpy() for x in (scored.values, scored.gap, scored.error))
    return _Scored(values=values, gap=gap, error=error, n_steps=int(scored.n_steps[mine].max()))


def _neuron(
    search: Search, layer: str, channel: int, phi: Floats, concept: Indices, r: Floats, scored: _Scored | None
) -> Neuron:
    """The record of one target: its core set, semantic groups and edges."""
    scores = scored.scores if scored else np.zeros(0)
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
        nodes=scored.n_steps if scored else None,
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
    """w(a, i, j), (|S_a|,), from T of the group's patches and the core neurons: signed, Σ|w| = 1 (METHOD §3).

    All zeros where every mean attribution is zero.

    Args: values: T, (patches, |S_a|).
    """
    mean: Floats = values.mean(axis=0)
    total = np.abs(mean).sum()
    return mean / total if total > 0 else mean
