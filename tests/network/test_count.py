"""Multiply-adds against a hand count."""

import pytest
import torch
from torch import nn

from neurflow_report.demo.networks import NETWORKS
from neurflow_report.network.count import multiply_adds


def by_hand(module, x):
    """Output elements × what each of them takes in, over all convolutions and linear layers of a forward pass."""
    total, handles = 0, []

    def add(layer, _inputs, out):
        nonlocal total
        per = layer.weight[0].numel()
        total += out.numel() * per

    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            handles.append(layer.register_forward_hook(add))
    module(x)
    for handle in handles:
        handle.remove()
    return total


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Linear(5, 7), (3, 5), 3 * 5 * 7),
        (nn.Conv2d(4, 6, 3, padding=1), (2, 4, 8, 8), 2 * 64 * 6 * 4 * 9),
        (nn.Conv2d(4, 8, 3, groups=4, stride=2), (1, 4, 9, 9), 16 * 8 * 9),
        (nn.ReLU(), (2, 3), 0),
    ],
)
def test_known_layers(layer, shape, expected):
    assert multiply_adds(lambda: layer(torch.randn(shape))) == expected


def test_a_network_as_counted_by_hand():
    network, x = NETWORKS["flowers"].build().eval(), torch.randn(2, 3, 64, 64)
    assert multiply_adds(lambda: network(x)) == by_hand(network, x) > 0


def test_the_way_back_to_the_input_costs_as_much_again():
    layer, x = nn.Conv2d(3, 5, 3, bias=False).requires_grad_(False), torch.randn(1, 3, 6, 6, requires_grad=True)
    assert multiply_adds(lambda: torch.autograd.grad(layer(x).sum(), x)) == 2 * by_hand(layer, x)


def test_attention_is_counted():
    attention, x, before = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(1, 5, 8), _fast()
    with torch.no_grad():
        found = multiply_adds(lambda: attention(x, x, x))
    assert found >= 5 * 8 * 8 * 4 + 2 * 5 * 5 * 8
    assert _fast() is before


def _fast():
    return torch.backends.mha.get_fastpath_enabled()
