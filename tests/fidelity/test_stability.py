"""F7 against scikit-learn, one draw after the other, on clear clouds and on noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from neurflow_report.fidelity.stability import _range, agreements, stability
from neurflow_report.results.catalogue import STABILITY_NOISE
from neurflow_report.results.records import LayerResult, Member, Neuron, NeuronGroup, SemanticGroup
from tests.oracles.method import clusters

CHANNELS, CONCEPT, DRAWS, MOST = (3, 5, 8), 9, 6, 4
SEED = (4, 2)


def labels(sets: list[set[int]], count: int) -> list[int]:
    return [next(i for i, s in enumerate(sets) if row in s) for row in range(count)]


def layer(r: np.ndarray) -> LayerResult:
    """Three neurons, nine patches each, with the semantic and neuron groups that the oracle finds in r."""
    neurons, members, means = [], [], []
    for number, channel in enumerate(CHANNELS):
        concept = tuple(range(CONCEPT * number, CONCEPT * (number + 1)))
        groups = []
        for index, rows in enumerate(clusters(r[list(concept)], MOST), start=1):
            patches = tuple(concept[row] for row in sorted(rows))
            groups.append(SemanticGroup(index=index, patches=patches, activation=1.0, edges=()))
            members.append(Member(channel=channel, semantic=index))
            means.append(r[list(patches)].mean(axis=0))
        neurons.append(
            Neuron(
                layer="a",
                channel=channel,
                concept=concept,
                activations=(1.0,) * CONCEPT,
                core=(),
                gap_mean=None,
                gap_max=None,
                nodes=None,
                silhouette=0.5,
                groups=tuple(groups),
                dead=False,
            )
        )
    found = clusters(np.stack(means), MOST)
    groups = tuple(
        NeuronGroup(layer="a", index=i, members=tuple(members[m] for m in sorted(rows)), patches=(0,), share=0.5)
        for i, rows in enumerate(found, start=1)
    )
    return LayerResult(name="a", channels=r.shape[1], neurons=tuple(neurons), groups=groups, silhouette=0.5)


def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(CHANNELS) * CONCEPT, 5)) + 2


def naive(it: LayerResult, r: np.ndarray) -> tuple[list[float], list[float]]:
    """The index of every draw: each neuron's mean, then the layer's neuron groups."""
    random, semantic, groups = np.random.default_rng(SEED), [], []
    for neuron in it.neurons:
        shown = [next(g.index for g in neuron.groups if p in g.patches) for p in neuron.concept]
        found = []
        for _ in range(DRAWS):
            vectors = r[list(neuron.concept)]
            shaken = vectors * (1 + random.uniform(-STABILITY_NOISE, STABILITY_NOISE, vectors.shape))
            found.append(adjusted_rand_score(shown, labels(clusters(shaken, MOST), CONCEPT)))
        semantic.append(float(np.mean(found)))
    members = [(n.channel, g) for n in it.neurons for g in n.groups]
    shown = [next(g.index for g in it.groups if Member(channel=c, semantic=s.index) in g.members) for c, s in members]
    for _ in range(DRAWS):
        shaken = r * (1 + random.uniform(-STABILITY_NOISE, STABILITY_NOISE, r.shape))
        means = np.stack([shaken[list(s.patches)].mean(axis=0) for _, s in members])
        groups.append(adjusted_rand_score(shown, labels(clusters(means, MOST), len(members))))
    return semantic, groups


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5), st.integers(1, 5))
def test_the_index_is_scikit_learn_s(seed, count, here, there):
    random = np.random.default_rng(seed)
    shown, found = random.integers(here, size=count), random.integers(there, size=(4, count))
    expected = [adjusted_rand_score(shown, one) for one in found]
    assert agreements(shown, found).tolist() == pytest.approx(expected, abs=1e-12)


def test_the_figures_are_scikit_learn_s():
    r = noise()
    it = layer(r)
    semantic, groups = naive(it, r)
    found = {m.case: m for m in stability(it, r, draws=DRAWS, max_semantic=MOST, max_neuron=MOST, seed=SEED)}
    assert min(semantic) < 1, "noise that moves nothing tests nothing"
    assert found["semantic groups"].value == pytest.approx(np.mean(semantic))
    assert found["neuron groups"].value == pytest.approx(np.mean(groups))
    assert (found["neuron groups"].low, found["neuron groups"].high) == pytest.approx(
        np.quantile(groups, [0.025, 0.975])
    )
    ends = stats.t.interval(0.95, 2, np.mean(semantic), stats.sem(semantic))
    assert (found["semantic groups"].low, found["semantic groups"].high) == pytest.approx((ends[0], min(1.0, ends[1])))
    assert [(m.n, m.unit) for m in found.values()] == [(len(CHANNELS), "neuron"), (DRAWS, "draw")]


@pytest.mark.parametrize("neurons", [1, 2])
def test_of_fewer_than_three_neurons_the_draws_are_all_that_varies(neurons):
    r = noise()
    it = layer(r)
    some = it.model_copy(update={"neurons": it.neurons[:neurons]})
    found = stability(some, r, draws=DRAWS, max_semantic=MOST, max_neuron=1, seed=SEED)
    assert [(m.n, m.unit) for m in found] == [(DRAWS, "draw")]
    assert found[0].low < found[0].value < found[0].high


def test_the_range_of_the_draws_holds_their_mean():
    """One draw in fifty is far off: 95% of them are the same, and their mean is not."""
    assert _range(np.array([0.0, *[1.0] * 49])) == (pytest.approx(0.98), 1.0)


def test_clear_clouds_do_not_move():
    r = noise() * 0.05 + np.repeat([[1, 0, 0, 4, 2], [9, 3, 1, 0, 7], [0, 8, 8, 1, 0]] * 3, 3, axis=0)
    found = stability(layer(r), r, draws=DRAWS, max_semantic=MOST, max_neuron=MOST, seed=SEED)
    assert [m.value for m in found] == [1.0, 1.0]


def test_one_group_was_never_divided_and_has_no_figure():
    r = noise()
    it = layer(r)
    whole = [
        n.model_copy(update={"groups": (SemanticGroup(index=1, patches=n.concept, activation=1.0, edges=()),)})
        for n in it.neurons
    ]
    alone = it.model_copy(update={"neurons": tuple(whole), "groups": it.groups[:1]})
    assert stability(alone, r, draws=DRAWS, max_semantic=MOST, max_neuron=MOST, seed=SEED) == ()
    top = stability(it, r, draws=DRAWS, max_semantic=MOST, max_neuron=1, seed=SEED)
    assert [m.case for m in top] == ["semantic groups"]
