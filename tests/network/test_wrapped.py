"""Wrappers that compute nothing are left out, and that is said; others stay."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from neurflow_report.network.copies import copied
from neurflow_report.network.wrapped import unwrapped

X = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()


def average(model: nn.Module) -> nn.Module:
    from timm.utils import ModelEmaV3

    return ModelEmaV3(model)


NOTE = "left out of the factory's network, as they only call what they hold: {}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrap", "note"),
    [
        (nn.DataParallel, "DataParallel"),
        (torch.compile, "OptimizedModule"),
        (AveragedModel, "AveragedModel"),
        (average, "ModelEmaV3"),
        (lambda m: torch.compile(nn.DataParallel(m)), "OptimizedModule, DataParallel"),
    ],
)
def test_wrappers_are_left_out(wrap, note) -> None:
    found, notes = unwrapped(wrap(net()))
    assert isinstance(found, nn.Sequential)
    assert list(found.state_dict()) == list(net().state_dict())
    assert notes == (NOTE.format(note),)
    assert torch.equal(found.cpu()(X), net()(X))  # where there is a GPU, DataParallel moves what it holds there


class Scaled(nn.DataParallel):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.module(x)


def test_what_computes_something_stays() -> None:
    hooked = nn.DataParallel(net())
    hooked.register_forward_hook(lambda _module, _inputs, out: 2 * out)
    for module in (Scaled(net()), hooked, net(), nn.Sequential(net())):
        assert unwrapped(module) == (module, ())


class Around(nn.Module):
    """Calls a wrapped part, and reaches through it."""

    def __init__(self, wrap) -> None:
        super().__init__()
        self.part = wrap(net())

    def forward(self, x: Tensor) -> Tensor:
        inner = getattr(self.part, "module", None) or self.part._orig_mod
        return self.part(x) + inner[4].bias


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrap", "name"),
    [(nn.DataParallel, "DataParallel"), (torch.compile, "OptimizedModule"), (AveragedModel, "AveragedModel")],
)
def test_wrappers_inside_are_left_out_and_can_be_reached_through(wrap, name: str) -> None:
    found, notes = unwrapped(Around(wrap).eval())
    assert notes == (NOTE.format(name),)
    assert list(found.state_dict()) == [f"part.{key}" for key in net().state_dict()]
    expected = net()(X) + net()[4].bias
    assert torch.equal(found.cpu()(X), expected)
    again = copied(found, share=False)
    with torch.no_grad():
        found.part[4].bias.add_(1)
    assert torch.equal(again(X), expected)


def test_a_network_that_was_compiled_in_place() -> None:
    module = net()
    module.compile()
    found, notes = unwrapped(module)
    assert notes == ("the network is examined as it is without torch.compile",)
    assert found._compiled_call_impl is None
