"""How long a run still takes, from what it is expected to do and from what is done: one figure for the whole run.

1. What is expected is a list of stages, each with an amount of work in units of its kind, made of counts alone
   (expected.py): nothing is timed for it.
2. What is done tells how many seconds a unit of its kind takes; the stage under way tells it, too, from a twentieth on.
3. A kind of which nothing is done yet takes as long for a unit as all that is done does together, unless it is known
   to go another way (`usual`). Where less than a tenth of a kind is done it is trusted in proportion: small stages
   take longer than their work says.
4. Where less than a tenth of the work is done, and a tenth of what is left is of a kind that is known, nothing is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

KNOWN = 0.1
"""The share of all work that must be done, or of the work left whose kind must be known, before a time is told."""
BEGUN = 0.05
"""The share of a stage from which on it tells how long it takes."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A stage of the run.

    Attributes:
        name: as it is begun.
        work: at least 0.
        times: how many it is.
        usual: seconds of a unit where nothing of its kind is done; None: those of all that is done.
    """

    name: str
    kind: str
    work: float
    times: int = 1
    usual: float | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """A stage that was begun: the share of it that is done, 0..1, and its seconds so far."""

    share: float
    seconds: float


def seconds_left(expected: Sequence[Expected], done: Mapping[str, Done]) -> float | None:
    """Seconds until all that is expected is done, at least 0; None where too little is known.

    Args: done: by name; a stage that was not begun does not stand in it, one that is not expected does not count.
    """
    works, times = _sums((stage, done[stage.name]) for stage in expected if _tells(done.get(stage.name)))
    left = [(stage, stage.work * (1.0 - (done[stage.name].share if stage.name in done else 0.0))) for stage in expected]
    rest, every = sum(work for _, work in left), sum(stage.work for stage in expected)
    total = {kind: sum(stage.work for stage in expected if stage.kind == kind) for kind in works}
    whole, spent = sum(works.values()), sum(times.values())
    if not whole or not spent:
        return None
    trust = {kind: min(1.0, work / (KNOWN * total[kind])) for kind, work in works.items()}
    known = sum(work * trust.get(stage.kind, 0.0) for stage, work in left)
    if max(known / rest if rest else 1.0, whole / every) < KNOWN:
        return None

    def unit(stage: Expected) -> float:
        usual = spent / whole if stage.usual is None else stage.usual
        if stage.kind not in works:
            return usual
        share = trust[stage.kind]
        return share * times[stage.kind] / works[stage.kind] + (1 - share) * usual

    return sum(work * unit(stage) for stage, work in left)


def _tells(at: Done | None) -> bool:
    return at is not None and at.share >= BEGUN and at.seconds > 0


def _sums(stages: Iterable[tuple[Expected, Done]]) -> tuple[dict[str, float], dict[str, float]]:
    """Work done and seconds spent, by kind, of what has any work."""
    works, times = dict[str, float](), dict[str, float]()
    for stage, at in stages:
        if stage.work:
            works[stage.kind] = works.get(stage.kind, 0.0) + stage.work * at.share
            times[stage.kind] = times.get(stage.kind, 0.0) + at.seconds
    return works, times


class TimeLeft:
    """Follows a run: what is expected, what is done, and so how many seconds are left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.expected = clock, tuple[Expected, ...]()
        self.times = dict[str, int]()
        self.ended, self.spent, self.begun = dict[str, int](), dict[str, float](), dict[str, float]()
        self.share = dict[str, float]()

    def expect(self, stages: Sequence[Expected]) -> None:
        """The stages of the run, those included that are done already."""
        self.expected = tuple(stages)
        self.times = {stage.name: stage.times for stage in stages}

    def begin(self, name: str) -> None:
        """A stage begins."""
        self.begun[name], self.share[name] = self.clock(), 0.0

    def reach(self, name: str, share: float) -> None:
        """So much of the stage under way is done, 0..1."""
        self.share[name] = min(1.0, max(0.0, share))

    def end(self, name: str) -> None:
        """A stage is done."""
        self.spent[name] = self.spent.get(name, 0.0) + self.clock() - self.begun.pop(name, self.clock())
        self.ended[name] = self.ended.get(name, 0) + 1
        self.share.pop(name, None)

    def seconds(self) -> float | None:
        """Seconds left of the whole run, None where they are not known."""
        return seconds_left(self.expected, {name: self._done(name) for name in self.times if self._is_begun(name)})

    def _is_begun(self, name: str) -> bool:
        return name in self.begun or name in self.ended

    def _done(self, name: str) -> Done:
        under_way = self.clock() - self.begun[name] if name in self.begun else 0.0
        share = (self.ended.get(name, 0) + self.share.get(name, 0.0)) / max(1, self.times[name])
        return Done(share=min(1.0, share), seconds=self.spent.get(name, 0.0) + under_way)
