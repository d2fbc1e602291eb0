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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, fx

from neurflow_report.circuit.straight import Core, Key, NotSplittableError, Split, back, frontier_values, split
from neurflow_report.network.forward import spatial_mean

Segment = Callable[[Tensor], Tensor]

BLOCK = 16 * 2**20
"""Bytes of the widest tensor that the core works on at once on a CPU: about half of a usual last-level cache."""
TOGETHER = 128
"""Rows that go back through the straight part in one batch, where that many fit the memory."""
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
    engine = _engine(segment, activations, axis, out_axis, rows)
    rise = engine.rise(pairs)
    values, nodes = engine.integrate(pairs, rise, quadrature)
    return Attribution(values=values, gap=completeness_gap(values.sum(dim=1), rise), nodes=nodes)


def completeness_gap(total: Tensor, rise: Tensor) -> Tensor:
    """|Σ_i T − (φ(A) − φ(0))| / max(|φ(A) − φ(0)|, ε) of each pair: relative, 0 is exact. METHOD §2."""
    return (total - rise).abs() / rise.abs().clamp_min(EPSILON)


class Engine(Protocol):
    """How T and φ_a(A) − φ_a(0) are computed on one segment."""

    def rise(self, pairs: Pairs) -> Tensor:
        """φ_a(A) − φ_a(0) of each pair, (pairs,)."""

    def integrate(self, pairs: Pairs, rise: Tensor, quadrature: Quadrature) -> tuple[Tensor, Tensor]:
        """T of each pair, (pairs, C), with as many nodes as its gap asks for, and how many that were, (pairs,)."""


def _engine(segment: Segment, activations: Tensor, axis: int, out_axis: int, rows: int) -> Engine:
    """The split engine where the segment can be split, else the plain one."""
    if isinstance(segment, fx.GraphModule):
        try:
            return SplitEngine(split(segment, activations[:1], out_axis), activations, axis, rows)
        except NotSplittableError:
            pass
    return PlainEngine(segment, activations, axis, out_axis, rows)


