"""From a spec to a bundle, stage by stage.

1. The network, its layers, the pictures and the classes, and all else that can be checked first (preflight.py).
2. The pictures that count.
3. Each class: patches, circuit (class_circuit.py), experiments (experiments.py); the same on the control networks; in
   the demo, agreement with the planted parts.
4. The pictures that are to be explained, by the classes' circuits (debugging.py); the user's own concepts, tested for
   each class (concept_tests.py); labels of neuron groups (labelling.py); pictures made for their semantic groups
   (facets.py).
5. The bundle, written whole at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from torch import Tensor

from neurflow_report.analysis.accuracy import accuracy, forward_of, measure, predictor, words
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.concept_tests import directions, with_concepts
from neurflow_report.analysis.cross_check import cross_checks
from neurflow_report.analysis.debugging import Questions, questions, with_explained
from neurflow_report.analysis.experiments import Findings, examine, with_control
from neurflow_report.analysis.facets import with_facets
from neurflow_report.analysis.failing import failed_class, ready_without, spec_without
from neurflow_report.analysis.labelling import Labelling
from neurflow_report.analysis.peak_memory import gauges
from neurflow_report.analysis.planted_parts import with_agreement
from neurflow_report.analysis.processes import check_jobs, examined_in
from neurflow_report.analysis.ray_actors import examined_by_ray
from neurflow_report.analysis.stages import NOTHING_KEPT, Heard, Stages, remembered
from neurflow_report.analysis.store import Known, Store, noted
from neurflow_report.analysis.unchanged import Unchanged, handed_on
from neurflow_report.demo.flowers import DATASET
from neurflow_report.errors import Gathered, InputError, ReportError, did_you_mean
from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.holdout import halves
from neurflow_report.images.oddities import unusable
from neurflow_report.images.select import Choice, Chosen, choice_digest, choose, digest_of, load_pixels, oddities
from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.fence import blamed
from neurflow_report.network.reinitialise import reinitialised
from neurflow_report.planning.expected import expected
from neurflow_report.planning.records import PlannedClass
from neurflow_report.progress import Progress, Step, Timed
from neurflow_report.results.cache import Kept
from neurflow_report.results.records import (
    ClassEntry,
    ClassResult,
    CrossCheck,
    DataInfo,
    Facets,
    FailedClass,
    ModelInfo,
    Picture,
    Rounding,
    Run,
    Settings,
    Unexplained,
)
from neurflow_report.results.redact import without_paths
from neurflow_report.results.shard import Merged, Part, settled, with_lost, write_merged, write_shard
from neurflow_report.results.stages import STAGES
from neurflow_report.results.staging import staged
from neurflow_report.setup.output import output_folder, output_of
from neurflow_report.setup.precision import Taken, arithmetic, attributions_in
from neurflow_report.setup.preflight import Ready, preflight
from neurflow_report.setup.provenance import provenance
from neurflow_report.setup.settings import OTHERS, RunSettings, others_wanted
from neurflow_report.setup.stored_pictures import Images, region_bytes
from neurflow_report.setup.workspace import Workspace, check_patches
from neurflow_report.spec.load import LoadedSpec, located
from neurflow_report.spec.names import given_names
from neurflow_report.spec.schema import Spec
from neurflow_report.time_left import Expected


@dataclass(frozen=True, kw_only=True)
class How:
    """How a run goes about what was done before, or beside it.

    Attributes:
        force: nothing is taken from the cache; what is found is kept as ever.
        stages: those that are done again, and whatever is made of them (results/stages.py).
        wait: whether it waits for another run that has the output folder.
        keep_going: whether a class that fails is left out, and told, and the others go on.
    """

    force: bool = False
    wait: bool = False
    keep_going: bool = False
    stages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, force: bool | str, *, wait: bool = False, keep_going: bool = False) -> How:
        """Args: force: whether nothing is taken from the cache, or the name of a stage of which nothing is.

        Raises: InputError command-line.
        """
        if isinstance(force, str) and force not in STAGES:
            message = f"there is no stage {force!r}"
            hint = did_you_mean(force, STAGES) or f"the stages are {', '.join(STAGES)}"
            raise InputError("command-line", message, hint=hint)
        stages = frozenset([force]) if isinstance(force, str) else frozenset[str]()
        return cls(force=force is True, wait=wait, keep_going=keep_going, stages=stages)

    @property
    def anew(self) -> frozenset[str]:
        """The stages of which nothing is taken."""
        return frozenset(STAGES) if self.force else self.stages


USUAL = How()


def analyze(
    loaded: LoadedSpec,
    *,
    progress: Progress,
    also: Sequence[ReportError] = (),
    drawn: Sequence[str] = (),
    jobs: int = 1,
    how: How = USUAL,
) -> Path:
    """Run the analysis of a spec and write `<output>/bundle`.

    Args: as `analyzed`.
    Returns: that directory.
    Raises: what `analyzed` raises.
    """
    with analyzed(loaded, progress=progress, also=also, drawn=drawn, jobs=jobs, how=how) as bundle:
        return bundle


def analyze_shard(
    loaded: LoadedSpec,
    part: Part,
    *,
    progress: Progress,
    folder: Path | None = None,
    also: Sequence[ReportError] = (),
    on_class: Callable[[str], None] = lambda _name: None,
    how: How = USUAL,
) -> Path:
    """Run a spec's analysis of one shard of its classes and write it.

    Args:
        folder: where to, in place of the output folder.
        on_class: told the name of each class that is done.
    Returns: the shard's file.
    Raises: what `analyzed` raises.
    """
    timed = Timed(progress, gauges=gauges())
    with _located(loaded), arithmetic():
        ready = preflight(loaded, progress=timed, also=also, keep_going=how.keep_going)
        place = folder or output_of(loaded.spec)
        with output_folder(place, shared=True):
            with blamed("it is examined"):
                found = _examine_all(loaded, _begin(loaded, ready, timed, how), timed, how, (), part, on_class)
            file = place / part.file
            write_shard(file, run=found.run, provenance=found.provenance, classes=found.classes)
            return file


class ShardByShard:
    """A run that examines one shard after another; what they share is done once.

    Raises: what `analyzed` raises.
    """

    def __init__(
        self,
        loaded: LoadedSpec,
        *,
        progress: Progress,
        also: Sequence[ReportError] = (),
        how: How = USUAL,
    ) -> None:
        self.loaded, self.how, self.timed = loaded, how, Timed(progress, gauges=gauges())
        with _located(loaded), arithmetic():
            ready = preflight(loaded, progress=self.timed, also=also, keep_going=how.keep_going)
            with blamed("it is examined"):
                self.begun = _begin(loaded, ready, self.timed, how)

    def write(self, part: Part, place: Path) -> Path:
        """Examine a shard's classes. Returns: its file, in the folder `place`."""
        with _located(self.loaded), arithmetic():
            with blamed("it is examined"):
                found = _examine_all(self.loaded, self.begun, self.timed, self.how, (), part)
            self.timed.seconds.clear()  # the next one tells its own
            self.timed.peaks.clear()
            file = place / part.file
            write_shard(file, run=found.run, provenance=found.provenance, classes=found.classes)
            return file


