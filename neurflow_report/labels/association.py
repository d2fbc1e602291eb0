"""L2: does a text's score go with a group over all patches? Average precision, and Pearson's r (METHOD §8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
MOST = 3000
"""Patches held out that are looked at one by one; of more, a draw of as many."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Patches drawn, some of them more than once, and the weight of each draw: 1 / (N q)."""

    patches: Indices
    weights: Floats


def sample(activation: Floats, random: np.random.Generator, most: int = MOST) -> Sample:
    """Half uniform, half in proportion to |activation|; all patches, once each, where there are `most` or fewer.

    Args: activation: of the group on each of N patches, standardised, (N,).
    """
    count = len(activation)
    if count <= most:
        return Sample(patches=np.arange(count), weights=np.ones(count))
    size = np.abs(activation.astype(np.float64))
    chance = np.full(count, 1 / count) if not size.sum() else 0.5 / count + 0.5 * size / size.sum()
    drawn = random.choice(count, size=most, p=chance / chance.sum())
    return Sample(patches=drawn, weights=1 / (count * chance[drawn]))


def correlation(x: Floats, y: Floats, weights: Floats) -> float | None:
    """Pearson's r of weighted pairs, estimated over all patches; None where one of them does not vary."""
    part = weights / weights.sum()
    a, b = x - part @ x, y - part @ y
    size = float(np.sqrt((part @ a**2) * (part @ b**2)))
    return float(part @ (a * b)) / size if size > 1e-12 else None


def average_precision(values: Floats, own: NDArray[np.bool_], weights: Floats) -> tuple[float, float] | None:
    """How pure the patches with the highest values are, averaged over all that are `own`, and the base rate, which
    values that know nothing give; None without any. Equal values are taken together.

    Σ (R_n − R_{n−1}) P_n over the distinct values from the top, R_n the part of what is own that lies at or over the
    n-th, P_n the part of what lies there that is own.
    """
    hits = float(weights[own].sum())
    if not hits:
        return None
    order = np.argsort(-values, kind="stable")
    last = np.flatnonzero(np.diff(-values[order], append=np.inf) > 0)
    found = np.cumsum(np.where(own, weights, 0.0)[order])[last]
    recall = np.diff(found / hits, prepend=0.0)
    return float(recall @ (found / np.cumsum(weights[order])[last])), hits / float(weights.sum())
