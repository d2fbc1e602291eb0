"""The statistics against scipy and scikit-learn, and against what must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from neurflow_report.fidelity.intervals import (
    benjamini_hochberg,
    bootstrap,
    fisher,
    fisher_p,
    mean_correlation,
    mean_share,
    pearson,
)
from neurflow_report.fidelity.stability import adjusted_rand


@pytest.mark.parametrize("n", [4, 9, 200])
def test_pearson_and_fisher_are_scipy_s(n):
    random = np.random.default_rng(n)
    x = random.normal(size=n)
    y = 0.5 * x + random.normal(size=n)
    expected = stats.pearsonr(x, y)
    r = pearson(x, y)
    assert r == pytest.approx(expected.statistic, abs=1e-12)
    interval = expected.confidence_interval(0.95)
    assert fisher(r, n) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert fisher_p(r, n) == pytest.approx(stats.norm.sf(np.arctanh(r) * np.sqrt(n - 3)), abs=1e-12)


def test_what_does_not_vary_has_no_correlation():
    assert pearson(np.ones(9), np.arange(9.0)) is None
    assert pearson(np.full(9, 0.1 + 0.2), np.arange(9.0)) is None
    assert pearson(np.arange(2.0), np.arange(2.0)) is None
    assert pearson(np.zeros(0), np.zeros(0)) is None


def test_a_perfect_correlation_has_an_interval():
    low, high = fisher(1.0, 20)
    assert 0.99 < low <= high <= 1
    assert fisher(0.3, 3) == (-1.0, 1.0)


def test_the_mean_of_correlations_is_student_s_over_them():
    found = [0.2, 0.5, 0.7, 0.4]
    z = np.arctanh(found)
    r, (low, high), p = mean_correlation(found, 50)
    t = stats.ttest_1samp(z, 0, alternative="greater")
    both = stats.ttest_1samp(z, 0).confidence_interval(0.95)
    assert (r, low, high) == pytest.approx((np.tanh(z.mean()), np.tanh(both.low), np.tanh(both.high)))
    assert p == pytest.approx(t.pvalue)


def test_one_or_two_correlations_have_fisher_s_interval_over_their_pairs():
    assert mean_correlation([0.5], 50) == (pytest.approx(0.5), pytest.approx(fisher(0.5, 50)), fisher_p(0.5, 50))
    r, interval, _ = mean_correlation([0.5, 0.5], 50)
    assert (r, interval) == (pytest.approx(0.5), pytest.approx(fisher(0.5, 97)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_is_scipy_s(p_values):
    assert benjamini_hochberg(p_values) == pytest.approx(tuple(stats.false_discovery_control(p_values)))


def test_no_tests_no_correction():
    assert benjamini_hochberg([]) == ()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40))
def test_adjusted_rand_is_scikit_learn_s(pairs):
    a, b = np.array(pairs).T
    assert adjusted_rand(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)


def test_the_bootstrap_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        low, high = bootstrap(random.normal(3, 1, size=40), random)
        held += low <= 3 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_few_shares_are_pooled():
    random = np.random.default_rng(0)
    mean, (low, high) = mean_share([1.0, 1.0], 10, random)
    assert (mean, high) == (1.0, 1.0)
    assert low == pytest.approx(stats.binomtest(20, 20).proportion_ci(method="wilson").low)
    mean, (low, high) = mean_share([0.5, 0.7, 0.6, 0.4, 0.8], 10, random)
    assert mean == pytest.approx(0.6)
    assert low < mean < high