@contextmanager
def analyzed(
    loaded: LoadedSpec,
    *,
    progress: Progress,
    also: Sequence[ReportError] = (),
    drawn: Sequence[str] = (),
    formats: Sequence[str] = (),
    jobs: int = 1,
    how: How = USUAL,
) -> Iterator[Path]:
    """Run the analysis of a spec and write `<output>/bundle`, which is given inside: there the output folder is this
    run's alone.

    Args:
        also: what the caller found wrong already, told with all else that is wrong before anything is computed.
        drawn: the names of what is drawn from a bundle and will not be drawn anew: it is told where it is there.
        formats: what will be drawn, which the time left is to hold, too.
        jobs: processes that share the classes, on a processor.
    Raises:
        InputError (exit code 2) with file:line:column where the spec, the model or the data is wrong.
        RunError where an activation or attribution is not finite.
    """
    with (
        _located(loaded),
        arithmetic(),
        _analyzed(loaded, Timed(progress, gauges=gauges()), also, drawn, formats, jobs, how) as bundle,
    ):
        yield bundle


def check(loaded: LoadedSpec, *, progress: Progress, also: Sequence[ReportError] = ()) -> tuple[str, ...]:
    """Check all that `analyze` checks before it looks at the pictures, and how often the network is right on a few of
    them.

    Nothing is written.

    Returns: what should be known though it is not wrong.
    Raises: what `analyze` raises then.
    """
    with _located(loaded), arithmetic():
        ready = preflight(loaded, progress=progress, also=also)
        with blamed("it predicts the pictures"):
            return (*ready.notes, measure(ready, progress))


