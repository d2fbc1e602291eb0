"""Open ordinary files, and nothing else: what a spec or a bundle names may be a pipe, which is waited for for ever.

Links count as what they lead to. A device, a socket, a pipe or a loop of links is an OSError that says so.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections import deque
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
LOOKED_AT = 100_000
_REASONS = {errno.ELOOP: "a loop of links"}
"""Words for what the system says less plainly."""


def open_ordinary(path: Path) -> io.BufferedReader:
    """The file at `path`, to be read.

    Raises: OSError, whose `strerror` says what is there instead.
    """
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
    """All of the file at `path`.

    Raises: OSError, whose `strerror` says what is there instead.
    """
    with open_ordinary(path) as file:
        return file.read()


def check_ordinary(path: Path) -> int:
    """Check that `path` is an ordinary file.

    Returns: its size.
    Raises: OSError otherwise, whose `strerror` says what is there instead.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise type(error)(error.errno, _reason(path, error), str(path)) from error
    except ValueError as error:  # a name with a zero in it
        raise FileNotFoundError(errno.ENOENT, str(error), str(path)) from error
    _check(found.st_mode, path)
    return found.st_size


def no_file(path: Path) -> str | None:
    """None where an ordinary file is at `path`; else what an error adds to "there is no file": nothing where there is
    nothing, and ": " with what is there instead."""
    try:
        check_ordinary(path)
    except OSError as error:
        nothing = isinstance(error, FileNotFoundError) and not path.is_symlink()
        return "" if nothing else f": {error.strerror}"
    return None


def odd_file(folder: Path) -> Path | None:
    """A pipe, socket or device below `folder`, or a link to one, if there is one among the first `LOOKED_AT` things,
    those that lie shallow first: what others read from folders are lists that lie at the top."""
    folders, seen = deque([folder]), 0
    while folders and seen < LOOKED_AT:
        try:
            entries = sorted(os.scandir(folders.popleft()), key=lambda entry: entry.name)
        except OSError:
            continue
        seen += len(entries)
        odd = (entry for entry in entries if not entry.is_file(follow_symlinks=False) and _is_odd(Path(entry.path)))
        if (first := next(odd, None)) is not None:
            return Path(first.path)
        folders += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return None


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
