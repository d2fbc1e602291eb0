from __future__ import annotations

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from neurflow_report.network.canonize import canonical
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations
from neurflow_report.network.inference import for_inference


class Functional(nn.Module):
    """A network that keeps weights and calls functions on them, as many published ones do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False)
        self.standard = nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(6, 5)
        self.norm.running_mean.normal_()

    def low(self, x):
        x = F.conv2d(x, self.first.weight, self.first.bias)
        return F.batch_norm(
            x, self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias, eps=1e-3
        )

    def forward(self, x):
        x = F.relu(self.low(x))
        x = F.conv2d(x, self.deep.weight, None, 2, padding=(1, 1), groups=8)
        x = F.conv2d(x, self.standard.weight / self.standard.weight.norm(), self.standard.bias)
        x = F.adaptive_avg_pool2d(F.relu(x), 1)
        x = x.view(x.size(0), -1)
        x = x.view(x.size(0), 6)
        return F.linear(x, self.head.weight, self.head.bias)


def calls(part: fx.GraphModule) -> list[str]:
    modules = dict(part.named_modules())
    return [
        type(modules[str(n.target)]).__name__ if n.op == "call_module" else getattr(n.target, "__name__", str(n.target))
        for n in part.graph.nodes
        if n.op not in {"placeholder", "output"}
    ]


@pytest.fixture
def model() -> nn.Module:
    return Functional().double().eval()


def test_functions_on_stored_weights_become_modules_that_share_them(model):
    x = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    part = canonical(fx.symbolic_trace(model))
    assert calls(part) == [
        "Conv2d", "BatchNorm2d", "relu", "Conv2d", "standard.weight", "norm", "truediv", "standard.bias", "conv2d",
        "relu", "adaptive_avg_pool2d", "flatten", "reshape", "Linear",
    ]  # fmt: skip
    assert torch.equal(part(x), model(x))
    assert torch.equal(part(x[:1]), model(x[:1]))
    first = next(m for m in part.modules() if isinstance(m, nn.Conv2d) and m.in_channels == 3)
    assert first.weight is model.first.weight


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: F.conv2d(x, m.first.weight, padding="same"),
        lambda m, x: F.batch_norm(m.first(x), None, None, training=True),
        lambda m, x: F.conv2d(x, weight=m.first.weight * 2),
        lambda m, x: x.view(torch.float64),
        lambda m, x: x.reshape(x.size(1), -1),
        lambda m, x: x.reshape(x.size(0), x.size(1), -1),
    ],
)
def test_what_is_something_else_stays_as_it_is(model, call):
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            return call(self.inner, x)

    x = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    part = fx.symbolic_trace(Other())
    before = calls(part)
    assert calls(canonical(part)) == before
    assert torch.equal(part(x), Other()(x))


def test_segments_are_canonical_and_fold(model):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.rest = nn.Conv2d(3, 3, 1), model

        def forward(self, x):
            return self.rest(self.stem(x))

    two = Two().double().eval()
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    segments = cut(two, ["stem", "output"], x[:1])
    assert "size" not in calls(segments.stages[0])
    assert calls(for_inference(segments).stages[0])[:2] == ["Conv2d", "relu"]
    assert torch.allclose(activations(for_inference(segments), 1, x), two(x), rtol=1e-12)
