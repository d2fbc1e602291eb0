"""The way back through a segment, for many targets at once: from φ_a to the gradients at the frontier, and to T.

1. Pairs (target, patch) are a batch; each has a gradient in every step of the path: tensors are (pairs · steps, …).
2. In the core a gradient takes the local slopes of core.py, which the targets of a patch share. Where a pair needs one
   channel, its gradient has one; which one differs from pair to pair.
3. At the frontier the steps are summed. From there on the segment is affine (or a ray): one gradient a pair.
4. The way ends where channels are still apart: T(a, i, v) = Σ_space (x_i(A) − x_i(0)) ⊙ g_i (straight.py, 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from neurflow_report.circuit import operations as ops
from neurflow_report.circuit.core import Core, Group, Slopes, derivative, group_inputs
from neurflow_report.circuit.responses import Space, responses
from neurflow_report.circuit.straight import Split, only_input

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


class StraightLocal:
    """Of the straight part: one step, at A. A ray has the same slope at every α; what is affine needs no values."""

    count = 1

    def __init__(self, core: Core, group: Group) -> None:
        self.core, self.group = core, group

    def slope(self, node: fx.Node, sliced: bool) -> Tensor:
        """dy/dx of a pointwise node."""
        return derivative(node, self.middle(only_input(node), sliced))

    def middle(self, node: fx.Node, sliced: bool) -> Tensor:
        """The value of a node at A; zeros of its shape where nobody needs it."""
        part, rows = self.core.part, self.core.rows
        value = self.core.straight.get(node)
        value = part.zero[node].expand(len(rows), *part.zero[node].shape[1:]) if value is None else value[rows]
        if sliced:
            value = value.index_select(part.axis, self.group.channels[node])
        return value.unsqueeze(1)


def to_frontier(core: Core, slopes: Slopes, batch: Batch) -> tuple[Gradients, Gradients]:
    """Σ over the steps of weight × ∂φ/∂u at the frontier tensors u that the pairs read, (pairs, …) each.

    Twice: by the core's steps, and by the cells of twice the width where the slopes have them (else empty).
    """
    part, n = core.part, len(core.steps)
    pending: Gradients = {(part.result, True): _start(part, batch, slopes.weights)}
    fine: Gradients = {}
    coarse: Gradients = {}
    for node in reversed(part.order):
        for key in ((node, True), (node, False)):
            if key in pending and node in part.straight:
                steps = pending.pop(key)
                steps = steps.view(len(batch), slopes.count, *steps.shape[1:])
                fine[key] = steps[:, :n].sum(dim=1)
                if slopes.count > n:
                    coarse[key] = steps[:, n:].sum(dim=1)
            elif key in pending:
                _pass_on(part, batch, key, pending.pop(key), slopes, pending)
    return fine, coarse


def _move(core: Core, batch: Batch, key: Key, axis: int) -> Tensor:
    """u(A) − u(0) of each pair, (pairs or 1, …); of its one channel where it has one. `axis`: u's channel axis."""
    node, sliced = key
    move = core.straight[node][core.rows] - core.part.zero[node]
    if sliced:
        return move.movedim(axis, 1)[batch.rows, batch.channel(node)].unsqueeze(axis)
    return move if len(move) == 1 else move[batch.rows]


