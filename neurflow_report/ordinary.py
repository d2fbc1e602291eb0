"""Open ordinary files, and nothing else: what a spec or a bundle names may be a pipe, which is waited for for ever.

Links count as what they lead to. A device, a socket, a pipe or a loop of links is an OSError that says so.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_REASONS = {errno.ELOOP: "a loop of links"}
"""Words for what the system says less plainly."""


def open_ordinary(path: Path) -> io.BufferedReader:
    """The file at `path`, to be read. Raises: OSError, whose `strerror` says what is there instead."""
    check_ordinary(path)
    waiting = getattr(os, "O_NONBLOCK", 0)  # should it have become a pipe since, that would not be waited for
    handle = os.open(path, os.O_RDONLY | waiting | getattr(os, "O_BINARY", 0))
    try:
        _check(os.fstat(handle).st_mode, path)
        return io.open(handle, "rb")  # noqa: UP020 the caller closes it
    except BaseException:
        os.close(handle)
        raise


def read_ordinary(path: Path) -> bytes:
    """All of the file at `path`. Raises: OSError, whose `strerror` says what is there instead."""
    with open_ordinary(path) as file:
        return file.read()


def check_ordinary(path: Path) -> int:
    """Raises OSError, whose `strerror` says what is there instead, unless `path` is an ordinary file; → its size."""
    try:
        found = path.stat()
    except OSError as error:
        raise type(error)(error.errno, _reason(path, error), str(path)) from error
    except ValueError as error:  # a name with a zero in it
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    _check(found.st_mode, path)
    return found.st_size


def odd_files(folder: Path) -> Iterator[Path]:
    """What lies below `folder`, at any depth, and is no ordinary file and no folder, or a link to such a thing."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from odd_files(path)
        elif (
            not entry.is_file(follow_symlinks=False) and os.path.exists(path) and not (path.is_dir() or path.is_file())
        ):
            yield path


def _is_odd(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isdir(path) and not os.path.isfile(path)


def _reason(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return "a link that leads nowhere"
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def _check(mode: int, path: Path) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, and a file was expected", str(path))
    kind = _KINDS.get(stat.S_IFMT(mode), "no file")
    raise OSError(errno.EINVAL, f"it is {kind}, and a file was expected", str(path))