@contextmanager
def _located(loaded: LoadedSpec) -> Iterator[None]:
    """Errors get their place in the spec's file."""
    try:
        yield
    except ReportError as error:
        raise located(error, loaded) from error


@contextmanager
def _analyzed(
    loaded: LoadedSpec,
    progress: Timed,
    also: Sequence[ReportError],
    drawn: Sequence[str],
    formats: Sequence[str],
    jobs: int,
    how: How,
) -> Iterator[Path]:
    output = output_of(loaded.spec)
    unchanged = Unchanged.of(loaded, also)
    if not how.anew and (known := unchanged.found(progress)) is not None:
        with _own(output, how, progress):
            _write(output, known, progress, drawn, known=True)
            yield output / "bundle"
        return
    if loaded.spec.runtime.engine == "ray":
        with _own(output, how, progress), staged(output) as folder:
            begin = partial(ShardByShard, how=how)
            found = examined_by_ray(loaded, jobs, folder, begin, progress=progress, also=also)
            _write(output, found, progress, drawn)
            yield output / "bundle"
        return
    if jobs > 1 and (jobs := check_jobs(loaded, jobs)) > 1:
        with _own(output, how, progress), staged(output) as folder:
            shard = partial(analyze_shard, how=how)
            found = examined_in(loaded, jobs, folder, shard, progress=progress, also=also)
            _write(output, found, progress, drawn)
            yield output / "bundle"
        return
    ready = preflight(loaded, progress=progress, also=also, witness=unchanged.witness, keep_going=how.keep_going)
    with _own(output, how, progress):
        with blamed("it is examined"):
            begun = _begin(loaded, ready, progress, how)
            found = _examine_all(loaded, begun, progress, how, formats, unchanged=unchanged)
        del ready, begun  # whoever draws meanwhile needs the memory of the network
        _write(output, found, progress, drawn)
        yield output / "bundle"


def _own(output: Path, how: How, progress: Progress) -> AbstractContextManager[None]:
    """The output folder, this run's alone."""
    wait = partial(progress.stage, "wait for the other run", None) if how.wait else None
    return output_folder(output, wait=wait)


def _write(output: Path, found: Merged, progress: Progress, drawn: Sequence[str], *, known: bool = False) -> None:
    """Args: known: an earlier run found it: where the bundle is there already, it is left."""
    with progress.stage("write the bundle", None) as step:
        write_merged(output / "bundle", found, step.note, drawn, known=known)


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """What the examination of every class begins with.

    Attributes:
        spec, ready: without the classes that failed already.
        choice: the pictures of each class.
        failed: the classes without, or with too few.
        every: each class as it is known.
        taken: the arithmetic of attributions.
    """

    spec: Spec
    ready: Ready
    choice: Choice
    failed: tuple[FailedClass, ...]
    asked: Questions
    every: tuple[Known, ...]
    taken: Taken
    one: _OneClass


