"""Tensors of as many rows as there are pictures, however a network makes them, and functions of einops."""

import sys
import types

import pytest
import torch
from torch import Tensor, nn

from neurflow_report.network.cut import cut

X = torch.randn((5, 3, 8, 8), generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def made(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        rows = torch.linspace(-1, 1, h).view(1, 1, h, 1).expand(b, 1, h, w)
        ones = torch.zeros(b, 1, h, w) + torch.ones((b, 1, h, w)) * torch.arange(w)
        return torch.cat([x[:, :1], rows, ones], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(self.made(x)).mean((2, 3)))


class Anything(nn.Module):
    """Hands on whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, *arguments: Tensor, again: bool = False, **named: Tensor) -> Tensor:
        return self.net(self.net(*arguments)) if again else self.net(*arguments, **named)


@pytest.mark.parametrize(("module", "prefix"), [(Net(), ""), (Anything(), "net.")])
def test_sizes_that_depend_on_the_number_of_pictures(module: nn.Module, prefix: str) -> None:
    module.eval()
    before = dict(vars(Tensor))
    segments = cut(module, [f"{prefix}conv", "output"], X[:2])
    with torch.no_grad():
        assert torch.equal(segments.stages[0](segments.stem(X)), module(X))
    assert dict(vars(Tensor)) == before


def rearrange(x: Tensor, _pattern: str) -> Tensor:
    """Like einops', it takes tensors alone."""
    if not isinstance(x, Tensor):
        raise TypeError(f"Tensor type unknown to einops {type(x)}")
    return x.flatten(2).transpose(1, 2)


class Tokens(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(rearrange(self.conv(x), "b c h w -> b (h w) c").mean(1))


def test_functions_of_einops_are_operations_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "einops", types.SimpleNamespace(rearrange=rearrange))
    module = Tokens().eval()
    segments = cut(module, ["conv", "fc"], X[:2])
    with torch.no_grad():
        assert torch.equal(segments.stages[0](segments.stem(X)), module(X))
