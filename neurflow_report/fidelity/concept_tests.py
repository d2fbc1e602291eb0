"""Does the class's logit follow a concept of the user's own? Concept activation vectors (Kim et al. 2018; METHOD §5).

A concept's pictures are compared with as many others by a logistic regression on their φ; its normal is the direction
along which the logit's derivative is taken. The null is made of sets drawn at random from the concept's pictures and
the others together: were the concept's pictures none but others, each set could as well have been the concept's, so
that the p-values hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import wilson
from neurflow_report.results.records import ConceptTest

LEAST, MOST = 50, 999
"""Random sets of a concept."""
A_TEST = 40
"""Random sets for each test of the class: with fewer Holm's procedure could let none pass at 5%."""
A_CONCEPT, OTHERS = 100, 1000
"""Pictures of a concept, and others of the run, that are looked at, at most; of more, a draw by the seed."""
FEWEST_OTHERS = 10
"""Pictures of the run that a concept is compared with, at least."""
CONSTANT = 1e-6
"""A channel whose standard deviation is a smaller part of its mean is constant."""
NO_DIRECTION = "φ is the same on all pictures"
NO_OTHERS = f"fewer than {FEWEST_OTHERS} pictures of the run are none of the concept's"
Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Directions at a layer: the concept's first, then those of random sets.

    Attributes:
        normals: of length 1, for each channel in units of its standard deviation, (1 + sets, C).
        scale: these deviations, 0 where a channel is constant, (C,).
    """

    normals: Floats
    scale: Floats


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected together by Holm's step-down procedure."""
    order, found, most = np.argsort(p_values, kind="stable"), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order.tolist()):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[place]))
        found[place] = most
    return found


def draws(tests: int) -> int:
    """How many random sets, where a class has so many tests."""
    return min(MOST, max(LEAST, A_TEST * tests))


def pairs(own: int, others: int, sets: int, random: np.random.Generator) -> Iterator[tuple[Indices, Indices]]:
    """Which pictures are told from which, of the concept's `own`, numbered first, and the others: the concept's, then
    `sets` random ones; on the other side as many of all others, or what there is."""
    every, compared = np.arange(own + others), min(own, others)
    for number in range(1 + sets):
        members = every[:own] if number == 0 else np.sort(random.permutation(every)[:own])
        yield members, np.sort(random.permutation(np.setdiff1d(every, members))[:compared])


def vectors(phi: Floats, own: int, sets: int, *, seed: Sequence[int]) -> Vectors | None:
    """The directions at a layer; None where no channel varies.

    Args: phi: φ of the concept's `own` pictures, then of the others, (own + others, C).
    """
    values = phi.astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    moving = scale > CONSTANT * np.abs(mean)
    if not moving.any():
        return None
    scale = np.where(moving, scale, 0.0)
    standard = np.where(moving, values - mean, 0.0) / np.where(moving, scale, 1.0)
    random = np.random.default_rng(seed)
    normals = np.stack([_normal(standard[a], standard[b]) for a, b in pairs(own, len(phi) - own, sets, random)])
    return Vectors(normals=normals.astype(np.float32), scale=scale)


def _normal(inside: Floats, outside: Floats) -> Floats:
    """The unit normal of the logistic regression that tells two sets of rows apart; 0 where nothing does."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(max_iter=1000, random_state=0).fit(
            np.concatenate([inside, outside]), np.repeat([1, 0], [len(inside), len(outside)])
        )
    normal: Floats = fitted.coef_[0]
    length = float(np.linalg.norm(normal))
    return normal / length if length else normal


def one_test(layer: str, concept: str, gradients: Floats, along: Vectors) -> ConceptTest:
    """The test of a concept at a layer, not yet corrected.

    Args: gradients: of the logit to each channel's φ, on the class's pictures, (n, C).
    """
    slopes = (gradients * along.scale) @ along.normals.T.astype(np.float64)  # (n, 1 + sets)
    shares, means, n = (slopes > 0).mean(axis=0), slopes.mean(axis=0), len(slopes)
    low, high = wilson(float((slopes[:, 0] > 0).sum()), n)
    null_low, null_high = np.quantile(shares[1:], [0.025, 0.975]).tolist()
    return ConceptTest(
        layer=layer, concept=concept, n=n, value=float(shares[0]), low=low, high=high, slope=float(means[0]),
        null=float(shares[1:].mean()), null_low=null_low, null_high=null_high, sets=len(shares) - 1,
        p_value=two_sided(shares, means),
    )  # fmt: skip


def two_sided(shares: Floats, means: Floats) -> float:
    """Twice the smaller part of the sets, the concept first among them, that have a share as high or as low; of equal
    shares the mean derivative decides (near the logits, all shares are 0 or 1)."""
    share, mean = shares[0], means[0]
    as_high = int(((shares > share) | ((shares == share) & (means >= mean))).sum())
    as_low = int(((shares < share) | ((shares == share) & (means <= mean))).sum())
    return min(1.0, 2 * min(as_high, as_low) / len(shares))


def corrected(tests: Sequence[ConceptTest]) -> tuple[ConceptTest, ...]:
    """All tests of a class, corrected together."""
    alone = [one.p_value for one in tests if one.p_value is not None]
    q_values = iter(holm(alone))
    return tuple(one if one.p_value is None else one.model_copy(update={"q_value": next(q_values)}) for one in tests)
