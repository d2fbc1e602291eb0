"""Turn the bytes of a picture file into a plain RGB or grey picture, or say why that cannot be done.

Turned as its EXIF says; first frame only; transparency is laid over white; values of more than 8 bits as depth.py says;
CMYK and other colour spaces become RGB. Grey stays grey (mode L), so that a one-channel network loses nothing.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from neurflow_report.images.depth import SIXTEEN, Scale, eight_bits, highest, is_deep, scale_of
from neurflow_report.images.depth import PictureError as PictureError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 89_000_000
"""Pictures with more are refused: they may be decompression bombs."""
HIGHEST, FRAMES = "highest", "frames"
"""What `decode` notes of a picture in its `info`: the highest of values that have 16 bits, where only their number says
which is white; that there are other frames than the one taken."""
_OTHERS = (
    (0, b"\x00\x00\x00\x0cjP", "a JPEG 2000"),
    (0, b"%PDF", "a PDF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"II*\x00", "a TIFF with pixels of a kind that is not read"),
    (0, b"MM\x00*", "a TIFF with pixels of a kind that is not read"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"version https://git-lfs", "a Git LFS pointer: the picture itself was not fetched"),
    (4, b"ftyp", "a HEIC, an AVIF or a film"),
    (128, b"DICM", "a DICOM file"),
)
"""Where a file that is not read has its mark, and what it is then."""


def decode(data: bytes, *, white: float | None = None) -> Image.Image:
    """The picture in `data`, mode RGB or L; `info` holds nothing but HIGHEST and FRAMES, where they are to be told.

    Args: white: the value that is white where values have more than 8 bits, by default what the file says.
    Raises: PictureError.
    """
    if not data:
        raise PictureError("the file is empty")
    try:
        with warnings.catch_warnings(), _whole_files():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            check_size(picture)
            told = _told(picture, white)
            picture.load()
            scale = scale_of(picture, white) if is_deep(picture) else None
            if white is None and scale == SIXTEEN:
                told[HIGHEST] = highest(picture)
            found = plain(ImageOps.exif_transpose(picture), scale)
    except UnidentifiedImageError as error:
        raise PictureError(f"not a picture in a known format{_what(data)}") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"more than {MOST_PIXELS // 10**6} million pixels") from error
    except PictureError:
        raise
    except Exception as error:  # what a damaged file makes Pillow raise is not limited to a few kinds
        raise PictureError(f"damaged: {_reason(error)}") from error
    found.info = told
    return found


def _told(picture: Image.Image, white: float | None) -> dict[str | tuple[int, int], int | bool]:
    """What is to be told of a picture as it was opened.

    Raises: PictureError where `white` would say nothing.
    """
    if (
        white is not None
        and not is_deep(picture)
        and any(";16" in _rawmode(tile.args) for tile in getattr(picture, "tile", ()))
    ):
        raise PictureError("colours of 16 bits a channel, of which the upper 8 are read: data.white cannot scale them")
    several = picture.format not in {"JPEG", "MPO"} and getattr(picture, "is_animated", False)
    return {FRAMES: True} if several else {}


def _rawmode(args: object) -> str:
    """How a tile's pixels lie in the file, from what Pillow gives to its decoder; BMP's 16 bits are of all channels."""
    mode = args[0] if isinstance(args, tuple) and args else args
    return mode if isinstance(mode, str) and mode != "BGR;16" else ""


def _what(data: bytes) -> str:
    """What the file is instead, where that can be seen."""
    if data[:512].lstrip()[:1] == b"<":
        return " (HTML, XML or SVG)"
    return next((f" ({name})" for at, mark, name in _OTHERS if data[at : at + len(mark)] == mark), "")


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


def plain(picture: Image.Image, scale: Scale | None = None) -> Image.Image:
    """`picture` as RGB or L.

    Args: scale: of values of more than 8 bits, by default what the picture says (`scale_of`).
    Raises: PictureError where nothing says which value is white, and for colours that cannot be turned into RGB.
    """
    if is_deep(picture):
        return eight_bits(picture, scale or scale_of(picture, None))
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        laid = Image.alpha_composite(white, layer).convert("RGB")
        return laid.convert("L") if picture.mode in {"L", "LA", "La", "1"} else laid
    if picture.mode in {"RGB", "L"}:
        return picture
    if picture.mode == "LAB":
        raise PictureError("colours in CIE L*a*b*, which are not read")
    return picture.convert("L" if picture.mode == "1" else "RGB")
