"""What masks and knock-outs cost: a few sets on some patches of each layer, extrapolated to all sets.

The work is linear in the number of sets and in that of the targets, with a part that depends on neither (what a
patch's sets share): it is counted and timed with few and many of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurflow_report.ablation.ablation import Ablation
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.masked_logits import masked_logits
from neurflow_report.ablation.split_ablation import SplitAblation
from neurflow_report.ablation.topk_bounds import candidates
from neurflow_report.network import devices
from neurflow_report.network.count import multiply_adds
from neurflow_report.planning.calibrate_forward import Passed
from neurflow_report.planning.rates import Part, Rate
from neurflow_report.progress import SilentStep
from neurflow_report.setup.workspace import Workspace

FEW, MORE = 4, 16
"""Sets that are counted and timed; as many as the run takes together are timed where there is time."""
PATCHES, SINGLE = 16, 2
"""Patches that the sets are timed on; where the knock-outs take a patch at a time anyway."""
TIMES, LONG = 2, 0.2
"""How often a piece of work is timed, the shortest counts; one of so many seconds once."""
FEW_TARGETS = 2
"""Targets beside all of them, to tell what each of them takes."""
Timed = Callable[[Callable[[], object]], float]
"""The seconds of a piece of work."""
Work = Callable[[int, int], object]
"""Some work with so many sets and so many targets."""


@dataclass(frozen=True, kw_only=True)
class AblationCosts:
    """What masks and knock-outs are measured with. `timed`: None where seconds are not wanted."""

    workspace: Workspace
    passed: Passed
    timed: Timed | None

    def masking(self, number: int, features: tuple[float, ...], masks: int) -> Part:
        """F1 at a layer: a unit is a picture for each batch of masks, and one under a mask, from the layer up.

        Args: masks: how many there are.
        """
        above = self.passed.work[number + 1 :]
        guess = (float(above[0]), above[0] / 2 + 2.0 * sum(above[1:]))
        return Part(
            key=("masking", number, ""),
            features=features,
            guess=guess,
            least=guess[0] + 2 * FEW * guess[1],
            measure=lambda seconds: self._masked(number, masks, seconds),
        )

    def ablations(
        self, number: int, features: tuple[float, ...], removed: Sequence[int], tested: int, targets: int
    ) -> Part:
        """The knock-outs for layer `number` in the layer below. A unit is a patch: for each batch of sets, and that
        times the targets; for each set, and that times the targets.

        Args:
            removed: how many channels the sets take.
            tested: the neurons tested.
            targets: all of them.
        """
        row = float(self.passed.work[number])
        return Part(
            key=("knock-outs", number, ""),
            features=features,
            guess=(row, 0.0, row, 0.0),
            least=2 * (1 + FEW) * row,
            measure=lambda seconds: self._ablated(number, removed, tested, targets, seconds),
        )

    def bounded(self, number: int, features: tuple[float, ...], removed: Sequence[int], k: float) -> Part:
        """The same where bounds spare most of the patches. A unit is a patch and target: once, and for each set.

        Args: k: the concept's share of all patches.
        """
        row = float(self.passed.work[number])
        width = self.workspace.segments.layers[number].channels
        return Part(
            key=("bounded ablations", number, ""),
            features=features,
            guess=(row / width, row / width / 9),
            least=2 * (1 + FEW) * row * PATCHES / width,
            measure=lambda seconds: self._bounded(number, removed, k, seconds),
        )

    def engine(self, number: int) -> Ablation:
        """The knock-outs that a layer's neurons ask for."""
        return self.workspace.ablations(number - 1, self.passed.values[number - 1][:1], SilentStep().note)

    def _masked(self, number: int, masks: int, seconds: float) -> Rate:
        top, one = len(self.passed.values) - 1, self.passed.values[number][:1]
        engine = self.workspace.ablations(number, one, SilentStep().note)
        widths = [self.workspace.segments.layers[i].channels for i in range(number, top)]

        def work(count: int, _targets: int) -> None:
            removed = [_drawn(count, width) for width in widths]
            masked_logits(
                self.workspace.forward.segments, number, engine, one, removed, rows=self.workspace.forward_rows
            )

        found = linear(work, min(self.workspace.forward_rows, at_once(engine, masks)), 1, 1, self.timed, seconds)
        return _first(found, (0, 2))

    def _ablated(self, number: int, removed: Sequence[int], tested: int, targets: int, seconds: float) -> Rate:
        engine = self.engine(number)
        values = self.passed.values[number - 1]
        single = isinstance(engine, SplitAblation) and devices.is_host(values.device)
        below = values[: (SINGLE if single else PATCHES) if self.timed else 1]
        width = self.workspace.segments.layers[number - 1].channels

        def work(count: int, few: int) -> None:
            engine.phi(below, _removed(count, width, removed), range(few))

        few = min(tested, FEW_TARGETS) if tested == targets else tested
        found = linear(work, at_once(engine, len(removed)), few, targets, self.timed, seconds)
        return per_unit(found, len(below))

    def _bounded(self, number: int, removed: Sequence[int], share: float, seconds: float) -> Rate:
        engine, below = self.engine(number), self.passed.values[number - 1]
        assert isinstance(engine, LinearMixAblation)  # noqa: S101 as the run has seen to it
        width, k = below.shape[1], max(1, round(share * len(below)))

        def work(count: int, _targets: int) -> None:
            channel_terms = engine.channel_terms([below], 0, patches=len(below))
            concept = channel_terms.terms.sum(dim=(1, 2)).topk(k).indices
            for _ in candidates(channel_terms, _removed(count, width, removed).to(below.device), concept):
                pass

        found = linear(work, len(removed), 1, 1, self.timed, seconds)
        return per_unit(_first(found, (0, 2)), len(below))


