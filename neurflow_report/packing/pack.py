"""An archive: a report and its bundle as one zip, which follows from its files alone, byte for byte.

    index.html                 leads to site/index.html
    site/, report.pdf, …       what was drawn
    bundle/, names.yaml        what it was drawn from
    ro-crate-metadata.json     where all of it comes from, with every file's sha256 (crate.py)
    CITATION.cff               how to cite it

The files are stored, not compressed: what is large in them is compressed already, a defect stays in one file, and no
byte of the zip depends on a zlib. So an archive can be made anew from its own files and compared (`unpacked`).
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from neurflow_report.errors import ReportError
from neurflow_report.packing.citation import CITATION, citation
from neurflow_report.packing.crate import METADATA, address, crate, digest
from neurflow_report.results.bundle import MANIFEST, Bundle, read_bundle

INDEX = "index.html"
OWN = (INDEX, METADATA, CITATION)
PARTS = ("bundle", "site", "report.pdf", "appendix.pdf", "report.html", "names.yaml")
"""What of a report's folder goes into its archive."""
FIRST, LAST = 315_532_800, 4_354_819_199
"""The years 1980 to 2107, between which a zip can tell the time."""
MOST, LARGEST = 200_000, 20_000_000_000
"""Files of an archive, and its bytes."""
_CHUNK = 1 << 20
_BAD = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]|(?:^|/)(?:\.{1,2}|)(?:/|$)|//')
_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=site/index.html">
<title>{title}</title></head>
<body><p><a href="site/index.html">{title}</a></p></body></html>
"""
_WRONG = (zipfile.BadZipFile, ArithmeticError, LookupError, NotImplementedError, OSError, RuntimeError, ValueError)
"""What Python's zipfile raises at odd zips."""


def own_files(bundle: Bundle, files: Mapping[str, Path]) -> dict[str, bytes]:
    """What an archive of these files holds besides them."""
    title = _escaped(bundle.run.title)
    found = {INDEX: _INDEX.format(title=title).encode(), CITATION: citation(bundle)}
    return found | {METADATA: crate(bundle, files, found)}


def write_zip(target: Path, bundle: Bundle, files: Mapping[str, Path], own: Mapping[str, bytes]) -> None:
    """Write the zip: names in their order, stored, all with the time of the run."""
    time = _time(bundle)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted({*files, *own}):
            entry = zipfile.ZipInfo(name, date_time=time)
            entry.external_attr, entry.create_system = 0o100644 << 16, 3
            if name in own:
                archive.writestr(entry, own[name])
                continue
            entry.file_size = files[name].stat().st_size
            with files[name].open("rb") as given, archive.open(entry, "w") as made:
                shutil.copyfileobj(given, made, _CHUNK)


def good_name(name: str) -> bool:
    """Whether a name may stand in an archive: it leads nowhere outside, on any system."""
    return bool(name) and len(name) < 500 and not _BAD.search(name) and not name.startswith("/")


def looks_like_archive(path: Path) -> bool:
    """Whether a file begins or ends as a zip does, so that it is one, or was; its name says nothing."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"PK" or zipfile.is_zipfile(file)
    except OSError:
        return False


def unpacked(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Unpack an archive, which may be a stranger's, into the new folder `root`.

    Nothing is expanded, since an archive's files are stored; so it never takes more room than it has itself.

    Returns: what is wrong with it: a name in it, or "" for the zip itself, and what. Where anything is, not all of it
    may have been unpacked.
    """
    root.mkdir(parents=True)
    wrong = list(_extracted(path, root))
    yield from wrong
    if not wrong:
        yield from _unlike(path, root)


