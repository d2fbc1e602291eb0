"""The backward pass through a segment's nonlinear part, for many targets at once: from φ_a to the frontier's gradients.

1. Pairs (target, patch) are a batch; each has a gradient in every step of the path: tensors are (pairs · steps, …).
2. Each operation multiplies by the slopes of nonlinear_part.py, which the targets of a patch share. Where a pair needs
   one channel, its gradient is *sliced*: it has one; which one differs from pair to pair (METHOD §4.2).
3. At the frontier the steps are summed; affine_backward.py goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from neurflow_report.attribution import operations as ops
from neurflow_report.attribution.affine_split import AffineSplit, only_input
from neurflow_report.attribution.nonlinear_part import NonlinearPart, Slopes, TargetGroup, group_inputs

Key = tuple[fx.Node, bool]
"""A tensor of the graph, and whether it is one channel for each pair."""
Gradients = dict[Key, Tensor]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Pairs that go back together.

    Attributes:
        group: of the targets.
        rows: each pair's row of the nonlinear part, that is its patch, (pairs,).
        targets: each pair's target, as its number in the group, (pairs,).
    """

    group: TargetGroup
    rows: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, which: Tensor) -> Batch:
        """Some of the pairs."""
        return Batch(group=self.group, rows=self.rows[which], targets=self.targets[which])

    def channel(self, node: fx.Node) -> Tensor:
        """The channel that each pair needs of a node, (pairs,)."""
        return self.group.channels[node][self.targets]

    def per_pair(self, shared: Tensor, sliced: bool, axis: int) -> Tensor:
        """(rows, steps, …) as (pairs, steps, …), or (1, steps, …) where there is one row.

        With `sliced` the channel axis holds the group's channels, of which each pair takes its own: it becomes 1 long.
        """
        if not sliced:
            return shared if len(shared) == 1 else shared[self.rows]  # one row is broadcast, not copied
        place = axis if axis < 0 else axis + 1  # the axis of steps stands before it
        return shared.movedim(place, 1)[self.rows, self.targets].unsqueeze(place)


class LocalSlopes(Protocol):
    """What the backward pass of an operation takes of the values."""

    count: int

    def slope(self, node: fx.Node, sliced: bool) -> Tensor:
        """dy/dx of a pointwise node in each step, (rows, steps, …)."""

    def midpoint(self, node: fx.Node, sliced: bool) -> Tensor:
        """The value of a node at the midpoint of each step, (rows, steps, …)."""


def to_frontier(nonlinear: NonlinearPart, slopes: Slopes, batch: Batch) -> tuple[Gradients, Gradients]:
    """Σ over the steps of weight × ∂φ/∂u at the frontier tensors u that the pairs read, (pairs, …) each (METHOD §2).

    Returns: that by all steps, and that by the cells of twice the width where the slopes have them (else empty).
    """
    split, n = nonlinear.split, len(nonlinear.steps)
    pending: Gradients = {(split.result, True): _output_gradient(split, batch, slopes.weights)}
    fine: Gradients = {}
    coarse: Gradients = {}
    for node in reversed(split.order):
        for key in ((node, True), (node, False)):
            if key in pending and node in split.affine_nodes:
                by_step = pending.pop(key)
                by_step = by_step.view(len(batch), slopes.count, *by_step.shape[1:])
                fine[key] = by_step[:, :n].sum(dim=1)
                if slopes.count > n:  # the n/2 cells of twice the width stand behind the n
                    coarse[key] = by_step[:, n:].sum(dim=1)
            elif key in pending:
                pass_on(split, batch, key, pending.pop(key), slopes, pending)
    return fine, coarse


def _output_gradient(split: AffineSplit, batch: Batch, weights: Tensor) -> Tensor:
    """weight × ∂φ/∂(the target's channel), (pairs · steps, …): φ is a mean over space."""
    shape = list(split.at_baseline[split.result].shape)
    shape[split.axis] = 1
    space = torch.Size(shape).numel()
    column = (weights / space).repeat(len(batch)).view(-1, *[1] * (len(shape) - 1))
    return column.expand(-1, *shape[1:])


def pass_on(
    split: AffineSplit, batch: Batch, key: Key, gradient: Tensor, local: LocalSlopes, pending: Gradients
) -> None:
    """The backward pass of one operation: the gradients at its inputs are added to `pending`."""
    node, sliced = key
    step = _sliced_back if sliced else _whole_back
    for source, found in step(split, batch, node, gradient, local):
        if split.depends_on_input(source[0]):
            pending[source] = pending[source] + found if source in pending else found


