"""Segments made ready for many forward passes: the same functions, but for rounding.

1. A batch norm is folded into the convolution before it, where nothing else reads that convolution.
2. On a CPU convolutions get their weights with channels last, in which its convolutions and poolings are faster, and
   a few pictures go through at once, so that their tensors stay in the cache.

Attributions are taken from the segments as they were cut, where batch norms are told apart (circuit/operations.py).
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from neurflow_report.network.copying import duplicate
from neurflow_report.network.cut import Segments
from neurflow_report.network.forward import activations, widest_row
from neurflow_report.network.kinds import computes

CACHE = 128 * 2**20
"""Bytes, as `row_bytes` counts them, that a CPU works on at once: 4 to 8 pictures of 224 pixels in usual networks."""


@dataclass(frozen=True, kw_only=True)
class Forward:
    """A network's segments for forward passes alone, and how many pictures go through at once."""

    segments: Segments
    rows: int

    @classmethod
    def of(cls, segments: Segments, example: Tensor, *, most: int) -> Forward:
        """Args: example: a batch of pictures (1 row is enough); most: how many pictures the memory allows at once."""
        ready = swift(segments)
        if segments.device.type == "cpu":
            most = min(most, 1 << (max(1, CACHE // widest_row(ready, example)).bit_length() - 1))
        return cls(segments=ready, rows=most)

    def activations(self, layer: int, pixels: Tensor) -> Tensor:
        """The full activation of layers[layer] for a batch (N, C, S, S) of inputs, contiguous; no gradient."""
        parts = [activations(self.segments, layer, part) for part in torch.split(pixels, self.rows)]
        return torch.cat(parts).contiguous()


def swift(segments: Segments) -> Segments:
    """The segments for forward passes alone. What they change is copied; the rest is shared with `segments`."""
    last = segments.device.type == "cpu"
    stem, *stages = (_swift(part, channels_last=last) for part in (segments.stem, *segments.stages))
    return replace(segments, stem=stem, stages=tuple(stages))


def _swift(part: fx.GraphModule, *, channels_last: bool) -> fx.GraphModule:
    found = fx.GraphModule(part, copy.deepcopy(part.graph))
    calls = Counter(node.target for node in found.graph.nodes if node.op == "call_module")
    for node in found.graph.nodes:
        conv = _module(found, node)
        if isinstance(conv, nn.Conv2d) and computes(conv, nn.Conv2d):
            norm = _norm_after(found, node) if calls[node.target] == 1 else None
            made = duplicate(conv, {}) if norm is None else _fold(found, conv, norm)
            found.add_submodule(str(node.target), made.to(memory_format=torch.channels_last) if channels_last else made)
    found.delete_all_unused_submodules()
    found.recompile()
    return found


def _module(part: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return part.get_submodule(str(node.target)) if node.op == "call_module" else None


def _norm_after(part: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """The batch norm with fixed statistics that alone reads a convolution, None where there is none."""
    reader = next(iter(node.users), None)
    norm = _module(part, reader) if reader is not None and len(node.users) == 1 else None
    if not isinstance(norm, nn.BatchNorm2d) or not computes(norm, nn.BatchNorm2d):
        return None
    return reader if not norm.training and norm.running_mean is not None else None


def _fold(part: fx.GraphModule, conv: nn.Conv2d, norm: fx.Node) -> nn.Conv2d:
    """The convolution and the norm in one; the norm's node is gone."""
    module = part.get_submodule(str(norm.target))
    folded: nn.Conv2d = fuse_conv_bn_eval(conv, module)  # type: ignore[arg-type]
    norm.replace_all_uses_with(norm.all_input_nodes[0])
    part.graph.erase_node(norm)
    return folded
