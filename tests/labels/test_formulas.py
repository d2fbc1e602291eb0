"""Formulas of annotated labels: what best-first search finds is what trying all of them finds."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurflow_report.labels.formulas import Formula, best_formula, overlap_null


def brute_force(own: np.ndarray, truth: np.ndarray, terms: int) -> tuple[float, int]:
    """The largest overlap of all formulas, and the fewest terms that reach it."""
    best = (0.0, 0)
    for size in range(1, terms + 1):
        for labels in permutations(range(truth.shape[1]), size):
            for negated in product((False, True), repeat=size):
                for joins in product(("AND", "OR"), repeat=size - 1):
                    mask = truth[:, labels[0]] ^ negated[0]
                    for join, label, no in zip(joins, labels[1:], negated[1:], strict=True):
                        one = truth[:, label] ^ no
                        mask = mask & one if join == "AND" else mask | one
                    overlap = (mask & own).sum() / (mask | own).sum()
                    if overlap > best[0] + 1e-9:
                        best = (float(overlap), size)
    return best


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3), st.sampled_from([0.1, 0.3, 0.6]))
def test_the_search_finds_what_trying_all_finds(seed: int, labels: int, terms: int, dense: float) -> None:
    random = np.random.default_rng(seed)
    truth, own = random.random((30, labels)) < dense, random.random(30) < 0.3
    if not own.any():
        assert best_formula(own, truth, terms) is None
        return
    found = best_formula(own, truth, terms)
    assert found is not None
    due, size = brute_force(own, truth, terms)
    assert found.overlap == pytest.approx(due)
    assert len(found.terms) == size
    holds = found.holds(truth)
    assert (holds & own).sum() / (holds | own).sum() == pytest.approx(due)


@pytest.mark.slow
def test_the_search_finds_it_among_twelve_labels() -> None:
    random = np.random.default_rng(7)
    for planted in (False, True):
        truth = random.random((80, 12)) < 0.3
        own = (truth[:, 3] & ~truth[:, 7]) | truth[:, 9] if planted else random.random(80) < 0.2
        found = best_formula(own, truth, 3)
        assert found is not None
        assert (found.overlap, len(found.terms)) == (pytest.approx(brute_force(own, truth, 3)[0]), 3)


def test_a_planted_formula_is_found_and_told() -> None:
    truth = np.random.default_rng(0).random((400, 6)) < 0.4
    names = [f"l{n}" for n in range(6)]
    for own, text in (
        (truth[:, 2], "l2"),
        (~truth[:, 2], "NOT l2"),
        (truth[:, 1] & ~truth[:, 4], "l1 AND NOT l4"),
        (truth[:, 0] | truth[:, 1] | truth[:, 5], "l0 OR l1 OR l5"),
        ((truth[:, 0] & truth[:, 1]) | ~truth[:, 5], "(l0 AND l1) OR NOT l5"),
    ):
        found = best_formula(own, truth)
        assert found is not None
        assert (found.text(names), found.overlap) == (text, 1.0)


def test_a_formula_is_read_from_left_to_right() -> None:
    formula = Formula(terms=(("", 0, False), ("OR", 1, True), ("AND", 2, False)), overlap=0.5)
    assert formula.text(["a", "b", "c"]) == "(a OR NOT b) AND c"
    assert formula.holds(np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [1, 0, 0]], dtype=bool)).tolist() == [
        True,
        False,
        True,
        False,
    ]


def test_with_the_annotations_of_other_pictures_formulas_overlap_less() -> None:
    random = np.random.default_rng(1)
    truth = np.repeat(random.random((20, 4)) < 0.3, 5, axis=0) & (random.random((100, 4)) < 0.6)
    own = truth[:, 0] | truth[:, 1]
    assert max(overlap_null(own, truth, 20, 2, random)) < 1
    assert best_formula(own, truth, 2).overlap == 1  # type: ignore[union-attr]
