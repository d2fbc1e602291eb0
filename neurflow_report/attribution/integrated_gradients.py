"""Integrated gradients of one neuron with respect to the layer below (Sundararajan et al. 2017; METHOD §§2, 4).

For target channel a, patch v, activation A of the layer below on v and baseline 0:

  T(a, i, v) = Σ_space A_i ⊙ ∫₀¹ ∂φ_a/∂A_i (αA) dα

1. What is affine in α is taken out of the integral, and only what feeds the target is computed (affine_split.py); the
   rest, the nonlinear part, is evaluated once for all targets of a patch (nonlinear_part.py), and their gradients go
   back together (backward.py). A segment that cannot be split is run as it is.
2. The integral is a sum over `n_steps` steps of the path, by one of two rules (METHOD §4.4):
   - cells: n cells with the mean slopes in each, and Romberg's step from n/2 and n; the size of that step, relative to
     T's, is the error (L2 over the channels);
   - gauss: n Gauss–Legendre nodes; the completeness gap is taken for its error.
   A segment that is not split always takes Gauss's rule; where cells are asked for, its error is how far T moved in the
   last doubling.
3. Pairs (a, v) whose error or completeness gap is over the tolerance are computed again with twice the steps, up to
   the most allowed. A segment whose output is affine in α takes one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from neurflow_report.attribution.affine_backward import AffinePart, attributed, spatial_sum
from neurflow_report.attribution.affine_split import (
    AffineSplit,
    NotSplittableError,
    channel_path,
    split_segment,
    values_at_input,
)
from neurflow_report.attribution.backward import Batch, Gradients, to_frontier
from neurflow_report.attribution.channel_responses import TableBuffers
from neurflow_report.attribution.nonlinear_part import (
    NonlinearPart,
    Steps,
    cells,
    gauss,
    gauss_legendre,
    target_groups,
)
from neurflow_report.attribution.operations import is_pointwise
from neurflow_report.network import devices
from neurflow_report.network.forward import spatial_mean

Segment = Callable[[Tensor], Tensor]
Rule = Literal["cells", "gauss"]
Indices = NDArray[np.int64]

BLOCK = 16 * 2**20
"""Bytes of the nonlinear part's widest tensor at once on a CPU: about half of a usual last-level cache."""
FEWEST_NODES = 8
"""Nodes that a segment which cannot be split begins with (METHOD §4)."""
FEW = 8
"""Pairs that a CPU works on at once at least, where there are more."""
ROUNDING = 100
"""Times the dtype's precision times Σ_i |T|: a completeness gap of this size is rounding, and counts as 0 where a
segment is split. Of TF32, whose rounding does not add up in float32's sums, it is once."""
EPSILON = 1e-6
"""Floor of the completeness gap's denominator, in units of the target's activation."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Targets and patches to attribute: pair p is target channel `channels[p]` on the activation row `rows[p]`.

    Both are the host's, (pairs,): what is computed together follows from them, without waiting for the device.
    """

    rows: Indices
    channels: Indices


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """The attributions of some pairs.

    Attributes:
        values: T, (pairs, C), in units of the target's activation.
        gap: the completeness gap, relative, (pairs,) (METHOD §2).
        error: of the integral, relative, (pairs,) (METHOD §4.4).
        n_steps: cells or nodes that each pair took, (pairs,), on the CPU.
    """

    values: Tensor
    gap: Tensor
    error: Tensor
    n_steps: Tensor


@dataclass(frozen=True, kw_only=True)
class Quadrature:
    """How the integral is computed; the names are those of the spec's `attribution`.

    Attributes:
        rule: cells, or Gauss–Legendre quadrature.
        nodes, max_nodes: steps (cells or nodes) to begin with, and at most; even for cells, half of which are compared.
        tolerance: the relative error and completeness gap that are good enough.
    """

    rule: Rule = "cells"
    nodes: int = 4
    max_nodes: int = 64
    tolerance: float = 0.02

    def counts(self) -> list[int]:
        """Numbers of steps to try: 4, 8, 16, 32, 64. Gauss's rule ends with the most; cells only ever double."""
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
    split: AffineSplit | None = None,
    memory: int | None = None,
) -> Attribution:
    """T(a, i, v) for each pair (METHOD §2).

    Args:
        segment: eval-mode function of the lower layer's activation alone.
        activations: the lower layer's, of the patches in use, (n, …).
        pairs: the targets and their rows of `activations`.
        axis, out_axis: the channel axes of the segment's input and output.
        quadrature: how the integral is computed.
        rows: the most rows (pair × step) a batch.
        whole: whether the segment is run as it is though it could be split.
        split: that of `prepared`, which many calls share; else it is made.
        memory: bytes that a device's blocks may take where the segment is split; None: `rows` rows.
    Returns: T, its gap and its error, on the activations' device.
    """
    split = split or (None if whole else prepared(segment, activations[:1], axis, out_axis))
    engine: Engine = (
        PlainEngine(segment, activations, axis, out_axis, rows)
        if split is None or whole
        else SplitEngine(split, activations, axis, rows, memory)
    )
    return engine.integrate(pairs, quadrature)


