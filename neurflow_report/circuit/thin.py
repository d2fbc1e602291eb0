"""A convolution of which few output channels are wanted: each tap's product at every place, then the taps added up
where they meet.

The multiplications are the same. But a processor's convolution computes sixteen output channels even where one is
wanted; the product (T·taps, C) × (C, X) does not, and is up to seven times faster for one, no faster from ten on.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

MOST = 8
"""Output channels up to which this pays."""


def thin_conv(conv: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """An ungrouped convolution (`ops.is_conv`) with `conv`'s options of x (n, C, H, W) by `weight` (T, C, kh, kw):
    (n, T, H', W')."""
    if not _pays(conv, x, weight):
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation)
    (high, wide), (top, left) = conv.kernel_size, map(int, conv.padding)
    rows = weight.flip(2, 3).permute(0, 2, 3, 1).reshape(-1, weight.shape[1])
    products = rows @ x.flatten(2)
    size = (x.shape[2] + 2 * top - high + 1, x.shape[3] + 2 * left - wide + 1)
    found = F.fold(products, size, (high, wide), padding=(high - 1 - top, wide - 1 - left))
    return found if bias is None else found.add_(bias.view(-1, 1, 1))


def _pays(conv: nn.Conv2d, x: Tensor, weight: Tensor) -> bool:
    """Whether the products are no larger than x, the places meet without gaps, and x is on a processor."""
    if {*conv.stride, *conv.dilation} != {1} or x.device.type != "cpu" or len(weight) > MOST:
        return False
    (high, wide), (top, left) = conv.kernel_size, map(int, conv.padding)
    return top < high and left < wide and len(weight) * high * wide <= max(weight.shape[1], high * wide)
