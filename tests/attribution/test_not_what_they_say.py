"""Modules with hooks, computed weights or calls of their own: T and knock-outs are those of the plain network."""

import pytest
import torch

from neurflow_report.ablation.ablation import PlainAblation, ablations
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import AdaptiveBatch, activations
from tests.oracles.odd import ODD

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
LAYERS = ["low", "mid", "high", "output"]
REMOVED = torch.tensor([[False] * 6 + [True] * 2, [False, True] * 4, [True] * 8, [False] * 8])


def attributed(segments, x, stage):
    A = activations(segments, stage, x)
    targets = torch.arange(4)
    pairs = Pairs(rows=torch.arange(len(A)).repeat(4), channels=targets.repeat_interleave(len(A)))
    quadrature = Quadrature(nodes=8, max_nodes=8)
    return attribute(segments.stages[stage], A, pairs, axis=1, out_axis=1, quadrature=quadrature, rows=64).values


@pytest.mark.parametrize("name", ODD)
def test_t_and_knock_outs_are_those_of_the_plain_network(name):
    odd, plain = (model.requires_grad_(False) for model in ODD[name]())
    x = torch.randn((3, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    segments, expected = cut(odd, LAYERS, x[:1]), cut(plain, LAYERS, x[:1])
    for stage in range(3):
        wanted = attributed(expected, x, stage)
        assert torch.allclose(attributed(segments, x, stage), wanted, rtol=1e-6, atol=1e-9)
        A = activations(expected, stage, x)
        removed = REMOVED[:, : A.shape[1]]
        engine = ablations(segments.stages[stage], A[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
        oracle = PlainAblation(expected.stages[stage], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
        assert torch.allclose(engine.phi(A, removed, [1, 0]), oracle.phi(A, removed, [1, 0]), rtol=1e-9)
        assert torch.allclose(engine.full(A, removed), oracle.full(A, removed), rtol=1e-9)


@pytest.mark.parametrize("name", ["forward_hook", "parametrized", "own_conv_forward", "old_weight_norm"])
def test_t_is_captum_s_on_the_network_as_it_is_given(name):
    captum = pytest.importorskip("captum.attr")
    odd = ODD[name]()[0].requires_grad_(False)
    x = torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    A = odd.low(x).detach()

    def phi(activation):
        return odd.high(odd.mid(activation)).mean((2, 3))

    segments = cut(odd, ["low", "high", "output"], x[:1])
    pairs = Pairs(rows=torch.arange(2), channels=torch.tensor([2, 2]))
    rule = Quadrature(rule="gauss", nodes=20, max_nodes=20)
    found = attribute(segments.stages[0], A, pairs, axis=1, out_axis=1, quadrature=rule, rows=64).values
    method = captum.IntegratedGradients(phi).attribute
    expected = method(A, torch.zeros_like(A), target=2, n_steps=20, method="gausslegendre").sum((2, 3))
    assert (found - expected).norm() <= 1e-4 * expected.norm()
