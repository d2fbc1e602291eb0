"""Integrated gradients of one neuron with respect to the layer below (Sundararajan et al. 2017; METHOD §§2, 4).

For target channel a, patch v, activation A of the layer below on v and baseline 0:

  T(a, i, v) = Σ_space A_i ⊙ ∫₀¹ ∂φ_a/∂A_i (αA) dα

1. What is affine along the path is taken out of the integral, and only what feeds the target is computed
   (affine_split.py); the rest, the core, is evaluated once for all targets of a patch (nonlinear_part.py), and their
   gradients go back together (backward.py). A segment that cannot be split is run as it is.
2. The integral is a sum over steps of the path, by one of two rules (a segment that is not split: always Gauss's, its
   error with the rule of cells being how far T of the last step is from the step before):
   - cells: n cells with the mean slopes in each, and Romberg's step from n/2 and n; the size of that step, relative to
     T's, is the error (L2 over the channels);
   - gauss: n Gauss–Legendre nodes; its error is taken for the completeness gap.
3. Pairs (a, v) whose error or completeness gap is over the tolerance are computed again with twice the steps, up to
   the most allowed. A segment that is affine throughout takes one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, fx

from neurflow_report.attribution.affine_backward import Below, attributed, spatial_sum
from neurflow_report.attribution.affine_split import (
    AffineSplit,
    NotSplittableError,
    affine_values,
    channel_path,
    split,
)
from neurflow_report.attribution.backward import Batch, Gradients, to_frontier
from neurflow_report.attribution.channel_responses import Space
from neurflow_report.attribution.nonlinear_part import Group, NonlinearPart, Steps, cells, gauss, gauss_legendre, groups
from neurflow_report.network.forward import spatial_mean

Segment = Callable[[Tensor], Tensor]
Rule = Literal["cells", "gauss"]

BLOCK = 16 * 2**20
"""Bytes of the widest tensor that the core works on at once on a CPU: about half of a usual last-level cache."""
FEWEST_NODES = 8
"""Nodes that a segment which cannot be split begins with: METHOD's."""
FEW = 8
"""Pairs that a CPU works on at once at least, where there are more."""
ROUNDING = 100
"""Times the dtype's precision times Σ_i |T|: a completeness gap of this size is rounding, and counts as 0."""
EPSILON = 1e-6
"""Floor of the completeness gap's denominator, in units of the target's activation."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Targets and patches to attribute: pair p is target channel `channels[p]` on the activation row `rows[p]`."""

    rows: Tensor
    channels: Tensor


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """T of each pair, (pairs, C) in units of the target's activation; `gap` and `error` (pairs,) relative;
    `nodes` (pairs,): the steps that it took."""

    values: Tensor
    gap: Tensor
    error: Tensor
    nodes: Tensor


@dataclass(frozen=True, kw_only=True)
class Quadrature:
    """The rule, its steps to begin with and at most, and the relative error or gap that is good enough.

    The rule of cells compares with half as many, so that its counts are even.
    """

    rule: Rule = "cells"
    nodes: int = 4
    max_nodes: int = 64
    tolerance: float = 0.02

    def counts(self) -> list[int]:
        """Numbers of steps to try, doubling: 4, 8, 16, 32, 64. Nodes end with the most; cells are even, and doubled."""
        counts = [self.nodes]
        while 2 * counts[-1] <= self.max_nodes:
            counts.append(2 * counts[-1])
        return counts if self.rule == "cells" or counts[-1] == self.max_nodes else [*counts, self.max_nodes]


def attribute(
    segment: Segment,
    activations: Tensor,
    pairs: Pairs,
    *,
    axis: int,
    out_axis: int,
    quadrature: Quadrature,
    rows: int,
    whole: bool = False,
) -> Attribution:
    """T(a, i, v) for each pair (METHOD §2).

    Args: segment: eval-mode function of the lower layer's activation alone; activations: (n, …) of the patches in use;
    axis, out_axis: the channel axes of the segment's input and output; rows: the most rows (pair × step) a batch;
    whole: whether the segment is run as it is though it could be split.
    Returns: an Attribution on the activations' device.
    """
    make = PlainEngine if whole else _engine
    return make(segment, activations, axis, out_axis, rows).integrate(pairs, quadrature)


def completeness_gap(total: Tensor, output_delta: Tensor) -> Tensor:
    """|Σ_i T − (φ(A) − φ(0))| / max(|φ(A) − φ(0)|, ε) of each pair: relative, 0 is exact. METHOD §2."""
    return (total - output_delta).abs() / output_delta.abs().clamp_min(EPSILON)


