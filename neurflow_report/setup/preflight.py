"""Everything that can be checked before the expensive work, and what a run begins with where nothing is wrong.

1. The output, the device, and the packages that the experiments need.
2. The network; then its layers, and the memory that one row takes.
3. The pictures; then the classes: that there are such, that each has pictures and enough patches; then the disk.

What does not depend on each other is told at once. What depends on something that is wrong is left out: it can only be
told once that is mended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from neurflow_report.errors import Gathered, InputError, ReportError
from neurflow_report.images.classes import ClassTarget, class_indices, display_names, label_names
from neurflow_report.images.concepts import Concept, read_concepts
from neurflow_report.images.holdout import FEWEST as HELD_FROM
from neurflow_report.images.holdout import held_out
from neurflow_report.images.labels import read_labels
from neurflow_report.images.named import named
from neurflow_report.images.oddities import unusable
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.select import eligible_pictures
from neurflow_report.images.sources import Item, Source, open_source
from neurflow_report.images.ties import Labels, Tie, tie
from neurflow_report.images.witness import Witness
from neurflow_report.labels.annotations import Annotations
from neurflow_report.labels.endpoint import Endpoint
from neurflow_report.labels.image_text import ImageText
from neurflow_report.network.checkpoint import is_checkpoint
from neurflow_report.network.conduct import check_conduct
from neurflow_report.network.cut import Segments
from neurflow_report.network.fence import blamed
from neurflow_report.network.forward import check_picture, memory_budget, one_picture
from neurflow_report.network.gradients import gradient_notes
from neurflow_report.network.interface import outputs_of
from neurflow_report.network.load import Network, choose_device, resolved
from neurflow_report.network.names import check_names, read_names
from neurflow_report.network.outputs import output_note
from neurflow_report.network.trace import running
from neurflow_report.progress import Progress, duration
from neurflow_report.results.bundle import check_free
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.epoch import source_date
from neurflow_report.results.records import Preprocess
from neurflow_report.setup.input_notes import input_notes, looks
from neurflow_report.setup.labels import open_labels
from neurflow_report.setup.networks import cut_at, example_input, load_spec_network, number_format
from neurflow_report.setup.output import check_space, check_writable, output_of
from neurflow_report.setup.precision import arithmetic, check_precision
from neurflow_report.setup.stored_pictures import few_inputs, region_bytes_of
from neurflow_report.setup.workspace import Workspace, check_patches
from neurflow_report.spec.data import FILES
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.load import LoadedSpec, in_order, located
from neurflow_report.spec.names import unknown
from neurflow_report.spec.schema import Spec

T = TypeVar("T")
OF_WEIGHTS = {"weights-unknown", "weights-unreadable", "weights-mismatch", "weights-ambiguous"}
"""Errors of the weights alone: the network can be looked at without them."""
PASSES = 120
"""Rows that what is compared before the work takes through the network, about (docs/adr/0018)."""
ROWS = 3
"""Rows that finding the number of outputs takes (interface.py)."""
COPIES = {"html": 2.0, "pdf": 1.0, "single": 4 / 3}
"""How often each format holds the bundle's pictures, about: the site has the bundle as a zip, too."""
TRIED = 4


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a run begins with, checked.

    Attributes:
        eligible: for each target the numbers of the pictures that may count.
        logits: the output of each of the data's classes, None where it cannot be told.
        names, label_names: what each output, and each of the data's classes, is called.
        labels: what should be known of how the two were tied.
        input_notes: of what the network is given.
        notes: `labels`, `input_notes`, what was done with the weights, what should be known of the pictures and of the
            network's copies, and what cannot run.
        pictures: a few of the data's as inputs, on which what is made of the network is compared with it.
        uncompared: seconds that trying the network out would have taken, where that was left out.
        trying: those that it took, with all that was checked after.
        debugged: the pictures that the spec names to be explained.
        concepts: the user's own that are to be tested.
        labeller: what says how well a text goes with a patch, where labels are asked for.
        failing: what is wrong with classes that are left out, by their numbers in the spec; `targets` and `eligible`
            are the others'.
    """

    network: Network
    workspace: Workspace
    source: Source
    targets: tuple[ClassTarget, ...]
    eligible: tuple[list[int], ...]
    logits: tuple[int | None, ...]
    names: tuple[str, ...]
    label_names: tuple[str, ...]
    labels: str
    notes: tuple[str, ...]
    pictures: Tensor
    input_notes: tuple[str, ...] = ()
    uncompared: float | None = None
    trying: float = 0.0
    debugged: tuple[Item, ...] = ()
    concepts: tuple[Concept, ...] = ()
    labeller: ImageText | Annotations | Endpoint | None = None
    failing: Mapping[int, ReportError] = field(default_factory=dict)


def preflight(
    loaded: LoadedSpec,
    *,
    progress: Progress,
    also: Sequence[ReportError] = (),
    patience: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    witness: Witness | None = None,
    keep_going: bool = False,
) -> Ready:
    """Check a spec against the machine, the network and the data; nothing is written, and no picture predicted.

    Args:
        also: what the caller found wrong already, told with the rest.
        patience: seconds that trying the network out may take; where it is likely to take longer, that is left out, and
            told.
        witness: sees which pictures are read, from here on.
        keep_going: a class that has no pictures, or too few, is left out, unless all are such.
    Raises: InputErrors, or the one error there is, with their places in the spec's file and in its order.
    """
    with blamed("it is checked"):
        return _preflight(_Checks(loaded, also, patience, clock, witness, keep_going=keep_going), progress)


def _preflight(checks: _Checks, progress: Progress) -> Ready:
    checks.machine()
    with progress.stage("load the network", None):
        checks.load()
    with progress.stage("check", None) as step:
        checks.memory()
        checks.classes()
        checks.named_pictures()
        checks.own_concepts()
        checks.labels()
        ready = checks.ready()
        for note in ready.notes:
            step.note(note)
    return ready


class _Checks:
    """The checks, in the order in which they are called, and what they found; None: not known, or not to be had."""

    def __init__(
        self,
        loaded: LoadedSpec,
        also: Sequence[ReportError],
        patience: float,
        clock: Callable[[], float],
        witness: Witness | None,
        *,
        keep_going: bool,
    ) -> None:
        self.keep_going, self.failing = keep_going, dict[int, ReportError]()
        self.patience, self.clock, self.witness = patience, clock, witness
        self.uncompared: float | None = None  # seconds that trying it out would take, where that is left out
        self.began = clock()  # when the network is there, and trying it out begins
        self.loaded, self.spec, self.gathered = loaded, loaded.spec, Gathered(also)
        self.base, self.output = loaded.file.resolve().parent, output_of(loaded.spec)
        self.place: Path | None = None
        self.device: torch.device | None = None
        self.network: Network | None = None
        self.segments: Segments | None = None
        self.outputs: int | None = None
        self.sized = True  # whether the number of outputs is the one that the spec means
        self.named = True  # whether the names of the logits are those that the spec means
        self.grid: PatchGrid | None = None
        self.workspace: Workspace | None = None
        self.source: Source | None = None
        self.pictures: Tensor | None = None
        self.targets: tuple[ClassTarget, ...] = ()
        self.eligible: tuple[list[int], ...] = ()
        self.tied: Tie | None = None
        self.debugged: tuple[Item, ...] = ()
        self.concepts: tuple[Concept, ...] = ()
        self.labeller: ImageText | Annotations | Endpoint | None = None

    def machine(self) -> None:
        """The environment, the output, the device, and the packages of experiments that the spec itself asks for."""
        attempt = self.gathered.attempt
        attempt(source_date)
        self.place = attempt(partial(check_writable, self.output))
        attempt(partial(check_free, self.output / "bundle"))
        self.gathered.errors += _missing_packages(self.spec)
        self.device = attempt(partial(choose_device, self.spec.runtime.device))
        if self.device is not None:
            attempt(partial(check_precision, self.spec, self.device))

    def load(self) -> None:
        """The pictures; the network, cut at its layers; the number of its outputs, and the file with their names."""
        self.source = self.gathered.attempt(self._open)
        loaded, names = self.loaded, None
        if self.spec.model.class_names is not None:
            names = self.gathered.attempt(partial(read_names, resolved(self.base, self.spec.model.class_names)))
            self.named = names is not None
            loaded = _without_names(loaded)  # the file is read once: names checked are names used
        device = self.device or torch.device("cpu")
        before = len(self.gathered.errors)
        self.network = self.gathered.attempt(partial(load_spec_network, loaded, device))
        if self.network is None:
            self._stand_in(loaded, device, self.gathered.errors[before:])
        if self.network is None:
            return
        if names is not None:
            self.network = replace(self.network, class_names=names)
        self.gathered.attempt(partial(self._cut, self.network, device))
        if names is not None and self.outputs is not None and self.sized:
            file, before = Path(str(self.spec.model.class_names)).name, len(self.gathered.errors)
            self.gathered.attempt(partial(check_names, names, file, self.outputs))
            self.named = len(self.gathered.errors) == before

    def _stand_in(self, loaded: LoadedSpec, device: torch.device, problems: Sequence[ReportError]) -> None:
        """Where only its weights are wrong, the network without them, so that the rest can be told with it."""
        slugs, model = {problem.slug for problem in problems}, loaded.spec.model
        if not slugs <= OF_WEIGHTS:
            return
        self.network = Gathered().attempt(partial(load_spec_network, _without_weights(loaded), device))
        self.named = self.named and (model.source in {"demo", "python"} or is_checkpoint(model.weights))
        self.sized = "weights-mismatch" not in slugs

    def _cut(self, network: Network, device: torch.device) -> None:
        """The segments, and the number of outputs.

        Raises: what tells why they cannot be had.
        """
        record, dtype = network.preprocess, number_format(self.spec)
        budget = memory_budget(self.spec.runtime.memory, device)
        path = ("runtime", "memory") if self.spec.preprocess.size is None else ("preprocess", "size")
        check_picture(record.size, record.channels, dtype.itemsize, budget, path)
        with one_picture(record.size, path):
            example = example_input(network, device, dtype)
            self.began = self._now(device)
            self.outputs = outputs_of(network.module, example)
            self.uncompared = self._impatient(network, example, self._now(device) - self.began)
            compared = self.uncompared is None
            with arithmetic():
                self.pictures = pictures = self._looked_at(network, example)
                if compared:
                    check_conduct(network.module, pictures)
                cutting = partial(cut_at, self.spec, network, pictures, compared=compared)
                self.segments = self.gathered.attempt(cutting)
            if self.segments is not None:
                self.gathered.errors += _names_of_no_layer(self.spec, self.segments)
            if compared:
                self._look_into(network, pictures)

    def _impatient(self, network: Network, example: Tensor, trying: float) -> float | None:
        """How many seconds trying the network out is likely to take where that is too long, None where it is not.

        Args: trying: seconds that finding the number of outputs took, in which much may have been set up.
        """
        if PASSES * trying / ROWS <= self.patience:
            return None
        begun = self._now(example.device)
        with torch.no_grad(), running(example):
            network.module(example.clone())
        likely = PASSES * (self._now(example.device) - begun)
        return likely if likely > self.patience else None

    def _now(self, device: torch.device) -> float:
        """The clock, when all that was begun on a GPU is done."""
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return self.clock()

    def _looked_at(self, network: Network, example: Tensor) -> Tensor:
        """A few inputs of the data's own; noise where the data has none that can be read."""
        found = None if self.source is None else few_inputs(self.source, network.preprocess)
        return torch.cat([example, example.flip(3)]) if found is None else found.to(example)

    def _look_into(self, network: Network, pictures: Tensor) -> None:
        """What should be known of the network; without gradients there are no segments to go on with."""
        if self.segments is None:
            return
        found = self.gathered.attempt(partial(gradient_notes, self.segments, pictures))
        outputs = output_note(self.segments, pictures)
        self.segments = None if found is None else self.segments
        self.network = replace(network, notes=(*network.notes, *(found or ()), *([outputs] if outputs else [])))

    def memory(self) -> None:
        """The grid of patches; the workspace, where a row fits the memory."""
        if self.network is None:
            return
        size, concept = self.network.preprocess.size, self.spec.concept
        grid = partial(PatchGrid, size=size, scales=concept.scales, stride=concept.stride)
        self.grid = self.gathered.attempt(grid)
        if self.grid is None or self.segments is None or self.device is None:
            return
        budget = memory_budget(self.spec.runtime.memory, self.device)
        assert self.pictures is not None  # noqa: S101 with the segments, there are pictures
        with arithmetic():
            compared = self.uncompared is None
            set_up = partial(Workspace.set_up, self.segments, self.grid, budget, self.pictures, compared=compared)
            self.workspace = self.gathered.attempt(set_up)

    def classes(self) -> None:
        """The classes, with pictures and patches enough; the space that their pictures take."""
        if self.network is None or self.outputs is None or not self.sized:
            return
        targets = self._targets(self.network, self.outputs)
        self.targets = tuple(targets.values())
        if self.source is None or self.grid is None:
            return
        each = partial(_eligible, self.spec, self.source, self.grid)
        found = {i: self._of_class(i, partial(each, target, i)) for i, target in targets.items()}
        self.eligible = tuple(numbers for numbers in found.values() if numbers is not None)
        if self.failing and len(self.failing) < len(targets):
            self.targets = tuple(target for i, target in targets.items() if i not in self.failing)
        else:
            self.gathered.errors += self.failing.values()
            self.failing = {}
        if self.place is not None and len(self.eligible) + len(self.failing) == len(self.spec.classes):
            needed = _bytes_needed(self.spec, self.source, self.network.preprocess, self.eligible)
            self.gathered.attempt(partial(check_space, self.output, self.place, needed))

    def named_pictures(self) -> None:
        """The pictures that the spec names to be explained."""
        images = self.spec.debug.images
        if self.network is None or self.source is None or isinstance(images, str):
            return
        one = partial(
            named, source=self.source, base=self.base, preprocess=self.network.preprocess, white=self.spec.data.white
        )
        found = [
            self.gathered.attempt(partial(one, text, path=("debug", "images", number)))
            for number, text in enumerate(images)
        ]
        self.debugged = tuple(item for item in found if item is not None)

    def own_concepts(self) -> None:
        """The user's own concepts that the spec names a folder of."""
        folder = self.spec.fidelity.concepts_from
        if self.network is None or folder is None:
            return
        read = partial(
            read_concepts, resolved(self.base, folder), self.network.preprocess, white=self.spec.data.white,
            path=("fidelity", "concepts_from"),
        )  # fmt: skip
        self.concepts = self.gathered.attempt(read) or ()

    def labels(self) -> None:
        """What labels of neuron groups come from."""
        labels = self.spec.labels
        if labels.source == "none" or self.source is None:
            return
        self.labeller = self.gathered.attempt(partial(open_labels, labels, self.base, self.source.items))
        few = [len(found) for found in self.eligible if not held_out(len(found), self.spec.data.holdout)]
        if self.keep_going and len(few) < len(self.eligible):
            few = []  # their groups are told to have none
        if few or not held_out(self.spec.data.limit, self.spec.data.holdout):
            most = self.spec.data.limit if not few else min(few)
            message = f"labels are tested on pictures held out, and of a class with {most} pictures none is"
            hint = f"give {HELD_FROM} pictures or more, of each class, or leave `labels` out"
            path = ("labels", "source") if few else ("data", "limit")
            self.gathered.errors.append(InputError("labels-unusable", message, hint=hint, path=path))

    def _of_class(self, number: int, work: Callable[[], T]) -> T | None:
        """What `work` gives; None where it says what is wrong with a class."""
        own = self.gathered if not self.keep_going else Gathered()
        found = own.attempt(work)
        if self.keep_going and own.errors:
            self.failing[number] = located(own.errors[0], self.loaded)
        return found

    def _open(self) -> Source:
        found = source_of(self.loaded)
        return found if self.witness is None else self.witness.watched(found)

    def _targets(self, network: Network, outputs: int) -> dict[int, ClassTarget]:
        """The spec's classes by their number in it, without those that are wrong. Without the data, or the logits'
        names, only numbers can be told wrong."""
        names = network.class_names if self.named else None
        source, whole = self.source, self.source is not None and self.named
        folders = source.class_names if source is not None else ()
        order = source.order if source is not None else "names"
        self.tied = self.gathered.attempt(partial(tie, names, folders, outputs, order=order, labels=self._labels()))
        if self.tied is None:
            return {}
        known = partial(
            class_indices,
            model_names=names,
            class_names=folders,
            outputs=outputs,
            tied=self.tied,
            empty=source.empty if source is not None else (),
        )
        try:
            return dict(enumerate(known(self.spec.classes)))
        except InputError as error:
            problems = error.problems()
        self.gathered.errors += [p for p in problems if whole or _is_number(self.spec, p)]
        wrong = {p.path for p in problems}
        right = [i for i in range(len(self.spec.classes)) if ("classes", i) not in wrong]
        return dict(zip(right, known([self.spec.classes[i] for i in right]), strict=True))

    def _labels(self) -> Labels:
        """How the spec ties the data's classes to outputs; without data, and where its file is wrong, not at all."""
        labels = self.spec.data.labels
        if self.source is None or not self.named:
            return "auto"
        if isinstance(labels, str) and labels.lower().endswith(FILES):
            found = self.gathered.attempt(partial(read_labels, resolved(self.base, labels)))
            return "auto" if found is None else found
        return labels  # type: ignore[return-value]

    def ready(self) -> Ready:
        """What a run begins with.

        Raises: what was gathered.
        """
        self.gathered.errors = in_order([located(error, self.loaded) for error in self.gathered.errors])
        self.gathered.tell()
        if self.network is None or self.workspace is None or self.source is None:
            raise AssertionError("what is not there was not told")
        if self.tied is None or self.pictures is None:
            raise AssertionError("what is not there was not told")
        names = display_names(self.network.class_names, self.source.class_names, self.outputs or 0, self.tied)
        given = input_notes(self.network.preprocess, self.network.assumed, looks(self.source, self.eligible))
        copies = self.workspace.notes
        left_out = "" if self.uncompared is None else _left_out(self.uncompared)
        network = (*self.network.notes, left_out, _large_core_sets(self.spec.core.searched, self.workspace.segments))
        unread = unusable([(one.name, one.reason) for concept in self.concepts for one in concept.skipped])
        notes = (*network, *given, self.tied.caution, *self.source.told, *unread, *copies, *_not_run(self.spec))
        return Ready(
            network=self.network,
            workspace=self.workspace,
            source=self.source,
            targets=self.targets,
            eligible=self.eligible,
            logits=self.tied.logits,
            names=names,
            label_names=label_names(self.source.class_names, names, self.tied),
            labels=self.tied.caution,
            notes=tuple(note for note in notes if note),
            pictures=self.pictures,
            input_notes=given,
            uncompared=self.uncompared,
            trying=self.clock() - self.began,
            debugged=self.debugged,
            concepts=self.concepts,
            labeller=self.labeller,
            failing=self.failing,
        )


