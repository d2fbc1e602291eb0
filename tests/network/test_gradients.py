"""Where no gradient leads from a layer back to the one below, that is told before attributions come out as 0."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from neurflow_report.errors import InputError
from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.gradients import gradient_notes

X = torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))


class Whole(nn.Module):
    """Kept whole: it branches on values."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x) if x.sum() > -1e9 else x


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        raise NotImplementedError("no way back")


class Net(nn.Module):
    def __init__(self, between) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.low, self.high, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Linear(5, 3)
        self.between = between if isinstance(between, nn.Module) else None
        self.function = None if isinstance(between, nn.Module) else between

    def forward(self, x: Tensor) -> Tensor:
        x = self.high(self.low(x).relu())
        x = self.between(x) if self.function is None else self.function(x)
        return self.fc(x.mean((2, 3)))


def segments(between) -> Segments:
    module = Net(between).eval().requires_grad_(False)
    return cut(module, ["low", "high", "fc"], X)


@torch.no_grad()
def quiet(x: Tensor) -> Tensor:
    return x * 2


NONE = "no gradient leads from layer 'fc' back to 'high': {} takes it away"
LEAVE = "in what is examined, leave out .detach(), torch.no_grad(), .numpy(), .item() and quantised operations"


@pytest.mark.parametrize(
    ("between", "message", "hint"),
    [
        (lambda x: x.detach(), NONE.format("the operation detach"), LEAVE),
        (Whole(lambda x: x.detach() * 2), NONE.format("the module 'between' (Whole)"), LEAVE),
        (Whole(lambda x: torch.from_numpy(x.detach().numpy() * 2)), NONE.format("the module 'between' (Whole)"), LEAVE),
        (Whole(quiet), NONE.format("the module 'between' (Whole)"), LEAVE),
        (lambda x: (x * 50).round(), "the gradient from layer 'fc' back to 'high' is 0 all along the path from 0 to a "
         "picture's activation, though 'fc' changes there",
         "operations such as sign and round have no slope: nothing can be attributed through them"),
    ],
)  # fmt: skip
def test_no_gradient(between, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        gradient_notes(segments(between), X)
    assert (caught.value.slug, caught.value.path) == ("no-gradient", ("layers", 2))
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.filterwarnings("ignore")
def test_quantised_layers_have_no_way_back() -> None:
    module = torch.ao.quantization.quantize_dynamic(Net(torch.relu).eval(), {nn.Linear}, dtype=torch.qint8)
    with pytest.raises(InputError) as caught:
        gradient_notes(cut(module, ["low", "high", "fc"], X), X)
    assert caught.value.message == NONE.format("the module 'fc' (Linear)")


def test_a_way_back_that_fails() -> None:
    with pytest.raises(InputError) as caught:
        gradient_notes(segments(Whole(Broken.apply)), X)
    assert caught.value.slug == "model-fails"
    assert re.sub(r"line \d+", "line N", caught.value.message) == (
        "going back from layer 'fc' to 'high' failed in test_gradients.py, line N: NotImplementedError: no way back"
    )


def test_a_part_without_gradient_is_noted() -> None:
    assert gradient_notes(segments(lambda x: x * x.mean(1, keepdim=True).detach()), X) == (
        "between layers 'high' and 'fc' the operation detach takes gradients away: what goes through it counts for "
        "nothing in the attributions",
    )


def test_gradients_that_the_graph_has() -> None:
    """What torch.no_grad does to a network's own pass, it does not do to its graph."""
    for between in (torch.relu, quiet, nn.Identity()):
        assert gradient_notes(segments(between), X) == ()


def test_layers_that_do_not_change_have_no_gradient_to_miss() -> None:
    assert gradient_notes(segments(lambda x: (x - 1e6).relu()), X) == ()
