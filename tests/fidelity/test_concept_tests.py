"""Concept activation vectors against the same written as one would say it, and what the p-values promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression
from torch import nn

from neurflow_report.fidelity.concept_tests import (
    LEAST,
    MOST,
    Vectors,
    corrected,
    draws,
    one_test,
    pairs,
    two_sided,
    vectors,
)
from neurflow_report.results.records import ConceptTest

OWN, OTHERS, CHANNELS = 10, 40, 5


def some(seed: int, rows: int = OWN + OTHERS, channels: int = CHANNELS) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, size=(rows, channels))


@pytest.mark.parametrize("seed", range(3))
def test_the_directions_are_those_of_scikit_learn_over_all_pictures_standardised(seed: int) -> None:
    phi = some(seed)
    found = vectors(phi, OWN, 4, seed=(seed,))
    assert found is not None
    mean = [sum(phi[:, c]) / len(phi) for c in range(CHANNELS)]
    deviation = [(sum((phi[:, c] - mean[c]) ** 2) / len(phi)) ** 0.5 for c in range(CHANNELS)]
    assert found.scale == pytest.approx(deviation)
    sets = list(pairs(OWN, OTHERS, 4, np.random.default_rng((seed,))))
    for normal, (inside, outside) in zip(found.normals, sets, strict=True):
        rows = [[(phi[n, c] - mean[c]) / deviation[c] for c in range(CHANNELS)] for n in (*inside, *outside)]
        weights = LogisticRegression(max_iter=1000).fit(rows, [True] * OWN + [False] * OWN).coef_[0]
        assert normal == pytest.approx(weights / sum(weights**2) ** 0.5, abs=1e-6)


def test_sets_are_of_one_size_and_apart_and_the_concept_comes_first() -> None:
    sets = list(pairs(OWN, 7, 30, np.random.default_rng(0)))
    assert list(sets[0][0]) == list(range(OWN))
    assert len(sets) == 31
    for inside, outside in sets:
        assert (len(set(inside)), len(set(outside))) == (OWN, 7)
        assert not set(inside) & set(outside)
        assert set(inside) | set(outside) <= set(range(OWN + 7))
    assert len({tuple(inside) for inside, _ in sets}) > 25


def test_the_same_seed_gives_the_same() -> None:
    one, again, other = (vectors(some(0), OWN, 5, seed=(seed,)) for seed in (1, 1, 2))
    assert one is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(one.normals, again.normals)
    assert not np.array_equal(one.normals, other.normals)


@pytest.mark.parametrize("seed", range(3))
def test_a_test_counts_the_pictures_whose_logit_rises(seed: int) -> None:
    along, gradients = (
        vectors(some(seed), OWN, 20, seed=(seed,)),
        np.random.default_rng(seed).normal(size=(9, CHANNELS)),
    )
    assert along is not None
    row = one_test("a", "stripes", gradients, along)
    shares, means = [], []
    for normal in along.normals.astype(np.float64):
        each = [sum(g[c] * along.scale[c] * normal[c] for c in range(CHANNELS)) for g in gradients]
        shares.append(sum(one > 0 for one in each) / 9)
        means.append(sum(each) / 9)
    assert (row.value, row.slope, row.n, row.sets) == (shares[0], pytest.approx(means[0]), 9, 20)
    assert row.null == pytest.approx(sum(shares[1:]) / 20)
    assert [row.null_low, row.null_high] == pytest.approx(np.percentile(shares[1:], [2.5, 97.5]).tolist())
    order = list(zip(shares, means, strict=True))
    high, low = (sum(one >= order[0] for one in order), sum(one <= order[0] for one in order))
    assert row.p_value == pytest.approx(min(1, 2 * min(high, low) / 21))


def test_of_equal_shares_the_mean_decides_and_where_all_are_alike_nothing_is_found() -> None:
    assert two_sided(np.ones(100), np.arange(100.0)[::-1]) == pytest.approx(0.02)
    assert two_sided(np.ones(100), np.arange(100.0)) == pytest.approx(0.02)
    assert two_sided(np.ones(100), np.zeros(100)) == 1.0
    assert two_sided(np.array([0.4, *([0.5] * 99)]), np.zeros(100)) == pytest.approx(0.02)


def test_dead_and_constant_channels_count_for_nothing() -> None:
    phi = some(0)
    plain = vectors(phi, OWN, 3, seed=(0,))
    beside = np.concatenate([phi, np.zeros((len(phi), 1)), 3 + 1e-9 * some(1, channels=1)], axis=1)
    found = vectors(beside, OWN, 3, seed=(0,))
    assert found is not None
    assert plain is not None
    assert found.scale[CHANNELS:].tolist() == [0.0, 0.0]
    assert found.normals[:, :CHANNELS] == pytest.approx(plain.normals, abs=1e-4)
    assert np.abs(found.normals[:, CHANNELS:]).max() == 0


def test_where_no_channel_varies_there_is_no_direction() -> None:
    assert vectors(np.full((30, 3), 0.1, np.float32), OWN, 3, seed=(0,)) is None
    assert vectors(np.zeros((30, 3)), OWN, 3, seed=(0,)) is None


def test_a_concept_like_any_other_pictures_has_a_direction_of_length_0() -> None:
    """Where both sides are the same rows nothing tells them apart: nothing rises, nothing is found."""
    phi = np.concatenate([np.tile(some(0, rows=1), (20, 1)), some(0, rows=1) + 1])
    found = vectors(phi, OWN, 3, seed=(0,))
    assert found is not None
    assert np.isfinite(found.normals).all()


def test_there_are_sets_enough_for_holm() -> None:
    assert [draws(tests) for tests in (1, 2, 12, 24, 100)] == [LEAST, 80, 480, 960, MOST]
    for tests in range(1, 25):
        assert tests * 2 / (1 + draws(tests)) < 0.05


def test_holm_over_all_tests_of_a_class_leaves_out_what_was_not_tested() -> None:
    rows = [ConceptTest(layer="a", concept=str(n), n=4, p_value=p) for n, p in enumerate((0.01, 0.04, 0.03))]
    found = corrected([rows[0], ConceptTest(layer="a", concept="x", n=4, reason="dark"), *rows[1:]])
    assert [one.q_value for one in found] == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert [one.q_value for one in corrected(rows[1:2])] == [0.04]
    assert corrected([]) == ()


PARTS = 24


class Planted(nn.Module):
    """Pictures of so many parts, a channel for each, a little mixed; the logit follows the first, through a bend."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.mix = torch.eye(PARTS) + 0.05 * torch.randn(PARTS, PARTS, generator=random)
        self.head = 0.1 * torch.randn(PARTS, generator=random)
        self.head[0] = 2.0

    def maps(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.einsum("oc,nchw->nohw", self.mix, pictures))

    def phi(self, pictures: torch.Tensor) -> np.ndarray:
        return self.maps(pictures).mean(dim=(2, 3)).numpy()

    def gradients(self, pictures: torch.Tensor) -> np.ndarray:
        """Of the logit to φ."""
        phi = torch.from_numpy(self.phi(pictures)).requires_grad_()
        torch.tanh((phi - 0.7) @ self.head).sum().backward()
        assert phi.grad is not None
        return phi.grad.numpy().astype(np.float64)


