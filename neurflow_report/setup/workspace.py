"""The workspace: a network at its cuts, made ready for any class, and what all classes share (METHOD §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from neurflow_report.ablation.ablation import Ablation, ablations
from neurflow_report.ablation.shifted import counted_from
from neurflow_report.circuit.discovery import LayerPair
from neurflow_report.errors import InputError
from neurflow_report.images.patches import PatchGrid, crops
from neurflow_report.network import devices
from neurflow_report.network.cut import Segments
from neurflow_report.network.forward import AdaptiveBatch, batch_rows, pair_rows, row_bytes
from neurflow_report.network.inference import Forward
from neurflow_report.setup.trust import Trust, trusted

TABLES = 8
"""The part of the memory, 1/TABLES, that knock-outs may take for their tables; their rows have so much less."""
SETS = 512
"""The most rows of a knock-out at once on a processor."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A network at its cuts, ready for any class: what all classes share.

    Attributes:
        forward: what forward passes run on.
        forward_rows: the most rows of one.
        pair_rows: the most rows with gradients through stages[i], at i.
        memory: bytes for activations.
        keep: those of them for full activations of a class's patches.
        trust: which segments are run as they are.
    """

    segments: Segments
    grid: PatchGrid
    forward: Forward
    forward_rows: int
    pair_rows: tuple[int, ...]
    memory: int
    keep: int
    trust: Trust = field(default_factory=Trust)

    @property
    def tables(self) -> int:
        """Bytes that what knock-outs make of the activations may take in any case."""
        return self.memory // TABLES

    @classmethod
    def set_up(
        cls, segments: Segments, grid: PatchGrid, memory: int, example: Tensor, *, compared: bool = True
    ) -> Workspace:
        """Measure how many rows fit into half of `memory` bytes; the other half is for activations that are kept,
        unless a row takes more.

        Args:
            segments: of the network.
            grid: of the patches.
            memory: bytes.
            example: a few pictures as inputs, on which all that is made of the segments is compared with them.
            compared: False, where nothing will rest on it, leaves that out.
        Raises: InputError out-of-memory when not even one row fits.
        """
        try:
            rows, keep = _rows(segments, memory // 2, example), memory // 2
        except InputError:
            rows, keep = _rows(segments, memory, example), 0
        forward = Forward.of(segments, example, most=rows[0], compared=compared)
        return cls(
            segments=segments,
            grid=grid,
            forward=forward,
            forward_rows=rows[0],
            pair_rows=rows[1:],
            memory=memory,
            keep=keep,
            trust=trusted(segments, forward.segments, example, rows[1:]) if compared else Trust(),
        )

    def of(self, segments: Segments, example: Tensor) -> Workspace:
        """The same for another network with these layers.

        Args: as `set_up`.
        """
        forward = Forward.of(segments, example, most=self.forward_rows)
        trust = trusted(segments, forward.segments, example, self.pair_rows)
        return replace(self, segments=segments, forward=forward, trust=trust)

    def as_cut(self) -> Workspace:
        """The same with none of the copies: every pass runs the segments as they were cut."""
        every = frozenset(range(len(self.segments.stages)))
        forward = replace(self.forward, segments=self.segments)
        return replace(self, forward=forward, trust=Trust(attributions=every, ablations=every))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not used of all that was made of the segments, and why."""
        return (*self.segments.notes, *self.forward.notes, *self.trust.notes)

    def activations(self, pixels: Tensor, layer: int, patches: NDArray[np.int64]) -> Tensor:
        """The full activation of layers[layer] on `patches` of the pictures."""
        return self.forward.activations(layer, crops(pixels, patches, self.grid))

    def ablations(
        self,
        layer: int,
        row: Tensor,
        note: Callable[[str], None],
        *,
        baseline: Tensor | None = None,
        mean: Tensor | None = None,
    ) -> Ablation:
        """The knock-outs of layers[layer], seen one layer up, as many rows at once as fit the half of the memory that
        is not for what is kept.

        Args:
            row: (1, …) of the layer.
            note: told where memory runs out.
            baseline: like `row`, what stands in a removed channel's place; None: 0.
            mean: from which `row`, and what is removed, is counted (shifted.py); None: from 0.
        """
        segments = self.forward.segments
        return ablations(
            segments.stages[layer] if mean is None else counted_from(segments.stages[layer], mean),
            row,
            axis=segments.feature_axis(layer),
            out_axis=segments.feature_axis(layer + 1),
            rows=AdaptiveBatch(most=self.ablation_rows(segments.stages[layer], row), note=note),
            whole=layer in self.trust.ablations,
            baseline=baseline,
        )

    def ablation_rows(self, part: nn.Module, row: Tensor) -> int:
        """How many rows of a knock-out run at once through a segment: a power of two, or three times one, so that a
        little more or less memory changes nothing. A quarter as many patches are made ready beside them
        (split_ablation.py)."""
        fitting = (self.memory // 2 - self.tables) * 4 // (5 * row_bytes(part, row, kept=True))
        device = self.segments.device
        most = SETS if devices.is_host(device) else devices.most_rows(device, gradients=True)
        fitting = max(1, min(most, fitting))
        step = 1 << max(0, fitting.bit_length() - 2)
        return fitting // step * step

    def layer_pairs(self) -> tuple[LayerPair, ...]:
        """The steps of the recursion, lowest first."""
        axis = self.segments.feature_axis
        return tuple(
            LayerPair(
                segment=stage,
                axis=axis(i),
                out_axis=axis(i + 1),
                rows=self.pair_rows[i],
                whole=i in self.trust.attributions,
                memory=self.memory - self.keep,
            )
            for i, stage in enumerate(self.segments.stages)
        )


def _rows(segments: Segments, memory: int, example: Tensor) -> tuple[int, ...]:
    """The most rows of a forward pass, and with gradients of each stage, that fit."""
    return (batch_rows(segments, memory, example), *pair_rows(segments, memory, example))


def check_patches(name: str, pictures: int, patches: int, k: int, held: int = 0) -> None:
    """Raises InputError too-few-patches where a class's pictures, so many more than are `held` out, give fewer than k
    patches."""
    if patches < k:
        beside = f" ({held} more are held out)" if held else ""
        more = "hold out fewer pictures (data.holdout), or give more" if held else "give more pictures"
        raise InputError(
            "too-few-patches",
            f"class {name!r} has {patches} patches from {pictures} pictures{beside}, and a concept needs k = {k}",
            hint=f"set concept.k to at most {patches}, or {more}, scales or a smaller stride",
            path=("concept", "k"),
        )


def patch_batches(workspace: Workspace, pixels: Tensor) -> Iterator[Tensor]:
    """All patches of the pictures in their fixed order, as many at a time as fit the memory."""
    count = len(pixels) * workspace.grid.per_image
    for first in range(0, count, workspace.forward_rows):
        yield crops(pixels, np.arange(first, min(first + workspace.forward_rows, count)), workspace.grid)
