"""The nonlinear part of a segment along the path α·A: its values for all targets of a few patches, and its slopes.

1. The tensors do not depend on the target until one channel is taken: they are computed once for all targets of a
   patch. Where only the targets' channels are needed, only these are computed (METHOD §4.2, §4.3).
2. The path is cut into steps, whose weights sum to 1 (METHOD §4.4):
   - Gauss: nodes α_j; a step's slope of y = f(x) is f'(x(α_j)).
   - Cells: [α_j, α_j+1]; the slope is (f(x(α_j+1)) − f(x(α_j))) / (x(α_j+1) − x(α_j)), which is the mean of f' over the
     cell where x is affine there. So a ReLU that opens inside a cell counts for the part of it in which it is open,
     and completeness holds cell by cell.
3. An operation that is not pointwise has the derivative at the midpoint of its inputs' values at the cell's ends, which
   is exact for products and for affine operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from neurflow_report.attribution import operations as ops
from neurflow_report.attribution.affine_split import AffineSplit, Read, channel_path, needed, only_input, reads
from neurflow_report.attribution.few_channel_conv import conv_few_channels
from neurflow_report.network import devices
from neurflow_report.network.forward import spatial_mean


@dataclass(frozen=True, kw_only=True)
class Steps:
    """n steps of the path.

    Attributes:
        alphas: n + 1 points at which the nonlinear part is evaluated; the path's last is 1.
        weights: of the n steps.
        cells: whether step j lies between alphas j and j + 1; else it is the Gauss node at alpha j, and the last alpha
            has no step: at the path's end φ(A) is taken there.
    """

    alphas: tuple[float, ...]
    weights: tuple[float, ...]
    cells: bool

    def __len__(self) -> int:
        return len(self.weights)

    def some(self, first: int, count: int) -> Steps:
        """`count` steps from number `first` on."""
        weights = self.weights[first : first + count]
        return Steps(alphas=self.alphas[first : first + len(weights) + 1], weights=weights, cells=self.cells)


@cache
def cells(count: int) -> Steps:
    """`count` cells of the same width."""
    return Steps(alphas=tuple(i / count for i in range(count + 1)), weights=(1 / count,) * count, cells=True)


@cache
def gauss_legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss–Legendre quadrature on [0, 1]; the weights sum to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


@cache
def gauss(count: int) -> Steps:
    """Gauss–Legendre quadrature; exact for polynomials up to degree 2·count − 1."""
    nodes, weights = gauss_legendre(count)
    return Steps(alphas=(*nodes.tolist(), 1.0), weights=tuple(weights.tolist()), cells=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetGroup:
    """Targets whose channel paths have the same nodes.

    Attributes:
        split: of the segment.
        channels: at every node of the path the channel that each target needs, (targets,).
        first: the same of the first target alone.
    """

    split: AffineSplit
    channels: Mapping[fx.Node, Tensor]
    first: Mapping[fx.Node, int]

    def __len__(self) -> int:
        return len(self.channels[self.split.result])

    def reads(self, node: fx.Node) -> tuple[Read, ...] | None:
        """What the targets' channels of a node need, as `affine_split.reads` has it, by the first target's channel."""
        found = reads(self.split, node, self.first[node])
        if found is None or any(channel is not None and source not in self.channels for source, channel in found):
            return None
        return found


def target_groups(
    split: AffineSplit, channels: Sequence[int], device: torch.device
) -> list[tuple[TargetGroup, list[int]]]:
    """Target channels grouped by the nodes on their channel paths, and where each group's stand in `channels`."""
    channel_paths = [channel_path(split, channel) for channel in channels]
    alike: dict[tuple[fx.Node, ...], list[int]] = {}
    for place, found in enumerate(channel_paths):
        alike.setdefault(tuple(found), []).append(place)
    groups = []
    for nodes, places in alike.items():
        table = torch.tensor([[channel_paths[p][n] for p in places] for n in nodes], device=device)  # one copy
        by_node = dict(zip(nodes, table.unbind(), strict=True))
        groups.append((TargetGroup(split=split, channels=by_node, first=channel_paths[places[0]]), places))
    return groups


class Leaves(Protocol):
    """Where an evaluation of a segment begins: the tensors whose values are given."""

    def holds(self, node: fx.Node, *, sliced: bool) -> bool:
        """Whether the value of a node that depends on A is given; `sliced`: that of some of its channels."""

    def value(self, node: fx.Node, channels: Tensor | None) -> Tensor:
        """The value of a node that is held, (B, …); of these channels alone where they are not None."""


