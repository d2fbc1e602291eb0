"""A segment split in two: what is straight along the path α·A, and the core that is evaluated at every node.

1. Nodes are straight by the rules of operations.py; the values at A = 0 tell which are exactly 0 there.
2. The frontier, straight tensors that the core reads, is known at every α from two values:
   u(α) = u(0) + α·(u(A) − u(0)). It is computed once per patch, for all targets.
3. The core is evaluated from the target channel back, so that only what feeds that channel is computed: batch norm,
   ReLU and sums pass one channel on, a concatenation picks one branch, a convolution or linear layer takes one row.
4. Gradients at the frontier, summed over the nodes, go back through the straight part once, one channel where one
   channel was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from neurflow_report.circuit import operations as ops

Key = tuple[fx.Node, int | None]
"""A tensor of the graph: all of it, or one channel."""


class NotSplittableError(Exception):
    """The segment holds values that are no tensors of A's rows: it has to be run as it is."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A segment's graph with what is known of it. `order`: nodes that depend on A, in graph order; `zero`: the values
    at A = 0, one row; `straight`: see the module; `kept`: the straight nodes whose values at A are needed later."""

    source: fx.Node
    result: fx.Node
    axis: int
    order: tuple[fx.Node, ...]
    straight: frozenset[fx.Node]
    kept: frozenset[fx.Node]
    zero: Mapping[fx.Node, Any]

    @property
    def is_straight(self) -> bool:
        """Whether the segment is affine along the path throughout: one node is exact."""
        return self.result in self.straight

    def channels(self, node: fx.Node) -> int:
        """How many channels the node has."""
        return int(self.zero[node].shape[self.axis])

    def moves(self, node: fx.Node) -> bool:
        """Whether the node depends on A."""
        return node in self._moving

    @cached_property
    def _moving(self) -> frozenset[fx.Node]:
        return frozenset(self.order)

    def narrow(self, value: Tensor, channel: int | None) -> Tensor:
        """`value`, or the one channel of it (the axis stays)."""
        return value if channel is None else value.narrow(self.axis, channel, 1)


@torch.no_grad()
def split(segment: fx.GraphModule, row: Tensor, axis: int) -> Split:
    """Split a segment. Args: row: one row of its input; axis: the channel axis of its output (1, or -1 for tokens).

    Raises: NotSplittableError where a value that depends on A is no tensor with A's rows.
    """
    source = next(n for n in segment.graph.nodes if n.op == "placeholder")
    values: dict[fx.Node, Any] = {source: torch.zeros_like(row).repeat(2, *[1] * (row.ndim - 1))}
    order, straight = {source: None}, {source}
    for node in segment.graph.nodes:
        if node.op in {"placeholder", "output"}:
            continue
        values[node] = ops.run(node, values.__getitem__)
        if any(n in order for n in node.all_input_nodes):
            if not isinstance(values[node], Tensor) or values[node].ndim < 2 or len(values[node]) != 2:
                raise NotSplittableError(str(node))
            order[node] = None
            if _is_straight(node, order, straight, values):
                straight.add(node)
    result = segment.graph.output_node().args[0]
    if not isinstance(result, fx.Node) or result not in order:
        raise NotSplittableError("the output")
    zero = {n: v[:1] if n in order else v for n, v in values.items()}
    kept = _kept(source, result, straight)
    return Split(source=source, result=result, axis=axis, order=tuple(order), straight=frozenset(straight),
                 kept=kept, zero=zero)  # fmt: skip


def _is_straight(
    node: fx.Node, moving: Mapping[fx.Node, None], straight: set[fx.Node], zero: Mapping[fx.Node, Any]
) -> bool:
    """Rules 1 and 3 of METHOD §4."""
    inputs = [n for n in node.all_input_nodes if n in moving]
    if not straight.issuperset(inputs):
        return False
    return ops.is_affine(node, moving.__contains__) or (
        ops.is_homogeneous(node) and not any(bool(zero[n].any()) for n in inputs)
    )


def _kept(source: fx.Node, result: fx.Node, straight: set[fx.Node]) -> frozenset[fx.Node]:
    """The straight nodes that the core reads, or whose values the way back takes."""
    read = {n for n in straight if n in (source, result) or not straight.issuperset(_real_users(n))}
    return frozenset(read | {i for n in straight if _needs_input(n) for i in n.all_input_nodes if i in straight})


def _real_users(node: fx.Node) -> list[fx.Node]:
    return [u for u in node.users if u.op != "output"]


def _needs_input(node: fx.Node) -> bool:
    """Whether going back through a straight node takes its input's value (see `back`)."""
    module = ops.module_of(node)
    return not (ops.is_conv(node) or ops.is_norm(node) or isinstance(module, nn.Linear) or ops.calls(node, ops.CAT))


