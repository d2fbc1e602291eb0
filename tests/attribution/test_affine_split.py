"""The split engine against the plain path, in float64, over one small segment for each operation it knows."""

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from neurflow_report.attribution.affine_split import NotSplittableError, split_segment
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute

C, D = 6, 8


class Squeeze(nn.Module):
    """Squeeze and excitation between two convolutions."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(C, D, 1), nn.Conv2d(D, 4, 1)
        self.down, self.up = nn.Conv2d(D, 3, 1), nn.Conv2d(3, D, 1)

    def forward(self, x):
        y = F.silu(self.first(x))
        scale = torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(y, 1)))))
        return self.last(scale * y)


class Residual(nn.Module):
    """A residual block without biases in its shortcut, with a running batch norm."""

    def __init__(self, stride=1):
        super().__init__()
        self.a, self.b = nn.Conv2d(C, C, 3, stride, 1, bias=False), nn.Conv2d(C, C, 3, 1, 1, bias=False)
        self.na, self.nb = nn.BatchNorm2d(C), nn.BatchNorm2d(C)
        self.short = nn.Conv2d(C, C, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.nb(self.b(F.relu(self.na(self.a(x)))))
        return F.relu(y + self.short(x))


class Inception(nn.Module):
    """Four branches, the last through a max pooling, put side by side."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(C, 3, 1), nn.ReLU())
        self.three = nn.Sequential(nn.Conv2d(C, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1), nn.ReLU())
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(C, 2, 1), nn.BatchNorm2d(2), nn.ReLU())

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.pool(x)], 1)


