"""A segment's graph split in two: the affine part, and the nonlinear part that is evaluated step by step (METHOD §4).

1. A tensor is *affine in α* where it is an affine function of α along the path α·A. Which are, follows from the
   operations (operations.py) and from the values at A = 0, which tell what is exactly 0 there.
2. The frontier, the tensors affine in α that the nonlinear part reads, is known at every α from two values:
   u(α) = u(0) + α·(u(A) − u(0)). It is computed once per patch, for all targets.
3. A target is one channel. `reads` tells which channel of which input a channel needs: batch norm, ReLU and sums pass
   one channel on, a concatenation picks one branch, a convolution or linear layer takes one row and all of its input.
4. Where each channel of a tensor x affine in α comes from the same channel of A alone (x is *unmixed*), the backward
   pass can end: Σ_space A_i ⊙ (∂x/∂A)ᵀ g = Σ_space (x_i(A) − x_i(0)) ⊙ g_i, since x is affine in α.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx
from torch.linalg import vector_norm

from neurflow_report.attribution import operations as ops

Read = tuple[fx.Node, int | None]
"""An input that a channel needs, and which channel of it (None: all)."""
Rule = tuple[tuple[fx.Node, int | None], ...]
"""The inputs that any channel of a node needs; channel c needs c // width of an input with a width, else all of it."""


class NotSplittableError(Exception):
    """The segment holds values that are no tensors of A's rows: it has to be run as it is."""


@dataclass(frozen=True, kw_only=True)
class AffineSplit:
    """A segment's graph with what is known of it.

    Attributes:
        source: the node of A.
        result: the node of the segment's output.
        axis: the output's channel axis.
        order: the nodes that depend on A, in graph order.
        affine_nodes: those whose tensors are affine in α.
        unmixed: those of the affine ones whose channels come from the same channel of A each.
        kept: those of the affine ones whose values at A are needed.
        at_baseline: the values of all nodes at A = 0, one row.
        channel_paths: a memo of `channel_path`.
        constants: a memo of `numbers`.
        norms: a memo of `norm`.
        kinds: a memo of `kind`.
        rules: a memo of `reads`; None where a channel takes the whole node.
    """

    source: fx.Node
    result: fx.Node
    axis: int
    order: tuple[fx.Node, ...]
    affine_nodes: frozenset[fx.Node]
    unmixed: frozenset[fx.Node]
    kept: frozenset[fx.Node]
    at_baseline: Mapping[fx.Node, Any]
    channel_paths: dict[int, Mapping[fx.Node, int]] = field(default_factory=dict, compare=False)
    constants: dict[tuple[float, ...], Tensor] = field(default_factory=dict, compare=False)
    norms: dict[fx.Node, tuple[Tensor, Tensor]] = field(default_factory=dict, compare=False)
    kinds: dict[fx.Node, ops.Kind] = field(default_factory=dict, compare=False)
    rules: dict[fx.Node, Rule | None] = field(default_factory=dict, compare=False)

    @property
    def is_affine(self) -> bool:
        """Whether the segment's output is affine in α: one step is exact."""
        return self.result in self.affine_nodes

    def channels(self, node: fx.Node) -> int:
        """How many channels the node has."""
        return int(self.at_baseline[node].shape[self.axis])

    def depends_on_input(self, node: fx.Node) -> bool:
        """Whether the node depends on A."""
        return node in self._dependent

    @cached_property
    def _dependent(self) -> frozenset[fx.Node]:
        return frozenset(self.order)

    def numbers(self, values: tuple[float, ...]) -> Tensor:
        """The same numbers as a tensor of A's kind, which is copied to the device once."""
        if values not in self.constants:
            self.constants[values] = self.at_baseline[self.source].new_tensor(values)
        return self.constants[values]

    def norm(self, node: fx.Node) -> tuple[Tensor, Tensor]:
        """`operations.norm_affine` of a node, computed once."""
        if node not in self.norms:
            self.norms[node] = ops.norm_affine(node)
        return self.norms[node]

    def kind(self, node: fx.Node) -> ops.Kind:
        """`operations.kind` of a node, looked up once: what a module computes does not change under a search."""
        if node not in self.kinds:
            self.kinds[node] = ops.kind(node)
        return self.kinds[node]

    @torch.no_grad()
    def at(self, baseline: Tensor) -> AffineSplit:
        """The same with the values at another A, (1, …), in place of those at A = 0: for knock-outs, which need of an
        unmixed tensor only that each channel comes from its own alone."""
        values: dict[fx.Node, Any] = {**self.at_baseline, self.source: baseline}
        for node in self.order:
            if node is not self.source:
                values[node] = ops.run(node, values.__getitem__)
        return replace(self, at_baseline=values)

    def constant(self, node: fx.Node, ndim: int) -> Any:
        """A value that does not depend on A; a tensor of fewer axes than `ndim` with ones before them."""
        value = self.at_baseline[node]
        if not isinstance(value, Tensor) or value.ndim == 0 or value.ndim >= ndim:
            return value
        return value.view(*[1] * (ndim - value.ndim), *value.shape)