class Evaluator:
    """The values of a segment's tensors, (B, …), for whatever B rows the leaves have.

    A sliced tensor holds the channels of a group's targets alone, one for each target, in place of all channels.
    """

    def __init__(self, split: AffineSplit, leaves: Leaves) -> None:
        self.split, self.leaves = split, leaves
        self._whole: dict[fx.Node, Any] = {}
        self._sliced: dict[tuple[TargetGroup, fx.Node], Tensor] = {}

    def value(self, group: TargetGroup, node: fx.Node, sliced: bool) -> Any:
        """The node's value; with `sliced`, of the group's channels alone."""
        return self.slices(group, node) if sliced else self.whole(node)

    def phi(self, group: TargetGroup) -> Tensor:
        """φ of the group's targets, (B, targets)."""
        return spatial_mean(self.slices(group, self.split.result), self.split.axis)

    @torch.no_grad()
    def whole(self, node: fx.Node) -> Any:
        """All channels of the node."""
        if not self.split.depends_on_input(node):
            return self.split.at_baseline[node]
        if node not in self._whole:
            for one in needed(self.split, node, self._whole.__contains__, partial(self.leaves.holds, sliced=False)):
                known = self.leaves.holds(one, sliced=False)
                self._whole[one] = self.leaves.value(one, None) if known else ops.run(one, self.whole)
        return self._whole[node]

    @torch.no_grad()
    def slices(self, group: TargetGroup, node: fx.Node) -> Tensor:
        """The group's channels of the node, (B, targets, …) where the channel axis is 1."""
        # Depth first without recursion: a graph can be deeper than Python's stack.
        waiting = [node]
        while waiting:
            one = waiting[-1]
            missing = [n for n in self._sliced_inputs(group, one) if (group, n) not in self._sliced]
            if not missing:
                if (group, one) not in self._sliced:
                    self._sliced[group, one] = self._slice(group, one)
                waiting.pop()
            waiting += missing
        return self._sliced[group, node]

    def _sliced_inputs(self, group: TargetGroup, node: fx.Node) -> list[fx.Node]:
        """The inputs of which the targets' channels of a node need one channel each."""
        into = () if self.leaves.holds(node, sliced=True) else group.reads(node) or ()
        return [source for source, channel in into if channel is not None and self.split.depends_on_input(source)]

    def _slice(self, group: TargetGroup, node: fx.Node) -> Tensor:
        channels = group.channels[node]
        if self.leaves.holds(node, sliced=True):
            return self.leaves.value(node, channels)
        into = group.reads(node)
        if into is None:  # the channels mix here: from this node down all of them are needed
            found: Tensor = self.whole(node)
            return found.index_select(self.split.axis, channels)
        kind = self.split.kind(node)
        if kind == "conv":
            return self._conv(group, node, channels)
        if kind == "linear":
            linear = ops.linear_of(node)
            bias = None if linear.bias is None else linear.bias[channels]
            return F.linear(self.whole(only_input(node)), linear.weight[channels], bias)
        if kind == "norm":
            ones = [1] * (self.split.at_baseline[node].ndim - 2)
            scale, shift = (v[channels].view(-1, *ones) for v in self.split.norm(node))
            return torch.addcmul(shift, self.slices(group, only_input(node)), scale)
        if kind == "cat":
            return self.slices(group, into[0][0])
        sliced = {source for source, channel in into if channel is not None}
        return run_sliced(self.split, node, channels, lambda n: self.value(group, n, n in sliced))

    def _conv(self, group: TargetGroup, node: fx.Node, channels: Tensor) -> Tensor:
        conv, source = ops.conv_of(node), only_input(node)
        weight, bias = conv.weight[channels], None if conv.bias is None else conv.bias[channels]
        if conv.groups == 1:
            return conv_few_channels(conv, self.whole(source), weight, bias)
        if conv.in_channels == conv.groups:
            inputs = self.slices(group, source)  # (B, targets, H, W)
        else:
            # (B, targets · width, H, W)
            inputs = self.whole(source).index_select(1, group_inputs(conv, channels).flatten())
        # A grouped convolution with a group for each target, which reads its own input channels alone.
        return F.conv2d(inputs, weight, bias, conv.stride, conv.padding, conv.dilation, len(channels))


class NonlinearPart:
    """A segment on a few patches at given points of the path: its tensors are (rows · alphas, …), rows outermost.

    Args:
        split: of the segment.
        at_input: the values at A of the nodes `split.kept`, (n, …) each.
        rows: which of these n patches.
        steps: of the path.
    """

    def __init__(self, split: AffineSplit, at_input: Mapping[fx.Node, Tensor], rows: Tensor, steps: Steps) -> None:
        self.split, self.at_input, self.rows, self.steps = split, at_input, rows, steps
        self.alphas = split.numbers(steps.alphas)
        self.values = Evaluator(split, PathLeaves(split, at_input, rows, self.alphas))
        self._slopes: dict[tuple[TargetGroup, bool], Slopes] = {}

    def phi(self, group: TargetGroup) -> Tensor:
        """φ of the group's targets, (rows, alphas, targets)."""
        return self.values.phi(group).view(len(self.rows), len(self.alphas), -1)

    def slopes(self, group: TargetGroup, *, coarse: bool) -> Slopes:
        """The local slopes for a group's targets, one object for all batches of its pairs."""
        key = (group, coarse)
        if key not in self._slopes:
            self._slopes[key] = Slopes(self, group, coarse=coarse)
        return self._slopes[key]


