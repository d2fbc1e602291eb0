"""Clusters of activation vectors: Ward's tree, cut where the mean silhouette is best (METHOD §3).

`partition` takes one set of vectors, which may be large; `partitions` many small ones together, on their device.

1. One Ward tree of the N vectors (J. H. Ward 1963) and one matrix of their Euclidean distances.
2. The finest partition asked for gives S[i, c], the sum of distances from vector i to cluster c.
3. Undoing the cut one merge at a time only adds two columns of S, so every coarser partition's
   silhouettes (P. J. Rousseeuw 1987) follow without a new look at the N×N matrix, and another cluster becomes the
   nearest of few vectors only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.network import devices

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
CLOSE = 1e-4
"""Squared distances under this share of the vectors' own squares are taken from their differences."""
CHUNK = 2**22
"""Numbers of these differences, and of clusters' members, at once."""
MANY = 512
"""Sets from which on a device makes the trees: its steps are as many for one set as for all."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Clusters of some vectors.

    Attributes:
        labels: 0 … count − 1, numbered by where each cluster first stands.
        count: of the clusters.
        silhouette: the mean, −1 … 1; None for one cluster.
    """

    labels: Indices
    count: int
    silhouette: float | None


def partition(vectors: Floats, most: int) -> Partition:
    """The Ward partition into 2 to min(most, N − 1) clusters with the best mean silhouette (METHOD §3).

    Ties go to fewer clusters. One cluster, silhouette None, when N < 3, or when all vectors are equal.

    Args:
        vectors: (N, m), N ≥ 1.
        most: the most clusters, ≥ 2.
    """
    count = len(vectors)
    points = np.asarray(vectors, dtype=np.float64)
    if count < 3 or not np.ptp(points, axis=0).any():
        return Partition(labels=np.zeros(count, np.int64), count=1, silhouette=None)
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist, squareform

    condensed = pdist(points)
    merges = linkage(condensed, "ward")[:, :2].astype(np.int64)
    finest = min(most, count - 1)
    scores, clusterings = _silhouettes(squareform(condensed), merges, finest)
    best = int(np.argmax(scores))
    return Partition(labels=_renumber(clusterings[best]), count=best + 2, silhouette=float(scores[best]))


@dataclass(frozen=True, kw_only=True)
class Partitions:
    """The partitions of B sets of N vectors each, the host's.

    Attributes:
        labels: (B, N), as in `Partition`.
        counts: clusters, (B,).
        silhouettes: (B,), NaN for one cluster.
        spread: the squared distances from each vector to all of its cluster, summed, (B, N): within a cluster they are
            in the order of the distances to its mean.
    """

    labels: Indices
    counts: Indices
    silhouettes: Floats
    spread: Floats


