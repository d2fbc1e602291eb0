import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx, nn

from neurflow_report.attribution.integrated_gradients import (
    EPSILON,
    Pairs,
    Quadrature,
    SplitEngine,
    _taken,
    attribute,
    gauss_legendre,
    prepared,
)
from tests.oracles.networks import Planted, pictures


def small(seed, *, bias=True, width=6):
    """conv → ReLU → conv → ReLU in float64 with random weights."""
    torch.manual_seed(seed)
    layers = nn.Conv2d(4, width, 3, padding=1, bias=bias), nn.ReLU(), nn.Conv2d(width, 5, 3, bias=bias), nn.ReLU()
    return nn.Sequential(*layers).double().eval().requires_grad_(False)


def run(segment, activations, rows, channels, *, batch=64, axis=1, out_axis=1, nodes=8, memory=None, **quadrature):
    quadrature = Quadrature(**{"rule": "gauss", "nodes": nodes, **quadrature})
    pairs, options = Pairs(rows=torch.tensor(rows), channels=torch.tensor(channels)), {"rows": batch, "memory": memory}
    return attribute(segment, activations, pairs, axis=axis, out_axis=out_axis, quadrature=quadrature, **options)


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


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_completeness_holds_to_the_gap_that_is_reported(seed, bias):
    segment = small(seed, bias=bias)
    A = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    found = run(segment, A, [0, 1], [0, 1], nodes=8, max_nodes=64, tolerance=0.02)
    phi = lambda a: segment(a).mean(dim=(2, 3))  # noqa: E731
    for p in (0, 1):
        output_delta = phi(A[p : p + 1])[0, p] - phi(A[:1] * 0)[0, p]
        gap = abs(found.values[p].sum() - output_delta) / max(abs(output_delta), EPSILON)
        assert found.gap[p] == pytest.approx(float(gap), rel=1e-6, abs=1e-9)
        assert found.gap[p] <= 0.02 or found.n_steps[p] == 64


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
    assert found.n_steps.tolist() == [2, 32]
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


# The rule of cells.


def by_cells(segment, A, rows, channels, **quadrature):
    return run(segment, A, rows, channels, **{"rule": "cells", "nodes": 4, "tolerance": 1.0, **quadrature})


def secants(segment, A, channel, cells):
    """T by mean slopes in `cells` cells, for conv → ReLU → conv → ReLU: one place, channel and cell at a time."""
    first, last = segment[0], segment[2]
    relu = lambda x: np.maximum(x, 0)  # noqa: E731

    def slope(a, b):
        return np.where(b != a, (relu(b) - relu(a)) / np.where(b != a, b - a, 1), (a > 0).astype(float))

    total = torch.zeros_like(A)
    for i in range(cells):
        ends = [(i + e) / cells * A for e in (0, 1)]
        u = [first(x[None])[0].numpy() for x in ends]
        h = [last(torch.as_tensor(relu(v))[None])[0, channel].numpy() for v in u]
        outer = slope(*h) / h[0].size
        inner = np.zeros_like(u[0])
        for y, x in np.ndindex(*h[0].shape):
            inner[:, y : y + 3, x : x + 3] += outer[y, x] * last.weight[channel].numpy()
        down = torch.as_tensor(inner * slope(*u))[None]
        total += torch.nn.grad.conv2d_input((1, *A.shape), first.weight, down, padding=1)[0] / cells
    return (total * A).sum(dim=(1, 2))