@torch.no_grad()
def split_segment(segment: fx.GraphModule, row: Tensor, axis: int, out_axis: int) -> AffineSplit:
    """Split a segment.

    Args:
        segment: in eval mode; its one input is A.
        row: one row of A, (1, …).
        axis, out_axis: its input's and its output's channel axis.
    Raises: NotSplittableError where a value that depends on A is no tensor with A's rows.
    """
    source = next(n for n in segment.graph.nodes if n.op == "placeholder")
    values: dict[fx.Node, Any] = {source: torch.zeros_like(row)}
    # Everything that depends on A is computed for one row and for two: only so is it seen which axis holds the rows.
    two: dict[fx.Node, Any] = {source: values[source].repeat(2, *[1] * (row.ndim - 1))}
    order = {source: None}
    for node in segment.graph.nodes:
        if node.op in {"placeholder", "output"}:
            continue
        values[node] = two[node] = ops.run(node, values.__getitem__)
        if any(n in order for n in node.all_input_nodes):
            two[node] = ops.run(node, two.__getitem__)
            if ops.calls(node, {"detach"}) or not _has_rows(values[node], two[node]):
                raise NotSplittableError(str(node))
            order[node] = None
    affine_nodes = _affine_in_alpha(source, order, values)
    result = segment.graph.output_node().args[0]
    if not isinstance(result, fx.Node) or result not in order:
        raise NotSplittableError("the output")
    unmixed = _unmixed(source, tuple(order), affine_nodes, values) if axis == out_axis == 1 else {source}
    return AffineSplit(
        source=source,
        result=result,
        axis=out_axis,
        order=tuple(order),
        affine_nodes=frozenset(affine_nodes),
        unmixed=frozenset(unmixed),
        kept=_kept(result, affine_nodes, unmixed),
        at_baseline=values,
    )


def _has_rows(one: Any, two: Any) -> bool:
    """Whether a value is a tensor of real numbers whose first axis is A's rows: 1 of one row, 2 of two."""
    if not all(isinstance(v, Tensor) and v.ndim >= 2 and v.is_floating_point() for v in (one, two)):
        return False
    return len(one) == 1 and len(two) == 2 and one.shape[1:] == two.shape[1:]


def _affine_in_alpha(
    source: fx.Node, order: Mapping[fx.Node, None], at_baseline: Mapping[fx.Node, Any]
) -> set[fx.Node]:
    """The nodes whose tensors are affine in α (METHOD §4.1); none that is infinite at A = 0."""
    # What the host has to know of the values, it asks for once: they are on the device.
    looks = [vector_norm(at_baseline[n], torch.inf) if at_baseline[n].numel() else at_baseline[n].sum() for n in order]
    largest = dict(zip(order, torch.stack(looks).tolist(), strict=True))
    found = {source}
    for node in list(order)[1:]:
        inputs = [n for n in node.all_input_nodes if n in order]
        if math.isfinite(largest[node]) and found.issuperset(inputs):
            at_zero = not any(largest[n] for n in inputs)
            if ops.is_affine_operation(node, order.__contains__) or (ops.is_homogeneous(node) and at_zero):
                found.add(node)
    return found


def _unmixed(
    source: fx.Node, order: tuple[fx.Node, ...], affine_nodes: set[fx.Node], at_baseline: Mapping[fx.Node, Any]
) -> set[fx.Node]:
    """The nodes affine in α that mix no channels of A: channel i of each depends on A_i alone."""
    found = {source}
    for node in order:
        inputs = [n for n in node.all_input_nodes if n in order]
        same = all(at_baseline[n].shape[1] == at_baseline[node].shape[1] for n in inputs)
        if node in affine_nodes and found.issuperset(inputs) and ops.is_channelwise(node) and same:
            found.add(node)
    return found


def _kept(result: fx.Node, affine_nodes: set[fx.Node], unmixed: set[fx.Node]) -> frozenset[fx.Node]:
    """The nodes affine in α whose values at A are needed."""
    # The frontier; the tensors at which the backward pass ends; the inputs whose values the backward pass takes.
    read = {n for n in affine_nodes if n is result or not affine_nodes.issuperset(_real_users(n))}
    ends = {n for n in unmixed if not unmixed.issuperset(_real_users(n)) or n is result}
    taken = {i for n in affine_nodes - unmixed if _needs_input(n) for i in n.all_input_nodes if i in affine_nodes}
    return frozenset(read | ends | taken)


def _real_users(node: fx.Node) -> list[fx.Node]:
    return [u for u in node.users if u.op != "output"]