def source_of(loaded: LoadedSpec) -> Source:
    """The spec's pictures.

    Raises: what `open_source` raises.
    """
    data, base = loaded.spec.data, loaded.file.resolve().parent
    return open_source(
        source=data.source,
        name=data.name,
        root=None if data.root is None else resolved(base, data.root),
        split=data.split,
        file=None if data.file is None else resolved(base, data.file),
        path_column=data.path_column,
        image_column=data.image_column,
        label_column=data.label_column,
        label_pattern=data.label_pattern,
        extension=data.extension,
        white=data.white,
    )


def _names_of_no_layer(spec: Spec, segments: Segments) -> Iterator[InputError]:
    """Names by hand at layers that are none, where the spec itself does not say which there are."""
    layers = [layer.name for layer in segments.layers]
    for cls, of_class in spec.names.items():
        for layer in of_class:
            if layer not in layers:
                message = unknown("layer", layer, layers)
                hint = "`neurflow-report layers` lists those of the network"
                yield InputError("spec-bad-value", message, hint=hint, path=("names", cls, layer))


def _large_core_sets(tau: int, segments: Segments) -> str:
    """What to say where a core set can be most of a layer, of which masking then says little (METHOD §6)."""
    small = [layer for layer in segments.layers[:-1] if 2 * tau > layer.channels]
    if not small:
        return ""
    least = min(layer.channels for layer in small)
    names = ", ".join(layer.name for layer in small[:3]) + (f" and {len(small) - 3} more" if len(small) > 3 else "")
    return (
        f"core.tau is {tau}, over half of the channels of {names} (the fewest: {least}): a core set of most of a layer "
        f"says little of which neurons matter; set core.tau to {max(1, least // 4)} or less, or leave such layers out"
    )


