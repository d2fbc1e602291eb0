"""What parts of a run cost: timed within a budget of seconds, the dearest first; what is left over is extrapolated.

1. A part is some work that the run does many times. What it costs is a sum over a few counts (features): so much once,
   so much for each set, and so on. A `Rate` holds what each of them takes.
2. Before anything is timed, a part is guessed: multiply-adds by how often a segment would have to run, seconds by those
   of a forward pass. What was timed corrects the guesses of its kind.
3. The part that is likely to cost the run most is timed next, as long as the smallest measurement of it fits into what
   is left of the budget. Small parts are timed only while the plan is quick.
4. What is left over takes what the nearest part of its kind takes, in proportion to their guesses. Where none of its
   kind was timed, it takes what the guess says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import log

SOON, SMALL = 15.0, 0.01
"""After so many seconds no part is timed that is likely to be a smaller share of the run."""
CALL = 2e7
"""Multiply-adds that a unit is taken to need beside those of its guess: calling things takes its time."""
ALIKE = 30.0
"""Parts of one kind whose guesses differ by a larger factor say nothing of each other."""
MOST = 1.0
"""Seconds that one part is given at most."""

Key = tuple[str, int, str]
"""A part: its kind, its layer's number, and a case of these."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What a unit of each feature takes.

    Attributes:
        work: multiply-adds.
        seconds: None: none are wanted.
        timed: whether it was timed (counted, where no seconds are wanted) or extrapolated.
    """

    work: tuple[float, ...]
    seconds: tuple[float, ...] | None
    timed: bool = True

    def of(self, features: Sequence[float]) -> tuple[float, float | None]:
        """Multiply-adds and seconds for so much of each feature."""
        work = sum(a * b for a, b in zip(self.work, features, strict=True))
        if self.seconds is None:
            return work, None
        return work, sum(a * b for a, b in zip(self.seconds, features, strict=True))

    def scaled(self, work: float, seconds: float) -> Rate:
        """The same, times a factor each; not timed."""
        each = None if self.seconds is None else tuple(seconds * s for s in self.seconds)
        return Rate(work=tuple(work * w for w in self.work), seconds=each, timed=False)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the run.

    Attributes:
        features: how much of each the run has.
        guess: multiply-adds of a unit of each, as guessed.
        least: those of the smallest measurement.
        measure: the rate, measured in about as many seconds as it is given.
        counts: whether it is made of multiply-adds that are counted, which clustering, say, is not.
    """

    key: Key
    features: tuple[float, ...]
    guess: tuple[float, ...]
    least: float
    measure: Callable[[float], Rate]
    counts: bool = True

    @property
    def guessed(self) -> float:
        """Multiply-adds of all of it, as guessed."""
        return sum(a * b for a, b in zip(self.guess, self.features, strict=True))


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Seconds that measuring may take, by a clock that began at `begun`."""

    seconds: float
    clock: Callable[[], float]
    begun: float

    @classmethod
    def of(cls, seconds: float, clock: Callable[[], float]) -> Budget:
        """So many seconds from now."""
        return cls(seconds=seconds, clock=clock, begun=clock())

    @property
    def spent(self) -> float:
        """Seconds gone."""
        return self.clock() - self.begun

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self.seconds - self.spent)


@dataclass
class Rates:
    """The rates of parts.

    Attributes:
        pace: seconds for a multiply-add of a guess where nothing of its kind is known.
        timed: whether seconds are wanted.
        slow: seconds for a multiply-add of a guess in the slowest measurement of a kind.
    """

    pace: float
    timed: bool = True
    known: dict[Key, Rate] = field(default_factory=dict)
    parts: dict[Key, Part] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, key: Key) -> Rate:
        """What the part takes: measured, or extrapolated."""
        return self.known.get(key) or self._extrapolated(self.parts[key])

    def get(self, key: Key) -> Rate | None:
        """The same; None where there is no such part."""
        return self[key] if key in self.known or key in self.parts else None

    def add(self, parts: Iterable[Part]) -> None:
        """Parts that may be measured later."""
        self.parts |= {part.key: part for part in parts}

    def measure(self, budget: Budget, told: Callable[[Part, float], None], *, share: float = 0.25) -> None:
        """Measure parts, dearest first, while there is time.

        Args:
            told: which part, and how many seconds it will take at least, before each.
            share: of what is left, the most that one part is given.
        """
        while part := self._next(budget):
            expected, given = self.expected(part), min(budget.left * share, MOST)
            told(part, expected)
            begun = budget.spent
            self.known[part.key] = part.measure(given)
            spent = budget.spent - begun
            if spent > max(given, expected):
                self.slow[part.key[0]] = max(self.slow.get(part.key[0], 0.0), spent / (part.least + CALL))

    def expected(self, part: Part) -> float:
        """Seconds that the smallest measurement of a part is likely to take; no less than one of its kind took where
        that was more than it was given."""
        return (part.least + CALL) * max(self._pace(part), self.slow.get(part.key[0], 0.0))

    def _next(self, budget: Budget) -> Part | None:
        """The part to measure next, None where there is none, or no time."""
        waiting = [part for key, part in self.parts.items() if key not in self.known and part.guessed > 0]
        costs = {part.key: self._likely(part) for part in waiting}
        every = sum(costs.values()) + sum(self._likely(self.parts[key]) for key in self.known if key in self.parts)
        spent = budget.spent
        for part in sorted(waiting, key=lambda part: -costs[part.key]):
            if spent > SOON and costs[part.key] < SMALL * every:
                return None
            if self.expected(part) < budget.seconds - spent:
                return part
        return None

    def _likely(self, part: Part) -> float:
        """What the run takes for a part, likely: seconds, or multiply-adds where no seconds are wanted."""
        work, seconds = self[part.key].of(part.features)
        return work if seconds is None else seconds

    def _extrapolated(self, part: Part) -> Rate:
        near = self._nearest(part)
        if near is None:
            seconds = tuple(self.pace * w for w in part.guess) if self.timed else None
            work = part.guess if part.counts else tuple(0.0 for _ in part.guess)
            return Rate(work=work, seconds=seconds, timed=False)
        known, factor = self.known[near.key], _ratio(part, near)
        return known.scaled(factor, factor)

    def _nearest(self, part: Part) -> Part | None:
        """The measured part of the same kind that is nearest: of the same case if there is one, then by its guess, then
        by layer."""
        kind, layer, case = part.key
        alike = [self.parts[key] for key in self.known if key[0] == kind and key in self.parts]
        near = [other for other in alike if 1 / ALIKE < _ratio(part, other) < ALIKE]
        return min(
            near, key=lambda p: (p.key[2] != case, abs(log(_ratio(part, p))), abs(p.key[1] - layer)), default=None
        )

    def _pace(self, part: Part) -> float:
        """Seconds for a multiply-add of the guess, as the nearest part of the kind has it."""
        near = self._nearest(part)
        if near is None:
            return self.pace
        _, seconds = self.known[near.key].of(near.features)
        if seconds is None:
            return self.pace
        return max(seconds / (near.guessed + CALL * sum(near.features)), self.pace * 1e-3)


def _ratio(part: Part, near: Part) -> float:
    """How much more a unit of a part takes than one of another, by their guesses."""
    return (sum(part.guess) + CALL) / (sum(near.guess) + CALL)
