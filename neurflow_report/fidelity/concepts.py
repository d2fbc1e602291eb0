"""F6, robustness to k: would another size of the concept have found the same core neurons? (METHOD §5)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.circuit.concepts import core_set
from neurflow_report.fidelity.intervals import mean_share
from neurflow_report.results.records import Measure

Floats = NDArray[np.floating]


def robustness(
    layer: str, attributions: Sequence[Floats], *, k: int, ks: Sequence[int], tau: int, seed: Sequence[int]
) -> tuple[Measure, ...]:
    """Overlap of S_a at each of `ks` with S_a at `k`, as the mean over the neurons tested.

    Args: attributions: T of each neuron on its strongest patches, strongest first, (at least max(ks, k), C).
    A neuron whose core set is empty at `k` is left out. Chance: two random sets of the size of S_a.
    """
    sets = [{size: set(_core(t, size, tau)) for size in {k, *ks}} for t in attributions]
    sets = [s for s in sets if s[k]]
    if not sets:
        return ()
    chance = float(np.mean([len(s[k]) for s in sets])) / attributions[0].shape[1]
    random, found = np.random.default_rng(seed), []
    for size in ks:
        value, (low, high) = mean_share([len(s[k] & s[size]) / len(s[k]) for s in sets], tau, random)
        found.append(
            Measure(
                experiment="concepts",
                layer=layer,
                setting=size,
                value=value,
                low=low,
                high=high,
                n=len(sets),
                unit="neuron",
                null=chance,
            )
        )
    return tuple(found)


def _core(attributions: Floats, k: int, tau: int) -> list[int]:
    """S_a from the k strongest patches."""
    return [int(c) for c in core_set(np.abs(attributions[:k]).mean(axis=0), tau)]