def _left_out(seconds: float) -> str:
    """What a plan does not know of a slow network."""
    return (
        f"so slow a network is not tried out for a plan: a run first looks, for about {duration(seconds)}, whether its "
        "results stay the same from run to run and in any batch, whether gradients lead from layer to layer, and "
        "whether the copies made of it agree with it"
    )


def _missing_packages(spec: Spec) -> Iterator[InputError]:
    for number, name in enumerate(spec.fidelity.experiments or ()):
        if missing := _missing(name):
            package, extra = missing
            message = f"the experiment {name} needs the Python package {package}, which is not installed"
            hint = f"pip install 'neurflow-report[{extra}]', or leave {name} out"
            yield InputError("missing-package", message, hint=hint, path=("fidelity", "experiments", number))


def _not_run(spec: Spec) -> Iterator[str]:
    """What the preset brings in and cannot run: the report will say so, too."""
    for name in sizes(spec.fidelity).experiments:
        if spec.fidelity.experiments is None and (missing := _missing(name)):
            package, extra = missing
            yield (
                f"the experiment {name} of the preset {spec.fidelity.preset} will not run whole: it needs the Python "
                f"package {package} (pip install 'neurflow-report[{extra}]')"
            )


def _missing(experiment: str) -> tuple[str, str] | None:
    """The package that an experiment needs and that is not there, and the extra that brings it."""
    needs = EXPERIMENTS[experiment].needs
    return needs if needs is not None and find_spec(needs[0]) is None else None


