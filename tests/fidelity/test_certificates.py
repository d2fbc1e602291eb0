"""Certified core sets against the test written out, and on fresh pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from neurflow_report.fidelity.certificates import certificate, chosen_tau, needs, one_tau, passes, smallest
from neurflow_report.results.records import Certificate

ENOUGH, FALSE = 0.8, 0.3


def certified(own: np.ndarray, others: np.ndarray) -> Certificate:
    """Of pictures (taus, n) and (taus, others) that are kept at τ = len, …, 1."""
    taus = range(len(own), 0, -1)
    each = [one_tau(tau, tau, a, b) for tau, a, b in zip(taus, own, others, strict=True)]
    return certificate(
        layer="a", channels=99, each=each, n=own.shape[1], others=others.shape[1], enough=ENOUGH, false_alarms=FALSE
    )


def naive(own: np.ndarray, others: np.ndarray) -> int | None:
    """The same by the tests themselves: that TPR is under 0.8, and that FPR is over 0.3, are both rejected at 5%."""
    found = None
    for place, tau in enumerate(range(len(own), 0, -1)):
        kept, taken = int(own[place].sum()), int(others[place].sum())
        low = binom.sf(kept - 1, own.shape[1], ENOUGH) <= 0.05
        high = binom.cdf(taken, others.shape[1], FALSE) <= 0.05
        if not (low and high):
            break
        found = tau
    return found


@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 60), others=st.integers(1, 200), tpr=st.floats(0.6, 1),
    fpr=st.floats(0, 0.5),
)  # fmt: skip
def test_it_is_the_test_from_the_largest_tau_down(seed: int, n: int, others: int, tpr: float, fpr: float) -> None:
    random = np.random.default_rng(seed)
    drop = np.linspace(0, 0.4, 8)[:, None]
    own, false = random.random((8, n)) < tpr - drop, random.random((8, others)) < fpr + drop / 2
    assert certified(own, false).tau == naive(own, false)


@pytest.mark.parametrize("pictures", [30, 50, 150])
def test_what_is_certified_holds_on_fresh_pictures_in_19_of_20_splits(pictures: int) -> None:
    """Each picture is kept from a τ of its own on; a certificate is wrong where the shares of all pictures fail."""
    random = np.random.default_rng(pictures)
    from_own, from_others = random.gamma(4, 1.2, 4000), random.gamma(9, 2.0, 16000)
    taus = np.arange(16, 0, -1)
    own, others = from_own[None] <= taus[:, None], from_others[None] <= taus[:, None] * 0.8
    wrong = given_out = 0
    for _ in range(200):
        some, alien = random.permutation(4000)[:pictures], random.permutation(16000)[: 4 * pictures]
        tau = certified(own[:, some], others[:, alien]).tau
        if tau is not None:
            given_out += 1
            place = len(taus) - tau
            wrong += not (own[place].mean() >= ENOUGH and others[place].mean() <= FALSE)
    assert wrong <= 10
    assert given_out >= 100


def test_of_twenty_pictures_all_have_to_be_kept() -> None:
    alien = np.zeros((1, 80), dtype=bool)
    for lost, tau in ((0, 1), (1, None)):
        own = np.arange(20)[None] >= lost
        assert certified(own, alien).tau == tau
    found = certified(np.arange(20)[None] >= 1, alien)
    assert found.needed_n == needs(found.tried[0], enough=ENOUGH, false_alarms=FALSE)["needed_n"]
    n = found.needed_n
    assert n is not None
    assert n > 20
    assert passes(one_tau(1, 1, np.arange(n) >= n - round(0.95 * n), alien[0]), enough=ENOUGH, false_alarms=FALSE)


def test_where_too_few_are_kept_no_number_of_pictures_would_do() -> None:
    found = certified(np.arange(50)[None] < 35, np.arange(200)[None] < 100)
    assert (found.tau, found.needed_n, found.needed_others) == (None, None, None)


def test_a_network_that_always_says_the_class_is_never_certified() -> None:
    assert certified(np.ones((4, 200), dtype=bool), np.ones((4, 800), dtype=bool)).tau is None


def test_a_class_has_the_tau_at_which_all_layers_that_can_be_are_certified() -> None:
    rows = [certified(np.ones((8, 50), dtype=bool), np.zeros((8, 50), dtype=bool)).model_copy(update={"tau": tau})
            for tau in (3, None, 5)]  # fmt: skip
    assert chosen_tau(rows, 8) == 5
    assert chosen_tau([rows[1]], 8) == 8


@given(st.integers(1, 70), st.integers(0, 80))
def test_the_smallest_size_is_found(most: int, least: int) -> None:
    found = smallest(lambda size: size >= least, most)
    if least > most:
        assert found is None
    else:
        assert found is not None
        assert max(1, least) <= found < max(1, least) + max(1, most // 32)