def _begin(loaded: LoadedSpec, ready: Ready, progress: Timed, how: How) -> _Begun:
    """The pictures, and all else that the classes share."""
    stages = Stages.of(loaded.spec, ready, how.anew)
    with progress.stage("choose pictures", None) as step:
        spec, ready, choice, failed = pictures_of(loaded.spec, ready, how, step, stages)
    asked = questions(spec.debug, ready, choice.predicted, progress, keep_going=how.keep_going)
    settings = RunSettings.of(spec)
    others = {name: _control(spec, ready) for name in settings.controls}
    pixels = pixels_of(ready, in_halves(spec, choice.classes[0])[0])
    taken = attributions_in(ready.workspace, settings, pixels, logit=ready.targets[0].index, progress=progress)
    settings = replace(settings, precision=taken.precision)
    one = _OneClass(spec=spec, ready=ready, settings=settings, others=others, progress=progress, stages=stages)
    names = slugs([t.name for t in ready.targets])
    every = tuple(zip(ready.targets, names, choice.classes, choice.others, strict=True))
    return _Begun(spec=spec, ready=ready, choice=choice, failed=failed, asked=asked, every=every, taken=taken, one=one)


def _examine_all(
    loaded: LoadedSpec,
    begun: _Begun,
    progress: Timed,
    how: How,
    formats: Sequence[str],
    part: Part | None = None,
    on_class: Callable[[str], None] = lambda _name: None,
    unchanged: Unchanged | None = None,
) -> Merged:
    """What is found of all classes, or of those of one shard; the run's record is of all in any case."""
    spec, ready, choice, asked, failed = begun.spec, begun.ready, begun.choice, begun.asked, begun.failed
    every, taken, one = begun.every, begun.taken, begun.one
    settings, workspace = one.settings, ready.workspace
    wanted = [number for number in range(len(every)) if part is None or part.has(number)]
    store = Store.of(spec, ready, settings, every, wanted, progress, look=not how.anew)
    if progress.expecting:
        progress.expect(_expected(spec, ready, [every[number] for number in store.missing()], formats))
    with noted(lambda: len(store.there) + store.made):
        found, errors, lost = list[tuple[int, Kept]](), list[ReportError](), list[Unexplained]()
        for number in wanted:
            target, slug, *_ = every[number]
            try:
                found.append((number, store.found(number) or store.kept(number, one(number, *every[number]))))
            except ReportError as error:
                if not how.keep_going:
                    raise
                errors.append(error)
                failed = (*failed, failed_class(target.name, error, slug))
                reason = f"{target.name}, whose circuit would explain it, could not be examined"
                lost += [Unexplained(name=question.chosen.item.name, reason=reason) for question in asked.of(number)]
                with progress.stage(target.name, None) as step:
                    step.note(f"this class is left out: {error.message}")
            on_class(target.name)
    if errors and len(errors) == len(every):
        Gathered(errors).tell()
    left = list[str]()
    classes = _completed(begun, found, asked, how=how, progress=progress, lost=lost, left=left)
    fallbacks = [
        *workspace.notes,
        *left,
        *filter(None, [taken.note]),
        *(f"{name}: {note}" for name, other in one.others.items() for note in other.notes),
    ]
    entries = tuple(ClassEntry(index=target.index, name=target.name, slug=slug) for target, slug, *_ in every)
    checked = next((kept.checks for kept in classes if kept.checks), ())
    record = _run(spec, settings, ready, choice, entries, taken.roundings, checked, fallbacks, asked)
    if failed or lost:
        record = with_lost(record.model_copy(update={"failed": failed}), lost)
        record = record if part is not None else settled(record, [kept.result for kept in classes])
    elif unchanged is not None:
        unchanged.keep(ready, store, record, settings.precision, progress)
    return Merged(
        run=record,
        provenance=provenance(
            loaded,
            device=workspace.segments.device,
            precision=settings.precision,
            seconds=progress.seconds,
            peaks=progress.peaks,
        ),
        classes=classes,
    )


