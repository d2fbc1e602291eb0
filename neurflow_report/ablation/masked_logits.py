"""The logits when channels of a layer, and of those above it, are set to 0 or to their mean (METHOD §5, F1).

The first stage above the layer runs for all masks of a picture together, as knock-outs do (ablation.py); from there
on every mask has a row of its own. On a device the masks of several pictures run together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neurflow_report.ablation.ablation import Ablation
from neurflow_report.network import devices
from neurflow_report.network.cut import Segments


@torch.no_grad()
def masked_logits(
    segments: Segments,
    layer: int,
    engine: Ablation,
    activation: Tensor,
    removed: Sequence[Tensor],
    *,
    rows: int,
    means: Sequence[Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The logits under each mask at the layer alone, and at those that follow it as well: (M, N, outputs) twice.

    With one layer's masks, twice the same.

    Args:
        segments: of the network.
        layer: the number of the layer.
        engine: the knock-outs of layers[layer].
        activation: that layer's full activation, N rows.
        removed: masks of that layer and of those that follow it, next first, bool (M, C), True where a channel is set
            to 0; mask m of each goes with mask m of the others.
        rows: how many (mask, picture) pairs run at once.
        means: (1, …) of each layer above `layer` that has masks, what removed channels are set to; None: 0. Those of
            `layer` are the engine's.
    Raises: ValueError when masks are not (M, C).
    """
    for number, gone in enumerate(removed, start=layer):
        info = segments.layers[number]
        if gone.shape != (len(removed[0]), info.channels) or gone.dtype != torch.bool:
            shapes = f"(M, {info.channels}), not {tuple(gone.shape)}"
            raise ValueError(f"masks of layer {info.name!r} must be bool {shapes}")
    every = [gone.to(activation.device) for gone in removed]
    stand_ins: Sequence[Tensor | None] = means or [None] * (len(removed) - 1)
    at_once = 1 if devices.is_host(activation.device) else max(1, rows // len(every[0]))
    found = []
    for some in torch.split(activation, at_once):
        parts = []
        for first in range(0, len(every[0]), rows):
            full = engine.full(some, every[0][first : first + rows])  # (M, pictures, …)
            above = [one[first : first + rows].repeat_interleave(len(some), dim=0) for one in every[1:]]
            masked = list(zip(above, stand_ins, strict=True))
            parts.append(torch.stack(_both(segments, layer + 1, full.flatten(0, 1), masked)))
        found.append(torch.cat([part.view(2, -1, len(some), part.shape[2]) for part in parts], dim=1))
    both = torch.cat(found, dim=2)
    return both[0], both[1]


def _both(
    segments: Segments, layer: int, value: Tensor, removed: Sequence[tuple[Tensor, Tensor | None]]
) -> tuple[Tensor, Tensor]:
    """The logits from the activation of layers[layer] up: as it is, and under masks of it and of the layers above, each
    with what stands in for the channels removed."""
    top = len(segments.layers) - 1
    alone = segments.between(layer, top)(value)
    if not removed:
        return alone, alone
    for number, (gone, mean) in enumerate(removed, start=layer):
        value = segments.stages[number](_without(value, gone, segments.feature_axis(number), mean))
    return alone, segments.between(layer + len(removed), top)(value)


def _without(value: Tensor, removed: Tensor, axis: int, mean: Tensor | None) -> Tensor:
    """Each row with the channels of its mask at 0, or at their mean."""
    shape = [len(removed)] + [1] * (value.ndim - 1)
    shape[axis] = removed.shape[1]
    gone = removed.view(shape)
    return value.masked_fill(gone, 0) if mean is None else value.where(~gone, mean)
