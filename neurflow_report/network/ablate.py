"""Knock-outs: set channels of a layer to 0, or all others, and see what the network says then (METHOD §5, F1).

The pure functions change an activation between segments; `knocked_out` hooks a module of the network itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from neurflow_report.network.cut import Segments
from neurflow_report.network.trace import OUTPUT

Channels = Tensor | Sequence[int]


def mask(activation: Tensor, channels: Channels, axis: int = 1) -> Tensor:
    """A copy of `activation` with `channels` (numbers, or a bool vector over all) set to 0 along `axis`."""
    return apply_kept(activation, ~_selected(activation, channels, axis), axis)


def keep(activation: Tensor, channels: Channels, axis: int = 1) -> Tensor:
    """A copy of `activation` with all but `channels` (numbers, or a bool vector over all) set to 0 along `axis`."""
    return apply_kept(activation, _selected(activation, channels, axis), axis)


def apply_kept(activation: Tensor, kept: Tensor, axis: int = 1) -> Tensor:
    """`activation` where the bool vector `kept` over `axis` holds, else exactly 0 (NaN and Inf become 0 as well)."""
    shape = [1] * activation.ndim
    shape[axis] = -1
    return activation.masked_fill(~kept.to(activation.device).reshape(shape), 0)


def _selected(activation: Tensor, channels: Channels, axis: int) -> Tensor:
    """The channels as a bool vector over the axis. Errors: IndexError for a number outside it."""
    numbers = torch.as_tensor(channels)
    if numbers.dtype == torch.bool:
        return numbers
    chosen = torch.zeros(activation.shape[axis], dtype=torch.bool)
    chosen[numbers.long().cpu()] = True
    return chosen


def masked_logits(
    segments: Segments,
    layer: int,
    activation: Tensor,
    masks: Tensor,
    *,
    above: Sequence[Tensor] = (),
    rows_per_batch: int = 256,
) -> Tensor:
    """The logits under each mask at one layer, (M, N, outputs): the network from layers[layer] up, batched.

    Args: activation: that layer's full activation, N rows; masks: bool (M, C), True where a channel *stays*; False
    sets it to 0; above: masks (M, C) of the layers that follow, next first, mask m of each going with mask m of the
    others. rows_per_batch: how many (mask, picture) pairs run at once.
    Errors: ValueError when masks are not (M, C). METHOD §5, F1.
    """
    every = [masks, *above]
    for number, kept in enumerate(every, start=layer):
        info = segments.layers[number]
        if kept.shape != (len(masks), info.channels) or kept.dtype != torch.bool:
            raise ValueError(f"masks of layer {info.name!r} must be bool (M, {info.channels}), not {tuple(kept.shape)}")
    pairs = torch.cartesian_prod(torch.arange(len(masks)), torch.arange(len(activation))).to(activation.device)
    logits = []
    with torch.no_grad():
        for batch in torch.split(pairs, max(1, rows_per_batch)):
            value = activation[batch[:, 1]]
            for number, kept in enumerate(every, start=layer):
                value = value if number == layer else segments.stages[number - 1](value)
                rows = kept.to(value.device)[batch[:, 0]]
                shape = [len(rows)] + [1] * (value.ndim - 1)
                shape[segments.feature_axis(number)] = rows.shape[1]
                value = value.masked_fill_(~rows.reshape(shape), 0)
            logits.append(segments.between(layer + len(above), len(segments.layers) - 1)(value))
    outputs = segments.layers[-1].channels
    if not logits:
        return activation.new_empty((len(masks), len(activation), outputs))
    return torch.cat(logits).reshape(len(masks), len(activation), outputs)


@contextmanager
def knocked_out(module: nn.Module, layer: str, channels: Channels, axis: int | None = None) -> Iterator[nn.Module]:
    """Inside, the output of the named layer of `module` has `channels` at 0; outside, `module` is as it was.

    Args: axis: of the channels; default 1, or the last for tokens (N, T, D), which a grid of tokens (N, H, W, D) must
    say. Errors: AttributeError for a layer that is not there.
    """
    named = module if layer == OUTPUT and not hasattr(module, OUTPUT) else module.get_submodule(layer)

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return mask(output, channels, axis=axis or (-1 if output.ndim == 3 else 1))

    handle = named.register_forward_hook(hook)
    try:
        yield module
    finally:
        handle.remove()
