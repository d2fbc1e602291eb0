"""Certified core sets: from the largest τ down, how small may the core be and still be enough? (METHOD §5)

Core sets nest, so one search at the largest τ gives all. At each τ the core alone is kept, all else at its mean, and τ
passes where the lower 95% bound of TPR reaches `enough` and the upper one of FPR stays within `false_alarms`. The first
that does not pass ends it: tests in an order that was fixed before, each at 5%, need no correction, for a false one is
only reached through all before it (fixed-sequence test).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import clopper_pearson, stats
from neurflow_report.results.records import Certificate, OneTau

Hits = NDArray[np.bool_]
LEVEL = 0.05
ORDERS, STEPS = 5, 32
"""Random orders of a layer's channels, of which each size of random sets is the head; to which part of the layer sizes
are told apart."""
MOST_PICTURES = 20_000
"""Pictures over which nothing is said to be needed."""


def one_tau(tau: int, size: int, own: Hits, others: Hits) -> OneTau:
    """What a core keeps, with its bounds.

    Args: own, others: which pictures of the class, and of other classes, are predicted as the class, (n,).
    """
    kept, taken = int(own.sum()), int(others.sum())
    return OneTau(
        tau=tau, size=size, tpr=kept / len(own), tpr_low=clopper_pearson(kept, len(own), LEVEL)[0],
        fpr=taken / len(others), fpr_high=clopper_pearson(taken, len(others), LEVEL)[1],
    )  # fmt: skip


def passes(one: OneTau, *, enough: float, false_alarms: float) -> bool:
    """Whether both bounds hold."""
    return one.tpr_low >= enough and one.fpr_high <= false_alarms


def certificate(
    *,
    layer: str,
    channels: int,
    each: Sequence[OneTau],
    n: int,
    others: int,
    enough: float,
    false_alarms: float,
    random_size: int | None = None,
) -> Certificate:
    """The certificate of a layer.

    Args: each: what the core keeps at each τ, the largest first.
    """
    held, tried = list[OneTau](), list[OneTau]()
    for one in each:
        tried.append(one)
        if not passes(one, enough=enough, false_alarms=false_alarms):
            break
        held.append(one)
    needed = {} if held or not each else needs(each[0], enough=enough, false_alarms=false_alarms)
    return Certificate(
        layer=layer, channels=channels, tau=held[-1].tau if held else None, n=n, others=others, tried=tuple(tried),
        random_size=random_size, **needed,
    )  # fmt: skip


def needs(one: OneTau, *, enough: float, false_alarms: float) -> dict[str, int | None]:
    """How many pictures it would take for the same shares to pass."""
    return {
        "needed_n": _first(lambda n, k: stats().beta.ppf(LEVEL, k, n - k + 1) >= enough, one.tpr),
        "needed_others": _first(lambda n, k: stats().beta.ppf(1 - LEVEL, k + 1, n - k) <= false_alarms, one.fpr),
    }


def _first(holds: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]], share: float) -> int | None:
    """The smallest number of pictures from which on a bound holds for this share of them, rounded."""
    n = np.arange(1, MOST_PICTURES + 1)
    fails = np.flatnonzero(~np.nan_to_num(holds(n, np.rint(share * n).astype(np.int64)), nan=False).astype(bool))
    last = int(n[fails[-1]]) if len(fails) else 0
    return None if last == MOST_PICTURES else last + 1


def smallest(meets: Callable[[int], bool], most: int) -> int | None:
    """The smallest size, 1 … most, that meets the bounds, if larger ones do where it does, or one that is larger by a
    step at most; None where `most` does not."""
    if not meets(most):
        return None
    low, high = 0, most
    while high - low > max(1, most // STEPS):
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high


def chosen_tau(certificates: Sequence[Certificate], largest: int) -> int:
    """A class's τ: the largest of those that its layers are certified at, so that all of these are; the largest of all
    where none is."""
    return max((c.tau for c in certificates if c.tau is not None), default=largest)
