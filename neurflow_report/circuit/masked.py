"""What the network says when channels of a layer, and of those above it, are set to 0 (METHOD §5, F1).

The first stage above the layer runs for all masks of a picture together, as knock-outs do (knockout.py); from there on
every mask has a row of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neurflow_report.circuit.knockout import Knockouts
from neurflow_report.network.cut import Segments


@torch.no_grad()
def masked_logits(
    segments: Segments, layer: int, engine: Knockouts, activation: Tensor, keep: Sequence[Tensor], *, rows: int
) -> Tensor:
    """The logits under each mask, (M, N, outputs).

    Args: engine: the knock-outs of layers[layer]; activation: that layer's full activation, N rows; keep: masks of that
    layer and of those that follow it, next first, bool (M, C), True where a channel *stays*, mask m of each going with
    mask m of the others; rows: how many (mask, picture) pairs run at once.
    Errors: ValueError when masks are not (M, C).
    """
    for number, kept in enumerate(keep, start=layer):
        info = segments.layers[number]
        if kept.shape != (len(keep[0]), info.channels) or kept.dtype != torch.bool:
            shapes = f"(M, {info.channels}), not {tuple(kept.shape)}"
            raise ValueError(f"masks of layer {info.name!r} must be bool {shapes}")
    every = [kept.to(activation.device) for kept in keep]
    logits = []
    for one in torch.split(activation, 1):
        parts = []
        for first in range(0, len(every[0]), rows):
            some = [kept[first : first + rows] for kept in every]
            value = engine.full(one, some[0]).squeeze(1)
            for number, kept in enumerate(some[1:], start=layer + 1):
                value = segments.stages[number](_kept(value, kept, segments.feature_axis(number)))
            parts.append(segments.between(layer + len(some), len(segments.layers) - 1)(value))
        logits.append(torch.cat(parts))
    return torch.stack(logits, dim=1)


def _kept(value: Tensor, kept: Tensor, axis: int) -> Tensor:
    """Each row with its channels outside the mask at 0."""
    shape = [len(kept)] + [1] * (value.ndim - 1)
    shape[axis] = kept.shape[1]
    return value.masked_fill_(~kept.view(shape), 0)
