import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurflow_report.circuit.top_patches import concepts, core_set, dead, silent_share

few_values = arrays(np.float32, st.integers(1, 40), elements=st.sampled_from([-1.0, -0.0, 0.0, 0.5, 0.5, 2.0]))


@given(few_values, st.data())
def test_concept_is_the_k_largest_with_ties_to_the_lower_index(values, data):
    k = data.draw(st.integers(1, len(values)))
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert concepts(values[:, None], np.array([0]), k)[0].tolist() == expected


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_concepts_of_many_channels_are_those_of_each(seed, k):
    means = np.random.default_rng(seed).integers(-1, 3, size=(12, 5)).astype(np.float32)
    channels = np.array([4, 0, 2])
    expected = [sorted(range(12), key=lambda i: (-means[i, c], i))[:k] for c in channels.tolist()]
    assert concepts(means, channels, k).tolist() == expected


@given(few_values, st.integers(1, 50))
def test_core_set_never_holds_a_score_of_zero(values, tau):
    scores = np.abs(values)
    expected = [i for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:tau] if scores[i] > 0]
    assert core_set(scores, tau).tolist() == expected


def test_more_patches_than_there_are():
    with pytest.raises(ValueError, match="a concept of 3 patches from 2"):
        concepts(np.zeros((2, 1)), np.array([0]), 3)


def test_no_channels():
    assert concepts(np.zeros((4, 2)), np.array([], dtype=np.int64), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("phi", "expected"), [([0, 0, 0], True), ([1, 1, 1], True), ([-2, -1, 0], True), ([-1, 0, 0.1], False)]
)
def test_dead(phi, expected):
    assert dead(np.array(phi, dtype=float)[:, None]).tolist() == [expected]


def test_silent_share_counts_channels_that_are_dead_on_every_patch():
    means = np.array([[0.0, 1.0, -1.0, 0.0], [0.0, 1.0, -2.0, 3.0]])
    assert silent_share(means) == 0.75
    assert dead(means).tolist() == [True, True, True, False]
