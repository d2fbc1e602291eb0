"""What masks and knock-outs cost, from few: linear in the sets and in the targets."""

import pytest
import torch

from neurflow_report.planning.calibrate_experiments import FEW, LONG, MORE, _removed, linear


class Clock:
    """Work that costs so much a call, a target, a set, and a set and target; the first of every two calls is
    disturbed."""

    def __init__(self, once, target, each, both):
        self.costs, self.calls, self.last, self.asked = (once, target, each, both), 0, 0.0, []

    def work(self, sets, targets):
        self.calls += 1
        once, target, each, both = self.costs
        self.asked.append((sets, targets))
        self.last = once + target * targets + each * sets + both * sets * targets + (0.05 if self.calls % 2 else 0.0)

    def timed(self, work):
        work()
        return self.last


@pytest.mark.parametrize(
    "costs", [(0.02, 0.0, 0.0001, 0.0), (0.01, 0.001, 0.0001, 0.000001), (0.0, 0.0, 0.0, 0.000004)]
)
@pytest.mark.parametrize(("most", "few", "targets"), [(700, 2, 20), (64, 6, 64), (MORE, 1, 1)])
def test_a_linear_cost_is_found_whatever_disturbs_some_of_the_runs(costs, most, few, targets):
    clock = Clock(*costs)
    found = linear(clock.work, most, few, targets, clock.timed, 10.0)
    for sets, count in ((FEW, few), (most, few), (most, targets)):
        expected = costs[0] + costs[1] * count + costs[2] * sets + costs[3] * sets * count
        assert sum(a * b for a, b in zip(found.seconds, (1, count, sets, sets * count), strict=True)) == pytest.approx(
            expected, abs=1e-9
        )
    assert all(s >= 0 for s in found.seconds)
    assert found.work == (0, 0, 0, 0)


def test_as_many_sets_are_timed_as_there_is_time_for():
    for seconds, most in ((10.0, 700), (1.0, 100), (0.01, MORE)):
        clock = Clock(0.0, 0.0, 0.01, 0.0)
        clock.calls = 1
        linear(clock.work, 700, 1, 1, lambda work, c=clock: work() or 0.01 * c.asked[-1][0], seconds)
        assert max(sets for sets, _ in clock.asked) == most


def test_slow_work_is_timed_with_few_sets_alone():
    clock = Clock(0.0, 0.0, LONG, 0.0)
    found = linear(clock.work, 700, 1, 1, lambda work: work() or LONG * clock.asked[-1][0], 0.1)
    assert clock.asked[2:] == [(FEW, 1)]
    assert found.seconds == (0.0, 0.0, LONG, 0.0)


def test_without_time_nothing_is_timed():
    found = linear(lambda count, _few: torch.ones(count, 3) @ torch.ones(3, 5), 100, 1, 1, None, 1.0)
    assert (found.work, found.seconds) == ((0.0, 0.0, 15.0, 0.0), None)


def test_sets_take_what_the_run_s_take():
    removed = _removed(6, 9, [1, 1, 1, 4, 4, 4])
    assert removed.sum(dim=1).tolist() == [1, 1, 1, 4, 4, 4]
    assert _removed(2, 9, [1, 1, 1, 4, 4, 4]).sum(dim=1).tolist() == [1, 4]
