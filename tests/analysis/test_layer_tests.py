"""Every experiment's figure against the naive oracle, in float64, on the demo's network: the same sets, r to 1e-6."""

import numpy as np
import pytest
import torch

from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.class_circuit import find_circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.experiments import examine
from neurflow_report.analysis.layer_tests import LayerTests, _portions
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.images.patches import PatchGrid, crops
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec
from tests.oracles import fidelity as oracle
from tests.oracles.method import integrated_gradients, top
from tests.oracles.networks import demo

LAYERS = ["block3", "block4", "fc"]
NODES = 6
SPEC = Spec.model_validate(
    {
        "version": 1, "title": "t", "model": {"source": "demo", "name": "flowers"},
        "data": {"source": "demo", "limit": 2},
        "classes": [0], "layers": LAYERS, "concept": {"k": 6, "scales": (1.0, 0.5)},
        "attribution": {"rule": "gauss", "nodes": NODES, "max_nodes": NODES}, "core": {"tau": 3},
        "fidelity": {
            "experiments": ("masking", "optimality", "weights", "concepts", "edges"), "taus": (2, 3), "draws": 4,
            "targets": 2, "optimality_draws": 4, "weight_draws": 8, "sizes": (1, 7), "ks": (4, 9), "patches": 0,
        },
    }
)  # fmt: skip


def class_run(workspace, pixels, spec=SPEC):
    return ClassRun.of(workspace, spec, pixels, logit=0, name="x", progress=Silent())


@pytest.fixture(scope="module")
def setting():
    """(model, pictures, patches, workspace) in float64; two pictures of one class, ten patches each."""
    model, preprocess = demo(), NETWORKS["flowers"].preprocess
    pixels = torch.stack([to_input(DATASET.draw(0, n)[0], preprocess)[0] for n in range(2)]).double()
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    patches = crops(pixels, np.arange(2 * grid.per_image), grid)
    segments = cut(model, LAYERS, pixels[:1])
    return model, pixels, patches, Workspace.set_up(segments, grid, 500_000_000, pixels[:1])


@pytest.fixture(scope="module")
def circuit(setting):
    _, pixels, _, workspace = setting
    return find_circuit(class_run(workspace, pixels))


@pytest.fixture(scope="module", params=[1, 2])
def tests(request, setting, circuit):
    _, pixels, _, workspace = setting
    found = LayerTests(
        class_run(workspace, pixels), circuit.cache.going_up(), circuit, request.param, np.random.default_rng(5)
    )
    found.attribute(SilentStep())
    found.ablate(SilentStep())
    return found


def own(measures, **wanted):
    return {m.channel: m.value for m in measures if all(getattr(m, k) == v for k, v in wanted.items())}


def naive_kept(setting, tests, channel, members):
    model, _, patches, _ = setting
    concept = next(n.concept for n in tests.neurons if n.channel == channel)
    layer, below = LAYERS[tests.number], LAYERS[tests.number - 1]
    return oracle.kept(model, layer, below, channel, patches, members, concept)


@pytest.mark.slow
def test_l_of_every_set_is_the_oracle_s(setting, tests):
    for place, channel in enumerate(tests.channels):
        for row in range(0, len(tests.plan.sets), 3):
            members = np.flatnonzero(tests.plan.sets[row]).tolist()
            assert tests.kept[place, row] == naive_kept(setting, tests, channel, members)


@pytest.mark.slow
def test_f2_is_the_oracle_s(setting, tests):
    found = own(tests.optimality().measures, case="beaten")
    shares = []
    for place, neuron in enumerate(tests.neurons):
        core = naive_kept(setting, tests, neuron.channel, [s.channel for s in neuron.core])
        sets = tests.plan.sets[tests.plan.null[len(neuron.core)]]
        others = [naive_kept(setting, tests, neuron.channel, np.flatnonzero(s).tolist()) for s in sets]
        shares.append(oracle.beaten(core, others))
        assert found[tests.channels[place]] == pytest.approx(shares[-1], abs=1e-12)
    assert found[None] == pytest.approx(np.mean(shares), abs=1e-12)


