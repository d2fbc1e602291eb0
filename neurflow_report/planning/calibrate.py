"""Some of the run's own work on this device, within a budget of seconds: what a plan's figures are made from.

1. Some patches through the stem and each stage (calibrate_forward.py).
2. From the logit down, a few targets of each layer are searched as the run does it. That gives the cost of a target,
   and core sets, from which the number of targets of the layer below is estimated.
3. What the experiments do, the dearest first (rates.py, calibrate_experiments.py, calibrate_methods.py).

How many targets a layer will have: the core sets of m targets hold so many neurons, once or twice among them; how many
the core sets of n targets hold is extrapolated from that (A. Chao et al. 2009, incidence-based accumulation curves).
Where there was no time to search a layer, it is taken to be like the layer above it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.attribution.integrated_gradients import Quadrature
from neurflow_report.circuit.discovery import Search, layer_neurons
from neurflow_report.circuit.top_patches import concepts
from neurflow_report.network.count import multiply_adds
from neurflow_report.network.forward import spatial_mean
from neurflow_report.planning.calibrate_forward import Passed, timed
from neurflow_report.planning.rates import Budget, Part, Rate, Rates
from neurflow_report.progress import SilentStep
from neurflow_report.results.records import Neuron
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec

LAYER, TARGETS, COUNTED = 1.0, 12, 4
"""Seconds that timing one layer's targets may take, about, and how many targets at most; patches that are counted on.
"""
SEARCHING = 0.4
"""The share of the budget that the search may take."""
STEPS = 24
"""Rows that go through a segment for a target's attribution on a patch, as guessed: 8 steps there and back."""

GROUPS = 3.0
"""Semantic groups of a neuron where no layer was searched."""
REFINED = 16
"""How many times longer a target may take whose steps are doubled until its error is small enough."""

Indices = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ExpectedLayer:
    """What the search is likely to find at a layer.

    Attributes:
        targets: of a class.
        groups: semantic groups of each target.
        parted: the share of the targets that have more than one.
        distinct: the share of their concepts' places that hold a patch of its own.
        seen: whether the layer was searched.
    """

    targets: int
    groups: float
    parted: float
    distinct: float | None
    seen: bool


def most_targets(channels: Sequence[int], tau: int) -> list[int]:
    """The most targets that each layer can have, input → output: τ times as many a layer down, up to its channels."""
    found = [1]
    for width in reversed(channels[:-1]):
        found.append(min(width, found[-1] * tau))
    return found[::-1]


def search_layers(
    workspace: Workspace,
    spec: Spec,
    passed: Passed,
    rates: Rates,
    *,
    logit: int,
    patches: int,
    budget: Budget,
    known: bool,
    told: Callable[[str], None],
) -> tuple[ExpectedLayer, ...]:
    """Search a few targets of each layer from the logit down, while there is time; their rates go into `rates`.

    Args:
        patches: how many a class has.
        known: whether `passed` are pictures: noise does not say how many targets are likely.
        told: which layer is next.
    """
    layers, axis = workspace.segments.layers, workspace.segments.feature_axis
    means = [spatial_mean(v, axis(i)).cpu().numpy() for i, v in enumerate(passed.values)]
    most_of = most_targets([info.channels for info in layers], spec.core.searched)
    rates.add(search_part(passed, number) for number in range(len(layers)))
    targets, total, found = [logit], 1, list[ExpectedLayer]()
    end = budget.spent + SEARCHING * budget.left
    for number in range(len(layers) - 1, -1, -1):
        left = end - budget.spent
        trial = _Trial(workspace=workspace, spec=spec, passed=passed, means=means, number=number)
        steps = trial.affordable(rates.expected(rates.parts["search", number, ""]), left)
        if steps is None or (found and not found[-1].seen):
            found.append(_like(found, most_of, number, known))
            continue
        told(layers[number].name)
        rate, neurons = trial.measure(targets, total, steps, 2 * left / (number + 1) if rates.timed else None)
        rates.known["search", number, ""] = rate
        count = min(total, most_of[number]) if known else most_of[number]
        found.append(trial.expected(neurons, targets, count, patches))
        sets = [frozenset(s.channel for s in n.core) for n in neurons]
        targets = sorted(frozenset().union(*sets)) or [0]
        total = union_size(sets, total, layers[max(number - 1, 0)].channels)
    return tuple(reversed(found))


def search_part(passed: Passed, number: int) -> Part:
    """The search at a layer: a unit is a target on a patch; the lowest layer's are not attributed."""
    guess = float(STEPS * passed.work[number]) if number else 0.0
    return Part(key=("search", number, ""), features=(1.0,), guess=(guess,), least=guess, measure=_never)


def _never(_seconds: float) -> Rate:
    raise AssertionError("a layer is searched in its order")


