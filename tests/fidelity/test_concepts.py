"""F6: whose overlap is meant, of how many core neurons, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from neurflow_report.fidelity.concepts import robustness
from neurflow_report.fidelity.intervals import wilson

STEADY = np.array([[3.0, 2.0, 0.0, 0.0, 0.0]] * 4)
TURNING = np.array([[1.0, 0.0, 0.0, 0.0, 0.0]] * 2 + [[0.0, 0.0, 5.0, 0.0, 0.0]] * 2)
DEAD = np.zeros((4, 5))


def test_the_mean_overlap_with_wilson_s_interval_over_the_core_neurons():
    """Two core neurons stay, the third is lost: S_a of the neuron that turns has one channel though τ is 4."""
    two, four = robustness("a", [STEADY, TURNING, DEAD], k=2, ks=[2, 4], tau=4)
    assert (two.value, two.n, two.unit, two.setting) == (1.0, 3, "core neuron", 2)
    assert (two.low, two.high) == pytest.approx(wilson(3, 3))
    assert four.value == 1.0
    (turned,) = robustness("a", [STEADY, TURNING], k=4, ks=[2], tau=1)
    assert (turned.value, turned.n) == (0.5, 2)
    assert (turned.low, turned.high) == pytest.approx(wilson(1, 2))
    assert turned.null == pytest.approx(1 / 5)


def test_neurons_without_a_core_have_no_overlap():
    assert robustness("a", [DEAD], k=2, ks=[2], tau=4) == ()
