"""The way back through a segment, for many targets at once: from φ_a to the gradients at the frontier.

1. Pairs (target, patch) are a batch; each has a gradient in every step of the path: tensors are (pairs · steps, …).
2. In the core a gradient takes the local slopes of nonlinear_part.py, which the targets of a patch share. Where a pair
   needs one channel, its gradient has one; which one differs from pair to pair.
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
from neurflow_report.attribution.nonlinear_part import Group, NonlinearPart, Slopes, group_inputs

Key = tuple[fx.Node, bool]
"""A tensor of the graph, and whether it is one channel for each pair."""
Gradients = dict[Key, Tensor]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Pairs that go back together: the row of the core and the place in the group that each belongs to, (pairs,)."""

    group: Group
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

    def mine(self, shared: Tensor, sliced: bool, axis: int) -> Tensor:
        """(rows, steps, …) as (pairs, steps, …); with `sliced`, each pair's one channel of the group's."""
        if not sliced:
            return shared if len(shared) == 1 else shared[self.rows]
        place = axis if axis < 0 else axis + 1
        return shared.movedim(place, 1)[self.rows, self.targets].unsqueeze(place)


class Local(Protocol):
    """What an operation's way back takes of the values."""

    count: int

    def slope(self, node: fx.Node, sliced: bool) -> Tensor:
        """dy/dx of a pointwise node in each step, (rows, steps, …)."""

    def middle(self, node: fx.Node, sliced: bool) -> Tensor:
        """The value of a node in the middle of each step, (rows, steps, …)."""


def to_frontier(core: NonlinearPart, slopes: Slopes, batch: Batch) -> tuple[Gradients, Gradients]:
    """Σ over the steps of weight × ∂φ/∂u at the frontier tensors u that the pairs read, (pairs, …) each.

    Twice: by the core's steps, and by the cells of twice the width where the slopes have them (else empty).
    """
    part, n = core.part, len(core.steps)
    pending: Gradients = {(part.result, True): _start(part, batch, slopes.weights)}
    fine: Gradients = {}
    coarse: Gradients = {}
    for node in reversed(part.order):
        for key in ((node, True), (node, False)):
            if key in pending and node in part.affine:
                steps = pending.pop(key)
                steps = steps.view(len(batch), slopes.count, *steps.shape[1:])
                fine[key] = steps[:, :n].sum(dim=1)
                if slopes.count > n:
                    coarse[key] = steps[:, n:].sum(dim=1)
            elif key in pending:
                pass_on(part, batch, key, pending.pop(key), slopes, pending)
    return fine, coarse


def _start(part: AffineSplit, batch: Batch, weights: Tensor) -> Tensor:
    """weight × ∂φ/∂(the target's channel), (pairs · steps, …): φ is a mean over space."""
    shape = list(part.at_baseline[part.result].shape)
    shape[part.axis] = 1
    space = torch.Size(shape).numel()
    column = (weights / space).repeat(len(batch)).view(-1, *[1] * (len(shape) - 1))
    return column.expand(-1, *shape[1:])


def pass_on(part: AffineSplit, batch: Batch, key: Key, gradient: Tensor, local: Local, pending: Gradients) -> None:
    """One operation back: the gradients at its inputs are added to `pending`."""
    node, sliced = key
    step = _sliced_back if sliced else _whole_back
    for source, found in step(part, batch, node, gradient, local):
        if part.depends_on_input(source[0]):
            pending[source] = pending[source] + found if source in pending else found


def _whole_back(
    part: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor, local: Local
) -> Iterator[tuple[Key, Tensor]]:
    if ops.is_conv(node):
        yield (only_input(node), False), _conv_back(part, node, gradient)
    elif ops.is_linear(node):
        yield (only_input(node), False), gradient @ ops.linear_of(node).weight
    elif ops.is_norm(node):
        scale, _ = ops.norm_affine(node)
        yield (only_input(node), False), gradient * scale.view(1, -1, *[1] * (gradient.ndim - 2))
    elif ops.calls(node, ops.CAT):
        yield from _parts(part, node, gradient)
    elif _is_plain_sum(part, node):
        for source in node.all_input_nodes:
            yield (source, False), gradient
    elif ops.is_pointwise(node):
        yield (
            (only_input(node), False),
            _times(gradient, batch.mine(local.slope(node, False), False, part.axis), len(batch)),
        )
    else:
        yield from _generic_back(part, batch, node, gradient, local, dict.fromkeys(moving(part, node), False))