def _like(found: Sequence[ExpectedLayer], most_of: Sequence[int], number: int, known: bool) -> ExpectedLayer:
    """A layer that was not searched: with as large a share of the most targets as the layer above has, if any was."""
    if not found:
        return ExpectedLayer(targets=most_of[number], groups=GROUPS, parted=1.0, distinct=None, seen=False)
    above = found[-1]
    share = above.targets / most_of[number + 1] if known and len(found) > 1 else 1.0
    return replace(above, targets=max(1, round(most_of[number] * share)), distinct=None, seen=False)


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """A few targets of one layer, searched on the patches at hand."""

    workspace: Workspace
    spec: Spec
    passed: Passed
    means: Sequence[NDArray[np.floating]]
    number: int

    def affordable(self, expected: float, left: float) -> tuple[int, bool] | None:
        """How many patches one target can be counted on, and whether with all steps of the path; None: on none.

        Args:
            expected: seconds of a target on a patch, likely.
            left: seconds.
        """
        few = min(self.spec.concept.k, len(self.means[0]), COUNTED)
        if left <= 0:
            return None
        if few * expected <= left / 2:
            return few, True
        return (1, False) if expected <= left else None

    def measure(
        self, targets: Sequence[int], total: int, steps: tuple[int, bool], seconds: float | None
    ) -> tuple[Rate, list[Neuron]]:
        """The rate of a target on a patch, and the neurons found.

        Args:
            targets: some of the layer's.
            total: how many the layer has.
            steps: as `affordable` has it.
            seconds: to take at most, about; None: nothing is timed.
        """
        few, whole = steps
        first, neurons = [targets[len(targets) // 2]], list[Neuron]()
        spent, work = self._timed(lambda: multiply_adds(lambda: neurons.extend(self.search(first, few, whole))))
        if seconds is None:
            return Rate(work=(work / few,), seconds=None), neurons
        each, limit, most = spent / few, min(LAYER, seconds), min(self.spec.concept.k, len(self.means[0]))
        if spent > limit or not (whole or spent * REFINED < limit):
            return Rate(work=(work / few,), seconds=(each,)), neurons
        k = max(few, min(most, int(limit / max(each if whole else REFINED * each, 1e-9))))
        spent, neurons = self._timed(lambda: self.search(first, k))
        count = min(total, len(targets), max(COUNTED, min(TARGETS, int(limit / max(spent, 1e-6)))))
        if count > 1 and count * spent < COUNTED * limit:
            chosen = [targets[int((i + 0.5) * len(targets) / count)] for i in range(count)]
            spent, neurons = self._timed(lambda: self.search(chosen, k))
        else:
            count = 1
        return Rate(work=(work / few,), seconds=(spent / (count * k),)), neurons

    def _timed(self, work: Callable[[], T]) -> tuple[float, T]:
        return timed(self.workspace.segments.device, work)

    def search(self, targets: Sequence[int], k: int, whole: bool = True) -> list[Neuron]:
        """The targets' neurons, as the run finds them; with as few steps as there are unless `whole`."""
        rule, core = self.spec.attribution.model_dump(), self.spec.core
        search = Search(
            k=k,
            tau=core.searched,
            max_semantic=self.spec.groups.max_semantic,
            quadrature=Quadrature(**(rule if whole else rule | {"max_nodes": rule["nodes"]})),
        )
        names = [info.name for info in self.workspace.segments.layers]
        wanted = np.array(targets, np.int64)
        return layer_neurons(
            search,
            names,
            self.workspace.layer_pairs(),
            self.means,
            self.number,
            wanted,
            self._activations,
            SilentStep(),
        )

    def _activations(self, layer: int, patches: Indices) -> Tensor:
        value = self.passed.values[layer]
        return value[torch.as_tensor(patches, device=value.device)]

    def expected(self, neurons: Sequence[Neuron], targets: Sequence[int], total: int, patches: int) -> ExpectedLayer:
        """What the layer is likely to hold, from some of its neurons."""
        return ExpectedLayer(
            targets=max(1, total),
            groups=sum(len(n.groups) for n in neurons) / len(neurons),
            parted=sum(len(n.groups) > 1 for n in neurons) / len(neurons),
            distinct=self.distinct(targets, total, patches),
            seen=True,
        )

    def distinct(self, targets: Sequence[int], total: int, patches: int) -> float | None:
        """The share of the concepts' places that hold a patch of its own; None where few of the targets are known.

        On the patches at hand a concept has as many of them as its share of all patches says.
        """
        if 2 * len(targets) < total:
            return None
        here = len(self.means[0])
        k = max(1, min(here, round(self.spec.concept.k * here / patches)))
        wanted = concepts(self.means[self.number], np.array(list(targets), np.int64), k)
        return len(np.unique(wanted)) / wanted.size


def union_size(sets: Sequence[frozenset[int]], total: int, channels: int) -> int:
    """How many different neurons `total` core sets hold, likely, known `sets` of them; at most `channels`.

    The number not yet seen is Chao's estimate from those seen once and twice; with one set known of several, nothing
    is known of their overlap, and the answer is the most there can be.
    """
    known, seen = len(sets), Counter(channel for one in sets for channel in one)
    most = min(channels, total * max((len(one) for one in sets), default=0))
    if known >= total:
        return len(seen)
    if known == 1:
        return most
    once, twice = (sum(count == n for count in seen.values()) for n in (1, 2))
    unseen = (known - 1) / known * (once**2 / (2 * twice) if twice else once * (once - 1) / 2)
    if not unseen:
        return len(seen)
    share = 1 - (1 - once / (known * unseen + once)) ** (total - known)
    return min(most, round(len(seen) + unseen * share))
