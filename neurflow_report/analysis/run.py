"""From a spec to a bundle, stage by stage.

1. The network, its layers, the pictures and the classes, and all else that can be checked first (preflight.py).
2. The pictures that count.
3. Each class: patches, circuit (class_circuit.py), experiments (experiments.py); the same on the control networks; in
   the demo, agreement with the planted parts.
4. The bundle, written whole at the end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from neurflow_report.analysis.accuracy import accuracy, measure, predictor, words
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.cross_check import cross_checks
from neurflow_report.analysis.experiments import Findings, examine, with_control
from neurflow_report.analysis.planted_parts import with_agreement
from neurflow_report.demo.flowers import DATASET
from neurflow_report.errors import Gathered, ReportError
from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.oddities import unusable
from neurflow_report.images.select import Choice, Chosen, choice_digest, choose, load_pixels, oddities
from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.fence import blamed
from neurflow_report.network.reinitialise import reinitialised
from neurflow_report.planning.expected import expected
from neurflow_report.planning.records import PlannedClass
from neurflow_report.progress import Progress, Step, Timed
from neurflow_report.results.bundle import write_bundle
from neurflow_report.results.given import missing, missing_told
from neurflow_report.results.records import (
    ClassEntry,
    ClassResult,
    CrossCheck,
    DataInfo,
    ModelInfo,
    Picture,
    Rounding,
    Run,
    Settings,
)
from neurflow_report.results.redact import without_paths
from neurflow_report.setup.output import output_folder, output_of
from neurflow_report.setup.precision import Taken, arithmetic, attributions_in
from neurflow_report.setup.preflight import Ready, preflight
from neurflow_report.setup.provenance import provenance
from neurflow_report.setup.settings import RunSettings
from neurflow_report.setup.stored_pictures import region_bytes
from neurflow_report.setup.workspace import Workspace, check_patches
from neurflow_report.spec.load import LoadedSpec, located
from neurflow_report.spec.names import given_names
from neurflow_report.spec.schema import Spec
from neurflow_report.time_left import Expected


def analyze(
    loaded: LoadedSpec, *, progress: Progress, also: Sequence[ReportError] = (), drawn: Sequence[str] = ()
) -> Path:
    """Run the analysis of a spec and write `<output>/bundle`.

    Args: as `analyzed`.
    Returns: that directory.
    Raises: what `analyzed` raises.
    """
    with analyzed(loaded, progress=progress, also=also, drawn=drawn) as bundle:
        return bundle


@contextmanager
def analyzed(
    loaded: LoadedSpec,
    *,
    progress: Progress,
    also: Sequence[ReportError] = (),
    drawn: Sequence[str] = (),
    formats: Sequence[str] = (),
) -> Iterator[Path]:
    """Run the analysis of a spec and write `<output>/bundle`, which is given inside: there the output folder is this
    run's alone.

    Args:
        also: what the caller found wrong already, told with all else that is wrong before anything is computed.
        drawn: the names of what is drawn from a bundle and will not be drawn anew: it is told where it is there.
        formats: what will be drawn, which the time left is to hold, too.
    Raises:
        InputError (exit code 2) with file:line:column where the spec, the model or the data is wrong.
        RunError where an activation or attribution is not finite.
    """
    with (
        _located(loaded),
        arithmetic(),
        _analyzed(loaded, Timed(progress), also, drawn, formats) as bundle,
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
    formats: Sequence[str] = (),
) -> Iterator[Path]:
    ready = preflight(loaded, progress=progress, also=also)
    output = output_of(loaded.spec)
    with output_folder(output):
        with blamed("it is examined"):
            _examine_all(loaded, ready, output, progress, drawn, formats)
        del ready  # whoever draws meanwhile needs the memory of the network
        yield output / "bundle"


def _examine_all(
    loaded: LoadedSpec, ready: Ready, output: Path, progress: Timed, drawn: Sequence[str], formats: Sequence[str]
) -> None:
    spec, network, workspace = loaded.spec, ready.network, ready.workspace
    with progress.stage("choose pictures", None) as step:
        choice = _choice(spec, ready, step)

        for note in (*unusable([(s.name, s.reason) for s in choice.skipped]), *oddities(choice, ready.targets)):
            step.note(note)
    _check_enough(spec, ready, choice)
    if progress.expecting:
        progress.expect(_expected(spec, ready, choice, formats))
    device = workspace.segments.device
    settings, asked = RunSettings.of(spec), spec.runtime.precision
    others = {name: _control(spec, ready) for name in settings.controls}
    classes, files = list[ClassResult](), dict[str, bytes]()
    taken, checked = Taken(precision=settings.precision), tuple[CrossCheck, ...]()
    for target, chosen, slug in zip(ready.targets, choice.classes, slugs([t.name for t in ready.targets]), strict=True):
        pixels = load_pixels(chosen, network.preprocess).to(device, workspace.segments.dtype)
        if not classes:
            taken = attributions_in(workspace, settings, pixels, logit=target.index, progress=progress)
            settings = replace(settings, precision=taken.precision)
        run = ClassRun(
            workspace=workspace,
            settings=settings,
            pixels=pixels,
            logit=target.index,
            name=target.name,
            progress=progress,
        )
        found = examine(run)
        checked = checked or cross_checks(run, found.layers)
        for control, other in others.items():
            # What TF32 changes was measured on the network itself.
            plain = run if settings.precision == asked else run.with_precision("float32")
            found = with_control(found, plain, other, control=control, names=ready.names)
        found = with_agreement(found, workspace.grid, chosen, part_names(spec), spec.runtime.seed)
        result, pictures = _class_result(ready, target, slug, chosen, found)
        classes.append(result)
        files |= pictures
    fallbacks = [
        *workspace.notes,
        *filter(None, [taken.note]),
        *(f"{name}: {note}" for name, other in others.items() for note in other.notes),
    ]
    record = _run(spec, settings, ready, choice, classes, taken.roundings, checked, fallbacks)
    with progress.stage("write the bundle", None) as step:
        write_bundle(
            output / "bundle",
            run=record,
            classes=classes,
            provenance=provenance(loaded, device=device, precision=settings.precision, seconds=progress.seconds),
            pictures=files,
        )
        if absent := missing(record.names, classes):
            step.note(missing_told(absent))
        if old := [name for name in drawn if os.path.lexists(output / name)]:
            are = "is" if len(old) == 1 else "are"
            draw = f"`neurflow-report render {output}` draws a report of this one"
            step.note(f"{' and '.join(old)} beside it {are} of an earlier run: {draw}")


def _expected(spec: Spec, ready: Ready, choice: Choice, formats: Sequence[str]) -> tuple[Expected, ...]:
    """The stages from here on."""
    classes = tuple(
        PlannedClass(
            name=target.name,
            index=target.index,
            pictures=len(chosen),
            patches=len(chosen) * ready.workspace.grid.per_image,
        )
        for target, chosen in zip(ready.targets, choice.classes, strict=True)
    )
    return expected(ready.workspace, spec, classes, formats)


def _check_enough(spec: Spec, ready: Ready, choice: Choice) -> None:
    """Check that enough pictures of each class count.

    Raises: InputError too-few-patches for every class of which too few do.
    """
    gathered = Gathered()
    for target, chosen in zip(ready.targets, choice.classes, strict=True):
        patches = len(chosen) * ready.workspace.grid.per_image
        gathered.attempt(partial(check_patches, target.name, len(chosen), patches, spec.concept.k))
    gathered.tell()


def _choice(spec: Spec, ready: Ready, step: Step) -> Choice:
    """The pictures of each class; how often the network is right on what was looked at is told first."""
    return choose(
        ready.source,
        ready.targets,
        predictor(ready, step),
        ready.network.preprocess,
        select=spec.data.select,
        limit=spec.data.limit,
        pool=spec.data.pool,
        sample=spec.data.sample,
        seed=spec.runtime.seed,
        on_batch=step.advance,
        on_looked=lambda predicted: step.note(words(accuracy(predicted, ready), looked=len(predicted))),
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


def _class_result(
    ready: Ready, target: ClassTarget, slug: str, chosen: Sequence[Chosen], found: Findings
) -> tuple[ClassResult, dict[str, bytes]]:
    """The record of a class, with the boxes of the patches that it shows and the pictures these were cut from."""
    used = sorted({p for layer in found.layers for neuron in layer.neurons for p in neuron.concept})
    patches = tuple(ready.workspace.grid.box(p) for p in used)
    files = {number: region_bytes(chosen[number]) for number in sorted({patch.image for patch in patches})}
    record = ClassResult(
        index=target.index,
        name=target.name,
        slug=slug,
        pictures=tuple(
            _picture(picture, ready.names, ready.label_names, files.get(number, (None, b""))[0])
            for number, picture in enumerate(chosen)
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
        census=found.census,
        edge_effects=found.edge_effects,
    )
    return record, dict(files.values())


def _picture(chosen: Chosen, logits: Sequence[str], labels: Sequence[str], file: str | None) -> Picture:
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
    )


def _run(
    spec: Spec,
    settings: RunSettings,
    ready: Ready,
    choice: Choice,
    classes: Sequence[ClassResult],
    roundings: tuple[Rounding, ...],
    checked: tuple[CrossCheck, ...],
    fallbacks: Sequence[str],
) -> Run:
    """All of the bundle that is not about one class."""
    network, segments, source = ready.network, ready.workspace.segments, ready.source
    return Run(
        title=spec.title,
        theme=spec.report.theme,
        formats=spec.report.formats,
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
            digest=choice_digest(choice),
        ),
        settings=_settings(spec, settings, segments),
        layers=segments.layers,
        classes=tuple(ClassEntry(index=c.index, name=c.name, slug=c.slug) for c in classes),
        parts=part_names(spec),
        roundings=roundings,
        cross_checks=checked,
        accuracy=accuracy(choice.predicted, ready),
        fallbacks=tuple(without_paths(note) for note in fallbacks),
        names=given_names(spec.names, {str(c): one.slug for c, one in zip(spec.classes, classes, strict=True)}),
        tiles=spec.report.tiles,
        url=spec.report.url or "",
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
        seed=settings.seed,
        device=segments.device.type,
        precision=settings.precision,
        preset=spec.fidelity.preset,
        controls=settings.controls,
        thresholds=settings.thresholds,
        **asdict(settings.sizes),
    )
