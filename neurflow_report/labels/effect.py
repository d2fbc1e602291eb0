"""L3: is the class's logit moved more by a group where its label holds? (METHOD §8)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import stats

Floats = NDArray[np.floating]
FEWEST = 3
"""Pictures on each side."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The mean drop of the logit on the pictures with the highest scores less that on the others, with Welch's 95%
    interval; `pictures` on each side."""

    value: float
    low: float
    high: float
    pictures: int


def effect(drops: Floats, scores: Floats) -> Effect | None:
    """Half of the pictures against the other half, by their scores, the one in the middle left out; None where there
    are too few, or all scores are equal.

    Args:
        drops: by how much the logit falls without the group, (n,).
        scores: of the label, (n,); of equal ones the earlier picture counts as higher.
    """
    side = len(scores) // 2
    if side < FEWEST or np.ptp(scores) == 0:
        return None
    order = np.argsort(-scores, kind="stable")
    high, low = drops[order[:side]].astype(np.float64), drops[order[-side:]].astype(np.float64)
    value = float(high.mean() - low.mean())
    a, b = high.var(ddof=1) / side, low.var(ddof=1) / side
    if a + b <= 1e-18:
        return Effect(value=value, low=value, high=value, pictures=side)
    freedom = (a + b) ** 2 / ((a**2 + b**2) / (side - 1))
    half = float(stats().t.ppf(0.975, freedom)) * float(np.sqrt(a + b))
    return Effect(value=value, low=value - half, high=value + half, pictures=side)
