"""Knock-outs against hooks on the original network, from the picture on, one set at a time, in float64."""

import pytest
import torch
from torch import nn

from neurflow_report.circuit.knockout import MixedKnockouts, PlainKnockouts, knockouts
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import Rows, activations
from tests.oracles.method import hooked, mean_over_space
from tests.oracles.networks import Planted, demo, demo_patches, pictures, resnet18


class Odd(nn.Module):
    """What a mixing layer may have around it: strides, dilation, padding, a bias, norms late, pools on both sides."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.low = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
        self.mid = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(6, 5, 3, stride=2, padding=2, dilation=2), nn.SiLU(), nn.BatchNorm2d(5),
            nn.ReLU(), nn.AvgPool2d(2),
        )  # fmt: skip
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(5 * 9, 4), nn.ReLU())
        self.double().eval().requires_grad_(False)
        self.mid[3].running_mean.uniform_(-1, 1)
        self.mid[3].running_var.uniform_(0.5, 2)

    def forward(self, x):
        return self.fc(self.mid(self.low(x)))


def naive(model, layer, below, patches, keep, targets):
    """φ (sets, targets, patches): the layer below is replaced by itself with channels at 0."""
    found = []
    for kept in keep:
        with torch.no_grad():
            full = hooked(model, below, patches).clone()
            full[:, ~kept] = 0
            found.append(mean_over_space(hooked(model, layer, patches, replace=(below, full)))[:, targets].T)
    return torch.stack(found)


CASES = [
    (demo, ["block3", "block4", "fc"], 0, MixedKnockouts),
    (demo, ["block3", "block4", "fc"], 1, MixedKnockouts),
    (lambda: Odd(), ["low", "mid", "fc"], 0, MixedKnockouts),
    (lambda: Odd(), ["low", "mid", "fc"], 1, MixedKnockouts),
    (lambda: Planted(), ["low", "mid", "fc"], 0, MixedKnockouts),
    (resnet18, ["layer3.1", "layer4.0", "fc"], 0, PlainKnockouts),
    (resnet18, ["layer4.0", "layer4.1", "fc"], 1, MixedKnockouts),
]


@pytest.mark.parametrize(("make", "layers", "stage", "engine"), CASES)
def test_as_the_network_does_it(make, layers, stage, engine):
    model = make()
    patches = demo_patches(5) if make is demo else pictures(5, 28 if make is not resnet18 else 64)
    segments = cut(model, layers, patches[:1])
    full = activations(segments, stage, patches)
    channels = full.shape[1]
    keep = torch.rand(7, channels, generator=torch.Generator().manual_seed(1)) > 0.3
    keep[0] = True
    keep[1] = False
    targets = [3, 0]
    found = knockouts(segments.stages[stage], full[:1], axis=1, out_axis=1, rows=Rows(most=8))
    assert type(found) is engine
    expected = naive(model, layers[stage + 1], layers[stage], patches, keep, targets)
    assert torch.allclose(found.phi(full, keep, targets), expected, rtol=1e-9, atol=1e-10)


def test_blocks_change_nothing(monkeypatch):
    model, patches = demo(), demo_patches(5)
    segments = cut(model, ["block3", "block4", "fc"], patches[:1])
    full = activations(segments, 0, patches)
    keep = torch.rand(9, 128) > 0.2
    engine = knockouts(segments.stages[0], full[:1], axis=1, out_axis=1, rows=Rows(most=8))
    whole = engine.phi(full, keep, [1, 2, 3])
    monkeypatch.setattr("neurflow_report.circuit.knockout.COLUMNS", 1)
    monkeypatch.setattr("neurflow_report.circuit.knockout.BLOCK", 100)
    assert torch.allclose(engine.phi(full, keep, [1, 2, 3]), whole, rtol=1e-12, atol=1e-14)


class Shifted(nn.Module):
    """What looks like a chain and is none: the pool before the mixing layer adds something to a channel at 0."""

    def __init__(self):
        super().__init__()
        self.low, self.act, self.mid, self.head = nn.Conv2d(3, 4, 1), nn.Sigmoid(), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)
        self.up = nn.Sequential(self.act, self.mid)
        self.double().eval().requires_grad_(False)

    def forward(self, x):
        return self.head(self.up(self.low(x)).mean((2, 3)))


def test_an_operation_that_does_not_keep_0_is_run_whole():
    model, patches = Shifted(), pictures(3, 8)
    segments = cut(model, ["low", "up", "head"], patches[:1])
    full = activations(segments, 0, patches)
    keep = torch.tensor([[True, False, True, True], [False, False, False, False]])
    engine = knockouts(segments.stages[0], full[:1], axis=1, out_axis=1, rows=Rows(most=4))
    assert type(engine) is PlainKnockouts
    assert torch.allclose(engine.phi(full, keep, [1, 2]), naive(model, "up", "low", patches, keep, [1, 2]))


def test_where_memory_runs_out_fewer_rows_run_at_once_and_the_same_is_found(monkeypatch):
    model, patches = resnet18().double(), pictures(2, 32)
    segments = cut(model, ["layer4.0", "layer4.1", "fc"], patches[:1])
    full, keep = activations(segments, 0, patches), torch.rand(3, 512, generator=torch.Generator().manual_seed(0)) > 0.5
    told, forward = [], nn.Conv2d.forward
    plenty = knockouts(segments.stages[0], full[:1], axis=1, out_axis=1, rows=Rows(most=8)).phi(full, keep, [3])

    def bounded(self, x):
        if len(x) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", bounded)
    engine = knockouts(segments.stages[0], full[:1], axis=1, out_axis=1, rows=Rows(most=8, note=told.append))
    assert torch.allclose(engine.phi(full, keep, [3]), plenty, rtol=1e-12)
    assert told == [
        "out of memory with 8 rows at once: going on with 4",
        "out of memory with 4 rows at once: going on with 2",
    ]
