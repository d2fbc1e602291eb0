"""How much two sets, and two mappings of weights, have in common; all of it symmetric, and in 0..1."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from functools import lru_cache
from math import exp, lgamma
from typing import TypeVar

_K = TypeVar("_K", bound=Hashable)


def jaccard(a: Set[Hashable], b: Set[Hashable]) -> float | None:
    """|a ∩ b| / |a ∪ b|; None where both are empty."""
    return _share(len(a & b), len(a), len(b))


def jaccard_of(common: int, a: int, b: int) -> float | None:
    """The same from the sizes of the sets and of what they have in common."""
    return _share(common, a, b)


def ruzicka(a: Mapping[_K, float], b: Mapping[_K, float]) -> float | None:
    """Σ min / Σ max over all keys, a key that is not there counting as 0: Jaccard's measure for weights ≥ 0.

    None where both sum to 0.
    """
    keys = sorted(a.keys() | b.keys(), key=repr)  # the same order, whichever comes first: sums are the same to a bit
    least = sum(min(a.get(key, 0.0), b.get(key, 0.0)) for key in keys)
    most = sum(max(a.get(key, 0.0), b.get(key, 0.0)) for key in keys)
    return least / most if most > 0 else None


@lru_cache(maxsize=4096)
def expected_jaccard(a: int, b: int, whole: int) -> float | None:
    """The mean of Jaccard's measure over random sets of `a` and `b` of `whole` things.

    Raises: ValueError where a set is larger than the whole.
    """
    if max(a, b) > whole:
        raise ValueError(f"sets of {a} and {b} of {whole} things")
    if not a and not b:
        return None
    a, b = min(a, b), max(a, b)
    return min(1.0, sum(_hypergeometric(k, a, b, whole) * k / (a + b - k) for k in range(max(1, a + b - whole), a + 1)))


def _hypergeometric(k: int, a: int, b: int, whole: int) -> float:
    """The chance that random sets of `a` and `b` of `whole` things have k in common."""
    return exp(_log_choose(b, k) + _log_choose(whole - b, a - k) - _log_choose(whole, a))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _share(common: int, a: int, b: int) -> float | None:
    either = a + b - common
    return common / either if either else None
