"""Pictures, made from the originals (never from a tensor): each stored once, and patches cut out of it where shown.

A page shows a patch as a window on the stored picture. Only a drawing that must stand alone gets a sheet of patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Literal

from PIL import Image, ImageFile

from neurflow_report.drawing.view.model.components import columns_of
from neurflow_report.drawing.view.model.graph import FEW_PIXELS, Tile
from neurflow_report.errors import InputError, Where, Wording
from neurflow_report.results.bundle import Bundle

Format = Literal["webp", "jpeg"]
WEBP_QUALITY, JPEG_QUALITY = 80, 85
MOST = 384
"""Longest side of a stored picture: a patch of a quarter of it then has a pixel for each pixel of its cell."""
LARGEST = 4096
"""Longest side of a bundle's picture that is taken; `analyze` keeps smaller ones."""
LEAST = 192
"""Side of a stored picture for print, at least: a viewer may not smooth what it enlarges."""


class _Whole:
    """How many want truncated pictures refused; Pillow's own setting is for the whole process, and so is this."""

    lock, inside, before = Lock(), 0, False


@contextmanager
def whole_pictures() -> Iterator[None]:
    """Inside, Pillow refuses truncated files: WeasyPrint, once imported, makes it take them."""
    with _Whole.lock:
        if not _Whole.inside:
            _Whole.before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _Whole.inside += 1
    try:
        yield
    finally:
        with _Whole.lock:
            _Whole.inside -= 1
            if not _Whole.inside:
                ImageFile.LOAD_TRUNCATED_IMAGES = _Whole.before


@contextmanager
def opened(bundle: Bundle, file: str) -> Iterator[Image.Image]:
    """The picture named `file` of a bundle, which may be anybody's: PNG or JPEG, `LARGEST` a side at most.

    What fails inside the `with` is not the picture's fault, and goes on as it is.

    Raises: InputError bundle-damaged.
    """
    yield _loaded(bundle.picture_bytes(file), bundle.picture(file))


def _loaded(data: bytes, path: Path) -> Image.Image:
    try:
        with whole_pictures(), Image.open(BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if max(picture.size) > LARGEST:
                raise ValueError(f"{picture.width}×{picture.height} pixels, and {LARGEST} a side are taken at most")
            picture.load()
            return picture
    except Image.DecompressionBombError as error:
        raise _damaged(path, f"too many pixels, {LARGEST} a side are taken at most") from error
    except Exception as error:  # what a damaged file makes Pillow raise is not limited to a few kinds
        raise _damaged(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"the file cannot be read ({error.strerror})"
    return str(error) if isinstance(error, ValueError) else f"it is no picture ({type(error).__name__})"


def _damaged(path: Path, reason: str) -> InputError:
    again = "get a whole copy of the bundle, or make it again with"
    hint = Wording(f"{again} analyze()", command=f"{again} `neurflow-report analyze`")
    return InputError("bundle-damaged", reason, hint=hint, where=Where(file=str(path)))


def stored(region: Image.Image, format: Format) -> bytes:
    """What the model saw of a picture, as it is kept for the screen (WebP) or for print (JPEG): `MOST` pixels at most.

    Equal input gives equal bytes.
    """
    longest = max(region.size)
    if longest < FEW_PIXELS:
        return _tiny(region, -(-LEAST // longest) if format == "jpeg" else 1, format)
    side = min(MOST, max(longest, LEAST if format == "jpeg" else 1))
    coloured = region if region.mode == "RGB" else region.convert("RGB")
    if side == longest:
        return encode(coloured, format)
    resample = Image.Resampling.LANCZOS if side < longest else Image.Resampling.BICUBIC
    size = [max(1, round(length * side / longest)) for length in region.size]
    return encode(coloured.resize((size[0], size[1]), resample), format)


def _tiny(region: Image.Image, times: int, format: Format) -> bytes:
    """A picture of few pixels, each `times` as large, without loss where the format can."""
    coloured = region.convert("RGB").resize((region.width * times, region.height * times), Image.Resampling.NEAREST)
    if format == "jpeg":
        return encode(coloured, format, 95)
    out = BytesIO()
    coloured.save(out, "WEBP", lossless=True, method=4)
    return out.getvalue()


def sheet(pictures: Callable[[int], Image.Image], tiles: Sequence[Tile], *, columns: int, cell: int) -> Image.Image:
    """The patches edge to edge in cells of `cell` pixels, row by row in their order, on white.

    Args:
        pictures: gives picture number `image`'s region at whatever size it is stored.
        columns: at most; fewer where that leaves no cell empty.
    Raises: ValueError when there is no patch.
    """
    if not tiles:
        raise ValueError("a sheet needs at least one patch")
    across = columns_of(len(tiles), columns)
    picture = Image.new("RGB", (across * cell, ceil(len(tiles) / across) * cell), (255, 255, 255))
    for i, tile in enumerate(tiles):
        picture.paste(crop(pictures(tile.image), tile, cell), (cell * (i % across), cell * (i // across)))
    return picture


def crop(region: Image.Image, tile: Tile, cell: int) -> Image.Image:
    """One patch out of a picture's region, scaled to `cell`×`cell` RGB pixels; all of it where it is outlined, without
    the outline."""
    box = (0, 0, *region.size) if tile.outlined else box_in(region, tile)
    smaller = cell < min(box[2] - box[0], box[3] - box[1])
    larger = Image.Resampling.NEAREST if max(region.size) < FEW_PIXELS else Image.Resampling.BICUBIC
    resample = Image.Resampling.LANCZOS if smaller else larger
    coloured = region if region.mode == "RGB" else region.convert("RGB")
    return coloured.resize((cell, cell), resample, box=box)


def box_in(region: Image.Image, tile: Tile) -> tuple[float, float, float, float]:
    """The patch's box (left, top, right, bottom) in the region's own pixels, kept inside it."""
    right, bottom = (tile.left + tile.side) * region.width, (tile.top + tile.side) * region.height
    return tile.left * region.width, tile.top * region.height, min(right, region.width), min(bottom, region.height)


def encode(picture: Image.Image, format: Format, quality: int | None = None) -> bytes:
    """RGB pixels as WebP (quality 80) for the screen or JPEG (quality 85, where no other is given) for print."""
    out = BytesIO()
    if format == "webp":
        picture.save(out, "WEBP", quality=WEBP_QUALITY, method=4)
    else:
        picture.save(out, "JPEG", quality=quality or JPEG_QUALITY, optimize=True)
    return out.getvalue()
