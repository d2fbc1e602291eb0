"""Outputs that are no logits are told as what they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurflow_report.network.cut import cut
from neurflow_report.network.outputs import output_note

X = torch.rand((3, 3, 8, 8), generator=torch.Generator().manual_seed(0))


class Whole(nn.Module):
    """Kept whole: it branches on values."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x) if x.sum() > -1e9 else x


class Net(nn.Module):
    def __init__(self, last) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        self.last = last if isinstance(last, nn.Module) else None
        self.function = None if isinstance(last, nn.Module) else last

    def forward(self, x: Tensor) -> Tensor:
        z = self.fc(self.conv(x).mean((2, 3)))
        return self.last(z) if self.function is None else self.function(z)


def note(last) -> str:
    module = Net(last).eval().requires_grad_(False)
    return output_note(cut(module, ["conv", "output"], X), X)


SOFT = (
    "the network's outputs are probabilities, not logits ({}): the circuit explains the probability of the class, "
    "which falls where another class's rises, and hardly moves near 0 and 1. For logits let the factory leave the "
    "softmax out"
)
LOG = (
    "the network's outputs are logarithms of probabilities, not logits ({}): the circuit explains log p of the class, "
    "which falls where another class's rises. For logits let the factory leave the log_softmax out"
)
SIGMOID = (
    "the network's outputs are a probability for each class by itself, not logits (the last operation is sigmoid): a "
    "picture counts for the one class whose is largest, and the circuit hardly moves near 0 and 1. For logits let the "
    "factory leave the sigmoid out"
)
SEEN = "those of each picture looked at are at least 0 and add up to 1"
SEEN_LOG = "those of each picture looked at are the logarithms of numbers that add up to 1"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (lambda z: F.softmax(z, 1), SOFT.format("the last operation is softmax")),
        (lambda z: z.softmax(-1), SOFT.format("the last operation is softmax")),
        (lambda z: torch.softmax(z, 1).contiguous(), SOFT.format("the last operation is softmax")),
        (nn.Sequential(nn.Softmax(1), nn.Identity()), SOFT.format("the last operation is softmax")),
        (lambda z: F.log_softmax(z, 1), LOG.format("the last operation is log_softmax")),
        (nn.LogSoftmax(1), LOG.format("the last operation is log_softmax")),
        (torch.sigmoid, SIGMOID),
        (nn.Sigmoid(), SIGMOID),
        (lambda z: z.exp() / z.exp().sum(1, keepdim=True), SOFT.format(SEEN)),
        (Whole(lambda z: z.softmax(1)), SOFT.format(SEEN)),
        (lambda z: z - z.logsumexp(1, keepdim=True), LOG.format(SEEN_LOG)),
        (Whole(torch.sigmoid), "the network's outputs lie between 0 and 1 on every picture looked at: if a sigmoid "
         "makes them so, they are no logits, and the circuit hardly moves near 0 and 1; let the factory leave it out"),
    ],
)  # fmt: skip
def test_what_is_no_logit(last, expected: str) -> None:
    assert note(last) == expected


@pytest.mark.parametrize("last", [lambda z: z, torch.relu, lambda z: z / 0.07, lambda z: z * 0.01 + 0.5, nn.Identity()])
def test_logits_are_not_told_as_something_else(last) -> None:
    assert note(last) == ""
