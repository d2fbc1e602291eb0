"""F12, the quality of the attributions: do they say what sets of channels do, and hold still under noise? (METHOD §5)

Infidelity (C.-K. Yeh and others 2019) of a neuron: over random sets Z of channels set to 0, the mean of
(Σ_{i∈Z} T_i − Δφ)², in units of the variance of Δφ over the sets, both summed over patches. Max-sensitivity: the
largest change of T, relative to its size, over draws of noise in the activations below, mean over patches. Beside both,
the same with the weights between the two layers drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from neurflow_report.fidelity.draws import random_sets, sample
from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Part, Results, Subject, Work
from neurflow_report.fidelity.intervals import student
from neurflow_report.results.catalogue import QUALITY_DRAWS, QUALITY_NOISE, QUALITY_SETS
from neurflow_report.results.records import Measure, NotRun

Floats = NDArray[np.floating]
Sets = NDArray[np.bool_]
Indices = NDArray[np.int64]
PATCHES = 4
"""Patches of a concept that are looked at, at most, drawn at random."""
RESAMPLED = 200
NAN = float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """A neuron on some patches, a figure a patch, (n,).

    Attributes:
        wrong: the mean of (Σ_{i∈Z} T_i − Δφ)² over the sets.
        spread: the variance of Δφ over the sets.
        change: the largest ‖T′ − T‖ / ‖T‖ over the draws of noise; nan where T is 0.
    """

    wrong: Floats
    spread: Floats
    change: Floats

    @classmethod
    def of(cls, t: Floats, noisy: Floats, sets: Sets, lost: Floats) -> Looked:
        """From T (n, C), T under noise (draws, n, C), the sets (M, C) and Δφ (M, n)."""
        size, change = np.linalg.norm(t, axis=-1), np.linalg.norm(noisy - t, axis=-1).max(axis=0)
        return cls(
            wrong=((sets @ t.T - lost) ** 2).mean(axis=0),
            spread=lost.var(axis=0),
            change=np.divide(change, size, out=np.full_like(size, NAN), where=size > 0),
        )

    def infidelity(self, rows: Indices) -> float:
        """Of some patches; nan where no set changes anything."""
        spread = float(self.spread[rows].sum())
        return float(self.wrong[rows].sum()) / spread if spread > 0 else NAN

    def sensitivity(self, rows: Indices) -> float:
        """The same of max-sensitivity; nan where T is 0 on all of them."""
        kept = self.change[rows]
        kept = kept[~np.isnan(kept)]
        return float(kept.mean()) if len(kept) else NAN


CASES = {"infidelity": Looked.infidelity, "max-sensitivity": Looked.sensitivity}


def looked_at(part: Part, channel: int, patches: Indices, sets: Sets, seed: int) -> Looked:
    """A neuron on some patches, with noise from `seed`; all is computed on the device, and asked for once."""
    full = part.activations(patches)
    random = torch.Generator(full.device).manual_seed(seed)
    none = np.zeros((1, sets.shape[1]), dtype=bool)
    phi = part.ablated(full, np.concatenate([none, sets]), channel)  # (1 + M, n)
    found = [part.attributed(full, channel)]
    for _ in range(QUALITY_DRAWS):
        noise = torch.rand(full.shape, generator=random, device=full.device, dtype=full.dtype) * 2 - 1
        found.append(part.attributed(full * (1 + QUALITY_NOISE * noise), channel))
    t, told = torch.stack(found).double().cpu().numpy(), phi.double().cpu().numpy()
    return Looked.of(t[0], t[1:], sets, told[0] - told[1:])


def _measures(
    layer: str, own: Sequence[Looked], anew: Sequence[Looked], random: np.random.Generator
) -> Iterator[Measure]:
    """A layer's two figures: the mean over its neurons, with Student's interval, or with fewer than three neurons that
    of resampled patches."""
    for case, figure in CASES.items():
        kept = [one for one in own if not np.isnan(figure(one, np.arange(len(one.wrong))))]
        values, null = ([figure(one, np.arange(len(one.wrong))) for one in some] for some in (kept, anew))
        if not kept:
            continue
        again = [
            [figure(one, random.integers(len(one.wrong), size=len(one.wrong))) for one in kept]
            for _ in range(RESAMPLED)
        ]
        value, ends = float(np.mean(values)), np.nanquantile(again, [0.025, 0.975])
        low, high = student(values) or (float(ends[0]), float(ends[1]))
        yield Measure(
            experiment="quality", layer=layer, case=case, value=value, low=max(0.0, min(low, value)),
            high=max(high, value), n=len(kept), unit="neuron",
            null=None if np.isnan(null).all() else float(np.nanmean(null)),
        )  # fmt: skip


def _run(at: Subject) -> Results:
    random, channels = np.random.default_rng(at.seed), at.below.channels
    tested = [n for n in at.layer.neurons if n.core and not n.dead]
    tested = [tested[i] for i in sample(len(tested), at.sizes.quality_targets, random)]
    if not tested or channels < 2:
        reason = "no neuron has a core set, or the layer below has one channel"
        return Results(not_run=(NotRun(experiment="quality", layer=at.layer.name, reason=reason),))
    own, anew = at.part(None), at.part(at.seed[0])
    found: tuple[list[Looked], list[Looked]] = ([], [])
    for neuron in tested:
        patches = np.array(neuron.concept)[sample(len(neuron.concept), PATCHES, random)]
        sets = random_sets(channels, min(len(neuron.core), channels // 2), QUALITY_SETS, random)
        for some, part in zip(found, (own, anew), strict=True):
            some.append(looked_at(part, neuron.channel, patches, sets, neuron.channel))
    measures = tuple(_measures(at.layer.name, *found, random))
    if not measures:
        reason = "no set changes anything"
        return Results(not_run=(NotRun(experiment="quality", layer=at.layer.name, reason=reason),))
    return Results(measures=measures)


def _work(at: LayerSize) -> Iterator[Work]:
    """Twice, since the weights are drawn anew, too."""
    neurons, rows = min(at.neurons, at.sizes.quality_targets), min(PATCHES, at.k)
    yield Work(part="knock-outs", times=2 * neurons * (1 + QUALITY_SETS), rows=rows, neurons=1)
    yield Work(part="search", times=2 * neurons * (1 + QUALITY_DRAWS), rows=rows)


EXPERIMENT = LayerExperiment(
    name="quality", stage="quality of the attributions at {layer}", unit="passes", run=_run, work=_work, lowest=False,
    ablates=True,
)  # fmt: skip
