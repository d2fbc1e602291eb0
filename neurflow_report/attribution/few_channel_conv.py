"""A convolution of which few output channels are wanted: one matrix product for all taps, then their shifted sum.

The multiplications are the same. But a CPU's convolution computes sixteen output channels even where one is wanted; the
product (taps·T, C) × (C, X) does not, and is several times faster for one or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from torch import Tensor, nn
from torch.nn import functional as F

MOST = 8
"""Output channels up to which this pays."""


def conv_few_channels(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """An ungrouped convolution with the options of `conv` but T output channels: (n, T, H', W').

    Args:
        conv: one that `ops.is_conv`.
        x: (n, C, H, W).
        weight, bias: (T, C, kh, kw) and (T,).
    """
    if not _pays(conv, x, weight):
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation)
    taps = [_TapShifts.of(*place) for place in zip(conv.kernel_size, map(int, conv.padding), x.shape[2:], strict=True)]
    rows = weight.permute(2, 3, 0, 1).reshape(-1, weight.shape[1])  # (kh·kw·T, C)
    products = (rows @ x.flatten(2)).view(len(x), *conv.kernel_size, len(weight), *x.shape[2:])  # (n, kh, kw, T, H, W)
    found = x.new_zeros((len(x), len(weight), *(one.size for one in taps)))
    for (i, (to_rows, from_rows)), (j, (to_columns, from_columns)) in product(*(one.shifts for one in taps)):
        found[:, :, to_rows, to_columns] += products[:, i, j, :, from_rows, from_columns]
    return found if bias is None else found.add_(bias.view(-1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class _TapShifts:
    """The taps along one axis of the kernel.

    Attributes:
        size: of the output along the axis.
        shifts: for each tap its number, where in the output it adds, and which of the input's places.
    """

    size: int
    shifts: tuple[tuple[int, tuple[slice, slice]], ...]

    @classmethod
    def of(cls, taps: int, padding: int, places: int) -> _TapShifts:
        """Args: places: the input's size along the axis."""
        size, shifts = places + 2 * padding - taps + 1, list[tuple[int, tuple[slice, slice]]]()
        for tap in range(taps):
            shift = padding - tap  # the input's place x adds to the output's place x + shift
            first, last = max(0, shift), min(size, places + shift)
            if first < last:
                shifts.append((tap, (slice(first, last), slice(first - shift, last - shift))))
        return cls(size=size, shifts=tuple(shifts))


def _pays(conv: nn.Conv2d, x: Tensor, weight: Tensor) -> bool:
    """Whether the products are no larger than x, the convolution has no strides or dilation, and x is on a CPU."""
    if {*conv.stride, *conv.dilation} != {1} or x.device.type != "cpu" or len(weight) > MOST:
        return False
    (high, wide), (top, left) = conv.kernel_size, map(int, conv.padding)
    return top < high and left < wide and len(weight) * high * wide <= max(weight.shape[1], high * wide)