class Arithmetic(nn.Module):
    """Constants, signs, slices, pads, products and quotients."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(C, D, 1)
        self.scale = nn.Parameter(torch.linspace(0.5, 2, D).view(1, D, 1, 1))

    def forward(self, x):
        y = self.conv(F.pad(x, (1, 1, 0, 0))) * self.scale - 0.3
        left, right = y[:, : D // 2], y[:, D // 2 :]
        return torch.tanh(left) * right / 2 + (1 - left) * x.mean(dim=(1, 2, 3), keepdim=True)


class Tokens(nn.Module):
    """Features in the last axis: layer norm, a hidden layer, a sum."""

    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(C), nn.Linear(C, D), nn.Linear(D, C)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


def conv_relu_conv(**options):
    return nn.Sequential(nn.Conv2d(C, D, 1), nn.ReLU(), nn.Conv2d(D, D, 3, padding=1, **options), nn.BatchNorm2d(D))


def pointwise(module):
    return nn.Sequential(nn.Conv2d(C, D, 1), module, nn.Conv2d(D, 4, 1))


SPATIAL = {
    "affine": lambda: nn.Sequential(nn.Conv2d(C, D, 3), nn.BatchNorm2d(D), nn.AvgPool2d(2), nn.Dropout(0.5)),
    "classifier": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(C, 5)),
    "two layers": lambda: nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * C, D), nn.ReLU(), nn.Linear(D, 5)
    ),
    "plain": conv_relu_conv,
    "dilated": lambda: conv_relu_conv(dilation=2),
    "strided": lambda: conv_relu_conv(stride=2),
    "grouped": lambda: conv_relu_conv(groups=2),
    "depthwise": lambda: nn.Sequential(conv_relu_conv(groups=D), nn.ReLU6(), nn.Conv2d(D, C, 1)),
    "grouped first": lambda: nn.Sequential(nn.Conv2d(C, C, 3, groups=3), nn.BatchNorm2d(C), nn.ReLU()),
    "reflecting": lambda: conv_relu_conv(padding_mode="reflect"),
    "bias-free ray": lambda: nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(C, 4, 1, bias=False), nn.ReLU()),
    "max pool after bias": lambda: nn.Sequential(nn.Conv2d(C, D, 1), nn.MaxPool2d(2), nn.Conv2d(D, 4, 1)),
    "ends in a max pool": lambda: nn.Sequential(nn.Conv2d(C, D, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
    "residual": Residual,
    "strided residual": lambda: Residual(2),
    "inception": Inception,
    "squeeze": Squeeze,
    "arithmetic": Arithmetic,
    "group norm": lambda: nn.Sequential(nn.Conv2d(C, D, 1), nn.GroupNorm(2, D), nn.ReLU(), nn.Conv2d(D, 4, 1)),
    "leaky": lambda: pointwise(nn.LeakyReLU(0.2)),
    "prelu": lambda: pointwise(nn.PReLU(D)),
    **{
        type(m).__name__: (lambda m=m: pointwise(m))
        for m in (nn.SiLU(), nn.GELU(), nn.Hardswish(), nn.Sigmoid(), nn.Hardsigmoid(), nn.Tanh(), nn.ReLU6())
    },
}


def traced(build, seed=0):
    torch.manual_seed(seed)
    module = build().double()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return fx.symbolic_trace(module.eval().requires_grad_(False))


def both(segment, activations, axis, *, nodes=6, most=None, tolerance=0.02, rows=20):
    """Split and plain attribution for all channels of a few rows."""
    channels = segment(activations[:1]).shape[axis]
    pairs = Pairs(
        rows=torch.arange(len(activations)).repeat(channels),
        channels=torch.arange(channels).repeat_interleave(len(activations)),
    )
    quadrature = Quadrature(rule="gauss", nodes=nodes, max_nodes=most or nodes, tolerance=tolerance)
    options = {"axis": axis, "out_axis": axis, "quadrature": quadrature}
    plain = attribute(segment.forward, activations, pairs, **options, rows=1000)
    return attribute(segment, activations, pairs, **options, rows=rows), plain


@pytest.mark.parametrize("name", SPATIAL)
@pytest.mark.parametrize("positive", [True, False], ids=["after a ReLU", "any sign"])
def test_equals_the_plain_path(name, positive):
    segment, A = traced(SPATIAL[name]), torch.randn(3, C, 8, 8, dtype=torch.float64)
    fast, plain = both(segment, A.relu() if positive else A, 1)
    assert torch.allclose(fast.values, plain.values, rtol=1e-9, atol=1e-12)
    assert plain.values.abs().max() > 1e-3


@pytest.mark.parametrize("rows", [1, 4, 7, 1000])
def test_however_few_rows_fit_the_memory(rows):
    fast, plain = both(traced(Residual), torch.randn(3, C, 8, 8, dtype=torch.float64), 1, rows=rows)
    assert torch.allclose(fast.values, plain.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["residual", "inception", "strided residual"])
def test_the_same_pairs_take_more_steps(name):
    segment, A = traced(SPATIAL[name]), torch.randn(5, C, 8, 8, dtype=torch.float64)
    fast, plain = both(segment, A, 1, nodes=2, most=16, tolerance=0.01)
    assert len(plain.n_steps.unique()) > 1
    assert torch.equal(fast.n_steps, plain.n_steps)
    assert torch.allclose(fast.values, plain.values, rtol=1e-9, atol=1e-12)
    assert torch.allclose(fast.gap, plain.gap, rtol=1e-6, atol=1e-9)


def test_equals_the_plain_path_for_tokens():
    segment, A = traced(Tokens), torch.randn(3, 5, C, dtype=torch.float64)
    fast, plain = both(segment, A, -1)
    assert torch.allclose(fast.values, plain.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["affine", "classifier"])
def test_an_affine_segment_takes_one_step_and_is_exact(name):
    fast, _ = both(traced(SPATIAL[name]), torch.randn(2, C, 8, 8, dtype=torch.float64), 1)
    assert fast.n_steps.unique().tolist() == [1]
    assert fast.gap.max() < 1e-9


def names(segment, nodes):
    return {n.name for n in nodes if n.op != "placeholder"}


def test_the_pool_branch_of_an_inception_is_affine_up_to_its_batch_norm():
    segment = traced(Inception)
    split = split_segment(segment, torch.randn(1, C, 8, 8, dtype=torch.float64), 1, 1)
    assert names(segment, split.affine_nodes) == {"one_0", "three_0", "pool_0", "pool_1", "pool_2"}


def test_a_max_pool_behind_a_bias_is_not_affine():
    segment = traced(SPATIAL["max pool after bias"])
    split = split_segment(segment, torch.randn(1, C, 8, 8, dtype=torch.float64), 1, 1)
    assert names(segment, split.affine_nodes) == {"_0"}


def test_a_residual_block_keeps_its_first_half_and_its_shortcut():
    segment = traced(Residual)
    split = split_segment(segment, torch.randn(1, C, 8, 8, dtype=torch.float64), 1, 1)
    assert names(segment, split.affine_nodes) == {"a", "na", "short"}


def test_values_that_are_no_tensors_are_not_split_but_still_right():
    class Reshaped(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(C * 16, 4)

        def forward(self, x):
            return torch.relu(self.fc(x.view(x.size(0), -1)))

    segment, A = traced(Reshaped), torch.randn(3, C, 4, 4, dtype=torch.float64)
    with pytest.raises(NotSplittableError):
        split_segment(segment, A[:1], 1, 1)
    fast, plain = both(segment, A, 1)
    assert torch.equal(fast.values, plain.values)


def test_rows_do_not_mix():
    segment, A = traced(Residual), torch.randn(4, C, 8, 8, dtype=torch.float64)
    whole, _ = both(segment, A, 1)
    alone, _ = both(segment, A[2:3], 1)
    assert torch.allclose(whole.values.view(C, 4, C)[:, 2], alone.values, rtol=1e-9, atol=1e-12)
