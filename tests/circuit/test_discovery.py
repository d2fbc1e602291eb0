"""The whole method against the oracle: the same core sets, groups and weights, layer by layer."""

from contextlib import nullcontext
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neurflow_report.attribution.integrated_gradients import Attribution, Quadrature
from neurflow_report.circuit.discovery import LayerPair, Search, _Scored, find_neurons
from neurflow_report.circuit.neuron_groups import group_neurons
from neurflow_report.circuit.top_patches import core_set
from neurflow_report.errors import RunError
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations, layer_means
from neurflow_report.progress import SilentStep
from tests.oracles import method as oracle
from tests.oracles import networks

NODES = 4
CASES = {
    "resnet18": (networks.resnet18, 48, 2, ["layer3.1", "layer4.0", "layer4.1", "fc"]),
    "googlenet": (networks.googlenet, 48, 2, ["inception4e", "inception5a", "inception5b", "fc"]),
    "demo": (networks.demo, 64, 3, ["block1", "block2", "block3", "block4", "fc"]),
    "planted": (networks.Planted, 12, 3, ["low", "mid", "fc"]),
}
"""(network, size, τ, layers)"""


def search(model, layers, patches, logit, *, k, tau, dtype, rows=64):
    """The product's search over ready-made patches: neurons, layers, edges."""
    model, patches = model.to(dtype), patches.to(dtype)
    segments = cut(model, layers, patches[:1])
    axis = segments.feature_axis
    layer_pairs = [
        LayerPair(segment=s, axis=axis(i), out_axis=axis(i + 1), rows=rows) for i, s in enumerate(segments.stages)
    ]
    means = layer_means(segments, patches.split(50), total=len(patches))
    neurons = find_neurons(
        Search(k=k, tau=tau, max_semantic=5, quadrature=Quadrature(rule="gauss", nodes=NODES, max_nodes=NODES)),
        layers=layers,
        layer_pairs=layer_pairs,
        means=means,
        logit=logit,
        activations=lambda layer, rows: activations(segments, layer, patches[torch.as_tensor(rows)]),
        stage=lambda _layer, _targets: nullcontext(SilentStep()),
    )
    return neurons, *group_neurons(layers, neurons, means, 100)


@pytest.fixture(
    scope="module",
    params=[n if n == "planted" else pytest.param(n, marks=pytest.mark.slow) for n in CASES],
)
def case(request):
    build, size, tau, layers = CASES[request.param]
    patches = networks.demo_patches(40) if request.param == "demo" else networks.pictures(40, size)
    k = 8
    found, means = oracle.neurons(
        build(size) if size > 12 else build(), layers, patches, 1, k=k, tau=tau, max_semantic=5, nodes=NODES
    )
    return SimpleNamespace(
        build=lambda: build(size) if size > 12 else build(), layers=layers, patches=patches, k=k, tau=tau,
        found=found, means=means, groups=oracle.neuron_groups(found, means, layers, 100),
    )  # fmt: skip


@pytest.fixture(scope="module", params=[torch.float32, torch.float64], ids=["float32", "float64"])
def ours(request, case):
    return search(case.build(), case.layers, case.patches, 1, k=case.k, tau=case.tau, dtype=request.param)


def test_the_same_neurons_concepts_core_sets_and_semantic_groups(case, ours):
    for layer, neurons in zip(case.layers, ours[0], strict=True):
        assert [n.channel for n in neurons] == sorted(case.found[layer])
        for neuron in neurons:
            expected = case.found[layer][neuron.channel]
            assert list(neuron.concept) == expected.concept
            assert [s.channel for s in neuron.core] == expected.core
            assert {frozenset(g.patches) for g in neuron.groups} == {frozenset(g) for g in expected.groups}


def test_the_same_scores_within_a_ten_thousandth(case, ours):
    for layer, neurons in zip(case.layers[1:], ours[0][1:], strict=True):
        for neuron in neurons:
            expected = np.abs(case.found[layer][neuron.channel].T).mean(0)
            assert [s.score for s in neuron.core] == pytest.approx([expected[s.channel] for s in neuron.core], rel=1e-4)


def test_the_same_edge_weights_and_their_absolute_sum_is_one(case, ours):
    for layer, neurons in zip(case.layers[1:], ours[0][1:], strict=True):
        for neuron in neurons:
            expected = case.found[layer][neuron.channel]
            for group in neuron.groups:
                j = [frozenset(g) for g in expected.groups].index(frozenset(group.patches))
                weights = {e.channel: e.weight for e in group.edges}
                assert weights == pytest.approx(expected.weights[j], rel=1e-4, abs=1e-5)
                assert sum(abs(w) for w in weights.values()) == pytest.approx(1, abs=1e-6)


def members(result, group):
    """A neuron group as the oracle writes it: {(channel, patches of the semantic group)}."""
    by_channel = {n.channel: n for n in result.neurons}
    return frozenset(
        (m.channel, frozenset(by_channel[m.channel].groups[m.semantic - 1].patches)) for m in group.members
    )


