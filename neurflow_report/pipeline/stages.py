"""From a spec to a bundle, stage by stage.

1. The network: load it, cut it at the declared layers.
2. The pictures: open the source, tie its classes to logits, choose those that count.
3. Each class: patches, circuit (examine.py), experiments (evidence.py); the same on the control networks; in the demo,
   agreement with the planted parts.
4. The bundle, written whole at the end.

Everything that can be checked is checked before the first class is examined.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neurflow_report.demo.flowers import DATASET
from neurflow_report.errors import InputError, ReportError
from neurflow_report.fidelity.ledger import limits
from neurflow_report.images.classes import ClassTarget, class_indices, display_names
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.select import Choice, Chosen, choice_digest, choose, load_pixels
from neurflow_report.images.sources import Source, open_source
from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.forward import Rows, batch_rows, check_finite, memory_budget
from neurflow_report.network.load import Network, choose_device, resolved
from neurflow_report.network.reinitialise import reinitialised
from neurflow_report.network.swift import Forward
from neurflow_report.pipeline.arithmetic import arithmetic, check_precision, roundings
from neurflow_report.pipeline.evidence import Findings, examine, with_control
from neurflow_report.pipeline.examine import Bench, check_patches
from neurflow_report.pipeline.networks import example_input, load_and_cut
from neurflow_report.pipeline.pictures import region_bytes
from neurflow_report.pipeline.progress import Progress, Step
from neurflow_report.pipeline.provenance import provenance
from neurflow_report.pipeline.truth import with_agreement
from neurflow_report.results.bundle import write_bundle
from neurflow_report.results.records import (
    ClassEntry,
    ClassResult,
    DataInfo,
    ModelInfo,
    Picture,
    Rounding,
    Run,
    Settings,
)
from neurflow_report.spec.load import LoadedSpec, located
from neurflow_report.spec.presets import sizes
from neurflow_report.spec.schema import Spec


def analyze(loaded: LoadedSpec, *, progress: Progress) -> Path:
    """Run the analysis of a spec and write `<output>/bundle`; → that directory.

    Raises: InputError (exit code 2) with file:line:column where the spec, the model or the data is wrong;
    RunError where an activation or attribution is not finite.
    """
    try:
        with arithmetic(loaded.spec.runtime.precision):
            return _analyze(loaded, _Timed(progress))
    except ReportError as error:
        raise located(error, loaded) from error


@dataclass
class _Timed:
    """A progress that also adds up the wall time of each kind of stage (what stands after a class's name)."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:
        kind = name.rpartition(": ")[2]
        begun = self.clock()
        try:
            with self.progress.stage(name, total) as step:
                yield step
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + self.clock() - begun


def _analyze(loaded: LoadedSpec, progress: _Timed) -> Path:
    spec, base = loaded.spec, loaded.file.resolve().parent
    output = Path(os.path.expanduser(spec.output))  # noqa: PTH111
    with output_folder(output):
        _examine_all(loaded, spec, base, output, progress)
    return output / "bundle"


def _examine_all(loaded: LoadedSpec, spec: Spec, base: Path, output: Path, progress: _Timed) -> None:
    device = choose_device(spec.runtime.device)
    check_precision(spec, device)
    with progress.stage("load the network", None):
        network, segments = load_and_cut(loaded, device)
    with progress.stage("choose pictures", None) as step:
        source, targets, choice = _pictures(spec, base, network, segments, step)
        for skipped in choice.skipped:
            step.note(f"skipped {skipped.name}: {skipped.reason}")
    bench = _bench(spec, network, segments, choice, targets)
    others = {name: _control(spec, network, bench) for name in spec.fidelity.controls}
    names = display_names(network.class_names, source.class_names, segments.layers[-1].channels)
    classes, files, rounded = [], dict[str, bytes](), tuple[Rounding, ...]()
    for target, chosen, slug in zip(targets, choice.classes, slugs([t.name for t in targets]), strict=True):
        pixels = load_pixels(chosen, network.preprocess).to(device, segments.dtype)
        rounded = rounded or roundings(bench, spec, pixels, logit=target.index)
        found = examine(bench, spec, pixels, logit=target.index, name=target.name, progress=progress)
        for control, other in others.items():
            found = with_control(
                found, other, spec, pixels, control=control, name=target.name, names=names, progress=progress
            )
        found = with_agreement(found, bench.grid, chosen, part_names(spec), spec.runtime.seed)
        record, pictures = _class_result(bench, network, source, target, slug, chosen, found)
        classes.append(record)
        files |= pictures
    run = _run(spec, network, segments, source, choice, classes, rounded)
    with progress.stage("write the bundle", None):
        write_bundle(
            output / "bundle",
            run=run,
            classes=classes,
            provenance=provenance(loaded, device=device, seconds=progress.seconds),
            pictures=files,
        )


@contextmanager
def output_folder(output: Path) -> Iterator[None]:
    """The output folder is there inside; where the block fails, the folders that were made for it are gone again.

    Raises: InputError output-unwritable.
    """
    made = [folder for folder in (output, *output.parents) if not os.path.lexists(folder)]
    check_writable(output)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise


def check_writable(output: Path) -> None:
    """Raises InputError output-unwritable unless the output folder is there, or can be made, and takes a file."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except (OSError, ValueError) as error:
        raise InputError(
            "output-unwritable",
            f"the output folder {output} cannot be written: {getattr(error, 'strerror', None) or error}",
            hint="name a folder that you may write to",
            path=("output",),
        ) from error


def open_pictures(spec: Spec, base: Path, network: Network, outputs: int) -> tuple[Source, tuple[ClassTarget, ...]]:
    """The spec's pictures, and its classes as logits. Raises what `open_source` and `class_indices` raise."""
    root = None if spec.data.root is None else resolved(base, spec.data.root)
    source = open_source(
        source=spec.data.source,
        name=spec.data.name,
        root=root,
        split=spec.data.split,
        file=None if spec.data.file is None else resolved(base, spec.data.file),
        path_column=spec.data.path_column,
        label_column=spec.data.label_column,
    )
    targets = class_indices(
        spec.classes,
        model_names=network.class_names,
        folder_names=source.class_names,
        outputs=outputs,
    )
    return source, targets


def _pictures(
    spec: Spec, base: Path, network: Network, segments: Segments, step: Step
) -> tuple[Source, tuple[ClassTarget, ...], Choice]:
    source, targets = open_pictures(spec, base, network, segments.layers[-1].channels)
    example = example_input(network, segments.device, segments.dtype)
    most = batch_rows(segments, memory_budget(spec.runtime.memory, segments.device), example)
    forward, top = Forward.of(segments, example, most=most), len(segments.layers) - 1
    rows = Rows(most=forward.rows, note=step.note)

    @torch.no_grad()
    def predict(batch: Tensor) -> np.ndarray:
        inputs = batch.to(segments.device, segments.dtype)
        logits = rows.attempt(lambda n: torch.cat([forward.activations(top, part) for part in torch.split(inputs, n)]))
        check_finite(logits, segments.layers[-1].name)
        found: np.ndarray = logits.argmax(dim=1).cpu().numpy()
        return found

    choice = choose(
        source,
        targets,
        predict,
        network.preprocess,
        select=spec.data.select,
        limit=spec.data.limit,
        pool=spec.data.pool,
        on_batch=step.advance,
    )
    return source, targets, choice


def _bench(spec: Spec, network: Network, segments: Segments, choice: Choice, targets: Sequence[ClassTarget]) -> Bench:
    """The bench, once it is clear that every class has enough patches."""
    grid = PatchGrid(size=network.preprocess.size, scales=spec.concept.scales, stride=spec.concept.stride)
    for target, chosen in zip(targets, choice.classes, strict=True):
        check_patches(target.name, len(chosen), len(chosen) * grid.per_image, spec.concept.k)
    budget = memory_budget(spec.runtime.memory, segments.device)
    return Bench.set_up(segments, grid, budget, example_input(network, segments.device, segments.dtype))


def _control(spec: Spec, network: Network, bench: Bench) -> Bench:
    """The bench of the network with its weights re-initialised: the same layers, rows and memory."""
    module = reinitialised(network.module, seed=spec.runtime.seed)
    names = [info.name for info in bench.segments.layers]
    example = example_input(network, bench.segments.device, bench.segments.dtype)
    segments = cut(module, names, example)
    return replace(bench, segments=segments, forward=Forward.of(segments, example, most=bench.forward_rows))


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
    bench: Bench,
    network: Network,
    source: Source,
    target: ClassTarget,
    slug: str,
    chosen: Sequence[Chosen],
    found: Findings,
) -> tuple[ClassResult, dict[str, bytes]]:
    """The record of a class, with the boxes of the patches that it shows and the pictures these were cut from."""
    used = sorted({p for layer in found.layers for neuron in layer.neurons for p in neuron.concept})
    patches = tuple(bench.grid.box(p) for p in used)
    names = display_names(network.class_names, source.class_names, bench.segments.layers[-1].channels)
    files = {number: region_bytes(chosen[number]) for number in sorted({patch.image for patch in patches})}
    record = ClassResult(
        index=target.index,
        name=target.name,
        slug=slug,
        pictures=tuple(
            _picture(picture, names, source.class_names, files.get(number, (None, b""))[0])
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
    )
    return record, dict(files.values())


def _picture(chosen: Chosen, logits: Sequence[str], labels: Sequence[str], file: str | None) -> Picture:
    """The record of a picture; `logits` and `labels`: the names of the network's classes and of the data's."""
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
    network: Network,
    segments: Segments,
    source: Source,
    choice: Choice,
    classes: Sequence[ClassResult],
    rounded: tuple[Rounding, ...],
) -> Run:
    """All of the bundle that is not about one class."""
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
        ),
        data=DataInfo(
            source=spec.data.source,
            name=source.name,
            select=spec.data.select,
            limit=spec.data.limit,
            pool=choice.pool,
            skipped=choice.skipped,
            digest=choice_digest(choice),
        ),
        settings=_settings(spec, segments),
        layers=segments.layers,
        classes=tuple(ClassEntry(index=c.index, name=c.name, slug=c.slug) for c in classes),
        parts=part_names(spec),
        roundings=rounded,
    )


def part_names(spec: Spec) -> tuple[str, ...]:
    """The planted parts of the data; none unless it is the demo's."""
    return DATASET.parts if spec.data.source == "demo" else ()


def _settings(spec: Spec, segments: Segments) -> Settings:
    return Settings(
        k=spec.concept.k,
        scales=spec.concept.scales,
        stride=spec.concept.stride,
        rule=spec.attribution.rule,
        nodes=spec.attribution.nodes,
        max_nodes=spec.attribution.max_nodes,
        tolerance=spec.attribution.tolerance,
        tau=spec.core.tau,
        max_semantic=spec.groups.max_semantic,
        max_neuron=spec.groups.max_neuron,
        taus=spec.fidelity.taus or (spec.core.tau,),
        seed=spec.runtime.seed,
        device=segments.device.type,
        precision=spec.runtime.precision,
        preset=spec.fidelity.preset,
        controls=spec.fidelity.controls,
        thresholds=limits(spec.fidelity.thresholds.model_dump()),
        **asdict(sizes(spec.fidelity)),
    )
