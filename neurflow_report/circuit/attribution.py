"""Integrated gradients of one neuron with respect to the layer below (Sundararajan et al. 2017; METHOD §§2, 4).

For target channel a, patch v, activation A of the layer below on v and baseline 0:

  T(a, i, v) = Σ_space A_i ⊙ ∫₀¹ ∂φ_a/∂A_i (αA) dα

1. The integral is a Gauss–Legendre sum over n nodes on [0, 1].
2. What is affine along the path is taken out of the sum, and only what feeds the target is computed (straight.py).
   A segment that cannot be split is run as it is, pairs (a, v) and nodes as rows of one batch.
3. Completeness, Σ_i T = φ_a(A) − φ_a(0), is checked for every pair; pairs over the tolerance are
   computed again with twice the nodes, up to the most allowed. A segment that is affine throughout takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, fx

from neurflow_report.circuit.straight import Core, Key, NotSplittableError, Split, back, frontier_values, split
from neurflow_report.network.forward import spatial_mean

Segment = Callable[[Tensor], Tensor]

EPSILON = 1e-6
"""Floor of the completeness gap's denominator, in units of the target's activation."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Targets and patches to attribute: pair p is target channel `channels[p]` on the activation row `rows[p]`."""

    rows: Tensor
    channels: Tensor


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """T of each pair, (pairs, C) in units of the target's activation; `gap` (pairs,) relative; `nodes` (pairs,)."""

    values: Tensor
    gap: Tensor
    nodes: Tensor


@dataclass(frozen=True, kw_only=True)
class Quadrature:
    """Gauss–Legendre nodes to begin with, the most, and the completeness gap (relative) that is good enough."""

    nodes: int = 8
    max_nodes: int = 64
    tolerance: float = 0.02

    def counts(self) -> list[int]:
        """Node counts to try, doubling: 8, 16, 32, 64."""
        counts = [self.nodes]
        while counts[-1] < self.max_nodes:
            counts.append(min(2 * counts[-1], self.max_nodes))
        return counts


