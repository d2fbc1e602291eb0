"""Intervals, p-values and their correction: the statistics that every experiment shares."""

from __future__ import annotations

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Z95 = NormalDist().inv_cdf(0.975)
RESAMPLES = 1000
"""Bootstrap samples of an interval."""
FEWEST = 5
"""Values under which a bootstrap says too little, and the pooled trials are used instead."""
_EDGE = 1 - 1e-12
Range = tuple[float, float]


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


def permutation_p(observed: float, null: Sequence[float] | NDArray[np.floating], *, smaller: bool) -> float:
    """One-sided (1 + #{null at least as extreme}) / (1 + len(null)); extreme is small or large. METHOD §5."""
    extreme = sum(bool(value <= observed if smaller else value >= observed) for value in null)
    return (1 + extreme) / (1 + len(null))


def pearson(x: NDArray[np.floating], y: NDArray[np.floating]) -> float | None:
    """Pearson's r of two vectors, −1..1; None where there are fewer than 3 values or one does not vary."""
    if len(x) < 3 or _still(x) or _still(y):
        return None
    a, b = (np.asarray(v, np.float64) - np.mean(v, dtype=np.float64) for v in (x, y))
    return float(np.clip(a @ b / (sqrt(float(a @ a)) * sqrt(float(b @ b))), -1, 1))


def _still(values: NDArray[np.floating]) -> bool:
    """Whether all values are equal but for rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def fisher(r: float, n: int) -> Range:
    """95% interval of a correlation over n pairs by Fisher's z (R. A. Fisher 1921); (−1, 1) for n < 4."""
    if n < 4:
        return -1.0, 1.0
    z, half = atanh(max(-_EDGE, min(_EDGE, r))), Z95 / sqrt(n - 3)
    return tanh(z - half), tanh(z + half)


def fisher_p(r: float, n: int) -> float:
    """One-sided p of a correlation over n pairs against r ≤ 0, by Fisher's z; 1 for n < 4."""
    if n < 4:
        return 1.0
    return 1 - NormalDist().cdf(atanh(max(-_EDGE, min(_EDGE, r))) * sqrt(n - 3))


def mean_correlation(found: Sequence[float], n: int) -> tuple[float, Range, float]:
    """(r, 95% interval, one-sided p against r ≤ 0) of several correlations, each over n pairs: their mean in Fisher's
    z.

    With at least three, the interval is Student's over them, so that what differs between them is in it; with fewer it
    is Fisher's over their pairs.
    """
    z = np.arctanh(np.clip(found, -_EDGE, _EDGE))
    middle, r = float(z.mean()), tanh(float(z.mean()))
    if len(found) < 3:
        pairs = len(found) * (n - 3) + 3
        return r, fisher(r, pairs), fisher_p(r, pairs)
    spread = float(z.std(ddof=1)) / sqrt(len(z))
    half = float(stats.t.ppf(0.975, len(z) - 1)) * spread
    p = float(stats.t.sf(middle / spread, len(z) - 1)) if spread > 0 else float(middle <= 0)
    return r, (tanh(middle - half), tanh(middle + half)), p


def bootstrap(values: NDArray[np.floating], random: np.random.Generator) -> Range:
    """95% percentile interval of the mean of (n,) values, over `RESAMPLES` samples of them (B. Efron 1979)."""
    picked = random.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(np.asarray(values, np.float64)[picked].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def mean_share(shares: Sequence[float], trials: int, random: np.random.Generator) -> tuple[float, Range]:
    """(mean, 95% interval) of shares, each over `trials`: a bootstrap over them, or Wilson's of all trials for few."""
    mean = float(np.mean(shares))
    if len(shares) >= FEWEST:
        return mean, bootstrap(np.asarray(shares), random)
    count = trials * len(shares)
    return mean, wilson(min(count, round(mean * count)), count)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """q of each p: the smallest false discovery rate at which it would be called (Benjamini and Hochberg 1995)."""
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i])
    found, least = [1.0] * count, 1.0
    for rank in range(count, 0, -1):
        least = min(least, p_values[order[rank - 1]] * count / rank)
        found[order[rank - 1]] = least
    return tuple(found)
