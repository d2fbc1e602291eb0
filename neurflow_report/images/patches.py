"""Patches (METHOD §1): square windows of the model's input at several scales, kept as boxes; pixels made when needed.

For each scale g: side s = ⌊g·S⌋, stride max(1, min(⌊s·stride⌋, S−s)). The order is scale by scale as given, then row by
row; patch p of all the pictures is window p mod n of picture p div n, n windows a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from neurflow_report.errors import Gathered, InputError
from neurflow_report.results.records import Patch

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PatchGrid:
    """The windows of one picture of `size` S.

    Raises: InputError spec-bad-value (path concept.scales) for sides below 1 pixel.
    """

    size: int
    scales: tuple[float, ...]
    stride: float

    def __post_init__(self) -> None:
        wrong = [self._too_small(i) for i, side in enumerate(self.sides) if not 1 <= side <= self.size]
        Gathered(wrong).tell()

    def _too_small(self, i: int) -> InputError:
        message = (
            f"at scale {self.scales[i]:g} a patch of the {self.size}-pixel input has {self.sides[i]} pixels a side"
        )
        hint = f"scales run from {1 / self.size:.3g} to 1 here"
        return InputError("spec-bad-value", message, hint=hint, path=("concept", "scales", i))

    @property
    def sides(self) -> tuple[int, ...]:
        """The side of each scale, in pixels; the scale is taken as the decimal that was written."""
        return tuple(floor(Fraction(str(scale)) * self.size) for scale in self.scales)

    @cached_property
    def table(self) -> Indices:
        """The windows of one picture, (n, 3): top, left, side."""
        rows = [(top, left, side) for side in self.sides for top in self._starts(side) for left in self._starts(side)]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)

    def step(self, side: int) -> int:
        """The stride, in pixels, between windows of a side."""
        return max(1, min(floor(Fraction(str(self.stride)) * side), self.size - side))

    def _starts(self, side: int) -> range:
        return range(0, self.size - side + 1, self.step(side))

    @property
    def per_image(self) -> int:
        """Patches a picture: 59 at the default scales and stride, S = 224."""
        return len(self.table)

    def boxes(self) -> Indices:
        """The windows of one picture, (per_image, 3): top, left, side in pixels, in patch order."""
        return self.table.copy()

    def box(self, index: int) -> Patch:
        """Patch number `index` ≥ 0 of all pictures, as a record."""
        image, window = divmod(int(index), self.per_image)
        top, left, side = map(int, self.table[window])
        return Patch(index=int(index), image=image, top=top, left=left, side=side)


def crops(images: Tensor, patch_indices: Indices | Sequence[int], grid: PatchGrid) -> Tensor:
    """The pixels of patches, (n, C, S, S): windows of `images` (I, C, S, S), resized bilinear, align_corners False.

    Same number format and device as `images`, which is not changed.

    Raises: IndexError for a patch of a picture that is not there.
    """
    indices = np.asarray(patch_indices, dtype=np.int64).reshape(-1)
    if len(indices) and (indices.min() < 0 or indices.max() >= len(images) * grid.per_image):
        raise IndexError(f"{len(images)} pictures have {len(images) * grid.per_image} patches")
    result = images.new_empty((len(indices), *images.shape[1:]))
    picture, window = np.divmod(indices, grid.per_image)
    sides = grid.table[window, 2]
    for side in np.unique(sides):
        rows = np.flatnonzero(sides == side)
        _fill(result, rows, images, picture[rows], grid.table[window[rows]], grid)
    return result


def _fill(result: Tensor, rows: Indices, images: Tensor, picture: Indices, boxes: Indices, grid: PatchGrid) -> None:
    """Put the windows of one side into `result`, gathered through a strided view: no picture is copied twice."""
    side, step = int(boxes[0, 2]), grid.step(int(boxes[0, 2]))
    windows = images.unfold(2, side, step).unfold(3, side, step)
    at = [torch.as_tensor(x, device=images.device) for x in (picture, boxes[:, 0] // step, boxes[:, 1] // step)]
    pixels = windows[at[0], :, at[1], at[2]]
    if side != grid.size:
        pixels = F.interpolate(pixels, size=(grid.size, grid.size), mode="bilinear", align_corners=False)
    result[torch.as_tensor(rows, device=images.device)] = pixels