def at_once(engine: Ablation, sets: int) -> int:
    """How many of a patch's sets share what is made once."""
    most = engine.rows.most if isinstance(engine, SplitAblation) else sets
    return max(1, min(sets, most))


def linear(work: Work, most: int, few: int, targets: int, timed: Timed | None, seconds: float) -> Rate:
    """The rate of work that is linear in sets and in targets: once, once a target, a set, a set and target.

    The work is run once before it is timed.

    Args:
        most: the most sets that share what is made once.
        few: some of the targets.
        seconds: to take, about.
    """
    low, high = min(FEW, most), min(MORE, most)
    corners = dict.fromkeys([(low, few), (high, few), (low, targets), (high, targets)])
    amounts = _form({at: float(multiply_adds(lambda at=at: work(*at))) for at in corners}, few, targets)  # type: ignore[misc]
    if timed is None:
        return Rate(work=amounts, seconds=None)
    first = _quickest(lambda: work(low, few), timed)
    many = max(high, min(most, int(low * seconds / max(first, 1e-9))))
    spent, latest = {(low, few): first}, first
    for at in dict.fromkeys([(many, few), (low, targets), (many, targets)]):
        expected = latest * many / low if at == (many, targets) else first * (at[0] / low) * (at[1] / few)
        if at not in spent and (at[0] == low or expected <= 2 * seconds):
            spent[at] = latest = _quickest(lambda at=at: work(*at), timed)  # type: ignore[misc]
    return Rate(work=amounts, seconds=_form(spent, few, targets))


def _form(at: dict[tuple[int, int], float], few: int, targets: int) -> tuple[float, ...]:
    """Once, once a target, a set, a set and target, each at least 0, from the values known by sets and targets."""
    once, each = _line({sets: value for (sets, count), value in at.items() if count == few})
    if targets == few:
        return once, 0.0, each, 0.0
    more = {sets: value for (sets, count), value in at.items() if count == targets}
    if len(more) > 1:
        once_all, each_all = _line(more)
    else:
        ((sets, value),) = more.items()
        once_all, each_all = once, max(each, (value - once) / sets)
    once_target, each_target = _slope(once, once_all, few, targets), _slope(each, each_all, few, targets)
    return once - once_target * few, once_target, each - each_target * few, each_target


def _slope(little: float, much: float, few: int, targets: int) -> float:
    """What each target takes, if that is no more than all there is for few of them."""
    return min(little / few, max(0.0, much - little) / (targets - few))


def _line(at: dict[int, float]) -> tuple[float, float]:
    """What is taken once, and what each set takes, from the values for few and for many."""
    low, high = min(at), max(at)
    if high == low:
        return 0.0, at[low] / low
    each = max(0.0, at[high] - at[low]) / (high - low)
    return max(0.0, at[high] - each * high), each


def per_unit(rate: Rate, units: int) -> Rate:
    """The rate of one of so many units."""
    seconds = None if rate.seconds is None else tuple(s / units for s in rate.seconds)
    return Rate(work=tuple(w / units for w in rate.work), seconds=seconds)


def _first(rate: Rate, features: tuple[int, ...]) -> Rate:
    """The rate with some of its features alone."""
    seconds = None if rate.seconds is None else tuple(rate.seconds[i] for i in features)
    return Rate(work=tuple(rate.work[i] for i in features), seconds=seconds)


def _drawn(count: int, width: int) -> Tensor:
    """Sets of half of the channels."""
    return torch.rand((count, width), generator=torch.Generator().manual_seed(0)) < 0.5


def _removed(count: int, width: int, removed: Sequence[int]) -> Tensor:
    """Sets of which so many channels are gone, evenly from all of `removed`: bool (count, width)."""
    order = torch.rand((count, width), generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    gone = torch.tensor([removed[int((i + 0.5) * len(removed) / count)] for i in range(count)])
    return order < gone[:, None]


def _quickest(work: Callable[[], object], timed: Timed) -> float:
    """The seconds of some work, the least of a few times where it is short."""
    spent = [timed(work)]
    while len(spent) < TIMES and spent[-1] < LONG:
        spent.append(timed(work))
    return min(spent)