def _whole_back(
    split: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor, local: LocalSlopes
) -> Iterator[tuple[Key, Tensor]]:
    kind = split.kind(node)
    if kind == "conv":
        yield (only_input(node), False), _conv_back(split, node, gradient)
    elif kind == "linear":
        yield (only_input(node), False), gradient @ ops.linear_of(node).weight
    elif kind == "norm":
        scale, _ = split.norm(node)
        yield (only_input(node), False), gradient * scale.view(1, -1, *[1] * (gradient.ndim - 2))
    elif kind == "cat":
        yield from _cat_back(split, node, gradient)
    elif _is_plain_sum(split, node):
        for source in node.all_input_nodes:
            yield (source, False), gradient
    elif kind == "pointwise":
        yield (
            (only_input(node), False),
            _times(gradient, batch.per_pair(local.slope(node, False), False, split.axis), len(batch)),
        )
    else:
        yield from _generic_back(
            split, batch, node, gradient, local, dict.fromkeys(dependent_inputs(split, node), False)
        )


def _sliced_back(
    split: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor, local: LocalSlopes
) -> Iterator[tuple[Key, Tensor]]:
    into = batch.group.reads(node)
    if into is None:
        yield (node, False), _to_all_channels(split, batch, node, gradient)
        return
    kind, (source, channel) = split.kind(node), into[0]
    if kind == "conv":
        yield (source, channel is not None), _sliced_conv_back(split, batch, node, gradient)
    elif kind == "linear":
        weight = ops.linear_of(node).weight[batch.channel(node)].unsqueeze(1)
        found = gradient.reshape(len(batch), -1, 1) * weight
        yield (source, False), found.view(*gradient.shape[:-1], -1)
    elif kind == "norm":
        scale, _ = split.norm(node)
        yield (source, True), _times(gradient, scale[batch.channel(node)].view(-1, *[1] * gradient.ndim), len(batch))
    elif kind == "cat":
        yield (source, True), gradient
    elif _is_plain_sum(split, node):
        for source, _ in into:
            yield (source, True), gradient
    elif kind == "pointwise":
        yield (source, True), _times(gradient, batch.per_pair(local.slope(node, True), True, split.axis), len(batch))
    else:
        yield from _generic_back(split, batch, node, gradient, local, {s: c is not None for s, c in into})


def _cat_back(split: AffineSplit, node: fx.Node, gradient: Tensor) -> Iterator[tuple[Key, Tensor]]:
    """Each input of a concatenation with its slice of the gradient."""
    sources, dim = ops.cat_inputs(node)
    sizes = [split.at_baseline[source].shape[dim] for source in sources]
    for source, piece in zip(sources, torch.split(gradient, sizes, dim), strict=True):
        yield (source, False), piece


def _times(gradient: Tensor, factor: Tensor, pairs: int) -> Tensor:
    """(pairs · steps, …) times (pairs or 1, steps or 1, …)."""
    return (gradient.view(pairs, -1, *gradient.shape[1:]) * factor).flatten(0, 1)


def dependent_inputs(split: AffineSplit, node: fx.Node) -> list[fx.Node]:
    return list(dict.fromkeys(n for n in node.all_input_nodes if split.depends_on_input(n)))


def _is_plain_sum(split: AffineSplit, node: fx.Node) -> bool:
    """Whether the node is a + b of two tensors of its own shape (both depend on A)."""
    args = node.args
    return (
        ops.calls(node, ops.ADD)
        and not node.kwargs
        and len(args) == 2
        and args[0] is not args[1]
        and all(
            isinstance(a, fx.Node)
            and split.depends_on_input(a)
            and split.at_baseline[a].shape == split.at_baseline[node].shape
            for a in args
        )
    )


def _conv_back(split: AffineSplit, node: fx.Node, gradient: Tensor) -> Tensor:
    conv = ops.conv_of(node)
    shape = (len(gradient), *split.at_baseline[only_input(node)].shape[1:])
    options = (conv.stride, conv.padding, conv.dilation, conv.groups)
    found: Tensor = conv2d_input(shape, conv.weight, gradient, *options)  # type: ignore[no-untyped-call]
    return found


def _to_all_channels(split: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor) -> Tensor:
    """A sliced gradient with all channels: 0 but for each pair's own."""
    steps, axis = len(gradient) // len(batch), split.axis
    shape = list(gradient.shape)
    shape[axis] = split.channels(node)
    index = batch.channel(node).repeat_interleave(steps).view(-1, *[1] * (gradient.ndim - 1)).expand(gradient.shape)
    return gradient.new_zeros(shape).scatter_(axis, index, gradient)


