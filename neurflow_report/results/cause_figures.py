"""How far what is foretold of pictures holds when it is measured, over the pictures of a bundle (METHOD §7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurflow_report.results.records import ClassResult, Debugged, LayerCauses

FEWEST = 3
"""Groups from which on a picture has a rank correlation."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a way to choose a group does at a layer, over pictures; None where there are none to tell.

    Attributes:
        spearman: the mean over pictures of the rank correlation with the measured falls of the margin.
        first: the share of pictures whose group of the largest fall it puts first.
        corrected: the share that are taken for their true class without the group that it puts first.
    """

    spearman: float | None
    first: float | None
    corrected: float | None


@dataclass(frozen=True, kw_only=True)
class CauseFigures:
    """The figures of one layer, over the pictures that the circuit of the class they are taken for explains.

    Attributes:
        pictures, groups: how many pictures there are, and groups in the middle of them.
        ranked, mistakes: pictures with a rank correlation, and those held against their true class.
        foretold, presence, random, best: by s_G, by presence, by any group in the mean, and by what was measured.
    """

    layer: str
    pictures: int
    groups: float
    ranked: int
    mistakes: int
    foretold: Score
    presence: Score
    random: Score
    best: Score


def explained(classes: Sequence[ClassResult]) -> list[Debugged]:
    """The pictures that are explained by the circuit of the class that they are taken for."""
    return [one for result in classes for one in result.debugged if one.p == result.index]


def cause_figures(classes: Sequence[ClassResult]) -> tuple[CauseFigures, ...]:
    """The figures of every layer, from the logit down; none where no picture is explained."""
    pictures = explained(classes)
    if not pictures:
        return ()
    return tuple(_of_layer(pictures, at) for at in range(len(pictures[0].layers)))


def _of_layer(pictures: Sequence[Debugged], at: int) -> CauseFigures:
    some = [(one, one.layers[at]) for one in pictures if one.layers[at].causes]
    ways = {
        "foretold": [[c.foretold for c in layer.causes] for _, layer in some],
        "presence": [[c.presence or 0.0 for c in layer.causes] for _, layer in some],
        "best": [[c.measured for c in layer.causes] for _, layer in some],
    }
    wrong = [one.contrast == "truth" for one, _ in some]
    scores = {name: _score(some, values, wrong) for name, values in ways.items()}
    fixed = [[c.without == one.against for c in layer.causes] for one, layer in some]
    best = scores["best"]
    return CauseFigures(
        layer=pictures[0].layers[at].layer,
        pictures=len(some),
        groups=float(np.median([len(layer.causes) for _, layer in some])) if some else 0.0,
        ranked=sum(len(layer.causes) >= FEWEST for _, layer in some),
        mistakes=sum(wrong),
        foretold=scores["foretold"],
        presence=scores["presence"],
        random=Score(
            spearman=0.0 if best.spearman is not None else None,
            first=_mean([1 / len(layer.causes) for _, layer in some]),
            corrected=_mean([float(np.mean(own)) for own, is_wrong in zip(fixed, wrong, strict=True) if is_wrong]),
        ),
        best=Score(
            spearman=best.spearman,
            first=best.first,
            corrected=_mean([float(any(own)) for own, is_wrong in zip(fixed, wrong, strict=True) if is_wrong]),
        ),
    )


def _score(
    some: Sequence[tuple[Debugged, LayerCauses]], values: Sequence[Sequence[float]], wrong: Sequence[bool]
) -> Score:
    measured = [[c.measured for c in layer.causes] for _, layer in some]
    ranked = [spearman(a, b) for a, b in zip(values, measured, strict=True) if len(a) >= FEWEST]
    firsts = [int(np.argmax(own)) for own in values]
    hits = [float(first == int(np.argmax(due))) for first, due in zip(firsts, measured, strict=True)]
    corrected = [
        float(layer.causes[first].without == one.against)
        for (one, layer), first, is_wrong in zip(some, firsts, wrong, strict=True)
        if is_wrong
    ]
    return Score(spearman=_mean(ranked), first=_mean(hits), corrected=_mean(corrected))


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation of two rows, ties in the middle of their places; 0 where one of them does not vary."""
    a, b = _ranks(one), _ranks(other)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float(a @ b) / size if size > 0 else 0.0


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    _, place, count = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    found: NDArray[np.float64] = (last - (count - 1) / 2)[place]
    return found


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
