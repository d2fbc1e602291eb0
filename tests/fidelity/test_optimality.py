"""L against a plain ranking, ties included; the estimate from a sample; what a layer's figures are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurflow_report.fidelity.draws import random_sets
from neurflow_report.fidelity.intervals import wilson
from neurflow_report.fidelity.optimality import estimated_share, kept_share, optimality


def plain(phi, concept):
    order = sorted(range(len(phi)), key=lambda i: (-phi[i], i))
    return len(set(order[: len(concept)]) & set(concept)) / len(concept)


@given(st.lists(st.lists(st.integers(0, 3), min_size=9, max_size=9), min_size=1, max_size=4), st.permutations(range(9)))
def test_l_is_the_plain_ranking_s_whatever_the_ties(rows, order):
    phi, concept = np.array(rows, float), np.array(order[:4])
    expected = [plain(row, concept.tolist()) for row in rows]
    assert kept_share(phi, concept).tolist() == expected
    assert estimated_share(phi, concept, np.arange(9), 9).tolist() == expected


def test_the_estimate_is_near_the_truth():
    random = np.random.default_rng(0)
    before = random.normal(size=2000)
    concept = np.argsort(-before)[:50]
    phi = before + random.normal(0, 0.6, size=(40, 2000))
    truth, errors = kept_share(phi, concept), []
    for _ in range(12):
        drawn = np.sort(random.choice(2000, 400, replace=False))
        rows = np.union1d(drawn, concept)
        found = estimated_share(phi[:, rows], np.searchsorted(rows, concept), np.searchsorted(rows, drawn), 2000)
        errors.append(found - truth)
    assert np.abs(errors).mean() < 0.06
    assert abs(np.mean(errors)) < 0.02
    assert 0.1 < truth.mean() < 0.9


def test_a_layer_s_figures():
    null = [np.array([0.9, 0.8, 0.2, 0.9]), np.array([0.7, 0.1, 0.6, 0.7])]
    *each, beaten, kept = optimality("a", [3, 5], [0.3, 0.2], null, k=10)
    assert [(m.channel, m.value, m.p_value) for m in each] == [(3, 0.75, 0.4), (5, 0.75, 0.4)]
    assert (beaten.value, beaten.n, beaten.p_value) == (0.75, 2, pytest.approx(1 / 5))
    assert (kept.value, kept.null) == (pytest.approx(0.25), pytest.approx(np.mean(null)))
    assert kept.null_low < kept.null < kept.null_high


def test_chance_is_what_random_sets_beat_of_each_other_ties_and_all():
    random = np.random.default_rng(0)
    null = [random.integers(0, 4, 12) / 4, random.random(12), np.ones(12)]
    found = optimality("a", [0, 1, 2], [0.2, 0.2, 0.2], null, k=4)
    pairs = [[x[j] > x[i] for i in range(12) for j in range(12) if i != j] for x in null]
    assert [m.null for m in found[:3]] == pytest.approx([np.mean(p) for p in pairs])
    assert found[1].null == 0.5
    assert found[2].null == 0
    assert found[3].null == pytest.approx(np.mean(pairs))
    assert optimality("a", [0], [0.2], [np.ones(1)], k=4)[0].null == 0.5


def test_a_layer_s_null_is_a_sample_whatever_the_sizes_of_the_core_sets():
    """One core set of one channel and one of two, of six channels: all 6 and all 15 sets there are. The six that stand
    beside each other must not all be sets of one channel."""
    random = np.random.default_rng(0)
    pairs = random_sets(6, 2, 100, random)
    assert len(pairs) == 15
    assert len(np.unique(pairs, axis=0)) == 15
    assert not pairs[:6, 0].all()
    first = np.mean([random_sets(6, 2, 100, np.random.default_rng(s))[:6].mean(axis=0) for s in range(300)], axis=0)
    assert first == pytest.approx(np.full(6, 1 / 3), abs=0.03)


def test_neurons_that_share_their_random_sets_are_no_more_of_them():
    """Core sets that beat all 40 sets say no more with ten neurons than with one: the sets are the same."""
    null = [np.ones(40)] * 10
    for count in (1, 2, 10):
        *_, beaten, kept = optimality("a", range(count), [0.2] * count, null[:count], k=10)
        assert (beaten.low, beaten.high) == pytest.approx(wilson(40, 40))
        assert (kept.low, kept.high) == pytest.approx(wilson(2, 10))
        assert beaten.low < 0.95


def test_neurons_that_differ_widen_the_interval():
    null = [np.arange(100) / 100] * 4
    *_, beaten, _ = optimality("a", range(4), [0.0, 0.1, 0.5, 0.0], null, k=100)
    shares = [0.99, 0.89, 0.49, 0.99]
    low, high = stats.t.interval(0.95, 3, np.mean(shares), stats.sem(shares))
    assert (beaten.low, beaten.high) == pytest.approx((low, min(1.0, high)))


def test_no_neuron_no_figure():
    assert optimality("a", [], [], [], k=10) == ()