def _completed(
    begun: _Begun,
    found: Sequence[tuple[int, Kept]],
    asked: Questions,
    *,
    how: How,
    progress: Timed,
    lost: list[Unexplained],
    left: list[str],
) -> tuple[Kept, ...]:
    """Examined classes with what rests on their circuits: explained pictures, the user's concepts, labels, facets.

    Args:
        found: with each class's number.
        lost: given what could not be explained; left: which class goes without labels or facets, and why. With
            `keep_going`, else the first of these ends the run.
    """
    spec, ready, choice, workspace = begun.spec, begun.ready, begun.choice, begun.ready.workspace
    seed = begun.one.settings.seed
    leave = lost.append if how.keep_going else None
    explain = partial(
        with_explained, ready=ready, settings=begun.one.settings, images=spec.report.images, progress=progress,
        leave=leave,
    )  # fmt: skip
    stages: list[tuple[str, Callable[[int, Kept], Kept]]] = []
    classes = tuple(explain(kept, asked.of(number)) for number, kept in found)
    if ready.concepts:
        given = directions(ready.concepts, choice, ready, seed, progress)
        classes = tuple(
            with_concepts(kept, pixels_of(ready, choice.classes[number]), given, workspace, progress)
            for (number, _), kept in zip(found, classes, strict=True)
        )
    if ready.labeller is not None:
        label = Labelling(ready.labeller, ready, seed, progress)

        def labelled(number: int, kept: Kept) -> Kept:
            others = choice.others[number] if choice.others else ()
            return label(kept, *in_halves(spec, choice.classes[number]), others)

        stages.append(("labels", labelled))
    if spec.facets.groups:
        make = partial(
            with_facets, asked=spec.facets, workspace=workspace, preprocess=ready.network.preprocess,
            images=spec.report.images, seed=seed, progress=progress,
        )  # fmt: skip

        def faceted(number: int, kept: Kept) -> Kept:
            return make(kept, pixels_of(ready, in_halves(spec, choice.classes[number])[0]))

        stages.append(("facets", faceted))
    for name, work in stages:
        classes = tuple(
            _or_without(partial(work, number, kept), kept, name, left if how.keep_going else None)
            for (number, _), kept in zip(found, classes, strict=True)
        )
    return classes


def _or_without(work: Callable[[], Kept], kept: Kept, what: str, left: list[str] | None) -> Kept:
    """What `work` gives; where it fails and `left` is there the class as it was, and `left` says why."""
    try:
        return work()
    except ReportError as error:
        if left is None:
            raise
        left.append(f"{kept.result.name} goes without {what}: {error.message}")
        return kept


def pixels_of(ready: Ready, chosen: Sequence[Chosen]) -> Tensor:
    """Pictures as inputs (I, C, S, S), on the device."""
    segments = ready.workspace.segments
    return load_pixels(chosen, ready.network.preprocess).to(segments.device, segments.dtype)


def class_run(
    spec: Spec,
    ready: Ready,
    settings: RunSettings,
    target: ClassTarget,
    chosen: Sequence[Chosen],
    alien: Sequence[Chosen],
    progress: Progress,
    stages: Stages = NOTHING_KEPT,
) -> ClassRun:
    """What the examination of a class runs on.

    Args:
        chosen: its pictures, those that are held out among them.
        alien: pictures of other classes.
    """
    first, held = in_halves(spec, chosen)
    return ClassRun(
        workspace=ready.workspace,
        settings=settings,
        pixels=pixels_of(ready, first),
        logit=target.index,
        name=target.name,
        progress=progress,
        held=pixels_of(ready, held) if held else None,
        others=pixels_of(ready, alien) if alien else None,
        stages=stages.of_class(target.name),
    )


