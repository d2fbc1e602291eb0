"""Turn the bytes of a picture file into a plain RGB or grey picture, or say why that cannot be done.

Turned as its EXIF says; first frame only; transparency is laid over white; 16-bit grey is divided by 257; CMYK and
other colour spaces become RGB. Grey stays grey (mode L), so that a one-channel network loses nothing.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 89_000_000
"""Pictures with more are refused: they may be decompression bombs."""


class PictureError(Exception):
    """A picture that cannot be used. The text is the reason; it names no path."""


def decode(data: bytes) -> Image.Image:
    """The picture in `data`, mode RGB or L. Errors: PictureError."""
    if not data:
        raise PictureError("the file is empty")
    try:
        with warnings.catch_warnings(), _whole_files():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            check_size(picture)
            picture.load()
            return plain(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError as error:
        raise PictureError("not a picture in a known format") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"more than {MOST_PIXELS // 10**6} million pixels") from error
    except PictureError:
        raise
    except Exception as error:  # what a damaged file makes Pillow raise is not limited to a few kinds
        raise PictureError(f"damaged: {_reason(error)}") from error


@contextmanager
def _whole_files() -> Iterator[None]:
    """Pillow refuses truncated files; WeasyPrint, once imported, makes it take them in the whole process."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def check_size(picture: Image.Image) -> None:
    """Raises PictureError for a picture with more than `MOST_PIXELS`."""
    if picture.width * picture.height > MOST_PIXELS:
        text = f"{picture.width}×{picture.height} pixels, more than {MOST_PIXELS // 10**6} million"
        raise PictureError(text)


def _reason(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text if "/" not in text and "\\" not in text else type(error).__name__


def plain(picture: Image.Image) -> Image.Image:
    """`picture` as RGB or L. Errors: PictureError for floating-point pictures, which have no known range."""
    if picture.mode in {"RGB", "L"}:
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode == "F":
        raise PictureError("a floating-point picture, which has no known range")
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        return Image.fromarray(np.clip(np.round(values / 257), 0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")
