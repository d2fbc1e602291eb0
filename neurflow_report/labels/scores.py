"""How well texts go with a layer's neuron groups, on the patches that the groups were found on (METHOD §8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
CONSTANT = 1e-9
"""A text whose cosines vary by less is the same on all patches."""


def standardised(values: Floats, over: Indices | None = None) -> Floats:
    """Each column less its mean over the rows `over`, by its deviation there; 0 where it is constant, (n, T).

    Args:
        values: (n, T).
        over: rows; None: all.
    """
    some = values[slice(None) if over is None else over].astype(np.float64)
    mean, deviation = some.mean(axis=0), some.std(axis=0)
    moving = deviation > CONSTANT
    found: Floats = np.where(moving, values - mean, 0.0) / np.where(moving, deviation, 1.0)
    return found


def scores(values: Floats, groups: Sequence[Indices]) -> Floats:
    """The mean of each text over a group's patches less that over the patches of the layer's other groups, (G, T).

    Args:
        values: standardised, (n, T).
        groups: the patches of each, rows of `values`; a patch of the group itself counts for it alone.
    """
    every = np.unique(np.concatenate([*groups, np.zeros(0, np.int64)]))
    found = np.zeros((len(groups), values.shape[1]))
    for place, own in enumerate(groups):
        others = np.setdiff1d(every, own)
        if len(own) and len(others):
            found[place] = values[own].mean(axis=0) - values[others].mean(axis=0)
    return found


def best(values: Floats, groups: Sequence[Indices]) -> list[tuple[int, float]]:
    """For each group the text with the largest score, of equal ones the first, and its score."""
    every = scores(standardised(values, np.unique(np.concatenate([*groups, np.zeros(0, np.int64)]))), groups)
    return [(int(row.argmax()), float(row.max())) for row in every]
