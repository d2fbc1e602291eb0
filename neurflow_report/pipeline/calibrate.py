"""A few seconds of the run's own work on this device: what a plan's figures are made from.

1. Forward: some patches through the stem and each stage, timed; the multiply-adds of one row of each.
2. From the logit down, a few targets of each layer are searched as the run does it. That gives the seconds and the
   multiply-adds of a target, and core sets, from which the number of targets of the layer below is estimated.
3. Pictures are opened, prepared and kept.

How many targets a layer will have: the core sets of m targets hold so many neurons, once or twice among them; how many
the core sets of n targets hold is extrapolated from that (A. Chao et al. 2009, incidence-based accumulation curves).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.circuit.attribution import Quadrature
from neurflow_report.circuit.concepts import concepts
from neurflow_report.circuit.grouping import partition
from neurflow_report.circuit.search import Search, layer_neurons
from neurflow_report.images.patches import crops
from neurflow_report.network.count import multiply_adds
from neurflow_report.network.forward import layers_to_keep, spatial_mean
from neurflow_report.pipeline.calibrate_evidence import EvidenceCost, measure_evidence
from neurflow_report.pipeline.examine import Bench
from neurflow_report.pipeline.progress import SilentStep
from neurflow_report.results.records import Neuron
from neurflow_report.spec.schema import Spec

clock = time.perf_counter
"""Seconds, from any beginning."""
FORWARD, LAYER = 2.0, 1.0
"""Seconds that timing the forward pass, and one layer's targets, may take, about; one target is timed in any case."""
FEWEST, TARGETS, COUNTED, CLUSTERED = 16, 12, 4, 400

Indices = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one layer's targets cost, each: seconds (None: not timed) and multiply-adds without those of the activations
    below; `fresh`: the share, 0..1, of its k patches whose activation below is not there already; `groups`: semantic
    groups; `targets`: how many a class has, likely (None: not known)."""

    seconds: float | None
    multiply_adds: int
    fresh: float
    groups: float
    targets: int | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was measured. `segments`: seconds a row of the stem and of each stage (None: not timed), and `row_work`,
    their multiply-adds; `crop`: seconds a patch is cut out in; `layers`: input → output; `evidence`: experiments."""

    crop: float | None
    segments: tuple[float, ...] | None
    row_work: tuple[int, ...]
    layers: tuple[LayerCost, ...]
    evidence: EvidenceCost


def calibrate(bench: Bench, spec: Spec, pixels: Tensor, *, logit: int, patches: int, timed: bool) -> Calibration:
    """Measure on the patches of some inputs (I, C, S, S).

    Args: patches: how many a class of the run has; timed: whether seconds are wanted, else only counts are made.
    """
    parts = (bench.segments.stem, *bench.segments.stages)
    row = crops(pixels, np.zeros(1, np.int64), bench.grid)
    row_work, value = [], row
    for part in parts:
        row_work.append(multiply_adds(lambda p=part, v=value: p(v)))  # type: ignore[misc]
        with torch.no_grad():
            value = part(value)
    rows = _rows(bench, spec, row, patches) if timed else COUNTED
    chosen = np.linspace(0, len(pixels) * bench.grid.per_image - 1, rows).astype(np.int64)
    crop, cut_out = _timed(bench, lambda: crops(pixels, chosen, bench.grid))
    values, seconds = _forward(bench, cut_out)
    layers = _layers(bench, spec, values, logit=logit, patches=patches, timed=timed)
    targets = most_targets(bench, spec.core.tau)
    likely = [
        most if cost.targets is None else min(cost.targets, most) for cost, most in zip(layers, targets, strict=True)
    ]
    clocked = (lambda work: _timed(bench, work)[0]) if timed else None
    return Calibration(
        crop=crop / rows if timed else None,
        segments=tuple(s / rows for s in seconds) if timed else None,
        row_work=tuple(row_work),
        layers=layers,
        evidence=measure_evidence(bench, spec, values, likely, clocked),
    )


def most_targets(bench: Bench, tau: int) -> list[int]:
    """The most targets that each layer can have, input → output: τ times as many a layer down, up to its channels."""
    found = [1]
    for info in reversed(bench.segments.layers[:-1]):
        found.append(min(info.channels, found[-1] * tau))
    return found[::-1]


