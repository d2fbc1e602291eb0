"""Intervals, p-values and their correction: the statistics that every experiment shares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import atanh, sqrt, tanh
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = NormalDist().inv_cdf(0.975)
FEWEST = 3
"""Neurons from which on what differs between them gives an interval."""
_EDGE = 1 - 1e-12
_TIE = 1e-9
"""Figures that differ by no more are the same but for the order in which they were added up."""
Range = tuple[float, float]


@cache
def stats() -> Any:
    """scipy.stats, whose import takes half a second, once there is anything to compute."""
    from scipy import stats

    return stats


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """95% Wilson score interval of a share (E. B. Wilson 1927), in 0..1; (0, 1) for no trials.

    The successes of a mean share need not be a whole number."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, Z95**2 / trials
    centre = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * sqrt(share * (1 - share) / trials + z2 / (4 * trials))
    low = 0.0 if share < _TIE else max(0.0, centre - half)
    high = 1.0 if share > 1 - _TIE else min(1.0, centre + half)
    return low, high


def clopper_pearson(successes: int, trials: int, each: float = 0.025) -> Range:
    """Clopper and Pearson's interval of a share (1934), in 0..1: whatever the share is, the chance that it lies beyond
    either end is at most `each`. (0, 1) for no trials."""
    beta = stats().beta
    low = float(beta.ppf(each, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - each, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def drop_interval(lost: int, gained: int, wrong: int, trials: int) -> Range:
    """95% interval of the share by which an accuracy goes down, (lost − gained) / trials, over the same `trials` before
    and after; `wrong` of them were wrong before.

    Wilson's intervals of both accuracies, put together by squares and by their correlation (R. G. Newcombe 1998, for
    paired data, method 10). Where none was wrong before, it is Wilson's of the share lost.
    """
    if wrong == 0:
        return wilson(lost, trials)
    right, kept = trials - wrong, trials - wrong - lost + gained
    before, after, drop = right / trials, kept / trials, (lost - gained) / trials
    (low, high), (least, most) = wilson(right, trials), wilson(kept, trials)
    phi = _correlation(right - lost, lost, gained, wrong - gained)
    return drop - _joined(before - low, most - after, phi), drop + _joined(high - before, after - least, phi)


def _joined(one: float, other: float, phi: float) -> float:
    return sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _correlation(both: int, lost: int, gained: int, neither: int) -> float:
    """φ of two answers to each question, −1..1, corrected for continuity where positive; 0 where one is constant."""
    product = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    excess: float = both * neither - lost * gained
    if excess > 0:
        excess = max(0.0, excess - (both + lost + gained + neither) / 2)
    return excess / sqrt(product) if product else 0.0


def crossed_share(hits: NDArray[np.bool_]) -> Range:
    """95% interval of the mean of `hits`, (sets, pictures): of what random sets do on average, where other sets and
    other pictures could have been drawn.

    Wilson's over as many trials as would vary as much: the variances over the sets' means and over the pictures' means,
    added (A. Owen 2007, for crossed effects). That is half of all pairs of a set and a picture where these are all
    independent, and at most; as many as there are pictures where each is lost under all sets or under none. A single
    set tells nothing of others: then the trials are the pictures.
    """
    sets, pictures = hits.shape
    if sets < 2 or pictures < 2:
        return wilson(float(hits.mean()) * pictures, pictures) if hits.size else (0.0, 1.0)
    mean, most = float(hits.mean()), sets * pictures / 2
    varies = hits.mean(axis=1).var(ddof=1) / sets + hits.mean(axis=0).var(ddof=1) / pictures
    trials = most if varies == 0 else min(most, mean * (1 - mean) / float(varies))
    return wilson(mean * trials, trials)


def crossed_drop(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Range:
    """95% interval of the mean drop of the accuracy under random sets, −1..1: of the share lost less that gained.

    Both shares' intervals (`crossed_share`) are put together by squares; where all were right before, nothing can be
    gained.

    Args:
        before: (pictures,) right without any set.
        after: (sets, pictures) right under each.
    """
    lost, gained = before & ~after, ~before & after
    low, high = crossed_share(lost)
    if before.all():
        return low, high
    (least, most), won, gone = crossed_share(gained), float(gained.mean()), float(lost.mean())
    drop = gone - won
    return drop - _joined(gone - low, most - won, 0.0), drop + _joined(high - gone, won - least, 0.0)


def difference_interval(one: float, its: Range, other: float, others: Range) -> Range:
    """95% interval of the difference of two independent shares, −1..1, from the interval of each (R. G. Newcombe 1998,
    for unpaired data, method 10)."""
    below, above = _joined(one - its[0], others[1] - other, 0.0), _joined(its[1] - one, other - others[0], 0.0)
    return one - other - below, one - other + above


def permutation_p(observed: float, null: Sequence[float] | NDArray[np.floating], *, smaller: bool) -> float:
    """One-sided (1 + #{null at least as extreme}) / (1 + len(null)); extreme is small or large, a tie is as
    extreme, and a difference that rounding makes is none. METHOD §5."""
    extreme = sum(bool(value <= observed + _TIE if smaller else value >= observed - _TIE) for value in null)
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
    """(r, 95% interval, one-sided p against r ≤ 0) of several correlations over the same n sets: their mean in Fisher's
    z.

    With at least three that differ, the interval is Student's over them, so that what differs between them is in it;
    else it is Fisher's over the n sets: these are the same for all, so that two correlations are no more of them.
    """
    z = np.arctanh(np.clip(found, -_EDGE, _EDGE))
    middle, r = float(z.mean()), tanh(float(z.mean()))
    if len(found) < FEWEST or np.ptp(z) < _TIE:
        return r, fisher(r, n), fisher_p(r, n)
    spread = float(z.std(ddof=1)) / sqrt(len(z))
    t = stats().t(len(z) - 1)
    half = float(t.ppf(0.975)) * spread
    return r, (tanh(middle - half), tanh(middle + half)), float(t.sf(middle / spread))


def student(values: Sequence[float] | NDArray[np.floating]) -> Range | None:
    """Student's 95% interval of the mean of some neurons' figures; None for fewer than three."""
    if len(values) < FEWEST:
        return None
    found = np.asarray(values, np.float64)
    half = float(stats().t.ppf(0.975, len(found) - 1)) * float(found.std(ddof=1)) / sqrt(len(found))
    return float(found.mean()) - half, float(found.mean()) + half


def mean_share(shares: Sequence[float], trials: int) -> tuple[float, Range]:
    """(mean, 95% interval) of some neurons' shares, all of the same trials.

    Wilson's over the trials, so that neurons that agree are not taken for more of them; where Student's over the
    neurons reaches further, so does the interval.

    Args:
        shares: in 0..1.
        trials: how many each neuron had.
    """
    mean = float(np.mean(shares))
    low, high = wilson(mean * trials, trials)
    wide = student(shares) or (low, high)
    return mean, (max(0.0, min(low, wide[0])), min(1.0, max(high, wide[1])))


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """q of each p: the smallest false discovery rate at which it would be called (Benjamini and Hochberg 1995)."""
    return tuple(map(float, stats().false_discovery_control(p_values))) if p_values else ()
