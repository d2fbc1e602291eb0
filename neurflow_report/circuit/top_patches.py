"""The concept V_a of a neuron, the k patches that it answers to most (METHOD §1), and its core set S_a, the τ channels
of the layer below with the largest scores (METHOD §2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


def concepts(means: Floats, channels: Indices, k: int) -> Indices:
    """V_a for each of `channels`: patch indices, (len(channels), k), largest φ first (METHOD §1).

    Ties go to the lower patch index.

    Args:
        means: φ of every patch and channel, (P, C), in activation units.
        channels: (n,), in 0 … C − 1.
        k: 1 … P.
    Raises: ValueError when k is over P.
    """
    if k > len(means):
        raise ValueError(f"a concept of {k} patches from {len(means)}")
    return _top(np.ascontiguousarray(means.T[channels]), k)


def dead(means: Floats) -> NDArray[np.bool_]:
    """Which channels say nothing, (C,): φ over all patches, (P, C), is constant, or never above 0 (METHOD §6)."""
    highest, lowest = means.max(axis=0), means.min(axis=0)
    found: NDArray[np.bool_] = (highest <= 0) | (highest == lowest)
    return found


def silent_share(means: Floats) -> float:
    """Share of the channels, 0 … 1, that are dead on all patches; means: (P, C), P ≥ 1 (METHOD §6)."""
    return float(dead(means).mean())


def core_set(scores: Floats, tau: int) -> Indices:
    """S_a: the τ channels with the largest score, largest first; fewer where scores are exactly 0 (METHOD §2).

    Ties go to the lower index.

    Args:
        scores: of every channel of the layer below, (C,).
        tau: ≥ 1.
    """
    best = _top(scores[None], min(tau, len(scores)))[0]
    found: Indices = best[scores[best] > 0]
    return found


def _top(values: Floats, k: int) -> Indices:
    """Indices of the k largest of each row of (n, N), largest first, ties to the lower index, (n, k)."""
    count, width = values.shape
    if k >= width:
        return np.argsort(-values, axis=1, kind="stable")[:, :k]
    kth = np.partition(values, width - k, axis=1)[:, width - k, None]
    rows, places = np.nonzero(values >= kth)  # of each row k, or more where some are equal to the k-th
    places = places[np.lexsort((-values[rows, places], rows))]
    best: Indices = places[np.searchsorted(rows, np.arange(count))[:, None] + np.arange(k)]
    return best
