"""The activations of one class's patches at one layer after another: made once, kept where they fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.circuit.knockout import Knockouts, knockouts
from neurflow_report.network.forward import Kept, Rows
from neurflow_report.pipeline.examine import Bench

SHARE = 2
"""The part of the memory, 1/SHARE, that activations kept may take."""
Indices = NDArray[np.int64]


class Activity:
    """Full activations on the class's patches: those that the search has kept, and those of the last other layer that
    was asked for, on the patches that were asked for. Asked from the lowest layer up, the latter are made of those of
    the layer before.

    `kept`: what the search has kept; None: nothing."""

    def __init__(self, bench: Bench, pixels: Tensor, kept: Kept | None = None) -> None:
        self.bench, self.pixels, self.kept = bench, pixels, kept
        self.layer, self.held = -1, pixels.new_empty(0)
        self.has = np.zeros(self.patches, dtype=bool)

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
        found = self.kept.get(layer, patches) if self.kept else None
        if found is not None:
            return found
        if not self._fits(layer):
            return self.bench.activations(self.pixels, layer, patches)
        self._hold(layer)
        missing = np.unique(patches[~self.has[patches]])
        if len(missing):
            self._put(missing, self.bench.activations(self.pixels, layer, missing))
        return self.held[torch.as_tensor(patches, device=self.held.device)]

    def knockouts(self, layer: int, note: Callable[[str], None]) -> Knockouts:
        """The knock-outs of layers[layer], seen one layer up. Args: note: told where memory runs out."""
        forward = self.bench.forward
        segments, row = forward.segments, forward.activations(layer, self.pixels[:1])
        return knockouts(
            segments.stages[layer],
            row,
            axis=segments.feature_axis(layer),
            out_axis=segments.feature_axis(layer + 1),
            rows=Rows(most=max(self.bench.forward_rows, self.bench.hop_rows[layer]), note=note),
        )

    def holds(self, layer: int) -> bool:
        """Whether what was made of layers[layer] need not be made again."""
        return self._fits(layer) or (self.kept is not None and self.kept.get(layer, np.zeros(0, np.int64)) is not None)

    def _fits(self, layer: int) -> bool:
        numbers = int(np.prod(self.bench.segments.layers[layer].shape))
        return self.patches * numbers * self.pixels.element_size() <= self.bench.memory // SHARE

    def _put(self, patches: Indices, values: Tensor) -> None:
        self.held[torch.as_tensor(patches, device=self.held.device)] = values
        self.has[patches] = True

    def _hold(self, layer: int) -> None:
        """Room for layers[layer]; what is held of a layer below goes through the segments between."""
        if self.layer == layer:
            return
        below, before, had = self.layer, self.held, np.flatnonzero(self.has)
        self.held = self.pixels.new_empty((self.patches, *self.bench.segments.layers[layer].shape))
        self.layer, self.has = layer, np.zeros(self.patches, dtype=bool)
        if 0 <= below < layer:
            above = self.bench.forward.segments.between(below, layer)
            for part in np.array_split(had, max(1, -(-len(had) // self.bench.forward_rows))):
                with torch.no_grad():
                    self._put(part, above(before[torch.as_tensor(part, device=before.device)]))