@dataclass(frozen=True, kw_only=True)
class Below:
    """What the straight part of a segment is to the pairs of a few patches: see `attributed`.

    `core`: any of the patches'; `axis`, `channels`: A's; `signs`: (probes, channels) of ±1. Tables are made in `space`
    when first asked for (responses.py), None where none pays.
    """

    core: Core
    axis: int
    channels: int
    pairs: int
    space: Space
    signs: Tensor
    tables: dict[fx.Node, Tensor | None] = field(default_factory=dict)
    probes: dict[fx.Node, Tensor] = field(default_factory=dict)

    def size(self, batch: Batch, gradients: Gradients) -> Tensor:
        """An estimate of the root of Σ_i T_i² of each pair for gradients at the frontier, (pairs,).

        For random signs s_i, Σ_i s_i T_i = <g, u of s ⊙ A> has the mean square Σ_i T_i². The moves of the frontier under
        a few such signs are the same for all targets of a patch, and no gradient has to go back for it.
        """
        total = self.signs.new_zeros((len(batch), len(self.signs)))
        for (node, sliced), gradient in gradients.items():
            probes = self._probe(node)
            if sliced:
                mine = probes.movedim(self.core.part.axis + (self.core.part.axis > 0), 1)
                mine = mine[batch.rows, batch.channel(node)].flatten(2)
            else:
                mine = probes.flatten(2) if len(probes) == 1 else probes[batch.rows].flatten(2)
            total += (mine @ gradient.flatten(1).unsqueeze(2)).squeeze(2)
        return total.square().mean(dim=1).sqrt()

    def _probe(self, node: fx.Node) -> Tensor:
        """The move of a straight tensor when A's channels move by their signs times their values, (rows, probes, …)."""
        if node not in self.probes:
            self.probes[node] = self._probed(node)
        return self.probes[node]

    def _probed(self, node: fx.Node) -> Tensor:
        part, core = self.core.part, self.core
        if node in part.apart:
            move = (core.straight[node][core.rows] - part.zero[node]).unsqueeze(1)
            axis = self.axis + (self.axis > 0)
            return move * self.signs.view(1, len(self.signs), *(-1 if d == axis % move.ndim else 1 for d in range(2, move.ndim)))
        inputs = {n: self._probe(n).flatten(0, 1) for n in _moving(part, node)}
        count = len(core.rows) * len(self.signs)
        if ops.is_homogeneous(node):
            at = core.straight[only_input(node)][core.rows].repeat_interleave(len(self.signs), 0)
            moved = torch.func.jvp(lambda x: ops.run(node, lambda _: x), (at,), (inputs[only_input(node)],))[1]
        else:
            moved = ops.run(node, lambda n: inputs[n] if n in inputs else part.zero[n])
            moved = moved - ops.run(node, lambda n: torch.zeros_like(inputs[n][:1]) if n in inputs else part.zero[n])
        return moved.view(len(core.rows), count // len(core.rows), *moved.shape[1:])

    def table(self, node: fx.Node) -> Tensor | None:
        """The responses at a straight tensor."""
        if node not in self.tables:
            self.tables[node] = responses(self.core, node, self.pairs, self.space)
        return self.tables[node]


def attributed(below: Below, batch: Batch, gradients: Gradients) -> Tensor:
    """T of each pair, (pairs, channels), from the gradients at the frontier."""
    part, local, pending = below.core.part, StraightLocal(below.core, batch.group), dict(gradients)
    values = below.core.alphas.new_zeros((len(batch), below.channels))
    for node in reversed(part.order):
        for key in ((node, True), (node, False)):
            if key not in pending:
                continue
            gradient = pending.pop(key)
            if node in part.apart:
                _end(below, batch, key, gradient, values)
            elif not key[1] and (table := below.table(node)) is not None:
                values += gradient.flatten(1) @ table.T
            else:
                _pass_on(part, batch, key, gradient, local, pending)
    return values


def _end(below: Below, batch: Batch, key: Key, gradient: Tensor, values: Tensor) -> None:
    """Σ_space (x(A) − x(0)) ⊙ gradient is added to the values' columns of the key's channels."""
    found = spatial_sum(_move(below.core, batch, key, below.axis) * gradient, below.axis)
    if key[1]:
        values.scatter_add_(1, batch.channel(key[0]).unsqueeze(1), found)
    else:
        values += found


def spatial_sum(values: Tensor, axis: int) -> Tensor:
    """(N, …) summed over everything but the batch and the channel axis: (N, C)."""
    rest = [d for d in range(1, values.dim()) if d != axis % values.dim()]
    return values.sum(dim=rest) if rest else values


def _start(part: Split, batch: Batch, weights: Tensor) -> Tensor:
    """weight × ∂φ/∂(the target's channel), (pairs · steps, …): φ is a mean over space."""
    shape = list(part.zero[part.result].shape)
    shape[part.axis] = 1
    space = torch.Size(shape).numel()
    column = (weights / space).repeat(len(batch)).view(-1, *[1] * (len(shape) - 1))
    return column.expand(-1, *shape[1:])


def _pass_on(part: Split, batch: Batch, key: Key, gradient: Tensor, local: Local, pending: Gradients) -> None:
    """One operation back: the gradients at its inputs are added to `pending`."""
    node, sliced = key
    step = _sliced_back if sliced else _whole_back
    for source, found in step(part, batch, node, gradient, local):
        if part.moves(source[0]):
            pending[source] = pending[source] + found if source in pending else found


def _whole_back(
    part: Split, batch: Batch, node: fx.Node, gradient: Tensor, local: Local
) -> Iterator[tuple[Key, Tensor]]:
    module = ops.module_of(node)
    if ops.is_conv(node):
        yield (only_input(node), False), _conv_back(part, node, gradient)
    elif ops.is_linear(node):
        yield (only_input(node), False), gradient @ module.weight  # type: ignore[union-attr, operator]
    elif ops.is_norm(node):
        scale, _ = ops.norm_affine(module)  # type: ignore[arg-type]
        yield (only_input(node), False), gradient * scale.view(1, -1, *[1] * (gradient.ndim - 2))
    elif ops.calls(node, ops.CAT):
        yield from _parts(part, node, gradient)
    elif _is_plain_sum(part, node):
        for source in node.all_input_nodes:
            yield (source, False), gradient
    elif ops.is_pointwise(node):
        yield (only_input(node), False), _times(gradient, batch.mine(local.slope(node, False), False, part.axis), len(batch))
    else:
        yield from _generic_back(part, batch, node, gradient, local, {n: False for n in _moving(part, node)})


def _sliced_back(
    part: Split, batch: Batch, node: fx.Node, gradient: Tensor, local: Local
) -> Iterator[tuple[Key, Tensor]]:
    into, module = batch.group.reads(node), ops.module_of(node)
    if into is None:
        yield (node, False), _spread(part, batch, node, gradient)
        return
    source, one = into[0]
    if ops.is_conv(node):
        yield (source, one is not None), _conv_rows_back(part, batch, node, gradient)
    elif ops.is_linear(node):
        weight = module.weight[batch.channel(node)].unsqueeze(1)  # type: ignore[union-attr, index]
        found = gradient.reshape(len(batch), -1, 1) * weight
        yield (source, False), found.view(*gradient.shape[:-1], -1)
    elif ops.is_norm(node):
        scale, _ = ops.norm_affine(module)  # type: ignore[arg-type]
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


def _parts(part: Split, node: fx.Node, gradient: Tensor) -> Iterator[tuple[Key, Tensor]]:
    """Each input of a concatenation with its part of the gradient."""
    dim = int(node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0))  # type: ignore[arg-type]
    sources: list[fx.Node] = list(node.args[0] if node.args else node.kwargs["tensors"])  # type: ignore[arg-type]
    sizes = [part.zero[source].shape[dim] for source in sources]
    for source, piece in zip(sources, gradient.split(sizes, dim), strict=True):
        yield (source, False), piece


