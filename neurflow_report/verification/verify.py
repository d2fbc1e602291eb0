"""Whether a bundle, a report or an archive is what it says: digests, records, what follows from them, what is drawn.

Nothing of it is trusted. It is read without following links, copied into a folder of our own, and looked at there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from neurflow_report.errors import CheckError, InputError, ReportError, Where
from neurflow_report.errors import Path as Place
from neurflow_report.packing.opened import told_of
from neurflow_report.packing.pack import looks_like_archive, unpacked
from neurflow_report.packing.tree import copy
from neurflow_report.progress import Progress, Silent
from neurflow_report.results.bundle import MANIFEST, Bundle, damages, missing, read_bundle
from neurflow_report.results.contradictions import Contradiction
from neurflow_report.results.facets import origin
from neurflow_report.results.picture_name import is_named
from neurflow_report.results.records import ClassResult
from neurflow_report.verification import derived
from neurflow_report.verification.drawn import DRAWN, CannotDraw, Draw, asked_for, compared
from neurflow_report.verification.findings import Recomputed, Verified, not_again, of_archive, of_bundle, spelled
from neurflow_report.verification.formats import untimely

NAMES, COPY = "names.yaml", "given"
NAMED = 3
"""The first format whose pictures are told by their names."""
JUDGED = "the ledger's verdicts, cautions and certificates"
Again = Callable[[Bundle], Recomputed]
"""Computes some of a bundle anew."""
METADATA = frozenset({"exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop", "iptc"})


def verify(path: Path, *, draw: Draw, again: Again | None = None, progress: Progress | None = None) -> Verified:
    """Look at the bundle, the report (a folder that holds bundle/) or the archive (a zip) at `path`.

    Args:
        draw: draws a bundle.
        again: computes some of a bundle anew; None: nothing is.
    Raises: InputError bundle-missing, bundle-version, output-unwritable (the folder for temporary files).
    """
    progress = progress or Silent()
    try:
        return _verified(path, draw, again, progress)
    except OSError as error:
        message = f"it cannot be copied to the folder for temporary files: {error.strerror or error}"
        hint = "free some space there, or name another folder in TMPDIR"
        raise InputError("output-unwritable", message, hint=hint, where=Where(file=str(path))) from error


def _verified(path: Path, draw: Draw, again: Again | None, progress: Progress) -> Verified:
    with tempfile.TemporaryDirectory(prefix="neurflow-report-verify-") as folder:
        scratch = Path(folder)
        if path.is_file():
            return _archive(path, scratch, draw, again, progress)
        if (path / MANIFEST).is_file():
            with told_of(scratch / COPY / "bundle", path):
                return _Look(path, "", scratch, draw, again, progress).done("bundle")
        if (path / "bundle" / MANIFEST).is_file():
            with told_of(scratch / COPY, path):
                return _Look(path, "bundle/", scratch, draw, again, progress).done("report")
        raise missing(path)


def _archive(path: Path, scratch: Path, draw: Draw, again: Again | None, progress: Progress) -> Verified:
    if not looks_like_archive(path):
        raise missing(path, archives=True)
    with progress.stage("unpack", None):
        root = scratch / "archive"
        problems = [of_archive(name or path.name, message) for name, message in unpacked(path, root)]
    if problems or not (root / "bundle" / MANIFEST).is_file():
        problems = problems or [of_archive(path.name, f"it holds no bundle/{MANIFEST}")]
        return Verified(
            kind="archive",
            findings=tuple(problems),
            looked_at=("the zip and its files' digests",),
            passed_over=("what is in it: what is told above comes first",),
        )
    with told_of(scratch / COPY, path):
        found = _Look(root, "bundle/", scratch, draw, again, progress).done("archive")
    return Verified(**{**vars(found), "looked_at": ("the zip and its files' digests", *found.looked_at)})


class _Look:
    """One look at a folder: its findings gather here."""

    def __init__(
        self, root: Path, prefix: str, scratch: Path, draw: Draw, again: Again | None, progress: Progress
    ) -> None:
        self.root, self.prefix, self.scratch = root, prefix, scratch
        self.draw, self.again, self.progress = draw, again, progress
        self.findings: list[CheckError] = []
        self.looked_at: list[str] = []
        self.passed_over: list[str] = []
        self.not_there: list[str] = []

    def done(self, kind: str) -> Verified:
        """All of it."""
        with self.progress.stage("read the records", None):
            bundle = self._bundle()
        if bundle is not None:
            with self.progress.stage("compute what follows", None):
                self._records(bundle)
        if self.prefix:
            self._drawn(bundle)
        if self.again is not None:
            self._anew(bundle, self.again)
        return Verified(
            kind=kind,
            findings=tuple(self.findings),
            looked_at=tuple(self.looked_at),
            passed_over=tuple(self.passed_over),
            not_there=tuple(self.not_there),
        )

    def _bundle(self) -> Bundle | None:
        """The bundle, copied, where it is whole."""
        given = self.scratch / COPY / "bundle"
        given.mkdir(parents=True)
        odd = copy(self.root / "bundle" if self.prefix else self.root, given)
        self.findings += [self._in(name, f"it is {what}, and a bundle holds files alone") for name, what in odd.items()]
        if odd or not (given / MANIFEST).is_file():
            self.passed_over.append("all else: what is told above comes first")
            return None
        names = self.root / NAMES
        if self.prefix and names.is_file() and not names.is_symlink():
            copy(names, given.parent / NAMES)
        for error in damages(given):
            self.findings.append(self._told(error, given))
        self.looked_at.append("the files' digests, the records' fields, and what they name")
        if self.findings:
            self.passed_over.append("what follows from the figures: what is told above comes first")
            return None
        return read_bundle(given)

    def _told(self, error: ReportError, given: Path) -> CheckError:
        file = Path(error.where.file) if error.where is not None else given
        name = file.relative_to(given).as_posix() if file.is_relative_to(given) else file.name
        return self._in(name, error.message, error.path)

    def _in(self, name: str, message: str, place: Place = ()) -> CheckError:
        return of_bundle(f"{self.prefix}{name}", message, place)

    def _records(self, bundle: Bundle) -> None:
        given, said = (bundle.run, bundle.classes, bundle.manifest), bundle.manifest.format_version
        self.findings += [self._in(file, message, place) for file, place, message in untimely(*given)]
        self.findings += map(self._contradiction, derived.contradicted(*given))
        if said >= derived.CONSERVED:
            self.looked_at.append("weights, shares, edges, groups, patches, intervals and p-values")
            self._judged(bundle)
        else:
            self.looked_at.append("weights, groups, patches, and the accuracy's interval")
            why = f"they mean something else in format {said}"
            self.passed_over.append(f"shares, edges, regions, the experiments' intervals and p-values: {why}")
            self.passed_over.append(f"{JUDGED}: {why}")
        self.findings += [self._in(*found) for found in _pictures(bundle)]
        self.looked_at.append("the pictures")
        if said < NAMED:
            self.passed_over.append(f"whether a picture is its original's: its name does not tell in format {said}")

    def _judged(self, bundle: Bundle) -> None:
        try:
            self.findings += map(self._contradiction, derived.unjudged(bundle.run, bundle.classes))
            self.looked_at.append(JUDGED)
        except ModuleNotFoundError as error:
            self.passed_over.append(f"{JUDGED}: {error.name} is not installed (the extra `run`)")

    def _contradiction(self, found: Contradiction) -> CheckError:
        name = "run.json" if found.slug is None else f"classes/{found.slug}.json"
        return self._in(name, found.message, found.place)

    def _anew(self, bundle: Bundle | None, again: Again) -> None:
        if bundle is None or self.findings:
            self.passed_over.append("computing anew: what is told above comes first")
            return
        anew = again(bundle)
        self.findings += [
            not_again(one.where.file if one.where is not None else "", one.message, one.path)
            for one in map(self._contradiction, anew.found)
        ]
        self.looked_at.append(anew.looked_at)
        self.passed_over += [anew.passed_over] if anew.passed_over else []

    def _drawn(self, bundle: Bundle | None) -> None:
        there = [name for name in DRAWN if (self.root / name).exists() or (self.root / name).is_symlink()]
        if bundle is not None:
            self.not_there += [name for name in asked_for(bundle) if name not in there]
        if not there:
            return
        if bundle is None or self.findings:
            self.passed_over.append(f"{spelled(there)}, drawn again: what is told above comes first")
            return
        with self.progress.stage("draw it again", None):
            made = self.scratch / "drawn"
            made.mkdir()
            try:
                self.findings += compared(bundle.root, self.root, made, self.draw)
                self.looked_at.append(f"{spelled(there)}, drawn again")
            except CannotDraw as error:
                self.passed_over.append(f"{spelled(there)}, drawn again: {error}")


def _pictures(bundle: Bundle) -> Iterator[tuple[str, str, Place]]:
    """Pictures that cannot be shown, are not square, carry what a camera wrote, or are not those of the record."""
    seen = set[str]()
    for slug, place, file, original in _shown(bundle.classes):
        name = f"pictures/{file}"
        if name not in seen:
            seen.add(name)
            yield from ((name, message, ()) for message in _odd_picture(bundle, file))
        if bundle.manifest.format_version >= NAMED and not is_named(file, bundle.picture_bytes(file), original):
            told = f"{name} is not named by what it shows and the original's sha256: it is another picture"
            yield f"classes/{slug}.json", told, (*place, "file")
    listed = {name for name in bundle.manifest.files if name.startswith("pictures/")}
    yield from ((name, "no record names this picture", ()) for name in sorted(listed - seen))


def _shown(classes: Sequence[ClassResult]) -> Iterator[tuple[str, Place, str, str]]:
    """Every picture that a record names, those explained and those made included: the class's slug, the place there,
    the picture's file and the sha256 of its original."""
    for result in classes:
        for number, picture in enumerate(result.pictures):
            if picture.file is not None:
                yield result.slug, ("pictures", number), picture.file, picture.sha256
        for number, one in enumerate(result.debugged):
            yield result.slug, ("debugged", number), one.file, one.sha256
        for number, facet in enumerate(result.facets):
            if facet.file is not None:
                yield result.slug, ("facets", number), facet.file, origin("facet", result.slug, facet)
            if facet.tile is not None:
                yield result.slug, ("facets", number), facet.tile, origin("tile", result.slug, facet)


def _odd_picture(bundle: Bundle, file: str) -> Iterator[str]:
    from neurflow_report.drawing.figures.mosaic import opened

    try:
        with opened(bundle, file) as picture:
            wide, tall = picture.size
            held = _metadata(picture)
    except ReportError as error:
        yield error.message
        return
    if abs(wide - tall) > 1:
        yield f"it is {wide} × {tall} pixels, and what the model sees is square"
    if held:
        yield f"it holds {spelled(held)}, which a camera or a program wrote"


def _metadata(picture: Image.Image) -> list[str]:
    info: Mapping[Any, Any] = picture.info
    return sorted(str(key) for key in info if str(key) in METADATA)