@pytest.mark.slow
def test_f3_is_the_oracle_s(setting, tests):
    model, _, patches, _ = setting
    layer, below = LAYERS[tests.number], LAYERS[tests.number - 1]
    measures = tests.weights().measures
    for size in (1, 7):
        found, z = own(measures, setting=size), []
        for neuron in tests.neurons:
            T = np.stack(
                [integrated_gradients(model, layer, below, neuron.channel, patches[v : v + 1], NODES)
                 for v in neuron.concept]
            )  # fmt: skip
            score = np.abs(T).mean(0)
            sets = [np.flatnonzero(s).tolist() for s in tests.plan.sets[tests.plan.random[size]]]
            losses = [1 - naive_kept(setting, tests, neuron.channel, s) for s in sets]
            if len(set(losses)) == 1:
                assert neuron.channel not in found
                continue
            r = oracle.correlation([score[s].sum() for s in sets], losses)
            assert found[neuron.channel] == pytest.approx(r, abs=1e-6)
            z.append(np.arctanh(r))
        if z:
            assert found[None] == pytest.approx(np.tanh(np.mean(z)), abs=1e-6)


def test_f6_is_the_oracle_s(setting, tests):
    model, _, patches, _ = setting
    layer, below = LAYERS[tests.number], LAYERS[tests.number - 1]
    overlaps = {4: [], 9: []}
    for channel in tests.channels:
        order = top(tests.means[:, channel].tolist(), 9)
        T = [integrated_gradients(model, layer, below, channel, patches[v : v + 1], NODES) for v in order]

        def core(k, T=T):
            score = np.abs(T[:k]).mean(0)
            return {i for i in top(score.tolist(), 3) if score[i] > 0}

        for k, shares in overlaps.items():
            shares.append(len(core(k) & core(6)) / len(core(6)))
    found = {m.setting: m.value for m in tests.robustness().measures}
    assert found == pytest.approx({k: np.mean(v) for k, v in overlaps.items()}, abs=1e-12)


@pytest.mark.slow
def test_f1_and_f8_are_the_oracle_s(setting, circuit):
    model, pixels, patches, workspace = setting
    found = examine(class_run(workspace, pixels))
    assert found.layers == circuit.layers
    cores = {layer.name: [n.channel for n in layer.neurons] for layer in circuit.layers[:-1]}
    for m in (m for m in found.masking if m.tau == 3):
        masked = LAYERS[LAYERS.index(m.layer) : -1] if m.cumulative else [m.layer]
        left_out = {
            name: cores[name] if m.mode == "mask" else sorted(set(range(128)) - set(cores[name])) for name in masked
        }
        assert m.accuracy == oracle.accuracy(model, pixels, 0, left_out)
    assert {(m.layer, m.cumulative) for m in found.masking} == {("block4", False), ("block3", False), ("block3", True)}
    upper, lower = circuit.layers[1], circuit.layers[0]
    assert found.edge_drops
    for d in (d for d in found.edge_drops if d.upper_layer == upper.name):
        groups = {(n.channel, g.index): g.patches for n in upper.neurons for g in n.groups}
        members = [(m.channel, groups[m.channel, m.semantic]) for m in upper.groups[d.upper - 1].members]
        members = [(c, g) for c, g in members if abs(circuit.means[1][list(g), c].mean()) > 1e-6]
        knocked = sorted({m.channel for m in lower.groups[d.lower - 1].members})
        assert d.drop == pytest.approx(oracle.drop(model, "block4", "block3", patches, members, knocked), abs=1e-9)


def test_no_set_at_all_is_no_portion(setting):
    """A layer whose core sets are all of its channels leaves nothing to knock out."""
    _, pixels, _, workspace = setting
    engine = ActivationCache(workspace, pixels).ablations(1, lambda _: None)
    assert isinstance(engine, LinearMixAblation)
    assert list(_portions(engine, 3, np.zeros((0, 4), dtype=bool), 20, 1000)) == []


@pytest.mark.parametrize(
    ("changes", "experiment", "reason"),
    [
        ({"ks": (6,)}, "concepts", "no other k than the circuit's own, 6, is asked for and possible (fidelity.ks)"),
        ({"ks": (6, 500)}, "concepts", "no other k than the circuit's own, 6, is asked for and possible (fidelity.ks)"),
        ({"methods": ()}, "methods", "no other method is asked for (fidelity.methods)"),
    ],
)
def test_what_compares_the_circuit_with_itself_alone_is_not_run(setting, circuit, changes, experiment, reason):
    _, pixels, _, workspace = setting
    spec = SPEC.model_copy(update={"fidelity": SPEC.fidelity.model_copy(update=changes)})
    tests = LayerTests(class_run(workspace, pixels, spec), circuit.cache, circuit, 1, np.random.default_rng(5))
    found = tests.robustness() if experiment == "concepts" else tests.methods()
    assert found.measures == ()
    assert [(n.experiment, n.reason) for n in found.not_run] == [(experiment, reason)]
