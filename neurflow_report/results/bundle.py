"""Bundles: the directory in which everything that a run found is kept, written whole or not at all.

    manifest.json          the format's number, where the bundle comes from, the sha256 of every other file
    manifest.sha256        that of manifest.json, as `sha256sum -c` reads it
    run.json               records.Run
    classes/<slug>.json    records.ClassResult, one a class
    pictures/<name>        the pictures shown, under the names that `Picture.file` gives them

The same records and pictures give the same bytes: fields in their order, floats to `DIGITS` significant digits.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from neurflow_report.errors import Gathered, InputError, ReportError, Where, Wording, spell_path
from neurflow_report.ordinary import open_ordinary, read_ordinary
from neurflow_report.results.contradictions import contradictions, odd_text
from neurflow_report.results.epoch import source_date
from neurflow_report.results.format import FORMAT_VERSION, READABLE, WITH_DIGEST
from neurflow_report.results.os_metadata import is_dropping
from neurflow_report.results.records import ClassResult, Manifest, Provenance, Run
from neurflow_report.results.staging import publish, staged, sync

MANIFEST, RUN = "manifest.json", "run.json"
DIGEST = "manifest.sha256"
DIGITS = 7
HOLDS = "it holds manifest.json, or bundle/"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle on disk, read and checked. `root` holds manifest.json."""

    root: Path
    run: Run
    classes: tuple[ClassResult, ...]
    manifest: Manifest

    def picture(self, file: str) -> Path:
        """Where the picture named `file` (a `Picture.file`) lies.

        Raises: InputError bundle-damaged when the bundle has no such picture, a name that leads outside included.
        """
        if f"pictures/{file}" not in self.manifest.files:
            raise _damaged(self.root / MANIFEST, f"the bundle has no picture named {file!r}")
        return self.root / "pictures" / file

    def picture_bytes(self, file: str) -> bytes:
        """The bytes of that picture, those that the manifest means.

        Raises: InputError bundle-damaged.
        """
        return self.read(self.picture(file).relative_to(self.root).as_posix())

    def pictures(self) -> tuple[str, ...]:
        """The names of all pictures."""
        return tuple(n.removeprefix("pictures/") for n in self.manifest.files if n.startswith("pictures/"))

    def read(self, name: str) -> bytes:
        """The bytes of a file that the manifest lists, if they are still those.

        Raises: InputError bundle-damaged.
        """
        return _whole(self.root / name, self.manifest.files[name])

    def files(self) -> dict[str, bytes]:
        """Every file of the bundle as it is now, by its name.

        Raises: InputError bundle-damaged.
        """
        own = [name for name in (MANIFEST, DIGEST) if os.path.lexists(self.root / name)]
        return {name: _bytes(self.root / name) for name in own} | {
            name: self.read(name) for name in self.manifest.files
        }


def write_bundle(
    target: Path,
    *,
    run: Run,
    classes: Sequence[ClassResult],
    provenance: Provenance,
    pictures: Mapping[str, bytes],
) -> Bundle:
    """Write a bundle to the directory `target`, in place of a bundle that is there, and return it as it reads back.

    Nothing is seen at `target` before all is on the disk; on any failure what was there before is there again.

    Args:
        classes: in the order of `run.classes`.
        pictures: maps every `Picture.file` of the classes to its bytes.
    Raises:
        InputError output-unwritable (no space, no permission, something that is no bundle in the way).
        ValueError for a name that is not plain, classes that are not those of `run`, or a picture that is not given.
    """
    contents = _contents(run, classes, pictures)
    digests = {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)}
    manifest = Manifest(format_version=FORMAT_VERSION, provenance=provenance, files=digests)
    contents[MANIFEST] = canonical_json(manifest)
    contents[DIGEST] = _digest_line(contents[MANIFEST])
    target = target.absolute()
    try:
        _replace(target, contents)
    except OSError as error:
        raise _unwritable(target, error) from error
    return Bundle(
        root=target,
        run=Run.model_validate_json(contents[RUN]),
        classes=tuple(ClassResult.model_validate_json(contents[_class_file(c.slug)]) for c in classes),
        manifest=Manifest.model_validate_json(contents[MANIFEST]),
    )


