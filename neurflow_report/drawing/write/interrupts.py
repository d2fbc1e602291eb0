"""An interrupt that a library swallows is not lost: it is raised again as soon as the library is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from neurflow_report.stopping import SIGNALS

Handler = Callable[[int, Any], Any]


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Inside, what the handlers of Ctrl-C and its like raise is noted; the first of it is what the end raises.

    Code with `except BaseException`, a callback from C and a `__del__` swallow what a handler raises in them. Signals
    come in the main thread alone; elsewhere this does nothing.
    """
    raised: list[BaseException] = []
    before = _noting(raised) if threading.current_thread() is threading.main_thread() else {}
    try:
        yield
    except BaseException as error:
        if raised and error is not raised[0]:
            raise raised[0] from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if raised:
        raise raised[0]


def _noting(raised: list[BaseException]) -> dict[signal.Signals, Handler]:
    """Put handlers in place that note in `raised` what the ones there raise.

    Returns: the ones there.
    """
    found = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in found.items() if callable(handler)}
    for number, handler in before.items():
        signal.signal(number, _noted(handler, raised))
    return before


def _noted(handler: Handler, raised: list[BaseException]) -> Handler:
    def noting(number: int, frame: Any) -> None:
        try:
            handler(number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    return noting
