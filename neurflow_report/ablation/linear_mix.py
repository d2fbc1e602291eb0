"""Knock-outs on a segment whose channels mix in one layer alone: a convolution or a linear layer between channelwise
operations, as in a plain network, or the pooled classifier on top of any.

The mixing layer's value at a target is a sum of terms D_i over the channels below, and a set only takes terms out of
it. D is made once a patch; the sets are then one matrix product, kept (M, C) × D (C, T·n·X): M·n·T·C·X operations, or
fewer for small sets (masked_sums.py). For a 3×3 convolution that is 9·(outputs / T) times fewer than running it. Where
the k strongest patches are asked for, bounds spare most of the patches (topk_bounds.py).

With a baseline b, which stands in the place of removed channels, the terms are those of A less those of b, and the sum
begins at the mixing layer's value at b.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from neurflow_report.ablation.masked_sums import MaskedSums
from neurflow_report.ablation.topk_bounds import ChannelTerms
from neurflow_report.attribution import operations as ops
from neurflow_report.network import devices
from neurflow_report.network.kinds import computes

BLOCK = 1 << 20
"""Numbers in a block of (set, target, patch, place) on a processor: a few MiB, which stay in the cache."""
COLUMNS = 4096
"""Columns of the matrix product at once on a processor: enough to be efficient, few enough for the cache."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A segment as `before`, one mixing layer, `after`: the first and last of channelwise operations alone."""

    before: tuple[fx.Node, ...]
    mixing: fx.Node
    after: tuple[fx.Node, ...]


def chain_of(segment: fx.GraphModule, row: Tensor) -> Chain | None:
    """The segment as a chain with one mixing layer, or None where it is another kind of graph."""
    nodes = [n for n in segment.graph.nodes if n.op not in {"placeholder", "output", "get_attr"}]
    if not nodes or any(len(n.all_input_nodes) != 1 or len(n.users) != 1 for n in nodes):
        return None
    mixing = [i for i, n in enumerate(nodes) if _mixes(n)]
    if len(mixing) != 1:
        return None
    before, after = nodes[: mixing[0]], nodes[mixing[0] + 1 :]
    if not all(_keeps_channels(n) or _is_flatten(n) for n in before) or not all(_keeps_channels(n) for n in after):
        return None
    # A channel at 0 must stay 0 up to the mixing layer: only then does a set take its term out and nothing else.
    start = _run(before, torch.zeros_like(row))
    if any(ops.is_norm(n) for n in before) or bool(start.any()):
        return None
    if isinstance(ops.module_of(nodes[mixing[0]]), nn.Linear) and start.ndim != 2:
        return None
    return Chain(before=tuple(before), mixing=nodes[mixing[0]], after=tuple(after))


def _mixes(node: fx.Node) -> bool:
    """Whether every output channel of the node reads every input channel, linearly."""
    return ops.is_linear(node) or (ops.is_conv(node) and ops.conv_of(node).groups == 1)


def _keeps_channels(node: fx.Node) -> bool:
    return ops.is_channelwise(node) and len(node.all_input_nodes) == 1


def _is_flatten(node: fx.Node) -> bool:
    module = ops.module_of(node)
    if isinstance(module, nn.Flatten) and computes(module, nn.Flatten):
        return module.start_dim == 1 and module.end_dim == -1
    return node.target in (torch.flatten, "flatten") and tuple(node.args[1:]) == (1,) and not node.kwargs


def _run(nodes: Sequence[fx.Node], value: Tensor) -> Tensor:
    for node in nodes:
        value = ops.run(node, lambda _n: value)  # noqa: B023
    return value


