"""An output folder belongs to one run at a time: two that write into one would mix their reports, or lose one.

The claim is a lock of the system's on the folder itself. It leaves nothing behind, and ends with the process at the
latest. Where the system or the file system has no such locks, nothing is claimed.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from neurflow_report.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PAUSE = 0.2
"""Seconds between two looks whether another run is done."""
_TAKEN = {errno.EWOULDBLOCK, errno.EACCES}
_mine: ContextVar[frozenset[Path]] = ContextVar("the folders that this run has claimed", default=frozenset())


Waiting = Callable[[], AbstractContextManager[object]]
"""Entered while it is waited for another run."""


@contextmanager
def claimed(folder: Path, *, wait: Waiting | None = None) -> Iterator[None]:
    """Inside, `folder` (which is there) is this run's alone; a claim within a claim of the same run is none.

    Args: wait: where another run has it, it is waited for.
    Raises: InputError output-unwritable where another run has it.
    """
    place = folder.resolve()
    if place in _mine.get():
        yield
        return
    handle = _locked(place, folder, wait)
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


def _locked(place: Path, folder: Path, wait: Waiting | None) -> int | None:
    """A handle that holds the lock; None where there can be none."""
    try:
        return _lock(place)
    except OSError as error:
        if wait is not None:
            with wait():
                return _awaited(place)
        hint = "wait until it is done, or set `output` to another folder"
        message = f"another run is writing to {folder}"
        raise InputError("output-unwritable", message, hint=hint, path=("output",)) from error


def _awaited(place: Path) -> int | None:
    """The same, as soon as the other run is done; one that failed may have taken the folder away."""
    while True:
        place.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            handle = _lock(place)
            if _is_at(place, handle):
                return handle
            _release(handle)
            continue
        time.sleep(PAUSE)


def _is_at(place: Path, handle: int | None) -> bool:
    """Whether a lock is on the folder that is there now; where there can be none, whether there is a folder."""
    try:
        return place.is_dir() if handle is None else os.path.samestat(os.fstat(handle), place.stat())
    except OSError:
        return False


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
