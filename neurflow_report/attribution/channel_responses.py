"""The backward pass through a convolution of many taps, for many targets of one patch (METHOD §4.3).

T needs the sum over space alone: T_i = ⟨g, R_i⟩ for any gradient g at u = conv(x), where R_i = conv(x_i) is the
response to channel i of the unmixed tensor x alone. The responses R, (Cin, K·H'·W'), do not depend on the target. They
cost one transposed convolution; with them a target costs Cin·K·H'·W' multiplications in one matrix product, where the
backward pass costs as many times the taps.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from neurflow_report.attribution import operations as ops
from neurflow_report.attribution.affine_split import AffineSplit, only_input
from neurflow_report.attribution.nonlinear_part import NonlinearPart

MOST_BYTES = 128 * 2**20
"""The largest table of responses that is made."""
FEW = 4
"""Pairs, and taps, from which on a table of responses pays."""


class TableBuffers:
    """One buffer for each node that has tables, which they are made in one after the other: fresh memory costs more."""

    def __init__(self) -> None:
        self._held: dict[fx.Node, Tensor] = {}

    def of(self, node: fx.Node, like: Tensor, *shape: int) -> Tensor:
        """An uninitialised tensor of that shape; what was in it is gone."""
        if node not in self._held or self._held[node].shape != shape:
            self._held[node] = like.new_empty(shape)
        return self._held[node]


def source_conv(split: AffineSplit, node: fx.Node) -> fx.Node | None:
    """The convolution of an unmixed tensor that a tensor affine in α comes from; a batch norm may lie between."""
    conv_node = only_input(node) if ops.is_norm(node) else node
    if conv_node not in split.affine_nodes or not ops.is_conv(conv_node) or only_input(conv_node) not in split.unmixed:
        return None
    conv = ops.conv_of(conv_node)
    taps = conv.kernel_size[0] * conv.kernel_size[1]
    return conv_node if conv.groups == 1 and taps >= FEW else None


def responses(nonlinear: NonlinearPart, node: fx.Node, pairs: int, buffers: TableBuffers) -> Tensor | None:
    """R of one patch at a tensor affine in α, (Cin, K·H'·W'); None where `pairs` backward passes cost less."""
    conv_node = source_conv(nonlinear.split, node)
    if conv_node is None or len(nonlinear.rows) > 1 or pairs < FEW:
        return None
    source, at_baseline = only_input(conv_node), nonlinear.split.at_baseline
    if at_baseline[source].shape[1] * at_baseline[node].numel() * at_baseline[node].element_size() > MOST_BYTES:
        return None
    conv = ops.conv_of(conv_node)
    weight = conv.weight
    if conv_node is not node:
        weight = weight * nonlinear.split.norm(node)[0].view(-1, 1, 1, 1)  # the shift is no response to any channel
    difference = nonlinear.at_input[source][nonlinear.rows] - at_baseline[source]  # (1, Cin, H, W)
    windows = F.unfold(difference, conv.kernel_size, conv.dilation, conv.padding, conv.stride)  # type: ignore[arg-type]
    by_channel = windows.view(conv.in_channels, -1, windows.shape[-1])  # (Cin, taps, H'·W')
    table = buffers.of(node, by_channel, len(by_channel), len(weight), by_channel.shape[-1])
    # For each input channel (K, taps) × (taps, H'·W'): the convolution without its sum over the input channels.
    return torch.bmm(weight.flatten(2).transpose(0, 1), by_channel, out=table).flatten(1)
