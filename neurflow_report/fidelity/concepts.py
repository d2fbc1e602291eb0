"""F6, robustness to k: would another size of the concept have found the same core neurons? (METHOD §5)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.circuit.top_patches import core_set
from neurflow_report.fidelity.intervals import wilson
from neurflow_report.results.records import Measure

Floats = NDArray[np.floating]


def robustness(
    layer: str, attributions: Sequence[Floats], *, k: int, ks: Sequence[int], tau: int
) -> tuple[Measure, ...]:
    """Overlap of S_a at each of `ks` with S_a at `k`.

    It is the mean over the neurons tested, with Wilson's interval over the core neurons of all of them. A neuron whose
    core set is empty at `k` is left out. Chance: two random sets of the size of S_a.

    Args: attributions: T of each neuron on its strongest patches, strongest first, (at least max(ks, k), C).
    """
    sets = [{size: set(_core(t, size, tau)) for size in {k, *ks}} for t in attributions]
    sets = [s for s in sets if s[k]]
    if not sets:
        return ()
    count, found = sum(len(s[k]) for s in sets), []
    for size in ks:
        value = float(np.mean([len(s[k] & s[size]) / len(s[k]) for s in sets]))
        low, high = wilson(value * count, count)
        found.append(
            Measure(
                experiment="concepts",
                layer=layer,
                setting=size,
                value=value,
                low=low,
                high=high,
                n=count,
                unit="core neuron",
                null=count / len(sets) / attributions[0].shape[1],
            )
        )
    return tuple(found)


def _core(attributions: Floats, k: int, tau: int) -> list[int]:
    """S_a from the k strongest patches."""
    return [int(c) for c in core_set(np.abs(attributions[:k]).mean(axis=0), tau)]
