"""The concept V_a of a neuron: the k patches that it answers to most (METHOD §1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


def concepts(means: Floats, channels: Indices, k: int) -> Indices:
    """V_a for each of `channels`: (len(channels), k) patch indices, largest φ first.

    Args: means: (P, C) φ of every patch and channel, in activation units; channels: (n,) in 0..C−1; k: 1..P.
    Ties go to the lower patch index. Raises ValueError when k is over P. METHOD §1.
    """
    if k > len(means):
        raise ValueError(f"a concept of {k} patches from {len(means)}")
    return np.stack([_top(means[:, c], k) for c in channels]) if len(channels) else np.empty((0, k), np.int64)


def dead(phi: Floats) -> bool:
    """Whether a neuron says nothing: its φ over all patches (P,) is constant, or never above 0 (METHOD §6)."""
    return bool(phi.max() <= 0 or phi.max() == phi.min())


def silent_share(means: Floats) -> float:
    """Share of the channels, 0..1, that are dead on all patches; means: (P, C), P ≥ 1. METHOD §6."""
    highest, lowest = means.max(axis=0), means.min(axis=0)
    return float(((highest <= 0) | (highest == lowest)).mean())


def core_set(scores: Floats, tau: int) -> Indices:
    """S_a: the τ channels with the largest score (C,), largest first; fewer where scores are exactly 0. METHOD §2.

    Ties go to the lower index.
    """
    best = _top(scores, min(tau, len(scores)))
    return best[scores[best] > 0]


def _top(values: Floats, k: int) -> Indices:
    """Indices of the k largest, largest first, ties to the lower index: the k-th value splits off the candidates."""
    if k >= len(values):
        return np.argsort(-values, kind="stable")[:k]
    bar = np.partition(values, len(values) - k)[len(values) - k]
    candidates = np.flatnonzero(values >= bar)
    return candidates[np.argsort(-values[candidates], kind="stable")][:k]
