"""The activations of one class's patches at one layer after another: made once, kept where they fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.ablation.ablation import Ablation
from neurflow_report.network.forward import AdaptiveBatch, KeptActivations, kept_bytes, layers_to_keep, staying
from neurflow_report.setup.workspace import Workspace

Indices = NDArray[np.int64]
Through = Callable[[Tensor], Tensor]


class ActivationCache:
    """Full activations on the class's patches, by one door, `activations`: those that the pass over all patches has
    kept, and, on the way up, those of the last other layer that was asked for.

    Upward, from the lowest layer on, the latter are made of those of the layer before. Both together take at most
    `workspace.keep` bytes: for the latter, the former are let go. Before that, what is not kept is made again each
    time: the search goes down, where nothing could be made of it.

    Attributes:
        kept: what the pass has kept.
        batch: how many patches go through at once.
    """

    def __init__(
        self,
        workspace: Workspace,
        pixels: Tensor,
        kept: KeptActivations | None = None,
        *,
        upward: bool = False,
        batch: AdaptiveBatch | None = None,
    ) -> None:
        self.workspace, self.pixels, self.upward = workspace, pixels, upward
        self.kept = kept or KeptActivations((), 0)
        self.batch = batch or AdaptiveBatch(most=workspace.forward_rows)
        self.layer, self.held = -1, _Blocks(self.patches, workspace.forward_rows)
        self.sizes = [kept_bytes(workspace.segments, n, self.patches) for n in range(len(workspace.segments.layers))]

    @classmethod
    def of_search(cls, workspace: Workspace, pixels: Tensor, note: Callable[[str], None]) -> ActivationCache:
        """One whose layers, as many as fit, are to be kept by the pass over all patches.

        Args: note: told where memory runs out for one.
        """
        patches = len(pixels) * workspace.grid.per_image
        layers = layers_to_keep(workspace.segments, patches, workspace.keep)
        return cls(workspace, pixels, KeptActivations(layers, patches, note))

    def going_up(self) -> ActivationCache:
        """The same for what asks layer after layer, from the lowest."""
        return ActivationCache(self.workspace, self.pixels, self.kept, upward=True, batch=self.batch)

    @property
    def patches(self) -> int:
        """How many patches there are."""
        return len(self.pixels) * self.workspace.grid.per_image

    def activations(self, layer: int, patches: Indices) -> Tensor:
        """The activations of layers[layer] on some patches, in the order given."""
        found = self.kept.get(layer, patches)
        if found is not None:
            return found
        if not self.upward or not self._fits(layer):
            return self._made(layer, patches)
        self._hold(layer)
        missing = np.unique(patches[~self.held.has[patches]])
        for part in self.held.split(missing):
            self.held.put(part, self._made(layer, part))
        return self.held.get(patches)

    def chunks(self, layer: int, patches: Indices | None = None) -> Iterator[Tensor]:
        """The same, some patches at a time; of all patches where none are given."""
        wanted = np.arange(self.patches) if patches is None else patches
        for part in np.array_split(wanted, max(1, -(-len(wanted) // self.workspace.forward_rows))):
            yield self.activations(layer, part)

    def ablations(self, layer: int, note: Callable[[str], None]) -> Ablation:
        """The knock-outs of layers[layer], seen one layer up.

        Args: note: told where memory runs out, from here on for what is made of the pictures, too.
        """
        self.batch.note = note
        return self.workspace.ablations(layer, self.workspace.forward.activations(layer, self.pixels[:1]), note)

    def holds(self, layer: int) -> bool:
        """Whether what was made of layers[layer] need not be made again."""
        return layer in self.kept.layers or (self.upward and self._fits(layer))

    def room(self, layer: int) -> int:
        """Bytes left for what is made of layers[layer], with all that is held then."""
        if self.upward and layer not in self.kept.layers and self._fits(layer):
            self._hold(layer)
        held = sum(self.sizes[n] for n in {*self.kept.layers, self.layer} - {-1})
        return max(self.workspace.tables, self.workspace.keep - held)

    def _made(self, layer: int, patches: Indices) -> Tensor:
        """Made from the pictures, as many patches at a time as fit the memory."""

        def run(n: int) -> Tensor:
            parts = np.array_split(patches, max(1, -(-len(patches) // n)))
            return torch.cat([self.workspace.activations(self.pixels, layer, part) for part in parts])

        return self.batch.attempt(run)

    def _fits(self, layer: int) -> bool:
        return self.sizes[layer] <= self.workspace.keep

    def _hold(self, layer: int) -> None:
        """Room for layers[layer]; what is held of a layer below goes through the segments between."""
        if self.layer == layer:
            return
        self.kept.only(staying(self.kept.layers, layer, self.sizes, self.workspace.keep))
        if 0 <= self.layer < layer:
            self.held.replace(self.workspace.forward.segments.between(self.layer, layer))
        else:
            self.held = _Blocks(self.patches, self.workspace.forward_rows)
        self.layer = layer


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
