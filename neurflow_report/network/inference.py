"""Segments made ready for many forward passes: the same functions, but for rounding.

1. A batch norm is folded into the convolution before it, where nothing else reads that convolution.
2. On a CPU convolutions get their weights with channels last, in which its convolutions and poolings are faster, and
   a few pictures go through at once, so that their tensors stay in the cache.

Each is compared with the segment that it stands for, on the pictures at hand; where it gives something else, or fails,
the next best is tried, and the segment itself is the last.

Attributions are taken from the segments as they were cut, where batch norms are told apart (attribution/operations.py).
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from neurflow_report.network.agreement import difference, rounding
from neurflow_report.network.copying import duplicate
from neurflow_report.network.cut import Segments
from neurflow_report.network.fence import first_line, passes
from neurflow_report.network.forward import activations, widest_row
from neurflow_report.network.kinds import computes

CACHE = 128 * 2**20
"""Bytes, as `row_bytes` counts them, that a CPU works on at once: 4 to 8 pictures of 224 pixels in usual networks."""


@dataclass(frozen=True, kw_only=True)
class Forward:
    """A network's segments for forward passes alone, and how many pictures go through at once.

    Attributes:
        limit: the most that may, whatever the memory (None: any number).
        notes: which copies were not used, and why.
    """

    segments: Segments
    rows: int
    limit: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, segments: Segments, example: Tensor, *, most: int, compared: bool = True) -> Forward:
        """Args: example: a batch of pictures (1 row is enough), on which the copies are compared, unless nothing will
        rest on them; most: how many pictures the memory allows at once."""
        ready, notes = trusted(segments, example) if compared else (for_inference(segments), ())
        on_cpu = segments.device.type == "cpu"
        metered = ready if compared else segments  # a copy that nothing was run on may fail
        limit = 1 << (max(1, CACHE // widest_row(metered, example)).bit_length() - 1) if on_cpu else None
        return cls(segments=ready, rows=most, limit=limit, notes=notes).allowing(most)

    def allowing(self, most: int) -> Forward:
        """The same with another number of pictures that the memory allows at once."""
        return replace(self, rows=most if self.limit is None else min(most, self.limit))

    def activations(self, layer: int, pixels: Tensor) -> Tensor:
        """The full activation of layers[layer] for a batch (N, C, S, S) of inputs, contiguous; no gradient."""
        parts = [activations(self.segments, layer, part) for part in torch.split(pixels, self.rows)]
        return torch.cat(parts).contiguous()


def for_inference(segments: Segments) -> Segments:
    """The segments for forward passes alone. What they change is copied; the rest is shared with `segments`."""
    last = segments.device.type == "cpu"
    stem, *stages = (_for_inference(part, channels_last=last) for part in (segments.stem, *segments.stages))
    return replace(segments, stem=stem, stages=tuple(stages))


@torch.no_grad()
def trusted(segments: Segments, pictures: Tensor) -> tuple[Segments, tuple[str, ...]]:
    """The segments made ready, each the best that gives what the segment itself gives on pictures (N, C, S, S), on all
    together and on the first alone, however what comes from below lies in memory; a line for each that is not used."""
    value, ready, notes = pictures.to(segments.device, segments.dtype), list[fx.GraphModule](), list[str]()
    last, laid = segments.device.type == "cpu", value
    for info, part, prepared in zip(segments.layers, _parts(segments), _parts(for_inference(segments)), strict=True):
        expected = part(value)
        copies = {"with channels last": prepared} if last else {}
        copies["with batch norms folded"] = _for_inference(part, channels_last=False) if last else prepared
        best = part
        for how, one in copies.items():
            why = _why_not(one, value, expected)
            if not why:
                best = one
                break
            notes.append(_told(info.name, how, why))
        if ready and _why_not(best, laid, expected):
            ready[-1], laid = _contiguous(ready[-1]), value
        ready.append(best)
        value, laid = expected, _laid_out_as(expected, best(laid))
    stem, *stages = ready
    return replace(segments, stem=stem, stages=tuple(stages)), tuple(notes)


def _parts(segments: Segments) -> tuple[fx.GraphModule, ...]:
    return (segments.stem, *segments.stages)


def _laid_out_as(value: Tensor, like: Tensor) -> Tensor:
    """The same numbers, in memory as another tensor of this shape lies."""
    return torch.empty_like(like, memory_format=torch.preserve_format).copy_(value)


def _contiguous(part: fx.GraphModule) -> fx.GraphModule:
    """The segment, its result in memory as usual."""
    graph = copy.deepcopy(part.graph)
    end = graph.output_node()
    with graph.inserting_before(end):
        end.args = (graph.call_method("contiguous", end.args),)
    return fx.GraphModule(part, graph)


def _why_not(copy_: fx.GraphModule, value: Tensor, expected: Tensor) -> str:
    """What is wrong with a copy of a segment, "" where it gives what was expected."""
    for count in {len(value), 1}:
        try:
            found = copy_(value[:count])
        except Exception as error:  # whatever fails in the copy: the segment itself has run
            if passes(error):
                raise
            return f"fails ({first_line(error)})"
        off = difference(found, expected[:count])
        if off > rounding(expected.dtype):
            return f"is off by {100 * off:.2g}%"
    return ""


def _told(layer: str, how: str, why: str) -> str:
    return f"forward passes up to {layer!r} are slower than they could be: a copy {how} {why} on the pictures"


def _for_inference(part: fx.GraphModule, *, channels_last: bool) -> fx.GraphModule:
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
    assert isinstance(module, nn.BatchNorm2d)  # noqa: S101  # _norm_after looked for one
    assert module.running_mean is not None  # noqa: S101
    assert module.running_var is not None  # noqa: S101
    folded = duplicate(conv, {})
    assert isinstance(folded, nn.Conv2d)  # noqa: S101
    folded.weight, folded.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, module.running_mean, module.running_var, module.eps, module.weight, module.bias
    )
    norm.replace_all_uses_with(norm.all_input_nodes[0])
    part.graph.erase_node(norm)
    return folded
