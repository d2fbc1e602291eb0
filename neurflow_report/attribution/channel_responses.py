"""The way back through a convolution of many taps, for many targets of one patch.

T needs the sum over space alone: T_i = <g, u of A's channel i alone>, where u = conv(x), for any gradient g at u. These
responses R_i = conv(x_i), (Cin, K·H'·W'), do not depend on the target. They cost one transposed convolution; with them
a target costs Cin·K·H'·W' multiplications in one matrix product, where the way back costs as many times the taps.
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
"""Pairs, and taps, from which on a table pays."""


class Space:
    """Memory that one table after the other is made in, for each tensor that has one: fresh memory costs more."""

    def __init__(self) -> None:
        self._held: dict[fx.Node, Tensor] = {}

    def of(self, node: fx.Node, like: Tensor, *shape: int) -> Tensor:
        """An uninitialised tensor of that shape; what was in it is gone."""
        if node not in self._held or self._held[node].shape != shape:
            self._held[node] = like.new_empty(shape)
        return self._held[node]


def convolution_below(part: AffineSplit, node: fx.Node) -> fx.Node | None:
    """The convolution that an affine tensor comes from, over channels that are still apart; batch norm may follow."""
    below = only_input(node) if ops.is_norm(node) else node
    if below not in part.affine or not ops.is_conv(below) or only_input(below) not in part.unmixed:
        return None
    conv = ops.conv_of(below)
    taps = conv.kernel_size[0] * conv.kernel_size[1]
    return below if conv.groups == 1 and taps >= FEW else None


def responses(core: NonlinearPart, node: fx.Node, pairs: int, space: Space) -> Tensor | None:
    """R of the core's one patch, (Cin, K·H'·W'), at an affine tensor; None where going back `pairs` times is less."""
    below = convolution_below(core.part, node)
    if below is None or len(core.rows) > 1 or pairs < FEW:
        return None
    source, at_baseline = only_input(below), core.part.at_baseline
    if at_baseline[source].shape[1] * at_baseline[node].numel() * at_baseline[node].element_size() > MOST_BYTES:
        return None
    conv = ops.conv_of(below)
    weight = conv.weight
    if below is not node:
        weight = weight * ops.norm_affine(node)[0].view(-1, 1, 1, 1)
    move = core.affine[source][core.rows] - at_baseline[source]
    windows = F.unfold(move, conv.kernel_size, conv.dilation, conv.padding, conv.stride)  # type: ignore[arg-type]
    by_channel = windows.view(conv.in_channels, -1, windows.shape[-1])
    table = space.of(node, by_channel, len(by_channel), len(weight), by_channel.shape[-1])
    return torch.bmm(weight.flatten(2).transpose(0, 1), by_channel, out=table).flatten(1)
