"""The public Python API: `build` = `analyze` (spec → bundle), then `render` (bundle → site, PDF, single file)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neurflow_report.drawing.write.atomic_write import drawn
from neurflow_report.drawing.write.needs import APPENDIX, EVERY, check_places, drawing_problems, places
from neurflow_report.drawing.write.templates import check_templates, template_problems
from neurflow_report.errors import CheckError, Gathered, InputError, ReportError, RunError, Where
from neurflow_report.progress import Progress, Silent
from neurflow_report.results.bundle import Bundle, read_bundle, read_run, write_bundle
from neurflow_report.results.cache import Cache
from neurflow_report.results.cache import folder as folder_of_cache
from neurflow_report.results.epoch import importing, source_date
from neurflow_report.results.format import FORMAT_VERSION
from neurflow_report.results.records import Debugged, Run, Unexplained
from neurflow_report.results.shard import Part, failed_told, merged, read_shard, shards_in, write_merged
from neurflow_report.setup.output import mended, output_folder, output_of
from neurflow_report.spec.load import LoadedSpec, located
from neurflow_report.spec.names import FILE, read_names, with_names

if TYPE_CHECKING:
    from neurflow_report.comparison.records import Comparison
    from neurflow_report.packing.archive import Archived
    from neurflow_report.planning.records import Plan
    from neurflow_report.setup.layer_listing import Tree
    from neurflow_report.verification.findings import Verified


DOWNLOADS = {
    "report.pdf": "Report (PDF)",
    "appendix.pdf": "Appendix (PDF)",
    "report.html": "Report (one HTML file)",
}
"""What else is drawn, and how the site's overview calls it."""
ASIDE = 300
"""Neurons of all classes from which the appendix is set in a process of its own, beside the rest."""
LARGE = 25_000_000
"""Bytes from which a file is hard to mail: the writer of the report is told what to change."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What was drawn: where (None: not asked for), how many pages and bytes in all, and in how many seconds."""

    site: Path | None
    pdf: Path | None
    single: Path | None = None
    appendix: Path | None = None
    pages: int
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A section of a model card, as Markdown; whether its file is now another, or was none before; the figures by flat
    names."""

    text: str
    changed: bool
    created: bool
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two bundles compared.

    Attributes:
        lines: the findings in sentences, what matters most first.
        figures: under flat names, such as `core_overlap[bee/layer3]`.
        met: the conditions that are met, each with where.
        page, pdf, data: diff.html, diff.pdf and diff.json, where they were asked for.
    """

    comparison: Comparison
    lines: tuple[str, ...]
    figures: dict[str, float]
    met: tuple[CheckError, ...] = ()
    page: Path | None = None
    pdf: Path | None = None
    data: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Why pictures are taken for what they are taken for.

    Attributes:
        lines: the same in words.
        pictures: those explained, by the slug of the class whose circuit explains them.
        unexplained: those that no circuit explains.
        bundle, site: what was written, where it was asked for.
    """

    lines: tuple[str, ...]
    pictures: dict[str, tuple[Debugged, ...]]
    unexplained: tuple[Unexplained, ...]
    bundle: Path | None = None
    site: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Built:
    """A bundle, what was drawn from it, and in how many seconds all that was done."""

    bundle: Path
    rendered: Rendered
    seconds: float


def analyze(
    loaded: LoadedSpec,
    *,
    progress: Progress | None = None,
    jobs: int = 1,
    force: bool | str = False,
    wait: bool = False,
    keep_going: bool = False,
) -> Path:
    """Run the spec's analysis and write `<output>/bundle`.

    Args:
        jobs: processes that share the classes, where the run is on a processor (a script that asks for more than one
            needs `if __name__ == "__main__"`, as multiprocessing does).
        force: take nothing from what earlier runs kept; or, with a stage's name, nothing of that stage
            (docs/scale.md).
        wait: where another run has the output folder, wait until it is done.
        keep_going: a class that fails (no pictures, too few, NaN) loses no other: when all is written, it is told.
    Returns: that directory.
    Raises:
        RunError class-failed where it kept going; the bundle, of the other classes, is there then.
        InputError where the spec, the model or the data is wrong (InputErrors with all that could be checked).
        RunError where the run fails.
        InputError missing-package where torch is not installed, command-line where there is no such stage.
    """
    with importing():
        from neurflow_report.analysis.run import How
        from neurflow_report.analysis.run import analyze as run

    how = How.of(force, wait=wait, keep_going=keep_going)
    bundle = run(loaded, progress=progress or Silent(), drawn=EVERY, jobs=jobs, how=how)
    _tell_failed(read_run(bundle))
    return bundle


def analyze_shard(
    loaded: LoadedSpec,
    part: Part,
    *,
    progress: Progress | None = None,
    force: bool | str = False,
    keep_going: bool = False,
) -> Path:
    """Run the spec's analysis of one shard of its classes, as one of several processes or machines; `merge` makes the
    bundle. The bytes of a bundle are the same however many shards there are.

    Args: force, keep_going: as `analyze` has them.
    Returns: the file `<output>/shard-<i>-of-<n>.shard`.
    Raises: what `analyze` raises.
    """
    with importing():
        from neurflow_report.analysis.run import How
        from neurflow_report.analysis.run import analyze_shard as run

    how = How.of(force, keep_going=keep_going)
    shard = run(loaded, part, progress=progress or Silent(), how=how)
    if keep_going:
        _tell_failed(read_shard(shard).run)
    return shard


def _tell_failed(run: Run) -> None:
    """Raises: RunError class-failed where classes failed, when all else is done."""
    if run.failed:
        hint = "what was written is of the other classes, and says so; the same command tries these again"
        lost = {one.slug for one in run.failed}
        others = sum(entry.slug not in lost for entry in run.classes)  # a shard's record has all classes
        raise RunError("class-failed", failed_told(run.failed, others), hint=hint)


def merge(shards: Sequence[Path], *, output: Path | None = None, progress: Progress | None = None) -> Path:
    """Write `<output>/bundle` from shards of one spec. It needs no torch, model or data.

    Args:
        shards: files that `analyze_shard` wrote, or folders with them.
        output: default the folder of the first.
    Returns: the bundle's directory.
    Raises:
        InputError shard-missing, shard-damaged, shard-mismatch, shard-incomplete, output-unwritable.
    """
    progress = progress or Silent()
    files = shards_in(shards)
    with progress.stage("read the shards", len(files)) as step:
        found = []
        for file in files:
            found.append(read_shard(file))
            step.advance(1)
    together, output = merged(found), output or files[0].parent
    with output_folder(output), progress.stage("write the bundle", None) as step:
        write_merged(output / "bundle", together, step.note, EVERY)
    _tell_failed(together.run)
    return output / "bundle"


def check(loaded: LoadedSpec, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Check all that `build` can check before it looks at the pictures: the model, its layers, the classes, the data,
    memory, disk, packages and programs. Nothing is written.

    Returns: what should be known though it is not wrong.
    Raises: what `build` raises then, all of it at once.
    """
    with importing():
        from neurflow_report.analysis.run import check as run

    return run(loaded, progress=progress or Silent(), also=_drawing_problems(loaded))


