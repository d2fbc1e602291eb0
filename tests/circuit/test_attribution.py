import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neurflow_report.circuit.attribution import EPSILON, Pairs, Quadrature, attribute, gauss_legendre
from tests.oracles.networks import Planted, pictures


def small(seed, *, bias=True, width=6):
    """conv → ReLU → conv → ReLU in float64 with random weights."""
    torch.manual_seed(seed)
    layers = nn.Conv2d(4, width, 3, padding=1, bias=bias), nn.ReLU(), nn.Conv2d(width, 5, 3, bias=bias), nn.ReLU()
    return nn.Sequential(*layers).double().eval().requires_grad_(False)


def run(segment, activations, rows, channels, *, batch=64, axis=1, out_axis=1, nodes=8, **quadrature):
    quadrature = {"rule": "gauss", "nodes": nodes, **quadrature}
    pairs = Pairs(rows=torch.tensor(rows), channels=torch.tensor(channels))
    return attribute(
        segment, activations, pairs, axis=axis, out_axis=out_axis, quadrature=Quadrature(**quadrature), rows=batch
    )


def captum(segment, activation, channel, nodes):
    """Captum's integrated gradients of φ_channel, summed over space: (C,). Its quadrature weights are float32."""
    phi = lambda a: segment(a)[:, channel].flatten(1).mean(1)  # noqa: E731
    found = IntegratedGradients(phi, multiply_by_inputs=True).attribute(
        activation[None].requires_grad_(), n_steps=nodes, method="gausslegendre"
    )
    return found[0].flatten(1).sum(1).detach() if found.dim() == 4 else found[0].detach()


@pytest.mark.parametrize("nodes", [1, 8, 50])
def test_equals_captum_at_the_same_nodes(nodes):
    segment, A = small(0), torch.randn(3, 4, 7, 7, dtype=torch.float64)
    rows, channels = [0, 1, 2, 2], [0, 3, 1, 4]
    found = run(segment, A, rows, channels, nodes=nodes, max_nodes=nodes)
    for p, (row, channel) in enumerate(zip(rows, channels, strict=True)):
        expected = captum(segment, A[row], channel, nodes)
        assert torch.allclose(found.values[p], expected, rtol=1e-5, atol=1e-8)


def test_batches_do_not_matter():
    segment, A = small(1), torch.randn(5, 4, 6, 6, dtype=torch.float64)
    rows, channels = [0, 1, 2, 3, 4, 0], [0, 1, 2, 3, 4, 4]
    whole = run(segment, A, rows, channels, batch=1000)
    for batch in (1, 7, 30):
        assert torch.allclose(run(segment, A, rows, channels, batch=batch).values, whole.values, rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_no_batch_has_more_rows_than_allowed(batch):
    segment, seen = small(1), []

    def watched(x):
        seen.append(len(x))
        return segment(x)

    run(watched, torch.randn(5, 4, 6, 6, dtype=torch.float64), [0, 1, 2, 3, 4], [0] * 5, batch=batch, nodes=8)
    assert max(seen) <= batch


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_completeness_holds_to_the_gap_that_is_reported(seed, bias):
    segment = small(seed, bias=bias)
    A = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    found = run(segment, A, [0, 1], [0, 1], nodes=8, max_nodes=64, tolerance=0.02)
    phi = lambda a: segment(a).mean(dim=(2, 3))  # noqa: E731
    for p in (0, 1):
        rise = phi(A[p : p + 1])[0, p] - phi(A[:1] * 0)[0, p]
        gap = abs(found.values[p].sum() - rise) / max(abs(rise), EPSILON)
        assert found.gap[p] == pytest.approx(float(gap), rel=1e-6, abs=1e-9)
        assert found.gap[p] <= 0.02 or found.nodes[p] == 64


def test_an_affine_segment_is_exact_with_one_node():
    segment = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double().requires_grad_(False)
    A = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    found = run(segment, A, [0, 1], [2, 0], nodes=1, max_nodes=1)
    expected = A.mean(dim=(2, 3)) * segment[2].weight[[2, 0]]
    assert torch.allclose(found.values, expected)
    assert found.gap.max() < 1e-12


def test_nodes_double_only_where_the_gap_is_over_the_tolerance():
    segment = small(3)
    A = torch.cat([torch.zeros(1, 4, 6, 6), torch.randn(1, 4, 6, 6)]).double()
    found = run(segment, A, [0, 1], [0, 0], nodes=2, max_nodes=32, tolerance=1e-7)
    assert found.nodes.tolist() == [2, 32]
    assert found.values[0].abs().max() == 0


def test_permuting_the_channels_below_permutes_the_attributions():
    segment, A = small(4), torch.randn(2, 4, 6, 6, dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = small(4)
    shuffled[0].weight.data = segment[0].weight[:, order]
    plain = run(segment, A, [0, 1], [1, 2])
    moved = run(shuffled, A[:, order], [0, 1], [1, 2])
    assert torch.allclose(moved.values, plain.values[:, order], rtol=1e-9, atol=1e-12)


def test_tokens_sum_over_tokens_and_keep_features():
    torch.manual_seed(0)
    segment = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 5)).double().requires_grad_(False)
    A = torch.randn(2, 9, 6, dtype=torch.float64)
    found = run(segment, A, [0, 1], [1, 4], axis=-1, out_axis=-1, nodes=32, max_nodes=32)
    phi = lambda a: segment(a)[..., 1].mean(1)  # noqa: E731
    expected = IntegratedGradients(phi).attribute(A[:1].clone().requires_grad_(), n_steps=32)[0].sum(0)
    assert torch.allclose(found.values[0], expected, rtol=1e-5, atol=1e-8)


def test_the_planted_circuit():
    model = Planted()
    A = model.low(pictures(2, 8))
    found = run(lambda a: model.fc(model.pool(model.mid(a)).flatten(1)), A, [0, 1], [3, 3])
    expected = torch.zeros(2, 8, dtype=torch.float64)
    for channel, weight in ((6, 1.0), (7, -0.5)):
        expected[:, channel] = weight * float(torch.linspace(1, 2, 8)[channel]) * A[:, channel].mean(dim=(1, 2))
    assert torch.allclose(found.values, expected, rtol=1e-6, atol=1e-12)


@given(st.integers(1, 64))
def test_gauss_legendre_integrates_polynomials(count):
    nodes, weights = gauss_legendre(count)
    assert weights.sum() == pytest.approx(1)
    degree = 2 * count - 1
    assert np.dot(weights, nodes**degree) == pytest.approx(1 / (degree + 1))