def _timed(bench: Bench, work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of `work`, and its result."""
    wait = bench.segments.device.type == "cuda"
    if wait:
        torch.cuda.synchronize(bench.segments.device)
    begun = clock()
    result = work()
    if wait:
        torch.cuda.synchronize(bench.segments.device)
    return clock() - begun, result


@torch.no_grad()
def _rows(bench: Bench, spec: Spec, row: Tensor, patches: int) -> int:
    """How many patches to measure on: as many as FORWARD allows, if it can be two concepts', within a batch."""
    run = torch.nn.Sequential(bench.forward.segments.stem, *bench.forward.segments.stages)
    some = row.repeat(min(FEWEST, bench.forward_rows), *[1] * (row.ndim - 1))
    run(some)
    seconds, _ = _timed(bench, lambda: run(some))
    most = min(bench.forward_rows, patches, max(4 * spec.concept.k, 64))
    return max(1, min(most, max(FEWEST, int(FORWARD / (seconds / len(some))))))


@torch.no_grad()
def _forward(bench: Bench, pixels: Tensor) -> tuple[list[Tensor], list[float]]:
    """The activation of every layer, and the seconds of every segment; each is run once before it is timed."""
    values, seconds, value = [], [], pixels
    for part in (bench.forward.segments.stem, *bench.forward.segments.stages):
        part(value[: bench.forward.rows])
        spent, value = _timed(bench, lambda p=part, v=value: _in_parts(p, v, bench.forward.rows))  # type: ignore[misc]
        values.append(value.contiguous())
        seconds.append(spent)
    return values, seconds


def _in_parts(part: torch.nn.Module, value: Tensor, rows: int) -> Tensor:
    """As a forward pass runs a segment, `rows` at a time."""
    return torch.cat([part(some) for some in torch.split(value, rows)])


def _layers(
    bench: Bench, spec: Spec, values: Sequence[Tensor], *, logit: int, patches: int, timed: bool
) -> tuple[LayerCost, ...]:
    """The cost of each layer's targets, input → output; looked at from the logit down."""
    axis = bench.segments.feature_axis
    means = [spatial_mean(v, axis(i)).cpu().numpy() for i, v in enumerate(values)]
    targets, total, found = [logit], 1, list[LayerCost]()
    for number in range(len(values) - 1, -1, -1):
        try_out = _Trial(bench=bench, spec=spec, values=values, means=means, number=number)
        cost, neurons = try_out.measure(targets, total if timed else None, patches)
        found.append(cost)
        if number:
            sets = [frozenset(s.channel for s in n.core) for n in neurons]
            targets = sorted(frozenset().union(*sets)) or [0]
            total = union_size(sets, total, bench.segments.layers[number - 1].channels)
    return tuple(reversed(found))


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """A few targets of one layer, searched on the patches at hand."""

    bench: Bench
    spec: Spec
    values: Sequence[Tensor]
    means: Sequence[NDArray[np.floating]]
    number: int

    def measure(self, targets: Sequence[int], total: int | None, patches: int) -> tuple[LayerCost, list[Neuron]]:
        """The layer's cost, and the neurons found. Args: targets: some of the layer's; total: how many the layer has,
        None where nothing is to be timed; patches: how many a class has."""
        k, rows = self.spec.concept.k, len(self.means[0])
        few = min(k, rows, COUNTED)
        first = [targets[len(targets) // 2]]
        neurons: list[Neuron] = []
        work = multiply_adds(lambda: neurons.extend(self.search(first, few)))
        seconds = None
        if total is not None:
            seconds, neurons = self.time(targets, total, min(k, rows))
        return LayerCost(
            seconds=None if seconds is None else seconds * k / min(k, rows),
            multiply_adds=round(work * k / few),
            fresh=self.fresh(targets, patches),
            groups=sum(len(n.groups) for n in neurons) / len(neurons),
            targets=total,
        ), neurons

    def time(self, targets: Sequence[int], total: int, k: int) -> tuple[float, list[Neuron]]:
        """Seconds a target, and the neurons: of one, then of as many together as LAYER allows."""
        self.search(targets[:1], min(k, COUNTED))
        seconds, neurons = _timed(self.bench, lambda: self.search(targets[:1], k))
        count = min(max(total, 1), len(targets), max(COUNTED, min(TARGETS, int(LAYER / max(seconds, 1e-6)))))
        if count > 1:
            chosen = [targets[int((i + 0.5) * len(targets) / count)] for i in range(count)]
            seconds, neurons = _timed(self.bench, lambda: self.search(chosen, k))
        return seconds / count, neurons

    def search(self, targets: Sequence[int], k: int) -> list[Neuron]:
        """The targets' neurons, as the run finds them."""
        attribution, core = self.spec.attribution, self.spec.core
        search = Search(
            k=k,
            tau=core.tau,
            max_semantic=self.spec.groups.max_semantic,
            quadrature=Quadrature(**attribution.model_dump()),
        )
        names = [info.name for info in self.bench.segments.layers]
        wanted = np.array(targets, np.int64)
        return layer_neurons(
            search, names, self.bench.hops(), self.means, self.number, wanted, self._activations, SilentStep()
        )

    def _activations(self, layer: int, patches: Indices) -> Tensor:
        return self.values[layer][torch.as_tensor(patches, device=self.values[layer].device)]

    def fresh(self, targets: Sequence[int], patches: int) -> float:
        """The share of the targets' concepts that no other target shares, 0 where all activations are kept.

        On the patches at hand a concept has as many of them as its share of all patches says.
        """
        if self.number == 0 or self.number - 1 in layers_to_keep(self.bench.segments, patches, self.bench.keep):
            return 0.0
        some = np.array(list(targets), np.int64)
        here = len(self.means[0])
        k = max(1, min(here, round(self.spec.concept.k * here / patches)))
        wanted = concepts(self.means[self.number], some, k)
        return len(np.unique(wanted)) / wanted.size


def union_size(sets: Sequence[frozenset[int]], total: int, channels: int) -> int:
    """How many different neurons `total` core sets hold, likely, known `sets` of them; at most `channels`.

    The number not yet seen is Chao's estimate from those seen once and twice; with one set known of several, nothing
    is known of their overlap, and the answer is the most there can be.
    """
    known, seen = len(sets), Counter(channel for one in sets for channel in one)
    most = min(channels, total * max((len(one) for one in sets), default=0))
    if known >= total:
        return len(seen)
    if known == 1:
        return most
    once, twice = (sum(count == n for count in seen.values()) for n in (1, 2))
    unseen = (known - 1) / known * (once**2 / (2 * twice) if twice else once * (once - 1) / 2)
    if not unseen:
        return len(seen)
    share = 1 - (1 - once / (known * unseen + once)) ** (total - known)
    return min(most, round(len(seen) + unseen * share))


def clustering_seconds(bench: Bench, vectors: int, width: int, most: int) -> float:
    """Seconds to cluster so many vectors into neuron groups: measured on CLUSTERED of them, quadratic beyond."""
    count = min(vectors, CLUSTERED)
    if count < 3:
        return 0.0
    points = np.random.default_rng(0).normal(size=(count, width))
    return _timed(bench, lambda: partition(points, most))[0] * (vectors / count) ** 2