class LinearMixAblation:
    """A segment with one mixing layer: the sets act on the terms of its sum."""

    @torch.no_grad()
    def __init__(self, chain: Chain, row: Tensor, baseline: Tensor | None = None) -> None:
        self.chain, self.channels = chain, row.shape[1]
        self.module = ops.module_of(chain.mixing)
        assert isinstance(self.module, nn.Conv2d | nn.Linear)  # noqa: S101 _mixes has seen to it
        weight, bias = self.module.weight.detach(), self.module.bias
        self.bias = torch.zeros_like(weight[:, 0].flatten(1)[:, 0]) if bias is None else bias.detach()
        # (outputs, C, taps); of a linear layer behind a flatten, the taps are the places of a channel.
        self.weight = weight.reshape(len(weight), self.channels, -1)
        self.after = list(chain.after)
        if self.after and ops.is_norm(self.after[0]):
            scale, shift = ops.norm_affine(self.after.pop(0))
            self.weight, self.bias = self.weight * scale[:, None, None], self.bias * scale + shift
        self.baseline: Tensor | None = None
        self.start = self.bias.unsqueeze(1)  # (outputs, 1), or of a baseline (outputs, X)
        if baseline is not None:
            columns, _ = self._columns(baseline)
            self.start = torch.einsum("oct,ctx->ox", self.weight, columns) + self.start
            self.baseline = _run(chain.before, baseline)

    @torch.no_grad()
    def phi(self, activations: Tensor, removed: Tensor, targets: Sequence[int]) -> Tensor:
        """See `Ablation`."""
        chosen = torch.as_tensor(list(targets), device=activations.device)
        kept = (~removed).to(activations.device, activations.dtype)
        columns = devices.numbers(activations.device, COLUMNS * self.channels) // self.channels
        patches = max(1, columns // (self.places(activations[:1]) * max(1, len(chosen))))
        found = [self._means(part, kept, chosen) for part in torch.split(activations, patches)]
        return torch.cat(found, dim=2)

    def places(self, row: Tensor) -> int:
        """How many places in space the mixing layer's output has for one row (1, …)."""
        return self._columns(row)[0].shape[2]

    @property
    def bounded(self) -> bool:
        """Whether the target is a ReLU of a convolution and what is removed is 0, so that topk_bounds.py knows bounds
        for it."""
        if self.baseline is not None:
            return False
        last = [computes(ops.module_of(node), nn.ReLU) for node in self.after]
        return last == [True] and isinstance(self.module, nn.Conv2d)

    @torch.no_grad()
    def channel_terms(self, chunks: Iterable[Tensor], target: int, *, patches: int) -> ChannelTerms:
        """D of one target of a `bounded` segment on all patches (topk_bounds.py).

        Args:
            chunks: the activations of the layer below, (n, …) each.
            target: a channel of the layer above.
            patches: how many there are in all chunks.
        """
        module, done = self.module, 0
        assert isinstance(module, nn.Conv2d)  # noqa: S101 as `bounded` has it
        # One output channel for each input channel: the convolution without its sum over the input channels.
        weight = self.weight[target].reshape(self.channels, 1, *module.kernel_size)
        options = (module.stride, module.padding, module.dilation, self.channels)
        terms: Tensor | None = None
        for chunk in chunks:
            part = F.conv2d(_run(self.chain.before, chunk), weight, None, *options).flatten(2)  # type: ignore[arg-type]
            terms = part.new_empty((patches, *part.shape[1:])) if terms is None else terms
            terms[done : done + len(part)] = part  # (n, C, X)
            done += len(part)
        assert terms is not None  # noqa: S101  # a class has a patch
        return ChannelTerms(terms=terms, bias=self.bias[target])

    @torch.no_grad()
    def full(self, activations: Tensor, removed: Tensor) -> Tensor:
        """See `Ablation`. A few targets at a time, so that what one product gives stays in the cache."""
        kept, (columns, space) = (~removed).to(activations.device, activations.dtype), self._columns(activations)
        wide = len(kept) if devices.is_host(columns.device) else max(len(kept), self.channels)  # of product or terms
        step = max(1, devices.numbers(columns.device, BLOCK) // (wide * columns.shape[2]))
        every = torch.arange(len(self.weight), device=activations.device)
        parts = [self._mixed(columns, space, kept, some) for some in torch.split(every, step)]
        return torch.cat(parts, dim=1).transpose(1, 2)

    def _columns(self, activations: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """The windows of each channel that the mixing layer reads, (C, taps, n·X), and its output's shape in space."""
        value, module = _run(self.chain.before, activations), self.module
        value = value if self.baseline is None else value - self.baseline
        if isinstance(module, nn.Linear):
            return value.reshape(len(value), self.channels, -1).permute(1, 2, 0), ()
        assert isinstance(module, nn.Conv2d)  # noqa: S101
        sizes = zip(
            value.shape[2:], map(int, module.padding), module.dilation, module.kernel_size, module.stride, strict=True
        )
        space = tuple((x + 2 * p - d * (k - 1) - 1) // s + 1 for x, p, d, k, s in sizes)
        columns = F.unfold(value, module.kernel_size, module.dilation, module.padding, module.stride)  # type: ignore[arg-type]
        taps = columns.reshape(len(value), self.channels, -1, columns.shape[-1])
        return taps.permute(1, 2, 0, 3).flatten(2), space

    def _means(self, activations: Tensor, kept: Tensor, targets: Tensor) -> Tensor:
        """φ for a few patches, (M, T, n)."""
        columns, space = self._columns(activations)
        sets = max(1, devices.numbers(columns.device, BLOCK) // (len(targets) * columns.shape[2]))
        found = [self._mixed(columns, space, some, targets) for some in torch.split(kept, sets)]
        return torch.cat([some.flatten(3).mean(dim=3) if some.ndim > 3 else some for some in found])

    def _mixed(self, columns: Tensor, space: tuple[int, ...], kept: Tensor, targets: Tensor) -> Tensor:
        """The segment's output for some targets, (M, T, n, …)."""
        # D: for each channel (T, taps) × (taps, n·X), as (C, T·n·X).
        terms = torch.bmm(self.weight[targets].transpose(0, 1), columns).flatten(1)
        count = columns.shape[2] // math.prod(space)
        mixed = MaskedSums(kept).of(terms).view(len(kept), len(targets), count, -1).add_(self.start[targets][:, None])
        mixed = self._finished(mixed.view(len(kept) * len(targets), count, *space), targets)
        return mixed.view(len(kept), len(targets), count, *mixed.shape[2:])

    def _finished(self, mixed: Tensor, targets: Tensor) -> Tensor:
        """The operations after the mixing layer, of (M·T, n, …): each target stands in a row, not in a channel."""
        for node in self.after:
            if ops.is_norm(node):
                scale, shift = ops.norm_affine(node)
                shape = (-1, len(targets), *mixed.shape[1:])
                by = (1, -1, *[1] * (mixed.ndim - 1))
                mixed = (mixed.view(shape) * scale[targets].view(by) + shift[targets].view(by)).view(mixed.shape)
            elif computes(ops.module_of(node), nn.ReLU):
                mixed = mixed.clamp_(min=0)
            else:
                mixed = _run([node], mixed)
        return mixed
