"""L3: is the class's logit moved more by a group where its label holds? (METHOD §8)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import stats

Floats = NDArray[np.floating]
MOST = 20
"""Pictures of the class held out, and of other classes, that it is measured on, at most."""
FEWEST = 3
"""Pictures on each side."""
DRAWS = 9999


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The mean drop of the logit on the pictures with the highest scores less that on the others, with Welch's 95%
    interval; `p_value`: how often it is as large where the scores are dealt out anew; `pictures` on each side."""

    value: float
    low: float
    high: float
    p_value: float
    pictures: int


def effect(drops: Floats, scores: Floats, random: np.random.Generator) -> Effect | None:
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
    every = np.concatenate([high, low])
    dealt = random.permuted(np.tile(every, (DRAWS, 1)), axis=1)[:, :side].sum(axis=1)
    p_value = float(1 + (dealt >= high.sum() - 1e-9 * np.abs(every).sum()).sum()) / (1 + DRAWS)
    a, b = high.var(ddof=1) / side, low.var(ddof=1) / side
    half = 0.0
    if a + b > 0:
        freedom = (a + b) ** 2 / ((a**2 + b**2) / (side - 1))
        half = float(stats().t.ppf(0.975, freedom)) * float(np.sqrt(a + b))
    return Effect(value=value, low=value - half, high=value + half, p_value=p_value, pictures=side)
