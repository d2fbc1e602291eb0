"""Ground truth of the demo: which planted part a patch shows, and how well a group of patches agrees with one part.

numpy only. The rule for the part that a patch *shows* (`shown_part`): background takes up most of nearly every patch
and the pot most of what is left, so raw area would call everything one of the two; while by the share of a part that
is in view, all parts tie in a patch that holds the whole plant. So background wins only where it covers
`BACKGROUND_SHARE` of the patch, or all that is not plant; else that part of the plant wins with the largest
area / √(its mean visible area in a whole picture), halfway between the two. A tight patch about the middle of a flower
thus shows the centre, a patch of the whole flower shows its petals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.results.records import PartAgreement

BACKGROUND_SHARE = 0.9
Ints = NDArray[np.int64]


def stack_masks(pictures: Sequence[Mapping[str, NDArray[np.bool_]]], parts: Sequence[str]) -> NDArray[np.bool_]:
    """Per-picture masks by part value → (I, P, S, S); a part that a picture does not have is empty."""
    none = np.zeros_like(next(iter(pictures[0].values())))
    return np.stack([[masks.get(part, none) for part in parts] for masks in pictures])


def part_areas(masks: NDArray[np.bool_], boxes: Ints) -> Ints:
    """Visible pixels of each part in each patch: (I, P, S, S) masks, (n, 4) boxes [image, top, left, side] → (n, P).

    By integral images: the table costs I·P·S², a patch four look-ups. Boxes lie within the picture.
    """
    images, parts, side, _ = masks.shape
    table = np.zeros((images, parts, side + 1, side + 1), np.int64)
    table[:, :, 1:, 1:] = masks.cumsum(axis=2, dtype=np.int64).cumsum(axis=3)
    image, top, left, length = np.asarray(boxes, np.int64).T
    bottom, right = top + length, left + length
    areas: Ints = (
        table[image, :, bottom, right]
        - table[image, :, top, right]
        - table[image, :, bottom, left]
        + table[image, :, top, left]
    )
    return areas


def usual_areas(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean visible pixels of each part over the pictures that show it: (I, P, S, S) → (P,), 0 where none does."""
    areas = masks.sum(axis=(2, 3))
    mean: NDArray[np.float64] = areas.sum(axis=0) / np.maximum((areas > 0).sum(axis=0), 1)
    return mean


def shown_part(areas: Ints, sides: Ints, usual: NDArray[np.float64]) -> Ints:
    """The one part that each patch shows, by the rule above: an index into the parts, background last, (n,).

    Ties go to the lower index. A patch with no plant part shows background.

    Args:
        areas: (n, P) of `part_areas`.
        sides: (n,) of the patches in pixels.
        usual: (P,) of `usual_areas`.
    """
    background = areas.shape[1] - 1
    plant = areas[:, :background] / np.sqrt(np.where(usual[:background] > 0, usual[:background], np.inf))
    best: Ints = plant.argmax(axis=1)
    empty = areas[:, background] >= BACKGROUND_SHARE * np.asarray(sides, np.float64) ** 2
    return np.where(empty | (plant.max(axis=1) == 0), background, best)


def agreement(group_patches: Ints, shown: Ints, parts: Sequence[str], *, draws: int = 1000, seed: int) -> PartAgreement:
    """How well a group's patches agree with one planted part.

    Of all parts, background too, the one is named whose purity (share of the group's patches that show it) most exceeds
    chance (its share over all candidates); ties go to the lower index. `p_value`: the share (1 + #{at least as large})
    / (1 + draws) of random sets of the same size, drawn without replacement, whose *own* best excess is as large: the
    choice of the best part is in the null too.

    Args:
        group_patches: distinct indices into `shown`.
        shown: what each of the class's candidate patches shows, an index into `parts`, (n,).
    Raises: ValueError for an empty group.
    """
    size = len(group_patches)
    if size == 0:
        raise ValueError("a group without patches has no purity")
    total = np.bincount(shown, minlength=len(parts))
    chance = total / total.sum()
    purity = np.bincount(shown[group_patches], minlength=len(parts)) / size
    excess = purity - chance
    best = int(excess.argmax())
    null = np.random.default_rng(seed).multivariate_hypergeometric(total, size, size=draws) / size - chance
    extreme = int((null.max(axis=1) >= excess[best] - 1e-12).sum())
    return PartAgreement(
        part=parts[best],
        purity=float(purity[best]),
        chance=float(chance[best]),
        p_value=(1 + extreme) / (1 + draws),
        n=size,
        commonest=tuple(
            (parts[part], float(purity[part]), float(chance[part]))
            for part in np.argsort(-purity, kind="stable")[:2].tolist()
            if purity[part] > 0
        ),
    )
