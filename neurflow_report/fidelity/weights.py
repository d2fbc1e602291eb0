"""F3, faithfulness of the weights: do the attributions foretell what a knock-out does? (METHOD §5)

For a neuron a and random sets Z of one size: Pearson's r between Σ_{i∈Z} score(a, i) and the loss 1 − L(Z, a). A
layer's figure is the mean of its neurons' r in Fisher's z. The null is no correlation: r = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import fisher, fisher_p, mean_correlation, pearson
from neurflow_report.results.records import Measure, NotRun

Floats = NDArray[np.floating]
OWN = "integrated gradients"
"""The method that the circuit's own scores come from."""


def faithfulness(
    layer: str,
    channels: Sequence[int],
    sets: NDArray[np.bool_],
    scores: Floats,
    kept: Floats,
    *,
    size: int,
    experiment: str = "weights",
    method: str = OWN,
) -> tuple[tuple[Measure, ...], tuple[NotRun, ...]]:
    """F3 at one layer for sets of one size: for every neuron tested, then for the layer.

    A neuron whose scores or losses do not vary has no r: it is left out, and told.

    Args:
        channels: the neurons, n.
        sets: (M, C) bool.
        scores: (n, C), in any unit, one a neuron.
        kept: (n, M), L of each set.
    """
    found = [pearson(sets @ s.astype(np.float64), 1 - k) for s, k in zip(scores, kept, strict=True)]
    rows = [
        _row(
            layer, c, experiment, method, size, r, fisher(r, len(sets)), len(sets), "random set", fisher_p(r, len(sets))
        )
        for c, r in zip(channels, found, strict=True)
        if r is not None
    ]
    still = [c for c, r in zip(channels, found, strict=True) if r is None]
    missing = [NotRun(experiment=experiment, layer=layer, case=method, reason=_still(size, still))] if still else []
    if not rows:
        return (), tuple(missing)
    r, interval, p = mean_correlation([row.value for row in rows], len(sets))
    n, unit = (len(rows), "neuron") if len(rows) > 2 else (len(sets), "random set")
    whole = _row(layer, None, experiment, method, size, r, interval, n, unit, p)
    return (*rows, whole), tuple(missing)


def _still(size: int, channels: Sequence[int]) -> str:
    named = ", ".join(f"n{c}" for c in channels[:8]) + (" and others" if len(channels) > 8 else "")
    return f"size {size}: the scores or the losses of {named} do not vary, so they have no correlation"


def _row(
    layer: str,
    channel: int | None,
    experiment: str,
    method: str,
    size: int,
    r: float,
    interval: tuple[float, float],
    n: int,
    unit: str,
    p: float,
) -> Measure:
    return Measure(
        experiment=experiment,
        layer=layer,
        channel=channel,
        case=method,
        setting=size,
        value=r,
        low=interval[0],
        high=interval[1],
        n=n,
        unit=unit,
        null=0.0,
        p_value=p,
    )
