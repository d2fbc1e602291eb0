"""What a run would do and cost, told without doing it: nothing is written.

1. All that can be checked is checked (preflight.py): the mistakes that `build` would tell before it looks at a picture,
   `plan` tells in the same words. What tries a slow network out for longer than a plan has is left out, and told.
2. Some of the work is done, the dearest first, for so many seconds at most (measure.py); only counted where no times
   are wanted.
3. Multiply-adds and seconds are so much a row, a target, a set or a picture, times how many there will be (tasks.py).
4. Sizes that fit a time are looked for where one is given (within.py).

How many pictures count and how many targets a layer has is known only by running; the most there can be is exact, and
what is likely is an estimate. Seconds are those of `analyze`; drawing comes on top.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import scipy.cluster.hierarchy  # what is timed would load it at its first use
import scipy.stats  # noqa: F401
import torch
from torch import Tensor

from neurflow_report.errors import ReportError, RunError
from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.holdout import held_out
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import to_input
from neurflow_report.images.select import BATCH, of_other_classes
from neurflow_report.images.sources import Source
from neurflow_report.network.fence import blamed
from neurflow_report.network.gradients import gradient_notes
from neurflow_report.network.load import Network
from neurflow_report.planning import calibrate_forward
from neurflow_report.planning.calibrate import most_targets
from neurflow_report.planning.limits import unable
from neurflow_report.planning.measure import Costs, PictureSeconds, measure
from neurflow_report.planning.memory import peak
from neurflow_report.planning.rates import Budget
from neurflow_report.planning.records import Plan, PlannedClass, PlannedLayer, PlannedStage
from neurflow_report.planning.within import Supply, every_spec, fit
from neurflow_report.progress import Progress, Timed
from neurflow_report.setup.networks import example_input
from neurflow_report.setup.precision import arithmetic
from neurflow_report.setup.preflight import Ready, preflight
from neurflow_report.setup.provenance import describe
from neurflow_report.setup.settings import others_wanted
from neurflow_report.setup.stored_pictures import region_bytes_of
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.load import LoadedSpec, located
from neurflow_report.spec.schema import Spec

LOOKED_AT = 4
"""Pictures that are measured on."""
WITHIN, RESERVE, LEAST, MOST = 60.0, 15.0, 5.0, 40.0
"""Seconds after which a plan ends, what makes the network not counted; of these what is kept back, since the last
measurement may take longer than thought; the least and the most that measuring is given."""


def plan(
    loaded: LoadedSpec,
    *,
    timed: bool,
    progress: Progress,
    within: float | None = None,
    also: Sequence[ReportError] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Plan:
    """What `analyze` would do with this spec.

    Args:
        timed: whether to measure times, or only to count.
        within: seconds that sizes are to fit, which takes times.
        also: as `analyze`.
        clock: seconds, for the budget.
    Raises: the InputErrors that `analyze` raises before it looks at a picture; for a network that is too slow to be
        tried out, without those that only trying it out tells.
    """
    try:
        with arithmetic():
            watch = Timed(progress, clock=clock)
            patience = WITHIN - RESERVE - LEAST
            ready = preflight(loaded, progress=watch, also=also, patience=patience, clock=clock)
            return _plan(loaded, ready, timed, within, watch)
    except ReportError as error:
        raise located(error, loaded) from error


def measuring_seconds(trying: float) -> float:
    """How long measuring may take where trying the network out, and the checks, took so many seconds."""
    return min(MOST, max(LEAST, WITHIN - RESERVE - trying))


def _plan(loaded: LoadedSpec, ready: Ready, timed: bool, within: float | None, watch: Timed) -> Plan:
    spec, workspace, targets = loaded.spec, ready.workspace, ready.targets
    device, loading, network = workspace.segments.device, watch.seconds["load the network"], ready.network
    checking = watch.seconds["check"]
    budget = Budget.of(measuring_seconds(ready.trying), watch.clock)
    before = loading + checking + (ready.uncompared or 0.0)
    sized = partial(_Sized.of, ready=ready)
    now = sized(spec)
    example = example_input(network, device, workspace.segments.dtype)
    seen = _Pictures.look(ready.source, ready.eligible[0], network) if timed else None
    supply = Supply(pictures=max(c.pictures for c in now.classes), per_picture=workspace.grid.per_image)
    others = () if within is None else every_spec(spec, supply)
    pixels = example if seen is None else torch.stack(seen.inputs).to(device, workspace.segments.dtype)

    def measured(on: Workspace) -> Costs:
        with blamed("it is tried out"):
            return measure(
                on,
                spec,
                pixels,
                known=seen is not None,
                classes=now.classes,
                others=tuple((other, sized(other).classes) for other in others),
                logit=targets[0].index,
                concepts=tuple(len(concept.items) for concept in ready.concepts),
                seconds=timed,
                pictures=PictureSeconds() if seen is None else seen.each,
                budget=budget,
                progress=watch,
            )

    workspace, costs = _with_fallback(measured, ready, pixels)

    def price(one: Spec) -> float:
        size = sized(one)
        return before + sum(stage.seconds or 0.0 for stage in costs.stages(one, size.classes, size.looked_at))

    def lost(one: Spec) -> tuple[str, ...]:
        most = max(sized(one).classes, key=lambda c: c.pictures)
        return unable(spec, one, pictures=most.pictures, patches=most.patches)

    layers = _layers(workspace, spec, costs)
    check = _once("check", checking + (ready.uncompared or 0.0), timed, measured=ready.uncompared is None)
    first = [_once("load the network", loading, timed), check]
    listed = (*first, *costs.stages(spec, now.classes, now.looked_at))
    return Plan(
        title=spec.title,
        device=describe(device),
        precision="float64" if spec.runtime.precision == "float64" else "float32",  # TF32 is tried in a run
        k=spec.concept.k,
        tau=spec.core.searched,
        classes=now.classes,
        layers=layers,
        patches_per_picture=workspace.grid.per_image,
        forward_rows=workspace.forward_rows,
        memory=workspace.memory,
        peak=peak(workspace, costs.place, spec, now.classes, layers, [v[:1] for v in costs.passed.values], example),
        targets="likely" if costs.known else "most",
        stages=listed,
        multiply_adds=sum(stage.multiply_adds for stage in listed),
        seconds=sum(stage.seconds or 0.0 for stage in listed) if timed else None,
        loading=loading,
        measuring=budget.spent,
        fit=None if within is None else fit(spec, within, price, supply, lost),
    )


def _with_fallback(measured: Callable[[Workspace], Costs], ready: Ready, pixels: Tensor) -> tuple[Workspace, Costs]:
    """The costs; where copies were not compared with the network and fail, those of the network as it was cut."""
    workspace = ready.workspace
    try:
        return workspace, measured(workspace)
    except RunError as error:
        if ready.uncompared is None or error.slug != "model-fails":
            raise
    gradient_notes(workspace.segments, pixels)  # raises what a run would
    workspace = workspace.as_cut()
    return workspace, measured(workspace)


def _once(name: str, seconds: float, timed: bool, *, measured: bool = True) -> PlannedStage:
    """What a plan does itself; `measured`: whether it did all of it."""
    told = seconds if timed else None
    return PlannedStage(name=name, amount=1, unit="network", multiply_adds=0, seconds=told, measured=measured)


@dataclass(frozen=True, kw_only=True)
class _Sized:
    """The classes of a run of a spec, and how many pictures are looked at for them."""

    classes: tuple[PlannedClass, ...]
    looked_at: int

    @classmethod
    def of(cls, spec: Spec, ready: Ready) -> _Sized:
        """The most that they can have."""
        grid, eligible = ready.workspace.grid, ready.eligible
        draw = partial(of_other_classes, ready.source, select=spec.data.select, seed=spec.runtime.seed)
        others = [draw(target) for target in ready.targets]
        classes = tuple(
            _class(spec, grid, t, len(c), len(o)) for t, c, o in zip(ready.targets, eligible, others, strict=True)
        )
        return cls(classes=classes, looked_at=_looked_at(spec, ready.source, eligible, others, classes))


def _class(spec: Spec, grid: PatchGrid, target: ClassTarget, eligible: int, beside: int) -> PlannedClass:
    pictures = min(spec.data.limit, eligible)
    held = held_out(pictures, spec.data.holdout)
    return PlannedClass(
        name=target.name,
        index=target.index,
        pictures=pictures,
        patches=(pictures - held) * grid.per_image,
        held=held,
        others=min(others_wanted(spec)(pictures), beside),
    )


def _layers(workspace: Workspace, spec: Spec, costs: Costs) -> tuple[PlannedLayer, ...]:
    """Input → output."""
    found, mosts = (
        list[PlannedLayer](),
        most_targets([info.channels for info in workspace.segments.layers], spec.core.searched),
    )
    for number, (info, most) in enumerate(zip(workspace.segments.layers, mosts, strict=True)):
        found.append(
            PlannedLayer(
                name=info.name,
                channels=info.channels,
                shape=info.shape,
                targets_most=most,
                targets_likely=costs.found[number].targets if costs.known else None,
                rows=workspace.pair_rows[number] if number < len(workspace.pair_rows) else None,
            )
        )
    return tuple(found)


def _looked_at(
    spec: Spec,
    source: Source,
    eligible: Sequence[Sequence[int]],
    others: Sequence[Sequence[int]],
    classes: Sequence[PlannedClass],
) -> int:
    """How many pictures are looked at, if a class's own and the others all count; each once, a batch ahead at most."""
    seen: set[int] = set()
    for numbers, alien, planned in zip(eligible, others, classes, strict=True):
        seen.update(alien[: -(-planned.others // BATCH) * BATCH])
        own = sum(source.items[n].label == source.items[numbers[0]].label for n in numbers)
        enough = -(-planned.pictures // BATCH) * BATCH if own >= spec.data.limit else len(numbers)
        seen.update(numbers[:enough])
    return len(seen)


@dataclass(frozen=True, kw_only=True)
class _Pictures:
    """Some pictures as inputs, and what each takes."""

    inputs: list[Tensor]
    each: PictureSeconds

    @classmethod
    def look(cls, source: Source, numbers: Sequence[int], network: Network) -> _Pictures | None:
        """The first pictures that can be read, in the order in which the run looks."""
        inputs, opening, keeping, clock = list[Tensor](), 0.0, 0.0, calibrate_forward.clock
        for number in numbers[: 2 * LOOKED_AT]:
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
        count = len(inputs)
        return cls(inputs=inputs, each=PictureSeconds(opening=opening / count, keeping=keeping / count))
