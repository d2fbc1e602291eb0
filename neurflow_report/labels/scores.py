"""How well texts go with a layer's neuron groups, on the patches that the groups were found on (METHOD §8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


def probabilities(cosines: Floats, scale: float) -> Floats:
    """Of each patch, how likely each text is among all of them: softmax of the scaled cosines, (n, T).

    Texts are so in one unit. Cosines are not: those of a text that no patch shows vary with what is like it.

    Args:
        cosines: (n, T).
        scale: the model's own.
    """
    logits = scale * cosines.astype(np.float64)
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def with_name(cosines: Floats, scale: float) -> Floats:
    """The probabilities of the texts, and in the last column that of one more among them, the class's name, whose
    cosines are the last column given."""
    texts = probabilities(cosines[:, :-1], scale)
    return np.column_stack([texts, probabilities(cosines, scale)[:, -1]])


def scores(values: Floats, groups: Sequence[Indices]) -> Floats:
    """The mean of each text over a group's patches less that over the patches of the layer's other groups, (G, T).

    Args:
        values: of each text on each patch, (n, T).
        groups: the patches of each, rows of `values`; a patch of the group itself counts for it alone.
    """
    every = np.unique(np.concatenate([*groups, np.zeros(0, np.int64)]))
    found = np.zeros((len(groups), values.shape[1]))
    for place, own in enumerate(groups):
        others = np.setdiff1d(every, own)
        others = others if len(others) else np.setdiff1d(np.arange(len(values)), own)
        if len(own) and len(others):
            found[place] = values[own].mean(axis=0, dtype=np.float64) - values[others].mean(axis=0, dtype=np.float64)
    return found


def best(values: Floats, groups: Sequence[Indices]) -> list[tuple[int, float]]:
    """For each group the text with the largest score, of equal ones the first, and its score."""
    return [(int(row.argmax()), float(row.max())) for row in scores(values, groups)]
