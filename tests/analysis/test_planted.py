"""Planted truth: an effect that was built in is found, and random "core" sets are next to never called supported."""

import numpy as np
import pytest
import torch
from torch import nn

from neurflow_report.analysis.class_circuit import find_circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.experiments import _predictions, examine
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.fidelity.draws import random_sets
from neurflow_report.fidelity.ledger import ledger, limits
from neurflow_report.fidelity.masking import masking
from neurflow_report.fidelity.optimality import kept_share, optimality
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.records import CoreScore
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec
from tests.oracles.networks import pictures

CORES = 200


def spec(layers, **fidelity):
    return Spec.model_validate(
        {
            "version": 1, "title": "t", "model": {"source": "demo", "name": "flowers"}, "data": {"source": "demo"},
            "classes": [0], "layers": layers, "concept": {"k": 10, "scales": (1.0, 0.5)}, "core": {"tau": 2},
            "fidelity": fidelity,
        }
    )  # fmt: skip


class Wide(nn.Module):
    """Logit c rests on channels 2c and 2c+1 of `mid` alone, each of these on its own twin in `low`; 60 do nothing."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.low = nn.Sequential(nn.Conv2d(3, 64, 1), nn.ReLU())
        self.mid = nn.Sequential(nn.Conv2d(64, 64, 1), nn.ReLU())
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(64, 2)
        with torch.no_grad():
            self.mid[0].weight.copy_(torch.eye(64)[:, :, None, None])
            self.mid[0].bias.zero_()
            self.fc.weight.zero_()
            for c in range(2):
                self.fc.weight[c, 2 * c : 2 * c + 2] = 1.0 - 0.6 * c
            self.fc.bias.copy_(torch.tensor([0.0, 0.01]))
        self.double().eval().requires_grad_(False)

    def forward(self, x):
        return self.fc(self.pool(self.mid(self.low(x))).flatten(1))


def class_run(workspace, pixels, spec):
    return ClassRun.of(workspace, spec, pixels, logit=0, name="x", progress=Silent())


@pytest.mark.slow
def test_a_planted_circuit_is_supported():
    model, pool = Wide(), pictures(120, 16)
    pixels = pool[model(pool).argmax(1) == 0][:40]
    layers = ["low", "mid", "fc"]
    workspace = Workspace.set_up(
        cut(model, layers, pixels[:1]), PatchGrid(size=16, scales=(1.0, 0.5), stride=0.5), 10**9, pixels[:1]
    )
    asked = spec(
        layers, experiments=("masking", "optimality", "weights"), draws=200, optimality_draws=200, weight_draws=60,
        sizes=(1, 5), patches=0,
    )  # fmt: skip
    found = examine(class_run(workspace, pixels, asked))
    assert len(pixels) == 40
    assert [[n.channel for n in layer.neurons] for layer in found.layers] == [[0, 1], [0, 1], [0]]
    verdicts = {(c.claim, c.layer): (c.verdict, c.reason) for c in found.claims if c.verdict != "not run"}
    planted = (("needed", "mid"), ("needed", "low"), ("needed_upward", "low"), ("optimal", "fc"), ("faithful", "fc"))
    assert {key: verdicts[key] for key in planted} == dict.fromkeys(planted, ("supported", ""))
    enough = [c for c in found.claims if c.claim == "enough"]
    assert [(c.figure, c.null < 0.15) for c in enough] == [(1.0, True)] * 2


@pytest.fixture(scope="module")
def demo_circuit():
    """(workspace, pixels, circuit) of a class of the demo, with its trained weights."""
    network = NETWORKS["flowers"]
    from safetensors.torch import load_file

    model = network.build()
    model.load_state_dict(load_file(network.weights))
    model.requires_grad_(False)
    pixels = torch.stack([to_input(DATASET.draw(0, n)[0], network.preprocess)[0] for n in range(6)])
    pixels = pixels[model(pixels).argmax(1) == 0]
    layers = ["block3", "block4", "fc"]
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    workspace = Workspace.set_up(cut(model, layers, pixels[:1]), grid, 10**9, pixels[:1])
    circuit = find_circuit(class_run(workspace, pixels, spec(layers)))
    return workspace, pixels, circuit


@pytest.mark.slow
def test_random_core_sets_are_seldom_supported_by_f1(demo_circuit):
    workspace, pixels, circuit = demo_circuit
    predict, supported, rows = _predictions(workspace, pixels, SilentStep()), 0, 0
    for seed in range(CORES):
        random = np.random.default_rng([seed, 99])
        layers = [_random_cores(layer, circuit.layers, i, random) for i, layer in enumerate(circuit.layers)]
        tests = masking(
            layers=[layer.name for layer in layers], neurons=_follow(layers), channels=[128, 128, 10], target=0,
            taus=(2,), draws=20, seed=seed, predictions=predict,
        )  # fmt: skip
        for one in tests:
            claims = ledger([one], (), (), experiments=("masking",), thresholds=limits({}))
            judged = [c for c in claims if c.verdict != "not run"]
            rows += len(judged)
            supported += sum(c.verdict == "supported" for c in judged)
    assert rows == CORES * 6
    assert supported / rows <= 0.05


def _random_cores(layer, layers, number, random):
    """The layer with the core sets of its neurons drawn at random."""
    if number == 0:
        return layer
    width = layers[number - 1].channels
    neurons = []
    for n in layer.neurons:
        drawn = random.choice(width, size=len(n.core), replace=False)
        neurons.append(n.model_copy(update={"core": tuple(CoreScore(channel=int(c), score=1.0) for c in drawn)}))
    return layer.model_copy(update={"neurons": tuple(neurons)})


def _follow(layers):
    """Neurons layer by layer such that each layer's are the union of the core sets above, whatever their concepts."""
    found = [layers[-1].neurons]
    for layer in reversed(layers[:-1]):
        wanted = sorted({s.channel for n in found[-1] for s in n.core})
        model = layer.neurons[0]
        known = {n.channel: n for n in layer.neurons}
        found.append(tuple(known.get(c, model.model_copy(update={"channel": c})) for c in wanted))
    return list(reversed(found))


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_random_core_sets_are_seldom_supported_by_f2(demo_circuit, number):
    _, _, circuit = demo_circuit
    cache, layer = circuit.cache.going_up(), circuit.layers[number]
    engine, width, draws = cache.ablations(number - 1, print), circuit.layers[number - 1].channels, 40
    supported = 0
    for seed in range(CORES):
        random = np.random.default_rng([seed, number])
        sets = random_sets(width, 2, draws + len(layer.neurons), random)
        phi = torch.cat(
            [engine.phi(x, torch.from_numpy(sets), [n.channel for n in layer.neurons])
             for x in cache.chunks(number - 1)], dim=2,
        ).numpy()  # fmt: skip
        kept = [kept_share(phi[:, t], np.array(n.concept)) for t, n in enumerate(layer.neurons)]
        core = [float(k[draws + t]) for t, k in enumerate(kept)]
        measures = optimality(layer.name, range(len(core)), core, [k[:draws] for k in kept], k=10)
        claims = ledger((), measures, (), experiments=("optimality",), thresholds=limits({}))
        supported += sum(c.verdict == "supported" for c in claims)
    assert supported / CORES <= 0.05