def check_fit(run: Run, classes: Sequence[ClassResult], pictures: Mapping[str, bytes]) -> None:
    """Check that records and pictures that somebody else made can be written as a bundle.

    Raises: ValueError.
    """
    for name, data in _contents(run, classes, pictures).items():
        if name.endswith(".json") and (odd := odd_text(data)):
            raise ValueError(odd)
    if more := sorted(set(pictures) - set(_shown(classes))):
        raise ValueError(f"no record names the picture {more[0]!r}")


def is_there(
    target: Path,
    *,
    run: Run,
    classes: Sequence[ClassResult],
    provenance: Provenance,
    pictures: Mapping[str, bytes],
) -> bool:
    """Whether what `write_bundle` would write is at `target` already, file by file, but for the clock; where
    SOURCE_DATE_EPOCH is set, that too."""
    contents = _contents(run, classes, pictures)
    digests = {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)}
    try:
        there, _ = _read_manifest(target)
        fixed = source_date() is not None or there.provenance.clock.seconds is None
        clock = provenance.clock if fixed else there.provenance.clock
        wanted = provenance.model_copy(update={"clock": clock})
        manifest = Manifest(format_version=FORMAT_VERSION, provenance=wanted, files=digests)
        if canonical_json(manifest) != read_ordinary(target / MANIFEST):
            return False
        for name, digest in digests.items():
            _check_digest(target, name, digest)
        return not list(_others(target, {MANIFEST, DIGEST, *digests}))
    except (ReportError, OSError):
        return False


def check_free(target: Path) -> None:
    """Check that `write_bundle` may write to `target`.

    Raises: InputError output-unwritable where something stands there that it would not replace.
    """
    try:
        _refuse_other_things(target)
    except OSError as error:
        raise _unwritable(target, error) from error


def is_bundle(folder: Path) -> bool:
    """Whether a bundle of ours lies at `folder`, as far as its manifest tells."""
    return os.path.isdir(folder) and bool(_listed_in(folder))


def read_bundle(root: Path | str) -> Bundle:
    """Read the bundle at `root`, or at `root`/bundle.

    Before that, its format is checked, every file's digest, the manifest's too, and that it holds no other files.

    Raises: InputError bundle-missing, bundle-version, or bundle-damaged (names the file).
    """
    root = _find(Path(root))
    manifest, data = _read_manifest(root)
    for name, digest in manifest.files.items():
        _check_digest(root, name, digest)
    for name in _others(root, {MANIFEST, DIGEST, *manifest.files}):
        raise _damaged(root / name, "the bundle's manifest does not list this file", "move it out of the bundle")
    _plain(data, root / MANIFEST)
    run = _parse(root, RUN, Run, manifest)
    classes = tuple(_parse(root, _class_file(entry.slug), ClassResult, manifest) for entry in run.classes)
    for entry, result in zip(run.classes, classes, strict=True):
        if (result.slug, result.index) != (entry.slug, entry.index):
            raise _damaged(root / _class_file(entry.slug), f"this is class {result.slug!r}, logit {result.index}")
    for odd in contradictions(run, classes):
        record = RUN if odd.slug is None else _class_file(odd.slug)
        raise _damaged(root / record, f"{spell_path(odd.place)}: {odd.message}")
    bundle = Bundle(root=root, run=run, classes=classes, manifest=manifest)
    for file in _shown(classes):
        bundle.picture(file)
    return bundle


def read_run(root: Path) -> Run:
    """The record of the run alone, of a bundle that was just written.

    Raises: InputError bundle-missing, bundle-damaged.
    """
    manifest, _ = _read_manifest(root)
    return _parse(root, RUN, Run, manifest)


def damages(root: Path) -> tuple[ReportError, ...]:
    """All for which `read_bundle` would refuse the bundle at `root`, not the first of it alone: files, then records.

    Raises: InputError bundle-missing or bundle-version.
    """
    gathered = Gathered()
    found = gathered.attempt(partial(_read_manifest, _find(root)))
    if found is None:
        if gathered.errors[0].slug != "bundle-damaged":
            gathered.tell()
        return tuple(gathered.errors)
    manifest, _ = found
    for name, digest in manifest.files.items():
        gathered.attempt(partial(_check_digest, root, name, digest))
    others = _others(root, {MANIFEST, DIGEST, *manifest.files})
    gathered.errors += [_damaged(root / name, "the bundle's manifest does not list this file") for name in others]
    if not gathered.errors:
        gathered.attempt(partial(read_bundle, root))
    return tuple(gathered.errors)