@torch.no_grad()
def frontier_values(part: Split, activations: Tensor, rows: int) -> dict[fx.Node, Tensor]:
    """The kept straight values at A, each (n, …), computed `rows` rows at a time."""
    found: dict[fx.Node, list[Tensor]] = {n: [] for n in part.kept}
    for chunk in torch.split(activations, rows):
        values: dict[fx.Node, Any] = {part.source: chunk}
        for node in part.order:
            if node in part.straight:
                if node is not part.source:
                    values[node] = ops.run(node, lambda n: values[n] if n in values else part.zero[n])  # noqa: B023
                if node in part.kept:
                    found[node].append(values[node])
    return {n: torch.cat(v) if len(v) > 1 else v[0] for n, v in found.items()}


class Core:
    """The core for one target channel at given points of the path; `leaves` are the frontier tensors that it read."""

    def __init__(self, part: Split, values: Mapping[fx.Node, Tensor], rows: Tensor, alphas: Tensor) -> None:
        self.part, self.values, self.rows, self.alphas = part, values, rows, alphas
        self.leaves: dict[Key, Tensor] = {}
        self.memo: dict[Key, Any] = {}

    def target(self, channel: int) -> Tensor:
        """The target channel at every (row, α), rows outermost: (rows·alphas, …) with one channel."""
        found: Tensor = self.value(self.part.result, channel)
        return found

    def value(self, node: fx.Node, channel: int | None) -> Any:
        """The node's value at every (row, α), or one channel of it."""
        key = (node, channel)
        if key not in self.memo:
            if node in self.part.straight:
                self.memo[key] = self.leaves[key] = self._path(node, channel)
            elif not self.part.moves(node):
                self.memo[key] = self.part.narrow(self.part.zero[node], channel)
            else:
                self.memo[key] = self._core(node, channel)
        return self.memo[key]

    def _path(self, node: fx.Node, channel: int | None) -> Tensor:
        end = self.part.narrow(self.values[node], channel)[self.rows].unsqueeze(1)
        start = self.part.narrow(self.part.zero[node], channel).unsqueeze(1)
        alphas = self.alphas.view(1, -1, *[1] * (end.ndim - 2))
        path: Tensor = torch.addcmul(start, end - start, alphas).flatten(0, 1)
        return path.requires_grad_()

    def _core(self, node: fx.Node, channel: int | None) -> Any:
        if channel is None:
            return ops.run(node, lambda n: self.value(n, None))
        module = ops.module_of(node)
        if ops.is_conv(node):
            return self._conv_row(node, channel)
        if (
            isinstance(module, nn.Linear)
            and self.part.axis % self.part.zero[node].ndim == self.part.zero[node].ndim - 1
        ):
            bias = None if module.bias is None else module.bias[channel : channel + 1]
            return F.linear(self.value(_input(node), None), module.weight[channel : channel + 1], bias)
        if module is not None and ops.is_norm(node) and self.part.axis == 1:
            scale, shift = ops.norm_affine(module)
            return self.value(_input(node), channel) * scale[channel] + shift[channel]
        if ops.calls(node, ops.CAT) and (found := branch(self.part, node, channel)):
            return self.value(*found)
        if ops.is_channelwise(node) and self.part.axis == 1:
            return ops.run(node, lambda n: self.value(n, self._shared(node, n, channel)))
        return self.part.narrow(self.value(node, None), channel)

    def _shared(self, node: fx.Node, source: fx.Node, channel: int) -> int | None:
        """Which channel of an input a channelwise node reads; all of an input that is spread over the channels."""
        shape = self.part.zero[source].shape if isinstance(self.part.zero[source], Tensor) else ()
        same = len(shape) == self.part.zero[node].ndim and shape[self.part.axis] == self.part.channels(node)
        return channel if same else None

    def _conv_row(self, node: fx.Node, channel: int) -> Tensor:
        conv = ops.module_of(node)
        assert isinstance(conv, nn.Conv2d)  # noqa: S101
        width = conv.in_channels // conv.groups
        first = channel // (conv.out_channels // conv.groups) * width
        if width == 1:
            inputs = self.value(_input(node), first)
        else:
            inputs = self.value(_input(node), None).narrow(1, first, width)
        bias = None if conv.bias is None else conv.bias[channel : channel + 1]
        weight = conv.weight[channel : channel + 1]
        return F.conv2d(inputs, weight, bias, conv.stride, conv.padding, conv.dilation)


