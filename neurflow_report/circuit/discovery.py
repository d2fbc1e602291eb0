"""The recursion from the class logit down to the lowest declared layer (METHOD §§2–3).

1. core(top) = {the logit}.
2. At layer ℓ, for each a in core(ℓ): its concept V_a, the attributions T(a, i, v) over V_a, its core set S_a,
   its semantic groups, and their edge weights w(a, i, j).
3. core(ℓ−1) = ∪ S_a; stop at the lowest layer, whose neurons have concepts and semantic groups only.
4. At every layer the semantic groups of all its core neurons cluster into neuron groups (neuron_groups.py).

r, the vector that groups are made from, is the activation of the layer below; the lowest layer stands in for itself.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.attribution.affine_split import AffineSplit
from neurflow_report.attribution.integrated_gradients import (
    Attribution,
    Pairs,
    Quadrature,
    Segment,
    attribute,
    index_on,
    prepared,
)
from neurflow_report.circuit.clustering import Partitions, distances, partitions, stays
from neurflow_report.circuit.deletions import Deletions
from neurflow_report.circuit.top_patches import concepts, dead
from neurflow_report.errors import RunError
from neurflow_report.network import devices
from neurflow_report.network.forward import AdaptiveBatch
from neurflow_report.results.records import Neuron

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
Activations = Callable[[int, Indices], Tensor]
"""The full activation of a layer (by its number) on patches (by their indices)."""
PART, POINTS = 2**24, 4096
"""Numbers of T that are taken to float64 at once; patches whose distances are held at once."""
Scores = dict[tuple[str, int], Floats]
"""score(a, i) of every channel i below, (C,), by layer and channel a (METHOD §2)."""
Recalled = Callable[[int, Indices, Indices, Callable[[], Attribution]], Attribution]
"""Gives a layer's attributions, by its number, its targets (targets,) and their concepts (targets, k): as they were
made before, or as the last argument makes them."""


def made(_number: int, _core: Indices, _wanted: Indices, make: Callable[[], Attribution]) -> Attribution:
    """They are made."""
    return make()


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
        arithmetic: what attributions are computed in.
        memory: bytes that a device's blocks may take; None: as many as `rows` rows take.
    """

    segment: Segment
    axis: int
    out_axis: int
    rows: int
    whole: bool = False
    arithmetic: Callable[[], AbstractContextManager[None]] = nullcontext
    memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class Search:
    """The settings of a search, under the names of METHOD §1; `max_semantic`: the most semantic groups of a neuron;
    `taus`: those that the circuit may be cut to afterwards, none where that is not asked for."""

    k: int
    tau: int
    max_semantic: int
    quadrature: Quadrature
    taus: tuple[int, ...] = ()


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
    deletions: Deletions | None = None,
    recalled: Recalled = made,
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
        deletions: is told of T, to see what would be core on fewer pictures.
        recalled: gives T, where it was made before.
    Raises: RunError not-finite when an attribution is NaN or infinite.
    """
    core = np.array([logit], dtype=np.int64)
    found: list[tuple[Neuron, ...]] = []
    for number in range(len(layers) - 1, -1, -1):
        with stage(layers[number], len(core)) as counter:
            neurons = layer_neurons(
                search, layers, layer_pairs, means, number, core, activations, counter, scores, deletions, recalled
            )
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
    deletions: Deletions | None = None,
    recalled: Recalled = made,
) -> list[Neuron]:
    """The records of all targets `core` of one layer, by its number: a step of `find_neurons`, with its arguments.

    What is computed for all of them stays on the device; the host is given tables of it, a few for the layer.
    """
    if not len(core):
        return []
    below = max(number - 1, 0)
    wanted = concepts(means[number], core, search.k)
    r, found = torch.as_tensor(means[below]), None
    if number:
        make = partial(attributions, search.quadrature, layer_pairs[below], below, core, wanted, activations, counter)
        scored = recalled(number, core, wanted, make)
        place = devices.with_float64(scored.values.device)
        found, between = _Scored.of(scored, _between(r.to(place), wanted), search.tau)
        if not found.finite:
            raise RunError("not-finite", f"an attribution of layer {layers[number]!r} is NaN or infinite")
        if scores is not None:
            scores.update(zip([(layers[number], a) for a in core.tolist()], found.scores, strict=True))
        if deletions is not None:
            values = scored.values.to(place).view(*wanted.shape, -1)
            deletions.descend(layers[below], values, core, wanted, search.taus or (search.tau,))
    else:
        counter.advance(len(core))
        place = devices.with_float64(activations(below, wanted[0, :1]).device)
        between = _between(r.to(place), wanted)
        between = between if stays(between) else torch.from_numpy(_told([between])[0])
    split = partitions(between, search.max_semantic)
    with _no_collection():
        return _neurons(layers[number], core, wanted, means[number], split, found)


def attributions(
    quadrature: Quadrature,
    layer_pair: LayerPair,
    below: int,
    core: Indices,
    wanted: Indices,
    activations: Activations,
    counter: Counter,
) -> Attribution:
    """T of every target on its patches, on the device: pair i·k + j is target core[i] on patch wanted[i, j].

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

    @cached_property
    def split(self) -> AffineSplit | None:
        """The segment split, once for the layer; None where it is run as it is."""
        pair = self.layer_pair
        row = self.activations(self.below, self.used[:1])
        with pair.arithmetic():
            return None if pair.whole else prepared(pair.segment, row, pair.axis, pair.out_axis)

    def attributed(self, first: int, last: int, n: int) -> list[tuple[Indices, Attribution]]:
        """Of the patches `used[first:last]`, n at a time: which pairs are theirs, and their T."""
        return [self._some(start, min(start + n, last), n) for start in range(first, last, n)]

    def _some(self, first: int, last: int, n: int) -> tuple[Indices, Attribution]:
        mine = np.flatnonzero((self.place >= first) & (self.place < last))
        full = self.activations(self.below, self.used[first:last])
        pairs = Pairs(
            rows=self.place[mine] - first,
            channels=self.channels[mine],
        )
        how = {
            "axis": self.layer_pair.axis,
            "out_axis": self.layer_pair.out_axis,
            "rows": n,
            "whole": self.layer_pair.whole,
            "split": self.split,
            "memory": self.layer_pair.memory and self.layer_pair.memory * n // self.layer_pair.rows,
        }
        with self.layer_pair.arithmetic():
            return mine, attribute(self.layer_pair.segment, full, pairs, quadrature=self.quadrature, **how)  # type: ignore[arg-type]


