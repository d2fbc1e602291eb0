"""Graphs that look like what the engine knows and are not, or that it does not know: the plain path's T, no crash."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from neurflow_report.ablation.ablation import PlainAblation, ablations
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.network.forward import AdaptiveBatch

NODES = 6


class Tripled(nn.Conv2d):
    """A convolution by its class, and not by what it computes."""

    def forward(self, x):
        return F.conv2d(x, 3 * self.weight, self.bias, padding=self.padding)


class Halved(nn.BatchNorm2d):
    def forward(self, x):
        return x / 2


class Squared(nn.ReLU):
    def forward(self, x):
        return F.relu(x) ** 2


class Leaf(fx.Tracer):
    def is_leaf_module(self, m, module_qualified_name):
        return isinstance(m, Tripled | Halved | Squared) or super().is_leaf_module(m, module_qualified_name)


class Calls(nn.Module):
    """A convolution, ReLU, what is asked for, a convolution."""

    def __init__(self, call):
        super().__init__()
        self.call, self.first, self.last = call, nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, x):
        return self.last(self.call(self.first(x)))


def traced(model: nn.Module) -> fx.GraphModule:
    torch.manual_seed(0)
    model = model.double().eval().requires_grad_(False)
    for p in model.parameters():
        nn.init.normal_(p, std=0.4)
    return fx.GraphModule(model, Leaf().trace(model))


def attributed(segment, A: Tensor, targets=(0, 1, 2)):
    rows = torch.arange(len(A)).repeat(len(targets))
    channels = torch.tensor(targets).repeat_interleave(len(A))
    quadrature = Quadrature(rule="gauss", nodes=NODES, max_nodes=NODES)
    return attribute(
        segment, A, Pairs(rows=rows, channels=channels), axis=1, out_axis=1, quadrature=quadrature, rows=64
    )


def agrees(segment: fx.GraphModule, A: Tensor) -> bool:
    """Whether the engine's T is the plain path's."""
    plain, found = attributed(segment.forward, A), attributed(segment, A)
    return torch.allclose(found.values, plain.values, rtol=1e-9, atol=1e-10)


@pytest.fixture
def A() -> Tensor:  # noqa: N802
    return torch.randn((2, 4, 5, 5), generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def _stacked(x: Tensor) -> Tensor:
    """Queries and keys side by side in a first axis of 2, as some transformers have them."""
    n, c, h, w = x.shape
    pair = torch.cat([x, x.tanh()], 1).reshape(n, 2, c, h, w).permute(1, 0, 2, 3, 4)
    return pair[0] * pair[1]


CALLS = {
    "a mask": lambda x: torch.where(x > 0, x, 0.1 * x),
    "times a mask": lambda x: x * (x > 0),
    "zeros like it": lambda x: F.relu(x) + torch.zeros_like(x),
    "detached": lambda x: x * torch.sigmoid(x).detach(),
    "a first axis of two": _stacked,
    "padded with minus infinity": lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2),
    "cat by axis": lambda x: torch.cat([F.relu(x)[:, :3], x[:, 3:]], axis=1),
    "cat by name": lambda x: torch.cat(tensors=[F.relu(x)[:, :3], x[:, 3:]], dim=1),
    "divided by name": lambda x: torch.div(F.relu(x), other=2.0),
    "multiplied by itself by name": lambda x: torch.mul(x, other=x),
    "multiplied by itself": lambda x: x * x,
    "subtracted by name": lambda x: torch.sub(F.relu(x), other=x, alpha=2),
}


@pytest.mark.parametrize("name", CALLS)
def test_t_is_the_plain_path_s(name, A):
    assert agrees(traced(Calls(CALLS[name])), A)


def test_a_detached_input_of_the_segment_gives_nothing(A):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 3, 1)

        def forward(self, x):
            return self.conv(x.detach() + x)

    assert agrees(traced(Cut()), A)


@pytest.mark.parametrize("odd", [Tripled(6, 6, 3, padding=1), Halved(6), Squared()])
def test_a_class_derived_from_a_known_one_is_what_it_computes(odd, A):
    segment = traced(nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), odd, nn.Conv2d(6, 3, 1)))
    assert agrees(segment, A)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return F.relu(x + 0.01 * self.conv(F.relu(x)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "chain",
    [[nn.Conv2d(4, 4, 1), *(nn.ReLU() for _ in range(400))], [Residual() for _ in range(150)]],
    ids=["pointwise", "residual"],
)
def test_a_segment_deeper_than_python_s_stack(chain, A):
    segment = traced(nn.Sequential(*chain))
    found = attributed(segment, A)
    assert torch.isfinite(found.values).all()
    removed = torch.tensor([[False] * 4, [False, True, False, True], [True] * 4, [False, False, True, True]])
    engine = ablations(segment, A[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    plain = PlainAblation(segment, axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    assert type(engine) is not PlainAblation
    assert torch.allclose(engine.phi(A, removed, [2, 0]), plain.phi(A, removed, [2, 0]), rtol=1e-9)


def test_a_linear_layer_on_the_width_does_not_mix_channels(A):
    segment = traced(nn.Sequential(nn.Linear(5, 4), nn.ReLU()))
    removed = torch.tensor([[False] * 4, [False, True, False, True]])
    engine = ablations(segment, A[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    plain = PlainAblation(segment, axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    assert torch.allclose(engine.phi(A, removed, [3, 0]), plain.phi(A, removed, [3, 0]), rtol=1e-9)


@pytest.mark.parametrize("limit", [16, 64])
def test_no_batch_has_more_rows_than_allowed_however_many_steps_it_takes(limit, A, monkeypatch):
    from neurflow_report.attribution import integrated_gradients

    seen, to_frontier = [], integrated_gradients.to_frontier

    def watched(nonlinear, slopes, batch):
        seen.append(len(batch) * len(nonlinear.steps))
        return to_frontier(nonlinear, slopes, batch)

    monkeypatch.setattr(integrated_gradients, "to_frontier", watched)
    layers = nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 30, 1)
    segment = traced(nn.Sequential(*layers))
    pairs = Pairs(rows=torch.zeros(30, dtype=torch.long), channels=torch.arange(30))
    quadrature = Quadrature(nodes=4, max_nodes=16, tolerance=1e-12)
    found = attribute(segment, A, pairs, axis=1, out_axis=1, quadrature=quadrature, rows=limit)
    assert set(found.n_steps.tolist()) == {16}
    assert max(seen) <= limit


def test_the_plain_path_tells_how_far_its_last_step_went(A):
    segment = traced(Calls(F.relu))
    pairs = Pairs(rows=torch.zeros(3, dtype=torch.long), channels=torch.arange(3))
    options = {"axis": 1, "out_axis": 1, "rows": 64}
    found = attribute(segment.forward, A, pairs, quadrature=Quadrature(nodes=4, max_nodes=16, tolerance=0.0), **options)
    eight, sixteen = (
        attribute(
            segment.forward, A, pairs, quadrature=Quadrature(rule="gauss", nodes=n, max_nodes=n), **options
        ).values
        for n in (8, 16)
    )
    assert torch.allclose(found.values, sixteen)
    assert torch.allclose(found.error, (sixteen - eight).norm(dim=1) / sixteen.norm(dim=1))
    assert found.n_steps.tolist() == [16] * 3
