import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import silhouette_score

from neurflow_report.circuit import clustering
from neurflow_report.circuit.clustering import (
    _ward,
    _ward_on_host,
    closest_first,
    distances,
    partition,
    partitions,
    stays,
)
from neurflow_report.network import devices


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


def sets_of(seed):
    """Some sets of vectors: of small whole numbers, so that distances tie and vectors are equal, or of any."""
    random = np.random.default_rng(seed)
    shape = (4, int(random.integers(1, 40)), int(random.integers(1, 8)))
    if seed % 3 == 0:
        return random.normal(size=shape)
    vectors = random.integers(0, 3, size=shape).astype(float)
    vectors[0] = vectors[0, :1]
    return vectors


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_sets_together_are_parted_as_each_by_itself(seed, most):
    vectors = sets_of(seed)
    found = partitions(torch.stack([distances(torch.from_numpy(one)) for one in vectors]), most)
    for number, one in enumerate(vectors):
        alone = partition(one, most)
        assert found.counts[number] == alone.count
        assert found.labels[number].tolist() == alone.labels.tolist()
        silhouette = found.silhouettes[number]
        assert np.isnan(silhouette) if alone.silhouette is None else silhouette == pytest.approx(alone.silhouette)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_sets_that_stay_on_a_device_are_parted_alike(seed, most):
    between = torch.stack([distances(torch.from_numpy(one)) for one in sets_of(seed)])
    on_host = partitions(between, most)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(devices, "is_host", lambda _device: False)
        patched.setattr(clustering, "MANY", 1)
        assert stays(between)
        on_device = partitions(between, most)
    for name in ("labels", "counts", "silhouettes", "spread"):
        np.testing.assert_array_equal(getattr(on_device, name), getattr(on_host, name))


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_the_tree_in_step_is_scipy_s_ties_included(seed):
    vectors = sets_of(seed)
    if vectors.shape[1] > 2:
        between = torch.stack([distances(torch.from_numpy(one)) for one in vectors])
        for mine, theirs in zip(_ward(between).numpy(), _ward_on_host(between.numpy()), strict=True):
            assert after_each(mine) == after_each(theirs)


def after_each(merges):
    """The clusters after each merge."""
    labels, found = np.arange(len(merges) + 1), []
    for one, other in merges:
        labels = np.where(labels == labels[one], labels[other], labels)
        found.append(as_sets(labels))
    return found


def test_distances_of_close_vectors_are_exact():
    """Where the product of large vectors would leave nothing but rounding."""
    vectors = 1e6 + np.random.default_rng(0).normal(size=(9, 5)) * np.array([[1e-6]] * 8 + [[1.0]])
    vectors[3] = vectors[2]
    found = distances(torch.from_numpy(vectors)).numpy()
    assert found[2, 3] == 0
    assert found == pytest.approx(squareform(pdist(vectors)), rel=1e-12, abs=0)


def test_spread_is_in_the_order_of_the_distance_to_the_mean():
    vectors = np.random.default_rng(1).normal(size=(1, 30, 4))
    found = partitions(distances(torch.from_numpy(vectors[0]))[None], 4)
    for label in range(found.counts[0]):
        members = np.flatnonzero(found.labels[0] == label)
        if len(members) != 2:  # both as far from their mean
            by_spread = members[np.argsort(found.spread[0, members], kind="stable")]
            assert by_spread.tolist() == members[closest_first(vectors[0, members])].tolist()
