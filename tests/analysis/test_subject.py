"""What an experiment is given of the network at a layer, against the naive oracle in float64 on the demo's network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurflow_report.analysis.experiments import _at_layer
from neurflow_report.fidelity.experiment import LayerExperiment, Results
from tests.analysis.test_layer_tests import LAYERS, NODES, circuit, class_run, setting
from tests.oracles.method import hooked, integrated_gradients, mean_over_space

__all__ = ["circuit", "setting"]
pytestmark = pytest.mark.slow


@pytest.fixture(params=[1, 2])
def subject(request, setting, circuit):
    _, pixels, _, workspace = setting
    seen = []

    def run(at):
        seen.append(at)
        return Results()

    probe = LayerExperiment(name="causal", stage="probe", unit="sets", run=run, work=lambda _: (), lowest=False)
    _at_layer(class_run(workspace, pixels), circuit.cache.going_up(), circuit, request.param, probe)
    return seen[0]


@torch.no_grad()
def test_sets_are_at_their_means_over_the_class_s_patches(setting, circuit, subject):
    model, _, patches, _ = setting
    upper, below = LAYERS[subject.number], LAYERS[subject.number - 1]
    rows, target = np.array([0, 3, 11]), subject.layer.neurons[0].channel
    sets = np.random.default_rng(1).random((4, subject.below.channels)) < 0.2
    found = subject.from_means(sets)(target, rows)
    full = hooked(model, below, patches)
    mean = mean_over_space(full).mean(dim=0)
    for row, members in zip(found, torch.from_numpy(sets), strict=True):
        put = full[rows].clone()
        put[:, members] = mean[members].view(-1, *[1] * (put.ndim - 2))
        expected = mean_over_space(hooked(model, upper, patches[rows], replace=(below, put)))[:, target]
        assert row.numpy() == pytest.approx(expected.numpy(), abs=1e-9)


def test_a_part_attributes_and_ablates_as_the_network_does(setting, subject):
    model, _, patches, _ = setting
    upper, below = LAYERS[subject.number], LAYERS[subject.number - 1]
    rows, target = np.array([2, 5]), subject.layer.neurons[0].channel
    part = subject.part(None)
    full = part.activations(rows)
    t = part.attributed(full, target)
    for place, patch in enumerate(rows):
        expected = integrated_gradients(model, upper, below, target, patches[patch : patch + 1], NODES)
        assert t[place].numpy() == pytest.approx(expected, abs=1e-9)
    sets = np.random.default_rng(2).random((3, subject.below.channels)) < 0.3
    with torch.no_grad():
        for row, members in zip(part.ablated(full, sets, target), torch.from_numpy(sets), strict=True):
            put = full.clone()
            put[:, members] = 0
            expected = mean_over_space(hooked(model, upper, patches[rows], replace=(below, put)))[:, target]
            assert row.numpy() == pytest.approx(expected.numpy(), abs=1e-9)


def test_weights_are_drawn_anew_by_the_seed(subject):
    rows, target = np.array([1, 4]), subject.layer.neurons[0].channel
    own, first, again, other = (subject.part(seed) for seed in (None, 1, 1, 2))
    full, none = own.activations(rows), np.zeros((1, subject.below.channels), dtype=bool)
    phi = [part.ablated(full, none, target) for part in (own, first, again, other)]
    assert torch.equal(phi[1], phi[2])
    assert not torch.allclose(phi[0], phi[1])
    assert not torch.allclose(phi[1], phi[3])
    assert torch.equal(first.attributed(full, target), again.attributed(full, target))