def _times(gradient: Tensor, factor: Tensor, pairs: int) -> Tensor:
    """(pairs · steps, …) times (pairs or 1, steps or 1, …)."""
    return (gradient.view(pairs, -1, *gradient.shape[1:]) * factor).flatten(0, 1)


def _moving(part: Split, node: fx.Node) -> list[fx.Node]:
    return list(dict.fromkeys(n for n in node.all_input_nodes if part.moves(n)))


def _is_plain_sum(part: Split, node: fx.Node) -> bool:
    """Whether the node is a + b of two tensors of its own shape (both depend on A)."""
    args = node.args
    return (
        ops.calls(node, ops.ADD)
        and not node.kwargs
        and len(args) == 2
        and args[0] is not args[1]
        and all(
            isinstance(a, fx.Node) and part.moves(a) and part.zero[a].shape == part.zero[node].shape for a in args
        )
    )


def _conv_back(part: Split, node: fx.Node, gradient: Tensor) -> Tensor:
    conv = ops.module_of(node)
    assert isinstance(conv, nn.Conv2d)  # noqa: S101
    shape = (len(gradient), *part.zero[only_input(node)].shape[1:])
    options = (conv.stride, conv.padding, conv.dilation, conv.groups)
    found: Tensor = conv2d_input(shape, conv.weight, gradient, *options)  # type: ignore[no-untyped-call]
    return found


def _spread(part: Split, batch: Batch, node: fx.Node, gradient: Tensor) -> Tensor:
    """Each pair's one channel of a gradient as all channels, 0 elsewhere."""
    steps, axis = len(gradient) // len(batch), part.axis
    shape = list(gradient.shape)
    shape[axis] = part.channels(node)
    index = batch.channel(node).repeat_interleave(steps).view(-1, *[1] * (gradient.ndim - 1)).expand(gradient.shape)
    return gradient.new_zeros(shape).scatter_(axis, index, gradient)


def _conv_rows_back(part: Split, batch: Batch, node: fx.Node, gradient: Tensor) -> Tensor:
    """Back through one output channel for each pair: to all input channels, or to one where each has its own."""
    conv, source = ops.module_of(node), only_input(node)
    assert isinstance(conv, nn.Conv2d)  # noqa: S101
    steps, channels = len(gradient) // len(batch), batch.channel(node)
    weight = conv.weight[channels]
    size = part.zero[source].shape[-2:]
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
    part: Split, batch: Batch, node: fx.Node, gradient: Tensor, local: Local, inputs: Mapping[fx.Node, bool]
) -> Iterator[tuple[Key, Tensor]]:
    """Through any node, by running it once more at its inputs' middle values. `inputs`: which are one channel only."""
    sliced = any(inputs.values())
    steps = len(gradient) // len(batch)
    with torch.enable_grad():
        taken = {}
        for source, one in inputs.items():
            value = batch.mine(local.middle(source, one), one, part.axis)
            taken[source] = value.expand(len(batch), steps, *value.shape[2:]).flatten(0, 1).detach().requires_grad_()
        out = _run(part, batch, node, steps, taken) if sliced else ops.run(node, lambda n: taken.get(n, part.zero.get(n)))
    found = torch.autograd.grad(out, list(taken.values()), gradient.expand(out.shape))
    for (source, one), g in zip(inputs.items(), found, strict=True):
        yield (source, one), g


def _run(part: Split, batch: Batch, node: fx.Node, steps: int, taken: Mapping[fx.Node, Tensor]) -> Tensor:
    """A channelwise node, each pair on its own channel; of constants with all channels, too."""
    channels, ndim = batch.channel(node), part.zero[node].ndim

    def chosen(source: fx.Node) -> Any:
        if source in taken:
            return taken[source]
        constant = part.constant(source, ndim)
        if isinstance(constant, Tensor) and constant.ndim == ndim and constant.shape[part.axis] > 1:
            return constant[0][channels].unsqueeze(1).repeat_interleave(steps, 0)
        return constant

    found: Tensor = ops.run(node, chosen)
    return found
