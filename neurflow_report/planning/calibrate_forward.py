"""How long a row takes through each segment, and the activations that all else is measured on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from neurflow_report.images.patches import crops
from neurflow_report.network.count import multiply_adds
from neurflow_report.network.forward import kept_bytes
from neurflow_report.network.shapes import without_values
from neurflow_report.planning.rates import Budget
from neurflow_report.setup.workspace import Workspace

clock = time.perf_counter
"""Seconds, from any beginning."""
GROWTH, SHARE, LONG = 4, 0.1, 0.2
"""So many times more rows each time; the share of the budget that a forward pass may take; a shorter one runs twice."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Passed:
    """What a forward pass of some patches gave.

    Attributes:
        values: each layer's activation, input → output.
        work, seconds: multiply-adds and seconds (None: not timed) of a row through the stem and each stage, as one of
            a run's batches.
        crop: of cutting one out.
        pace: seconds of a multiply-add, about, known also where nothing is to be timed.
    """

    values: tuple[Tensor, ...]
    work: tuple[int, ...]
    seconds: tuple[float, ...] | None
    crop: float | None
    pace: float


def timed(device: torch.device, work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of `work`, and its result."""
    wait = device.type == "cuda"
    if wait:
        torch.cuda.synchronize(device)
    begun = clock()
    result = work()
    if wait:
        torch.cuda.synchronize(device)
    return clock() - begun, result


@torch.no_grad()
def forward(
    workspace: Workspace, pixels: Tensor, *, patches: int, wanted: int, budget: Budget, seconds: bool
) -> Passed:
    """Pass patches of some inputs (I, C, S, S), a row first, then more while there is time.

    Args:
        patches: how many a class of the run has.
        wanted: how many are enough to measure the rest on.
        seconds: whether they are wanted, else few patches do.
    """
    work = row_work(workspace, crops(pixels, np.zeros(1, np.int64), workspace.grid))
    most = max(1, min(wanted, patches, workspace.forward_rows, _fitting(workspace)))
    most = most if seconds else min(most, GROWTH)
    last: _Pass | None = None
    now = _Pass.of(workspace, pixels, 1, budget)
    while now.rows < most and now.spent * GROWTH < min(budget.left, SHARE * budget.seconds):
        last, now = now, _Pass.of(workspace, pixels, min(most, now.rows * GROWTH), budget)
    row = now.row(last, workspace.forward.rows)
    return Passed(
        values=now.values,
        work=work,
        seconds=row if seconds else None,
        crop=now.crop / now.rows if seconds else None,
        pace=max(sum(row), 1e-9) / max(1, sum(work)),
    )


@dataclass(frozen=True, kw_only=True)
class _Pass:
    """One pass of `rows` rows: seconds of cutting them out, and of each part of the network; those of all (`spent`)."""

    rows: int
    values: tuple[Tensor, ...]
    crop: float
    each: tuple[float, ...]
    spent: float

    @classmethod
    def of(cls, workspace: Workspace, pixels: Tensor, rows: int, budget: Budget) -> _Pass:
        """Pass patches spread over all of the inputs'."""
        chosen = np.linspace(0, len(pixels) * workspace.grid.per_image - 1, rows).astype(np.int64)
        begun = budget.spent
        crop, cut_out = timed(workspace.segments.device, lambda: crops(pixels, chosen, workspace.grid))
        values, each = _through(workspace, cut_out)
        return cls(rows=rows, values=tuple(values), crop=crop, each=tuple(each), spent=budget.spent - begun)

    def row(self, fewer: _Pass | None, batch: int) -> tuple[float, ...]:
        """Seconds of a row of a batch through each part.

        Args: fewer: a pass of fewer rows.
        """
        if fewer is None:
            return tuple(now / self.rows for now in self.each)
        pairs = zip(fewer.each, self.each, strict=True)
        return tuple(_in_batch(before, now, fewer.rows, self.rows, batch) for before, now in pairs)


def _in_batch(before: float, now: float, fewer: int, rows: int, batch: int) -> float:
    """Seconds of a row in a batch, from the seconds of two passes of fewer rows: what a pass takes whatever the rows is
    shared by all of them."""
    if rows >= batch:
        return now / rows
    each = max(0.0, now - before) / (rows - fewer)
    return each + max(0.0, now - each * rows) / batch


@torch.no_grad()
def row_work(workspace: Workspace, value: Tensor) -> tuple[int, ...]:
    """Multiply-adds of a row through each part of the network."""
    shapes = [value.shape[1:], *(info.shape for info in workspace.segments.layers)]
    parts = zip((workspace.segments.stem, *workspace.segments.stages), shapes, strict=False)
    return tuple(without_values(_counted, part, value.new_zeros((1, *shape))) for part, shape in parts)


def _counted(part: torch.nn.Module, value: Tensor) -> int:
    return multiply_adds(lambda: part(value))


def _through(workspace: Workspace, value: Tensor) -> tuple[list[Tensor], list[float]]:
    """The activation of every layer, and the seconds of every part; one that is short is run twice, the second
    counts."""
    values, seconds = list[Tensor](), list[float]()
    for part in (workspace.forward.segments.stem, *workspace.forward.segments.stages):
        run = _Part(part, value, workspace.forward.rows)
        spent, found = timed(workspace.segments.device, run)
        if spent < LONG:
            spent, found = timed(workspace.segments.device, run)
        value = found
        values.append(value.contiguous())
        seconds.append(spent)
    return values, seconds


@dataclass(frozen=True)
class _Part:
    """A part of the network on some rows, as many at a time as a forward pass of the run takes."""

    part: torch.nn.Module
    value: Tensor
    rows: int

    def __call__(self) -> Tensor:
        return torch.cat([self.part(some) for some in torch.split(self.value, self.rows)])


def _fitting(workspace: Workspace) -> int:
    """How many patches' activations of all layers fit what a run may keep."""
    row = sum(kept_bytes(workspace.segments, number, 1) for number in range(len(workspace.segments.layers)))
    return max(1, max(workspace.keep, workspace.tables) // max(1, row))
