"""F4: each method's scores against its formula, written out, in float64 on small segments."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import fx, nn

from neurflow_report.fidelity.methods import NOISE, SAMPLES, NotApplicableError, scores
from neurflow_report.results.catalogue import METHODS

CHANNEL, SEED = 2, 7


def traced(*modules: nn.Module) -> fx.GraphModule:
    torch.manual_seed(3)
    model = nn.Sequential(*modules).double().eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    return fx.symbolic_trace(model)


@pytest.fixture(scope="module")
def net() -> fx.GraphModule:
    """One hidden layer: convolution, ReLU, convolution."""
    return traced(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 3, 1))


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    return torch.randn((5, 4, 6, 6), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def found(method: str, segment: fx.GraphModule, patches: torch.Tensor, rows: int = 64) -> np.ndarray:
    return scores(method, segment, patches, CHANNEL, axis=1, out_axis=1, rows=rows, seed=SEED)


def gradient(segment: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """∂φ/∂x of one patch, φ the mean of the channel over space."""
    x = x.detach().clone().requires_grad_()
    segment(x[None])[0, CHANNEL].mean().backward()
    return x.grad


def mean_of(one, patches: torch.Tensor) -> list[float]:
    """mean over patches |Σ over space| of what `one` gives for a patch, (C, H, W)."""
    return torch.stack([one(x).sum((1, 2)).abs() for x in patches]).mean(0).tolist()


def test_gradient_methods_are_their_formulas(net, patches):
    assert found("saliency", net, patches) == pytest.approx(mean_of(partial(gradient, net), patches))
    assert found("gradient × input", net, patches) == pytest.approx(mean_of(lambda x: x * gradient(net, x), patches))


def test_smoothgrad_is_the_mean_of_gradients_at_noisy_copies(net, patches):
    def one(number: int) -> torch.Tensor:
        torch.manual_seed(SEED + number)
        x = patches[number]
        noise = torch.randn((SAMPLES, *x.shape), dtype=torch.float64)
        return sum(gradient(net, x + NOISE * (x.max() - x.min()) * n) for n in noise) / SAMPLES

    expected = torch.stack([one(i).sum((1, 2)).abs() for i in range(len(patches))]).mean(0)
    assert found("SmoothGrad", net, patches) == pytest.approx(expected.tolist())


def test_guided_backprop_lets_only_positive_gradients_through_relus(net, patches):
    first, _, last = net.children()

    def one(x: torch.Tensor) -> torch.Tensor:
        x = x.detach().clone().requires_grad_()
        hidden = first(x[None])
        out = last(hidden.relu())
        (up,) = torch.autograd.grad(out[0, CHANNEL].mean(), hidden, retain_graph=True)
        (back,) = torch.autograd.grad(hidden, x, up.clamp_min(0) * (hidden > 0))
        return back

    assert found("guided backprop", net, patches) == pytest.approx(mean_of(one, patches))


def test_deeplift_is_the_rescale_rule_against_zero(net, patches):
    first, _, last = net.children()

    def one(x: torch.Tensor) -> torch.Tensor:
        x = x.detach().clone().requires_grad_()
        hidden, start = first(x[None]), first(torch.zeros_like(x)[None])
        slope = (hidden.relu() - start.relu()) / (hidden - start)
        out = last(hidden.relu())
        (up,) = torch.autograd.grad(out[0, CHANNEL].mean(), hidden, create_graph=False, retain_graph=True)
        up = torch.where(hidden > 0, up, _linear_up(last, hidden))
        (back,) = torch.autograd.grad(hidden, x, (up * slope).detach())
        return x.detach() * back

    def _linear_up(last: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
        """∂φ/∂(what the ReLU gives), which the ReLU's own derivative would hide where it is closed."""
        free = hidden.detach().clone().requires_grad_()
        return torch.autograd.grad(last(free)[0, CHANNEL].mean(), free)[0]

    assert found("DeepLift", net, patches) == pytest.approx(mean_of(one, patches))


