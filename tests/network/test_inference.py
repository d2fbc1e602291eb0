from __future__ import annotations

import pytest
import torch
from torch import nn

from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations
from neurflow_report.network.inference import Forward, for_inference
from tests.oracles.networks import googlenet, resnet18


class Odd(nn.Module):
    """Convolutions that batch norms follow, once each in a way that forbids folding, and a grouped one."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.shared, self.after = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.read_twice, self.norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.grouped, self.third = nn.Conv2d(8, 8, 3, groups=4), nn.BatchNorm2d(8, affine=False)
        self.stat_less = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, track_running_stats=False))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.a(x)
        x = self.after(self.shared(torch.relu(self.shared(x))))
        y = self.read_twice(x)
        x = self.norm(y) + y
        x = self.stat_less(self.third(self.grouped(x)))
        return self.head(x.mean(dim=(2, 3)))


def odd(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    model = Odd()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(8, 3, 12, 12) * 3 + 1)
    return model.to(dtype).eval()


def targets(part) -> list[str]:
    return [str(n.target) for n in part.graph.nodes if n.op == "call_module"]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_the_same_functions_but_for_rounding(dtype, tolerance):
    x = torch.randn(5, 3, 12, 12, dtype=dtype)
    model = odd(dtype)
    segments = cut(model, ["a", "head"], x[:1])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    ready = for_inference(segments)
    for layer in (0, 1):
        expected, found = activations(segments, layer, x), activations(ready, layer, x)
        assert (found - expected).abs().max() <= tolerance * expected.abs().max()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.a[0].weight.is_contiguous()
    assert torch.equal(activations(segments, 1, x), model(x))


def test_what_can_be_folded_is_and_the_rest_is_not():
    ready = for_inference(cut(odd(torch.float32), ["a", "head"], torch.randn(1, 3, 12, 12)))
    assert targets(ready.stem) == ["a.0", "a.2"]
    assert targets(ready.stages[0]) == [
        "shared", "shared", "after", "read_twice", "norm", "grouped", "stat_less.0", "stat_less.1", "head",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("network", "layers"), [(resnet18, ["layer1", "layer3.1", "fc"]),
                                                 (googlenet, ["inception4e", "fc"])])  # fmt: skip
def test_real_networks_lose_all_batch_norms_and_nothing_else(network, layers):
    model = network()
    x = torch.randn(3, 3, 64, 64, dtype=next(model.parameters()).dtype)
    segments = cut(model, layers, x[:1])
    forward = Forward.of(segments, x, most=64)
    parts = (forward.segments.stem, *forward.segments.stages)
    assert not [m for part in parts for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in range(len(layers)):
        expected, found = activations(segments, layer, x), forward.activations(layer, x)
        assert found.is_contiguous()
        assert (found - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.slow
def test_few_pictures_at_once_are_the_same_as_all(monkeypatch):
    x = torch.randn(5, 3, 32, 32, dtype=torch.float64)
    segments = cut(resnet18(), ["layer2", "fc"], x[:1])
    all_at_once = Forward.of(segments, x, most=64)
    monkeypatch.setattr("neurflow_report.network.inference.CACHE", 1)
    one = Forward.of(segments, x, most=64)
    assert (one.rows, all_at_once.rows) == (1, 64)
    assert Forward.of(segments, x, most=3).rows == 1
    monkeypatch.undo()
    assert Forward.of(segments, x, most=3).rows == 3
    assert (one.activations(1, x) - all_at_once.activations(1, x)).abs().max() < 1e-12
