"""Where the cache's entries lie: in a folder, or at an address that fsspec knows (`s3://bucket/folder`).

Names are flat. An entry is put there whole: a folder's file gets its name when it is written, an object store's when it
is uploaded; elsewhere an entry that is cut off is known by the digest that it begins with.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol

from neurflow_report.errors import InputError
from neurflow_report.results.packed import PREFIX

STALE = 24 * 3600.0
"""Seconds after which what a killed run had begun to write is swept away."""
SCHEME = "://"


@dataclass(frozen=True, kw_only=True)
class Lying:
    """A file as it lies there: `used` is when it was last used, or, where that is not known, written."""

    name: str
    bytes: int
    used: float


class Shelf(Protocol):
    """A place for files; all but `is_there` raise OSError."""

    def is_there(self) -> bool:
        """Whether there is such a place."""

    def files(self) -> Iterator[Lying]:
        """The files there."""

    def fetched(self, name: str) -> Any:
        """A context in which a file is at hand: its path."""

    def placing(self, name: str, *, lasting: bool) -> Any:
        """A context that gives a file to write to, which is there when it ends well, in place of what was.

        Args: lasting: whether it is to outlast a power cut at once.
        """

    def drop(self, name: str) -> None:
        """Delete a file."""

    def touch(self, name: str) -> None:
        """Note that a file was used."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder, which is made when something is put there."""

    path: Path

    def is_there(self) -> bool:
        """Whether the folder is there."""
        return self.path.is_dir()

    def files(self) -> Iterator[Lying]:
        """The ordinary files; what a run that was killed had begun to write is deleted after a day."""
        with suppress(OSError):
            for path in sorted(self.path.iterdir()):
                with suppress(OSError):
                    state = path.stat()
                    if not path.name.startswith(PREFIX):
                        if not path.is_symlink() and path.is_file():
                            yield Lying(name=path.name, bytes=state.st_size, used=state.st_mtime)
                    elif state.st_mtime < time.time() - STALE:
                        path.unlink()

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """Its path."""
        yield self.path / name

    @contextmanager
    def placing(self, name: str, *, lasting: bool) -> Iterator[IO[bytes]]:
        """A file beside it, which takes its name."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, written = tempfile.mkstemp(prefix=PREFIX, dir=self.path)
        fresh = Path(written)
        try:
            with os.fdopen(handle, "w+b") as stream:
                yield stream
                stream.flush()
                if lasting:
                    os.fsync(stream.fileno())
            fresh.replace(self.path / name)
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            raise

    def drop(self, name: str) -> None:
        """Delete it."""
        (self.path / name).unlink()

    def touch(self, name: str) -> None:
        """Its time becomes now."""
        os.utime(self.path / name)


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A folder of any file system that fsspec knows, by its address."""

    url: str

    @cached_property
    def _at(self) -> tuple[Any, str]:
        """The file system, and the folder's path there.

        Raises: InputError missing-package, or spec-bad-value for an address of no file system.
        """
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError as error:
            raise _missing("fsspec", "pip install 'neurflow-report[fsspec]'") from error
        try:
            system, path = url_to_fs(self.url)
        except ImportError as error:
            raise _missing(str(error), "install it beside fsspec, such as s3fs for s3://, gcsfs for gs://") from error
        except ValueError as error:
            hint = "name a folder, none, or an address that fsspec knows, such as s3://bucket/cache"
            message = f"{self.url!r} is no place for a cache: {error}"
            raise InputError("spec-bad-value", message, hint=hint, path=("runtime", "cache")) from error
        return system, str(path).rstrip("/")

    def is_there(self) -> bool:
        """Whether anything is there; nothing, where nobody answers."""
        try:
            with self._told() as (system, path):
                return bool(system.isdir(path))
        except OSError:
            return False

    def files(self) -> Iterator[Lying]:
        """The files there."""
        found: list[Any] = []
        with suppress(OSError), self._told() as (system, path):
            system.invalidate_cache()
            found = system.ls(path, detail=True)
        for one in sorted(found, key=lambda one: str(one["name"])):
            if one.get("type") == "file":
                name = str(one["name"]).rpartition("/")[2]
                yield Lying(name=name, bytes=int(one.get("size") or 0), used=_moment(one))

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A copy of it here."""
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            copy = Path(folder) / name
            with self._told() as (system, path):
                system.get_file(f"{path}/{name}", str(copy))
            yield copy

    @contextmanager
    def placing(self, name: str, *, lasting: bool) -> Iterator[IO[bytes]]:  # noqa: ARG002
        """A file here, which is then uploaded."""
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            fresh = Path(folder) / name
            with fresh.open("w+b") as stream:
                yield stream
            with self._told() as (system, path):
                system.makedirs(path, exist_ok=True)
                system.put_file(str(fresh), f"{path}/{name}")

    def drop(self, name: str) -> None:
        """Delete it."""
        with self._told() as (system, path):
            system.rm_file(f"{path}/{name}")

    def touch(self, name: str) -> None:
        """Nothing: most such places know of no use, and the time of writing stands for it."""

    @contextmanager
    def _told(self) -> Iterator[tuple[Any, str]]:
        """The file system and the folder; whatever it raises inside, in its libraries' own words, is an OSError."""
        try:
            yield self._at
        except (OSError, InputError):
            raise
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error


def shelf_of(place: Path | str) -> Shelf:
    """The shelf at a folder, or at an address."""
    return Remote(url=place) if isinstance(place, str) and SCHEME in place else Folder(path=Path(place))


def _moment(one: dict[str, Any]) -> float:
    """When a file was written, as far as its file system says so."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = one.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            with suppress(ValueError):
                return datetime.fromisoformat(value).timestamp()
    return time.time()


def _missing(what: str, hint: str) -> InputError:
    message = f"runtime.cache is an address, and what reads it is not installed: {what}"
    return InputError("missing-package", message, hint=hint, path=("runtime", "cache"))