class PlainEngine:
    """The segment as it is: pairs × nodes are the rows of one batch, at most `rows` of them at once."""

    def __init__(self, segment: Segment, activations: Tensor, axis: int, out_axis: int, rows: int) -> None:
        self.segment, self.activations, self.rows = segment, activations, rows
        self.axis, self.out_axis = axis, out_axis

    @torch.no_grad()
    def rise(self, pairs: Pairs) -> Tensor:
        """φ_a(A) − φ_a(0) of each pair."""
        phi = [spatial_mean(self.segment(part), self.out_axis) for part in torch.split(self.activations, self.rows)]
        start = spatial_mean(self.segment(torch.zeros_like(self.activations[:1])), self.out_axis)
        return torch.cat(phi)[pairs.rows, pairs.channels] - start[0, pairs.channels]

    def integrate(self, pairs: Pairs, rise: Tensor, quadrature: Quadrature) -> tuple[Tensor, Tensor]:
        """T of each pair, and the nodes it took."""
        count = len(pairs.rows)
        values, nodes = self.activations.new_zeros((count, self.activations.shape[self.axis])), _no_nodes(count)
        pending = torch.arange(count, device=self.activations.device)
        for n in quadrature.counts():
            for some in torch.split(pending, max(1, self.rows // n)):
                values[some] = self._some(pairs.rows[some], pairs.channels[some], n)
            nodes[pending.cpu()] = n
            pending = pending[completeness_gap(values[pending].sum(dim=1), rise[pending]) > quadrature.tolerance]
            if len(pending) == 0:
                break
        return values, nodes

    def _some(self, rows: Tensor, channels: Tensor, n: int) -> Tensor:
        alphas, weights = (torch.as_tensor(x).to(self.activations) for x in gauss_legendre(n))
        top = self.activations[rows]
        mean_gradient = torch.zeros_like(top)
        nodes = max(1, self.rows // len(top))
        for a, w in zip(torch.split(alphas, nodes), torch.split(weights, nodes), strict=True):
            mean_gradient += _gradient(self.segment, top, channels, a, w, self.out_axis)
        return spatial_sum(top * mean_gradient, self.axis)


@dataclass(frozen=True, kw_only=True)
class Converged:
    """One target's gradients at the frontier, summed over the nodes: pair `mine[p]` stands on row `rows[p]`."""

    mine: Tensor
    rows: Tensor
    gradients: dict[Key, Tensor]


class SplitEngine:
    """The segment split at its frontier (straight.py).

    1. Target by target, the core's gradients at the frontier are summed over the nodes. Completeness can be seen there
       already: Σ_i T = Σ_u <∂φ/∂u, u(A) − u(0)>, since the part below is straight. So more nodes cost the core alone.
    2. They go back to A once, many targets a batch.

    On a CPU the core's tensors are kept to `BLOCK` bytes: they stay in the cache from one operation to the next.
    """

    def __init__(self, part: Split, activations: Tensor, axis: int, rows: int) -> None:
        self.part, self.activations, self.axis = part, activations, axis
        self.values = frontier_values(part, activations, rows)
        widest = max(part.zero[n].numel() for n in part.order if n is not part.result or part.result is part.source)
        fitting = BLOCK // (widest * activations.element_size())
        self.batch = rows
        self.rows = max(1, min(rows, fitting) if activations.device.type == "cpu" else rows)

    @torch.no_grad()
    def rise(self, pairs: Pairs) -> Tensor:
        """φ_a(A) − φ_a(0) of each pair."""
        start = spatial_mean(self.part.zero[self.part.result], self.part.axis)[0]
        end = torch.empty_like(start[pairs.channels])
        one = torch.ones(1).to(end)
        for channel, mine in _by_target(pairs):
            for some in torch.split(mine, self.rows):
                end[some] = self._phi(Core(self.part, self.values, pairs.rows[some], one), channel)
        return end - start[pairs.channels]

    def integrate(self, pairs: Pairs, rise: Tensor, quadrature: Quadrature) -> tuple[Tensor, Tensor]:
        """T of each pair, and the nodes it took; a segment that is straight throughout takes one."""
        counts = [1] if self.part.is_straight else quadrature.counts()
        values = self.activations.new_zeros((len(pairs.rows), self.activations.shape[self.axis]))
        nodes, waiting = _no_nodes(len(pairs.rows)), list[Converged]()
        for channel, mine in _by_target(pairs):
            for some in torch.split(mine, self.batch):
                found, used = self._converged(pairs.rows[some], channel, rise[some], counts, quadrature.tolerance)
                nodes[some.cpu()] = used
                waiting.append(Converged(mine=some, rows=pairs.rows[some], gradients=found))
            if sum(len(w.rows) for w in waiting) >= min(self.batch, TOGETHER):
                self._finish(waiting, values)
                waiting = []
        self._finish(waiting, values)
        return values, nodes

    def _converged(
        self, rows: Tensor, channel: int, rise: Tensor, counts: Sequence[int], tolerance: float
    ) -> tuple[dict[Key, Tensor], Tensor]:
        """Σ over the nodes of weight × ∂φ/∂u at the frontier tensors that one target reads, and the nodes it took."""
        summed: dict[Key, Tensor] = {}
        nodes, pending = _no_nodes(len(rows)), torch.arange(len(rows), device=rows.device)
        for n in counts:
            parts = [self._gradients(some, channel, n) for some in torch.split(rows[pending], max(1, self.rows // n))]
            total = torch.zeros_like(rise[pending])
            for key in parts[0]:
                gradient = torch.cat([p[key] for p in parts])
                total += self._along(key, rows[pending], gradient)
                summed[key] = summed[key].index_copy(0, pending, gradient) if key in summed else gradient
            nodes[pending.cpu()] = n
            pending = pending[completeness_gap(total, rise[pending]) > tolerance]
            if len(pending) == 0:
                break
        return summed, nodes

    def _along(self, key: Key, rows: Tensor, gradient: Tensor) -> Tensor:
        """<gradient, u(A) − u(0)> of each row, for the frontier tensor u (or its one channel) that `key` names."""
        node, channel = key
        move = self.part.narrow(self.values[node], channel)[rows] - self.part.narrow(self.part.zero[node], channel)
        return (gradient * move).flatten(1).sum(dim=1)

    def _finish(self, waiting: Sequence[Converged], values: Tensor) -> None:
        """Take the gradients back to A and add A ⊙ gradient to `values`; whole tensors of many targets together."""
        alike: dict[tuple[Key, ...], list[Converged]] = {}
        for one in waiting:
            whole = tuple(key for key in one.gradients if key[1] is None)
            single = tuple(key for key in one.gradients if key[1] is not None)
            for keys in filter(None, (whole, single)):
                alike.setdefault(keys, []).append(one)
        for keys, same in alike.items():
            mine, rows = torch.cat([w.mine for w in same]), torch.cat([w.rows for w in same])
            gradients = {key: torch.cat([w.gradients[key] for w in same]) for key in keys}
            for (_, only), gradient in back(self.part, self.values, rows, gradients).items():
                top = self.activations if only is None else self.activations.narrow(self.axis, only, 1)
                columns = slice(None) if only is None else slice(only, only + 1)
                values[mine, columns] += spatial_sum(top[rows] * gradient, self.axis)

    def _phi(self, core: Core, channel: int) -> Tensor:
        return spatial_mean(core.target(channel), self.part.axis).squeeze(self.part.axis)

    def _gradients(self, rows: Tensor, channel: int, n: int) -> dict[Key, Tensor]:
        """Σ over n nodes of weight × ∂φ/∂u at each frontier tensor u that the target reads."""
        alphas, weights = (torch.as_tensor(x).to(self.activations) for x in gauss_legendre(n))
        nodes = max(1, self.rows // len(rows))
        summed: dict[Key, Tensor] = {}
        for a, w in zip(torch.split(alphas, nodes), torch.split(weights, nodes), strict=True):
            with torch.enable_grad():
                core = Core(self.part, self.values, rows, a)
                phi = self._phi(core, channel)
                found = torch.autograd.grad((phi * w.repeat(len(rows))).sum(), list(core.leaves.values()))
            for key, gradient in zip(core.leaves, found, strict=True):
                total = gradient.view(len(rows), len(a), *gradient.shape[1:]).sum(dim=1)
                summed[key] = summed[key] + total if key in summed else total
        return summed


def _no_nodes(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.long)


def _by_target(pairs: Pairs) -> Iterator[tuple[int, Tensor]]:
    """Each target channel, and which pairs are its own."""
    for channel in torch.unique(pairs.channels).tolist():
        yield channel, (pairs.channels == channel).nonzero().squeeze(1)


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