def distances(points: Tensor) -> Tensor:
    """Euclidean distances between vectors, (…, U, m) → (…, U, U), in float64; exactly 0 where two are equal."""
    x = points.double().reshape(-1, *points.shape[-2:])
    norms = x.square().sum(dim=2)
    scale = norms[:, :, None] + norms[:, None]
    squares = torch.baddbmm(scale, x, x.mT, alpha=-2)
    # What the product leaves of close vectors is rounding: their differences are taken instead.
    close = (squares <= CLOSE * scale).nonzero()
    for some in torch.split(close, max(1, CHUNK // max(1, x.shape[2]))):
        a, i, j = some.unbind(dim=1)
        squares[a, i, j] = (x[a, i] - x[a, j]).square().sum(dim=1)
    return _sqrt(squares).view(*points.shape[:-1], points.shape[-2])


def partitions(between: Tensor, most: int) -> Partitions:
    """What `partition` gives for each of B sets of N vectors, all together; the host waits once, for the distances,
    whose trees it makes itself, or from `MANY` sets on for the result.

    Args:
        between: the distances within each set, (B, N, N), float64.
        most: the most clusters; at least 2.
    """
    sets, count, _ = between.shape
    on_device = stays(between)
    if not on_device and between.device.type != "cpu":
        between = between.cpu()
    if count < 3:
        return Partitions(
            labels=np.zeros((sets, count), np.int64), counts=np.ones(sets, np.int64),
            silhouettes=np.full(sets, np.nan), spread=between.square().sum(dim=2).cpu().numpy(),
        )  # fmt: skip
    trees = _ward(between) if on_device else torch.from_numpy(_ward_on_host(between.numpy()))
    cuts = _cuts(trees, min(most, count - 1))  # (B, cuts, N), of two clusters first
    found = torch.cat([_best_cut(*part) for part in _parts(between, cuts)])
    table = (found.cpu() if on_device else found).numpy()
    best, one = table[:, 0].astype(np.int64), table[:, 2] > 0
    return Partitions(
        labels=np.where(one[:, None], 0, table[:, 3 : 3 + count].astype(np.int64)),
        counts=np.where(one, 1, best + 2),
        silhouettes=np.where(one, np.nan, table[:, 1]),
        spread=np.where(one[:, None], 0.0, table[:, 3 + count :]),
    )


def stays(between: Tensor) -> bool:
    """Whether `partitions` leaves the sets where they are."""
    return len(between) >= MANY and not devices.is_host(between.device)


def _cuts(trees: Tensor, finest: int) -> Tensor:
    """The labels of each set's partitions into 2 to `finest` clusters, (B, cuts, N), numbered by first places."""
    vectors = trees.shape[1] + 1
    place = torch.arange(vectors, device=trees.device).repeat(len(trees), 1)  # where the cluster of a vector lives on
    joined = trees[:, : vectors - finest]
    place = _followed(place.scatter(1, joined[..., 0], joined[..., 1]), vectors)
    found = [place]
    for step in range(vectors - finest, vectors - 2):
        place = torch.where(place == trees[:, step, :1], trees[:, step, 1:], place)
        found.append(place)
    cuts = torch.stack(found[::-1], dim=1)
    first = torch.full_like(cuts, vectors)  # of each place, where its cluster first stands
    first = first.scatter_reduce(2, cuts, torch.arange(vectors, device=cuts.device).expand_as(cuts), "amin")
    first = first.gather(2, cuts)
    begins = first == torch.arange(vectors, device=cuts.device)
    return (begins.cumsum(dim=2) - 1).gather(2, first)


def _followed(to: Tensor, most: int) -> Tensor:
    """Where each place of (B, places) leads in the end, in at most `most` steps; what leads to itself is an end."""
    for _ in range(most.bit_length()):
        to = to.gather(1, to)
    return to


def _parts(between: Tensor, cuts: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """A few sets at a time, and their cuts beside them."""
    at_once = max(1, CHUNK // (cuts[0].numel() * (cuts.shape[1] + 1)))
    yield from zip(torch.split(between, at_once), torch.split(cuts, at_once), strict=True)


def _best_cut(between: Tensor, cuts: Tensor) -> Tensor:
    """Of each set the number of its cut with the best mean silhouette, the first of several; that silhouette; whether
    all vectors are equal; its labels; and of each vector the squared distances to all of its cluster, summed,
    (B, 3 + 2 · N)."""
    sets, count, vectors = cuts.shape
    clusters = torch.arange(count + 1, device=cuts.device)
    inside = (cuts[..., None] == clusters).to(between.dtype)  # (B, cuts, N, clusters)
    own, sizes = cuts[..., None], inside.sum(dim=2)
    sums = between.bmm(inside.transpose(1, 2).reshape(sets, vectors, -1)).view(sets, vectors, count, -1).transpose(1, 2)
    mine = sizes.gather(2, cuts)
    within = sums.gather(3, own)[..., 0] / (mine - 1).clamp_min(1)
    sizes = sizes[:, :, None]
    nearest = torch.where(sizes > 0, sums / sizes, torch.inf).scatter(3, own, torch.inf).amin(dim=3)
    scale = torch.maximum(within, nearest)
    scores = torch.where((scale > 0) & (mine > 1), (nearest - within) / scale, 0.0).mean(dim=2)
    best = scores.argmax(dim=1, keepdim=True)
    chosen = cuts.gather(1, best[..., None].expand(-1, 1, vectors))[:, 0]
    together = chosen[:, :, None] == chosen[:, None]
    spread = (between.square() * together).sum(dim=2)
    alike = (between == 0).flatten(1).all(dim=1, keepdim=True)
    return torch.cat([x.to(scores.dtype) for x in (best, scores.gather(1, best), alike, chosen, spread)], dim=1)


def _ward_on_host(between: Floats) -> Indices:
    """The same as `_ward`, by SciPy set after set: a processor has nothing from steps that all sets take together."""
    from scipy.cluster.hierarchy import linkage

    sets, count, _ = between.shape
    upper = np.ravel_multi_index(np.triu_indices(count, 1), (count, count))
    condensed = between.reshape(sets, -1).take(upper, axis=1)
    trees = torch.from_numpy(np.stack([linkage(one, "ward")[:, :2] for one in condensed])).long()
    # A cluster lives on in the place of its second part.
    leaves = torch.arange(count).repeat(sets, 1)
    place = _followed(torch.cat([leaves, trees[..., 1]], dim=1), count)
    return place.gather(1, trees.flatten(1)).view_as(trees).numpy()


def _ward(between: Tensor) -> Tensor:
    """Ward's merges of each set, lowest first, (B, N − 1, 2): vectors of the two clusters that are joined, the first of
    which stands for none from then on.

    The nearest-neighbour chain (F. Murtagh 1983) as SciPy's `linkage` runs it, ties included, with all sets in step:
    each step a set either adds the nearest cluster to its chain or joins the chain's last two, which are each other's
    nearest. Distances follow by Lance and Williams. A cluster lives on in the place of one of its vectors.
    """
    sets, count, _ = between.shape
    every, places = torch.arange(sets, device=between.device), torch.arange(count, device=between.device)
    far = between.clone()  # inf: from itself, and where a cluster is gone
    far[:, places, places] = torch.inf
    size = far.new_ones((sets, count))
    chain = torch.zeros((sets, count + 1), dtype=torch.long, device=far.device)
    length, done = torch.zeros_like(every), torch.zeros_like(every)
    merges = torch.zeros((sets, count, 2), dtype=torch.long, device=far.device)  # the last place takes what is none
    heights = far.new_full((sets, count), torch.inf)
    for _ in range(3 * (count - 1)):
        chain[:, 0] = torch.where(length == 0, (size > 0).to(torch.uint8).argmax(dim=1), chain[:, 0])
        length = length.clamp_min(1)
        last, before = chain[every, length - 1], chain[every, (length - 2).clamp_min(0)]
        row = far[every, last]
        nearest = row.argmin(dim=1)  # the first of several
        height = row[every, before]
        joins = (length > 1) & (height <= row[every, nearest]) & (done < count - 1)
        chain[every, length] = nearest
        low, high = torch.minimum(last, before), torch.maximum(last, before)
        at = torch.where(joins, done, count - 1)
        merges[every, at], heights[every, at] = torch.stack([low, high], dim=1), height
        _join(far, size, every, low, high, height, joins)
        length = torch.where(joins, length - 2, (length + 1).clamp_max(count))
        done = done + joins
    order = heights[:, :-1].argsort(dim=1, stable=True)
    return merges[:, :-1].gather(1, order[..., None].expand(-1, -1, 2))


def _join(far: Tensor, size: Tensor, every: Tensor, low: Tensor, high: Tensor, height: Tensor, joins: Tensor) -> None:
    """The cluster at `low` goes into that at `high` in the sets that join: their distances and sizes, in place."""
    own, other = far[every, high], far[every, low]
    n_low, n_high = size[every, low][:, None], size[every, high][:, None]
    share = 1.0 / (n_low + n_high + size)
    joined = (size + n_low) * share * other * other + (size + n_high) * share * own * own
    joined = _sqrt(joined - size * share * height[:, None] * height[:, None])
    joined.masked_fill_(own.isinf() | other.isinf(), torch.inf)
    mine = joins[:, None]
    kept = torch.where(mine, joined, own)
    far[every, high], far[every, :, high] = kept, kept
    kept = torch.where(mine, torch.inf, far[every, low])
    far[every, low], far[every, :, low] = kept, kept
    size[every, high] += torch.where(joins, n_low[:, 0], 0.0)
    size[every, low] = torch.where(joins, 0.0, size[every, low])


def _sqrt(squares: Tensor) -> Tensor:
    """Correctly rounded, as ties in a tree ask for: PyTorch's own is not, on a CPU."""
    if squares.device.type != "cpu":
        return squares.clamp_min(0).sqrt()
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.sqrt(squares.numpy().clip(0)))


def closest_first(vectors: Floats) -> Indices:
    """Order of (N, m) vectors by distance to their mean, nearest first; ties to the lower index."""
    points = np.asarray(vectors, dtype=np.float64)
    away = points - points.mean(axis=0)
    np.square(away, out=away)
    return np.argsort(np.sqrt(away.sum(axis=1)), kind="stable")


def _silhouettes(distances: Floats, merges: Indices, finest: int) -> tuple[Floats, list[Indices]]:
    """Mean silhouette and labels for n = 2 … finest clusters, from n = finest down, merging two clusters a step."""
    labels, nodes = _cut(merges, len(distances), finest)
    rows, sizes = np.arange(len(labels)), np.bincount(labels, minlength=finest)
    # S, (N, finest): the sum of distances from each vector to each cluster.
    sums = np.stack([distances[:, labels == c].sum(axis=1) for c in range(finest)], axis=1)
    own, others = sums[rows, labels], sums / sizes
    others[rows, labels] = np.inf  # the mean distance to the other clusters; inf, too, where one is gone
    at = others.argmin(axis=1)
    nearest = others[rows, at]
    scores, clusterings = np.empty(finest - 1), [labels]
    for n in range(finest, 1, -1):
        scores[n - 2] = _mean_silhouette(own, nearest, sizes[labels])
        if n == 2:
            break
        step = len(distances) - n  # the merge that leads from n clusters to n − 1
        keep, drop = sorted((nodes.index(merges[step, 0]), nodes.index(merges[step, 1])))
        nodes[keep], nodes[drop] = len(distances) + step, None
        sums[:, keep] += sums[:, drop]
        sizes[keep] += sizes[drop]
        labels = np.where(labels == drop, keep, labels)
        clusterings.append(labels)
        inside = labels == keep
        own[inside] = sums[inside, keep]
        others[:, keep] = np.where(inside, np.inf, sums[:, keep] / sizes[keep])
        others[:, drop] = np.inf
        # The joined cluster is no nearer than the nearer of the two, but for rounding.
        again = np.flatnonzero(inside | (at == keep) | (at == drop) | (others[:, keep] < nearest))
        at[again] = others[again].argmin(axis=1)
        nearest[again] = others[again, at[again]]
    return scores, clusterings[::-1]


def _cut(merges: Indices, count: int, clusters: int) -> tuple[Indices, list[int | None]]:
    """Labels after the first count−clusters merges, and the tree node behind each label."""
    members = {i: [i] for i in range(count)}
    for step in range(count - clusters):
        left, right = merges[step]
        members[count + step] = members.pop(int(left)) + members.pop(int(right))
    labels = np.empty(count, np.int64)
    for label, node in enumerate(members):
        labels[members[node]] = label
    return labels, list(members)


def _mean_silhouette(own: Floats, nearest: Floats, sizes: Indices) -> float:
    """Mean of (b − a) / max(a, b): a the mean distance in a vector's own cluster, b that to the nearest other one.

    0 for a vector alone in its cluster, and where a = b = 0.

    Args: own: the sums of distances to its own cluster; nearest: b; sizes: of its own cluster.
    """
    within = own / np.maximum(sizes - 1, 1)  # a: its distance to itself, 0, does not count
    scale = np.maximum(within, nearest)
    silhouettes = np.divide(nearest - within, scale, out=np.zeros_like(scale), where=(scale > 0) & (sizes > 1))
    return float(silhouettes.mean())


def _renumber(labels: Indices) -> Indices:
    """Labels in the order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]  # the rank of each label's first place