@dataclass(frozen=True, kw_only=True)
class _OneClass:
    """What examines one class."""

    spec: Spec
    ready: Ready
    settings: RunSettings
    others: Mapping[str, Workspace]
    progress: Progress
    stages: Stages

    def __call__(
        self, number: int, target: ClassTarget, slug: str, chosen: Sequence[Chosen], alien: Sequence[Chosen]
    ) -> Kept:
        """Everything about the class; with the first, the cross-checks.

        Args: alien: the pictures of other classes.
        """
        ready, workspace = self.ready, self.ready.workspace
        first, held = in_halves(self.spec, chosen)
        run = class_run(self.spec, ready, self.settings, target, chosen, alien, self.progress, self.stages)
        found = examine(run)
        checked = () if number else cross_checks(run, found.layers)
        for control, other in self.others.items():
            # What TF32 changes was measured on the network itself.
            plain = run if self.settings.precision == self.spec.runtime.precision else run.with_precision("float32")
            found = with_control(found, plain, other, control=control, names=ready.names)
        found = with_agreement(found, workspace.grid, first, part_names(self.spec), self.spec.runtime.seed)
        result, pictures = _class_result(ready, target, slug, first, held, alien, found, self.spec.report.images)
        return Kept(result=result, pictures=pictures, checks=checked)


def _expected(spec: Spec, ready: Ready, missing: Sequence[Known], formats: Sequence[str]) -> tuple[Expected, ...]:
    """The stages from here on, of the classes that are not there yet."""
    classes = tuple(
        PlannedClass(
            name=target.name,
            index=target.index,
            pictures=len(chosen),
            patches=len(in_halves(spec, chosen)[0]) * ready.workspace.grid.per_image,
            held=len(in_halves(spec, chosen)[1]),
            others=len(alien),
        )
        for target, _, chosen, alien in missing
    )
    return expected(ready.workspace, spec, classes, formats)


def _without_others(spec: Spec, ready: Ready, choice: Choice) -> Iterator[str]:
    """Which classes have no pictures of other classes beside them, where these are wanted."""
    names = [target.name for target, found in zip(ready.targets, choice.others, strict=False) if not found]
    if names and others_wanted(spec)(1):
        what = "whether the core alone is enough is not tested"
        yield f"{', '.join(names)}: no pictures of other classes in the data, so {what}"


def in_halves(spec: Spec, chosen: Sequence[Chosen]) -> tuple[tuple[Chosen, ...], tuple[Chosen, ...]]:
    """A class's pictures to find its circuit on, and those held out."""
    first, held = halves([picture.sha256 for picture in chosen], spec.data.holdout, spec.runtime.seed)
    return tuple(chosen[n] for n in first), tuple(chosen[n] for n in held)


def pictures_of(
    spec: Spec, ready: Ready, how: How, step: Step, stages: Stages = NOTHING_KEPT
) -> tuple[Spec, Ready, Choice, tuple[FailedClass, ...]]:
    """The pictures of each class; where the run keeps going, those classes are gone that have none, or too few.

    Raises: what `choice_of` raises; InputError too-few-patches for every class of which too few pictures count.
    """
    failed = [failed_class(str(spec.classes[n]), error) for n, error in sorted(ready.failing.items())]
    spec, left = spec_without(spec, ready.failing), dict[int, ReportError]()
    choice = choice_of(spec, ready, step, left.__setitem__ if how.keep_going else None, stages)
    failed += [failed_class(ready.targets[n].name, error) for n, error in sorted(left.items())]
    spec, ready = spec_without(spec, left), ready_without(ready, left)
    for note in (*unusable([(s.name, s.reason) for s in choice.skipped]), *oddities(choice, ready.targets)):
        step.note(note)
    for note in _without_others(spec, ready, choice):
        step.note(note)
    few = _too_few(spec, ready, choice)
    if few and (not how.keep_going or len(few) == len(ready.targets)):
        Gathered(list(few.values())).tell()
    failed += [failed_class(ready.targets[n].name, error) for n, error in sorted(few.items())]
    keep = [n for n in range(len(ready.targets)) if n not in few]
    choice = replace(
        choice,
        classes=tuple(choice.classes[n] for n in keep),
        others=tuple(choice.others[n] for n in keep) if choice.others else (),
    )
    return spec_without(spec, few), ready_without(ready, few), choice, tuple(failed)


