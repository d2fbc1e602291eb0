"""Something done in a process beside this one: setting the pages of an appendix takes longest of all that is drawn."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from neurflow_report.errors import RunError

T = TypeVar("T")
TIDY = 10.0
"""Seconds that a process has to end by itself when its work is done."""


@contextmanager
def aside(work: Callable[..., T], *args: object) -> Iterator[Callable[[], T]]:
    """Begin `work(*args)` in another process; the function that is given waits for its result. Nothing of it outlives
    the block.

    Raises: in that function, what `work` raises; RunError process-ended where the process ended by itself.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(there, work, args), daemon=True)

    def result() -> T:
        try:
            good, value = here.recv()
            # Ended while it puts away what is its own, it would leave some, which Python tells on stderr.
            process.join(TIDY)
        except EOFError:
            process.join()
            message = f"the process that drew the appendix ended by itself, with code {process.exitcode}"
            hint = "it may have run out of memory; --no-appendix leaves it out"
            raise RunError("process-ended", message, hint=hint) from None
        if not good:
            raise value
        found: T = value
        return found

    process.start()
    there.close()
    try:
        yield result
    finally:
        process.terminate()
        process.join()
        here.close()


def _do(there: Connection[Any, Any], work: Callable[..., object], args: tuple[object, ...]) -> None:
    """The other process. Ctrl-C is heard by the one that waits, which ends this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        there.send((True, work(*args)))
    except Exception as error:
        try:
            there.send((False, error))
        except Exception:
            there.send((False, RuntimeError(f"{type(error).__name__}: {error}")))