def _sliced_conv_back(split: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor) -> Tensor:
    """Through one output channel for each pair: to all input channels, or to one of a depthwise convolution."""
    conv, source = ops.conv_of(node), only_input(node)
    steps, channels = len(gradient) // len(batch), batch.channel(node)
    weight = conv.weight[channels]  # (pairs, K, h, w), K the input channels of a group
    size = split.at_baseline[source].shape[-2:]
    found = _transposed_conv(gradient.view(len(batch), steps, *gradient.shape[-2:]), weight, conv, size)
    if conv.groups > 1 and weight.shape[1] > 1:  # each pair's K channels go to the places of its own group
        index = group_inputs(conv, channels).view(len(batch), 1, -1, 1, 1).expand(found.shape)
        whole = found.new_zeros((len(batch), steps, conv.in_channels, *size))
        found = whole.scatter_(2, index, found)
    return found.flatten(0, 1)


def _transposed_conv(gradient: Tensor, weight: Tensor, conv: nn.Conv2d, size: torch.Size) -> Tensor:
    """The transposed convolution of one channel for each pair, as a matrix product: (pairs, steps, K, H, W).

    Args:
        gradient: (pairs, steps, H', W').
        weight: each pair's own, (pairs, K, h, w).
        conv: whose options count.
        size: (H, W).
    """
    pairs, steps = gradient.shape[:2]
    if conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.padding == (0, 0):
        return gradient.unsqueeze(2) * weight.view(pairs, 1, -1, 1, 1)
    # A transposed convolution is a convolution of the padded gradient, with zeros between its values where the
    # convolution strides, by the flipped kernel.
    reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    padded = gradient.new_zeros((pairs * steps, 1, size[0] + reach[0], size[1] + reach[1]))
    (to_y, from_y), (to_x, from_x) = (
        _strided(reach[i] - int(conv.padding[i]), conv.stride[i], gradient.shape[2 + i], padded.shape[2 + i])
        for i in (0, 1)
    )
    padded[:, 0, to_y, to_x] = gradient.flatten(0, 1)[:, from_y, from_x]
    windows = F.unfold(padded, conv.kernel_size, conv.dilation).view(pairs, steps, -1, size.numel())  # (…, h·w, H·W)
    flipped = weight.flip(2, 3).flatten(2).unsqueeze(1)  # (pairs, 1, K, h·w)
    return (flipped @ windows).view(pairs, steps, -1, *size)


def _strided(first: int, stride: int, count: int, size: int) -> tuple[slice, slice]:
    """Where `count` values at first, first + stride, … fall within 0 … size − 1, and which of them do."""
    skipped = max(0, -(first // stride))
    inside = min(count, -(-(size - first) // stride))
    start = first + skipped * stride
    return slice(start, start + max(0, inside - skipped - 1) * stride + 1, stride), slice(skipped, inside)


def _generic_back(
    split: AffineSplit,
    batch: Batch,
    node: fx.Node,
    gradient: Tensor,
    local: LocalSlopes,
    inputs: Mapping[fx.Node, bool],
) -> Iterator[tuple[Key, Tensor]]:
    """Through any node, by autograd at its inputs' midpoints. `inputs`: whether each is sliced."""
    sliced = any(inputs.values())
    steps = len(gradient) // len(batch)
    with torch.enable_grad():
        midpoints = {}
        for source, is_sliced in inputs.items():
            value = batch.per_pair(local.midpoint(source, is_sliced), is_sliced, split.axis)
            midpoints[source] = (
                value.expand(len(batch), steps, *value.shape[2:]).flatten(0, 1).detach().requires_grad_()
            )
        out = (
            _run_per_pair(split, batch, node, steps, midpoints)
            if sliced
            else ops.run(node, lambda n: midpoints.get(n, split.at_baseline.get(n)))
        )
    if not out.requires_grad:  # autograd knows no way from the result to the inputs
        return
    found = torch.autograd.grad(out, list(midpoints.values()), gradient.expand(out.shape), allow_unused=True)
    for key, g in zip(inputs.items(), found, strict=True):
        if g is not None:
            yield key, g


def _run_per_pair(
    split: AffineSplit, batch: Batch, node: fx.Node, steps: int, midpoints: Mapping[fx.Node, Tensor]
) -> Tensor:
    """A channelwise node, each pair on its own channel, also of constants that have all channels."""
    channels, ndim = batch.channel(node), split.at_baseline[node].ndim

    def chosen(source: fx.Node) -> Any:
        if source in midpoints:
            return midpoints[source]
        constant = split.constant(source, ndim)
        if isinstance(constant, Tensor) and constant.ndim == ndim and constant.shape[split.axis] > 1:
            return constant[0][channels].unsqueeze(1).repeat_interleave(steps, 0)
        return constant

    found: Tensor = ops.run(node, chosen)
    return found