def _sliced_back(
    part: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor, local: Local
) -> Iterator[tuple[Key, Tensor]]:
    into = batch.group.reads(node)
    if into is None:
        yield (node, False), _spread(part, batch, node, gradient)
        return
    source, one = into[0]
    if ops.is_conv(node):
        yield (source, one is not None), _conv_rows_back(part, batch, node, gradient)
    elif ops.is_linear(node):
        weight = ops.linear_of(node).weight[batch.channel(node)].unsqueeze(1)
        found = gradient.reshape(len(batch), -1, 1) * weight
        yield (source, False), found.view(*gradient.shape[:-1], -1)
    elif ops.is_norm(node):
        scale, _ = ops.norm_affine(node)
        yield (source, True), _times(gradient, scale[batch.channel(node)].view(-1, *[1] * gradient.ndim), len(batch))
    elif ops.calls(node, ops.CAT):
        yield (source, True), gradient
    elif _is_plain_sum(part, node):
        for source, _ in into:
            yield (source, True), gradient
    elif ops.is_pointwise(node):
        yield (source, True), _times(gradient, batch.mine(local.slope(node, True), True, part.axis), len(batch))
    else:
        yield from _generic_back(part, batch, node, gradient, local, {s: one is not None for s, one in into})


def _parts(part: AffineSplit, node: fx.Node, gradient: Tensor) -> Iterator[tuple[Key, Tensor]]:
    """Each input of a concatenation with its part of the gradient."""
    sources, dim = ops.parts_of(node)
    sizes = [part.at_baseline[source].shape[dim] for source in sources]
    for source, piece in zip(sources, torch.split(gradient, sizes, dim), strict=True):
        yield (source, False), piece


def _times(gradient: Tensor, factor: Tensor, pairs: int) -> Tensor:
    """(pairs · steps, …) times (pairs or 1, steps or 1, …)."""
    return (gradient.view(pairs, -1, *gradient.shape[1:]) * factor).flatten(0, 1)


def moving(part: AffineSplit, node: fx.Node) -> list[fx.Node]:
    return list(dict.fromkeys(n for n in node.all_input_nodes if part.depends_on_input(n)))


def _is_plain_sum(part: AffineSplit, node: fx.Node) -> bool:
    """Whether the node is a + b of two tensors of its own shape (both depend on A)."""
    args = node.args
    return (
        ops.calls(node, ops.ADD)
        and not node.kwargs
        and len(args) == 2
        and args[0] is not args[1]
        and all(
            isinstance(a, fx.Node)
            and part.depends_on_input(a)
            and part.at_baseline[a].shape == part.at_baseline[node].shape
            for a in args
        )
    )


def _conv_back(part: AffineSplit, node: fx.Node, gradient: Tensor) -> Tensor:
    conv = ops.conv_of(node)
    shape = (len(gradient), *part.at_baseline[only_input(node)].shape[1:])
    options = (conv.stride, conv.padding, conv.dilation, conv.groups)
    found: Tensor = conv2d_input(shape, conv.weight, gradient, *options)  # type: ignore[no-untyped-call]
    return found


def _spread(part: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor) -> Tensor:
    """Each pair's one channel of a gradient as all channels, 0 elsewhere."""
    steps, axis = len(gradient) // len(batch), part.axis
    shape = list(gradient.shape)
    shape[axis] = part.channels(node)
    index = batch.channel(node).repeat_interleave(steps).view(-1, *[1] * (gradient.ndim - 1)).expand(gradient.shape)
    return gradient.new_zeros(shape).scatter_(axis, index, gradient)


