"""A segment split in two: what is affine along the path α·A, and the core that is evaluated step by step.

1. Nodes are affine by the rules of operations.py; the values at A = 0 tell which are exactly 0 there.
2. The frontier, affine tensors that the core reads, is known at every α from two values:
   u(α) = u(0) + α·(u(A) − u(0)). It is computed once per patch, for all targets.
3. A target is one channel. `reads` tells which channel of which input a channel needs: batch norm, ReLU and sums pass
   one channel on, a concatenation picks one branch, a convolution or linear layer takes one row and all of its input.
4. Where each channel of an affine tensor x comes from the same channel of A alone, the way back can end:
   Σ_space A_i ⊙ (∂x/∂A)ᵀ g = Σ_space (x_i(A) − x_i(0)) ⊙ g_i, since x is affine along the path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from neurflow_report.attribution import operations as ops

Read = tuple[fx.Node, int | None]
"""An input that a channel needs: all of it, or one channel."""


class NotSplittableError(Exception):
    """The segment holds values that are no tensors of A's rows: it has to be run as it is."""


@dataclass(frozen=True, kw_only=True)
class AffineSplit:
    """A segment's graph with what is known of it. `order`: nodes that depend on A, in graph order; `at_baseline`: the
    values at A = 0, one row; `affine`: the nodes that are affine in α, see the module; `unmixed`: those of them whose
    channels come from the same channel of A each; `kept`: those whose values at A are needed; `axis`: the channel axis;
    `channel_paths`: a memo."""

    source: fx.Node
    result: fx.Node
    axis: int
    order: tuple[fx.Node, ...]
    affine: frozenset[fx.Node]
    unmixed: frozenset[fx.Node]
    kept: frozenset[fx.Node]
    at_baseline: Mapping[fx.Node, Any]
    channel_paths: dict[int, Mapping[fx.Node, int]] = field(default_factory=dict, compare=False)

    @property
    def is_affine(self) -> bool:
        """Whether the segment is affine along the path throughout: one node is exact."""
        return self.result in self.affine

    def channels(self, node: fx.Node) -> int:
        """How many channels the node has."""
        return int(self.at_baseline[node].shape[self.axis])

    def depends_on_input(self, node: fx.Node) -> bool:
        """Whether the node depends on A."""
        return node in self._moving

    @cached_property
    def _moving(self) -> frozenset[fx.Node]:
        return frozenset(self.order)

    def constant(self, node: fx.Node, ndim: int) -> Any:
        """A value that does not depend on A; a tensor of fewer axes than `ndim` with ones before them."""
        value = self.at_baseline[node]
        if not isinstance(value, Tensor) or value.ndim == 0 or value.ndim >= ndim:
            return value
        return value.view(*[1] * (ndim - value.ndim), *value.shape)


@torch.no_grad()
def split(segment: fx.GraphModule, row: Tensor, axis: int, out_axis: int) -> AffineSplit:
    """Split a segment. Args: row: one row of its input; axis, out_axis: its input's and output's channel axis.

    Raises: NotSplittableError where a value that depends on A is no tensor with A's rows.
    """
    source = next(n for n in segment.graph.nodes if n.op == "placeholder")
    values: dict[fx.Node, Any] = {source: torch.zeros_like(row)}
    two: dict[fx.Node, Any] = {source: values[source].repeat(2, *[1] * (row.ndim - 1))}
    order, affine = {source: None}, {source}
    for node in segment.graph.nodes:
        if node.op in {"placeholder", "output"}:
            continue
        values[node] = two[node] = ops.run(node, values.__getitem__)
        if any(n in order for n in node.all_input_nodes):
            two[node] = ops.run(node, two.__getitem__)
            if ops.calls(node, {"detach"}) or not _has_rows(values[node], two[node]):
                raise NotSplittableError(str(node))
            order[node] = None
            if _is_affine(node, order, affine, values):
                affine.add(node)
    result = segment.graph.output_node().args[0]
    if not isinstance(result, fx.Node) or result not in order:
        raise NotSplittableError("the output")
    unmixed = _unmixed(source, tuple(order), affine, values) if axis == out_axis == 1 else {source}
    return AffineSplit(
        source=source,
        result=result,
        axis=out_axis,
        order=tuple(order),
        affine=frozenset(affine),
        unmixed=frozenset(unmixed),
        kept=_kept(result, affine, unmixed),
        at_baseline=values,
    )


def _has_rows(one: Any, two: Any) -> bool:
    """Whether a value is a tensor of real numbers whose first axis is A's rows: 1 of one row, 2 of two."""
    if not all(isinstance(v, Tensor) and v.ndim >= 2 and v.is_floating_point() for v in (one, two)):
        return False
    return len(one) == 1 and len(two) == 2 and one.shape[1:] == two.shape[1:]


def _is_affine(
    node: fx.Node, moving: Mapping[fx.Node, None], affine: set[fx.Node], at_baseline: Mapping[fx.Node, Any]
) -> bool:
    """Rules 1 and 3 of METHOD §4; what is infinite at A = 0 has no difference to be affine in."""
    inputs = [n for n in node.all_input_nodes if n in moving]
    if not affine.issuperset(inputs) or not bool(torch.isfinite(at_baseline[node]).all()):
        return False
    return ops.is_affine(node, moving.__contains__) or (
        ops.is_homogeneous(node) and not any(bool(at_baseline[n].any()) for n in inputs)
    )


