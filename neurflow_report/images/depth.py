"""Values of more than 8 bits → 8: which value is black and which is white is what the file says, or the user.

- 16 bits: 0 and 65535, as PNG has it (its chunk sBIT changes nothing of that), or what a TIFF's BitsPerSample gives:
  4095 at 12 bits. A PPM's are scaled by its own maximum.
- Whole numbers of 32 bits and floating-point ones: a TIFF's SMinSampleValue and SMaxSampleValue; without them there is
  no telling.
- A TIFF may say that 0 is white.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

BITS, PHOTOMETRIC, SAMPLE_FORMAT, LEAST, MOST = 258, 262, 339, 340, 341
"""Tags of TIFF."""
_UNSIGNED = 1


class PictureError(Exception):
    """A picture that cannot be used. The text is the reason; it names no path."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Which value is black and which is white; `turned`: they change places."""

    black: float
    white: float
    turned: bool = False


SIXTEEN = Scale(black=0, white=65535)
"""That of 16 bits, where nothing but their number says which value is white."""


def is_deep(picture: Image.Image) -> bool:
    """Whether its values have more than 8 bits in Pillow's hands."""
    return picture.mode == "F" or picture.mode.startswith("I")


def scale_of(picture: Image.Image, white: float | None) -> Scale:
    """The scale of a deep picture as it was opened (turned ones have lost what their file says).

    Args: white: the value that is white, as the user says; a PPM's own maximum comes first.
    Raises: PictureError where nobody says it.
    """
    tags: Mapping[int, Any] = getattr(picture, "tag_v2", {})
    turned = tags.get(PHOTOMETRIC) == 0
    if picture.format == "PPM" and picture.mode == "I":
        return SIXTEEN  # Pillow has scaled it to this
    if white is not None:
        return Scale(black=0, white=white, turned=turned)
    if picture.mode.startswith("I;16") or picture.format == "PNG":
        bits = _first(tags.get(BITS)) or 16
        return Scale(black=0, white=2**bits - 1, turned=turned)
    least, most = _first(tags.get(LEAST)) or 0, _first(tags.get(MOST))
    if most is not None and np.isfinite([least, most]).all() and most > least:
        return Scale(black=float(least), white=float(most), turned=turned)
    raise PictureError(f"{_kind(picture, tags)}, and the file does not say which of them is white: data.white can")


def _kind(picture: Image.Image, tags: Mapping[int, Any]) -> str:
    if picture.mode == "F":
        return "floating-point values"
    signed = "" if _first(tags.get(SAMPLE_FORMAT)) in (None, _UNSIGNED) else "signed "
    return f"{signed}whole numbers of {_first(tags.get(BITS)) or 32} bits"


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value


def eight_bits(picture: Image.Image, scale: Scale) -> Image.Image:
    """The picture in mode L, rounded.

    Raises: PictureError for what is no number, below black or above white.
    """
    values = np.asarray(picture).astype(np.float64)
    if not np.isfinite(values).all():
        raise PictureError("it holds values that are not finite")
    least, most = values.min(), values.max()
    if most > scale.white:
        raise PictureError(f"it holds a value of {most:.7g}, and white is {scale.white:.7g}")
    if least < scale.black:
        raise PictureError(f"it holds a value of {least:.7g}, and black is {scale.black:.7g}")
    share = (values - scale.black) / (scale.white - scale.black)
    if scale.turned:
        share = 1 - share
    return Image.fromarray(np.round(share * 255).astype(np.uint8))


def highest(picture: Image.Image) -> int:
    """The highest value that a picture of whole numbers holds."""
    return int(np.asarray(picture).max())