@pytest.mark.parametrize("cells", [2, 4])
def test_cells_are_mean_slopes_and_rombergs_step(cells):
    segment, A = fx.symbolic_trace(small(0)), torch.randn(3, 4, 7, 7, dtype=torch.float64)
    found = by_cells(segment, A, [0, 2], [3, 1], nodes=cells, max_nodes=cells)
    for p, (row, channel) in enumerate([(0, 3), (2, 1)]):
        fine, coarse = (secants(small(0), A[row], channel, n) for n in (cells, cells // 2))
        assert torch.allclose(found.values[p], fine + (fine - coarse) / 3, rtol=1e-9, atol=1e-12)
        size = (fine - coarse).norm() / 3 / found.values[p].norm()
        assert found.error[p] == pytest.approx(float(size), rel=1e-9)


def test_a_pair_is_the_same_among_many():
    """Alone and among a hundred of its patch: T, error and steps."""
    segment, A = fx.symbolic_trace(small(0)), torch.randn(2, 4, 7, 7, dtype=torch.float64)
    channels = [0, 3] + [i % 5 for i in range(100)]
    found = by_cells(segment, A, [0, 0] + [1] * 100, channels, max_nodes=64, tolerance=0.01)
    assert len(set(found.n_steps.tolist())) > 1
    for p in range(7):
        alone = by_cells(segment, A, [min(p // 2, 1)], [channels[p]], max_nodes=64, tolerance=0.01)
        assert torch.allclose(found.values[p], alone.values[0], rtol=1e-9, atol=1e-12)
        assert found.error[p] == pytest.approx(float(alone.error[0]), rel=1e-7)
        assert found.n_steps[p] == alone.n_steps[0]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_cells_are_complete_for_any_number(seed, bias):
    segment, A = fx.symbolic_trace(small(seed, bias=bias)), torch.randn(2, 4, 6, 6, dtype=torch.float64)
    found = by_cells(segment, A, [0, 1], [0, 1], nodes=2, max_nodes=2)
    for p in (0, 1):
        output_delta = segment(A[p : p + 1]).mean(dim=(2, 3))[0, p] - segment(A[:1] * 0).mean(dim=(2, 3))[0, p]
        assert found.values[p].sum() == pytest.approx(float(output_delta), abs=1e-9)


def test_cells_are_nearer_to_the_integral_than_as_many_nodes():
    segment, A = fx.symbolic_trace(small(5, width=24)), torch.randn(6, 4, 9, 9, dtype=torch.float64)
    pairs = list(range(6)) * 3, [0] * 6 + [2] * 6 + [4] * 6
    integral = run(segment, A, *pairs, nodes=800, max_nodes=800).values
    error = [
        ((found.values - integral).norm(dim=1) / integral.norm(dim=1).clamp_min(1e-9)).mean()
        for found in (
            by_cells(segment, A, *pairs, max_nodes=4),
            by_cells(segment, A, *pairs, max_nodes=8, nodes=8),
            run(segment, A, *pairs, nodes=8, max_nodes=8),
        )
    ]
    assert error[1] < error[0] < error[2]


@pytest.mark.slow
def test_the_reported_error_is_of_the_size_of_the_true_one():
    segment, A = fx.symbolic_trace(small(6, width=24)), torch.randn(8, 4, 9, 9, dtype=torch.float64)
    rows, channels = list(range(8)) * 5, [c for c in range(5) for _ in range(8)]
    integral = run(segment, A, rows, channels, nodes=1000, max_nodes=1000).values
    found = by_cells(segment, A, rows, channels, max_nodes=4)
    true = (found.values - integral).norm(dim=1) / integral.norm(dim=1)
    ratio = found.error[true > 1e-4] / true[true > 1e-4]
    assert len(ratio) > 20
    assert 0.5 < ratio.median() < 4


def test_cells_double_where_the_error_is_over_the_tolerance():
    segment, A = fx.symbolic_trace(small(3)), torch.randn(4, 4, 6, 6, dtype=torch.float64)
    rows, channels = [0, 1, 2, 3] * 5, [c for c in range(5) for _ in range(4)]
    first = by_cells(segment, A, rows, channels, max_nodes=64)
    level = float(first.error.median())
    found = by_cells(segment, A, rows, channels, max_nodes=64, tolerance=level)
    assert set(found.n_steps.tolist()) >= {4, 8}
    assert (found.n_steps[first.error <= level] == 4).all()
    assert ((found.error <= level) | (found.n_steps == 64)).all()
    alone = by_cells(segment, A, rows, channels, nodes=8, max_nodes=8)
    refined = found.n_steps == 8
    assert torch.allclose(found.values[refined], alone.values[refined], rtol=1e-9, atol=1e-12)


def test_smooth_functions_and_products_are_complete_by_cells():
    torch.manual_seed(0)

    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3), nn.Conv2d(6, 5, 1)

        def forward(self, x):
            return self.c(nn.functional.silu(self.a(x)) * torch.sigmoid(self.b(x)))

    segment = fx.symbolic_trace(Gate().double().eval().requires_grad_(False))
    A = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    found = by_cells(segment, A, [0, 1, 2], [0, 3, 4], max_nodes=4)
    assert found.gap.max() < 1e-9
    integral = run(segment, A, [0, 1, 2], [0, 3, 4], nodes=64, max_nodes=64).values
    assert torch.allclose(found.values, integral, rtol=0.02, atol=0.02 * float(integral.abs().max()))


def test_an_even_number_of_cells_is_doubled_and_nodes_end_with_the_most():
    assert Quadrature(rule="cells", nodes=4, max_nodes=50).counts() == [4, 8, 16, 32]
    assert Quadrature(rule="gauss", nodes=8, max_nodes=50).counts() == [8, 16, 32, 50]


@pytest.mark.parametrize("head", [[], [nn.Tanh(), nn.Linear(6, 3)]], ids=["one row", "behind a hidden layer"])
def test_a_vector_layer_below(head):
    torch.manual_seed(0)
    segment = fx.symbolic_trace(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), *head).double().requires_grad_(False))
    A = torch.randn(3, 5, dtype=torch.float64)
    found = by_cells(segment, A, [0, 1, 2], [0, 1, 2], max_nodes=16, nodes=16)
    integral = run(segment, A, [0, 1, 2], [0, 1, 2], nodes=1000, max_nodes=1000).values
    assert torch.allclose(found.values, integral, rtol=0.01, atol=0.01 * float(integral.abs().max()))
    assert torch.isfinite(found.error).all()


def test_patches_that_are_attributed_in_parts_give_the_same():
    segment, A = fx.symbolic_trace(small(7)), torch.randn(6, 4, 6, 6, dtype=torch.float64)
    rows, channels = [0, 1, 2, 3, 4, 5, 0, 1, 2], [0, 1, 2, 3, 4, 0, 1, 2, 3]
    whole = by_cells(segment, A, rows, channels, max_nodes=8, tolerance=1e-3, batch=1000)
    for batch in (2, 5, 40):
        part = by_cells(segment, A, rows, channels, max_nodes=8, tolerance=1e-3, batch=batch)
        assert torch.allclose(part.values, whole.values, rtol=1e-9, atol=1e-12)
        assert torch.allclose(part.error, whole.error, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("rule", ["cells", "gauss"])
def test_blocks_as_on_a_device_give_the_same(rule, monkeypatch):
    """As large as fit, and no look at a value in between but which pairs are refined."""
    segment, A = fx.symbolic_trace(small(3)), torch.randn(6, 4, 7, 7, dtype=torch.float64)
    rows, channels = np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6)
    options = {"rule": rule, "nodes": 2, "max_nodes": 16, "tolerance": 0.005, "batch": 40}
    on_host = run(segment, A, rows, channels, **options)
    assert len(set(on_host.n_steps.tolist())) > 1
    monkeypatch.setattr("neurflow_report.network.devices.is_host", lambda _device: False)
    for memory in (None, 1, 40_000, 10**9):
        on_device = run(segment, A, rows, channels, **options, memory=memory)
        assert on_device.n_steps.tolist() == on_host.n_steps.tolist()
        for mine, other in ((on_device.values, on_host.values), (on_device.error, on_host.error)):
            assert torch.allclose(mine, other, rtol=1e-10, atol=1e-12)


def test_blocks_on_a_device_are_as_large_as_fit(monkeypatch):
    """Half of the memory is for points of patches, half for steps of pairs; never fewer rows than without it."""
    segment, A = fx.symbolic_trace(small(3)), torch.randn(6, 4, 7, 7, dtype=torch.float64)
    split = prepared(segment, A[:1], 1, 1)
    monkeypatch.setattr("neurflow_report.network.devices.is_host", lambda _device: False)

    def rows(memory):
        engine = SplitEngine(split, A, 1, 8, memory)
        return engine.most, engine.rows

    point, pair = (8 * number for number in _taken(split))
    assert rows(None) == rows(1) == (8, 8)
    assert rows(2 * 100 * max(point, pair)) == (100 * max(point, pair) // point, 100 * max(point, pair) // pair)
    assert rows(2**40) == (16384, 16384)