def plan(
    loaded: LoadedSpec, *, timed: bool = True, within: float | None = None, progress: Progress | None = None
) -> Plan:
    """What `analyze` would do with the spec, and what it would cost; nothing is written.

    Args:
        timed: whether to measure for some seconds.
        within: seconds that sizes are to fit, for which it is `timed`.
    Raises: InputError as `check` does.
    """
    with importing():
        from neurflow_report.planning.plan import plan as make

    timed = timed or within is not None
    return make(loaded, timed=timed, within=within, progress=progress or Silent(), also=_drawing_problems(loaded))


def explain(
    loaded: LoadedSpec,
    bundle: Path,
    pictures: Sequence[str],
    *,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Explained:
    """Why pictures are taken for what they are taken for, by the circuits of a bundle; with `output`, write
    `<output>/bundle` and `<output>/site`, which show them, too.

    Args:
        loaded: the spec of the bundle's run, its model and data at hand.
        pictures: paths, or names of pictures of the spec's data.
    Raises:
        InputError bundle-missing, bundle-damaged, bundle-version (also where one to be written is made of an older
            format), bundle-other, picture-unreadable, output-unwritable.
        What `check` raises.
    """
    with importing():
        from neurflow_report.analysis.explaining import explain_pictures
    from neurflow_report.drawing.view import index_of
    from neurflow_report.drawing.view.text.causes import lines

    progress = progress or Silent()
    source = read_bundle(bundle)
    if output is not None:
        _check_outside(output, source.root)
        _check_format(source)
    try:
        found = explain_pictures(loaded, source, pictures, progress=progress)
    except ReportError as error:
        raise located(error, loaded) from error
    run, classes = found.bundle.run, found.bundle.classes
    told = [line for result in classes for one in result.debugged for line in lines(index_of(run, result), one)]
    result = Explained(
        lines=(*told, *(f"{one.name}: not explained: {one.reason}" for one in found.unexplained)),
        pictures={one.slug: one.debugged for one in classes if one.debugged},
        unexplained=found.unexplained,
    )
    if output is None:
        return result
    kept = {file: source.picture_bytes(file) for file in source.pictures()} | found.pictures
    with output_folder(output):
        written = write_bundle(
            output / "bundle", run=run, classes=classes, provenance=source.manifest.provenance, pictures=kept
        )
    drawn_too = render(written.root, output=output, formats=["html"], progress=progress)
    return replace(result, bundle=written.root, site=drawn_too.site)


def _check_format(bundle: Bundle) -> None:
    """Check that a bundle written from this one's records is what it says.

    Raises: InputError bundle-version.
    """
    if bundle.manifest.format_version < FORMAT_VERSION:
        found = bundle.manifest.format_version
        message = f"the bundle has format {found}; what is written with --output has {FORMAT_VERSION}"
        hint = "make the bundle again with `analyze`, or leave out --output to read the explanation only"
        raise InputError("bundle-version", message, hint=hint, where=Where(file=str(bundle.root)))


def layers(loaded: LoadedSpec) -> Tree:
    """Where the spec's network can be cut, as `neurflow-report layers` shows it.

    Raises: InputError as loading does.
    """
    with importing():
        from neurflow_report.setup.layer_listing import layers_of_spec

    return layers_of_spec(loaded)


def render(
    bundle: Path,
    *,
    output: Path | None = None,
    formats: Sequence[str] | None = None,
    templates: Path | None = None,
    attach_bundle: bool | None = None,
    names: Path | Literal[False] | None = None,
    appendix: bool | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """Draw a bundle: `<output>/site` (html), `report.pdf` and `appendix.pdf` (pdf), `report.html` (single).

    It needs no torch, model or data. All of it is put in its place together, or none.

    Args:
        output: default the folder that holds the bundle.
        formats, attach_bundle, appendix: default what the spec asked for.
        templates: a directory searched before the package's own templates.
        names: a file with names by hand, which count before those of the spec; default `names.yaml` in the folder that
            holds the bundle, where there is one; False: without any names by hand.
    Raises:
        InputError environment-bad-value, bundle-missing, bundle-damaged, bundle-version, output-unwritable (or
            InputErrors, for all that is in the way; then nothing is drawn), template-broken, names-file.
        RunError graphviz-missing.
    """
    progress = progress or Silent()
    begun = time.monotonic()
    source_date()
    check_templates(templates)
    for folder in (bundle, bundle.parent):
        mended(folder)
    found = read_bundle(bundle)
    found = _named(found, names, progress)
    output = output or found.root.parent
    _check_outside(output, found.root)
    attach = _asked(found, "attach_bundle", usual=False) if attach_bundle is None else attach_bundle
    append = _asked(found, "appendix", usual=True) if appendix is None else appendix
    wanted = places(output, formats or found.run.formats, appendix=append)
    with template_problems(templates), output_folder(output):
        check_places(wanted)
        with drawn(output, [path.name for path in wanted.values()]) as fresh:
            staged = {name: fresh / path.name for name, path in wanted.items()}
            pages, size = _draw(found, staged, templates, attach, progress)
            check_places(wanted)  # a file may have come there meanwhile
    return Rendered(
        site=wanted.get("html"),
        pdf=wanted.get("pdf"),
        single=wanted.get("single"),
        appendix=wanted.get("appendix"),
        pages=pages,
        bytes=size,
        seconds=time.monotonic() - begun,
    )


def _named(found: Bundle, names: Path | Literal[False] | None, progress: Progress) -> Bundle:
    """The bundle with the names by hand that are asked for.

    Raises: InputError names-file.
    """
    if names is False:
        return replace(found, run=found.run.model_copy(update={"names": ()}))
    file = names or found.root.parent / FILE
    if names is None and not os.path.lexists(file):
        return found
    with progress.stage("read the names", None) as step:
        given, told = read_names(file, found.run, found.classes, strict=names is not None)
        if names is None:
            step.note(f"{FILE} beside the bundle: {len(given)} names by hand (--no-names leaves them out)")
        for text in told:
            step.note(text)
    return replace(found, run=found.run.model_copy(update={"names": with_names(found.run.names, given)}))


def _check_outside(output: Path, bundle: Path) -> None:
    """Check that the output folder is not the bundle's own, nor in it.

    Raises: InputError output-unwritable otherwise.
    """
    if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(bundle)):
        message = f"the output folder {output} is the bundle itself, or lies in it, and a bundle holds nothing else"
        raise InputError("output-unwritable", message, hint="choose another folder, such as the one around the bundle")


def _draw(
    found: Bundle,
    wanted: Mapping[str, Path],
    templates: Path | None,
    attach: bool,
    progress: Progress,
) -> tuple[int, int]:
    """Write what is wanted.

    Returns: the pages of the site and the bytes of all.
    """
    with _appendix_aside(found, wanted, templates) as later:
        return _draw_all(found, wanted, templates, attach, progress, later)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """The appendix, drawn: its pages, and what is to be noted."""

    pages: int
    notes: tuple[str, ...]


@contextmanager
def _appendix_aside(
    found: Bundle, wanted: Mapping[str, Path], templates: Path | None
) -> Iterator[Callable[[], _Told] | None]:
    """The appendix begun in another process, where that is worth it; None where it is not."""
    from neurflow_report.drawing.write.aside import aside

    neurons = sum(len(layer.neurons) for result in found.classes for layer in result.layers)
    if "appendix" not in wanted or len(wanted) < 3 or neurons < ASIDE or (os.cpu_count() or 1) < 2:
        yield None
        return
    with aside(_draw_appendix, found, wanted["appendix"], templates) as result:
        yield result


def _draw_appendix(found: Bundle, target: Path, templates: Path | None) -> _Told:
    from neurflow_report.drawing.write.pdf import render_appendix

    notes = list[str]()
    with template_problems(templates):
        pages = render_appendix(found, target, templates=templates, on_note=notes.append)
    return _Told(pages=pages, notes=tuple(notes))


def _draw_all(
    found: Bundle,
    wanted: Mapping[str, Path],
    templates: Path | None,
    attach: bool,
    progress: Progress,
    later: Callable[[], _Told] | None,
) -> tuple[int, int]:
    """The same; `later` waits for the appendix where it is drawn meanwhile."""
    from neurflow_report.drawing.write.pdf import render_pdf
    from neurflow_report.drawing.write.single_file import render_single
    from neurflow_report.drawing.write.site import render_site

    pages = size = 0

    def appendix() -> None:
        nonlocal size
        with progress.stage("draw the appendix", None) as step:
            told = later() if later is not None else _draw_appendix(found, wanted["appendix"], templates)
            for text in told.notes:
                step.note(text)
            one = wanted["appendix"].stat().st_size
            step.note(f"{told.pages:,} pages; {_size_told(one, APPENDIX)}")
            size += one

    if "single" in wanted:
        with progress.stage("draw the single file", None) as step:
            one = render_single(
                found, wanted["single"], templates=templates, on_page=lambda _done, _all: step.advance()
            )
            step.note(_size_told(one, "report.html"))
            size += one
    if "pdf" in wanted:
        with progress.stage("draw the PDF", None) as step:
            number = render_pdf(
                found, wanted["pdf"], templates=templates, attach_bundle=attach, on_note=lambda text: step.note(text)
            )
            one = wanted["pdf"].stat().st_size
            step.note(f"{number:,} pages; {_size_told(one, 'report.pdf')}")
            size += one
    if "appendix" in wanted and later is None:
        appendix()
    if "html" in wanted:
        with progress.stage("draw the site", None) as step:
            summary = render_site(
                found,
                wanted["html"],
                templates=templates,
                on_page=lambda _done, _all: step.advance(),
                downloads=_downloads(wanted),
                on_note=lambda text: step.note(text),
                before_downloads=appendix if later is not None else lambda: None,
            )
            pages = summary.pages
            size += summary.bytes
    return pages, size


def _size_told(size: int, name: str) -> str:
    """How large a file is, and what to change where it is hard to mail."""
    told = f"{name} has {size / 1e6:.1f} MB"
    if size <= LARGE:
        return told
    return (
        f"{told}, over {LARGE / 1e6:.0f} MB: to make it smaller, examine fewer classes or layers at a time, or set a "
        "smaller data.limit, core.tau or groups.max_neuron"
    )


def _asked(bundle: Bundle, key: str, *, usual: bool) -> bool:
    """Whether the spec that the bundle was made from asked for what `report.<key>` says; `usual` where it is silent."""
    report = bundle.manifest.provenance.spec_resolved.get("report")
    asked = report.get(key) if isinstance(report, Mapping) else None
    return asked if isinstance(asked, bool) else usual


def _downloads(wanted: Mapping[str, Path]) -> dict[str, Path]:
    """What is drawn beside the site, and is to be in it as well: a site that is moved takes it along."""
    drawn_too = {path.name: path for path in wanted.values()}
    return {label: drawn_too[name] for name, label in DOWNLOADS.items() if name in drawn_too}


def verify(
    path: Path,
    *,
    templates: Path | None = None,
    names: Path | Literal[False] | None = None,
    attach_bundle: bool | None = None,
    loaded: LoadedSpec | None = None,
    recompute: int = 0,
    progress: Progress | None = None,
) -> Verified:
    """Look whether a bundle, a report's folder or an archive is what it says: digests, records, what follows from them,
    and what is drawn from them, drawn again. Nothing of it is trusted, and all is written into a folder of our own.

    Args:
        templates, names, attach_bundle: those that the report was drawn with, as in `render`.
        loaded: the spec of the run, with its model and data at hand, to compute some of it anew.
        recompute: how many neurons, how many tests of F1, and how many of the other experiments at a layer are
            computed anew.
    Raises:
        InputError bundle-missing, bundle-version, environment-bad-value, template-broken.
        What `analyze` raises, where some is computed anew.
    """
    from neurflow_report.verification.findings import Recomputed
    from neurflow_report.verification.verify import verify as look

    source_date()
    check_templates(templates)

    def draw(bundle: Path, output: Path, formats: Sequence[str], append: bool) -> None:
        render(
            bundle,
            output=output,
            formats=formats,
            templates=templates,
            attach_bundle=attach_bundle,
            names=names,
            appendix=append,
        )

    def again(bundle: Bundle) -> Recomputed:
        assert loaded is not None  # noqa: S101 it is asked for then alone
        with importing():
            from neurflow_report.analysis.anew import anew, sample_of, told

        try:
            found = tuple(anew(loaded, bundle, recompute, progress=progress or Silent()))
        except ReportError as error:
            raise located(error, loaded) from error
        looked_at, passed_over = told(bundle, sample_of(bundle, recompute))
        return Recomputed(found=found, looked_at=looked_at, passed_over=passed_over)

    asked = loaded is not None and recompute > 0
    return look(path, draw=draw, again=again if asked else None, progress=progress)


def archive(report: Path, target: Path | None = None, *, progress: Progress | None = None) -> Archived:
    """Pack a report's folder, bundle and site, into one zip; the same files give the same bytes.

    Args: target: default the folder's name with .zip, beside it.
    Raises: InputError bundle-missing, bundle-damaged, bundle-version, report-missing, output-unwritable.
    """
    from neurflow_report.packing.archive import archive as pack

    return pack(report, target, progress=progress)


def card(bundle: Path, *, into: Path | None = None, section: str = "report") -> ModelCard:
    """What a model card says of a report, put into the file `into` between two markers; all else in it stays.

    Args:
        bundle: a bundle, a folder that holds bundle/, or an archive, beside which no picture can be had.
        section: its name, where a file has several.
    Raises: InputError bundle-missing, bundle-damaged, bundle-version, archive-changed, card-file.
    """
    from neurflow_report.drawing.write import model_card
    from neurflow_report.packing.opened import opened
    from neurflow_report.results.metrics import metrics

    if not model_card.NAME.fullmatch(section):
        message = f"the section's name is {section[:60]!r}, and letters a-z, digits and - were expected"
        raise InputError("card-file", message, hint="leave it out where the file has one report")
    with opened(bundle) as found:
        text = model_card.section(found, into)
        created = into is not None and not os.path.lexists(into)
        changed = into is not None and model_card.write_section(into, text, section)
        return ModelCard(text=text, changed=changed, created=created, metrics=metrics(found))


def diff(
    then: Path,
    now: Path,
    *,
    output: Path | None = None,
    formats: Sequence[str] = ("html", "pdf"),
    same_network: bool = False,
    fail_if: Sequence[str] = (),
    progress: Progress | None = None,
) -> Compared:
    """Compare two bundles; with `output`, write `<output>/diff.html`, `diff.pdf` and `diff.json`. It needs no torch,
    model or data.

    Args:
        then, now: bundles, folders that hold bundle/, or archives.
        formats: what is written beside diff.json.
        same_network: neurons are the same by their channels, though the weights differ.
        fail_if: conditions on the figures (docs/diff.md); those that are met are told in `Compared.met`.
    Raises:
        InputError bundle-missing, bundle-damaged, bundle-version, archive-changed, condition-bad, output-unwritable,
            missing-package where there is to be a PDF, and WeasyPrint or its libraries are not installed.
        ModuleNotFoundError where neurons are matched by their activations, and SciPy is not installed.
    """
    from neurflow_report.comparison.compare import compare
    from neurflow_report.comparison.conditions import met, parse
    from neurflow_report.comparison.figures import figures, flat
    from neurflow_report.comparison.told import findings
    from neurflow_report.packing.opened import opened

    progress, conditions = progress or Silent(), Gathered()
    asked = [conditions.attempt(partial(parse, text)) for text in fail_if]
    conditions.tell()
    with ExitStack() as stack:
        bundles = list[Bundle]()
        with progress.stage("read the bundles", 2) as step:
            for place in (then, now):
                bundles.append(stack.enter_context(opened(place)))
                step.advance(1)
        with progress.stage("compare them", None):
            found = compare(bundles[0], bundles[1], same_network=same_network)
        values, names = figures(found), {one.slug: one.name for one in found.classes}
        judged = Gathered()
        told = [judged.attempt(partial(met, one, values, names)) for one in asked if one is not None]
        judged.tell()
        result = Compared(
            comparison=found,
            lines=tuple(one.text for one in findings(found)),
            figures=flat(values),
            met=tuple(one for one in told if one is not None),
        )
        return result if output is None else _written(result, bundles[0], bundles[1], output, formats, progress)


def _written(
    result: Compared, then: Bundle, now: Bundle, output: Path, formats: Sequence[str], progress: Progress
) -> Compared:
    """The comparison with its files.

    Raises: InputError output-unwritable, missing-package.
    """
    from neurflow_report.drawing.write import diff_page

    for bundle in (then, now):
        _check_outside(output, bundle.root)
    with output_folder(output):
        diff_page.check_diff_free(output)
        contents = {diff_page.DATA: diff_page.data(result.comparison, result.lines, result.figures)}
        if "html" in formats:
            with progress.stage("draw the comparison", None):
                contents[diff_page.PAGE] = diff_page.page(result.comparison, then, now)
        if "pdf" in formats:
            with progress.stage("draw its PDF", None) as step:
                contents[diff_page.PDF] = diff_page.printed(result.comparison, then, now, on_note=step.note)
        with progress.stage("write the comparison", None) as step:
            diff_page.write_diff(output, contents)
            for name in (diff_page.PAGE, diff_page.PDF):
                if name not in contents and os.path.lexists(output / name):
                    step.note(f"{name} beside it is of an earlier comparison")
    places = {name: output / name for name in contents}
    return replace(
        result, page=places.get(diff_page.PAGE), pdf=places.get(diff_page.PDF), data=places.get(diff_page.DATA)
    )


def build(
    loaded: LoadedSpec,
    *,
    progress: Progress | None = None,
    jobs: int = 1,
    force: bool | str = False,
    wait: bool = False,
    keep_going: bool = False,
) -> Built:
    """`analyze`, then `render` into the same output folder; what stands there already as it would be, is left.

    Args: jobs, force, wait, keep_going: as `analyze` has them.
    Raises: what both raise; before anything is computed, all that `check` raises.
    """
    with importing():
        from neurflow_report.analysis.run import How, analyzed

    begun, progress = time.monotonic(), progress or Silent()
    try:
        wanted = _wanted(loaded)
        others = tuple(file for file in EVERY if file not in {path.name for path in wanted.values()})
        with (
            analyzed(
                loaded,
                progress=progress,
                also=_drawing_problems(loaded),
                drawn=others,
                formats=tuple(wanted),
                jobs=jobs,
                how=How.of(force, wait=wait, keep_going=keep_going),
            ) as bundle,
            _left_noted(bundle.parent),
        ):
            rendered = _rendered(loaded, bundle, wanted, progress, force=force is True)
        _tell_failed(read_run(bundle))
    except ReportError as error:
        raise located(error, loaded) from error
    return Built(bundle=bundle, rendered=rendered, seconds=time.monotonic() - begun)


def _rendered(
    loaded: LoadedSpec, bundle: Path, wanted: Mapping[str, Path], progress: Progress, *, force: bool
) -> Rendered:
    """`render`, unless what it would draw stands there already."""
    from neurflow_report.drawing.write.redrawn import Redrawn

    begun, kept = time.monotonic(), folder_of_cache(loaded.spec.runtime.cache)
    redrawn = None
    if kept is not None:
        names, attach = bundle.parent / FILE, loaded.spec.report.attach_bundle
        redrawn = Redrawn.of(Cache(folder=kept), bundle, wanted, _templates(loaded), names, attach)
    if redrawn is not None and not force and (told := redrawn.there()) is not None:
        with progress.stage("draw the report", None) as step:
            step.note("it is there already, drawn from this bundle by this program")
        return Rendered(
            site=wanted.get("html"),
            pdf=wanted.get("pdf"),
            single=wanted.get("single"),
            appendix=wanted.get("appendix"),
            pages=int(told["pages"]),
            bytes=int(told["bytes"]),
            seconds=time.monotonic() - begun,
        )
    rendered = render(bundle, templates=_templates(loaded), progress=progress)
    if redrawn is not None:
        with suppress(OSError):  # then it is drawn again the next time
            redrawn.keep({"pages": rendered.pages, "bytes": rendered.bytes}, loaded.spec.title)
    return rendered


@contextmanager
def _left_noted(output: Path) -> Iterator[None]:
    """What ends the block gets a note on what is now in the output folder, where the bundle is new already."""
    before = _drawn_in(output)
    try:
        yield
    except BaseException as error:
        error.add_note(_left(output, before))
        raise


def _left(output: Path, before: Mapping[str, int]) -> str:
    now = _drawn_in(output)
    if now != before:
        return "the bundle is of this run, and so is what is drawn from it"
    command = f"`neurflow-report render {output}`"
    if not now:
        return f"the bundle is whole: {command} draws the report from it"
    are = "is" if len(now) == 1 else "are"
    old = f"{' and '.join(now)} beside it {are} of an earlier one"
    return f"the bundle is of this run, and {old}: {command} draws the report anew"


def _drawn_in(output: Path) -> dict[str, int]:
    """What is drawn there, and which it is: a new one has another number."""
    return {name: (output / name).lstat().st_ino for name in EVERY if os.path.lexists(output / name)}


def _drawing_problems(loaded: LoadedSpec) -> list[ReportError]:
    asked = loaded.spec.report
    return drawing_problems(output_of(loaded.spec), asked.formats, _templates(loaded), appendix=asked.appendix)


def _wanted(loaded: LoadedSpec) -> dict[str, Path]:
    asked = loaded.spec.report
    return places(output_of(loaded.spec), asked.formats, appendix=asked.appendix)


def _templates(loaded: LoadedSpec) -> Path | None:
    """The directory of templates that the spec names, relative to the spec."""
    asked = loaded.spec.report.templates
    return loaded.file.resolve().parent / asked if asked else None