def _needs_input(node: fx.Node) -> bool:
    """Whether the backward pass through a node affine in α takes its input's value (see backward.py)."""
    return ops.is_homogeneous(node)


@torch.no_grad()
def values_at_input(split: AffineSplit, activations: Tensor, rows: int) -> dict[fx.Node, Tensor]:
    """The values at A of the nodes `split.kept`, (n, …) each.

    Args:
        split: of the segment.
        activations: A of n patches, (n, …).
        rows: how many patches are computed at a time.
    """
    found: dict[fx.Node, list[Tensor]] = {n: [] for n in split.kept}
    for chunk in torch.split(activations, rows):
        values: dict[fx.Node, Any] = {split.source: chunk}
        for node in split.order:
            if node in split.affine_nodes:
                if node is not split.source:
                    values[node] = ops.run(node, lambda n: values[n] if n in values else split.at_baseline[n])  # noqa: B023
                if node in split.kept:
                    found[node].append(values[node])
    return {n: torch.cat(v) if len(v) > 1 else v[0] for n, v in found.items()}


def reads(split: AffineSplit, node: fx.Node, channel: int) -> tuple[Read, ...] | None:
    """What one channel of a node needs of its inputs that depend on A; None where it takes the whole node."""
    if split.kind(node) == "cat":
        return _branch(split, node, channel)
    if node not in split.rules:
        split.rules[node] = _rule(split, node)
    rule = split.rules[node]
    return None if rule is None else tuple((source, width and channel // width) for source, width in rule)


def _rule(split: AffineSplit, node: fx.Node) -> Rule | None:
    """What `reads` says of all channels of a node that is no concatenation."""
    kind = split.kind(node)
    if kind == "conv":
        conv = ops.conv_of(node)
        depthwise = conv.in_channels == conv.groups
        return ((only_input(node), conv.out_channels // conv.groups if depthwise else None),)
    if kind == "linear":
        ndim = split.at_baseline[node].ndim
        return ((only_input(node), None),) if split.axis % ndim == ndim - 1 else None
    if split.axis != 1:
        return None
    if kind == "norm":
        return ((only_input(node), 1),)
    if not ops.is_channelwise(node):
        return None
    dependent = dict.fromkeys(n for n in node.all_input_nodes if split.depends_on_input(n))
    return tuple((n, 1 if _is_as_wide(split, n, node) else None) for n in dependent)


def only_input(node: fx.Node) -> fx.Node:
    """The input of a node that has one."""
    return node.all_input_nodes[0]


def _is_as_wide(split: AffineSplit, source: fx.Node, node: fx.Node) -> bool:
    """Whether an input of a channelwise node has all of its channels, and is not broadcast over them."""
    same_rank = split.at_baseline[source].ndim == split.at_baseline[node].ndim
    return same_rank and split.channels(source) == split.channels(node)


def _branch(split: AffineSplit, node: fx.Node, channel: int) -> tuple[Read, ...] | None:
    """The input of a concatenation over the channels that holds `channel`, and the channel's number there."""
    sources, dim = ops.cat_inputs(node)
    ndim = split.at_baseline[node].ndim
    if dim % ndim != split.axis % ndim:
        return None
    for source in sources:
        count = split.channels(source)
        if channel < count:  # counted from the branch's own first channel on
            return ((source, channel),) if split.depends_on_input(source) else None
        channel -= count
    return None


NodeTest = Callable[[fx.Node], bool]


def needed(split: AffineSplit, node: fx.Node, known: NodeTest, leaf: NodeTest) -> list[fx.Node]:
    """The node and all that it is computed from, in graph order, without what is `known`; a `leaf` has no inputs."""
    # No recursion: a graph can be deeper than Python's stack.
    found, waiting = set[fx.Node](), [node]
    while waiting:
        one = waiting.pop()
        if one not in found and split.depends_on_input(one) and not known(one):
            found.add(one)
            waiting += () if leaf(one) else one.all_input_nodes
    return [one for one in split.order if one in found]


def channel_path(split: AffineSplit, channel: int) -> Mapping[fx.Node, int]:
    """The nodes of which a target channel needs one channel only, and which; the path ends at `unmixed` nodes.

    Where two paths lead to different channels of one node, only the result is sliced: {result: channel}.
    """
    if channel not in split.channel_paths:
        split.channel_paths[channel] = _channel_path(split, channel)
    return split.channel_paths[channel]


def _channel_path(split: AffineSplit, channel: int) -> dict[fx.Node, int]:
    found, waiting = {split.result: channel}, [split.result]
    while waiting:
        node = waiting.pop()
        for source, its_channel in () if node in split.unmixed else reads(split, node, found[node]) or ():
            if its_channel is None:
                continue
            if source not in found:
                found[source] = its_channel
                waiting.append(source)
            elif found[source] != its_channel:
                return {split.result: channel}
    return found