def _input(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


def branch(part: Split, node: fx.Node, channel: int) -> Key | None:
    """The input of a concatenation over the channels that holds `channel`, and the channel's number there."""
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    ndim = part.zero[node].ndim
    if not isinstance(dim, int) or dim % ndim != part.axis % ndim:
        return None
    for source in node.args[0]:  # type: ignore[union-attr]
        count = part.channels(source)  # type: ignore[arg-type]
        if channel < count:
            return source, channel  # type: ignore[return-value]
        channel -= count
    return None


def back(
    part: Split, values: Mapping[fx.Node, Tensor], rows: Tensor, gradients: dict[Key, Tensor]
) -> dict[Key, Tensor]:
    """Gradients at straight tensors, rows as in `rows`, taken back to A: {(A, None or channel): gradient}."""
    pending = dict(gradients)
    for node in reversed(part.order):
        if node not in part.straight or node is part.source:
            continue
        for key in [k for k in pending if k[0] is node]:
            for source, gradient in _back(part, values, rows, key, pending.pop(key)):
                pending[source] = pending[source] + gradient if source in pending else gradient
    return pending


def _back(
    part: Split, values: Mapping[fx.Node, Tensor], rows: Tensor, key: Key, gradient: Tensor
) -> Iterator[tuple[Key, Tensor]]:
    """One step back: the keys of the node's inputs and the gradients there."""
    node, channel = key
    module = ops.module_of(node)
    if ops.is_conv(node):
        yield (_input(node), None), _conv_back(part, node, channel, gradient)
    elif isinstance(module, nn.Linear) and (channel is None or part.axis % gradient.ndim == gradient.ndim - 1):
        weight = module.weight if channel is None else module.weight[channel : channel + 1]
        yield (_input(node), None), gradient @ weight
    elif module is not None and ops.is_norm(node) and (channel is None or part.axis == 1):
        scale, _ = ops.norm_affine(module)
        scale = scale if channel is None else scale[channel : channel + 1]
        yield (_input(node), channel), gradient * scale.view(1, -1, *[1] * (gradient.ndim - 2))
    elif ops.calls(node, ops.CAT) and channel is not None and (found := branch(part, node, channel)):
        if part.moves(found[0]):
            yield found, gradient
    else:
        yield from _generic_back(part, values, rows, key, gradient)


def _conv_back(part: Split, node: fx.Node, channel: int | None, gradient: Tensor) -> Tensor:
    conv = ops.module_of(node)
    assert isinstance(conv, nn.Conv2d)  # noqa: S101
    shape = (len(gradient), *part.zero[_input(node)].shape[1:])
    weight, groups = conv.weight, conv.groups
    if channel is not None and groups == 1:
        weight = weight[channel : channel + 1]
    elif channel is not None:
        gradient = _spread(gradient, channel, conv.out_channels, 1)
    options = (conv.stride, conv.padding, conv.dilation, groups)
    found: Tensor = conv2d_input(shape, weight, gradient, *options)  # type: ignore[no-untyped-call]
    return found


def _spread(gradient: Tensor, channel: int, channels: int, axis: int) -> Tensor:
    """The gradient of one channel as that of all of them, 0 elsewhere."""
    shape = list(gradient.shape)
    shape[axis] = channels
    whole = gradient.new_zeros(shape)
    whole.narrow(axis, channel, 1).copy_(gradient)
    return whole


def _generic_back(
    part: Split, values: Mapping[fx.Node, Tensor], rows: Tensor, key: Key, gradient: Tensor
) -> Iterator[tuple[Key, Tensor]]:
    """Through any straight node, by running it once more with gradients at its inputs' values; one channel where the
    node keeps channels apart."""
    node, channel = key
    sources = [n for n in node.all_input_nodes if part.moves(n)]
    apart = channel is not None and ops.is_channelwise(node) and part.axis == 1
    apart = apart and all(part.zero[s].shape[:2] == part.zero[node].shape[:2] for s in sources)
    taken = channel if apart else None
    if channel is not None and not apart:
        gradient = _spread(gradient, channel, part.channels(node), part.axis)
    with torch.enable_grad():
        inputs = {s: part.narrow(values[s], taken)[rows].detach().requires_grad_() for s in sources}
        constants = {n: part.zero[n] for n in node.all_input_nodes if n not in inputs}
        if apart:
            same = part.zero[node].ndim
            constants = {
                n: part.narrow(c, taken) if isinstance(c, Tensor) and c.ndim == same and c.shape[1] > 1 else c
                for n, c in constants.items()
            }
        out = ops.run(node, lambda n: inputs[n] if n in inputs else constants[n])
    found = torch.autograd.grad(out, list(inputs.values()), gradient)
    for source, g in zip(sources, found, strict=True):
        yield (source, taken), g
