"""F13 against what is counted, and Clopper and Pearson's interval against its definition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from neurflow_report.circuit.deletions import Inclusion
from neurflow_report.fidelity.deletions import EXPERIMENT
from neurflow_report.fidelity.intervals import clopper_pearson


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (1, 1), (3, 20), (500, 1000)])
def test_at_the_ends_of_the_interval_what_was_found_is_just_as_unlikely_as_it_may_be(
    successes: int, trials: int
) -> None:
    low, high = clopper_pearson(successes, trials)
    if successes:
        assert binom.sf(successes - 1, trials, low) == pytest.approx(0.025)
    else:
        assert low == 0
    if successes < trials:
        assert binom.cdf(successes, trials, high) == pytest.approx(0.025)
    else:
        assert high == 1


def test_of_no_trials_nothing_is_known() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def subject(inclusion: Inclusion | None, channels: list[int]) -> Any:
    layer = SimpleNamespace(name="a", neurons=[SimpleNamespace(channel=c) for c in channels])
    return SimpleNamespace(layer=layer, inclusion=inclusion)


def test_the_share_of_neurons_that_are_sure_and_each_neurons_own() -> None:
    counts = np.array([1000, 0, 532, 531, 500, 10])
    inclusion = Inclusion(draws=1000, core=counts, shuffled=np.array([900, 10, 400]))
    whole, *single = EXPERIMENT.run(subject(inclusion, [0, 2, 3, 4, 5])).measures
    assert [m.value for m in single] == [1.0, 0.532, 0.531, 0.5, 0.01]
    assert [m.low > 0.5 for m in single] == [True, True, False, False, False]
    assert (whole.value, whole.n, whole.unit, whole.null) == (0.4, 5, "neuron", pytest.approx(1 / 3))


def test_where_nothing_was_drawn_it_is_not_run() -> None:
    assert EXPERIMENT.run(subject(None, [])).not_run[0].reason == "no neuron of the layer is core"
    reason = "what is core without some of the pictures was not counted in the search"
    assert EXPERIMENT.run(subject(None, [3])).not_run[0].reason == reason