def test_lrp_shares_each_value_out_by_its_parts(patches):
    """The ε rule, layer by layer, on linear layers, where it can be written as matrices."""
    net = traced(nn.Conv2d(4, 6, 1), nn.ReLU(), nn.Conv2d(6, 3, 1))
    first, _, last = net.children()
    x = patches[:, :, :1, :1]
    w1, w2 = first.weight[:, :, 0, 0], last.weight[:, :, 0, 0]

    def one(row: torch.Tensor) -> torch.Tensor:
        hidden = (w1 @ row + first.bias).relu()
        top = w2 @ hidden + last.bias
        of_hidden = hidden * w2[CHANNEL]  # shares of top[CHANNEL], which stands above its own value
        below = w1 @ row + first.bias
        return row * (w1.T @ (of_hidden / below)), top

    expected = torch.stack([one(row[:, 0, 0])[0].abs() for row in x]).mean(0)
    assert found("LRP", net, x) == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize("method", ["gradient × input", "GradientSHAP", "DeepLift", "LRP"])
def test_on_a_linear_segment_all_that_should_add_up_are_the_same(method, patches):
    net = traced(nn.Conv2d(4, 3, 3, bias=False))
    assert found(method, net, patches) == pytest.approx(mean_of(lambda x: x * gradient(net, x), patches), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_batch_size_changes_nothing(method, net, patches):
    assert found(method, net, patches, rows=2) == pytest.approx(found(method, net, patches), rel=1e-9)


def test_the_same_seed_gives_the_same_scores_and_leaves_torch_s_generator_alone(net, patches):
    before = torch.random.get_rng_state()
    first = found("GradientSHAP", net, patches)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found("GradientSHAP", net, patches).tolist() == first.tolist()


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.relu, self.conv = nn.ReLU(), nn.Conv2d(4, 3, 1)

    def forward(self, x):
        return self.relu(self.conv(self.relu(x)))


class Bare(nn.Module):
    def forward(self, x):
        return torch.relu(x) + 1


@pytest.mark.parametrize(
    ("method", "model", "reason"),
    [
        ("DeepLift", Twice(), "the segment calls one of its modules more than once"),
        (
            "guided backprop",
            Bare(),
            "the segment computes relu outside of a module, where the method has no rule for it",
        ),
        ("LRP", nn.Sequential(nn.Conv2d(4, 3, 1), nn.GELU()), "it has no rule for GELU"),
    ],
)
def test_a_method_that_says_nothing_here_says_why(method, model, reason, patches):
    with pytest.raises(NotApplicableError) as caught:
        found(method, fx.symbolic_trace(model.double()), patches)
    assert str(caught.value) == reason


def test_tokens_in_rows_and_columns_keep_their_features():
    """(N, H, W, C) with more features than rows: the gradient of one feature's mean."""
    torch.manual_seed(1)
    segment = traced(nn.Linear(5, 7), nn.GELU())
    tokens = torch.randn(2, 3, 3, 5, dtype=torch.float64)
    found = scores("gradient × input", segment, tokens, 6, axis=-1, out_axis=-1, rows=8, seed=SEED)
    x = tokens.clone().requires_grad_()
    (slope,) = torch.autograd.grad(segment(x)[..., 6].mean(dim=(1, 2)).sum(), x)
    expected = (slope * tokens).sum(dim=(1, 2)).abs().mean(dim=0)
    assert found == pytest.approx(expected.detach().numpy(), rel=1e-9)


def test_a_segment_cut_down_wrong_is_not_used(net, patches, monkeypatch):
    from neurflow_report.fidelity import methods, single_output

    right = found("gradient × input", net, patches)
    real = single_output._row

    def row(module, channel):
        made = real(module, channel)
        made.weight.data.mul_(1.01)
        return made

    monkeypatch.setattr(single_output, "_row", row)
    assert methods.with_single_output(net, CHANNEL)[1] == 0
    assert np.allclose(found("gradient × input", net, patches), right, rtol=1e-12)


@pytest.mark.parametrize("method", ["guided backprop", "DeepLift", "LRP"])
def test_a_module_with_a_hook_is_not_what_the_rules_are_for(method, patches):
    segment = traced(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 3, 1))
    segment.get_submodule("1").register_forward_hook(lambda _module, _inputs, out: out * 3)
    with pytest.raises(NotApplicableError) as caught:
        found(method, segment, patches)
    reason = "'1' has hooks, computed weights or a forward of its own, which the method's rules do not see"
    assert str(caught.value) == reason
