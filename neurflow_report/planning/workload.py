"""How often a run does what, one class at a time: counts that follow from the sizes alone (METHOD §§1–5).

What a run finds out on its way, how many core neurons a layer has and how far their concepts overlap, is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from neurflow_report.fidelity.causes import DRAWS, LARGEST, STEPS, TRIED
from neurflow_report.fidelity.methods import SAMPLES
from neurflow_report.results.catalogue import ABLATING, Sizes

ROWS: Mapping[str, int] = {"SmoothGrad": SAMPLES, "GradientSHAP": SAMPLES, "DeepLift": 2}
"""Rows that go forth and back for one patch, of the attribution methods that take more than one."""
CHECKED_PAIRS, CHECKED_STEPS = 2, 32
"""Pairs of a neuron and its strongest patch at each layer, at most, that Captum computes again, and its steps."""
CHECKED_ROWS = 2 * CHECKED_PAIRS * CHECKED_STEPS
"""Rows that this sends through each segment; a way back counts as one, since no weight wants a gradient."""


@dataclass(frozen=True, kw_only=True)
class Knocking:
    """The pass of knock-outs at one layer.

    Attributes:
        tested: the neurons tested.
        removed: how many channels each set takes, smallest first.
        ranked, every: how many patches are ranked, and whether these are all.
    """

    tested: int
    removed: tuple[int, ...]
    ranked: int
    every: bool


ATTRIBUTED = 2 * 3 * 12
"""Rows that T of two logits takes: a way there and two back for each of a dozen points of the path."""


def masks(draws: int) -> int:
    """F1: the masks of a layer and τ: none, the core set and `draws` others, each masked and kept alone."""
    return 3 + 2 * draws


def mask_passes(draws: int, pictures: int, others: int) -> tuple[tuple[int, int], ...]:
    """F1: the masks of a layer and τ, and the pictures that these run on (fidelity/masking.py): all at 0 on the class's
    own; beside pictures of `others`, the core's on these; then at the mean on all of them."""
    both = ((3, others), (2 + draws, pictures + others)) if others else ()
    return ((masks(draws), pictures), *both)


def masked_pictures(draws: int, pictures: int, taus: int, tested: int, others: int = 0) -> int:
    """F1: pictures under a mask, at each of `tested` layers alone, and at all but the highest of them from it up."""
    each = sum(sets * some for sets, some in mask_passes(draws, pictures, others))
    return taus * each * max(0, 2 * tested - 1)


def distinct(patches: int, k: int, targets: int, share: float | None = None) -> float:
    """How many different patches the concepts of some targets hold, likely: as if drawn at random, unless it is known
    which `share` of all their places holds a patch of its own."""
    if not targets or not patches:
        return 0.0
    most = min(float(patches), float(targets * k))
    drawn = patches * (1 - (1 - min(1.0, k / patches)) ** targets)
    return max(float(min(k, patches)), min(most, drawn if share is None else share * targets * k))


def knocking(
    size: Sizes, tau: int, k: int, *, width: int, targets: int, patches: int, share: float | None = None
) -> Knocking | None:
    """The knock-outs that a layer's neurons ask for of the layer below, `width` channels; None where there are none.

    Args:
        targets: the layer's neurons.
        patches: the class's.
        share: as of `distinct`, of the neurons tested.
    """
    tested = min(targets, size.targets)
    sets = removals(size, tau, width, tested)
    if not set(size.experiments) & ABLATING or not tested or not sets:
        return None
    every = not 0 < size.patches < patches
    own = distinct(patches, k, tested, share)
    ranked = patches if every else round(size.patches + own * (1 - size.patches / patches))
    return Knocking(tested=tested, removed=tuple(sets), ranked=ranked, every=every)


def removals(size: Sizes, tau: int, width: int, tested: int) -> list[int]:
    """How many channels each set takes that is knocked out of a layer of `width` for the neurons tested one layer up,
    smallest first: F2's τ, where all core sets have so many, F3's and F4's their sizes."""
    asked, found, core = set(size.experiments), list[int](), min(tau, width - 1)
    if "optimality" in asked and core:
        found += [core] * (tested + min(size.optimality_draws, math.comb(width, core)))
    if asked & {"weights", "methods"}:
        found += [n for n in size.sizes if n < width for _ in range(min(size.weight_draws, math.comb(width, n)))]
    return sorted(found)


def depth(size: Sizes, k: int, patches: int) -> int:
    """F6: how many of a neuron's strongest patches are attributed."""
    return min(max((k, *size.ks)), patches)


def compared(size: Sizes, tested: int) -> int:
    """F4: how many of the neurons tested are put through each other method; 0 where no method is asked for."""
    return min(size.method_targets, tested) if "methods" in size.experiments and size.methods else 0


def explained_rows(groups: int) -> int:
    """Rows that a picture which is explained takes from a layer up: its groups alone, sets, what-ifs, the search for
    the smallest set; T of two logits, there and back, as `ATTRIBUTED` rows."""
    largest, tried = min(groups, LARGEST), min(groups, TRIED)
    return 2 + groups + (1 << largest) + groups * DRAWS + tried * STEPS + ATTRIBUTED
