"""The activations of one class's patches at one layer after another, kept where they fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.circuit.knockout import Knockouts, knockouts
from neurflow_report.network.forward import Rows
from neurflow_report.pipeline.examine import Bench, patch_batches

SHARE = 2
"""The part of the memory, 1/SHARE, that activations kept may take."""


class Activity:
    """Full activations on the class's patches. Asked from the lowest layer up, one forward pass makes them all: only
    those of the last layer asked for are kept, in the chunks of `patch_batches`."""

    def __init__(self, bench: Bench, pixels: Tensor) -> None:
        self.bench, self.pixels = bench, pixels
        self.layer, self.held = -1, list[Tensor]()

    @property
    def patches(self) -> int:
        """How many patches there are."""
        return len(self.pixels) * self.bench.grid.per_image

    def chunks(self, layer: int) -> Iterator[Tensor]:
        """The activations of layers[layer] on all patches in their order, some at a time."""
        if not self._fits(layer):
            for batch in patch_batches(self.bench, self.pixels):
                yield self.bench.forward.activations(layer, batch)
            return
        self._hold(layer)
        yield from self.held

    def some(self, layer: int, patches: NDArray[np.int64]) -> Tensor:
        """The activations of layers[layer] on some patches, in the order given."""
        if not self._fits(layer):
            return self.bench.activations(self.pixels, layer, patches)
        self._hold(layer)
        rows = self.bench.forward_rows
        order = np.argsort(patches, kind="stable")
        chunk = patches[order] // rows
        parts = [self.held[c][torch.as_tensor(patches[order][chunk == c] % rows)] for c in np.unique(chunk)]
        back = torch.as_tensor(np.argsort(order, kind="stable"))
        return torch.cat(parts)[back.to(parts[0].device)]

    def parts(self, layer: int, patches: NDArray[np.int64]) -> Iterator[Tensor]:
        """The activations of layers[layer] on some patches in the order given, some at a time."""
        for part in np.array_split(patches, max(1, -(-len(patches) // self.bench.forward_rows))):
            yield self.some(layer, part)

    def knockouts(self, layer: int, note: Callable[[str], None]) -> Knockouts:
        """The knock-outs of layers[layer], seen one layer up. Args: note: told where memory runs out."""
        forward = self.bench.forward
        segments, row = forward.segments, forward.activations(layer, self.pixels[:1])
        return knockouts(
            segments.stages[layer],
            row,
            axis=segments.feature_axis(layer),
            out_axis=segments.feature_axis(layer + 1),
            rows=Rows(most=self.bench.forward_rows, note=note),
        )

    def _fits(self, layer: int) -> bool:
        numbers = int(np.prod(self.bench.segments.layers[layer].shape))
        return self.patches * numbers * self.pixels.element_size() <= self.bench.memory // SHARE

    def _hold(self, layer: int) -> None:
        if self.layer == layer:
            return
        if 0 <= self.layer < layer:
            above = self.bench.forward.segments.between(self.layer, layer)
            with torch.no_grad():
                self.held = [above(chunk).contiguous() for chunk in self.held]
        else:
            self.held = []
            self.held = [self.bench.forward.activations(layer, b) for b in patch_batches(self.bench, self.pixels)]
        self.layer = layer