def _too_few(spec: Spec, ready: Ready, choice: Choice) -> dict[int, ReportError]:
    """By their numbers the classes of which too few pictures count, and the error of each."""
    found = dict[int, ReportError]()
    for number, (target, chosen) in enumerate(zip(ready.targets, choice.classes, strict=True)):
        found_on, held = map(len, in_halves(spec, chosen))
        patches, gathered = found_on * ready.workspace.grid.per_image, Gathered()
        gathered.attempt(partial(check_patches, target.name, found_on, patches, spec.concept.k, held))
        if gathered.errors:
            found[number] = gathered.errors[0]
    return found


def choice_of(
    spec: Spec,
    ready: Ready,
    step: Step,
    leave: Callable[[int, ReportError], None] | None = None,
    stages: Stages = NOTHING_KEPT,
) -> Choice:
    """The pictures of each class; how often the network is right on what was looked at is told first.

    Args: leave: as `choose` has it.
    """
    looked_at = {
        "data": spec.data.model_dump(mode="json"),
        "classes": [target.index for target in ready.targets],
        "seed": spec.runtime.seed,
        "rows": forward_of(ready).rows,
    }
    heard = Heard(step=step)
    with remembered(predictor(ready, heard), stages.stage("predictions", **looked_at), heard) as predict:
        return choose(
            ready.source,
            ready.targets,
            predict,
            ready.network.preprocess,
            select=spec.data.select,
            limit=spec.data.limit,
            pool=spec.data.pool,
            sample=spec.data.sample,
            seed=spec.runtime.seed,
            others=others_wanted(spec),
            on_batch=step.advance,
            on_looked=lambda predicted: step.note(words(accuracy(predicted, ready), looked=len(predicted))),
            leave=leave,
        )


def _control(spec: Spec, ready: Ready) -> Workspace:
    """The workspace of the network with its weights re-initialised: the same layers, rows and memory."""
    module = reinitialised(ready.network.module, seed=spec.runtime.seed)
    names = [info.name for info in ready.workspace.segments.layers]
    return ready.workspace.of(cut(module, names, ready.pictures), ready.pictures)


def slugs(names: Sequence[str]) -> tuple[str, ...]:
    """A folder name for each class: letters, digits and `-`; a number after one that is taken."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "class"
        slug, n = plain, 2
        while slug in found:
            slug, n = f"{plain}-{n}", n + 1
        found.append(slug)
    return tuple(found)


def _in_order(spec: Spec, choice: Choice) -> Choice:
    """The choice with each class's pictures as its record has them: those held out come last."""
    return replace(choice, classes=tuple(tuple(chain(*in_halves(spec, chosen))) for chosen in choice.classes))


def _class_result(
    ready: Ready,
    target: ClassTarget,
    slug: str,
    chosen: Sequence[Chosen],
    held: Sequence[Chosen],
    others: Sequence[Chosen],
    found: Findings,
    images: Images,
) -> tuple[ClassResult, dict[str, bytes]]:
    """The record of a class, with the boxes of the patches that it shows and the pictures these were cut from."""
    used = sorted({p for layer in found.layers for neuron in layer.neurons for p in neuron.concept})
    patches = tuple(ready.workspace.grid.box(p) for p in used)
    files = {number: region_bytes(chosen[number], images) for number in sorted({patch.image for patch in patches})}
    record = ClassResult(
        index=target.index,
        name=target.name,
        slug=slug,
        pictures=tuple(
            _picture(
                picture,
                ready.names,
                ready.label_names,
                files.get(number, (None, b""))[0],
                held_out=number >= len(chosen),
            )
            for number, picture in enumerate((*chosen, *held))
        ),
        candidates=found.candidates,
        patches=patches,
        layers=found.layers,
        edges=found.edges,
        masking=found.masking,
        cautions=found.cautions,
        measures=found.measures,
        edge_drops=found.edge_drops,
        not_run=found.not_run,
        claims=found.claims,
        controls=found.controls,
        two_sided=found.two_sided,
        others=tuple(picture.item.name for picture in others),
        others_digest=digest_of(picture.sha256 for picture in others) if others else "",
        census=found.census,
        edge_effects=found.edge_effects,
        certificates=found.certificates,
        labels=found.labels,
    )
    return record, dict(files.values())


