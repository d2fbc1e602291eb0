"""L against a plain ranking, ties included; the estimate from a sample; what a layer's figures are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    *each, beaten, kept = optimality("a", [3, 5], [0.3, 0.2], null, k=10, seed=(1,))
    assert [(m.channel, m.value, m.p_value) for m in each] == [(3, 0.75, 0.4), (5, 0.75, 0.4)]
    assert (beaten.value, beaten.null, beaten.n, beaten.p_value) == (0.75, 0.5, 2, pytest.approx(1 / 5))
    assert (kept.value, kept.null) == (pytest.approx(0.25), pytest.approx(np.mean(null)))
    assert kept.null_low < kept.null < kept.null_high


def test_no_neuron_no_figure():
    assert optimality("a", [], [], [], k=10, seed=(1,)) == ()