@dataclass(frozen=True, eq=False)
class PathLeaves:
    """Leaves at points of the path: u(α) = u(0) + α·(u(A) − u(0)) of a tensor u affine in α (METHOD §4.1)."""

    split: AffineSplit
    at_input: Mapping[fx.Node, Tensor]
    rows: Tensor
    alphas: Tensor

    def holds(self, node: fx.Node, *, sliced: bool) -> bool:  # noqa: ARG002
        """See `Leaves`."""
        return node in self.split.affine_nodes

    def value(self, node: fx.Node, channels: Tensor | None) -> Tensor:
        """See `Leaves`."""
        end, start = self.at_input[node], self.split.at_baseline[node]
        if channels is not None:
            end, start = (v.index_select(self.split.axis, channels) for v in (end, start))
        end, start = end[self.rows].unsqueeze(1), start.unsqueeze(1)  # (rows, 1, …) and (1, 1, …)
        return torch.addcmul(start, end - start, self.alphas.view(1, -1, *[1] * (end.ndim - 2))).flatten(0, 1)


def group_inputs(conv: torch.nn.Conv2d, channels: Tensor) -> Tensor:
    """The input channels that each output channel of a grouped convolution reads, (channels, width)."""
    width = conv.in_channels // conv.groups
    first = channels // (conv.out_channels // conv.groups) * width
    return first.unsqueeze(1) + torch.arange(width, device=channels.device)


def run_sliced(split: AffineSplit, node: fx.Node, channels: Tensor, value: Any) -> Tensor:
    """A channelwise node on chosen channels of its inputs; constants that have all channels are sliced as well."""
    ndim = split.at_baseline[node].ndim

    def chosen(source: fx.Node) -> Any:
        if split.depends_on_input(source):
            return value(source)
        constant = split.constant(source, ndim)
        if isinstance(constant, Tensor) and constant.ndim == ndim and constant.shape[split.axis] > 1:
            return constant.index_select(split.axis, channels)
        return constant

    found: Tensor = ops.run(node, chosen)
    return found


class Slopes:
    """The nonlinear part's slopes in each step, (rows, steps, …): computed once for all targets of the group.

    With `coarse` the steps are the n cells, then the n/2 of twice the width, for Romberg's step (METHOD §4.4).
    `weights` are the steps', (steps,).
    """

    def __init__(self, nonlinear: NonlinearPart, group: TargetGroup, *, coarse: bool) -> None:
        self.nonlinear, self.group, n = nonlinear, group, len(nonlinear.steps)
        self.strides = (1, 2) if coarse else (1,)
        self.count = sum(n // stride for stride in self.strides)
        weights = [stride * w for stride in self.strides for w in nonlinear.steps.weights[::stride]]
        self.weights = nonlinear.split.numbers(tuple(weights))
        self._memo: dict[tuple[fx.Node, bool], Tensor] = {}

    def slope(self, node: fx.Node, sliced: bool) -> Tensor:
        """dy/dx of a pointwise node in each step."""
        key = (node, sliced)
        if key not in self._memo:
            source = only_input(node)
            x, y = (self._by_rows(self.nonlinear.values.value(self.group, n, sliced)) for n in (source, node))
            cells = self.nonlinear.steps.cells
            self._memo[key] = self._secants(node, x, y) if cells else derivative(node, x[:, : self.count])
        return self._memo[key]

    def midpoint(self, node: fx.Node, sliced: bool) -> Tensor:
        """The value of a node at the midpoint of each step."""
        x = self._by_rows(self.nonlinear.values.value(self.group, node, sliced))
        if not self.nonlinear.steps.cells:
            return x[:, : self.count]
        return torch.cat([(x[:, :-s:s] + x[:, s::s]) / 2 for s in self.strides], dim=1)

    def _by_rows(self, value: Tensor) -> Tensor:
        return value.view(len(self.nonlinear.rows), -1, *value.shape[1:])

    def _secants(self, node: fx.Node, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([secant(node, x, y, s) for s in self.strides], dim=1)


def secant(node: fx.Node, x: Tensor, y: Tensor, stride: int = 1) -> Tensor:
    """Δy/Δx of a pointwise node between every `stride`-th place of axis 1; f' at the midpoint where Δx is about 0."""
    end, start = x[:, stride::stride], x[:, :-stride:stride]
    dx = end - start
    slopes = (y[:, stride::stride] - y[:, :-stride:stride]).div_(dx)
    # The rounding of Δy/Δx grows as eps/Δx, the error of f' at the midpoint as Δx²: they meet at the cube root of eps.
    smooth = ops.is_smooth(node)
    flat = dx.abs_() <= torch.finfo(x.dtype).eps ** (1 / 3) if smooth else dx == 0
    if not devices.is_host(x.device) or bool(flat.any()):
        slopes = torch.where(flat, derivative(node, (end + start) / 2 if smooth else end), slopes)
    return slopes


def derivative(node: fx.Node, x: Tensor) -> Tensor:
    """f'(x) of a pointwise node."""
    if ops.is_relu(node):
        return (x > 0).to(x.dtype)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(ops.run(node, lambda _: x).sum(), x)
    return found
