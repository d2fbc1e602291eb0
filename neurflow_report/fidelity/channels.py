"""F10, the census of a layer's channels: which are silent on the class's patches, which hardly vary (METHOD §5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.results.catalogue import HARDLY
from neurflow_report.results.records import Census, Measure

Floats = NDArray[np.floating]


def census(layer: str, means: Floats) -> Census:
    """The silent channels, whose φ is never above 0, and of the others the saturated ones, whose φ hardly varies.

    Args: means: φ of all patches of the class, (P, C).
    """
    precise = means.astype(np.float64)
    silent = precise.max(axis=0) <= 0
    still = ~silent & (precise.std(axis=0) < HARDLY * np.abs(precise.mean(axis=0)))
    return Census(layer=layer, channels=means.shape[1], silent=_numbers(silent), saturated=_numbers(still))


def _numbers(found: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(c) for c in np.flatnonzero(found))


def _run(at: Subject) -> Results:
    found = census(at.layer.name, at.means[at.number])
    measures = []
    for case, channels in (("class-silent", found.silent), ("saturated", found.saturated)):
        share = len(channels) / found.channels  # of all channels: there is nothing to be uncertain of
        measures.append(
            Measure(
                experiment="channels", layer=at.layer.name, case=case, value=share, low=share, high=share,
                n=found.channels, unit="channel",
            )
        )  # fmt: skip
    return Results(measures=tuple(measures), census=(found,))


def _work(_at: LayerSize) -> tuple[Work, ...]:
    return ()


EXPERIMENT = LayerExperiment(name="channels", stage="census", unit="layers", run=_run, work=_work, top=False)
