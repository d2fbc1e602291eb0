"""Which neuron of one network is which of another's: an optimal assignment by what the bundles hold of φ.

A bundle has a neuron's activations on its k strongest patches; of all others it is known that they are not above the
weakest of these. So a neuron is a vector over the patches that both bundles have: 0 outside of its concept, and inside
from 1, for the weakest, to 2, for the strongest. Two neurons are as similar as the cosine of theirs, over the
classes that hold both. A network's scale does not count, and each bundle needs only what it has.

The null re-labels the pictures of one bundle at random, and keeps the places in them: what is similar then shares a
liking for sizes and places of patches, or is the best of many by luck. A pair counts where it is above 95% of the
null's pairs, and above `HALF`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurflow_report.comparison.patches import Shared, Shown
from neurflow_report.comparison.records import LayerMatch, Pair
from neurflow_report.results.records import Neuron

DRAWS = 40
SEED = 0
HALF = 0.5**0.5
"""What the similarity of a pair must be above to count, whatever the null says: half of each vector's square is the
other's. Networks with random weights prefer some of the same pictures, and so are more alike than the null."""
FEWEST_PICTURES = 5
"""Shared pictures from which re-labelling them can tell a match from luck."""
Vector = Mapping[Shown, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OfClass:
    """One class's neurons at a layer in both bundles, by channel, as vectors over the shared patches."""

    pictures: int
    then: Mapping[int, Vector]
    now: Mapping[int, Vector]


def of_class(shared: Shared, then: Sequence[Neuron], now: Sequence[Neuron]) -> OfClass:
    """The neurons of a class's layer, as far as the shared patches tell them."""
    return OfClass(
        pictures=shared.pictures,
        then={a.channel: vector(a, shared.a) for a in then},
        now={a.channel: vector(a, shared.b) for a in now},
    )


def vector(neuron: Neuron, places: Mapping[int, Shown]) -> Vector:
    """A neuron over the shared patches: 0 outside of its concept, 1 to 2 inside. A dead one has none: its concept is
    arbitrary."""
    if neuron.dead or not neuron.activations:
        return {}
    least, most = min(neuron.activations), max(neuron.activations)
    span = most - least
    return {
        places[patch]: 1 + ((value - least) / span if span > 0 else 0.0)
        for patch, value in zip(neuron.concept, neuron.activations, strict=True)
        if patch in places
    }


def similarity(classes: Sequence[OfClass], then: int, now: int) -> float | None:
    """How alike two neurons are, 0..1; None where no class with both has a patch of either that is shared."""
    product = squares_then = squares_now = 0.0
    for one in classes:
        if then in one.then and now in one.now:
            a, b = one.then[then], one.now[now]
            product += sum(value * b[key] for key, value in a.items() if key in b)
            squares_then += sum(value * value for value in a.values())
            squares_now += sum(value * value for value in b.values())
    return min(1.0, product / (squares_then * squares_now) ** 0.5) if squares_then and squares_now else None


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A layer's match, and under each draw of the null the pairs that would count."""

    match: LayerMatch
    by_chance: tuple[tuple[tuple[int, int], ...], ...] = ()


def match_by_activations(layer: str, classes: Sequence[OfClass], reasons: Sequence[str]) -> Matched:
    """Identify a layer's neurons by an optimal assignment against the null.

    Args: reasons: why classes share no patch, where some do not.
    """
    channels = [sorted({c for one in classes for c in (one.then if side == 0 else one.now)}) for side in (0, 1)]
    then, now = map(len, channels)
    telling = [one for one in classes if one.pictures >= FEWEST_PICTURES]
    if not telling:
        few = max((one.pictures for one in classes), default=0)
        why = f"only {few} pictures of a class are in both, and it takes {FEWEST_PICTURES} to tell a match from luck"
        told = why if few else "; ".join(dict.fromkeys(reasons)) or "no class is in both"
        return Matched(match=LayerMatch(layer=layer, how="none", reason=told, then=then, now=now))
    channels = [[c for c in side if _told(telling, c, late)] for late, side in enumerate(channels)]
    grams = _Grams(telling, channels)
    if not grams.any():
        return Matched(
            match=LayerMatch(layer=layer, how="none", reason="no neuron has a shared patch", then=then, now=now)
        )
    found = _assigned(grams.similarities(None))
    rng = np.random.default_rng(SEED)
    null = [_assigned(grams.similarities(rng)) for _ in range(DRAWS)]
    threshold = max(HALF, float(np.quantile(np.concatenate([values for _, _, values in null]), 0.95)))
    means = [float(values.mean()) for _, _, values in null]
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    by_chance = tuple(_named(one, channels, threshold) for one in null)
    best = dict(zip(zip(found[0].tolist(), found[1].tolist(), strict=True), found[2].tolist(), strict=True))
    pairs = tuple(
        Pair(then=channels[0][a], now=channels[1][b], similarity=value)
        for (a, b), value in best.items()
        if value > threshold
    )
    return Matched(
        match=LayerMatch(
            layer=layer,
            how="activations",
            reason=f"by activations on the shared patches of {len(telling)} "
            + ("class" if len(telling) == 1 else "classes"),
            pairs=pairs,
            similarity=float(found[2].mean()),
            null=(float(np.mean(means)), low, high),
            threshold=threshold,
            chance=float(np.mean([len(one) for one in by_chance])) / max(1, min(map(len, channels))),
            then=then,
            now=now,
            blank=(then - len(channels[0]), now - len(channels[1])),
        ),
        by_chance=by_chance,
    )


def _told(classes: Sequence[OfClass], channel: int, late: int) -> bool:
    """Whether a neuron has a shared patch in some class."""
    return any((one.now if late else one.then).get(channel) for one in classes)


_Assigned = tuple[NDArray[np.int64], NDArray[np.int64], Floats]


def _assigned(similarities: Floats) -> _Assigned:
    """The assignment with the largest sum: rows, columns, similarities."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(similarities, maximize=True)
    return rows, columns, similarities[rows, columns]


def _named(found: _Assigned, channels: Sequence[Sequence[int]], threshold: float) -> tuple[tuple[int, int], ...]:
    rows, columns, values = found
    inside = values > threshold
    return tuple(
        (channels[0][a], channels[1][b]) for a, b in zip(rows[inside].tolist(), columns[inside].tolist(), strict=True)
    )


class _Grams:
    """The similarities of all neurons of a layer, with pictures as they are or re-labelled; sparse, as concepts are."""

    def __init__(self, classes: Sequence[OfClass], channels: Sequence[Sequence[int]]) -> None:
        self._classes = [_Sparse(one, channels) for one in classes]
        self._shape = len(channels[0]), len(channels[1])
        squares_then, squares_now = np.zeros(self._shape), np.zeros(self._shape)
        for one in self._classes:  # a class counts for those pairs that it holds both of
            squares_then += np.outer(one.squares[0], one.there[1])
            squares_now += np.outer(one.there[0], one.squares[1])
        self._norms = np.sqrt(squares_then * squares_now)

    def any(self) -> bool:
        return bool((self._norms > 0).any())

    def similarities(self, rng: np.random.Generator | None) -> Floats:
        """(then, now), 0..1; with `rng`, under a random re-labelling of the second bundle's pictures."""
        products = np.zeros(self._shape)
        for one in self._classes:
            products += one.products(rng)
        return np.divide(products, self._norms, out=np.zeros(self._shape), where=self._norms > 0).clip(0, 1)


class _Sparse:
    """A class's vectors as sparse matrices (neurons, pictures × boxes)."""

    def __init__(self, one: OfClass, channels: Sequence[Sequence[int]]) -> None:
        from scipy.sparse import csr_array

        sides = (one.then, one.now)
        boxes = {box: n for n, box in enumerate(sorted({k[1] for side in sides for v in side.values() for k in v}))}
        self._pictures, self._boxes = one.pictures, len(boxes)
        self._entries, self.squares, self.there = [], [], []
        for side, known in zip(sides, channels, strict=True):
            row = {channel: n for n, channel in enumerate(known)}
            cells = [(row[c], k[0], boxes[k[1]], value) for c, v in side.items() for k, value in v.items()]
            table = np.array(cells, np.float64).reshape(-1, 4)
            rows, pictures, places = table[:, :3].T.astype(np.int64)
            values = table[:, 3]
            self._entries.append((rows, pictures, places, values, len(known)))
            self.squares.append(np.bincount(rows, values**2, minlength=len(known)).astype(np.float64))
            self.there.append(np.array([float(c in side) for c in known]))
        self._matrix = csr_array
        self._then = self._of(0, np.arange(self._pictures))

    def _of(self, side: int, relabelled: NDArray[np.int64]) -> Any:
        rows, pictures, places, values, count = self._entries[side]
        shape = (count, max(1, self._pictures * self._boxes))
        return self._matrix((values, (rows, relabelled[pictures] * self._boxes + places)), shape=shape)

    def products(self, rng: np.random.Generator | None) -> Floats:
        order = np.arange(self._pictures) if rng is None else rng.permutation(self._pictures)
        found: Floats = (self._then @ self._of(1, order).T).toarray()
        return found
