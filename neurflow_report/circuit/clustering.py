"""Clusters of activation vectors: Ward's tree, cut where the mean silhouette is best (METHOD §3).

1. One Ward tree of the N vectors (J. H. Ward 1963) and one matrix of their Euclidean distances.
2. The finest partition asked for gives S[i, c], the sum of distances from vector i to cluster c.
3. Undoing the cut one merge at a time only adds two columns of S, so every coarser partition's
   silhouettes (P. J. Rousseeuw 1987) follow without a new look at the N×N matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


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
    condensed = pdist(points)
    merges = linkage(points, "ward")[:, :2].astype(np.int64)
    finest = min(most, count - 1)
    scores, clusterings = _silhouettes(squareform(condensed), merges, finest)
    best = int(np.argmax(scores))
    return Partition(labels=_renumber(clusterings[best]), count=best + 2, silhouette=float(scores[best]))


def closest_first(vectors: Floats) -> Indices:
    """Order of (N, m) vectors by distance to their mean, nearest first; ties to the lower index."""
    points = np.asarray(vectors, dtype=np.float64)
    return np.argsort(np.linalg.norm(points - points.mean(axis=0), axis=1), kind="stable")


def _silhouettes(distances: Floats, merges: Indices, finest: int) -> tuple[Floats, list[Indices]]:
    """Mean silhouette and labels for n = 2 … finest clusters, from n = finest down, merging two clusters a step."""
    labels, nodes = _cut(merges, len(distances), finest)
    # S, (N, finest): the sum of distances from each vector to each cluster.
    sums = np.stack([distances[:, labels == c].sum(axis=1) for c in range(finest)], axis=1)
    sizes = np.bincount(labels, minlength=finest)
    scores, clusterings = np.empty(finest - 1), []
    for n in range(finest, 1, -1):
        scores[n - 2] = _mean_silhouette(sums, sizes, labels)
        clusterings.append(labels)
        if n > 2:
            step = len(distances) - n  # the merge that leads from n clusters to n − 1
            keep, drop = sorted((nodes.index(merges[step, 0]), nodes.index(merges[step, 1])))
            nodes[keep] = len(distances) + step
            labels, sums, sizes = _merge(labels, sums, sizes, keep, drop)
            del nodes[drop]
    return scores, clusterings[::-1]


def _cut(merges: Indices, count: int, clusters: int) -> tuple[Indices, list[int]]:
    """Labels after the first count−clusters merges, and the tree node behind each label."""
    members = {i: [i] for i in range(count)}
    for step in range(count - clusters):
        left, right = merges[step]
        members[count + step] = members.pop(int(left)) + members.pop(int(right))
    labels = np.empty(count, np.int64)
    for label, node in enumerate(members):
        labels[members[node]] = label
    return labels, list(members)


def _merge(labels: Indices, sums: Floats, sizes: Indices, keep: int, drop: int) -> tuple[Indices, Floats, Indices]:
    """Cluster `drop` joins `keep` (keep < drop); later labels move down by one."""
    joined = np.where(labels == drop, keep, labels)
    sums, sizes = sums.copy(), sizes.copy()
    sums[:, keep] += sums[:, drop]
    sizes[keep] += sizes[drop]
    return joined - (joined > drop), np.delete(sums, drop, axis=1), np.delete(sizes, drop)


def _mean_silhouette(sums: Floats, sizes: Indices, labels: Indices) -> float:
    """Mean of (b − a) / max(a, b): a the mean distance in a vector's own cluster, b that to the nearest other one.

    0 for a vector alone in its cluster, and where a = b = 0.
    """
    rows = np.arange(len(labels))
    own = sizes[labels]
    within = sums[rows, labels] / np.maximum(own - 1, 1)  # a: its distance to itself, 0, does not count
    others = sums / sizes
    others[rows, labels] = np.inf
    nearest = others.min(axis=1)
    scale = np.maximum(within, nearest)
    silhouettes = np.divide(nearest - within, scale, out=np.zeros_like(scale), where=(scale > 0) & (own > 1))
    return float(silhouettes.mean())


def _renumber(labels: Indices) -> Indices:
    """Labels in the order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]  # the rank of each label's first place
