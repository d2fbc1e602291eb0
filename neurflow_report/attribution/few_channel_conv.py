"""A convolution of which few output channels are wanted: each tap's product at every place, then the taps added up
where they meet.

The multiplications are the same. But a processor's convolution computes sixteen output channels even where one is
wanted; the product (T·taps, C) × (C, X) does not, and is several times faster for one or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from torch import Tensor, nn
from torch.nn import functional as F

MOST = 8
"""Output channels up to which this pays."""


def thin_conv(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """An ungrouped convolution (`ops.is_conv`) with `conv`'s options of x (n, C, H, W) by `weight` (T, C, kh, kw):
    (n, T, H', W')."""
    if not _pays(conv, x, weight):
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation)
    taps = [_Tap.of(*place) for place in zip(conv.kernel_size, map(int, conv.padding), x.shape[2:], strict=True)]
    rows = weight.permute(2, 3, 0, 1).reshape(-1, weight.shape[1])
    products = (rows @ x.flatten(2)).view(len(x), *conv.kernel_size, len(weight), *x.shape[2:])
    found = x.new_zeros((len(x), len(weight), *(one.size for one in taps)))
    for (i, (to_rows, from_rows)), (j, (to_columns, from_columns)) in product(*(one.moves for one in taps)):
        found[:, :, to_rows, to_columns] += products[:, i, j, :, from_rows, from_columns]
    return found if bias is None else found.add_(bias.view(-1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class _Tap:
    """The taps along one axis: where in the output, `size` long, what each gives at which places is added."""

    size: int
    moves: tuple[tuple[int, tuple[slice, slice]], ...]

    @classmethod
    def of(cls, taps: int, padding: int, places: int) -> _Tap:
        """Args: places: how many the input has along the axis."""
        size, moves = places + 2 * padding - taps + 1, list[tuple[int, tuple[slice, slice]]]()
        for tap in range(taps):
            shift = padding - tap
            first, last = max(0, shift), min(size, places + shift)
            if first < last:
                moves.append((tap, (slice(first, last), slice(first - shift, last - shift))))
        return cls(size=size, moves=tuple(moves))


def _pays(conv: nn.Conv2d, x: Tensor, weight: Tensor) -> bool:
    """Whether the products are no larger than x, the places meet without gaps, and x is on a processor."""
    if {*conv.stride, *conv.dilation} != {1} or x.device.type != "cpu" or len(weight) > MOST:
        return False
    (high, wide), (top, left) = conv.kernel_size, map(int, conv.padding)
    return top < high and left < wide and len(weight) * high * wide <= max(weight.shape[1], high * wide)