def _without_weights(loaded: LoadedSpec) -> LoadedSpec:
    """The same spec with random weights."""
    keys = {"weights": "none", "state_dict_key": None, "strip_prefix": None, "ignore_keys": ()}
    model = loaded.spec.model.model_copy(update=keys)
    return replace(loaded, spec=loaded.spec.model_copy(update={"model": model}))


def _without_names(loaded: LoadedSpec) -> LoadedSpec:
    """The same spec without its file of class names, so that the rest can be checked."""
    model = loaded.spec.model.model_copy(update={"class_names": None})
    return replace(loaded, spec=loaded.spec.model_copy(update={"model": model}))


def _is_number(spec: Spec, problem: ReportError) -> bool:
    """Whether an error is about a class that the spec gives as a number."""
    match problem.path:
        case ("classes", int(number)):
            return isinstance(spec.classes[number], int)
    return False


def _eligible(spec: Spec, source: Source, grid: PatchGrid, target: ClassTarget, i: int) -> list[int]:
    """The pictures that may count for a class.

    Raises: InputError class-empty, too-few-patches.
    """
    data = spec.data
    found = eligible_pictures(
        source, target, i, select=data.select, pool=data.pool, sample=data.sample, seed=spec.runtime.seed
    )
    pictures = min(data.limit, len(found))
    held = held_out(pictures, data.holdout)
    found_on = pictures - held
    check_patches(target.name, found_on, found_on * grid.per_image, spec.concept.k, held)
    return found


def _bytes_needed(spec: Spec, source: Source, preprocess: Preprocess, eligible: Sequence[Sequence[int]]) -> int:
    """About the bytes that the report's pictures take: each class's first that can be read stands for its others."""
    copies = 1 + sum(COPIES[name] for name in spec.report.formats)
    pictures = (min(spec.data.limit, len(numbers)) * _kept(source, preprocess, numbers) for numbers in eligible)
    return round(copies * sum(pictures))


def _kept(source: Source, preprocess: Preprocess, numbers: Sequence[int]) -> int:
    for number in numbers[:TRIED]:
        item = source.items[number]
        try:
            return len(region_bytes_of(item, item.open().size, preprocess))
        except PictureError:
            continue
    return 0
