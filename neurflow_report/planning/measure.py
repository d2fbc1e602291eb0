"""What a run of a spec on this network and device would take: measured once, then asked for any sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurflow_report.ablation.ablation import Ablation
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.split_ablation import SplitAblation
from neurflow_report.network import devices
from neurflow_report.planning.calibrate import ExpectedLayer, search_layers
from neurflow_report.planning.calibrate_experiments import AblationCosts
from neurflow_report.planning.calibrate_forward import Passed, forward, timed
from neurflow_report.planning.calibrate_methods import MethodCosts
from neurflow_report.planning.rates import Budget, Part, Rates
from neurflow_report.planning.records import PlannedClass, PlannedStage
from neurflow_report.planning.tasks import Engine, Place, Task, Tasks, used
from neurflow_report.progress import Progress, Step
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec

SLOW = 3.0
"""A part whose smallest measurement takes so many seconds is named before it begins."""
TRIED = 6
"""Rows that go through a segment to find its knock-outs, about."""


@dataclass(frozen=True, kw_only=True)
class PictureSeconds:
    """Seconds to open and prepare a picture, and to keep one in the bundle."""

    opening: float = 0.0
    keeping: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What was measured: rows through the network, parts, pictures; and what is likely to be found at each layer.

    Attributes: known: whether that was measured on pictures.
    """

    passed: Passed
    place: Place
    found: tuple[ExpectedLayer, ...]
    rates: Rates
    pictures: PictureSeconds
    known: bool

    def stages(self, spec: Spec, classes: Sequence[PlannedClass], looked_at: int) -> tuple[PlannedStage, ...]:
        """The stages of a run of the spec: this one, or one with other sizes."""
        tasks = Tasks(place=self.place, spec=spec, found=self.found, classes=classes)
        return tuple(self._stage(task) for task in tasks.all(looked_at))

    def _stage(self, task: Task) -> PlannedStage:
        work, seconds, measured = 0.0, 0.0, True
        for key, features in task.uses:
            if any(features):
                rate = self.rates[key]
                more, spent = rate.of(features)
                work, seconds, measured = work + more, seconds + (spent or 0.0), measured and rate.timed
        for first, last, rows in task.passes:
            work += rows * sum(self.passed.work[first:last])
            seconds += rows * sum((self.passed.seconds or ())[first:last])
        seconds += task.crops * (self.passed.crop or 0.0)
        seconds += task.opened * self.pictures.opening + task.kept * self.pictures.keeping
        return PlannedStage(
            name=task.name,
            amount=round(task.amount),
            unit=task.unit,
            multiply_adds=round(work),
            seconds=None if self.passed.seconds is None or task.elsewhere else seconds,
            measured=measured,
        )


def measure(
    workspace: Workspace,
    spec: Spec,
    pixels: Tensor,
    *,
    known: bool,
    classes: Sequence[PlannedClass],
    others: Sequence[tuple[Spec, Sequence[PlannedClass]]] = (),
    logit: int,
    concepts: tuple[int, ...] = (),
    seconds: bool,
    pictures: PictureSeconds,
    budget: Budget,
    progress: Progress,
) -> Costs:
    """Measure some of the run's work on some inputs (I, C, S, S), the dearest first, within the budget.

    Args:
        known: whether they are pictures.
        others: specs of other sizes that may be asked for.
        concepts: the pictures of each of the user's own.
        seconds: whether these are wanted, else all is only counted.
    """
    verb, patches = "time" if seconds else "count", max(c.patches for c in classes)
    with progress.stage(f"{verb} a forward pass", None):
        wanted = max(4 * spec.concept.k, 64)
        passed = forward(workspace, pixels, patches=patches, wanted=wanted, budget=budget, seconds=seconds)
    rates = Rates(pace=passed.pace, timed=seconds)
    with progress.stage(f"{verb} attributions", len(workspace.segments.layers)) as step:
        found = search_layers(
            workspace, spec, passed, rates, logit=logit, patches=patches, budget=budget, known=known,
            told=lambda _layer: step.advance(),
        )  # fmt: skip
    place = Place(
        segments=workspace.segments, keep=workspace.keep, tables=workspace.tables, forward_rows=workspace.forward_rows,
        engines=_engines(workspace, passed, budget), concepts=concepts,
    )  # fmt: skip
    costs = Costs(passed=passed, place=place, found=found, rates=rates, pictures=pictures, known=known)
    for one, theirs in (*reversed(others), (spec, classes)):
        tasks = Tasks(place=place, spec=one, found=found, classes=theirs)
        rates.add(parts_of(workspace, one, passed, tasks, seconds))
    with progress.stage(f"{verb} experiments", None) as step:
        rates.measure(budget, _Told(step, workspace).tell)
        left = sum(not rates[key].timed for key in rates.parts)
        if left:
            step.note(f"{left} of {len(rates.parts)} parts were not measured: they are extrapolated")
    return costs