class Engine(Protocol):
    """How T is computed on one segment."""

    def integrate(self, pairs: Pairs, quadrature: Quadrature) -> Attribution:
        """T of each pair, with as many steps as its error and its gap ask for."""


def _engine(segment: Segment, activations: Tensor, axis: int, out_axis: int, rows: int) -> Engine:
    """The split engine where the segment can be split, else the plain one."""
    if isinstance(segment, fx.GraphModule):
        try:
            return SplitEngine(split(segment, activations[:1], axis, out_axis), activations, axis, rows)
        except NotSplittableError:
            pass
    return PlainEngine(segment, activations, axis, out_axis, rows)


class PlainEngine:
    """The segment as it is, by Gauss's rule: pairs × nodes are the rows of one batch, at most `rows` at once."""

    def __init__(self, segment: Segment, activations: Tensor, axis: int, out_axis: int, rows: int) -> None:
        self.segment, self.activations, self.rows = segment, activations, rows
        self.axis, self.out_axis = axis, out_axis

    def integrate(self, pairs: Pairs, quadrature: Quadrature) -> Attribution:
        """T of each pair, and the nodes it took."""
        output_delta, count = self._output_delta(pairs), len(pairs.rows)
        values = self.activations.new_zeros((count, self.activations.shape[self.axis]))
        error = values.new_full((count,), math.inf)
        nodes, pending = torch.zeros(count, dtype=torch.long), torch.arange(count, device=self.activations.device)
        for n in self._counts(quadrature):
            before = values[pending]
            for some in torch.split(pending, max(1, self.rows // n)):
                values[some] = self._some(pairs.rows[some], pairs.channels[some], n)
            now = values[pending]
            gap = completeness_gap(now.sum(dim=1), output_delta[pending])
            step = (now - before).norm(dim=1) / now.norm(dim=1).clamp_min(torch.finfo(now.dtype).tiny)
            error[pending] = gap if quadrature.rule == "gauss" else step
            nodes[pending.cpu()] = n
            pending = pending[(gap > quadrature.tolerance) | (error[pending] > quadrature.tolerance)]
            if len(pending) == 0:
                break
        gap = completeness_gap(values.sum(dim=1), output_delta)
        return Attribution(values=values, gap=gap, error=error, nodes=nodes)

    @staticmethod
    def _counts(quadrature: Quadrature) -> list[int]:
        """Numbers of nodes to try: where the difference of two tells the error, METHOD's to begin with."""
        if quadrature.rule == "gauss":
            return quadrature.counts()
        fewest = max(FEWEST_NODES, quadrature.nodes)
        return Quadrature(rule="gauss", nodes=fewest, max_nodes=max(2 * fewest, quadrature.max_nodes)).counts()

    @torch.no_grad()
    def _output_delta(self, pairs: Pairs) -> Tensor:
        """φ_a(A) − φ_a(0) of each pair."""
        phi = [spatial_mean(self.segment(part), self.out_axis) for part in torch.split(self.activations, self.rows)]
        start = spatial_mean(self.segment(torch.zeros_like(self.activations[:1])), self.out_axis)
        return torch.cat(phi)[pairs.rows, pairs.channels] - start[0, pairs.channels]

    def _some(self, rows: Tensor, channels: Tensor, n: int) -> Tensor:
        alphas, weights = (torch.as_tensor(x).to(self.activations) for x in gauss_legendre(n))
        top = self.activations[rows]
        mean_gradient = torch.zeros_like(top)
        nodes = max(1, self.rows // len(top))
        for a, w in zip(torch.split(alphas, nodes), torch.split(weights, nodes), strict=True):
            mean_gradient += _gradient(self.segment, top, channels, a, w, self.out_axis)
        return spatial_sum(top * mean_gradient, self.axis)


class SplitEngine:
    """The segment split (affine_split.py), a few patches at a time, all their targets together.

    On a CPU the core's tensors are kept to `BLOCK` bytes: they stay in the cache from one operation to the next.
    """

    def __init__(self, part: AffineSplit, activations: Tensor, axis: int, rows: int) -> None:
        self.part, self.activations, self.axis = part, activations, axis
        self.affine = affine_values(part, activations, rows)
        self.channels, self.space = activations.shape[axis], Space()
        fitting = BLOCK // (_widest(part) * activations.element_size())
        self.most, self.rows = rows, max(1, min(rows, fitting) if activations.device.type == "cpu" else rows)

    @torch.no_grad()
    def integrate(self, pairs: Pairs, quadrature: Quadrature) -> Attribution:
        """T of each pair, and the steps it took; a segment that is affine throughout takes one."""
        count = len(pairs.rows)
        values = self.activations.new_zeros((count, self.channels))
        gap, error = values.new_zeros(count), values.new_zeros(count)
        nodes = torch.zeros(count, dtype=torch.long)
        for block in self._blocks(pairs.rows, quadrature.nodes):
            some = Pairs(rows=pairs.rows[block], channels=pairs.channels[block])
            found = self._block(some, quadrature)
            values[block], gap[block], error[block] = found.values, found.gap, found.error
            nodes[block.cpu()] = found.nodes
        return Attribution(values=values, gap=gap, error=error, nodes=nodes)

    def _blocks(self, rows: Tensor, steps: int) -> Iterator[Tensor]:
        """Pairs of a few patches each. On a CPU, no more than it takes for a few pairs: slopes and tables of one patch
        need no copies; elsewhere as many as keep to `rows` rows of pairs × steps, and of patches × points."""
        order = torch.argsort(rows, stable=True)
        sizes = torch.unique_consecutive(rows[order], return_counts=True)[1].tolist()
        first = taken = patches = 0
        for size in sizes:
            full = taken >= FEW if self.activations.device.type == "cpu" else (taken + size) * steps > self.rows
            if taken and (full or (patches + 1) * (steps + 1) > self.rows):
                yield order[first : first + taken]
                first, taken, patches = first + taken, 0, 0
            taken, patches = taken + size, patches + 1
        if taken:
            yield order[first : first + taken]

    def _block(self, pairs: Pairs, quadrature: Quadrature) -> Attribution:
        """The pairs of a few patches."""
        patches, rows = torch.unique(pairs.rows, return_inverse=True)
        targets, places = torch.unique(pairs.channels, return_inverse=True)
        counts = [1] if self.part.is_affine else quadrature.counts()
        path = _Path(self, patches, "gauss" if self.part.is_affine else quadrature.rule, len(rows))
        values = self.activations.new_zeros((len(rows), self.channels))
        gap, error = values.new_zeros(len(rows)), values.new_zeros(len(rows))
        nodes = torch.zeros(len(rows), dtype=torch.long)
        for group, members in groups(self.part, targets.tolist(), rows.device):
            for some, batch in self._batches(rows, places, group, members, counts[0]):
                values[some], gap[some], error[some], nodes[some.cpu()] = path.climb(
                    batch, counts, quadrature.tolerance
                )
        return Attribution(values=values, gap=gap, error=error, nodes=nodes)

    def _batches(
        self, rows: Tensor, places: Tensor, group: Group, members: list[int], steps: int
    ) -> Iterator[tuple[Tensor, Batch]]:
        """A group's pairs, as many at once as fit: which, and as a batch. `places`: the target of each pair."""
        where = torch.full((int(places.max()) + 1,), -1, device=rows.device)
        where[torch.tensor(members, device=rows.device)] = torch.arange(len(members), device=rows.device)
        for some in torch.split((where[places] >= 0).nonzero().squeeze(1), max(1, self.rows // steps)):
            yield some, Batch(group=group, rows=rows[some], targets=where[places[some]])


def _widest(part: AffineSplit) -> int:
    """Elements of the core's widest tensor, for one row; 1 where all of them hold one channel."""
    sliced = channel_path(part, 0)
    whole = [n for n in part.order if n not in part.affine and n not in sliced]
    read = [i for n in part.order if n not in part.affine for i in n.all_input_nodes if i not in sliced]
    return max([part.at_baseline[n].numel() for n in (*whole, *read) if part.depends_on_input(n)], default=1)


class _Path:
    """The path of a few patches, at as many steps as are asked for; the cores are shared by all targets."""

    def __init__(self, engine: SplitEngine, patches: Tensor, rule: Rule, pairs: int) -> None:
        self.engine, self.patches, self.cells = engine, patches, rule == "cells"
        self.start = spatial_mean(engine.part.at_baseline[engine.part.result], engine.part.axis)[0]
        self.cores: dict[int, list[NonlinearPart]] = {}
        self.below = Below(
            core=self.core(gauss(1)),
            axis=engine.axis,
            channels=engine.channels,
            gradients=2 * pairs if self.cells else pairs,
            space=engine.space,
        )

    def core(self, steps: Steps) -> NonlinearPart:
        """The patches' core at these steps."""
        return NonlinearPart(self.engine.part, self.engine.affine, self.patches, steps)

    def climb(self, batch: Batch, counts: Sequence[int], tolerance: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """T, gap, error and steps of a batch; what is over the tolerance goes up to the next count."""
        fine, coarse, output_delta = self._integral(batch, counts[0], coarse=self.cells)
        values, gap, error = self._judged(batch, fine, coarse, output_delta)
        nodes = torch.full((len(batch),), counts[0])
        again = short = ((error > tolerance) | (gap > tolerance)).nonzero().squeeze(1)
        for n in counts[1:]:
            if len(again) == 0:
                break
            fine = {key: g[short] for key, g in fine.items()}
            found, refined = [], []
            for some in torch.split(torch.arange(len(again), device=again.device), max(1, self.engine.rows // n)):
                pairs, coarse = batch.some(again[some]), {key: g[some] for key, g in fine.items() if self.cells}
                better, _, output_delta = self._integral(pairs, n, coarse=False)
                found.append(self._judged(pairs, better, coarse, output_delta))
                refined.append(better)
            fine = {key: torch.cat([part[key] for part in refined]) for key in refined[0]}
            values[again], gap[again], error[again] = (torch.cat(part) for part in zip(*found, strict=True))
            nodes[again.cpu()] = n
            short = ((error[again] > tolerance) | (gap[again] > tolerance)).nonzero().squeeze(1)
            again = again[short]
        return values, gap, error, nodes

    def _integral(self, batch: Batch, n: int, *, coarse: bool) -> tuple[Gradients, Gradients, Tensor]:
        """Gradients at the frontier by n steps (and by n/2 cells), and φ(A) − φ(0)."""
        fine: Gradients = {}
        wide: Gradients = {}
        for core in self._cores(n):
            found = to_frontier(core, core.slopes(batch.group, coarse=coarse), batch)
            for sums, part in zip((fine, wide), found, strict=True):
                for key, gradient in part.items():
                    sums[key] = sums[key] + gradient if key in sums else gradient
        end = core.phi(batch.group)[batch.rows, -1, batch.targets]
        return fine, wide, end - self.start[batch.group.channels[self.engine.part.result][batch.targets]]

    def _cores(self, n: int) -> Iterator[NonlinearPart]:
        """The core at n steps; where these don't fit, it is made in pieces, each time anew."""
        steps = cells(n) if self.cells else gauss(n)
        size = max(2, self.engine.most // len(self.patches) // 2 * 2)
        if n > size:
            yield from (self.core(steps.some(first, size)) for first in range(0, n, size))
            return
        if n not in self.cores:
            self.cores[n] = [self.core(steps)]
        yield from self.cores[n]

    def _judged(
        self, batch: Batch, fine: Gradients, coarse: Gradients, output_delta: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """T, its gap, and its error: with cells, T takes Romberg's step, and the error is that step's relative size."""
        step = {key: (fine[key] - wide) / 3 for key, wide in coarse.items()}
        best = {key: gradient + step[key] if key in step else gradient for key, gradient in fine.items()}
        values, size = self._attributed(batch, best, step)
        miss, rounding = (values.sum(dim=1) - output_delta).abs(), ROUNDING * torch.finfo(output_delta.dtype).eps
        gap = completeness_gap(values.sum(dim=1), output_delta).where(miss > rounding * values.abs().sum(dim=1), 0)
        if self.engine.part.is_affine:
            return values, gap, torch.zeros_like(gap)
        if not self.cells:
            return values, gap, gap
        return values, gap, size / values.norm(dim=1).clamp_min(torch.finfo(values.dtype).tiny)

    def _attributed(self, batch: Batch, best: Gradients, step: Gradients) -> tuple[Tensor, Tensor]:
        """T of the best gradients, and the size (L2) of T of the step, which goes back beside them."""
        both = {key: torch.cat([gradient, step[key]]) for key, gradient in best.items()} if step else best
        every = torch.arange(len(batch), device=batch.rows.device)
        found = attributed(self.below, batch.some(every.repeat(2)) if step else batch, both)
        values, moved = found[: len(every)], found[len(every) :]
        return values, moved.norm(dim=1) if step else values.new_zeros(len(values))


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
