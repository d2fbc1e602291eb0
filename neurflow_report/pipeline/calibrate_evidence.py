"""What the experiments cost: a few sets on one picture or patch of each layer, extrapolated to all sets.

The work is linear in the number of sets, with a part that does not depend on it (what a picture's sets share): it is
counted and timed with few and with more of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurflow_report.circuit.grouping import partition
from neurflow_report.circuit.knockout import Knockouts
from neurflow_report.circuit.masked import masked_logits
from neurflow_report.circuit.masked_core import SplitKnockouts
from neurflow_report.network.count import multiply_adds
from neurflow_report.pipeline.examine import Bench
from neurflow_report.pipeline.progress import SilentStep
from neurflow_report.spec.presets import Sizes, sizes
from neurflow_report.spec.schema import Spec

FEW, MORE, MOST, PATCHES = 4, 16, 64, 8
"""Sets that are counted and timed, and timed where they are quick; patches."""
TIMES, LONG = 3, 0.5
"""How often a piece of work is timed, the shortest counts; one of so many seconds once."""
Timed = Callable[[Callable[[], object]], float]
"""The seconds of a piece of work."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Multiply-adds and seconds (None: not timed)."""

    multiply_adds: float
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class EvidenceCost:
    """By layer, input → output. `masking`: F1 of one picture and τ, without the way to the layer; `knockouts`: of one
    patch, all sets and tested targets of the layer (None for the lowest); `sets`, `tested`: how many these are;
    `partition`: the seconds of one neuron's clustering (None: not timed). Empty where not asked for."""

    masking: tuple[Cost, ...]
    knockouts: tuple[Cost | None, ...]
    sets: tuple[int, ...]
    tested: tuple[int, ...]
    partition: float | None


def measure_evidence(
    bench: Bench, spec: Spec, values: Sequence[Tensor], targets: Sequence[int], timed: Timed | None
) -> EvidenceCost:
    """Args: values: the layers' activations on some patches; targets: how many each layer has, likely or at most;
    timed: None where seconds are not wanted."""
    size = sizes(spec.fidelity)
    asked, top = set(size.experiments), len(values) - 1
    widths = [info.channels for info in bench.segments.layers]
    tested = [min(count, size.targets) for count in targets]
    sets = [list[int](), *(removals(size, spec.core.tau, widths[i - 1], tested[i]) for i in range(1, top + 1))]
    masked = range(top) if "masking" in asked else range(0)
    return EvidenceCost(
        masking=tuple(_masking(bench, values, number, 3 + 2 * size.draws, timed) for number in masked),
        knockouts=tuple(
            _knocked(bench, values, number, sets[number], tested[number], timed) if sets[number] else None
            for number in range(top + 1)
        ),
        sets=tuple(len(some) for some in sets),
        tested=tuple(tested),
        partition=None if timed is None else _partition(spec, values, timed),
    )


def removals(size: Sizes, tau: int, width: int, tested: int) -> list[int]:
    """How many channels each set takes that is knocked out of a layer of `width` for the neurons tested one layer up,
    smallest first: F2's τ, where all core sets have so many, F3's and F4's their sizes."""
    asked, found = set(size.experiments), list[int]()
    if "optimality" in asked:
        found += [min(tau, width - 1)] * (tested + size.optimality_draws)
    if asked & {"weights", "methods"}:
        found += [n for n in size.sizes if n < width for _ in range(min(size.weight_draws, math.comb(width, n)))]
    return sorted(found)


def _masking(bench: Bench, values: Sequence[Tensor], number: int, masks: int, timed: Timed | None) -> Cost:
    """One picture under F1's masks at a layer, and from it up."""
    top, one = len(values) - 1, values[number][:1]
    engine = bench.knockouts(number, one, SilentStep().note)
    widths = [bench.segments.layers[i].channels for i in range(number, top)]

    def work(count: int) -> None:
        keep = [_drawn(count, width) for width in widths]
        masked_logits(bench.forward.segments, number, engine, one, keep, rows=bench.forward_rows)

    return _linear(work, masks, min(bench.forward_rows, _at_once(engine, masks)), timed)


def _knocked(
    bench: Bench, values: Sequence[Tensor], number: int, removed: Sequence[int], tested: int, timed: Timed | None
) -> Cost:
    """One patch under a layer's sets, which take so many channels each, for the targets tested."""
    below = values[number - 1][:PATCHES]
    engine = bench.knockouts(number - 1, below[:1], SilentStep().note)
    width = bench.segments.layers[number - 1].channels

    def work(count: int) -> None:
        engine.phi(below, _kept(count, width, removed), range(tested))

    found = _linear(work, len(removed), _at_once(engine, len(removed)), timed)
    seconds = None if found.seconds is None else found.seconds / len(below)
    return Cost(multiply_adds=found.multiply_adds / len(below), seconds=seconds)


def _drawn(count: int, width: int) -> Tensor:
    """Sets of half of the channels."""
    return torch.rand((count, width), generator=torch.Generator().manual_seed(0)) < 0.5


def _kept(count: int, width: int, removed: Sequence[int]) -> Tensor:
    """Sets of which so many channels are gone, evenly from all of `removed`: bool (count, width)."""
    order = torch.rand((count, width), generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    gone = torch.tensor([removed[int((i + 0.5) * len(removed) / count)] for i in range(count)])
    return order >= gone[:, None]


def _at_once(engine: Knockouts, sets: int) -> int:
    """How many of a patch's sets share what is made once."""
    return min(sets, engine.rows.most) if isinstance(engine, SplitKnockouts) else sets


def _linear(work: Callable[[int], object], sets: int, at_once: int, timed: Timed | None) -> Cost:
    """The cost for `sets` sets, `at_once` of them together; the work is run once before it is timed."""
    low, high = min(FEW, at_once), min(MORE, at_once)

    def through(first: float, second: float, high: int) -> float:
        slope = max(0.0, second - first) / (high - low) if high > low else 0.0
        once = max(0.0, second - slope * high)
        return once * math.ceil(sets / at_once) + slope * sets

    count = through(multiply_adds(lambda: work(low)), multiply_adds(lambda: work(high)), high)
    if timed is None:
        return Cost(multiply_adds=count, seconds=None)
    first = _quickest(lambda: work(low), timed)
    most = high if first > LONG * FEW / MOST else min(MOST, at_once)
    second = _quickest(lambda: work(most), timed)
    return Cost(multiply_adds=count, seconds=through(first, second, most))


def _quickest(work: Callable[[], object], timed: Timed) -> float:
    """The seconds of some work, the least of a few times where it is short."""
    spent = [timed(work)]
    while len(spent) < TIMES and spent[-1] < LONG:
        spent.append(timed(work))
    return min(spent)


def _partition(spec: Spec, values: Sequence[Tensor], timed: Timed) -> float:
    """The seconds of clustering one concept."""
    width = max(value.shape[1] for value in values[:-1])
    points = np.random.default_rng(0).normal(size=(spec.concept.k, width))
    return timed(lambda: partition(points, spec.groups.max_semantic))
