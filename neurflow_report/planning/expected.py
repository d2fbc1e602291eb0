"""The stages that a run is expected to go through, with their work, from counts alone: what a time left is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from neurflow_report.network.cut import Segments
from neurflow_report.planning.calibrate import GROUPS, ExpectedLayer, most_targets, search_part
from neurflow_report.planning.calibrate_forward import Passed
from neurflow_report.planning.measure import parts_of
from neurflow_report.planning.rates import Part
from neurflow_report.planning.records import PlannedClass
from neurflow_report.planning.tasks import Place, Task, Tasks
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec
from neurflow_report.time_left import Expected

DRAWN = {
    "html": "draw the site",
    "single": "draw the single file",
    "pdf": "draw the PDF",
    "appendix": "draw the appendix",
}
"""What the stages are called that draw a format."""
NEURON = {"html": 0.01, "single": 0.012, "pdf": 0.01, "appendix": 0.03}
"""Seconds that drawing a format takes for a neuron, about: the demo's site takes 7 s, its appendix four times that."""
SHARE = 0.7
"""The share of the most targets that a layer is taken to have."""
PROCESSOR = 3e-11
"""Seconds of a multiply-add on a processor, about: of what runs there whatever the device."""


def expected(
    workspace: Workspace, spec: Spec, classes: Sequence[PlannedClass], formats: Sequence[str]
) -> tuple[Expected, ...]:
    """The stages of the examination of these classes, then of drawing these formats. The network is not run."""
    passed = Passed(values=(), work=row_work(workspace.segments), seconds=None, crop=None, pace=0.0)
    place = Place(
        segments=workspace.segments, keep=workspace.keep, tables=workspace.tables, forward_rows=workspace.forward_rows
    )
    mosts = most_targets([info.channels for info in workspace.segments.layers], spec.core.searched)
    found = [
        ExpectedLayer(targets=max(1, round(SHARE * most)), groups=GROUPS, parted=1.0, distinct=None, seen=False)
        for most in mosts
    ]
    stages = list[Expected]()
    for one in classes:
        tasks = Tasks(place=place, spec=spec, found=found, classes=(one,))
        parts = {part.key: part for part in parts_of(workspace, spec, passed, tasks, seconds=False)}
        parts |= {part.key: part for part in (search_part(passed, number) for number in range(place.top + 1))}
        stages += _of_class(one.name, tasks, parts, passed)
    neurons = len(classes) * sum(layer.targets for layer in found)
    for name in formats:
        stages.append(
            Expected(name=DRAWN[name], kind=DRAWN[name], work=neurons * NEURON[name] / PROCESSOR, usual=PROCESSOR)
        )
    return tuple(stages)


def row_work(segments: Segments) -> tuple[int, ...]:
    """Multiply-adds of a row through the stem and each stage, about: each parameter once for each place that the part
    puts out."""
    parts = zip((segments.stem, *segments.stages), segments.layers, strict=True)
    return tuple(
        1 + sum(p.numel() for p in part.parameters()) * max(1, prod(info.shape) // info.channels)
        for part, info in parts
    )


def _of_class(name: str, tasks: Tasks, parts: dict[tuple[str, int, str], Part], passed: Passed) -> Iterator[Expected]:
    """The stages of one class, and of its controls."""
    whose = [name, *(f"{name}, {control}" for control in tasks.spec.fidelity.controls)]
    for who in whose:
        for task in tasks.circuit(control=who != name):
            host = any(not parts[key].counts for key, _ in task.uses)
            yield Expected(
                name=f"{who}: {task.name}", kind=task.kind or task.name, work=_work(task, parts, passed),
                times=task.stages,
                usual=PROCESSOR if host else None,
            )  # fmt: skip
    for task in tasks.facets():
        yield Expected(name=f"{name}: {task.name}", kind=task.name, work=_work(task, parts, passed))


def _work(task: Task, parts: dict[tuple[str, int, str], Part], passed: Passed) -> float:
    """Multiply-adds of a stage, as guessed."""
    passes = sum(rows * sum(passed.work[first:last]) for first, last, rows in task.passes)
    uses = (zip(parts[key].guess, features, strict=True) for key, features in task.uses)
    return passes + sum(a * b for pairs in uses for a, b in pairs)
