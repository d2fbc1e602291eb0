"""Signals that end a run: Ctrl-C, a system that shuts down, a terminal that is closed. All are heard alike."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_USUAL = (signal.SIG_DFL, signal.default_int_handler)


class Stopped(KeyboardInterrupt):
    """What a signal raises; its argument is the signal's number."""


@dataclass
class Heard:
    """The signals that came, by their numbers."""

    numbers: list[int] = field(default_factory=list)

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """Raise Stopped; what is on the way is cleaned up as after Ctrl-C."""
        self.numbers.append(number)
        raise Stopped(number)

    def exit_code(self) -> int:
        """128 and the number of the first signal, as a shell has it."""
        return 128 + next(iter(self.numbers), int(signal.SIGINT))


@contextmanager
def listening() -> Iterator[Heard]:
    """Inside, a signal raises Stopped. One that is ignored (as nohup has it), or that somebody handles already, stays
    as it is; so does every one outside of the main thread, where none arrives."""
    heard, before = Heard(), {}
    try:
        for number in SIGNALS:
            if (found := signal.getsignal(number)) in _USUAL:
                signal.signal(number, heard.stop)
                before[number] = found
    except ValueError:  # not in the main thread
        pass
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, which takes a moment, no signal is heard; those that came are heard at the end."""
    came: list[int] = []
    before = {}
    try:
        for number in SIGNALS:
            if (found := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                signal.signal(number, lambda late, _frame: came.append(late))
                before[number] = found
    except ValueError:  # not in the main thread
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def end_at_once() -> None:
    """From here on a signal ends the process, and nothing is raised any more: all that matters is done."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def listen_no_more() -> None:
    """From here on no signal ends the process: the last words are being said."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
