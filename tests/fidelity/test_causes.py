"""What a margin rests on, against the same written as one would say it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.fidelity import causes
from neurflow_report.fidelity.causal import FEWEST


@given(st.integers(0, 2**31))
def test_foretold_and_outside_add_up_to_all_of_t(seed):
    random = np.random.default_rng(seed)
    values, channels = random.normal(size=12), [1, 4, 7]
    inside = random.dirichlet([1, 1, 1], size=3)
    found, outside = causes.foretold(values, inside, channels)
    naive = [sum(values[c] * inside[n, g] for n, c in enumerate(channels)) for g in range(3)]
    assert found == pytest.approx(naive)
    assert outside == pytest.approx(sum(values[c] for c in range(12) if c not in channels))
    assert found.sum() + outside == pytest.approx(values.sum())


def test_the_largest_are_those_of_the_largest_size_and_none_that_foretell_nothing():
    assert causes.largest(np.array([0.1, -3.0, 0.0, 2.0, 0.5, 0.2, -0.3])) == [1, 3, 4, 6, 5]
    assert causes.largest(np.zeros(3)) == []


def test_every_choice_has_the_number_of_its_bits():
    found = causes.choices(3)
    assert found == [(), (0,), (1,), (0, 1), (2,), (0, 2), (1, 2), (0, 1, 2)]
    assert len(causes.choices(5)) == 32


def alone(foretold, measured, null, tie=0.0):
    return causes.tested(np.array([foretold]), np.array([measured]), {0: null}, tie)[0][0]


def test_a_group_counts_in_the_way_that_it_is_foretold_and_the_sets_in_either():
    null = np.array([0.5, -2.0, 0.1, 0.2])
    assert alone(1.0, 1.5, null) == (1 + 1) / 5
    assert alone(-1.0, -3.0, null) == 1 / 5
    assert alone(-1.0, 3.0, null) == 1.0


def test_what_rounding_makes_is_no_difference():
    null = np.full(99, 2.0)
    assert alone(1.0, 2.0 + 1e-6, null) == 1 / 100
    assert alone(1.0, 2.0 + 1e-6, null, tie=1e-5) == 1.0
    assert alone(1.0, 2.1, null, tie=1e-5) == 1 / 100


@pytest.mark.parametrize("groups", [5, 11, 30])
def test_of_groups_that_are_no_better_than_their_sets_one_counts_in_no_more_than_five_of_a_hundred_runs(groups):
    """s_G goes with ΔM, so that the groups looked at are those that do the most."""
    random, runs, counted = np.random.default_rng(groups), 200, 0
    for _ in range(runs):
        scales = random.lognormal(0, 0.5, size=groups)
        every = random.standard_t(5, size=(groups, 1 + causes.DRAWS)) * scales[:, None]
        measured = every[:, 0]
        foretold = 0.8 * measured + 0.6 * scales * random.normal(size=groups)
        found = causes.tested(foretold, measured, dict(enumerate(every[:, 1:])), 1e-9)
        counted += any(found[g][1] <= causes.LEVEL for g in causes.largest(foretold))
    assert counted <= 0.05 * runs + 3 * math.sqrt(runs * 0.05 * 0.95)


def test_groups_that_do_more_than_their_sets_count_beside_many_that_do_not():
    random = np.random.default_rng(7)
    every = random.normal(size=(30, 1 + causes.DRAWS))
    every[:2, 0] = 9.0, -8.0
    found = causes.tested(every[:, 0], every[:, 0], dict(enumerate(every[:, 1:])), 1e-9)
    assert {g for g, (_, together) in found.items() if together <= causes.LEVEL} == {0, 1}
    assert all(p <= together <= 1 for p, together in found.values())


def test_presence_is_the_notebook_s_score():
    crops = np.array([[1.0, 4.0, 0.0], [2.0, 0.5, 9.0]])
    usual = np.array([2.0, 1.0, 0.0])
    naive = max(math.exp((math.log(1 / 2) + math.log(4 / 1)) / 2), math.exp((math.log(2 / 2) + math.log(0.5 / 1)) / 2))
    assert causes.presence(crops, usual, [0, 1]) == pytest.approx(naive)
    assert causes.presence(crops, usual, [0, 1, 2]) == pytest.approx(naive)  # a neuron that is never active is left out
    assert causes.presence(crops, usual, [2]) is None
    assert causes.presence(np.zeros((2, 3)), usual, [0]) == pytest.approx(causes.FAINT)


def test_a_map_has_nine_where_most_lies_and_nothing_where_it_is_against():
    assert causes.digits(np.array([[0.0, 1.0], [-2.0, 0.5]])) == ("09", "05")
    assert causes.digits(np.array([[-1.0, 0.0]])) == ()
    assert causes.digits(np.array([[1e-9, 0.01, 1.0]])) == ("019",)


def test_sets_of_a_whole_layer_and_of_nothing_are_not_tested():
    random = np.random.default_rng(0)
    phi = np.arange(1.0, 31.0)
    assert len(causes.null_sets(phi, [], random)) == 0
    assert len(causes.null_sets(phi, range(30), random)) == 0
    found = causes.null_sets(phi, [3, 4], random)
    assert len(found) == causes.DRAWS
    assert set(found.sum(axis=1)) == {2}
    assert len(causes.null_sets(np.arange(1.0, 4.0), [0], random)) == 0  # two other sets at most, under FEWEST
    assert FEWEST > 2
