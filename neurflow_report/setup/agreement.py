"""Whether what a segment is split into gives what the segment itself gives, on real activations (METHOD §4).

Attributions: T by the split engine against T by the segment as it is, at the same nodes of Gauss's rule. Knock-outs: φ
and the whole layer above under a few sets, by the engine that would be taken, against the segment run on every set,
with the channels removed at 0 and at their mean; and where patches are left out by bounds, that the strongest stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, fx

from neurflow_report.ablation.ablation import PlainAblation, ablations
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.topk_bounds import candidates
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.network.agreement import difference, rounding
from neurflow_report.network.fence import first_line, passes
from neurflow_report.network.forward import AdaptiveBatch, spatial_mean

TARGETS, NODES = 2, 2
SMALL = 1e-2
"""A target whose T are all under this share of its activation has none to speak of: what differs then is rounding."""
SLACK = 10
"""Times the rounding of values: a gradient goes through as many layers, and back."""


def why_not_split(segment: fx.GraphModule, activations: Tensor, *, axis: int, out_axis: int, most: int) -> str:
    """What is wrong with a segment's split for attributions, "" where nothing is.

    Args:
        activations: a few real ones.
        most: rows with gradients at once.
    """
    rows, targets = np.arange(len(activations)), strongest(segment, activations, out_axis).cpu().numpy()
    pairs = Pairs(rows=np.tile(rows, len(targets)), channels=np.repeat(targets, len(rows)))
    rule = Quadrature(rule="gauss", nodes=NODES, max_nodes=NODES)

    def values(whole: bool) -> Tensor:
        def made(size: int) -> Tensor:
            return attribute(
                segment, activations, pairs, axis=axis, out_axis=out_axis, quadrature=rule, rows=size, whole=whole
            ).values

        return AdaptiveBatch(most=min(most, NODES * len(pairs.rows))).attempt(made)

    try:
        expected = values(True)
    except RuntimeError as error:
        if passes(error):
            raise
        return ""  # it has no gradients: there is nothing to compare with
    with torch.no_grad():
        size = float(spatial_mean(segment(activations), out_axis)[:, targets].abs().max())
    return _why_not(lambda: values(False), expected, SMALL * size)


@torch.no_grad()
def why_not_ablations(
    segment: fx.GraphModule, whole: fx.GraphModule, activations: Tensor, *, axis: int, out_axis: int, most: int
) -> str:
    """What is wrong with the engine for a segment's knock-outs, "" where nothing is.

    Args:
        whole: the segment as it was cut.
        activations: a few real ones.
        most: rows at once.
    """
    channels, rows = activations.shape[axis], AdaptiveBatch(most=min(most, 4 * len(activations)))
    targets = strongest(whole, activations, out_axis).tolist()
    removed, oracle = _sets(channels), PlainAblation(whole, axis=axis, out_axis=out_axis, rows=rows)
    mean = activations.mean(dim=0, keepdim=True)
    try:
        engine = ablations(segment, activations[:1], axis=axis, out_axis=out_axis, rows=rows)
        at_mean = ablations(segment, activations[:1], axis=axis, out_axis=out_axis, rows=rows, baseline=mean)
    except Exception as error:  # whatever fails in what was made of the segment
        if passes(error):
            raise
        return _failed(error)
    phi = oracle.phi(activations, removed, targets)
    mean_oracle = PlainAblation(whole, axis=axis, out_axis=out_axis, rows=rows, baseline=mean)
    return (
        _why_not(lambda: engine.phi(activations, removed, targets), phi)
        or _why_not(lambda: engine.full(activations, removed), oracle.full(activations, removed))
        or _why_not(lambda: at_mean.full(activations, removed), mean_oracle.full(activations, removed))
        or (_why_not_bounded(engine, activations, removed, targets[0], phi[:, 0]) if _is_bounded(engine) else "")
    )


def strongest(segment: fx.GraphModule, activations: Tensor, out_axis: int) -> Tensor:
    """The upper layer's few channels that answer most."""
    with torch.no_grad():
        phi = spatial_mean(segment(activations), out_axis).mean(dim=0)
    return phi.topk(min(TARGETS, len(phi))).indices.cpu()


def _sets(channels: int) -> Tensor:
    """Which channels are removed: one, every other one, two of three, none."""
    numbers = torch.arange(channels)
    return torch.stack([numbers == channels // 2, numbers % 2 != 0, numbers % 3 != 0, numbers < 0])


def _is_bounded(engine: object) -> bool:
    return isinstance(engine, LinearMixAblation) and engine.bounded


def _why_not_bounded(engine: object, activations: Tensor, removed: Tensor, target: int, phi: Tensor) -> str:
    """What is wrong with the bounds on the strongest patch: φ of the candidates, or that the strongest is none."""
    assert isinstance(engine, LinearMixAblation)  # noqa: S101 as `_is_bounded` has it
    removed = removed.to(activations.device)

    def strong() -> Tensor:
        found = torch.full_like(phi, -math.inf)
        channel_terms = engine.channel_terms([activations], target, patches=len(activations))
        for some in candidates(channel_terms, removed, torch.zeros(1, dtype=torch.long, device=phi.device)):
            found[some.sets.unsqueeze(1), some.patches] = some.phi
        return torch.where(torch.isfinite(found) | (phi.amax(dim=1, keepdim=True) == phi), found, phi)

    return _why_not(strong, phi)


def _why_not(made: Callable[[], Tensor], expected: Tensor, least: float = 0.0) -> str:
    try:
        found = made()
    except Exception as error:  # whatever fails in what was made of the segment: the segment itself has run
        if passes(error):
            raise
        return _failed(error)
    off = difference(found, expected, least)
    return f"is off by {100 * off:.2g}%" if off > SLACK * rounding(expected.dtype) else ""


def _failed(error: Exception) -> str:
    return f"fails ({first_line(error) or type(error).__name__})"
