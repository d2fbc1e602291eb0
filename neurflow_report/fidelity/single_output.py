"""A segment cut down to one channel of its output: of the last layers, only what it needs (METHOD §4, rule 2).

From the output back, a channelwise operation needs one channel of its inputs, and a convolution or a linear layer one
row of its weight. What lies below these is as it was.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator

from torch import fx, nn

from neurflow_report.attribution import operations as ops
from neurflow_report.network.copying import duplicate

_BY_CHANNEL = ("weight", "bias", "running_mean", "running_var")


def with_single_output(segment: fx.GraphModule, channel: int) -> tuple[fx.GraphModule, int]:
    """A copy of the segment that puts out one channel alone, and that channel's number in it, 0.

    The segment itself and `channel` where its last layers are of another kind, or are used elsewhere as well. Modules
    that stay as they are, are shared.
    """
    layers = _last_layers(segment)
    if layers is None or {_width(node) for node in layers} != {_width(layers[0])} or channel >= _width(layers[0]):
        return segment, channel
    found = fx.GraphModule(segment, copy.deepcopy(segment.graph))
    for node in layers:
        found.set_submodule(str(node.target), _row(found.get_submodule(str(node.target)), channel))
    return found.train(segment.training), 0


def _last_layers(segment: fx.GraphModule) -> list[fx.Node] | None:
    """The layers with a row for each channel of the output; None where there are none, or not only such."""
    calls = Counter(node.target for node in segment.graph.nodes if node.op == "call_module")
    (end,) = (node for node in segment.graph.nodes if node.op == "output")
    walked, found, waiting = {end}, list[fx.Node](), list(end.all_input_nodes)
    for node in _upward(waiting):
        rows = _has_rows(node)
        if not set(node.users) <= walked or not (rows or ops.is_channelwise(node)):
            return None
        if rows or ops.is_norm(node):
            if calls[node.target] > 1:
                return None
            found.append(node)
        if not rows:
            waiting += node.all_input_nodes
            walked.add(node)
    return found or None


def _upward(waiting: list[fx.Node]) -> Iterator[fx.Node]:
    """The nodes that wait, each once, and after all that read it."""
    while waiting:
        node = max(waiting)
        waiting[:] = [other for other in waiting if other is not node]
        yield node


def _width(node: fx.Node) -> int:
    """The channels that a layer with rows, or a norm, puts out: fewer than the output has where they are spread."""
    if ops.is_norm(node):
        return len(ops.norm_affine(node)[0])
    return len(ops.linear_of(node).weight if ops.is_linear(node) else ops.conv_of(node).weight)


def _has_rows(node: fx.Node) -> bool:
    return ops.is_linear(node) or (ops.is_conv(node) and ops.conv_of(node).groups == 1)


def _row(module: nn.Module, channel: int) -> nn.Module:
    """The module for one channel of its output."""
    found = duplicate(module, {})
    for name in _BY_CHANNEL:
        value = getattr(found, name, None)
        if value is not None:
            part = value.detach()[channel : channel + 1].clone()
            setattr(found, name, nn.Parameter(part, requires_grad=False) if name in found._parameters else part)
    for name in ("out_channels", "out_features", "num_features"):
        if hasattr(found, name):
            setattr(found, name, 1)
    return found
