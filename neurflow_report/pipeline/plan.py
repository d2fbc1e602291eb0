"""What a run would do and cost, told without doing it: nothing is written.

1. All that can be checked is checked (preflight.py): the mistakes that `build` would tell before it looks at a picture,
   `plan` tells in the same words.
2. A few seconds of the work are done (calibrate.py), unless no times are wanted.
3. Multiply-adds and seconds are so much a row, a target or a picture, times how many there will be.

How many pictures count and how many targets a layer has is known only by running; the most there can be is exact, and
what is likely is an estimate. Seconds are those of `analyze`; drawing comes on top.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from neurflow_report.errors import ReportError
from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import to_input
from neurflow_report.images.select import BATCH
from neurflow_report.images.sources import Source
from neurflow_report.network.forward import activations, kept_bytes, layers_to_keep, row_bytes, widest_row
from neurflow_report.network.load import Network
from neurflow_report.pipeline.arithmetic import arithmetic
from neurflow_report.pipeline.calibrate import Calibration, calibrate, clock, clustering_seconds, most_targets
from neurflow_report.pipeline.examine import Bench
from neurflow_report.pipeline.experiments import KNOCKED
from neurflow_report.pipeline.networks import example_input
from neurflow_report.pipeline.pictures import region_bytes_of
from neurflow_report.pipeline.plan_evidence import PREDICTED, evidence_bytes, evidence_stages
from neurflow_report.pipeline.planned import Plan, PlannedClass, PlannedLayer, PlannedStage
from neurflow_report.pipeline.preflight import Ready, preflight
from neurflow_report.pipeline.progress import Progress, Timed
from neurflow_report.pipeline.provenance import describe
from neurflow_report.spec.load import LoadedSpec, located
from neurflow_report.spec.presets import sizes
from neurflow_report.spec.schema import Spec

LOOKED_AT = 4
"""Pictures that are measured on."""


def plan(loaded: LoadedSpec, *, timed: bool, progress: Progress, also: Sequence[ReportError] = ()) -> Plan:
    """What `analyze` would do with this spec. Args: timed: whether to measure for some seconds; also: as `analyze`.

    Raises: the InputErrors that `analyze` raises before it looks at a picture.
    """
    try:
        with arithmetic(loaded.spec.runtime.precision):
            watch = Timed(progress, clock=clock)
            return _plan(loaded, preflight(loaded, progress=watch, also=also), timed, watch)
    except ReportError as error:
        raise located(error, loaded) from error


def _plan(loaded: LoadedSpec, ready: Ready, timed: bool, progress: Timed) -> Plan:
    spec, bench, targets, candidates = loaded.spec, ready.bench, ready.targets, ready.candidates
    segments, grid, source, network = bench.segments, bench.grid, ready.source, ready.network
    device, loading = segments.device, progress.seconds["load the network"]
    classes = tuple(_class(spec, grid, t, len(c)) for t, c in zip(targets, candidates, strict=True))
    example = example_input(network, device, segments.dtype)
    with progress.stage("measure" if timed else "count", None):
        seen = _Pictures.look(source, candidates[0], network, timed)
        pixels = example if seen is None else torch.stack(seen.inputs).to(device, segments.dtype)
        most = max(c.patches for c in classes)
        costs = calibrate(bench, spec, pixels, logit=targets[0].index, patches=most, timed=timed)
    layers = _layers(bench, spec, costs, known=seen is not None)
    looked_at = _looked_at(spec, source, candidates, classes)
    stages = _Stages(bench=bench, spec=spec, costs=costs, layers=layers, classes=classes, seen=seen)
    listed = stages.all(looked_at, loading if timed else None)
    return Plan(
        title=spec.title,
        device=describe(device),
        precision=spec.runtime.precision,
        k=spec.concept.k,
        tau=spec.core.tau,
        classes=classes,
        layers=layers,
        patches_per_picture=grid.per_image,
        forward_rows=bench.forward_rows,
        memory=bench.memory,
        peak=_peak(bench, spec, classes, layers, example),
        targets="most" if seen is None else "likely",
        stages=listed,
        multiply_adds=sum(stage.multiply_adds for stage in listed),
        seconds=sum(stage.seconds or 0.0 for stage in listed) if timed else None,
        not_predicted=tuple(name for name in sizes(spec.fidelity).experiments if name not in PREDICTED),
    )


def _class(spec: Spec, grid: PatchGrid, target: ClassTarget, candidates: int) -> PlannedClass:
    pictures = min(spec.data.limit, candidates)
    return PlannedClass(name=target.name, index=target.index, pictures=pictures, patches=pictures * grid.per_image)


def _layers(bench: Bench, spec: Spec, costs: Calibration, *, known: bool) -> tuple[PlannedLayer, ...]:
    """Input → output.

    Args: known: whether it was measured on pictures; noise does not say how many targets are likely.
    """
    found, mosts = list[PlannedLayer](), most_targets(bench, spec.core.tau)
    for number, (info, most) in enumerate(zip(bench.segments.layers, mosts, strict=True)):
        likely = costs.layers[number].targets if known else None
        found.append(
            PlannedLayer(
                name=info.name,
                channels=info.channels,
                shape=info.shape,
                targets_most=most,
                targets_likely=None if likely is None else min(likely, most),
                rows=bench.hop_rows[number] if number < len(bench.hop_rows) else None,
            )
        )
    return tuple(found)


def _looked_at(spec: Spec, source: Source, candidates: Sequence[Sequence[int]], classes: Sequence[PlannedClass]) -> int:
    """How many pictures are looked at, if a class's own all count; each once, a batch ahead at most."""
    seen: set[int] = set()
    for numbers, planned in zip(candidates, classes, strict=True):
        own = sum(source.items[n].label == source.items[numbers[0]].label for n in numbers)
        enough = -(-planned.pictures // BATCH) * BATCH if own >= spec.data.limit else len(numbers)
        seen.update(numbers[:enough])
    return len(seen)


@dataclass(frozen=True, kw_only=True)
class _Pictures:
    """Some pictures as inputs, and the seconds to open and prepare one, and to keep one in the bundle."""

    inputs: list[Tensor]
    opening: float
    keeping: float

    @classmethod
    def look(cls, source: Source, numbers: Sequence[int], network: Network, timed: bool) -> _Pictures | None:
        """The first pictures that can be read, in the order in which the run looks; none where nothing is timed."""
        inputs, opening, keeping = list[Tensor](), 0.0, 0.0
        for number in numbers[: 2 * LOOKED_AT] if timed else ():
            try:
                begun = clock()
                item = source.items[number]
                picture = item.open()
                inputs.append(to_input(picture, network.preprocess)[0])
                opened = clock()
                region_bytes_of(item, picture.size, network.preprocess)
                if item.parts is not None:
                    item.parts()
            except PictureError:
                continue
            opening, keeping = opening + opened - begun, keeping + clock() - opened
            if len(inputs) == LOOKED_AT:
                break
        if not inputs:
            return None
        return cls(inputs=inputs, opening=opening / len(inputs), keeping=keeping / len(inputs))


@dataclass(frozen=True, kw_only=True)
class _Stages:
    """The stages of the run, from what one row, target or picture costs."""

    bench: Bench
    spec: Spec
    costs: Calibration
    layers: tuple[PlannedLayer, ...]
    classes: tuple[PlannedClass, ...]
    seen: _Pictures | None

    def all(self, looked_at: int, loading: float | None) -> tuple[PlannedStage, ...]:
        """In the order in which they run. Args: loading: the seconds that it took just now."""
        hops = [self._neurons(number) for number in range(len(self.layers) - 1, -1, -1)]
        load = PlannedStage(name="load the network", amount=1, unit="network", multiply_adds=0, seconds=loading)
        circuit = [self._patches(), *hops, self._groups()]
        circuit += evidence_stages(self.bench, self.spec, self.costs, self.classes, circuit)
        for name in self.spec.fidelity.controls:
            circuit += [replace(stage, name=f"{stage.name} ({name})") for stage in tuple(circuit)]
        return (load, self._choose(looked_at), *circuit, self._keep())

    def _rows(self, first: int, last: int) -> tuple[int, float | None]:
        """Multiply-adds and seconds of a row through segments first … last − 1 (0: the stem)."""
        seconds = None if self.costs.segments is None else sum(self.costs.segments[first:last])
        return sum(self.costs.row_work[first:last]), seconds

    def _choose(self, looked_at: int) -> PlannedStage:
        work, seconds = self._rows(0, len(self.layers))
        if seconds is not None:
            kept = sum(c.pictures for c in self.classes)
            opening = self.seen.opening if self.seen else 0.0
            seconds = looked_at * (seconds + opening) + kept * opening
        return PlannedStage(
            name="choose pictures", amount=looked_at, unit="pictures", multiply_adds=looked_at * work, seconds=seconds
        )

    def _patches(self) -> PlannedStage:
        work, seconds = self._rows(0, len(self.layers))
        count = sum(c.patches for c in self.classes)
        if seconds is not None and self.costs.crop is not None:
            seconds = count * (seconds + self.costs.crop)
        return PlannedStage(name="patches", amount=count, unit="patches", multiply_adds=count * work, seconds=seconds)

    def _targets(self, number: int) -> int:
        """Targets of a layer, all classes together."""
        layer = self.layers[number]
        each = layer.targets_most if layer.targets_likely is None else layer.targets_likely
        return each * len(self.classes)

    def _neurons(self, number: int) -> PlannedStage:
        cost, count = self.costs.layers[number], self._targets(number)
        patches = sum(planned.patches for planned in self.classes)
        rows = min(count * self.spec.concept.k * cost.fresh, patches if cost.fresh else 0)
        work, seconds = self._rows(0, number)
        if seconds is not None and cost.seconds is not None and self.costs.crop is not None:
            seconds = count * cost.seconds + (rows * (seconds + self.costs.crop) if number else 0.0)
        return PlannedStage(
            name=f"neurons of {self.layers[number].name}",
            amount=count,
            unit="targets",
            multiply_adds=round(count * cost.multiply_adds + rows * work),
            seconds=seconds if cost.seconds is not None else None,
        )

    def _groups(self) -> PlannedStage:
        vectors = [round(self._targets(i) * self.costs.layers[i].groups) for i in range(len(self.layers))]
        seconds = 0.0 if self.costs.segments is not None else None
        for number, count in enumerate(vectors[:-1]) if seconds is not None else ():
            each, width = count // len(self.classes), self.layers[max(number - 1, 0)].channels
            spent = clustering_seconds(self.bench, each, width, self.spec.groups.max_neuron)
            seconds = (seconds or 0.0) + spent * len(self.classes)
        return PlannedStage(
            name="neuron groups", amount=sum(vectors), unit="semantic groups", multiply_adds=0, seconds=seconds
        )

    def _keep(self) -> PlannedStage:
        kept = sum(c.pictures for c in self.classes)
        seconds = None
        if self.costs.segments is not None:
            seconds = kept * (self.seen.opening + self.seen.keeping) if self.seen else 0.0
        return PlannedStage(name="keep pictures", amount=kept, unit="pictures", multiply_adds=0, seconds=seconds)


@torch.no_grad()
def _peak(
    bench: Bench, spec: Spec, classes: Sequence[PlannedClass], layers: Sequence[PlannedLayer], row: Tensor
) -> int:
    """Bytes at the run's peak: what is taken now, a class's inputs, φ and T, the activations kept (in the experiments
    with what knock-outs make of them), and the widest batch.

    φ and T are held on the host, and count on a CPU alone.
    """
    segments, size = bench.segments, row.element_size()
    stages = [(stage, activations(segments, i, row)) for i, stage in enumerate(segments.stages)]
    pictures = bench.forward.rows * widest_row(bench.forward.segments, row)
    masked = bench.forward_rows * max(row_bytes(stage, value) for stage, value in stages)
    hops = [
        rows * row_bytes(stage, value, gradients=True)
        for rows, (stage, value) in zip(bench.hop_rows, stages, strict=True)
    ]
    most = max(c.patches for c in classes)
    inputs = max(c.pictures for c in classes) * row.numel() * size
    phi = most * sum(info.channels for info in segments.layers) * size
    kept = sum(kept_bytes(segments, i, most) for i in layers_to_keep(segments, most, bench.keep))
    kept = max(kept, evidence_bytes(bench, spec, most))
    held = inputs + kept + (phi + _attributions(spec, layers, size) if segments.device.type == "cpu" else 0)
    knocked = _knocked_out(bench, spec, [value for _, value in stages])
    return _now(segments.device) + held + max(pictures, masked, *hops, *knocked)


def _knocked_out(bench: Bench, spec: Spec, rows: Sequence[Tensor]) -> list[int]:
    """Bytes of the knock-outs that run at once at each layer but the top, where an experiment asks for any. Args: rows:
    (1, …) of each."""
    if not set(sizes(spec.fidelity).experiments) & ({"masking", "edges"} | KNOCKED):
        return []
    stages = zip(bench.forward.segments.stages, rows, strict=True)
    return [bench.knockout_rows(stage, row) * row_bytes(stage, row, kept=True) * 5 // 4 for stage, row in stages]


def _attributions(spec: Spec, layers: Sequence[PlannedLayer], size: int) -> int:
    """Bytes of the largest layer's T, (targets, k, channels below), which is held on the host."""
    each = [
        (upper.targets_most if upper.targets_likely is None else upper.targets_likely) * spec.concept.k * lower.channels
        for lower, upper in pairwise(layers)
    ]
    return max(each) * size


def _now(device: torch.device) -> int:
    """Bytes that the process (on a GPU: its tensors) takes, at most so far."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