def test_the_same_neuron_groups_and_group_edges(case, ours):
    _, layers, edges = ours
    for result in layers:
        assert {members(result, g) for g in result.groups} == set(case.groups[result.name])
        assert sum(g.share for g in result.groups) == pytest.approx(1)
    weights = {(e.upper_layer, e.upper, e.lower): e.weight for e in edges}
    for lower, upper in pairwise(layers):
        for u in upper.groups:
            for low in lower.groups:
                expected = oracle.group_weight(members(upper, u), members(lower, low), case.found[upper.name])
                assert weights.get((upper.name, u.index, low.index), 0.0) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_planted_circuit_is_found():
    neurons, _, _ = search(
        networks.Planted(), CASES["planted"][-1], networks.pictures(60, 12), 2, k=12, tau=8, dtype=torch.float64
    )
    low, mid, (logit,) = neurons
    assert {s.channel for s in logit.core} == {4, 5}
    assert all([s.channel for s in n.core] == [n.channel] for n in mid)
    assert {n.channel for n in low} == {n.channel for n in mid}


def test_memory_does_not_change_the_result():
    options = {"layers": CASES["planted"][-1], "patches": networks.pictures(60, 12), "logit": 2, "k": 12, "tau": 4}
    assert search(networks.Planted(), **options, dtype=torch.float64, rows=1) == search(
        networks.Planted(), **options, dtype=torch.float64, rows=10_000
    )


@pytest.mark.parametrize(
    "segment",
    [lambda a: a * torch.inf, lambda a: a / a.flatten(1).norm(dim=1).view(-1, 1, 1, 1)],
    ids=["everywhere", "at the zero baseline alone"],
)
def test_an_attribution_that_is_not_finite_names_the_layer(segment):
    with pytest.raises(RunError, match="an attribution of layer 'mid' is NaN or infinite"):
        find_neurons(
            Search(k=5, tau=2, max_semantic=5, quadrature=Quadrature()),
            layers=["low", "mid"],
            layer_pairs=[LayerPair(segment=segment, axis=1, out_axis=1, rows=64)],
            means=[np.random.default_rng(i).random((9, 3)) for i in (0, 1)],
            logit=0,
            activations=lambda _layer, rows: torch.ones(len(rows), 3, 2, 2),
            stage=lambda _layer, _targets: nullcontext(SilentStep()),
        )


class Notes(SilentStep):
    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def bounded(limit):
    """A layer of 6 channels → 4, that has memory for `limit` rows, and the neurons found through it with 16 at once."""
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))

    def segment(x):
        if len(x) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.tanh(x @ weight.T)

    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(1))
    notes = Notes()
    neurons = find_neurons(
        Search(k=4, tau=3, max_semantic=3, quadrature=Quadrature(nodes=4, max_nodes=4)),
        layers=["low", "top"],
        layer_pairs=[LayerPair(segment=segment, axis=1, out_axis=1, rows=16)],
        means=[x.numpy(), torch.tanh(x @ weight.T).numpy()],
        logit=2,
        activations=lambda _layer, patches: x[torch.as_tensor(patches)],
        stage=lambda _layer, _targets: nullcontext(notes),
    )
    return neurons, notes.said


def test_out_of_memory_halves_the_rows_and_finds_the_same():
    plenty, silence = bounded(100)
    assert silence == []
    little, said = bounded(3)
    assert said == [
        "out of memory with 16 rows at once: going on with 8",
        "out of memory with 8 rows at once: going on with 4",
        "out of memory with 4 rows at once: going on with 2",
    ]
    for a, b in zip(plenty, little, strict=True):
        for one, other in zip(a, b, strict=True):
            assert (one.channel, one.concept) == (other.channel, other.concept)
            assert [g.patches for g in one.groups] == [g.patches for g in other.groups]
            assert [s.score for s in one.core] == pytest.approx([s.score for s in other.core])


def test_out_of_memory_with_one_row_is_told():
    with pytest.raises(RunError) as caught:
        bounded(0)
    assert (caught.value.slug, caught.value.message) == ("out-of-memory", "memory ran out with one row at a time")


@pytest.mark.parametrize("tau", [1, 4, 30])
def test_core_sets_of_a_layer_are_each_target_s_ties_included(tau):
    targets, k, channels = 7, 3, 9
    values = torch.from_numpy(
        np.random.default_rng(tau).integers(-1, 2, size=(targets * k, channels)).astype(np.float32)
    )
    values[:k] = 0
    misses = torch.arange(targets * k) / 64
    scored = Attribution(values=values, gap=misses, error=2 * misses, n_steps=torch.arange(targets * k))
    between = torch.rand(targets, k, k, dtype=torch.float64)
    found, told = _Scored.of(scored, between, tau)
    scores = values.double().abs().view(targets, k, channels).mean(dim=1).numpy()
    assert [one.tolist() for one in found.core] == [core_set(one, tau).tolist() for one in scores]
    assert torch.equal(told, between)
    assert found.gaps[2].tolist() == [7 / 64, 8 / 64]
    assert found.errors[2].tolist() == [14 / 64, 16 / 64]
    for own, core, t in zip(found.values, found.core, values.view(targets, k, channels), strict=True):
        assert torch.equal(own[:, : len(core)], t[:, core].double())