def _unmixed(
    source: fx.Node, order: tuple[fx.Node, ...], affine: set[fx.Node], at_baseline: Mapping[fx.Node, Any]
) -> set[fx.Node]:
    """The affine nodes that mix no channels of A: channel i of each depends on A_i alone."""
    found = {source}
    for node in order:
        inputs = [n for n in node.all_input_nodes if n in order]
        same = all(at_baseline[n].shape[1] == at_baseline[node].shape[1] for n in inputs)
        if node in affine and found.issuperset(inputs) and ops.is_channelwise(node) and same:
            found.add(node)
    return found


def _kept(result: fx.Node, affine: set[fx.Node], unmixed: set[fx.Node]) -> frozenset[fx.Node]:
    """The affine nodes that the core reads, at which the way back ends, or whose values it takes."""
    read = {n for n in affine if n is result or not affine.issuperset(_real_users(n))}
    ends = {n for n in unmixed if not unmixed.issuperset(_real_users(n)) or n is result}
    taken = {i for n in affine - unmixed if _needs_input(n) for i in n.all_input_nodes if i in affine}
    return frozenset(read | ends | taken)


def _real_users(node: fx.Node) -> list[fx.Node]:
    return [u for u in node.users if u.op != "output"]


def _needs_input(node: fx.Node) -> bool:
    """Whether going back through an affine node takes its input's value (see backward.py)."""
    return ops.is_homogeneous(node)


@torch.no_grad()
def affine_values(part: AffineSplit, activations: Tensor, rows: int) -> dict[fx.Node, Tensor]:
    """The kept affine values at A, each (n, …), computed `rows` rows at a time."""
    found: dict[fx.Node, list[Tensor]] = {n: [] for n in part.kept}
    for chunk in torch.split(activations, rows):
        values: dict[fx.Node, Any] = {part.source: chunk}
        for node in part.order:
            if node in part.affine:
                if node is not part.source:
                    values[node] = ops.run(node, lambda n: values[n] if n in values else part.at_baseline[n])  # noqa: B023
                if node in part.kept:
                    found[node].append(values[node])
    return {n: torch.cat(v) if len(v) > 1 else v[0] for n, v in found.items()}


def reads(part: AffineSplit, node: fx.Node, channel: int) -> tuple[Read, ...] | None:
    """What one channel of a node needs of its inputs that depend on A; None where it takes the whole node."""
    if ops.is_conv(node):
        conv = ops.conv_of(node)
        alone = conv.in_channels == conv.groups
        return ((only_input(node), channel // (conv.out_channels // conv.groups) if alone else None),)
    if ops.is_linear(node):
        return (
            ((only_input(node), None),)
            if part.axis % part.at_baseline[node].ndim == part.at_baseline[node].ndim - 1
            else None
        )
    if ops.is_norm(node):
        return ((only_input(node), channel),) if part.axis == 1 else None
    if ops.calls(node, ops.CAT):
        return _branch(part, node, channel)
    if ops.is_channelwise(node) and part.axis == 1:
        moving = dict.fromkeys(n for n in node.all_input_nodes if part.depends_on_input(n))
        return tuple((n, channel if _is_as_wide(part, n, node) else None) for n in moving)
    return None


def only_input(node: fx.Node) -> fx.Node:
    """The input of a node that has one."""
    return node.all_input_nodes[0]


def _is_as_wide(part: AffineSplit, source: fx.Node, node: fx.Node) -> bool:
    """Whether an input of a channelwise node has all of its channels, and is not spread over them."""
    return part.at_baseline[source].ndim == part.at_baseline[node].ndim and part.channels(source) == part.channels(node)


def _branch(part: AffineSplit, node: fx.Node, channel: int) -> tuple[Read, ...] | None:
    """The input of a concatenation over the channels that holds `channel`, and the channel's number there."""
    sources, dim = ops.parts_of(node)
    ndim = part.at_baseline[node].ndim
    if dim % ndim != part.axis % ndim:
        return None
    for source in sources:
        count = part.channels(source)
        if channel < count:
            return ((source, channel),) if part.depends_on_input(source) else None
        channel -= count
    return None


Is = Callable[[fx.Node], bool]


def needed(part: AffineSplit, node: fx.Node, known: Is, leaf: Is) -> list[fx.Node]:
    """The node and all that it is made from, in graph order, without what is `known`; a `leaf` is made from nothing.

    (A graph can be deeper than Python's stack.)
    """
    found, waiting = set[fx.Node](), [node]
    while waiting:
        one = waiting.pop()
        if one not in found and part.depends_on_input(one) and not known(one):
            found.add(one)
            waiting += () if leaf(one) else one.all_input_nodes
    return [one for one in part.order if one in found]


def channel_path(part: AffineSplit, channel: int) -> Mapping[fx.Node, int]:
    """The nodes of which a target channel needs one channel only, and which; the way ends at `unmixed` nodes.

    Where two ways lead to different channels of one node, the target is worked on unsliced: {result: channel}.
    """
    if channel not in part.channel_paths:
        part.channel_paths[channel] = _channel_path(part, channel)
    return part.channel_paths[channel]


def _channel_path(part: AffineSplit, channel: int) -> dict[fx.Node, int]:
    found, waiting = {part.result: channel}, [part.result]
    while waiting:
        node = waiting.pop()
        for source, one in () if node in part.unmixed else reads(part, node, found[node]) or ():
            if one is None:
                continue
            if source not in found:
                found[source] = one
                waiting.append(source)
            elif found[source] != one:
                return {part.result: channel}
    return found