def canonical_json(record: BaseModel) -> bytes:
    """A record as JSON whose bytes depend on its values alone: UTF-8, indent 1, floats to 7 significant digits.

    Characters that neither HTML nor SVG may hold (a file may be called anything) become U+FFFD, halves of others `?`.
    """
    values = _rounded(record.model_dump(mode="json"))
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") + 0.0
    if isinstance(value, str):
        return _CONTROL.sub("\ufffd", value)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _class_file(slug: str) -> str:
    return f"classes/{slug}.json"


def _shown(classes: Sequence[ClassResult]) -> Iterator[str]:
    for result in classes:
        yield from (picture.file for picture in result.pictures if picture.file is not None)
        yield from (picture.file for picture in result.debugged)
        yield from (file for facet in result.facets for file in (facet.file, facet.tile) if file is not None)


def _contents(run: Run, classes: Sequence[ClassResult], pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    if [c.slug for c in classes] != [entry.slug for entry in run.classes]:
        raise ValueError("the classes are not those of the run, in its order")
    missing = next((file for file in _shown(classes) if file not in pictures), None)
    if missing is not None:
        raise ValueError(f"no bytes are given for the picture {missing!r}")
    contents = {RUN: canonical_json(run)}
    contents |= {_class_file(result.slug): canonical_json(result) for result in classes}
    contents |= {f"pictures/{name}": pictures[name] for name in sorted(pictures)}
    bad = next((name for name in contents if not _NAME.fullmatch(name)), None)
    if bad is not None:
        raise ValueError(f"{bad!r} is no plain file name")
    return contents


def _replace(target: Path, contents: Mapping[str, bytes]) -> None:
    """Put a directory with `contents` at `target`, or leave everything as it was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _refuse_other_things(target)
    with staged(target.parent) as fresh:
        _fill(fresh / target.name, contents)
        publish(fresh, target.parent, [target.name])


def _refuse_other_things(target: Path) -> None:
    """Check that `target` is free, an empty directory, or a bundle and nothing besides.

    What file managers leave does not count.

    Raises: FileExistsError otherwise.
    """
    if not os.path.lexists(target):
        return
    own = _listed_in(target) if os.path.isdir(target) and not target.is_symlink() else None
    if own is None:
        raise FileExistsError(errno.EEXIST, "there is something else of that name, which is no bundle", str(target))
    for name in _others(target, own):
        message = f"the bundle there holds a file that no bundle has, {name}"
        raise FileExistsError(errno.EEXIST, message, str(target))


def _others(root: Path, own: Collection[str]) -> Iterator[str]:
    """Names of files in the folder `root` other than its own; what file managers leave does not count."""
    for path in (path for path in sorted(root.rglob("*")) if path.is_symlink() or not path.is_dir()):
        if (name := path.relative_to(root).as_posix()) not in own and not is_dropping(path):
            yield name


def _listed_in(target: Path) -> set[str] | None:
    """The files that the manifest in `target` lists, and itself; none of an empty directory; None where it is none of
    ours (many other things, too, have a manifest.json)."""
    if all(is_dropping(path) for path in target.iterdir()):
        return set()
    try:
        manifest = json.loads(read_ordinary(target / MANIFEST))
        return {MANIFEST, DIGEST, *manifest["files"]} if "format_version" in manifest else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _fill(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    for directory in (*(p for p in folder.rglob("*") if p.is_dir()), folder):
        sync(directory)


def _find(root: Path) -> Path:
    for place in (root, root / "bundle"):
        if (place / MANIFEST).is_file():
            return place
    raise missing(root)


def missing(root: Path, *, archives: bool = False) -> InputError:
    """The error of a place where no bundle lies.

    Args: archives: whether it might have been an archive.
    """
    expected = "a folder or an archive (.zip)" if archives else "a folder"
    file = "this file is named as a zip is, and is none" if root.suffix.lower() == ".zip" else "this is a file"
    what = f"{file}, and {expected} was expected" if root.exists() else "there is no such folder"
    found = "the folder has no manifest.json" if root.is_dir() else what
    return InputError(
        "bundle-missing",
        f"there is no bundle: {found}",
        hint=Wording(
            f"give the folder that analyze() or build() wrote: {HOLDS}",
            command=f"give the folder that `neurflow-report analyze` or `build` wrote: {HOLDS}",
        ),
        where=Where(file=str(root)),
    )


class _Numbered(BaseModel):
    format_version: int


def _read_manifest(root: Path) -> tuple[Manifest, bytes]:
    file, data = root / MANIFEST, _bytes(root / MANIFEST)
    if os.path.lexists(root / DIGEST):
        _check_manifest(root, data)
    version = _validated(_Numbered, data, file).format_version
    if version not in READABLE:
        raise InputError(
            "bundle-version",
            f"the bundle has format {version}; this version of neurflow-report reads the formats "
            f"{min(READABLE)} to {FORMAT_VERSION}",
            hint="use a newer neurflow-report" if version > FORMAT_VERSION else "make the bundle again with `analyze`",
            where=Where(file=str(file)),
        )
    if version >= WITH_DIGEST:
        _check_manifest(root, data)
    return _validated(Manifest, data, file), data


def _check_manifest(root: Path, data: bytes) -> None:
    """Check that `data`, the manifest's, has the digest that stands beside it.

    Raises: InputError bundle-damaged otherwise.
    """
    said, line = _bytes(root / DIGEST), _digest_line(data)
    if len(said) != len(line) or said[64:] != line[64:]:
        raise _damaged(root / DIGEST, f"it holds no sha256 of {MANIFEST}")
    if said != line:
        message = (
            f"the file's sha256 is {line[:12].decode()}…, but {DIGEST} says {said[:12].decode('ascii', 'replace')}…"
        )
        raise _damaged(root / MANIFEST, message)


def _digest_line(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _parse(root: Path, name: str, model: type[_M], manifest: Manifest) -> _M:
    if name not in manifest.files:
        raise _damaged(root / MANIFEST, f"the bundle has no file {name}")
    file = root / name
    return _validated(model, _plain(_whole(file, manifest.files[name]), file), file)


def _validated(model: type[_M], data: bytes, file: Path) -> _M:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _damaged(file, f"{place + ': ' if place else ''}{first['msg']}") from error


def _inside(file: Path, root: Path) -> bool:
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(root))


def _check_digest(root: Path, name: str, digest: str) -> None:
    file = root / name
    if not _NAME.fullmatch(name) or not _inside(file, root):
        raise _damaged(root / MANIFEST, f"{name!r} is no plain file name inside the bundle")
    try:
        with open_ordinary(file) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _damaged(file, f"the file cannot be read ({error.strerror})") from error
    _check_same(file, found, digest)


def _check_same(file: Path, found: str, digest: str) -> None:
    if found != digest:
        raise _damaged(file, f"the file's sha256 is {found[:12]}…, but the manifest says {digest[:12]}…")


def _whole(file: Path, digest: str) -> bytes:
    """A file's bytes, which have that digest.

    Raises: InputError bundle-damaged.
    """
    data = _bytes(file)
    _check_same(file, hashlib.sha256(data).hexdigest(), digest)
    return data


def _plain(data: bytes, file: Path) -> bytes:
    if odd := odd_text(data):
        raise _damaged(file, odd)
    return data


def _bytes(file: Path) -> bytes:
    try:
        return read_ordinary(file)
    except OSError as error:
        raise _damaged(file, f"the file cannot be read ({error.strerror})") from error


def _damaged(file: Path, message: str, do: str = "") -> InputError:
    again = "get a whole copy of the bundle, or make it again with"
    hint = Wording(f"{again} analyze()", command=f"{again} `neurflow-report analyze`")
    return InputError("bundle-damaged", message, hint=do or hint, where=Where(file=str(file)))


def _unwritable(target: Path, error: OSError) -> InputError:
    hints = {
        errno.ENOSPC: "free some space on the disk, or set `output` to a folder on another one",
        errno.EEXIST: "move it away, or set `output` to another folder",
    }
    return InputError(
        "output-unwritable",
        f"the bundle cannot be written to {target}: {error.strerror or error}",
        hint=hints.get(error.errno or 0, "set `output` to a folder that you may write to"),
        path=("output",),
    )
