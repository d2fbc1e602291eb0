"""Knock-outs: a layer's activation, or its φ, on many patches with sets of the lower layer's channels at 0, or at other
given values (METHOD §5).

All sets and all patches go through the segment in one batched pass, which gives every target at once. Operations, for M
sets, n patches, T targets, C channels below and X places of a target:

- `PlainAblation` runs the segment on every (set, patch) pair: M·n times the segment's cost. Right for any segment.
- `SplitAblation` (split_ablation.py) runs the first convolution of all sets as sums of a table, and of the last layers
  only what the targets need: of a residual block of two 3×3 convolutions, about a twentieth is left.
- `LinearMixAblation` (linear_mix.py) is one matrix product for all sets of a segment whose channels mix in one layer
  alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import torch
from torch import Tensor, fx

from neurflow_report.ablation.linear_mix import LinearMixAblation, chain_of
from neurflow_report.ablation.split_ablation import SplitAblation
from neurflow_report.attribution.affine_split import NotSplittableError, split_segment
from neurflow_report.network.forward import AdaptiveBatch, spatial_mean

Segment = Callable[[Tensor], Tensor]


class Ablation(Protocol):
    """φ under knock-outs, on one segment."""

    def phi(self, activations: Tensor, removed: Tensor, targets: Sequence[int]) -> Tensor:
        """φ of `targets` on each row of `activations` with the channels of each set at 0: (M, T, n).

        Args:
            activations: of the layer below, (n, …).
            removed: bool (M, C), True where a channel is set to 0, or to its part of the baseline.
            targets: channels of the layer above.
        """

    def full(self, activations: Tensor, removed: Tensor) -> Tensor:
        """The whole activation above instead of φ: (M, n, …). Arguments as in `phi`."""


def ablations(
    segment: Segment,
    row: Tensor,
    *,
    axis: int,
    out_axis: int,
    rows: AdaptiveBatch,
    whole: bool = False,
    baseline: Tensor | None = None,
) -> Ablation:
    """The engine for a segment.

    Args:
        segment: from the layer below to the layer of the targets, in eval mode.
        row: one row of its input, (1, …).
        axis, out_axis: the channel axes of its input and output.
        rows: how many rows of the segment run at once.
        whole: whether the segment is run as it is in any case.
        baseline: (1, …) like `row`: what stands in a removed channel's place; None: 0.
    """
    plain = PlainAblation(segment, axis=axis, out_axis=out_axis, rows=rows, baseline=baseline)
    if whole:
        return plain
    if axis == 1 and isinstance(segment, fx.GraphModule):
        chain = chain_of(segment, row)
        if chain is not None:
            return LinearMixAblation(chain, row, baseline)
    if isinstance(segment, fx.GraphModule):
        with suppress(NotSplittableError):
            split = split_segment(segment, row, axis, out_axis)
            return SplitAblation(split if baseline is None else split.at(baseline), axis=axis, rows=rows)
    return plain


class PlainAblation:
    """The segment as it is, with sets × patches as the rows of its batches."""

    def __init__(
        self, segment: Segment, *, axis: int, out_axis: int, rows: AdaptiveBatch, baseline: Tensor | None = None
    ) -> None:
        self.segment, self.axis, self.out_axis, self.rows = segment, axis, out_axis, rows
        self.baseline = baseline

    @torch.no_grad()
    def phi(self, activations: Tensor, removed: Tensor, targets: Sequence[int]) -> Tensor:
        """See `Ablation`."""
        chosen = list(targets)
        found = self._every(activations, removed, lambda out: spatial_mean(out, self.out_axis)[:, chosen])
        return found.transpose(1, 2)

    @torch.no_grad()
    def full(self, activations: Tensor, removed: Tensor) -> Tensor:
        """See `Ablation`."""
        return self._every(activations, removed, lambda out: out)

    def _every(self, activations: Tensor, removed: Tensor, wanted: Segment) -> Tensor:
        """What is wanted of the output for every set and patch, (M, n, …)."""
        removed = removed.to(activations.device)
        shape = [-1] + [1] * (activations.ndim - 1)
        shape[self.axis] = removed.shape[1]  # (pairs, 1, …, C, …, 1): of each pair (set, patch), broadcast over space
        sets, patches = torch.meshgrid(torch.arange(len(removed)), torch.arange(len(activations)), indexing="ij")
        pairs = sets.flatten(), patches.flatten()

        def run(n: int) -> Tensor:
            found = []
            for m, v in zip(*(torch.split(x, n) for x in pairs), strict=True):
                gone, kept = removed[m].reshape(shape), activations[v]
                without = kept.masked_fill_(gone, 0) if self.baseline is None else kept.where(~gone, self.baseline)
                found.append(wanted(self.segment(without)))
            return torch.cat(found)

        found = self.rows.attempt(run)
        return found.view(len(removed), len(activations), *found.shape[1:])
