"""Intervals and p-values of the experiments."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

Z95 = NormalDist().inv_cdf(0.975)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95% Wilson score interval of a share (E. B. Wilson 1927), in 0..1; (0, 1) for no trials."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, Z95**2 / trials
    centre = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * sqrt(share * (1 - share) / trials + z2 / (4 * trials))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def permutation_p(observed: float, null: Sequence[float], *, smaller: bool) -> float:
    """One-sided (1 + #{null at least as extreme}) / (1 + len(null)); extreme is small or large. METHOD §5."""
    extreme = sum(value <= observed if smaller else value >= observed for value in null)
    return (1 + extreme) / (1 + len(null))
