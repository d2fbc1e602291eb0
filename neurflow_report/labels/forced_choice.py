"""L1: which of two patches of a picture is the group's? A text answers by its score (METHOD §8).

A picture is the unit: its patches overlap, and its choices are one mean. Each choice is between a patch of the group
and one of the layer's other groups in the same picture, near to it in how active the layer is, so that pictures are
independent and neither a picture's own look nor the layer's strength tells the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import benjamini_hochberg, wilson

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
NEAREST = 3
"""Patches that each of the group's is held against."""
FEWEST = 5
"""Pictures with a choice that a test needs: of fewer the flips are so few that none could be under 5%."""
FLIPS = 9999
LEVEL = 0.05
_TIE = 1e-12
NO_OTHER = "the layer has no group with another label to hold it against"


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Choices, as rows of a table of patches; `picture`: that of each choice."""

    own: Indices
    other: Indices
    picture: Indices

    @property
    def pictures(self) -> int:
        """How many pictures there is a choice in."""
        return len(np.unique(self.picture))


def pairs(own: Indices, others: Indices, picture: Indices, activity: Floats, *, without: Indices) -> Pairs:
    """Each patch of a group beside the nearest others of its picture.

    Args:
        own: the group's patches.
        others: those that it is held against, the group's own among them left out; in a picture without any, all of its
            patches are.
        without: patches that it is never held against.
        picture: of each patch of the table.
        activity: how active the layer is on each.
    """
    without = np.union1d(own, without)
    others, every = np.setdiff1d(others, without), np.setdiff1d(np.arange(len(picture)), without)
    found = list[tuple[int, int]]()
    for v in own.tolist():
        beside = others[picture[others] == picture[v]]
        beside = beside if len(beside) else every[picture[every] == picture[v]]
        order = np.argsort(np.abs(activity[beside] - activity[v]), kind="stable")[:NEAREST]
        found += [(v, u) for u in beside[order].tolist()]
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return Pairs(own=table[:, 0], other=table[:, 1], picture=picture[table[:, 0]])


def right(values: Floats, given: Pairs) -> Floats:
    """The share of right choices in each picture, equal values counting half, (pictures,) by picture.

    Args: values: of each patch of the table, (n,).
    """
    ahead = values[given.own] - values[given.other]
    choices = np.where(ahead > _TIE, 1.0, np.where(ahead < -_TIE, 0.0, 0.5))
    _, place = np.unique(given.picture, return_inverse=True)
    found: Floats = np.bincount(place, weights=choices) / np.maximum(np.bincount(place), 1)
    return found


def share(right: Floats) -> tuple[float, float, float]:
    """The mean over pictures, with Wilson's interval over as many trials as there are pictures."""
    if not len(right):
        return 0.5, 0.0, 1.0
    low, high = wilson(float(right.sum()), len(right))
    return float(right.mean()), low, high


def sign_flips(differences: Floats, random: np.random.Generator) -> float:
    """The p-value of a mean over 0 where each picture's difference could as well have had the other sign."""
    differences = differences[np.abs(differences) > _TIE]
    if not len(differences):
        return 1.0
    signs = random.integers(0, 2, (FLIPS, len(differences))) * 2.0 - 1.0
    return float((1 + (signs @ differences >= differences.sum() - 1e-9).sum()) / (1 + FLIPS))


def too_few(pictures: int) -> str:
    """Why a label cannot be tested on so many pictures."""
    where = f"{pictures} picture{'s' * (pictures != 1)}" if pictures else "no picture"
    return f"{where} held out show{'s' * (pictures < 2)} it, and {FEWEST} are needed"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A label's forced choice.

    Attributes:
        value, low, high: the share of right choices, with its interval.
        pictures, patches: that there are choices in, and the group's that are held against others.
        null: the mean share of the labels of the layer's other groups; None where all have the same. It is told, not
            tested: those labels were chosen for the patches that the group's stand beside, and it tends to be under
            a half.
        baseline: that of the class's name; None where the source gives it no score.
        p_value: the larger of those against a half and against the class's name, where it has a score.
    """

    value: float
    low: float
    high: float
    pictures: int
    patches: int
    null: float | None
    baseline: float | None
    p_value: float


def choice(
    given: Pairs, label: Floats, others: Sequence[Floats], class_name: Floats | None, seed: Sequence[int]
) -> Choice:
    """The forced choice of a label.

    Args:
        label: its value on each patch of the table.
        others: those of the other groups' labels.
        class_name: that of the class's name.
        seed: of the flips.
    """
    random, own = np.random.default_rng(seed), right(label, given)
    value, low, high = share(own)
    null = np.mean([right(one, given) for one in others]) if others else None
    baseline = None if class_name is None else right(class_name, given)
    by_chance = sign_flips(own - 0.5, random)
    return Choice(
        value=value,
        low=low,
        high=high,
        pictures=len(own),
        patches=len(np.unique(given.own)),
        null=None if null is None else float(null),
        baseline=None if baseline is None else float(baseline.mean()),
        p_value=by_chance if baseline is None else max(by_chance, sign_flips(own - baseline, random)),
    )


def together(p_values: Mapping[tuple[str, int], float]) -> dict[tuple[str, int], float]:
    """The p-values of a class's groups, corrected together by Benjamini and Hochberg's procedure: of the labels that
    are given 5% at most are expected to be idle, and with idle labels alone one is given in 5% of classes at most."""
    return dict(zip(p_values, benjamini_hochberg(list(p_values.values())), strict=True))


def nearness(phi: Floats, centre: Floats, scale: Floats) -> Floats:
    """The cosine between each patch's φ and a centre, each channel by its deviation `scale`; (n, C), (C,), (C,) → (n,).

    φ and the centre count from the mean that the caller took off."""
    moving = scale > 0
    a, b = phi[:, moving] / scale[moving], centre[moving] / scale[moving]
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b)
    found: Floats = (a @ b) / np.where(lengths > 0, lengths, 1.0)
    return found
