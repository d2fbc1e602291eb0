"""The activations of one class's patches at one layer after another: made once, kept where they fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.circuit.knockout import Knockouts
from neurflow_report.network.forward import Kept, kept_bytes
from neurflow_report.pipeline.examine import Bench

Indices = NDArray[np.int64]
Through = Callable[[Tensor], Tensor]


class Activity:
    """Full activations on the class's patches: those that the search has kept, and those of the last other layer that
    was asked for, on the patches that were asked for. Asked from the lowest layer up, the latter are made of those of
    the layer before. Both together take at most `bench.keep` bytes: for the latter, the former are let go.

    `kept`: what the search has kept; None: nothing."""

    def __init__(self, bench: Bench, pixels: Tensor, kept: Kept | None = None) -> None:
        self.bench, self.pixels, self.kept = bench, pixels, kept or Kept((), 0)
        self.layer, self.held = -1, _Blocks(self.patches, bench.forward_rows)
        self.sizes = [kept_bytes(bench.segments, n, self.patches) for n in range(len(bench.segments.layers))]

    @property
    def patches(self) -> int:
        """How many patches there are."""
        return len(self.pixels) * self.bench.grid.per_image

    def chunks(self, layer: int) -> Iterator[Tensor]:
        """The activations of layers[layer] on all patches in their order, some at a time."""
        yield from self.parts(layer, np.arange(self.patches))

    def parts(self, layer: int, patches: Indices) -> Iterator[Tensor]:
        """The activations of layers[layer] on some patches in the order given, some at a time."""
        for part in np.array_split(patches, max(1, -(-len(patches) // self.bench.forward_rows))):
            yield self.some(layer, part)

    def some(self, layer: int, patches: Indices) -> Tensor:
        """The activations of layers[layer] on some patches, in the order given."""
        found = self.kept.get(layer, patches)
        if found is not None:
            return found
        if not self._fits(layer):
            return self.bench.activations(self.pixels, layer, patches)
        self._hold(layer)
        missing = np.unique(patches[~self.held.has[patches]])
        for part in self.held.split(missing):
            self.held.put(part, self.bench.activations(self.pixels, layer, part))
        return self.held.get(patches)

    def knockouts(self, layer: int, note: Callable[[str], None]) -> Knockouts:
        """The knock-outs of layers[layer], seen one layer up. Args: note: told where memory runs out."""
        return self.bench.knockouts(layer, self.bench.forward.activations(layer, self.pixels[:1]), note)

    def holds(self, layer: int) -> bool:
        """Whether what was made of layers[layer] need not be made again."""
        return layer in self.kept.layers or self._fits(layer)

    def room(self, layer: int) -> int:
        """Bytes left for what is made of layers[layer], with all that is held then."""
        if layer not in self.kept.layers and self._fits(layer):
            self._hold(layer)
        held = sum(self.sizes[n] for n in {*self.kept.layers, self.layer} - {-1})
        return max(self.bench.tables, self.bench.keep - held)

    def _fits(self, layer: int) -> bool:
        return self.sizes[layer] <= self.bench.keep

    def _hold(self, layer: int) -> None:
        """Room for layers[layer]; what is held of a layer below goes through the segments between."""
        if self.layer == layer:
            return
        self.kept.only(staying(self.kept.layers, layer, self.sizes, self.bench.keep))
        if 0 <= self.layer < layer:
            self.held.replace(self.bench.forward.segments.between(self.layer, layer))
        else:
            self.held = _Blocks(self.patches, self.bench.forward_rows)
        self.layer = layer


def staying(kept: Collection[int], layer: int, sizes: Sequence[int], most: int) -> frozenset[int]:
    """Which of the layers kept stay where `layer` is held too, all of them in at most `most` bytes: none below it, for
    the experiments go up; then the highest, which are dearest to make again.

    Args: sizes: the bytes of each layer.
    """
    found, left = set[int](), most - sizes[layer]
    for number in sorted((n for n in kept if n > layer), reverse=True):
        left -= sizes[number]
        if left < 0:
            break
        found.add(number)
    return frozenset(found)


class _Blocks:
    """Activations on some of `patches` patches, `size` of them in a block, so that those of one layer can take the
    place of another's block by block."""

    def __init__(self, patches: int, size: int) -> None:
        self.size, self.has = size, np.zeros(patches, dtype=bool)
        self.values: dict[int, Tensor] = {}

    def split(self, patches: Indices) -> list[Indices]:
        """Patches, ascending, by block."""
        starts = np.flatnonzero(np.diff(patches // self.size)) + 1
        return [part for part in np.split(patches, starts) if len(part)]

    def put(self, patches: Indices, values: Tensor) -> None:
        """The activations (n, …) of n patches of one block."""
        block = int(patches[0]) // self.size
        if block not in self.values:
            count = min(self.size, len(self.has) - block * self.size)
            self.values[block] = values.new_empty((count, *values.shape[1:]))
        self.values[block][self._places(patches, values)] = values
        self.has[patches] = True

    def get(self, patches: Indices) -> Tensor:
        """The activations of patches that were put, in the order given."""
        blocks, first = patches // self.size, self.values[int(patches[0]) // self.size]
        found = first.new_empty((len(patches), *first.shape[1:]))
        for block in np.unique(blocks).tolist():
            where = np.flatnonzero(blocks == block)
            found[torch.as_tensor(where, device=found.device)] = self.values[block][self._places(patches[where], found)]
        return found

    @torch.no_grad()
    def replace(self, through: Through) -> None:
        """What `through` makes of all that was put, in its place."""
        for part in self.split(np.flatnonzero(self.has)):
            before = self.values.pop(int(part[0]) // self.size)
            self.put(part, through(before[self._places(part, before)]))

    def _places(self, patches: Indices, like: Tensor) -> Tensor:
        return torch.as_tensor(patches % self.size, device=like.device)
