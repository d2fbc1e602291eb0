"""A picture that is made for a semantic group: gradient ascent over a Fourier basis (METHOD §9).

Nothing of a natural picture goes into it but the vector that the ascent is drawn towards, through what is ascended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Objective = Callable[[Tensor], Tensor]
"""What is ascended, of a picture (1, C, S, S) of colours from 0 to 1."""
STARTS = (0.01, 0.1, 1.0)
"""Standard deviations of the noise that an ascent starts from: the first that has a gradient is taken."""
RATE, DECAYS, TINY = 0.05, (0.9, 0.999), 1e-8
"""Adam's."""
JITTER = 16
"""A picture is moved by up to 1/JITTER of its side in each step."""
FLAT, BROKEN = "no start of the ascent activates it", "the ascent met NaN or Inf"
FLOOR = 0.1
"""What a channel's spread counts for at least, of the mean channel's."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What an ascent came to.

    Attributes:
        picture: (C, S, S), 0..255; None where `reason` says why there is none.
        start: the first picture, likewise.
    """

    picture: Bytes | None
    start: Bytes | None
    reason: str = ""


def falling(size: int) -> Tensor:
    """What each frequency of a picture's spectrum is multiplied by, (S, S // 2 + 1): 1 / f, f in periods a pixel, and
    that of one period a picture for the mean."""
    down, across = torch.fft.fftfreq(size, dtype=torch.float64), torch.fft.rfftfreq(size, dtype=torch.float64)
    return 1 / torch.hypot(down[:, None], across[None, :]).clamp_min(1 / size)


def painted(spectrum: Tensor, scale: Tensor) -> Tensor:
    """Colours from 0 to 1, (1, C, S, S), of a spectrum (C, S, S // 2 + 1, 2): real and imaginary parts."""
    size = spectrum.shape[1]
    values = torch.fft.irfft2(torch.view_as_complex(spectrum) * scale, s=(size, size), norm="ortho")
    return torch.sigmoid(values / 4)[None]


def in_bytes(colours: Tensor) -> Bytes:
    """The picture (C, S, S) as it is kept."""
    found: Bytes = (colours.detach()[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return found


def from_bytes(picture: Bytes, like: Tensor) -> Tensor:
    """The colours of a picture that is kept, on the device and in the number format of `like`."""
    return torch.from_numpy(picture.copy()).to(like.device, like.dtype)[None] / 255


def ascended(objective: Objective, *, channels: int, size: int, steps: int, seed: Sequence[int], like: Tensor) -> Made:
    """Ascend `objective`.

    Args:
        channels, size: of the picture.
        seed: of the noise and the jitter.
        like: has the device and the number format.
    """
    scale = falling(size).to(like.device, like.dtype)
    rng, shape = np.random.default_rng(seed), (channels, size, size // 2 + 1, 2)
    reason = FLAT
    for spread in STARTS:
        spectrum = torch.from_numpy(spread * rng.standard_normal(shape)).to(like.device, like.dtype)
        slope = _slope(objective, spectrum, scale, (0, 0))
        if slope is not None and not bool(slope.isfinite().all()):
            reason = BROKEN
        elif slope is not None and bool(slope.any()):
            return _from(objective, spectrum, scale, steps, rng)
    return Made(picture=None, start=None, reason=reason)


def _from(objective: Objective, spectrum: Tensor, scale: Tensor, steps: int, rng: np.random.Generator) -> Made:
    """Adam's steps from a spectrum on."""
    first, most = in_bytes(painted(spectrum, scale)), max(1, len(scale) // JITTER)
    mean, square = torch.zeros_like(spectrum), torch.zeros_like(spectrum)
    for step in range(1, steps + 1):
        down, across = rng.integers(-most, most + 1, 2).tolist()
        slope = _slope(objective, spectrum, scale, (down, across))
        if slope is None or not bool(slope.isfinite().all()):
            return Made(picture=None, start=None, reason=BROKEN)
        mean = DECAYS[0] * mean + (1 - DECAYS[0]) * slope
        square = DECAYS[1] * square + (1 - DECAYS[1]) * slope**2
        sizes = (square / (1 - DECAYS[1] ** step)).sqrt() + TINY
        spectrum = spectrum + RATE * mean / (1 - DECAYS[0] ** step) / sizes
    return Made(picture=in_bytes(painted(spectrum, scale)), start=first)


def _slope(objective: Objective, spectrum: Tensor, scale: Tensor, shift: tuple[int, int]) -> Tensor | None:
    """The gradient of the objective of the shifted picture, NaN where that is; None where none leads back to it."""
    leaf = spectrum.detach().requires_grad_()
    with torch.enable_grad():
        value = objective(torch.roll(painted(leaf, scale), shift, dims=(2, 3)))
        if not value.requires_grad:
            return None
        (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True)
    return gradient if gradient is None or bool(value.isfinite()) else torch.full_like(gradient, torch.nan)


def distances(vectors: Floats, natural: Floats) -> Floats | None:
    """How far vectors (n, m) lie from natural ones (N, m), in standard deviations of a channel, root mean square over
    the channels; None where the natural ones do not differ."""
    spread = natural.std(axis=0)
    if not spread.mean() > 0:
        return None
    apart = (vectors - natural.mean(axis=0)) / np.maximum(spread, FLOOR * spread.mean())
    found: Floats = np.sqrt((apart**2).mean(axis=1))
    return found