@dataclass(frozen=True)
class _Told:
    """Says which part is measured: counts it, and names it where it will take long."""

    step: Step
    workspace: Workspace

    def tell(self, part: Part, expected: float) -> None:
        """Before a part is measured."""
        kind, number, case = part.key
        self.step.advance()
        if expected > SLOW:
            layer = self.workspace.segments.layers[number].name
            what = f"{kind} ({case})" if case else kind
            self.step.note(f"{what} at {layer}: about {expected:.0f} s")


def parts_of(workspace: Workspace, spec: Spec, passed: Passed, tasks: Tasks, seconds: bool) -> Iterator[Part]:
    """The parts that the run's tasks use, but for the search's."""
    clocked = (lambda work: timed(workspace.segments.device, work)[0]) if seconds else None
    masks = AblationCosts(workspace=workspace, passed=passed, timed=clocked)
    costs = MethodCosts(workspace=workspace, passed=passed, timed=clocked, seed=spec.runtime.seed)
    most = max(tasks.classes, key=lambda c: c.patches)
    for key, features in used(tasks.all(0)).items():
        kind, number, case = key
        if kind == "masking":
            yield masks.masking(number, features, 3 + 2 * tasks.size.draws)
        elif kind in {"knock-outs", "bounded ablations"}:
            pass_ = tasks.knocking(number, most)
            removed = pass_.removed if pass_ else (1,)
            if kind == "bounded ablations":
                yield masks.bounded(number, features, removed, spec.concept.k / most.patches)
            else:
                targets = tasks.found[number].targets
                tested, every = pass_.tested if pass_ else targets, any(e.ablates for e in tasks.by_layer)
                yield masks.ablations(number, features, removed, tested, targets if every else tested)
        elif kind == "methods":
            yield costs.method(number, case, features)
        elif kind == "marginal contributions":
            yield costs.marginal(number, features)
        elif kind == "knockoffs":
            yield costs.knockoffs(number, features, most.patches)
        elif kind == "concept vectors":
            yield costs.concept_vectors(number, features, max(tasks.place.concepts))
        elif kind == "clusters":
            groups, semantic = spec.groups, case == "semantic"
            points = spec.concept.k if semantic else tasks.semantic(number)
            yield costs.clusters(number, case, points, groups.max_semantic if semantic else groups.max_neuron, features)


def _engines(workspace: Workspace, passed: Passed, budget: Budget) -> dict[int, Engine]:
    """The knock-outs of each layer but the lowest; where there is no time to find them, as of the layer below."""
    found, last = dict[int, Engine](), Engine()
    for number in range(1, len(workspace.segments.layers)):
        if TRIED * passed.pace * passed.work[number] < budget.left / 2:
            row = passed.values[number - 1][:1]
            last = _engine(workspace.ablations(number - 1, row, lambda _text: None), row)
        found[number] = last
    return found


@torch.no_grad()
def _engine(engine: Ablation, row: Tensor) -> Engine:
    if isinstance(engine, SplitAblation):
        return Engine(together=engine.rows.most)
    if isinstance(engine, LinearMixAblation) and engine.bounded and devices.is_host(row.device):
        return Engine(terms_bytes=row.shape[1] * engine.places(row) * row.element_size())
    return Engine()
