"""Planted truth: an effect that was built in is found, and random "core" sets are next to never called supported."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from neurflow_report.analysis.class_circuit import find_circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.experiments import examine
from neurflow_report.analysis.masking_passes import MaskingPasses
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
    retained = [m for m in found.masking if m.mode == "retain" and not m.cumulative]
    assert [(m.accuracy, np.mean(m.null) < 0.15) for m in retained] == [(1.0, True)] * 2
    assert [c.reason for c in found.claims if c.claim == "enough"] == ["no pictures of other classes"]


@pytest.mark.slow
@pytest.mark.parametrize("mute", [False, True])
def test_a_planted_core_is_enough_unless_the_network_always_says_the_class(mute):
    """Pictures of class 0 are bright in the planted channels, the others dark."""
    model, pool = Wide(), pictures(100, 16)
    if mute:
        with torch.no_grad():
            model.fc.bias.copy_(torch.tensor([1e6, 0.0]))
    score = model(pool)[:, 0].argsort(descending=True)
    with torch.no_grad():
        model.fc.bias[1] = 0 if mute else float(model(pool)[score[19], 0]) - 1e-6  # one channel alone stays under it
        model.fc.weight[1] = 0
    layers = ["low", "mid", "fc"]
    workspace = Workspace.set_up(
        cut(model, layers, pool[:1]), PatchGrid(size=16, scales=(1.0, 0.5), stride=0.5), 10**9, pool[:1]
    )
    run = class_run(workspace, pool[score[:20]], spec(layers, experiments=("masking",), draws=100))
    found = examine(replace(run, others=pool[score[80:]]))
    enough = [c for c in found.claims if c.claim.startswith("enough")]
    expected = (0.0, "not supported") if mute else (1.0, "supported")
    assert [(c.figure, c.verdict) for c in enough] == [expected] * 3
    assert {(m.tpr_before, m.fpr_before) for m in found.two_sided} == {(1.0, 1.0 if mute else 0.0)}


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
    images = [DATASET.draw(c, n)[0] for c in range(1, 13) for n in range(1)]
    others = torch.stack([to_input(image, NETWORKS["flowers"].preprocess)[0] for image in images])
    predict, supported, rows = MaskingPasses(workspace, pixels, others, 0, SilentStep()), 0, 0
    for seed in range(CORES):
        random = np.random.default_rng([seed, 99])
        layers = [_random_cores(layer, circuit.layers, i, random) for i, layer in enumerate(circuit.layers)]
        tests = masking(
            layers=[layer.name for layer in layers], neurons=_follow(layers), channels=[128, 128, 10], target=0,
            taus=(2,), draws=20, seed=seed, predictions=predict, others=len(others),
        )  # fmt: skip
        retained = [one for one in tests.masking if one.mode == "retain"]
        alone = [((one,), ()) for one in tests.masking] + [(retained, (one,)) for one in tests.two_sided]
        for own, both in alone:
            claims = ledger(own, (), (), two_sided=both, experiments=("masking",), thresholds=limits({}))
            claims = [c for c in claims if not both or c.claim.startswith("enough")]
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