def prepared(segment: Segment, row: Tensor, axis: int, out_axis: int) -> AffineSplit | None:
    """The segment split, for `attribute`; None where it has to be run as it is. `row`: (1, …) of its input."""
    if not isinstance(segment, fx.GraphModule):
        return None
    try:
        return split_segment(segment, row, axis, out_axis)
    except NotSplittableError:
        return None


def completeness_gap(total: Tensor, output_delta: Tensor) -> Tensor:
    """|Σ_i T − (φ(A) − φ(0))| / max(|φ(A) − φ(0)|, ε) of each pair: relative, 0 is exact (METHOD §2)."""
    return (total - output_delta).abs() / output_delta.abs().clamp_min(EPSILON)


class Engine(Protocol):
    """How T is computed on one segment."""

    def integrate(self, pairs: Pairs, quadrature: Quadrature) -> Attribution:
        """T of each pair, with as many steps as its error and its completeness gap ask for."""


def index_on(like: Tensor, numbers: Indices) -> Tensor:
    """Numbers that the host knows, beside a tensor on the device: nothing waits for that."""
    return torch.from_numpy(np.ascontiguousarray(numbers)).to(like.device, non_blocking=like.device.type == "cuda")


class PlainEngine:
    """The segment as it is, by Gauss's rule: pairs × nodes are the rows of a batch, at most `rows` of them."""

    def __init__(self, segment: Segment, activations: Tensor, axis: int, out_axis: int, rows: int) -> None:
        self.segment, self.activations, self.rows = segment, activations, rows
        self.axis, self.out_axis = axis, out_axis

    def integrate(self, pairs: Pairs, quadrature: Quadrature) -> Attribution:
        """See `Engine`."""
        rows, channels = (index_on(self.activations, np.asarray(x)) for x in (pairs.rows, pairs.channels))
        output_delta, count = self._output_delta(rows, channels), len(rows)
        values = self.activations.new_zeros((count, self.activations.shape[self.axis]))
        error = values.new_full((count,), math.inf)
        n_steps, pending = np.zeros(count, np.int64), np.arange(count)
        for n in self._counts(quadrature):
            n_steps[pending] = n
            places = index_on(self.activations, pending)
            before = values[places]
            for some in torch.split(places, max(1, self.rows // n)):
                values[some] = self._integrated(rows[some], channels[some], n)
            now = values[places]
            gap = completeness_gap(now.sum(dim=1), output_delta[places])
            step = (now - before).norm(dim=1) / now.norm(dim=1).clamp_min(torch.finfo(now.dtype).tiny)
            error[places] = gap if quadrature.rule == "gauss" else step
            over = (gap > quadrature.tolerance) | (error[places] > quadrature.tolerance)
            pending = pending[over.cpu().numpy()]
            if len(pending) == 0:
                break
        gap = completeness_gap(values.sum(dim=1), output_delta)
        return Attribution(values=values, gap=gap, error=error, n_steps=torch.from_numpy(n_steps))

    @staticmethod
    def _counts(quadrature: Quadrature) -> list[int]:
        """Numbers of nodes to try: where the difference of two tells the error, METHOD's to begin with."""
        if quadrature.rule == "gauss":
            return quadrature.counts()
        fewest = max(FEWEST_NODES, quadrature.nodes)
        return Quadrature(rule="gauss", nodes=fewest, max_nodes=max(2 * fewest, quadrature.max_nodes)).counts()

    @torch.no_grad()
    def _output_delta(self, rows: Tensor, channels: Tensor) -> Tensor:
        """φ_a(A) − φ_a(0) of each pair."""
        phi = [spatial_mean(self.segment(part), self.out_axis) for part in torch.split(self.activations, self.rows)]
        start = spatial_mean(self.segment(torch.zeros_like(self.activations[:1])), self.out_axis)
        return torch.cat(phi)[rows, channels] - start[0, channels]

    def _integrated(self, rows: Tensor, channels: Tensor, n: int) -> Tensor:
        """T by n nodes, (pairs, C): METHOD §2 with A' = 0."""
        alphas, weights = (torch.as_tensor(x).to(self.activations) for x in gauss_legendre(n))
        inputs = self.activations[rows]  # (pairs, …)
        mean_gradient = torch.zeros_like(inputs)
        at_once = max(1, self.rows // len(inputs))
        for a, w in zip(torch.split(alphas, at_once), torch.split(weights, at_once), strict=True):
            mean_gradient += _gradient(self.segment, inputs, channels, a, w, self.out_axis)
        return spatial_sum(inputs * mean_gradient, self.axis)


class SplitEngine:
    """The segment split (affine_split.py), a few patches at a time, all their targets together.

    On a CPU the nonlinear part's tensors are kept to `BLOCK` bytes: they stay in the cache between operations. On a
    device blocks are as large as fit: half of the memory is for what the targets of a patch share, half for the pairs.

    Attributes:
        most: rows of a pass through the segment, points of the path (patch × point) among them.
        rows: rows of a way back (pair × step).
    """

    def __init__(
        self, split: AffineSplit, activations: Tensor, axis: int, rows: int, memory: int | None = None
    ) -> None:
        self.split, self.activations, self.axis = split, activations, axis
        self.at_input = values_at_input(split, activations, rows)
        self.channels, self.buffers = activations.shape[axis], TableBuffers()
        size = activations.element_size()
        self.most = self.rows = rows
        if devices.is_host(activations.device):
            self.rows = max(1, min(rows, BLOCK // (_widest(split) * size)))
        elif memory is not None:
            most = devices.most_rows(activations.device, gradients=True)
            point, pair = _taken(split)
            self.most = max(rows, min(most, memory // 2 // (point * size)))
            self.rows = max(rows, min(most, memory // 2 // (pair * size)))

    @torch.no_grad()
    def integrate(self, pairs: Pairs, quadrature: Quadrature) -> Attribution:
        """See `Engine`; a segment whose output is affine in α takes one step."""
        rows, channels = np.asarray(pairs.rows), np.asarray(pairs.channels)
        values = self.activations.new_zeros((len(rows), self.channels))
        misses = values.new_zeros((2, len(rows)))  # the gaps, then the errors
        n_steps = np.zeros(len(rows), np.int64)
        for block in self._blocks(rows, quadrature.nodes):
            for some, found in self._block(rows[block], channels[block], quadrature):
                n_steps[block[some]] = found.n_steps
                where = index_on(self.activations, block[some])
                values[where], misses[:, where] = found.values, found.misses
        return Attribution(values=values, gap=misses[0], error=misses[1], n_steps=torch.from_numpy(n_steps))

    def _blocks(self, rows: Indices, steps: int) -> Iterator[Indices]:
        """The numbers of the pairs, those of a few patches at a time."""
        # On a CPU as few patches as give `FEW` pairs: with one patch, slopes and tables are broadcast, not copied.
        # Elsewhere as many as keep to `rows` rows of pairs × steps, and to `most` of patches × points of the path.
        order, on_host = np.argsort(rows, kind="stable"), devices.is_host(self.activations.device)
        first = taken = patches = 0
        for size in np.unique(rows, return_counts=True)[1].tolist():
            full = taken >= FEW if on_host else (taken + size) * steps > self.rows
            points = self.rows if on_host else self.most
            if taken and (full or (patches + 1) * (steps + 1) > points):
                yield order[first : first + taken]
                first, taken, patches = first + taken, 0, 0
            taken, patches = taken + size, patches + 1
        if taken:
            yield order[first : first + taken]

    def _block(self, rows: Indices, channels: Indices, quadrature: Quadrature) -> Iterator[tuple[Indices, _Integrated]]:
        """The pairs of a few patches, batch by batch: which of them, and what was found."""
        patches, patch_of = np.unique(rows, return_inverse=True)
        targets, target_of = np.unique(channels, return_inverse=True)
        counts = [1] if self.split.is_affine else quadrature.counts()
        rule: Rule = "gauss" if self.split.is_affine else quadrature.rule
        path, most = _Path(self, index_on(self.activations, patches), rule, len(rows)), max(1, self.rows // counts[0])
        for group, members in target_groups(self.split, targets.tolist(), self.activations.device):
            in_group = np.full(len(targets), -1)  # target → its number in the group
            in_group[members] = np.arange(len(members))
            mine = np.flatnonzero(in_group[target_of] >= 0)
            for first in range(0, len(mine), most):
                some = mine[first : first + most]
                both = index_on(self.activations, np.stack([patch_of[some], in_group[target_of[some]]]))
                batch = Batch(group=group, rows=both[0], targets=both[1])
                yield some, path.integrate(batch, counts, quadrature.tolerance)


@dataclass(frozen=True, kw_only=True)
class _Integrated:
    """What was found of a batch's pairs.

    Attributes:
        values: T, (pairs, C).
        misses: the gaps, then the errors, (2, pairs).
        n_steps: what each took, (pairs,), the host's.
    """

    values: Tensor
    misses: Tensor
    n_steps: Indices


def _widest(split: AffineSplit) -> int:
    """Elements of the nonlinear part's widest tensor, for one row; 1 where all of them hold one channel."""
    sliced = channel_path(split, 0)
    whole = [n for n in split.order if n not in split.affine_nodes and n not in sliced]
    read = [i for n in split.order if n not in split.affine_nodes for i in n.all_input_nodes if i not in sliced]
    return max([split.at_baseline[n].numel() for n in (*whole, *read) if split.depends_on_input(n)], default=1)


SAMPLE = 16
"""Target channels that tell which tensors a segment's targets need whole."""


def _taken(split: AffineSplit) -> tuple[int, int]:
    """Numbers that a point of a patch's path takes, with all that its targets share, and a step of a pair, about."""
    count = split.channels(split.result)
    paths = [channel_path(split, int(c)) for c in np.unique(np.linspace(0, count - 1, SAMPLE).astype(int))]
    whole = [n for n in split.order if n not in split.affine_nodes and not all(n in path for path in paths)]
    read = {i for n in whole for i in n.all_input_nodes if i not in whole and split.depends_on_input(i)}
    sizes = {n: split.at_baseline[n].numel() for n in (*whole, *read, split.source)}
    widest = max((sizes[n] for n in (*whole, *read)), default=1)
    # Values and slopes, fine and coarse, and what a secant takes while it is made.
    point = sum(sizes[n] for n in read) + sum(sizes[n] * (2.5 if is_pointwise(n) else 1) for n in whole) + 4 * widest
    # A gradient, its slopes and their product, fine and coarse; once for all steps the frontier's and those at A.
    pair = 1.5 * 3 * widest + 6 * (sum(sizes[n] for n in read) + sizes[split.source]) / Quadrature.nodes
    return round(point), round(pair)


class _Path:
    """The path of a few patches, at as many steps as are asked for; its nonlinear parts are shared by all targets."""

    def __init__(self, engine: SplitEngine, patches: Tensor, rule: Rule, pairs: int) -> None:
        self.engine, self.patches, self.cells = engine, patches, rule == "cells"
        self.start = spatial_mean(engine.split.at_baseline[engine.split.result], engine.split.axis)[0]
        self.nonlinear_parts: dict[int, list[NonlinearPart]] = {}
        self.affine_part = AffinePart(
            nonlinear=self.nonlinear_part(gauss(1)),
            axis=engine.axis,
            channels=engine.channels,
            gradients=2 * pairs if self.cells else pairs,
            buffers=engine.buffers,
        )

    def nonlinear_part(self, steps: Steps) -> NonlinearPart:
        """The patches' nonlinear part at these steps."""
        return NonlinearPart(self.engine.split, self.engine.at_input, self.patches, steps)

    def integrate(self, batch: Batch, counts: Sequence[int], tolerance: float) -> _Integrated:
        """T of a batch; pairs over the tolerance are refined with the next of the counts."""
        fine, coarse, output_delta = self._integral(batch, counts[0], coarse=self.cells)
        values, misses = self._with_misses(batch, fine, coarse, output_delta)
        n_steps = np.full(len(batch), counts[0])
        pending, last = np.arange(len(batch)), misses
        for n in counts[1:]:
            # Which pairs are over the tolerance is all that the host waits for, once for each of the counts.
            short = np.flatnonzero((last > tolerance).any(dim=0).cpu().numpy())
            if len(short) == 0:
                break
            pending = pending[short]
            n_steps[pending] = n
            places = index_on(self.engine.activations, np.stack([short, pending]))
            fine = {key: g[places[0]] for key, g in fine.items()}  # the n/2 cells of Romberg's step, at hand
            found, refined = [], []
            for first in range(0, len(pending), max(1, self.engine.rows // n)):
                some = slice(first, first + max(1, self.engine.rows // n))
                pairs, coarse = batch.some(places[1, some]), {key: g[some] for key, g in fine.items() if self.cells}
                better, _, output_delta = self._integral(pairs, n, coarse=False)
                found.append(self._with_misses(pairs, better, coarse, output_delta))
                refined.append(better)
            fine = {key: torch.cat([part[key] for part in refined]) for key in refined[0]}
            values[places[1]], last = torch.cat([part for part, _ in found]), torch.cat([m for _, m in found], dim=1)
            misses[:, places[1]] = last
        return _Integrated(values=values, misses=misses, n_steps=n_steps)

    def _integral(self, batch: Batch, n: int, *, coarse: bool) -> tuple[Gradients, Gradients, Tensor]:
        """Gradients at the frontier by n steps (and by n/2 cells), and φ(A) − φ(0)."""
        fine: Gradients = {}
        coarse_sums: Gradients = {}
        for nonlinear in self._nonlinear_parts(n):
            found = to_frontier(nonlinear, nonlinear.slopes(batch.group, coarse=coarse), batch)
            for sums, part in zip((fine, coarse_sums), found, strict=True):
                for key, gradient in part.items():
                    sums[key] = sums[key] + gradient if key in sums else gradient
        end = nonlinear.phi(batch.group)[batch.rows, -1, batch.targets]
        return fine, coarse_sums, end - self.start[batch.group.channels[self.engine.split.result][batch.targets]]

    def _nonlinear_parts(self, n: int) -> Iterator[NonlinearPart]:
        """The nonlinear part at n steps; where these don't fit, it is made in pieces, each time anew."""
        steps = cells(n) if self.cells else gauss(n)
        size = max(2, self.engine.most // len(self.patches) // 2 * 2)  # even: a coarse cell is two fine ones
        if n > size:
            yield from (self.nonlinear_part(steps.some(first, size)) for first in range(0, n, size))
            return
        if n not in self.nonlinear_parts:
            self.nonlinear_parts[n] = [self.nonlinear_part(steps)]
        yield from self.nonlinear_parts[n]

    def _with_misses(
        self, batch: Batch, fine: Gradients, coarse: Gradients, output_delta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """T, (pairs, C), and its gaps and errors, (2, pairs): with cells, T takes Romberg's step, and the error is that
        step's relative size."""
        # METHOD §4.4: T = T(n) + (T(n) − T(n/2)) / 3. T is linear in the frontier's gradients: the step is taken there.
        step = {key: (fine[key] - wide) / 3 for key, wide in coarse.items()}
        best = {key: gradient + step[key] if key in step else gradient for key, gradient in fine.items()}
        values, size = self._attributed(batch, best, step)
        unit = max(ROUNDING * torch.finfo(values.dtype).eps, devices.rounding(values))
        total, rounding = values.sum(dim=1), unit * values.norm(1, dim=1)
        gap = completeness_gap(total, output_delta).where((total - output_delta).abs() > rounding, 0)
        if self.engine.split.is_affine:
            return values, torch.stack([gap, torch.zeros_like(gap)])
        if not self.cells:
            return values, torch.stack([gap, gap])
        return values, torch.stack([gap, size / values.norm(dim=1).clamp_min(torch.finfo(values.dtype).tiny)])

    def _attributed(self, batch: Batch, best: Gradients, step: Gradients) -> tuple[Tensor, Tensor]:
        """T of the best gradients, (pairs, C), and the size (L2) of T of the step, (pairs,)."""
        # Both go back in one batch: the first half the best gradients, the second Romberg's step.
        both = {key: torch.cat([gradient, step[key]]) for key, gradient in best.items()} if step else best
        every = torch.arange(len(batch), device=batch.rows.device)
        found = attributed(self.affine_part, batch.some(every.repeat(2)) if step else batch, both)
        values, step_values = found[: len(every)], found[len(every) :]
        return values, step_values.norm(dim=1) if step else values.new_zeros(len(values))


def _gradient(
    segment: Segment, inputs: Tensor, channels: Tensor, alphas: Tensor, weights: Tensor, out_axis: int
) -> Tensor:
    """Σ over the nodes of weight × ∂φ/∂A at α·A, for each row of `inputs` and its channel: the shape of `inputs`."""
    n, shape = len(alphas), (-1, *[1] * (inputs.dim() - 1))
    path = (inputs.unsqueeze(1) * alphas.view(1, *shape)).flatten(0, 1).requires_grad_()  # (rows · nodes, …)
    with torch.enable_grad():
        phi = spatial_mean(segment(path), out_axis)
        chosen = phi.gather(1, channels.repeat_interleave(n).unsqueeze(1)).squeeze(1)
        # Rows do not mix in eval mode: the gradient of the sum over rows is each row's own.
        (gradient,) = torch.autograd.grad((chosen * weights.repeat(len(inputs))).sum(), path)
    return gradient.view(len(inputs), n, *inputs.shape[1:]).sum(dim=1)