def bundle_unpacked(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Unpack the bundle of an archive into `root`/bundle, and nothing else; as `unpacked` does, but that the bundle's
    own digests are left to who reads it."""
    return _extracted(path, root, "bundle/")


def _extracted(path: Path, root: Path, within: str = "") -> Iterator[tuple[str, str]]:
    """Unpack what lies in the folder `within` of the zip."""
    try:
        yield from _each(path, root, within)
    except _WRONG as error:
        yield "", f"it cannot be read as a zip ({str(error).rstrip('.') or type(error).__name__})"


def _each(path: Path, root: Path, within: str) -> Iterator[tuple[str, str]]:
    size = path.stat().st_size
    if size > LARGEST:
        yield "", f"it has {size:,} bytes, and {LARGEST:,} at most are read"
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if wrong := _odd_entries(entries, size):
            yield wrong
            return
        for entry in (one for one in entries if one.filename.startswith(within)):
            place = root / entry.filename
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as given, place.open("xb") as made:
                    shutil.copyfileobj(given, made, _CHUNK)
            except _WRONG as error:
                yield entry.filename, f"it cannot be unpacked ({str(error).rstrip('.') or type(error).__name__})"


def _odd_entries(entries: Sequence[zipfile.ZipInfo], size: int) -> tuple[str, str] | None:
    """The first entry that no archive has."""
    if len(entries) > MOST:
        return "", f"it has {len(entries):,} files, and {MOST:,} at most are read"
    if sum(entry.file_size for entry in entries) > size:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            return "", "its files are compressed; `archive` stores them: unpack it yourself, and give the folder"
        return "", "its files are larger than itself"
    seen = set[str]()
    for entry in entries:
        name = entry.filename
        if entry.is_dir():
            return name, "it is a folder, and an archive holds files alone: unpack it yourself, and give the folder"
        if not good_name(name):
            return "", f"it holds a file named {name[:80]!r}, which leads outside, or is no name on some systems"
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            return name, "it is compressed; `archive` stores its files: unpack it yourself, and give the folder"
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):  # 0: a zip that does not say
            return name, "it is no ordinary file"
        if name.lower() in seen:
            return name, "it is there twice"
        seen.add(name.lower())
    return None


def _unlike(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """What of an unpacked archive is not as `write_zip` makes it from the files."""
    files = {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}
    yield from changed(files)
    if not (root / "bundle" / MANIFEST).is_file():
        return
    for name in sorted(files):
        if name not in OWN and name.partition("/")[0] not in PARTS:
            yield name, "no archive holds such a file"
    bundle = _readable(root / "bundle")
    if bundle is None:
        return  # what is wrong with it is told for the bundle itself
    kept = {name: file for name, file in files.items() if name not in OWN}
    try:
        own = own_files(bundle, kept)
    except _WRONG as error:
        yield METADATA, f"none can be made of the bundle ({error})"
        return
    for name in OWN:
        if name not in files:
            yield name, "it is missing"
        elif files[name].read_bytes() != own[name]:
            yield name, f"it is not as the files give it: {_first(files[name].read_bytes(), own[name])}"
    again = root.parent / "again.zip"
    write_zip(again, bundle, kept, {name: files[name].read_bytes() for name in OWN if name in files})
    if (at := _apart(path, again)) is not None:
        yield "", f"byte {at:,} of the zip, {_place(again, at)}, is not as `archive` writes it"
    again.unlink()


def changed(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Files whose sha256 is not that in the archive's metadata, or that are not in it, or not there."""
    try:
        entries = json.loads(files[METADATA].read_bytes())["@graph"]
        said = {one["@id"]: one["sha256"] for one in entries if one.get("@type") == "File"}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        yield METADATA, "it is missing, or no metadata of an archive"
        return
    mine = {address(name): name for name in files if name != METADATA}
    for one in sorted(map(str, said.keys() - mine.keys())):
        yield METADATA, f"{one}: the archive has no such file"
    for one in sorted(mine.keys() - said.keys()):
        yield mine[one], f"{METADATA} does not name it"
    for one in sorted(mine.keys() & said.keys()):
        if (found := digest(files[mine[one]])) != said[one]:
            yield mine[one], f"its sha256 is {found[:12]}…, but {METADATA} says {str(said[one])[:12]}…"


def _readable(root: Path) -> Bundle | None:
    try:
        return read_bundle(root)
    except ReportError:
        return None


def _time(bundle: Bundle) -> tuple[int, int, int, int, int, int]:
    """The run's time (SOURCE_DATE_EPOCH, where that was set), as far as a zip can tell it."""
    try:
        when = datetime.fromisoformat(bundle.manifest.provenance.clock.created)
        seconds = when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        seconds = FIRST
    at = datetime.fromtimestamp(min(max(int(seconds), FIRST), LAST) // 2 * 2, UTC)
    return at.year, at.month, at.day, at.hour, at.minute, at.second


def _apart(one: Path, other: Path) -> int | None:
    """The first byte in which two files differ."""
    done = 0
    with one.open("rb") as a, other.open("rb") as b:
        while True:
            left, right = a.read(_CHUNK), b.read(_CHUNK)
            if left != right:
                equal = next((n for n, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), None)
                return done + (min(len(left), len(right)) if equal is None else equal)
            if not left:
                return None
            done += len(left)


def _place(archive: Path, at: int) -> str:
    """What stands at a byte of a zip."""
    with zipfile.ZipFile(archive) as made:
        if at >= made.start_dir:
            return "in its directory"
        return f"in {[e.filename for e in made.infolist() if e.header_offset <= at][-1]}"


def _first(found: bytes, expected: bytes) -> str:
    at = next(
        (n for n, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), min(map(len, (found, expected)))
    )
    return f"line {found[:at].count(10) + 1}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
