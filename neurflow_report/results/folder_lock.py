"""An output folder belongs to one run at a time: two that write into one would mix their reports, or lose one.

The claim is a lock of the system's on the folder itself. It leaves nothing behind, and ends with the process at the
latest. Where the system or the file system has no such locks, nothing is claimed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from neurflow_report.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_TAKEN = {errno.EWOULDBLOCK, errno.EACCES}
_mine: ContextVar[frozenset[Path]] = ContextVar("the folders that this run has claimed", default=frozenset())


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Inside, `folder` (which is there) is this run's alone; a claim within a claim of the same run is none.

    Raises: InputError output-unwritable where another run has it.
    """
    place = folder.resolve()
    if place in _mine.get():
        yield
        return
    handle = _locked(place, folder)
    before = _mine.set(_mine.get() | {place})
    try:
        yield
    finally:
        _mine.reset(before)
        _release(handle)


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Inside, `folder` is locked, where it can be.

    Returns: whether it is, and so nobody else's.
    """
    try:
        handle = _lock(folder)
    except OSError:
        handle = None
    try:
        yield handle is not None
    finally:
        _release(handle)


def _locked(place: Path, folder: Path) -> int | None:
    """A handle that holds the lock; None where there can be none."""
    try:
        return _lock(place)
    except OSError as error:
        hint = "wait until it is done, or set `output` to another folder"
        message = f"another run is writing to {folder}"
        raise InputError("output-unwritable", message, hint=hint, path=("output",)) from error


def _lock(place: Path) -> int | None:
    """A handle that holds the lock; None where there can be none.

    Raises: OSError where somebody else holds it.
    """
    if fcntl is None:
        return None
    try:
        handle = os.open(place, os.O_RDONLY)
    except OSError:  # what may not be read is told when it is written to
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno not in _TAKEN:
            return None
        raise
    return handle


def _release(handle: int | None) -> None:
    if handle is not None:
        fcntl.flock(handle, fcntl.LOCK_UN)  # a forked child that lives on has the handle, too
        os.close(handle)