def _room(count: int, like: Attribution) -> Attribution:
    """Room for the attributions of `count` pairs, each where its part is."""
    return Attribution(
        **{
            name: getattr(like, name).new_zeros((count, *getattr(like, name).shape[1:]))
            for name in Attribution.__dataclass_fields__
        }
    )


def _put(whole: Attribution, mine: Indices, part: Attribution) -> None:
    """The pairs `mine` of the whole are `part`."""
    where = index_on(part.values, mine)
    whole.values[where], whole.gap[where], whole.error[where] = part.values, part.gap, part.error
    whole.n_steps[torch.from_numpy(mine)] = part.n_steps


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """What the host is told of the attributions of a layer's targets.

    Attributes:
        scores: score(a, i), (targets, C).
        core: of each target, its core set.
        values: T of the channels with the largest scores, the core set before all others, (targets, k, τ).
        gaps, errors: mean and largest of each target, (targets, 2).
        n_steps: the most of each target, (targets,).
        finite: whether all T are, and all gaps: φ may have no value at the zero baseline where T has one.
    """

    scores: Floats
    core: tuple[Indices, ...]
    values: Tensor
    gaps: Floats
    errors: Floats
    n_steps: Indices
    finite: bool

    @classmethod
    def of(cls, scored: Attribution, between: Tensor, tau: int) -> tuple[_Scored, Tensor]:
        """The tables of an Attribution whose pairs are the targets' k patches each, and the distances between these
        where they are to be clustered: both in one copy to the host."""
        targets, place = len(between), between.device
        values = scored.values.to(place).view(targets, -1, scored.values.shape[1])
        parts = torch.split(values, max(1, PART // values[0].numel()))
        means = torch.cat([part.abs().double().mean(dim=1) for part in parts])  # (targets, C)
        order = means.sort(dim=1, descending=True, stable=True).indices[:, :tau]  # as `core_set` has them
        largest = values.gather(2, order[:, None].expand(-1, values.shape[1], -1))
        misses = torch.stack([scored.gap, scored.error]).to(place).double().view(2, targets, -1)
        finite = torch.stack([torch.isfinite(part).all() for part in (*parts, misses[0])]).all()
        tables = [means, order, largest, misses.mean(dim=2).T, misses.amax(dim=2).T, finite.expand(targets)[:, None]]
        scores, best, own, mean, most, ends, *rest = _told(tables if stays(between) else [*tables, between])
        places = best.astype(np.int64)
        sizes = (np.take_along_axis(scores, places, axis=1) > 0).sum(axis=1).tolist()  # a core neuron's is never 0
        found = cls(
            scores=scores,
            core=tuple(one[:size] for one, size in zip(places, sizes, strict=True)),
            values=torch.from_numpy(own[..., : max(sizes)].copy()),
            gaps=np.stack([mean[:, 0], most[:, 0]], axis=1),
            errors=np.stack([mean[:, 1], most[:, 1]], axis=1),
            n_steps=scored.n_steps.view(targets, -1).amax(dim=1).numpy(),
            finite=bool(ends[0]),
        )
        return found, torch.from_numpy(rest[0]) if rest else between

    def edge_weights(self, split: Partitions) -> Floats:
        """w(a, i, j) of each target, semantic group and core neuron, (targets, groups, τ)."""
        inside = split.labels[:, None] == np.arange(split.counts.max())[:, None]  # (targets, groups, k)
        sums: Floats = torch.from_numpy(inside).double().bmm(self.values).numpy()
        means = sums / np.maximum(inside.sum(axis=2, keepdims=True), 1)
        means *= (np.arange(means.shape[2]) < [[len(core)] for core in self.core])[:, None]
        return edge_weights(means)


def _told(tables: Sequence[Tensor]) -> list[Floats]:
    """Tables of as many rows each, (rows, …), in float64 at the host: one copy for all of them."""
    flat = [table.flatten(1).double() for table in tables]
    ends = np.cumsum([table.shape[1] for table in flat])[:-1]
    columns = np.split(torch.cat(flat, dim=1).cpu().numpy(), ends, axis=1)
    # Copies: what is kept of one table holds none of the others.
    return [part.copy().reshape(table.shape) for part, table in zip(columns, tables, strict=True)]


def edge_weights(means: Floats) -> Floats:
    """w from the mean T of a semantic group's patches, (…, |S_a|): signed, Σ|w| = 1; all zeros where every mean is
    (METHOD §3)."""
    total = np.abs(means).sum(axis=-1, keepdims=True)
    found: Floats = np.divide(means, total, out=np.zeros_like(means), where=total > 0)
    return found


def _between(r: Tensor, wanted: Indices) -> Tensor:
    """The distances between the patches of each concept, (targets, k, k). Args: r: (P, m); wanted: (targets, k)."""
    at_once = len(wanted) if len(np.unique(wanted)) <= POINTS else max(1, POINTS // wanted.shape[1])
    found = []
    for some in np.split(wanted, range(at_once, len(wanted), at_once)):
        used, place = np.unique(some, return_inverse=True)
        where = index_on(r, place.reshape(some.shape))
        found.append(distances(r[index_on(r, used)])[where[:, :, None], where[:, None, :]])
    return torch.cat(found)


def _neurons(
    layer: str, core: Indices, wanted: Indices, means: Floats, split: Partitions, found: _Scored | None
) -> list[Neuron]:
    """The records of all targets, each checked as a whole, which is quicker than one record in it after the other.

    Args: core: the targets; means: φ of all patches at their layer, (P, C).
    """
    phi = np.take_along_axis(means.T[core], wanted, axis=1)  # (targets, k)
    sizes = (split.labels[:, None] == np.arange(split.counts.max())[:, None]).sum(axis=2)  # (targets, groups)
    by_size = np.argsort(-sizes, axis=1, kind="stable")  # ties: where the first patch stands
    rank = np.take_along_axis(np.argsort(by_size, axis=1), split.labels, axis=1)  # of each patch's group, (targets, k)
    patches = np.take_along_axis(wanted, np.lexsort((split.spread, rank)), axis=1).tolist()
    sizes = np.take_along_axis(sizes, by_size, axis=1)
    bounds = np.pad(sizes.cumsum(axis=1), ((0, 0), (1, 0))).tolist()
    by_group = np.take_along_axis(phi, np.argsort(rank, axis=1, kind="stable"), axis=1)
    activation = _means(by_group, sizes, bounds).tolist()
    weights = None if found is None else np.take_along_axis(found.edge_weights(split), by_size[..., None], axis=1)
    silent = dead(means[:, core]).tolist()
    records = []
    for i, channel in enumerate(core.tolist()):
        begins, own = bounds[i], [] if found is None else found.core[i].tolist()
        edges = [[]] * split.counts[i] if weights is None else weights[i, :, : len(own)].tolist()
        silhouette = split.silhouettes[i]
        records.append(
            {
                "layer": layer,
                "channel": channel,
                "concept": wanted[i].tolist(),
                "activations": phi[i].tolist(),
                "silhouette": None if np.isnan(silhouette) else float(silhouette),
                "groups": [
                    {
                        "index": j + 1,
                        "patches": patches[i][begins[j] : begins[j + 1]],
                        "activation": activation[i][j],
                        "edges": [{"channel": c, "weight": w} for c, w in zip(own, edges[j], strict=True)],
                    }
                    for j in range(split.counts[i])
                ],
                "dead": silent[i],
                **_told_of(found, i),
            }
        )
    return [Neuron.model_validate(record) for record in records]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Inside, Python looks for no unreachable cycles: many records at once, all of which stay, would have it go through
    all that the process holds, torch's objects included."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _means(values: Floats, sizes: Indices, bounds: Sequence[Sequence[int]]) -> Floats:
    """The mean of each part of each row of (n, k), (n, parts); 0 of none."""
    sums = np.zeros(sizes.shape, values.dtype)
    for own, row, ends in zip(sums, values, bounds, strict=True):
        own[:] = [np.add.reduce(row[first:end]) for first, end in pairwise(ends)]
    return sums / np.maximum(sizes, 1).astype(values.dtype)


def _told_of(found: _Scored | None, number: int) -> dict[str, Any]:
    """The part of a target's record that its attributions tell."""
    if found is None:
        return {"core": [], "gap_mean": None, "gap_max": None, "nodes": None}
    core, gap, error = found.core[number], found.gaps[number].tolist(), found.errors[number].tolist()
    scores = zip(core.tolist(), found.scores[number, core].tolist(), strict=True)
    return {
        "core": [{"channel": c, "score": s} for c, s in scores],
        "gap_mean": gap[0],
        "gap_max": gap[1],
        "nodes": int(found.n_steps[number]),
        "error_mean": error[0],
        "error_max": error[1],
    }
