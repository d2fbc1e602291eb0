"""What the experiments cost, from a few sets: linear in the sets, and in the batches that share what is made once."""

import numpy as np
import pytest
import torch

from neurflow_report.pipeline.calibrate_evidence import FEW, LONG, MORE, MOST, Cost, _kept, _linear, removals
from neurflow_report.pipeline.experiments import _Plan
from neurflow_report.results.records import CoreScore, Neuron
from neurflow_report.spec.load import load_spec
from neurflow_report.spec.presets import sizes


class Clock:
    """Work that costs `once` seconds a call and `each` a set; the first of every three calls is disturbed."""

    def __init__(self, once, each):
        self.once, self.each, self.calls, self.last = once, each, 0, 0.0

    def work(self, count):
        self.calls += 1
        self.last = self.once + self.each * count + (9.0 if self.calls % 3 == 1 else 0.0)

    def timed(self, work):
        work()
        return self.last


@pytest.mark.parametrize(
    ("sets", "at_once", "batches"), [(1, 1, 1), (FEW, FEW, 1), (MORE, MORE, 1), (700, 700, 1), (700, 200, 4), (9, 3, 3)]
)
def test_a_linear_cost_is_found_whatever_disturbs_some_of_the_runs(sets, at_once, batches):
    clock = Clock(once=0.125, each=0.0005)
    clock.calls = 2
    found = _linear(clock.work, sets, at_once, clock.timed)
    assert found.seconds == pytest.approx(batches * 0.125 + sets * 0.0005)
    assert found.multiply_adds == 0


@pytest.mark.parametrize(("each", "most"), [(0.001, MOST), (LONG, MORE)])
def test_many_sets_are_timed_only_where_they_are_quick(each, most):
    asked = []
    _linear(asked.append, 700, 700, lambda work: work() or each * asked[-1])
    assert max(asked) == most


def test_without_time_nothing_is_timed():
    assert _linear(lambda count: torch.ones(count, 3) @ torch.ones(3, 5), 100, 100, None) == Cost(
        multiply_adds=1500, seconds=None
    )


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
@pytest.mark.parametrize("width", [3, 12, 300])
def test_as_many_sets_are_counted_as_the_run_draws_where_all_core_sets_are_full(write_spec, preset, width):
    spec = load_spec(write_spec(fidelity={"preset": preset}), ()).spec
    tau = min(spec.core.tau, width - 1)
    core = tuple(CoreScore(channel=c, score=1.0) for c in range(tau))
    neurons = [Neuron.model_construct(channel=c, core=core) for c in range(5)]
    sets = _Plan.draw(spec, neurons, width, np.random.default_rng(0)).sets
    counted = removals(sizes(spec.fidelity), spec.core.tau, width, len(neurons))
    assert len(sets) <= len(counted)
    assert set(sets.sum(axis=1)) == set(counted)


def test_sets_take_what_the_run_s_take():
    kept = _kept(6, 9, [1, 1, 1, 4, 4, 4])
    assert (9 - kept.sum(dim=1)).tolist() == [1, 1, 1, 4, 4, 4]
    assert (9 - _kept(2, 9, [1, 1, 1, 4, 4, 4]).sum(dim=1)).tolist() == [1, 4]
