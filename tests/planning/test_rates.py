"""The budget of measuring: it ends, the dearest comes first, and what is left is extrapolated by multiply-adds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.planning.rates import CALL, SOON, Budget, Part, Rate, Rates


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Parts:
    """Parts that take `pace` seconds a guessed multiply-add on a clock of their own; what was measured, in order."""

    def __init__(self, pace):
        self.pace, self.clock, self.order = pace, Clock(), []

    def part(self, kind, layer, guess, units, wrong=1.0):
        def measure(seconds):
            self.order.append((kind, layer))
            self.clock.now += max(seconds, 2 * guess * self.pace * wrong)
            return Rate(work=(3 * guess,), seconds=(guess * self.pace * wrong,))

        return Part(key=(kind, layer, ""), features=(units,), guess=(guess,), least=2 * guess, measure=measure)


def measured(workspace, parts, seconds):
    rates, told = Rates(pace=workspace.pace), []
    rates.add(parts)
    rates.measure(Budget.of(seconds, workspace.clock), lambda part, _expected: told.append(part.key))
    return rates, told


def test_the_dearest_part_comes_first():
    workspace = Parts(1e-9)
    rates, told = measured(workspace, [workspace.part("a", n, 1e8, 10.0**n) for n in range(4)], 10.0)
    assert workspace.order == [("a", 3), ("a", 2), ("a", 1), ("a", 0)]
    assert told == [("a", n, "") for n in (3, 2, 1, 0)]
    assert all(rates["a", n, ""].timed for n in range(4))


def test_what_was_not_measured_is_extrapolated_from_the_nearest_of_its_kind():
    workspace = Parts(1e-8)
    parts = [workspace.part("a", 0, 1e8, 100.0), workspace.part("a", 1, 2e8, 100.0), workspace.part("b", 0, 1e8, 1.0)]
    rates, _ = measured(workspace, parts, 4.5)
    assert workspace.order == [("a", 1)]
    left = rates["a", 0, ""]
    factor = (1e8 + CALL) / (2e8 + CALL)
    assert (left.timed, rates["a", 1, ""].timed) == (False, True)
    assert left.work == pytest.approx((factor * 6e8,))
    assert left.seconds == pytest.approx((factor * 2.0,))
    guessed = rates["b", 0, ""]
    assert (guessed.timed, guessed.work, guessed.seconds) == (False, (1e8,), (1.0,))


def test_what_is_not_made_of_multiply_adds_has_none_where_it_is_guessed():
    rates = Rates(pace=1e-9)
    rates.add([Part(key=("c", 0, ""), features=(1.0,), guess=(1e9,), least=1e9, measure=pytest.fail, counts=False)])
    assert rates["c", 0, ""] == Rate(work=(0.0,), seconds=(1.0,), timed=False)


def test_a_plan_without_times_extrapolates_counts_alone():
    rates = Rates(pace=1e-9, timed=False)
    rates.add([Part(key=("a", 0, ""), features=(2.0,), guess=(1e9,), least=1e9, measure=pytest.fail)])
    assert rates["a", 0, ""].of((2.0,)) == (2e9, None)


def test_small_parts_are_left_out_after_a_while():
    workspace = Parts(1e-9)
    parts = [workspace.part("a", n, 1e8, 1e6) for n in range(30)] + [
        workspace.part("b", n, 1e7, 1.0) for n in range(99)
    ]
    measured(workspace, parts, 60.0)
    assert len([key for key in workspace.order if key[0] == "a"]) == 30
    assert not [key for key in workspace.order if key[0] == "b"]
    assert workspace.clock.now > SOON


@pytest.mark.slow
@given(
    guesses=st.lists(st.floats(1e6, 1e12), min_size=1, max_size=40),
    pace=st.sampled_from([1e-12, 1e-10, 1e-8]),
    budget=st.floats(0.0, 45.0),
)
def test_measuring_ends_within_its_budget_where_guesses_hold(guesses, pace, budget):
    workspace = Parts(pace)
    measured(workspace, [workspace.part("a", n, guess, 50.0) for n, guess in enumerate(guesses)], budget)
    assert workspace.clock.now <= budget


@given(
    guesses=st.lists(st.floats(1e6, 1e10), min_size=1, max_size=40),
    wrong=st.floats(1.0, 50.0),
)
def test_a_kind_that_is_slower_than_guessed_overruns_once(guesses, wrong):
    workspace, budget = Parts(1e-9), 20.0
    parts = [workspace.part("a", n, guess, 50.0, wrong) for n, guess in enumerate(guesses)]
    measured(workspace, parts, budget)
    assert workspace.clock.now <= budget + 2 * wrong * max(guesses) * workspace.pace


@given(st.lists(st.floats(1e6, 1e11), min_size=1, max_size=20), st.floats(0.1, 30.0))
def test_everything_has_a_rate_in_the_end(guesses, budget):
    workspace = Parts(1e-10)
    rates, _ = measured(workspace, [workspace.part("a", n, guess, 50.0) for n, guess in enumerate(guesses)], budget)
    for n in range(len(guesses)):
        work, seconds = rates["a", n, ""].of((50.0,))
        assert work > 0
        assert seconds > 0
