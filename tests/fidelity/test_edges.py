"""F8: the figure's null and test where pairs of groups are not independent, and where there are few."""

from __future__ import annotations

import numpy as np
import pytest

from neurflow_report.fidelity.edges import edge_validity
from neurflow_report.results.records import EdgeDrop


def pairs(weights: np.ndarray, drops: np.ndarray) -> list[EdgeDrop]:
    return [
        EdgeDrop(upper_layer="b", upper=u + 1, lower_layer="a", lower=v + 1, weight=weights[u, v], drop=drops[u, v])
        for u, v in np.ndindex(weights.shape)
    ]


def p_of(weights: np.ndarray, drops: np.ndarray, seed: int = 0) -> float:
    (measure,), _ = edge_validity("b", pairs(weights, drops), seed=(seed,))
    return measure.p_value


@pytest.mark.slow
def test_what_a_lower_group_does_to_all_its_pairs_is_one_finding(monkeypatch):
    """Weights and drops that know nothing of each other, but hang on the lower group in both: at most 5% of the
    p-values may be at most 5%. Shuffled pair by pair, far more are."""
    monkeypatch.setattr("neurflow_report.fidelity.edges.SHUFFLES", 199)
    found = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        weights, drops = (random.normal(size=(1, 6)) + 0.4 * random.normal(size=(4, 6)) for _ in range(2))
        found.append(p_of(weights, drops, seed))
    assert np.mean(np.array(found) <= 0.05) <= 0.075


def test_edges_that_hold_are_told_from_chance():
    random = np.random.default_rng(1)
    weights = random.normal(size=(4, 6))
    assert p_of(weights, weights + 0.1 * random.normal(size=(4, 6))) == 1 / 1000


def test_two_groups_over_two_can_only_be_renamed_in_four_ways():
    assert p_of(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([[0.8, 0.1], [0.2, 0.5]])) > 0.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1)])
def test_fewer_than_three_pairs_have_no_figure(shape):
    weights = np.arange(2.0)[: shape[0] * shape[1]].reshape(shape)
    measures, (missing,) = edge_validity("b", pairs(weights, weights), seed=(0,))
    assert measures == ()
    assert missing.reason.startswith(f"{weights.size} edges")
    assert edge_validity("b", [], seed=(0,))[0] == ()


def test_three_pairs_have_a_figure_and_no_more():
    (measure,), _ = edge_validity("b", pairs(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 2.0, 3.1]])), seed=(0,))
    assert (measure.n, measure.low, measure.high) == (3, -1.0, 1.0)
