"""The statistics against scipy and scikit-learn, and against what must hold."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from neurflow_report.fidelity.intervals import (
    benjamini_hochberg,
    crossed_drop,
    crossed_share,
    drop_interval,
    fisher,
    fisher_p,
    mean_correlation,
    mean_share,
    pearson,
    permutation_p,
    student,
    wilson,
)


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


@pytest.mark.parametrize("found", [[0.5], [0.5, 0.5], [0.5, 0.5, 0.5]])
def test_correlations_that_do_not_say_how_they_differ_have_fisher_s_interval_over_the_sets(found):
    """Two neurons under the same 50 sets are no 100 sets; three that agree to the last digit are no proof."""
    r, interval, p = mean_correlation(found, 50)
    assert (r, interval, p) == (pytest.approx(0.5), pytest.approx(fisher(0.5, 50)), pytest.approx(fisher_p(0.5, 50)))
    assert p > 0


def test_where_all_were_right_a_drop_is_the_share_lost():
    assert drop_interval(30, 0, 0, 40) == pytest.approx(wilson(30, 40))


@pytest.mark.parametrize(
    ("counts", "interval"),
    [
        ((5, 0, 22, 41), (0.0115, 0.2265)),  # Altman and others, Statistics with Confidence (2000), table 6.2
        ((1, 7, 19, 21), (-0.5069, -0.0256)),  # Fagerland, Lydersen and Laake (2014), their first example
        ((6, 4, 14, 40), (-0.1081, 0.2041)),  # 65% and 60% right: 0.4951..0.7787, 0.4460..0.7365, φ = 156/√139776
        ((40, 0, 1, 41), (0.8427, 0.9957)),  # 40 and 0 of 41 right: 0.8740..0.9957, 0..0.0857, no φ
    ],
)
def test_a_drop_is_of_the_same_pictures_before_and_after(counts, interval):
    assert drop_interval(*counts) == pytest.approx(interval, abs=1e-4)


@given(st.tuples(*[st.integers(0, 30)] * 4).filter(lambda n: sum(n) > 0 and n[2] + n[3] > 0))
def test_a_drop_s_interval_holds_the_drop_and_turns_with_it(table):
    _, lost, gained, neither = table
    n, drop = sum(table), (lost - gained) / sum(table)
    low, high = drop_interval(lost, gained, gained + neither, n)
    assert -1 - 1e-12 <= low <= drop <= high <= 1 + 1e-12
    if lost + neither > 0:
        assert drop_interval(gained, lost, lost + neither, n) == pytest.approx((-high, -low))


def test_the_drop_s_interval_holds_where_the_network_is_not_always_right():
    """Over all outcomes of 40 pictures, of which a share is right before; of these, and of the others, each is lost, or
    gained, by chance."""
    n, ns = 40, range(41)
    tables = np.array([(n - f - g - h, f, g, h) for f in ns for g in ns[: n - f + 1] for h in ns[: n - f - g + 1]])
    low, high = np.transpose([drop_interval(f, g, g + h, n) for _, f, g, h in tables.tolist()])
    for before, lost, gained in product((0.55, 0.7, 0.9), (0.3, 0.5, 0.7), (0.05, 0.3, 0.5)):
        shares = [before * (1 - lost), before * lost, (1 - before) * gained, (1 - before) * (1 - gained)]
        drop = before * lost - (1 - before) * gained
        held = (low <= drop + 1e-12) & (drop - 1e-12 <= high)
        assert 0.94 <= stats.multinomial.pmf(tables, n, shares) @ held <= 0.965


def test_random_sets_that_all_lose_the_same_pictures_are_as_good_as_one():
    hits = np.repeat(np.arange(40)[None] < 8, 60, axis=0)
    low, high = crossed_share(hits)
    assert (low, high) == pytest.approx(wilson(8, 40), abs=0.01)
    assert crossed_share(hits[:1]) == wilson(8, 40)


def test_random_sets_that_lose_all_or_nothing_are_the_trials():
    hits = np.repeat((np.arange(60) < 12)[:, None], 40, axis=1)
    assert crossed_share(hits) == pytest.approx(wilson(12, 60), abs=0.01)


def test_a_null_of_nothing_has_a_short_interval_and_never_a_point():
    assert crossed_share(np.zeros((20, 40), dtype=bool)) == wilson(0, 400)
    assert crossed_share(np.ones((20, 40), dtype=bool)) == wilson(400, 400)


def test_where_all_were_right_the_random_sets_drop_is_what_they_lose():
    after = np.random.default_rng(0).random((20, 30)) < 0.8
    low, high = crossed_share(~after)
    assert crossed_drop(np.ones(30, dtype=bool), after) == (low, high)


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(2, 12))
def test_the_random_sets_drop_lies_in_its_interval_and_turns_with_it(seed, sets, pictures):
    random = np.random.default_rng(seed)
    before, after = random.random(pictures) < 0.5, random.random((sets, pictures)) < 0.6
    drop = float(before.mean() - after.mean())
    low, high = crossed_drop(before, after)
    assert low - 1e-12 <= drop <= high + 1e-12
    if not before.all() and before.any():
        assert crossed_drop(~before, ~after) == pytest.approx((-high, -low))


@pytest.mark.parametrize(("of_sets", "of_pictures", "least"), [(0.0, 0.0, 0.95), (1.5, 1.5, 0.9), (0.0, 3.0, 0.9)])
def test_the_interval_of_the_random_sets_holds_what_they_do_on_average(of_sets, of_pictures, least):
    """Sets and pictures that differ in how much they lose, 10% on average: 300 draws of 40 sets and 40 pictures."""
    random, held = np.random.default_rng(0), 0
    spread = np.hypot(of_sets, of_pictures)
    points, weights = np.polynomial.hermite_e.hermegauss(60)

    def mean(shift):
        return float(weights @ (1 / (1 + np.exp(-(spread * points + shift)))) / weights.sum())

    shift = optimize.brentq(lambda s: mean(s) - 0.1, -30, 30)
    for _ in range(300):
        logits = of_sets * random.normal(size=(40, 1)) + of_pictures * random.normal(size=(1, 40)) + shift
        low, high = crossed_share(random.random((40, 40)) < 1 / (1 + np.exp(-logits)))
        held += low <= 0.1 <= high
    assert held / 300 >= least


def test_rounding_breaks_no_tie():
    """The mean of 0.1, 0.2 and 0.3 hangs on the order in the last digit."""
    one, other = np.mean([0.3, 0.2, 0.1]), np.mean([0.1, 0.2, 0.3])
    assert one != other
    for smaller in (True, False):
        assert permutation_p(one, [other], smaller=smaller) == permutation_p(other, [one], smaller=smaller) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_by_its_definition(p_values):
    """The least rate under which the step-up rule calls a p-value: p ≤ rate · rank / n, for it or a larger one."""
    ranked = sorted(p_values)
    rates = [p * len(ranked) / rank for rank, p in enumerate(ranked, start=1)]
    expected = [min(rate for rate, other in zip(rates, ranked, strict=True) if other >= p) for p in p_values]
    assert benjamini_hochberg(p_values) == pytest.approx(tuple(min(1.0, q) for q in expected))


def test_no_tests_no_correction():
    assert benjamini_hochberg([]) == ()


@pytest.mark.parametrize("n", [3, 4, 10])
def test_student_s_interval_is_scipy_s_and_holds_the_mean_of_few(n):
    random, held = np.random.default_rng(0), 0
    for _ in range(1000):
        values = random.normal(3, 1, size=n)
        low, high = student(values)
        assert (low, high) == pytest.approx(stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values)))
        held += low <= 3 <= high
    assert 0.93 <= held / 1000 <= 0.97
    assert student(values[:2]) is None


def test_shares_that_do_not_differ_are_those_of_one_neuron_s_trials():
    for count in (1, 2, 5, 50):
        mean, (low, high) = mean_share([1.0] * count, 20)
        assert (mean, high) == (1.0, 1.0)
        assert low == pytest.approx(stats.binomtest(20, 20).proportion_ci(method="wilson").low)
    shares = [0.1, 0.7, 0.9, 0.4, 0.9]
    mean, ends = mean_share(shares, 200)
    assert mean == pytest.approx(0.6)
    assert ends == (pytest.approx(student(shares)[0]), 1.0)
