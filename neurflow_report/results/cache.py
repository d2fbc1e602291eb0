"""What was found of a class, kept under the digest of all that it was found from.

A run that was ended goes on where it was, and one that was changed does again only what changed. An entry is one file,
written whole or not at all:

    <folder>/<digest>.class    (packed.py)
        entry.json             what it is of: its class, its title
        class.json             records.ClassResult
        checks.json            records.CrossCheck, a list
        pictures/<name>        the pictures shown
    <folder>/<digest>.run      all else that a run found, and what it read (analysis/unchanged.py)
    <folder>/<digest>.drawn    what was drawn from a bundle, as digests (drawing/write/redrawn.py)
    <folder>/<digest>.stage    what a stage of a class found (arrays.py, analysis/stages.py)

An entry that is not what it was is as good as none: it is made again. What else lies there is neither counted nor
deleted.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from neurflow_report.results.arrays import Arrays, header_of, read_arrays, write_arrays
from neurflow_report.results.bundle import canonical_json
from neurflow_report.results.packed import packed, unpacked
from neurflow_report.results.records import ClassResult, CrossCheck
from neurflow_report.results.shelf import SCHEME, Folder, Lying, Shelf, shelf_of

NAME = "NEURFLOW_REPORT_CACHE"
SUFFIX = ".class"
STAGE = ".stage"
SUFFIXES = (SUFFIX, ".run", ".drawn", STAGE)
ENTRY = "entry.json"
"""What every entry has beside its own: of which class and report it is."""
MOST = 4_000_000_000
"""Bytes of all entries, at most; the stages go first, the ones longest unused before others."""
A_STAGE = 8
"""A stage takes at most 1/A_STAGE of that, or is not kept."""
T = TypeVar("T")
_NAME = re.compile(rf"[0-9a-f]{{64}}({'|'.join(map(re.escape, SUFFIXES))})")
_PICTURES = "pictures/"
_CHECKS = TypeAdapter(tuple[CrossCheck, ...])


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was found of a class: its record, its pictures by their names, and the cross-checks made with it."""

    result: ClassResult
    pictures: Mapping[str, bytes]
    checks: tuple[CrossCheck, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry as it lies there: of which class and report it says it is, its bytes, and when it was last used; `kind`
    is the ending of its name."""

    path: Path
    name: str
    title: str
    bytes: int
    used: float

    @property
    def kind(self) -> str:
        return self.path.suffix


OFF = {"off", "none"}


def folder(asked: str = "auto") -> Path | str | None:
    """Where entries lie.

    Args: asked: a folder, an address such as s3://bucket/folder, "off" or "none", or "auto": what NEURFLOW_REPORT_CACHE
        names, which may be either, too, or else the user's own folder for caches, where there is one.
    """
    if asked.lower() in OFF:
        return None
    if asked.lower() != "auto":
        return _place(asked)
    given = os.environ.get(NAME, "").strip()
    if given.lower() in OFF:
        return None
    if given:
        return _place(given)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "neurflow-report"
    with suppress(RuntimeError):
        return Path.home() / ".cache" / "neurflow-report"
    return None


def _place(text: str) -> Path | str:
    return text if SCHEME in text else Path(text).expanduser()


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Entries in `folder`, or at an address, which is made when the first is written; of at most `most` bytes in
    all. Stages take what the others leave, and push out none that was used since `begun`."""

    folder: Path | str
    most: int = MOST
    begun: float = field(default_factory=time.time)

    @cached_property
    def shelf(self) -> Shelf:
        """Where they lie."""
        return shelf_of(self.folder)

    def get(self, key: str) -> Kept | None:
        """What is kept of a class under `key`; None where nothing is, or nothing that is whole."""
        return self.read(key, SUFFIX, kept_of)

    def put(self, key: str, kept: Kept, *, title: str) -> None:
        """Keep it under `key`, in place of what is there; older entries go where there is too much.

        Raises: OSError.
        """
        self.write(key, SUFFIX, files_of(kept), name=kept.result.name, title=title)

    def read(self, key: str, suffix: str, made: Callable[[Mapping[str, bytes]], T]) -> T | None:
        """What `made` makes of the files of an entry; None where there is none, or none that is whole.

        Args: made: raises KeyError or ValueError for files that are not as they should be.
        """
        return self._read(f"{key}{suffix}", lambda path: made(unpacked(path)))

    def write(self, key: str, suffix: str, files: Mapping[str, bytes], *, name: str, title: str) -> None:
        """Keep files under `key`.

        Args: name, title: of what they are.
        Raises: OSError.
        """
        entry = {"class": name, "title": title}
        with self.shelf.placing(f"{key}{suffix}", lasting=True) as stream:
            stream.write(packed({ENTRY: json.dumps(entry).encode(), **files}))
        self._make_room(but=f"{key}{suffix}")

    def stage(self, key: str) -> Arrays | None:
        """The arrays that a stage found; None where there are none, or none that are whole."""
        return self._read(f"{key}{STAGE}", read_arrays)

    def put_stage(self, key: str, arrays: Arrays, *, name: str, title: str) -> None:
        """Keep the arrays of a stage, unless they are too many.

        Raises: OSError.
        """
        own, size = f"{key}{STAGE}", sum(one.nbytes for one in arrays.values())
        if size * A_STAGE > self.most or size > self._room(but=own):
            return
        # What a power cut leaves of it is noticed, and made again.
        with self.shelf.placing(own, lasting=False) as stream:
            write_arrays(stream, {"class": name, "title": title}, arrays)
        self._make_room(but=own)

    def entries(self) -> list[Entry]:
        """Every entry, the last used first; what cannot be read has no name."""
        found = [self._entry(lying) for lying in self._files()]
        return sorted((e for e in found if e is not None), key=lambda e: (-e.used, e.path.name))

    def clean(self, *, unused: float = 0.0) -> tuple[int, int]:
        """Delete what was not used for so many seconds.

        Returns: how many classes, and how many bytes in all.
        """
        before, gone, size = time.time() - unused, 0, 0
        for lying in self._files():
            if lying.used <= before:
                with suppress(OSError):
                    self.shelf.drop(lying.name)
                    gone, size = gone + lying.name.endswith(SUFFIX), size + lying.bytes
        return gone, size

    def _read(self, name: str, made: Callable[[Path], T]) -> T | None:
        try:
            with self.shelf.fetched(name) as path:
                found = made(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, RecursionError) as error:
            # Elsewhere it may be the line to it that fails, not the entry.
            if isinstance(self.shelf, Folder) or not isinstance(error, OSError):
                with suppress(OSError):
                    self.shelf.drop(name)
            return None
        with suppress(OSError):
            self.shelf.touch(name)
        return found

    def _files(self) -> Iterator[Lying]:
        """The entries."""
        yield from [lying for lying in self.shelf.files() if _NAME.fullmatch(lying.name)]

    def _room(self, *, but: str) -> int:
        """Bytes for one more stage: all but classes, runs, and what this run has used or written itself. A run whose
        stages do not fit together would else push out each before the next run comes to it."""
        held = [one for one in self._files() if not one.name.endswith(STAGE) or one.used >= self.begun]
        return self.most - sum(one.bytes for one in held if one.name != but)

    def _make_room(self, *, but: str) -> None:
        known = sorted(self._files(), key=lambda one: (not one.name.endswith(STAGE), one.used, one.bytes, one.name))
        size = sum(one.bytes for one in known)
        for one in known:
            if size <= self.most:
                break
            if one.name != but and (one.name.endswith(STAGE) or not but.endswith(STAGE)):
                with suppress(OSError):
                    self.shelf.drop(one.name)
                    size -= one.bytes

    def _entry(self, lying: Lying) -> Entry | None:
        name = title = ""
        try:
            with self.shelf.fetched(lying.name) as path:
                said = header_of(path) if lying.name.endswith(STAGE) else json.loads(unpacked(path)[ENTRY])
            name, title = str(said["class"]), str(said["title"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        path = Path(str(self.folder)) / lying.name
        return Entry(path=path, name=name, title=title, bytes=lying.bytes, used=lying.used)


def files_of(kept: Kept) -> dict[str, bytes]:
    """What is kept as files, by their names."""
    checks = [check.model_dump(mode="json") for check in kept.checks]
    return {
        "class.json": canonical_json(kept.result),
        "checks.json": json.dumps(checks).encode(),
        **{f"{_PICTURES}{name}": data for name, data in kept.pictures.items()},
    }


def kept_of(files: Mapping[str, bytes]) -> Kept:
    """What is kept, of such files.

    Raises: KeyError, ValueError (pydantic's ValidationError is one).
    """
    return Kept(
        result=ClassResult.model_validate_json(files["class.json"]),
        checks=_CHECKS.validate_json(files["checks.json"]),
        pictures={name.removeprefix(_PICTURES): data for name, data in files.items() if name.startswith(_PICTURES)},
    )