def gauss_legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss–Legendre quadrature on [0, 1]; the weights sum to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def attribute(
    segment: Segment, activations: Tensor, pairs: Pairs, *, axis: int, out_axis: int, quadrature: Quadrature, rows: int
) -> Attribution:
    """T(a, i, v) for each pair (METHOD §2).

    Args: segment: eval-mode function of the lower layer's activation alone; activations: (n, …) of the patches in use;
    axis, out_axis: the channel axes of the segment's input and output; rows: the most rows (pair × node) a batch.
    Returns: an Attribution on the activations' device.
    """
    exact, integrate = _integrator(segment, activations, axis, out_axis, rows)
    rise = _rise(segment, activations, pairs, out_axis, rows)
    count = len(pairs.rows)
    values = activations.new_zeros((count, activations.shape[axis]))
    gap, nodes = activations.new_full((count,), torch.inf), torch.zeros(count, dtype=torch.long)
    pending = torch.arange(count, device=activations.device)
    for n in [1] if exact else quadrature.counts():
        for chunk in torch.split(pending, max(1, rows // n)):
            part = Pairs(rows=pairs.rows[chunk], channels=pairs.channels[chunk])
            values[chunk] = integrate(part, n)
        error = (values[pending].sum(dim=1) - rise[pending]).abs()
        gap[pending] = error / rise[pending].abs().clamp_min(EPSILON)
        nodes[pending.cpu()] = n
        pending = pending[gap[pending] > quadrature.tolerance]
        if len(pending) == 0:
            break
    return Attribution(values=values, gap=gap, nodes=nodes)


def _integrator(
    segment: Segment, activations: Tensor, axis: int, out_axis: int, rows: int
) -> tuple[bool, Callable[[Pairs, int], Tensor]]:
    """Whether one node is exact, and T of pairs with n nodes: through the split segment where it can be split."""
    try:
        if not isinstance(segment, fx.GraphModule):
            raise NotSplittableError(type(segment).__name__)
        part = split(segment, activations[:1], out_axis)
    except NotSplittableError:
        plain = partial(_integrate, segment, activations, axis=axis, out_axis=out_axis, rows=rows)
        return False, plain
    values = frontier_values(part, activations, rows)
    return part.is_straight, partial(_integrate_split, part, values, activations, axis=axis, rows=rows)


def _integrate_split(
    part: Split,
    values: Mapping[fx.Node, Tensor],
    activations: Tensor,
    pairs: Pairs,
    n: int,
    *,
    axis: int,
    rows: int,
) -> Tensor:
    """T of the pairs with n nodes, target by target, through the split segment."""
    result = activations.new_zeros((len(pairs.rows), activations.shape[axis]))
    for channel in torch.unique(pairs.channels).tolist():
        mine = (pairs.channels == channel).nonzero().squeeze(1)
        chosen = pairs.rows[mine]
        gradients = _frontier_gradients(part, values, chosen, channel, n, rows)
        for (_, only), gradient in back(part, values, chosen, gradients).items():
            if only is None:
                result[mine] += spatial_sum(activations[chosen] * gradient, axis)
            else:
                result[mine, only] += spatial_sum(activations.narrow(axis, only, 1)[chosen] * gradient, axis)[:, 0]
    return result


def _frontier_gradients(
    part: Split, values: Mapping[fx.Node, Tensor], chosen: Tensor, channel: int, n: int, rows: int
) -> dict[Key, Tensor]:
    """Σ over n nodes of weight × ∂φ/∂u at each frontier tensor u that the target reads, at most `rows` rows at once."""
    alphas, weights = (torch.as_tensor(x).to(values[part.source]) for x in gauss_legendre(n))
    some = max(1, rows // len(chosen))
    summed: dict[Key, Tensor] = {}
    for a, w in zip(torch.split(alphas, some), torch.split(weights, some), strict=True):
        with torch.enable_grad():
            core = Core(part, values, chosen, a)
            phi = spatial_mean(core.target(channel), part.axis).squeeze(part.axis)
            keys = list(core.leaves)
            found = torch.autograd.grad((phi * w.repeat(len(chosen))).sum(), [core.leaves[k] for k in keys])
        for key, gradient in zip(keys, found, strict=True):
            total = gradient.view(len(chosen), len(a), *gradient.shape[1:]).sum(dim=1)
            summed[key] = summed[key] + total if key in summed else total
    return summed


def _integrate(
    segment: Segment, activations: Tensor, pairs: Pairs, n: int, *, axis: int, out_axis: int, rows: int
) -> Tensor:
    """T of the pairs with n nodes: forward and backward passes over pairs × nodes, at most `rows` of them at once."""
    alphas, weights = (torch.as_tensor(x).to(activations) for x in gauss_legendre(n))
    top = activations[pairs.rows]
    some = max(1, rows // len(top))
    mean_gradient = torch.zeros_like(top)
    for a, w in zip(torch.split(alphas, some), torch.split(weights, some), strict=True):
        mean_gradient += _gradient(segment, top, pairs.channels, a, w, out_axis)
    return spatial_sum(top * mean_gradient, axis)


def _gradient(
    segment: Segment, top: Tensor, channels: Tensor, alphas: Tensor, weights: Tensor, out_axis: int
) -> Tensor:
    """Σ over the nodes of weight × ∂φ/∂A at α·A, for each row of `top` and its channel: the shape of `top`."""
    n, shape = len(alphas), (-1, *[1] * (top.dim() - 1))
    path = (top.unsqueeze(1) * alphas.view(1, *shape)).flatten(0, 1).requires_grad_()
    with torch.enable_grad():
        phi = spatial_mean(segment(path), out_axis)
        chosen = phi.gather(1, channels.repeat_interleave(n).unsqueeze(1)).squeeze(1)
        (gradient,) = torch.autograd.grad((chosen * weights.repeat(len(top))).sum(), path)
    return gradient.view(len(top), n, *top.shape[1:]).sum(dim=1)


def spatial_sum(values: Tensor, axis: int) -> Tensor:
    """(N, …) summed over everything but the batch and the channel axis: (N, C)."""
    rest = [d for d in range(1, values.dim()) if d != axis % values.dim()]
    return values.sum(dim=rest) if rest else values


@torch.no_grad()
def _rise(segment: Segment, activations: Tensor, pairs: Pairs, out_axis: int, rows: int) -> Tensor:
    """φ_a(A) − φ_a(0) of each pair."""
    phi = torch.cat([spatial_mean(segment(part), out_axis) for part in torch.split(activations, rows)])
    start = spatial_mean(segment(torch.zeros_like(activations[:1])), out_axis)
    return phi[pairs.rows, pairs.channels] - start[0, pairs.channels]
