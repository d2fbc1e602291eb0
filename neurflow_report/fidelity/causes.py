"""Why this picture? What a margin rests on, group by group, and how sure that is (METHOD §7).

M = z_p − z_q. Pure functions: T of M and what knock-outs leave of it come from analysis/causes.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.causal import FEWEST, matched_sets, step_down
from neurflow_report.fidelity.draws import Sets
from neurflow_report.results.contradictions import LARGEST as LARGEST
from neurflow_report.results.contradictions import MAP as MAP

Floats = NDArray[np.floating]
DRAWS = 100
"""Random sets of a group."""
LEVEL = 0.05
TRIED, STEPS = 12, 6
"""Groups that the smallest set is looked for among, those with the largest s_G, and of how many it is at most."""
TIE = 1e-5
"""What of the largest logit is rounding."""
FAINT = 1e-6
"""The part of its mean under which a neuron's activation counts as this part of it."""


def foretold(values: Floats, inside: Floats, channels: Sequence[int]) -> tuple[Floats, float]:
    """s_G of each group, (G,), and what goes through neurons in none of them.

    Args:
        values: T of the margin to each channel, (C,).
        inside: p(i, G), (neurons, G).
        channels: of the neurons.
    """
    own = values[list(channels)].astype(np.float64)
    found: Floats = own @ inside
    return found, float(values.sum(dtype=np.float64) - found.sum())


def largest(foretold: Floats) -> list[int]:
    """The places of the groups with the largest |s_G|, the largest first; a group that foretells nothing is none."""
    order = np.argsort(-np.abs(foretold), kind="stable")[:LARGEST].tolist()
    return [place for place in order if foretold[place] != 0]


def choices(groups: int) -> list[tuple[int, ...]]:
    """All choices of so many groups: number b holds n where bit n of b is set."""
    return [tuple(n for n in range(groups) if bits >> n & 1) for bits in range(2**groups)]


def null_sets(phi: Floats, members: Sequence[int], random: np.random.Generator, draws: int = DRAWS) -> Sets:
    """Sets to hold a group against: as many channels of each block of near |φ| on the picture; none where there are
    fewer than `FEWEST`.

    Args: phi: of each channel on the picture, (C,).
    """
    if not members or len(members) >= len(phi):
        return np.zeros((0, len(phi)), dtype=bool)
    found = matched_sets(phi, members, draws, random)
    return found if len(found) >= FEWEST else found[:0]


def tested(
    foretold: Floats, measured: Floats, nulls: Mapping[int, Floats], tie: float
) -> dict[int, tuple[float, float]]:
    """The p-values, alone and together, of the groups with sets: how often a random set moves the margin, whichever
    way, as far as the group does in the way it is foretold; together as F11's, over all groups, for which of them are
    looked at may hang on what they do.

    Args:
        measured: ΔM of each group, (G,).
        nulls: of each group that has sets their ΔM.
        tie: by how much a group has to do more than a set; less is rounding.
    """
    places = list(nulls)
    if not places:
        return {}
    own = [float(measured[g] if foretold[g] >= 0 else -measured[g]) - tie for g in places]
    alone, together = step_down(own, [np.abs(nulls[g]) for g in places], places)
    return dict(zip(places, zip(alone, together, strict=True), strict=True))


def presence(crops: Floats, usual: Floats, members: Sequence[int]) -> float | None:
    """exp of the largest, over a picture's crops, of the mean over the neurons of log(φ / its mean): what the paper's
    notebook takes for a cause. None where none of them has a mean above 0.

    Args:
        crops: φ of each channel on the crops, (crops, C).
        usual: of each channel the mean φ on its own concept, (C,).
        members: the group's neurons.
    """
    own = [c for c in members if usual[c] > 0]
    if not own:
        return None
    ratio = crops[:, own].astype(np.float64) / usual[own]
    return float(np.exp(np.log(np.maximum(ratio, FAINT)).mean(axis=1).max()))


def digits(grid: Floats) -> tuple[str, ...]:
    """A map as rows of the digits 0 to 9, the largest of its places 9; places under 0 are 0. () where none is over 0.

    Args: grid: (H, W).
    """
    size = float(grid.max(initial=0.0))
    if size <= 0:
        return ()
    levels = np.ceil(np.clip(grid / size, 0, 1) * 9 - 1e-6).astype(int).clip(0, 9)
    return tuple("".join(map(str, row)) for row in levels.tolist())