def _picture(
    chosen: Chosen, logits: Sequence[str], labels: Sequence[str], file: str | None, *, held_out: bool
) -> Picture:
    """The record of a picture.

    Args: logits, labels: what the network's classes and the data's are called.
    """
    return Picture(
        name=chosen.item.name,
        label=None if chosen.label is None else labels[chosen.label],
        predicted=logits[chosen.predicted],
        width=chosen.size[0],
        height=chosen.size[1],
        region=chosen.region,
        sha256=chosen.sha256,
        file=file,
        held_out=held_out,
    )


def _run(
    spec: Spec,
    settings: RunSettings,
    ready: Ready,
    choice: Choice,
    classes: tuple[ClassEntry, ...],
    roundings: tuple[Rounding, ...],
    checked: tuple[CrossCheck, ...],
    fallbacks: Sequence[str],
    asked: Questions,
) -> Run:
    """All of the bundle that is not about one class."""
    network, segments, source = ready.network, ready.workspace.segments, ready.source
    return Run(
        **handed_on(spec),
        model=ModelInfo(
            source=network.source,
            name=network.name,
            weights=network.weights,
            parameters=network.parameters,
            outputs=segments.layers[-1].channels,
            digest=network.digest,
            preprocess=network.preprocess,
            test_accuracy=network.test_accuracy,
            notes=network.notes,
            input_notes=ready.input_notes,
        ),
        data=DataInfo(
            source=spec.data.source,
            name=source.name,
            select=spec.data.select,
            limit=spec.data.limit,
            sample=spec.data.sample,
            labels=ready.labels,
            pool=choice.pool,
            skipped=choice.skipped,
            left_out=source.left_out,
            notes=(*source.notes, *oddities(choice, ready.targets)),
            digest=choice_digest(_in_order(spec, choice)),
            holdout=spec.data.holdout,
            others=OTHERS if others_wanted(spec)(1) else 0,
        ),
        settings=_settings(spec, settings, segments),
        layers=segments.layers,
        classes=classes,
        parts=part_names(spec),
        roundings=roundings,
        cross_checks=checked,
        accuracy=accuracy(choice.predicted, ready),
        fallbacks=tuple(without_paths(note) for note in fallbacks),
        names=given_names(spec.names, {str(c): one.slug for c, one in zip(spec.classes, classes, strict=True)}),
        images=spec.report.images,
        debugging=asked.record,
        concepts=tuple(concept.record for concept in ready.concepts),
        facets=Facets(groups=spec.facets.groups, steps=spec.facets.steps) if spec.facets.groups else None,
        labels=None if ready.labeller is None else ready.labeller.record,
    )


def part_names(spec: Spec) -> tuple[str, ...]:
    """The planted parts of the data; none unless it is the demo's."""
    return DATASET.parts if spec.data.source == "demo" else ()


def _settings(spec: Spec, settings: RunSettings, segments: Segments) -> Settings:
    return Settings(
        k=settings.k,
        scales=spec.concept.scales,
        stride=spec.concept.stride,
        rule=settings.quadrature.rule,
        nodes=settings.quadrature.nodes,
        max_nodes=settings.quadrature.max_nodes,
        tolerance=settings.quadrature.tolerance,
        tau=settings.tau,
        max_semantic=settings.max_semantic,
        max_neuron=settings.max_neuron,
        taus=settings.taus,
        automatic=settings.automatic is not None,
        enough=spec.core.enough,
        false_alarms=spec.core.false_alarms,
        seed=settings.seed,
        device=segments.device.type,
        precision=settings.precision,
        preset=spec.fidelity.preset,
        controls=settings.controls,
        thresholds=settings.thresholds,
        **asdict(settings.sizes),
    )
