"""What the other attribution methods, the critical-neuron methods and the clusterings cost, on the patches at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import fx

from neurflow_report.circuit.clustering import distances, partition, partitions
from neurflow_report.fidelity import methods
from neurflow_report.fidelity.concept_tests import A_CONCEPT, vectors
from neurflow_report.fidelity.critical import MOST, knockoff_scores, marginal_contributions
from neurflow_report.fidelity.knockoffs import NoKnockoffsError
from neurflow_report.network.count import multiply_adds
from neurflow_report.network.forward import spatial_mean
from neurflow_report.planning.calibrate_experiments import Timed
from neurflow_report.planning.calibrate_forward import Passed
from neurflow_report.planning.rates import Part, Rate
from neurflow_report.planning.workload import ROWS
from neurflow_report.results.catalogue import STABILITY_NOISE
from neurflow_report.setup.workspace import Workspace

THERE_AND_BACK = 3
"""What a gradient takes, in forward passes, as guessed."""
PATCHES, POINTS, LASSO = 2, 400, 60
"""Patches to begin with, and points to cluster at most; multiplications a channel and row that knockoffs take, as
guessed, times the channels."""
CLUSTERING = 2e7
"""What a clustering takes whatever its size, in multiply-adds, as guessed."""
REGRESSION = 100
"""What a logistic regression takes for each number, in multiply-adds, as guessed."""
TOGETHER = 5
"""Sets of patches that are clustered together, as for the draws of F7."""
NOTHING = Rate(work=(0.0,), seconds=(0.0,))


@dataclass(frozen=True, kw_only=True)
class MethodCosts:
    """What they are measured with. `timed`: None where seconds are not wanted."""

    workspace: Workspace
    passed: Passed
    timed: Timed | None
    seed: int

    def method(self, number: int, name: str, features: tuple[float, ...]) -> Part:
        """F4: a unit is a patch of a neuron tested."""
        guess = float(ROWS.get(name, 1) * THERE_AND_BACK * self.passed.work[number])
        return Part(
            key=("methods", number, name),
            features=features,
            guess=(guess,),
            least=2 * PATCHES * guess,
            measure=lambda seconds: self._scored(number, name, seconds),
        )

    def marginal(self, number: int, features: tuple[float, ...]) -> Part:
        """F5, NeuronMCT: a unit is a picture, from the layer up."""
        guess = float(THERE_AND_BACK * sum(self.passed.work[number + 1 :]))
        return Part(
            key=("marginal contributions", number, ""),
            features=features,
            guess=(guess,),
            least=2 * PATCHES * guess,
            measure=lambda seconds: self._contributions(number, seconds),
        )

    def knockoffs(self, number: int, features: tuple[float, ...], patches: int) -> Part:
        """F5, NeuCEPT: a unit is a patch that knockoffs are made for.

        Args: patches: of a class.
        """
        rows = min(patches, MOST)
        width = self.workspace.segments.layers[number].channels
        guess = float(LASSO * width * width)
        return Part(
            key=("knockoffs", number, ""),
            features=features,
            guess=(guess,),
            least=guess * min(rows, POINTS // 4),
            measure=lambda seconds: self._knockoffs(number, rows, seconds),
            counts=False,
        )

    def concept_vectors(self, number: int, features: tuple[float, ...], pictures: int) -> Part:
        """Concepts of the user's own: a unit is a logistic regression of so many pictures and as many others."""
        rows, width = 2 * min(pictures, A_CONCEPT), self.workspace.segments.layers[number].channels
        guess = CLUSTERING + float(REGRESSION * rows * width)
        return Part(
            key=("concept vectors", number, ""),
            features=features,
            guess=(guess,),
            least=2 * guess,
            measure=lambda _seconds: self._separated(rows, width),
            counts=False,
        )

    def clusters(self, number: int, case: str, points: int, most: int, features: tuple[float, ...]) -> Part:
        """Clusterings at a layer: a unit is one of so many points, in at most so many clusters."""
        width = self.workspace.segments.layers[max(number - 1, 0)].channels
        guess = CLUSTERING + float(points * points * (width + 100))
        return Part(
            key=("clusters", number, case),
            features=features,
            guess=(guess,),
            least=CLUSTERING + 2.0 * min(points, POINTS) ** 2 * (width + 100),
            measure=lambda _seconds: self._clustered(points, width, most, together=case == "semantic"),
            counts=False,
        )

    def _scored(self, number: int, name: str, seconds: float) -> Rate:
        layer_pair, below = self.workspace.layer_pairs()[number - 1], self.passed.values[number - 1]
        assert isinstance(layer_pair.segment, fx.GraphModule)  # noqa: S101 what cut.py makes
        segment = layer_pair.segment

        def work(count: int) -> None:
            methods.scores(
                name,
                segment,
                below[:count],
                0,
                axis=layer_pair.axis,
                out_axis=layer_pair.out_axis,
                rows=layer_pair.rows,
                seed=self.seed,
            )

        try:
            return self._grown(work, min(len(below), PATCHES), len(below), seconds)
        except methods.NotApplicableError:
            return NOTHING if self.timed else Rate(work=(0.0,), seconds=None)

    def _contributions(self, number: int, seconds: float) -> Rate:
        axis, top = self.workspace.segments.feature_axis(number), len(self.passed.values) - 1
        above, value = self.workspace.segments.between(number, top), self.passed.values[number]
        most = min(len(value), *self.workspace.pair_rows[number:])
        return self._grown(
            lambda count: marginal_contributions(above, value[:count], 0, axis), min(PATCHES, most), most, seconds
        )

    def _grown(self, work: Callable[[int], object], few: int, most: int, seconds: float) -> Rate:
        """The rate of work on some patches: counted on a few, timed on as many more as fit the seconds."""
        counted = multiply_adds(lambda: work(few)) / few
        if self.timed is None:
            return Rate(work=(counted,), seconds=None)
        count, spent = few, self.timed(lambda: work(few))
        while count < most and spent * 4 < seconds:
            count = min(most, 4 * count)
            spent = self.timed(lambda c=count: work(c))  # type: ignore[misc]
        return Rate(work=(counted,), seconds=(spent / count,))

    def _knockoffs(self, number: int, rows: int, seconds: float) -> Rate:
        """On the patches at hand, drawn again with a little noise until there are enough."""
        if self.timed is None:
            return Rate(work=(0.0,), seconds=None)
        axis, random = self.workspace.segments.feature_axis, np.random.default_rng(0)
        top = len(self.passed.values) - 1
        below, logits = (spatial_mean(self.passed.values[i], axis(i)).cpu().double().numpy() for i in (number, top))

        def work(count: int) -> None:
            chosen = random.integers(len(below), size=count)
            noise = 1 + random.uniform(-STABILITY_NOISE, STABILITY_NOISE, (count, below.shape[1]))
            knockoff_scores(below[chosen] * noise, logits[chosen, 0], seed=(self.seed,))

        count = min(rows, POINTS // 4)
        try:
            work(count)
            spent = self.timed(lambda: work(count))
            while count < rows and spent * 4 < seconds:
                count = min(rows, 4 * count)
                spent = self.timed(lambda c=count: work(c))  # type: ignore[misc]
        except NoKnockoffsError:  # the run says why, and goes on
            return NOTHING
        return Rate(work=(0.0,), seconds=(spent / count,))

    def _separated(self, rows: int, width: int) -> Rate:
        """Of one set of rows."""
        if self.timed is None:
            return Rate(work=(0.0,), seconds=None)
        phi = np.random.default_rng(0).normal(size=(rows, width))
        vectors(phi[:4], 2, 0, seed=(0,))  # the first loads what it needs
        return Rate(work=(0.0,), seconds=(self.timed(lambda: vectors(phi, rows // 2, 0, seed=(0,))),))

    def _clustered(self, points: int, width: int, most: int, *, together: bool) -> Rate:
        """Of one set of points; `together`: as one of several."""
        count, random = min(points, POINTS), np.random.default_rng(0)
        if self.timed is None or count < 1:
            return Rate(work=(0.0,), seconds=None if self.timed is None else (0.0,))
        sets = TOGETHER if together else 1
        some = random.normal(size=(sets, count, width))
        partition(some[0, :10], most)

        def work() -> None:
            shaken = some * (1 + random.uniform(-STABILITY_NOISE, STABILITY_NOISE, some.shape))
            if together:
                partitions(distances(torch.from_numpy(shaken)), most)
            else:
                partition(shaken[0], most)

        return Rate(work=(0.0,), seconds=(self.timed(work) / sets * (points / count) ** 2,))
