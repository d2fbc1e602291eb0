"""The stages of a run as counts: what each does how often, all classes together. Nothing is measured or run here.

A task uses parts of the run (rates.py), so many units of each of their features; sends rows through the network; and
opens, cuts out or keeps pictures. The same counts say which part is worth measuring, what a plan predicts, and what a
run with other sizes would take (within.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec

from neurflow_report.fidelity import layer_experiments
from neurflow_report.fidelity.certificates import ORDERS, STEPS
from neurflow_report.fidelity.concept_tests import A_CONCEPT, OTHERS, draws
from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Work
from neurflow_report.labels.effect import MOST as MOST_LABELLED
from neurflow_report.network.cut import Segments
from neurflow_report.network.forward import kept_bytes, layers_to_keep, staying
from neurflow_report.planning import workload
from neurflow_report.planning.calibrate import ExpectedLayer
from neurflow_report.planning.rates import Key
from neurflow_report.planning.records import PlannedClass
from neurflow_report.results.catalogue import ABLATING, Sizes
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.schema import Spec

Uses = tuple[tuple[Key, tuple[float, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A stage.

    Attributes:
        amount: of `unit`.
        kind: the name without the layer's, "" where that is the same.
        stages: in how many stages of this name a class has it.
        uses: parts, and how much of each feature.
        passes: rows through the parts of the network first … last − 1 (0: the stem).
        crops, opened, kept: patches cut out, pictures opened and kept.
        elsewhere: whether another program does it, whose time is not known.
    """

    name: str
    amount: float
    unit: str
    kind: str = ""
    stages: int = 1
    uses: Uses = ()
    passes: tuple[tuple[int, int, float], ...] = ()
    crops: float = 0.0
    opened: float = 0.0
    kept: float = 0.0
    elsewhere: bool = False


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The knock-outs that a layer's neurons ask for.

    Attributes:
        together: how many sets share what a patch's sets need once (None: all).
        terms_bytes: the bytes of a target's terms on a patch where bounds may spare most of them (0: they may not).
    """

    together: int | None = None
    terms_bytes: int = 0

    def batches(self, sets: int) -> int:
        """In how many batches so many sets run."""
        return 1 if self.together is None else math.ceil(sets / max(1, self.together))


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the tasks of a network at its cuts follow from, beside the spec.

    Attributes:
        keep, tables: bytes, as `Workspace` has them.
        engines: of each layer but the lowest, by its number.
        concepts: the pictures of each of the user's own concepts.
    """

    segments: Segments
    keep: int
    tables: int
    forward_rows: int
    engines: Mapping[int, Engine] = field(default_factory=dict)
    concepts: tuple[int, ...] = ()

    @property
    def top(self) -> int:
        """The number of the last layer."""
        return len(self.segments.layers) - 1

    def held(self, patches: int) -> tuple[Held, ...]:
        """What is at hand when knock-outs at each layer but the top begin, as activation_cache.py has it."""
        each = [kept_bytes(self.segments, n, patches) for n in range(self.top + 1)]
        kept, last, found = frozenset(layers_to_keep(self.segments, patches, self.keep)), -1, list[Held]()
        for number, needed in enumerate(each[:-1]):
            through, fits = (number + 1 if number in kept else 0), number in kept or needed <= self.keep
            if number not in kept and fits:
                through, kept, last = last + 1, staying(kept, number, each, self.keep), number
            taken = sum(each[n] for n in kept) + (each[last] if last >= 0 else 0)
            found.append(Held(through=through, bytes=taken, fits=fits))
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Held:
    """When knock-outs at a layer begin.

    Attributes:
        through: how many parts of the network the activations at hand have been through.
        bytes: of all that are held then.
        fits: whether the layer's own can be held.
    """

    through: int
    bytes: int
    fits: bool


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """The tasks of a run of this spec.

    Attributes:
        found: what is found at each layer.
        classes: their pictures.
    """

    place: Place
    spec: Spec
    found: Sequence[ExpectedLayer]
    classes: Sequence[PlannedClass]

    def all(self, looked_at: int) -> tuple[Task, ...]:
        """In the order in which they run.

        Args: looked_at: pictures that are looked at for the choice.
        """
        kept = float(sum(c.pictures for c in self.classes))
        every = (0, self.place.top + 1)
        choose = Task(
            name="choose pictures", amount=looked_at, unit="pictures", passes=((*every, looked_at),),
            opened=looked_at + kept,
        )  # fmt: skip
        circuit = tuple(self.circuit())
        for name in self.spec.fidelity.controls:
            circuit += tuple(replace(task, name=f"{task.name} ({name})") for task in self.circuit(control=True))
        keep = Task(name="keep pictures", amount=kept, unit="pictures", opened=kept, kept=kept)
        return (
            choose,
            *circuit,
            *self._cross_check(),
            *self._explained(looked_at),
            *self._concepts(),
            *self._labels(),
            *self.facets(),
            keep,
        )

    def _explained(self, looked_at: int) -> tuple[Task, ...]:
        """Pictures that are explained, as many as there can be: their crops, and at each layer T and the knock-outs."""
        images, one = self.spec.debug.images, self.classes[0]
        pictures = len(images) if isinstance(images, tuple) else min(self.spec.debug.limit, looked_at)
        if images == "none" or not pictures:
            return ()
        top, crops = self.place.top, pictures * one.patches / max(1, one.pictures - one.held)
        passes = [(0, top + 1, float(crops))]
        for number in range(top):
            rows = workload.explained_rows(self.neuron_groups(number))
            passes.append((number + 1, top + 1, float(pictures * rows)))
        return (
            Task(
                name="why these pictures", amount=pictures, unit="pictures", passes=tuple(passes), crops=crops,
                opened=2.0 * pictures, kept=float(pictures),
            ),
        )  # fmt: skip

    def _concepts(self) -> tuple[Task, ...]:
        """The user's own concepts: φ of their pictures and the run's, their directions, and each class's gradients."""
        top, own = self.place.top, [min(A_CONCEPT, count) for count in self.place.concepts]
        if not own:
            return ()
        pictures = float(sum(own) + min(OTHERS, sum(c.pictures + c.others for c in self.classes)))
        mine = float(sum(c.pictures for c in self.classes))
        sets = 1 + draws(len(own) * top)
        uses = [(("marginal contributions", number, ""), (mine,)) for number in range(top)]
        uses += [(("concept vectors", number, ""), (float(sets * len(own)),)) for number in range(top)]
        passes = ((0, top + 1, pictures), *((0, number + 1, mine) for number in range(top)))
        return (
            Task(
                name="concepts", amount=len(own) * top * len(self.classes), unit="tests", uses=tuple(uses),
                passes=passes, opened=pictures + mine,
            ),
        )  # fmt: skip

    def facets(self) -> tuple[Task, ...]:
        """Pictures made for semantic groups: each step a pass to the layer and back, which is twice as long."""
        groups, top = self.spec.facets.groups, self.place.top
        if not groups:
            return ()
        k, patches = self.spec.concept.k, 0.0
        for one in self.classes:
            every = [workload.distinct(one.patches, k, layer.targets, layer.distinct) for layer in self.found]
            patches += min(float(one.patches), sum(every))
        made = [float(min(groups, self.semantic(number)) * len(self.classes)) for number in range(top)]
        steps = [(0, number + 1, 3.0 * self.spec.facets.steps * some) for number, some in enumerate(made)]
        return (
            Task(
                name="facets", amount=sum(made), unit="pictures", passes=((0, top + 1, patches), *steps),
                crops=patches, opened=float(sum(c.pictures for c in self.classes)), kept=2 * sum(made),
            ),
        )  # fmt: skip

    def _labels(self) -> tuple[Task, ...]:
        """Labels: φ of all patches, each group's knock-outs on the pictures of L3, and the patches cut out for whoever
        labels, whose own time is not known."""
        if self.spec.labels.source == "none":
            return ()
        top, crops, opened, passes = self.place.top, 0.0, 0.0, list[tuple[int, int, float]]()
        for one in self.classes:
            beside = min(MOST_LABELLED, one.held) + min(MOST_LABELLED, one.others)
            every = one.pictures * one.patches / max(1, one.pictures - one.held)
            passes.append((0, top + 1, every))
            passes += [(n + 1, top + 1, float(beside * (1 + self.neuron_groups(n)))) for n in range(top)]
            crops += 2 * every + beside * one.patches / max(1, one.pictures - one.held)
            opened += 2.0 * one.pictures + 2 * beside
        groups = float(len(self.classes) * sum(self.neuron_groups(n) for n in range(top)))
        task = Task(name="labels", amount=groups, unit="groups", passes=tuple(passes), crops=crops, opened=opened)
        if self.spec.labels.source != "endpoint":
            return (task,)
        each = 1 + 2 * self.spec.labels.questions + 2 * MOST_LABELLED
        asked = Task(name="questions to the endpoint, at most", amount=groups * each, unit="questions", elsewhere=True)
        return replace(task, crops=groups * (16 + 4 * self.spec.labels.questions)), asked

    def _cross_check(self) -> tuple[Task, ...]:
        """Captum's passes there and back, of the first class alone."""
        if find_spec("captum") is None:
            return ()
        rows = float(workload.CHECKED_ROWS)
        passes = ((1, self.place.top + 1, rows),)
        return (
            Task(
                name="cross-check", amount=workload.CHECKED_PAIRS * self.place.top, unit="attributions", passes=passes
            ),
        )

    @property
    def _keep(self) -> int:
        """Bytes for the activations of the pictures that circuits are found on: half, where some are held out."""
        return self.place.keep // 2 if any(c.held for c in self.classes) else self.place.keep

    @cached_property
    def size(self) -> Sizes:
        """The sizes of the experiments."""
        return sizes(self.spec.fidelity)

    @cached_property
    def by_layer(self) -> tuple[LayerExperiment, ...]:
        """The experiments asked for that are done at one layer after another."""
        return layer_experiments(self.size.experiments)

    @cached_property
    def _known(self) -> dict[int, tuple[Held, ...]]:
        return {}

    def _held(self, patches: int) -> tuple[Held, ...]:
        """What is at hand of so many patches, found once."""
        if patches not in self._known:
            self._known[patches] = replace(self.place, keep=self._keep).held(patches)
        return self._known[patches]

    def asked(self, *names: str) -> bool:
        """Whether any of these experiments runs."""
        return bool(set(names) & set(self.size.experiments))

    def circuit(self, *, control: bool = False) -> Iterator[Task]:
        """The tasks of the classes on one network: their circuit and its experiments.

        Args: control: whether it is a control, of whose groups no coherence is asked.
        """
        patches, top = float(sum(c.patches for c in self.classes)), self.place.top
        yield Task(name="patches", amount=patches, unit="patches", passes=((0, top + 1, patches),), crops=patches)
        for number in range(top, -1, -1):
            yield self._neurons(number)
        yield self._groups()
        if self.spec.core.tau == "auto":
            yield self._certificates()
        if self.asked("masking"):
            yield self._masking()
        held = float(sum(c.held_patches for c in self.classes))
        if held and (not control or any(e.held_out for e in self.by_layer)):
            yield Task(name="held-out patches", amount=held, unit="patches", passes=((0, top + 1, held),), crops=held)
        for number in range(top + 1):
            if number:
                yield from self._layer(number)
            for experiment in self.by_layer:
                if experiment.is_by_layer and number in experiment.numbers(top):
                    yield from self._at_layers(experiment, [number])
        if self.asked("methods"):
            yield from self._methods()
        for experiment in self.by_layer:
            if not experiment.is_by_layer and (numbers := experiment.numbers(top)):
                yield from self._at_layers(experiment, numbers)

    def _name(self, number: int) -> str:
        return self.place.segments.layers[number].name

    def _width(self, number: int) -> int:
        return self.place.segments.layers[number].channels

    def _neurons(self, number: int) -> Task:
        layer, k = self.found[number], self.spec.concept.k
        targets = float(layer.targets * len(self.classes))
        fresh = 0.0
        for one in self.classes if number else ():
            if number - 1 not in layers_to_keep(self.place.segments, one.patches, self._keep):
                fresh += workload.distinct(one.patches, k, layer.targets, layer.distinct)
        return Task(
            name=f"neurons of {self._name(number)}", kind="neurons of", amount=targets, unit="targets",
            uses=((("search", number, ""), (targets * k,)),),
            passes=((0, number, fresh),) if fresh else (), crops=fresh,
        )  # fmt: skip

    def semantic(self, number: int) -> int:
        """The semantic groups of a class at a layer."""
        return round(self.found[number].targets * self.found[number].groups)

    def _groups(self) -> Task:
        count, top = float(len(self.classes)), self.place.top
        return Task(
            name="neuron groups", amount=count * sum(self.semantic(i) for i in range(top + 1)), unit="semantic groups",
            uses=tuple((("clusters", number, "neurons"), (count,)) for number in range(top)),
        )  # fmt: skip

    def _masking(self) -> Task:
        """F1: each picture under its masks of each layer and τ, at that layer and from it up; the way there once, but
        for layers whose activations do not fit."""
        top, draws = self.place.top, self.size.draws
        taus = len(self.spec.fidelity.taus or (self.spec.core.searched,))
        uses, passes, amount = list[tuple[Key, tuple[float, ...]]](), list[tuple[int, int, float]](), 0
        for number in range(top):
            rows = min(self.place.forward_rows, self._engine(number + 1).together or self.place.forward_rows)
            batches = pairs = 0.0
            for one in self.classes:
                for masks, pictures in workload.mask_passes(draws, one.measured, one.others):
                    batches += taus * pictures * math.ceil(masks / rows)
                    pairs += taus * pictures * masks
            uses.append((("masking", number, ""), (batches, pairs)))
        for one in self.classes:
            every = one.measured + one.others
            amount += workload.masked_pictures(draws, one.measured, taus, top, one.others)
            kept = layers_to_keep(self.place.segments, every, self.place.tables)
            passes.append((0, top, float(every)))
            passes += [(0, number + 1, float(taus * every)) for number in range(top) if number not in kept]
        return Task(name="masking", amount=amount, unit="masked pictures", uses=tuple(uses), passes=tuple(passes))

    def _certificates(self) -> Task:
        """Of an automatic τ: every picture with the core of each τ kept alone, and random sets of a few sizes."""
        top, uses = self.place.top, list[tuple[Key, tuple[float, ...]]]()
        pictures = [float(one.measured + one.others) for one in self.classes]
        for number in range(top):
            sets = [self.spec.core.searched, 1, *[ORDERS] * math.ceil(math.log2(STEPS))]
            rows = min(self.place.forward_rows, self._engine(number + 1).together or self.place.forward_rows)
            batches = sum(math.ceil(some / rows) for some in sets)
            uses.append((("masking", number, ""), (sum(pictures) * batches, sum(pictures) * sum(sets))))
        return Task(
            name="certificates", amount=float(top * len(self.classes)), unit="layers", uses=tuple(uses),
            passes=((0, top, sum(pictures)),),
        )  # fmt: skip

    def _engine(self, number: int) -> Engine:
        return self.place.engines.get(number, Engine())

    def _layer(self, number: int) -> Iterator[Task]:
        """F6, then F2 to F4 at a layer."""
        tested = float(min(self.found[number].targets, self.size.targets) * len(self.classes))
        if self.asked("concepts"):
            pairs = sum(workload.depth(self.size, self.spec.concept.k, c.patches) for c in self.classes)
            pairs *= min(self.found[number].targets, self.size.targets)
            yield Task(
                name=f"attributions for the tests at {self._name(number)}", kind="attributions for the tests at",
                amount=tested, unit="targets",
                uses=((("search", number, ""), (float(pairs),)),),
            )  # fmt: skip
        if self.asked(*ABLATING):
            yield self._ablations(number)

    def knocking(self, number: int, one: PlannedClass) -> workload.Knocking | None:
        """The knock-outs of a class at a layer."""
        layer = self.found[number]
        return workload.knocking(
            self.size, self.spec.core.searched, self.spec.concept.k, width=self._width(number - 1),
            targets=layer.targets, patches=one.patches,
        )  # fmt: skip

    def is_bounded(self, number: int, pass_: workload.Knocking) -> bool:
        """Whether bounds spare patches where all are ranked."""
        engine, held = self._engine(number), self._held(pass_.ranked)[number - 1]
        room = max(self.place.tables, self._keep - held.bytes)
        return pass_.every and held.fits and 0 < engine.terms_bytes * pass_.ranked <= room

    def _ablations(self, number: int) -> Task:
        """F2, F3 and F4: one pass of all sets over the patches ranked."""
        sets, ranked, bounded, plain = 0, 0, [0.0, 0.0], [0.0] * 4
        through = self._held(max((c.patches for c in self.classes), default=0))[number - 1].through
        for one in self.classes:
            found = self.knocking(number, one)
            if found is None:
                continue
            count = len(found.removed)
            sets, ranked = sets + count, ranked + found.ranked
            if self.is_bounded(number, found):
                pairs = float(found.ranked * found.tested)
                bounded = [bounded[0] + pairs, bounded[1] + pairs * count]
            else:
                plain = _added(plain, self._pairs(number, count, found.ranked, found.tested))
        uses: Uses = ((("knock-outs", number, ""), tuple(plain)),) if any(plain) else ()
        uses += ((("bounded ablations", number, ""), tuple(bounded)),) if any(bounded) else ()
        return Task(
            name=f"knock-outs for {self._name(number)}", kind="knock-outs for", amount=sets, unit="sets", uses=uses,
            passes=((through, number, float(ranked)),) if through < number else (),
            crops=0.0 if through else float(ranked),
        )  # fmt: skip

    def _pairs(self, number: int, sets: int, patches: float, targets: int) -> list[float]:
        """The features of knock-outs: for each batch of sets, that times the targets, for each set, that times them."""
        batches = patches * self._engine(number).batches(sets)
        return [batches, batches * targets, patches * sets, patches * sets * targets]

    def _methods(self) -> Iterator[Task]:
        """F4: each method at all layers but the lowest."""
        tested = [min(self.found[number].targets, self.size.targets) for number in range(1, self.place.top + 1)]
        counts = [workload.compared(self.size, some) * len(self.classes) for some in tested]
        for method in self.size.methods:
            yield Task(
                name=f"attribution by {method}", stages=self.place.top, amount=sum(counts), unit="targets",
                uses=tuple(
                    (("methods", number, method), (float(count * self.spec.concept.k),))
                    for number, count in enumerate(counts, start=1)
                ),
            )  # fmt: skip

    def neuron_groups(self, number: int) -> int:
        """The neuron groups of a class at a layer, as many as there can be but for half."""
        return max(1, min(self.spec.groups.max_neuron, self.semantic(number) // 2))

    def _layer_size(self, number: int, one: PlannedClass) -> LayerSize:
        """What an experiment is told of a class at a layer."""
        layer = self.found[number]
        return LayerSize(
            number=number,
            top=self.place.top,
            pictures=one.pictures,
            patches=one.patches,
            neurons=layer.targets,
            parted=round(layer.targets * layer.parted),
            semantic=self.semantic(number),
            groups_below=self.neuron_groups(number - 1) if number else 0,
            k=self.spec.concept.k,
            concepts=workload.distinct(one.patches, self.spec.concept.k, layer.targets, layer.distinct),
            sizes=self.size,
        )

    def _at_layers(self, experiment: LayerExperiment, numbers: Sequence[int]) -> Iterator[Task]:
        """An experiment that is done at each layer, at some of them, of all classes; none where it takes no time."""
        amount, uses, passes, crops = 0, dict[Key, tuple[float, ...]](), list[tuple[int, int, float]](), 0.0
        for number, one in ((number, one) for number in numbers for one in self.classes):
            for work in experiment.work(self._layer_size(number, one)):
                amount += work.times
                key, features = self._priced(number, work)
                uses[key] = tuple(_added(uses.get(key, (0.0,) * len(features)), features))
                if work.part == "marginal contributions":
                    passes.append((0, number + 1, work.rows))
                elif work.part == "knock-outs" and not self._held(one.patches)[number - 1].fits:
                    passes.append((0, number, work.rows))
                    crops += work.rows
                elif work.part == "knock-outs" and experiment.held_out and one.held:
                    passes.append((number - 1, number, work.rows))
        if not uses:
            return
        stage = experiment.stage.format(layer=self._name(numbers[0]))
        yield Task(
            name=stage, kind=experiment.stage.format(layer="").rstrip(), stages=len(numbers), amount=amount,
            unit=experiment.unit, uses=tuple(uses.items()), passes=tuple(passes), crops=crops,
        )  # fmt: skip

    def _priced(self, number: int, work: Work) -> tuple[Key, Sequence[float]]:
        """The part of the run that some work of an experiment is, and how much of its features."""
        if work.part == "knock-outs":
            neurons = self.found[number].targets if work.neurons is None else work.neurons
            features = self._pairs(number, work.times, work.rows, neurons)
            return ("knock-outs", number, ""), features
        if work.part == "search":
            return ("search", number, ""), (float(work.times * work.rows),)
        if work.part in {"semantic", "neurons"}:
            return ("clusters", number, work.part), (float(work.times),)
        return (work.part, number, ""), (float(work.times * work.rows),)


def _added(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(one, other, strict=True)]


def used(tasks: Sequence[Task]) -> dict[Key, tuple[float, ...]]:
    """How much of each feature of each part all tasks use."""
    found = dict[Key, tuple[float, ...]]()
    for task in tasks:
        for key, features in task.uses:
            found[key] = tuple(_added(found.get(key, (0.0,) * len(features)), features))
    return found
