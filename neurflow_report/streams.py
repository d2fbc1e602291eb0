"""The standard streams as they may be: closed, full, or left by their reader. None of it ends a run."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO, cast

_UNHEARD = {errno.EPIPE, errno.EBADF}
"""What says that nobody wants to read: the reader left, or the stream was closed."""


@contextmanager
def usable() -> Iterator[None]:
    """Inside, sys.stdin, sys.stdout and sys.stderr are there; what one cannot take is dropped, and a character that its
    encoding lacks is escaped."""
    before = sys.stdin, sys.stdout, sys.stderr
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = cast("TextIO", _Forgiving(sys.stdout)), cast("TextIO", _Forgiving(sys.stderr))
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = (old or new for old, new in zip(before, _standard(), strict=True))


@contextmanager
def for_results() -> Iterator[None]:
    """Inside, what is written to stdout, by whichever way (by a C library, a child process, a stream that was kept),
    goes to stderr: a network's own code may print, and stdout is for the result."""
    out = sys.stdout
    try:
        number, errors = out.fileno(), sys.stderr.fileno()
        kept = os.dup(number)
    except (AttributeError, OSError, ValueError):  # no files: captured, or replaced
        with redirect_stdout(sys.stderr):
            yield
        return
    out.flush()
    os.dup2(errors, number)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        with suppress(OSError, ValueError):
            out.flush()
        os.dup2(kept, number)
        os.close(kept)


def written(text: str) -> str:
    """Write `text` to stdout, inside `usable`, and see all of it off.

    Returns: why that cannot be; "" where it can or nobody wants to read.
    """
    sys.stdout.write(text)
    sys.stdout.flush()
    return str(getattr(sys.stdout, "reason", ""))


def _standard() -> tuple[TextIO, TextIO, TextIO]:
    return sys.stdin, sys.stdout, sys.stderr


def _open_closed() -> None:
    """What is closed leads nowhere. Otherwise the next file that is opened would get its number, and with it all that
    is written to the stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _let_go(stream: TextIO) -> None:
    """Let what the stream still holds, and all that comes, go nowhere: no flush at the end shall fail again."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Forgiving:
    """A stream that drops what it cannot take. `reason`: why; "" where it could, or where nobody wants to read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.reason = stream, ""

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
            return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: OSError | ValueError) -> None:
        if getattr(error, "errno", errno.EBADF) not in _UNHEARD:
            self.reason = self.reason or getattr(error, "strerror", None) or str(error)
        _let_go(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
