import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import silhouette_score

from neurflow_report.circuit.clustering import closest_first, partition


def naive(vectors, most):
    """Every n clustered anew by scikit-learn, judged by its silhouette."""
    scores = {}
    for n in range(2, min(most, len(vectors) - 1) + 1):
        labels = AgglomerativeClustering(n_clusters=n).fit_predict(vectors)
        scores[n] = (silhouette_score(vectors, labels), labels)
    n = max(scores, key=lambda n: (scores[n][0], -n))
    return n, scores[n][1], scores[n][0]


def as_sets(labels):
    return {frozenset(np.flatnonzero(labels == c).tolist()) for c in set(labels.tolist())}


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(1, 12), st.sampled_from([2, 5, 100]), st.integers(1, 6)
)
def test_equals_scikit_learn(seed, count, width, most, blobs):
    random = np.random.default_rng(seed)
    vectors = (
        random.normal(size=(count, width)) + 4 * random.normal(size=(blobs, width))[random.integers(blobs, size=count)]
    )
    n, labels, score = naive(vectors, most)
    found = partition(vectors, most)
    assert found.count == n
    assert as_sets(found.labels) == as_sets(labels)
    assert found.silhouette == pytest.approx(score, abs=1e-9)


def test_labels_count_by_first_appearance():
    vectors = np.array([[9.0], [0.0], [9.1], [0.1], [5.0]])
    assert partition(vectors, 3).labels.tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_vectors_are_one_cluster(count):
    found = partition(np.arange(count * 3.0).reshape(count, 3), 5)
    assert (found.count, found.silhouette, found.labels.tolist()) == (1, None, [0] * count)


def test_equal_vectors_are_one_cluster():
    found = partition(np.full((7, 4), 0.3), 5)
    assert (found.count, found.silhouette) == (1, None)


def test_duplicates_among_two_places():
    found = partition(np.array([[0.0, 1.0]] * 4 + [[5.0, 1.0]] * 3), 5)
    assert (found.count, found.silhouette) == (2, 1.0)


def test_closest_first_is_by_distance_to_the_mean_then_by_index():
    assert closest_first(np.array([[4.0], [-4.0], [0.0], [1.0], [-1.0]])).tolist() == [2, 3, 4, 0, 1]
