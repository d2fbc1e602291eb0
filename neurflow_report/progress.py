"""What a long run says about how far it is: a protocol that is passed in, and the progress that says nothing.

Those that print stand in neurflow_report/terminal.py: here nothing knows of a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from neurflow_report.time_left import Expected


class Step(Protocol):
    """A stage that is under way."""

    def advance(self, n: int = 1) -> None:
        """`n` more units of the stage are done (n ≥ 0)."""

    def note(self, text: str) -> None:
        """Something that a reader should know at once, one line: a picture was skipped, a batch made smaller."""


class Progress(Protocol):
    """Who wants to know how far a run is."""

    def stage(self, name: str, total: int | None) -> AbstractContextManager[Step]:
        """Begin a stage of `total` units (None: not known); it ends with the `with` block, also by an exception."""


@runtime_checkable
class Expecting(Protocol):
    """A progress that can tell how long the whole run still takes."""

    def expect(self, stages: Sequence[Expected]) -> None:
        """The stages of the run."""


class SilentStep:
    """A step that nobody watches."""

    def advance(self, n: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class Silent:
    """A progress that nobody watches."""

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:  # noqa: ARG002
        """Begin a stage and say nothing."""
        yield SilentStep()


class Gauge(Protocol):
    """What measures the most of something, such as memory, since it was told to begin."""

    def begin(self) -> None:
        """Forget what was."""

    def peak(self) -> int:
        """The most since `begin`."""

    def rest(self) -> None:
        """Nothing is measured until the next `begin`."""


@dataclass
class Timed:
    """A progress that also adds up the wall time of each kind of stage (what stands after a class's name), and keeps
    the most that each gauge told during one: `peaks`, by the gauge's name and the kind."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    peaks: dict[str, dict[str, int]] = field(default_factory=dict)
    _open: list[dict[str, int]] = field(default_factory=list)

    @property
    def expecting(self) -> bool:
        """Whether anyone wants to know what to expect."""
        return isinstance(self.progress, Expecting)

    def expect(self, stages: Sequence[Expected]) -> None:
        """Pass it on to who wants to know."""
        if isinstance(self.progress, Expecting):
            self.progress.expect(stages)

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:
        """Begin a stage, and note how long it took when it ends."""
        kind = name.rpartition(": ")[2]
        begun = self.clock()
        self._gauge()
        self._open.append({})
        for gauge in self.gauges.values():
            gauge.begin()
        try:
            with self.progress.stage(name, total) as step:
                yield step
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + self.clock() - begun
            self._gauge()
            self._close(kind)

    def _gauge(self) -> None:
        """Note what the gauges tell for the stage that is under way."""
        if self._open:
            _keep_most(self._open[-1], {name: gauge.peak() for name, gauge in self.gauges.items()})

    def _close(self, kind: str) -> None:
        found = self._open.pop()
        for name, value in found.items():
            _keep_most(self.peaks.setdefault(name, {}), {kind: value} if value else {})
        if self._open:
            _keep_most(self._open[-1], found)
            return
        for gauge in self.gauges.values():
            gauge.rest()


def _keep_most(kept: dict[str, int], found: Mapping[str, int]) -> None:
    kept.update({name: max(value, kept.get(name, 0)) for name, value in found.items()})


def duration(seconds: float | None) -> str:
    """Seconds as people say them; nothing where they are not known."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
