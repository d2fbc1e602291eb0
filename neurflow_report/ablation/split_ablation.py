"""Knock-outs on any segment that can be split (affine_split.py): only what the removed channels feed is computed again.

1. Channel i of an unmixed tensor has its value at A where A's channel i stays, else that at 0, or at the baseline that
   the split has (`AffineSplit.at`): what stands below of 0 holds of it as well.
2. A convolution of many taps over such a tensor x is u(0) + Σ_i conv(x_i(A) − x_i(0)) over the channels that stay. The
   terms are made once a patch, some output channels at a time, so that they stay in the cache; the sets are then sums
   of them (masked_sums.py). A convolution of few taps is computed so where only the targets' channels are needed.
3. All else runs for every set, and of what only a target's channel needs, that channel alone (nonlinear_part.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from neurflow_report.ablation.masked_sums import MaskedSums
from neurflow_report.attribution import operations as ops
from neurflow_report.attribution.affine_split import AffineSplit, only_input, values_at_input
from neurflow_report.attribution.channel_responses import FEW
from neurflow_report.attribution.nonlinear_part import Evaluator, target_groups
from neurflow_report.network import devices
from neurflow_report.network.forward import AdaptiveBatch

TABLE = 2**19
"""Numbers of the terms of a convolution at once on a processor."""
READY = 4
"""The values at A are computed for so many times fewer patches than sets run at once."""


class SplitAblation:
    """A split segment.

    Args:
        split: of the segment.
        axis: the channel axis of its input.
        rows: how many rows run at once: sets, on a device each with several patches.
    """

    def __init__(self, split: AffineSplit, *, axis: int, rows: AdaptiveBatch) -> None:
        self.split, self.axis, self.rows = split, axis, rows

    @torch.no_grad()
    def phi(self, activations: Tensor, removed: Tensor, targets: Sequence[int]) -> Tensor:
        """See `Ablation`."""
        alike = target_groups(self.split, list(targets), activations.device)

        def wanted(values: Evaluator, sets: int) -> Tensor:
            found = activations.new_empty((sets, len(targets)))
            for group, places in alike:
                found[:, places] = values.phi(group)
            return found

        return self._every(activations, removed, wanted).transpose(1, 2)

    @torch.no_grad()
    def full(self, activations: Tensor, removed: Tensor) -> Tensor:
        """See `Ablation`."""
        return self._every(activations, removed, lambda values, _sets: values.whole(self.split.result))

    def _every(self, activations: Tensor, removed: Tensor, wanted: Callable[[Evaluator, int], Tensor]) -> Tensor:
        """What is wanted of every patch's values under all sets, (M, n, …)."""
        # On a processor one patch at a time, the sets as the rows: they share the patch's values at A and its tables.
        # Elsewhere as many patches as keep to the rows together with the sets.
        kept, on_host = (~removed).to(activations.device), devices.is_host(activations.device)

        def run(n: int) -> Tensor:
            found, at_once = [], 1 if on_host else max(1, n // len(kept))
            for some in torch.split(activations, max(1, n // READY)):
                at_input = values_at_input(self.split, some, n) | {self.split.source: some}
                for first in range(0, len(some), at_once):
                    mine = {node: value[first : first + at_once] for node, value in at_input.items()}
                    leaves = (AblationLeaves(self.split, mine, sets, self.axis) for sets in torch.split(kept, n))
                    parts = [wanted(Evaluator(self.split, one), one.rows) for one in leaves]
                    every = torch.cat(parts)  # (M · patches, …)
                    found.append(every.view(len(kept), -1, *every.shape[1:]))
            return torch.cat(found, dim=1)

        return self.rows.attempt(run)


@dataclass(frozen=True, eq=False)
class AblationLeaves:
    """Leaves of a few patches, whose rows are sets of channels of A with each patch, sets outermost.

    Attributes:
        split: of the segment.
        at_input: the values at A of the nodes `split.kept`, and A itself, (patches, …) each.
        keep: bool (M, C), True where a channel stays.
        axis: the channel axis of A.
    """

    split: AffineSplit
    at_input: Mapping[fx.Node, Tensor]
    keep: Tensor
    axis: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.keep) * len(self.at_input[self.split.source])

    def holds(self, node: fx.Node, *, sliced: bool) -> bool:
        """See `Leaves`."""
        return self._is_held(node) or (self._has_terms(node) if sliced else self._is_table(node))

    def value(self, node: fx.Node, channels: Tensor | None) -> Tensor:
        """See `Leaves`."""
        return self._unmixed(node, channels) if self._is_held(node) else self._convolved(node, channels)

    def _is_held(self, node: fx.Node) -> bool:
        return node in self.split.unmixed and node in self.at_input

    def _unmixed(self, node: fx.Node, channels: Tensor | None) -> Tensor:
        end, start, keep = self.at_input[node], self.split.at_baseline[node], self.keep
        axis = self.axis if node is self.split.source else self.split.axis
        if channels is not None:
            end, start = (v.index_select(axis, channels) for v in (end, start))
            keep = keep[:, channels]
        shape = [len(keep), 1] + [1] * (end.ndim - 1)
        shape[axis if axis < 0 else axis + 1] = keep.shape[1]
        return torch.where(keep.view(shape), end, start).flatten(0, 1)

    def _is_table(self, node: fx.Node) -> bool:
        """Whether the node is a convolution whose terms are worth making for all of its channels."""
        if not self._has_terms(node):
            return False
        conv = ops.conv_of(node)
        return conv.kernel_size[0] * conv.kernel_size[1] >= FEW <= len(self.keep)

    def _has_terms(self, node: fx.Node) -> bool:
        """Whether the node is a convolution of an unmixed tensor."""
        return ops.is_conv(node) and ops.conv_of(node).groups == 1 and self._is_held(only_input(node))

    def _convolved(self, node: fx.Node, channels: Tensor | None) -> Tensor:
        conv, source, start = ops.conv_of(node), only_input(node), self.split.at_baseline[node]
        weight = conv.weight.flatten(2)  # (K, Cin, taps)
        if channels is not None:
            weight, start = weight[channels], start[:, channels]
        difference = self.at_input[source] - self.split.at_baseline[source]
        windows = F.unfold(difference, conv.kernel_size, conv.dilation, conv.padding, conv.stride)  # type: ignore[arg-type]
        patches = len(windows)
        windows = windows.view(patches, conv.in_channels, -1, windows.shape[-1])
        windows = windows.permute(1, 2, 0, 3).flatten(2)  # (Cin, taps, patches·X)
        sums = MaskedSums(self.keep.to(difference.dtype))
        step = max(1, devices.numbers(weight.device, TABLE) // (conv.in_channels * windows.shape[-1]))
        parts = []
        for some in torch.split(weight, step):
            terms = torch.bmm(some.transpose(0, 1), windows).flatten(1)  # (Cin, K·patches·X), conv(x_i(A) − x_i(0))
            parts.append(sums.of(terms).view(len(self.keep), len(some), patches, *start.shape[2:]).transpose(1, 2))
        return torch.cat(parts, dim=2).add_(start).flatten(0, 1)
