"""The measures of overlap: symmetric, within 0..1, and by chance what random sets give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.comparison.overlap import expected_jaccard, jaccard, jaccard_of, ruzicka

sets = st.frozensets(st.integers(0, 12))
weights = st.dictionaries(st.integers(0, 8), st.floats(0, 1e6))


@given(sets, sets)
def test_jaccard_is_symmetric_and_1_for_equal_sets_alone(a: frozenset[int], b: frozenset[int]) -> None:
    found = jaccard(a, b)
    assert found == jaccard(b, a) == jaccard_of(len(a & b), len(b), len(a))
    if found is None:
        assert not a | b
    else:
        assert 0 <= found <= 1
        assert (found == 1) == (a == b)


@given(weights, weights)
def test_ruzicka_is_symmetric(a: dict[int, float], b: dict[int, float]) -> None:
    found = ruzicka(a, b)
    assert found == ruzicka(b, a)
    assert found is None or 0 <= found <= 1
    assert ruzicka(a, a) in (1, None)


@given(sets, sets)
def test_ruzicka_of_weights_of_1_is_jaccard(a: frozenset[int], b: frozenset[int]) -> None:
    assert ruzicka(dict.fromkeys(a, 1.0), dict.fromkeys(b, 1.0)) == pytest.approx(jaccard(a, b))


@given(st.integers(1, 300), st.data())
def test_what_chance_gives_is_symmetric(whole: int, data: st.DataObject) -> None:
    a, b = (data.draw(st.integers(0, whole)) for _ in range(2))
    found = expected_jaccard(a, b, whole)
    assert found == expected_jaccard(b, a, whole)
    assert found is None or 0 <= found <= 1


def test_what_chance_gives_is_the_mean_over_random_sets() -> None:
    rng = np.random.default_rng(0)
    drawn = [jaccard(frozenset(rng.choice(30, 9, replace=False).tolist()), frozenset(range(6))) for _ in range(20_000)]
    assert expected_jaccard(9, 6, 30) == pytest.approx(np.mean(drawn), abs=0.003)
    assert expected_jaccard(30, 30, 30) == pytest.approx(1)
    assert expected_jaccard(0, 0, 30) is None
    with pytest.raises(ValueError, match="sets of 5 and 31 of 30 things"):
        expected_jaccard(5, 31, 30)
