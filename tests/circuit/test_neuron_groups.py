"""Hand-computed circuits: every figure below is a fraction worked out on paper."""

import numpy as np
import pytest

from neurflow_report.circuit.discovery import edge_weights
from neurflow_report.circuit.neuron_groups import group_edges, group_neurons
from neurflow_report.results.records import Member, Neuron, NeuronEdge, SemanticGroup


def neuron(layer, channel, groups, core=()):
    """groups: [(patches, {lower channel: weight})]."""
    return Neuron(
        layer=layer, channel=channel, concept=tuple(p for g, _ in groups for p in g), activations=(), core=core,
        gap_mean=None, gap_max=None, nodes=None, silhouette=0.5, dead=False,
        groups=tuple(
            SemanticGroup(index=j + 1, patches=tuple(patches), activation=1.0,
                          edges=tuple(NeuronEdge(channel=c, weight=w) for c, w in edges.items()))
            for j, (patches, edges) in enumerate(groups)
        ),
    )  # fmt: skip


def members(*pairs):
    return tuple(Member(channel=c, semantic=j) for c, j in pairs)


def test_edge_weights_are_not_rescaled_while_they_are_summed():
    assert edge_weights(np.array([4.0, 3.0, 2.0, 1.0])).tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_edge_weights_are_signed_and_each_group_s_own():
    assert edge_weights(np.array([[2.0, -3.0], [0.0, 8.0]])).tolist() == [pytest.approx([0.4, -0.6]), [0.0, 1.0]]


def test_edge_weights_of_nothing():
    assert edge_weights(np.zeros(3)).tolist() == [0, 0, 0]


def test_group_edge_is_the_mean_over_semantic_groups_and_counts_a_neuron_once():
    upper = {7: neuron("up", 7, [((0,), {1: 0.5, 2: -0.25, 3: 0.25}), ((1,), {1: 0.1, 2: 0.2, 3: -0.7})])}
    lower = [members((1, 1), (1, 2), (2, 1)), members((2, 2), (3, 1))]
    weights = group_edges([members((7, 1), (7, 2)), members((7, 2))], lower, upper)
    assert weights.tolist() == [pytest.approx([(0.25 + 0.3) / 2, (0.0 - 0.5) / 2]), pytest.approx([0.3, -0.5])]


def test_groups_are_numbered_by_falling_share_and_edges_follow():
    low = [neuron("low", c, [((p,), {})]) for c, p in ((0, 0), (1, 1), (2, 2))]
    top = neuron("top", 0, [((0, 1, 2), {0: -0.1, 1: 0.2, 2: 0.7})])
    r = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [9.0, 9.0, 9.0]])
    layers, edges = group_neurons(["low", "top"], [low, [top]], [r, np.zeros((3, 1))], 100)
    assert [g.members for g in layers[0].groups] == [members((2, 1)), members((0, 1), (1, 1))]
    assert [g.share for g in layers[0].groups] == pytest.approx([0.7, 0.3])
    assert [(e.upper, e.lower, e.weight) for e in edges] == [(1, 1, 0.7), (1, 2, pytest.approx(0.1))]
    assert layers[1].groups[0].share == 1


def test_a_layer_without_core_neurons_has_no_groups():
    top = neuron("top", 0, [((0,), {})])
    layers, edges = group_neurons(["low", "top"], [[], [top]], [np.zeros((1, 2)), np.zeros((1, 1))], 100)
    assert (layers[0].groups, edges) == ((), ())
