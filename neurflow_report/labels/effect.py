"""L3: is the class's logit moved more by a group where its label holds? (METHOD §8)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import stats

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
MOST = 20
"""Pictures of the class held out, and of other classes, that it is measured on, at most."""
FEWEST = 3
"""Pictures on each side, and pictures whose score is not the commonest one."""
DRAWS = 9999


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The mean drop of the logit on the pictures with the higher scores less that on the others, with Welch's 95%
    interval; `p_value`: how often it is as large where the scores are dealt out anew; `pictures` on each side."""

    value: float
    low: float
    high: float
    p_value: float
    pictures: int

    def figures(self) -> dict[str, object]:
        """As a label's record has them."""
        return {
            "effect": self.value,
            "effect_low": self.low,
            "effect_high": self.high,
            "effect_p": self.p_value,
            "effect_pictures": self.pictures,
        }


def effect(drops: Floats, scores: Floats, inside: Bools, random: np.random.Generator) -> Effect | None:
    """Half of the pictures against the other half, by their scores: the class's own among themselves, and the others
    among themselves, and the mean of both differences. So a label that goes with the class gains nothing by it. None
    where the scores of neither kind vary enough.

    Args:
        drops: by how much the logit falls without the group, (n,).
        scores: of the label, (n,); equal ones are in an order that is drawn, the one in the middle is left out.
        inside: whether a picture is the class's own, (n,).
    """
    halves = [
        _halves(drops[kind].astype(np.float64), scores[kind], random)
        for kind in (inside, ~inside)
        if _varies(scores[kind])
    ]
    if not halves:
        return None
    value = float(np.mean([high.mean() - low.mean() for high, low in halves]))
    dealt = np.mean([_dealt(np.concatenate(pair), random) for pair in halves], axis=0)
    close = 1e-9 * max(float(np.abs(pair).max()) for pair in halves)
    terms = np.array([[one.var(ddof=1) / len(one), len(one) - 1] for pair in halves for one in pair])
    half, spread = 0.0, float(terms[:, 0].sum())
    if spread > 0:
        freedom = spread**2 / float((terms[:, 0] ** 2 / terms[:, 1]).sum())
        half = float(stats().t.ppf(0.975, freedom)) * float(np.sqrt(spread)) / len(halves)
    return Effect(
        value=value,
        low=value - half,
        high=value + half,
        p_value=float(1 + (dealt >= value - close).sum()) / (1 + DRAWS),
        pictures=sum(len(high) for high, _ in halves),
    )


def _varies(scores: Floats) -> bool:
    if len(scores) < 2 * FEWEST:
        return False
    _, counts = np.unique(scores, return_counts=True)
    return len(scores) - int(counts.max()) >= FEWEST


def _halves(drops: Floats, scores: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """The drops with the higher scores, and as many with the lower ones."""
    side, order = len(scores) // 2, np.lexsort((random.random(len(scores)), -scores))
    return drops[order[:side]], drops[order[-side:]]


def _dealt(drops: Floats, random: np.random.Generator) -> Floats:
    """The difference of the halves where the drops are dealt out anew, (DRAWS,)."""
    side = len(drops) // 2
    high = random.permuted(np.tile(drops, (DRAWS, 1)), axis=1)[:, :side].sum(axis=1)
    found: Floats = (2 * high - drops.sum()) / side
    return found
