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

An entry that is not what it was is as good as none: it is made again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from neurflow_report.results.bundle import canonical_json
from neurflow_report.results.packed import PREFIX, packed, unpacked, write_whole
from neurflow_report.results.records import ClassResult, CrossCheck

NAME = "NEURFLOW_REPORT_CACHE"
SUFFIX = ".class"
SUFFIXES = (SUFFIX, ".run", ".drawn")
ENTRY = "entry.json"
"""What every entry has beside its own: of which class and report it is."""
MOST = 4_000_000_000
"""Bytes of all entries, at most; the ones longest unused go first."""
_STALE = 24 * 3600.0
"""Seconds after which what a killed run had begun to write is swept away."""
T = TypeVar("T")
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


def folder(asked: str = "auto") -> Path | None:
    """Where entries lie.

    Args: asked: a folder, "off", or "auto": the folder that NEURFLOW_REPORT_CACHE names, which may be "off", too, or
        else the user's own for caches, where there is one.
    """
    if asked.lower() == "off":
        return None
    if asked.lower() != "auto":
        return Path(asked).expanduser()
    given = os.environ.get(NAME, "").strip()
    if given.lower() == "off":
        return None
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "neurflow-report"
    with suppress(RuntimeError):
        return Path.home() / ".cache" / "neurflow-report"
    return None


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Entries in `folder`, which is made when the first is written; of at most `most` bytes in all."""

    folder: Path
    most: int = MOST

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
        path = self._path(key, suffix)
        try:
            found = made(unpacked(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, RecursionError):
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return found

    def write(self, key: str, suffix: str, files: Mapping[str, bytes], *, name: str, title: str) -> None:
        """Keep files under `key`.

        Args: name, title: of what they are.
        Raises: OSError.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        entry, path = {"class": name, "title": title}, self._path(key, suffix)
        write_whole(path, packed({ENTRY: json.dumps(entry).encode(), **files}))
        self._make_room(but=path)

    def entries(self) -> list[Entry]:
        """Every entry, the last used first; what cannot be read has no name."""
        found = [_entry(path) for path in self._files()]
        return sorted((e for e in found if e is not None), key=lambda e: (-e.used, e.path.name))

    def clean(self, *, unused: float = 0.0) -> tuple[int, int]:
        """Delete what was not used for so many seconds.

        Returns: how many classes, and how many bytes in all.
        """
        before, gone, size = time.time() - unused, 0, 0
        for path in self._files():
            with suppress(OSError):
                state = path.stat()
                if state.st_mtime <= before:
                    path.unlink()
                    gone, size = gone + (path.suffix == SUFFIX), size + state.st_size
        return gone, size

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / f"{key}{suffix}"

    def _files(self) -> Iterator[Path]:
        """The entries; what a run that was killed had begun to write is deleted after a day."""
        with suppress(OSError):
            for path in sorted(self.folder.iterdir()):
                if path.name.endswith(SUFFIXES) and not path.is_symlink() and path.is_file():
                    yield path
                elif path.name.startswith(PREFIX):
                    with suppress(OSError):
                        if path.stat().st_mtime < time.time() - _STALE:
                            path.unlink()

    def _make_room(self, *, but: Path) -> None:
        known = list[tuple[float, int, Path]]()
        for path in self._files():
            with suppress(OSError):
                state = path.stat()
                known.append((state.st_mtime, state.st_size, path))
        size = sum(one for _, one, _ in known)
        for _, one, path in sorted(known):
            if size <= self.most:
                break
            if path != but:
                with suppress(OSError):
                    path.unlink()
                    size -= one


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


def _entry(path: Path) -> Entry | None:
    name = title = ""
    try:
        state = path.stat()
        said = json.loads(unpacked(path)[ENTRY])
        name, title = str(said["class"]), str(said["title"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return Entry(path=path, name=name, title=title, bytes=state.st_size, used=state.st_mtime)
