import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from neurflow_report.fidelity.intervals import permutation_p, wilson
from neurflow_report.fidelity.masking import core_sets, masking
from neurflow_report.results.records import CoreScore, Neuron


def neuron(layer, channel, core=()):
    return Neuron(
        layer=layer, channel=channel, concept=(0,), activations=(1.0,), gap_mean=None, gap_max=None, nodes=None,
        silhouette=None, groups=(), dead=False,
        core=tuple(CoreScore(channel=c, score=1.0 / (i + 1)) for i, c in enumerate(core)),
    )  # fmt: skip


CIRCUIT = (
    (neuron("a", 0), neuron("a", 1), neuron("a", 2), neuron("a", 5)),
    (neuron("b", 3, (5, 0)), neuron("b", 4, (1, 2))),
    (neuron("fc", 9, (4, 3)),),
)


def test_core_sets_at_the_searched_tau():
    assert core_sets(CIRCUIT, 2) == ((0, 1, 2, 5), (3, 4), (9,))


def test_core_sets_at_a_smaller_tau_follow_the_smaller_recursion():
    assert core_sets(CIRCUIT, 1) == ((1,), (4,), (9,))


def linear(weights):
    """A network whose logits are `weights` (outputs, C) times the kept part of an all-ones activation, and which class
    1 is looked for in."""

    def predictions(_layer, passes):
        found = []
        for one in passes:
            logits = (~one.removed[-1]).double() @ torch.as_tensor(weights, dtype=torch.double).T
            hits = (logits.argmax(dim=1, keepdim=True) == 1).expand(-1, 10).numpy()
            found.append((hits, hits))
        return found

    return predictions


def run(weights, **change):
    options = {
        "layers": ("b", "fc"), "neurons": ((neuron("b", 3), neuron("b", 4)), (neuron("fc", 1, (3, 4)),)),
        "channels": (20, 2), "target": 1, "taus": (2,), "draws": 50, "seed": 0, "predictions": linear(weights),
    }  # fmt: skip
    return masking(**(options | change)).masking


def planted():
    """Class 1 wins only through channels 3 and 4; without them class 0 does."""
    weights = np.zeros((2, 20))
    weights[0] = 0.05
    weights[1, [3, 4]] = 1
    return weights


def test_a_planted_core_is_found():
    mask, retain = run(planted())
    assert (mask.baseline, mask.accuracy, retain.accuracy) == (1.0, 0.0, 1.0)
    assert (mask.mode, retain.mode, mask.size, mask.channels, mask.n) == ("mask", "retain", 2, 20, 10)
    assert len(mask.null) == len(retain.null) == 50
    assert np.mean(mask.null) > 0.9
    assert np.mean(retain.null) < 0.4
    assert mask.p_value < 0.05


def test_an_empty_effect_is_not_found():
    mask, retain = run(np.array([np.zeros(20), np.ones(20)]))
    assert (mask.accuracy, mask.p_value, retain.p_value) == (1.0, 1.0, 1.0)


def test_same_seed_same_null_and_another_seed_another():
    weights = np.array([np.linspace(0, 1, 20), np.full(20, 0.5)])
    assert run(weights)[0].null == run(weights)[0].null
    assert any(run(weights, seed=s)[0].null != run(weights)[0].null for s in (1, 2, 3))


def test_a_layer_without_core_is_left_out():
    assert run(planted(), neurons=((), (neuron("fc", 1),))) == ()


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (3, 10), (45, 50), (1, 1)])
def test_wilson_is_scipy_s(successes, trials):
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((interval.low, interval.high))


def test_wilson_of_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_permutation_p_counts_ties_as_extreme():
    assert permutation_p(0.5, [0.4, 0.5, 0.6, 0.7], smaller=True) == 3 / 5
    assert permutation_p(0.5, [0.4, 0.5, 0.6, 0.7], smaller=False) == 4 / 5
