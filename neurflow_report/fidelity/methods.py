"""F4, attribution methods against each other: the scores that each gives, to be put through F3 (METHOD §5).

Captum's implementations (Kokhlikyan et al. 2020) of gradient × input, saliency, SmoothGrad, guided backpropagation,
GradientSHAP, DeepLift and LRP, on the segment below the neuron, cut down to what the neuron needs (single_output.py),
against the baseline 0. A channel's score is, as for the circuit, the mean over V_a of the
absolute attribution summed over space (for saliency, which has no sign, of the gradient so summed). A method whose
rules the segment does not keep is not run, and the reason is given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from neurflow_report.attribution.affine_backward import spatial_sum
from neurflow_report.fidelity.draws import global_seed
from neurflow_report.fidelity.single_output import with_single_output
from neurflow_report.network.agreement import agree
from neurflow_report.network.forward import spatial_mean
from neurflow_report.network.kinds import computes, is_bare

MISSING = "needs the Python package captum: pip install 'neurflow-report[run]'"
SAMPLES = 16
"""Samples of SmoothGrad and GradientSHAP."""
NOISE = 0.1
"""SmoothGrad's noise, as a share of the activation's range on the patch."""
_NEEDS_MODULES = {"guided backprop", "DeepLift", "LRP"}
_RANDOM = {"SmoothGrad", "GradientSHAP"}
"""Run patch by patch, each with a seed of its own: the memory at hand must not change what is drawn."""
_HARMLESS = {torch.flatten, "flatten", "contiguous", torch.mean, "mean"}
_RULED = (
    nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout,
    nn.Identity, nn.Flatten,
)  # fmt: skip


class NotApplicableError(Exception):
    """The method says nothing on this segment; the text is the reason."""


class _Means(nn.Module):
    """A segment whose outputs are φ of all channels, (N, C)."""

    def __init__(self, segment: nn.Module, out_axis: int) -> None:
        super().__init__()
        self.segment, self.out_axis = segment, out_axis
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, activation: Tensor) -> Tensor:
        out = self.segment(activation)
        return self.pool(out).flatten(1) if out.ndim == 4 and self.out_axis == 1 else spatial_mean(out, self.out_axis)


def scores(
    method: str,
    segment: fx.GraphModule,
    activations: Tensor,
    channel: int,
    *,
    axis: int,
    out_axis: int,
    rows: int,
    seed: int,
) -> NDArray[np.floating]:
    """score(a, i) of each channel i below, (C,), as `method` has it.

    Args:
        activations: (k, …) of the layer below on V_a.
        rows: the most rows with gradients at once.
    Raises: NotApplicableError with the reason.
    """
    if find_spec("captum") is None:
        raise NotApplicableError(MISSING)
    refused = _refused(method, segment)
    if refused:
        raise NotApplicableError(refused)
    alone, channel = _alone(segment, activations[:1], channel, out_axis)
    model = _Means(alone, out_axis).eval()
    size = 1 if method in _RANDOM else max(1, rows // 2)
    found = []
    with global_seed(seed), torch.random.fork_rng(devices=[]), torch.enable_grad():
        run = _runner(method, model)
        for number, part in enumerate(torch.split(activations, size)):
            torch.manual_seed(seed + number)
            try:
                values = run(part.detach().clone().requires_grad_(), channel).detach()
            except (AssertionError, RuntimeError, TypeError, AttributeError) as error:
                raise NotApplicableError(
                    f"Captum says: {(str(error) or type(error).__name__).splitlines()[0]}"
                ) from error
            found.append(spatial_sum(values, axis).abs())
    return torch.cat(found).mean(dim=0).cpu().double().numpy()


def _alone(segment: fx.GraphModule, row: Tensor, channel: int, out_axis: int) -> tuple[fx.GraphModule, int]:
    """The segment cut down to one channel, where that gives on one patch what the segment gives, and the channel's
    number in it; else the segment as it is."""
    alone, place = with_single_output(segment, channel)
    with torch.no_grad():
        expected = segment(row).movedim(out_axis, 1)[:, channel]
        found = alone(row).movedim(out_axis, 1)[:, place]
    return (alone, place) if agree(found, expected) else (segment, channel)


def _refused(method: str, segment: fx.GraphModule) -> str:
    """Why Captum's hooks on modules would not see all of the segment; "" where they do."""
    if method not in _NEEDS_MODULES:
        return ""
    called = [str(n.target) for n in segment.graph.nodes if n.op == "call_module"]
    if len(set(called)) < len(called):
        return "the segment calls one of its modules more than once"
    bare = [n for n in segment.graph.nodes if n.op in {"call_function", "call_method"} and n.target not in _HARMLESS]
    if bare:
        return f"the segment computes {bare[0].name} outside of a module, where the method has no rule for it"
    modules = [segment.get_submodule(name) for name in called]
    changed = [name for name, m in zip(called, modules, strict=True) if not is_bare(m)]
    if changed:
        return (
            f"{changed[0]!r} has hooks, computed weights or a forward of its own, which the method's rules do not see"
        )
    odd = [m for m in modules if not computes(m, *_RULED)]
    return f"it has no rule for {type(odd[0]).__name__}" if method == "LRP" and odd else ""


def _runner(method: str, model: nn.Module) -> Callable[[Tensor, int], Tensor]:
    """The method as a function of activations and the target channel."""
    from captum import attr

    simple: dict[str, Any] = {
        "gradient × input": attr.InputXGradient,
        "guided backprop": attr.GuidedBackprop,
        "DeepLift": attr.DeepLift,
        "LRP": attr.LRP,
    }
    if method in simple:
        return lambda x, c: simple[method](model).attribute(x, target=c)
    saliency = partial(attr.Saliency(model).attribute, abs=False)
    if method == "saliency":
        return lambda x, c: saliency(x, target=c)
    if method == "SmoothGrad":
        return partial(_smooth, saliency)
    return lambda x, c: attr.GradientShap(model).attribute(
        x, baselines=torch.zeros_like(x), n_samples=SAMPLES, target=c
    )


def _smooth(saliency: Callable[..., Tensor], x: Tensor, channel: int) -> Tensor:
    """The mean gradient over noisy copies of one patch, the noise in proportion to its range."""
    patch = x.detach()
    noise = torch.randn((SAMPLES, *x.shape[1:]), dtype=x.dtype).to(x.device)
    noisy = patch + NOISE * (patch.max() - patch.min()) * noise
    return saliency(noisy.requires_grad_(), target=channel).mean(dim=0, keepdim=True)