def _conv_rows_back(part: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor) -> Tensor:
    """Back through one output channel for each pair: to all input channels, or to one where each has its own."""
    conv, source = ops.conv_of(node), only_input(node)
    steps, channels = len(gradient) // len(batch), batch.channel(node)
    weight = conv.weight[channels]
    size = part.at_baseline[source].shape[-2:]
    found = _rows_back(gradient.view(len(batch), steps, *gradient.shape[-2:]), weight, conv, size)
    if conv.groups > 1 and weight.shape[1] > 1:
        index = group_inputs(conv, channels).view(len(batch), 1, -1, 1, 1).expand(found.shape)
        whole = found.new_zeros((len(batch), steps, conv.in_channels, *size))
        found = whole.scatter_(2, index, found)
    return found.flatten(0, 1)


def _rows_back(gradient: Tensor, weight: Tensor, conv: nn.Conv2d, size: torch.Size) -> Tensor:
    """(pairs, steps, H', W') through rows of a convolution, (pairs, K, h, w): (pairs, steps, K, H, W).

    A transposed convolution of one channel is an outer product: the windows of the gradient, with zeros put between
    its places where the convolution strides, times the row turned round.
    """
    pairs, steps = gradient.shape[:2]
    if conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.padding == (0, 0):
        return gradient.unsqueeze(2) * weight.view(pairs, 1, -1, 1, 1)
    reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    wide = gradient.new_zeros((pairs * steps, 1, size[0] + reach[0], size[1] + reach[1]))
    (to_y, from_y), (to_x, from_x) = (
        _strided(reach[i] - int(conv.padding[i]), conv.stride[i], gradient.shape[2 + i], wide.shape[2 + i])
        for i in (0, 1)
    )
    wide[:, 0, to_y, to_x] = gradient.flatten(0, 1)[:, from_y, from_x]
    windows = F.unfold(wide, conv.kernel_size, conv.dilation).view(pairs, steps, -1, size.numel())
    turned = weight.flip(2, 3).flatten(2).unsqueeze(1)
    return (turned @ windows).view(pairs, steps, -1, *size)


def _strided(first: int, stride: int, count: int, size: int) -> tuple[slice, slice]:
    """Places first, first + stride, … of `count` values in `size`, and which values fall inside."""
    skipped = max(0, -(first // stride))
    inside = min(count, -(-(size - first) // stride))
    start = first + skipped * stride
    return slice(start, start + max(0, inside - skipped - 1) * stride + 1, stride), slice(skipped, inside)


def _generic_back(
    part: AffineSplit, batch: Batch, node: fx.Node, gradient: Tensor, local: Local, inputs: Mapping[fx.Node, bool]
) -> Iterator[tuple[Key, Tensor]]:
    """Through any node, by running it once more at its inputs' middle values. `inputs`: which are one channel only."""
    sliced = any(inputs.values())
    steps = len(gradient) // len(batch)
    with torch.enable_grad():
        taken = {}
        for source, one in inputs.items():
            value = batch.mine(local.middle(source, one), one, part.axis)
            taken[source] = value.expand(len(batch), steps, *value.shape[2:]).flatten(0, 1).detach().requires_grad_()
        out = (
            _run(part, batch, node, steps, taken)
            if sliced
            else ops.run(node, lambda n: taken.get(n, part.at_baseline.get(n)))
        )
    if not out.requires_grad:
        return
    found = torch.autograd.grad(out, list(taken.values()), gradient.expand(out.shape), allow_unused=True)
    for (source, one), g in zip(inputs.items(), found, strict=True):
        if g is not None:
            yield (source, one), g


def _run(part: AffineSplit, batch: Batch, node: fx.Node, steps: int, taken: Mapping[fx.Node, Tensor]) -> Tensor:
    """A channelwise node, each pair on its own channel; of constants with all channels, too."""
    channels, ndim = batch.channel(node), part.at_baseline[node].ndim

    def chosen(source: fx.Node) -> Any:
        if source in taken:
            return taken[source]
        constant = part.constant(source, ndim)
        if isinstance(constant, Tensor) and constant.ndim == ndim and constant.shape[part.axis] > 1:
            return constant[0][channels].unsqueeze(1).repeat_interleave(steps, 0)
        return constant

    found: Tensor = ops.run(node, chosen)
    return found