def pictures(seed: int, count: int, more: float = 0.0) -> torch.Tensor:
    """(count, PARTS, 4, 4), `more` of the first part."""
    random = torch.Generator().manual_seed(seed)
    amount = torch.rand(count, PARTS, 1, 1, generator=random)
    amount[:, 0] += more
    return amount + 0.5 * torch.rand(count, PARTS, 4, 4, generator=random)


@pytest.mark.slow
def test_folders_drawn_at_random_have_uniform_p_values() -> None:
    """Kolmogorov and Smirnov, over 200 folders. Their p-values are steps of 2/51, which takes a little away."""
    network = Planted()
    gradients, found = network.gradients(pictures(1, 12)), []
    for seed in range(200):
        along = vectors(network.phi(pictures(1000 + seed, OWN + OTHERS)), OWN, LEAST, seed=(seed,))
        assert along is not None
        p = one_test("maps", "random", gradients, along).p_value
        assert p is not None
        found.append(p)
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize(("more", "rises"), [(1.0, True), (-1.0, False)])
def test_a_planted_concept_is_found_whichever_way_and_two_others_are_not(more: float, rises: bool) -> None:
    network = Planted()
    gradients, others, rows = network.gradients(pictures(1, 12)), pictures(3, 80), []
    for part in (0, 5, 11):
        own = pictures(2 + part, 20, more).roll(part, dims=1)
        along = vectors(network.phi(torch.cat([own, others])), 20, draws(3), seed=(part,))
        assert isinstance(along, Vectors)
        rows.append(one_test("maps", str(part), gradients, along))
    first, *rest = corrected(rows)
    assert first.q_value is not None
    assert first.slope is not None
    assert first.q_value <= 0.05
    assert (first.value == 1.0, first.slope > 0) == (rises, rises)
    assert all(one.q_value is not None and one.q_value > 0.05 for one in rest)
