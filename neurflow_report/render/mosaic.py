"""Mosaics of patches, cut from the original pictures (never from a tensor), and a picture with a patch's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from math import ceil, sqrt
from typing import Literal

from PIL import Image, ImageDraw

from neurflow_report.results.records import Patch

Format = Literal["webp", "jpeg"]
GUTTER = 3
WEBP_QUALITY, JPEG_QUALITY = 80, 85


def mosaic(
    pictures: Callable[[int], Image.Image],
    patches: Sequence[Patch],
    *,
    size: int,
    columns: int,
    cell: int,
    format: Format,
) -> bytes:
    """The patches side by side, row by row in their order, each `cell`×`cell` pixels, as an encoded picture.

    `pictures` gives picture number `image`'s region as the model saw it, at whatever size it is stored; `size` is S,
    the side in whose pixels the boxes are (METHOD §1). At most `columns` columns, fewer where that leaves no cell
    empty. Gutters and empty cells are see-through in WebP, white in JPEG. Equal input gives equal bytes.
    Raises: ValueError when there is no patch.
    """
    if not patches:
        raise ValueError("a mosaic needs at least one patch")
    across = columns_of(len(patches), columns)
    down = ceil(len(patches) / across)
    sheet = Image.new("RGBA", (_extent(across, cell), _extent(down, cell)), (255, 255, 255, 0))
    for i, patch in enumerate(patches):
        left, top = (cell + GUTTER) * (i % across), (cell + GUTTER) * (i // across)
        sheet.paste(crop(pictures(patch.image), patch, size=size, cell=cell), (left, top))
    return encode(sheet, format)


def columns_of(count: int, columns: int) -> int:
    """How many columns, at most `columns`, show `count` patches with the fewest empty cells and no tall strip."""
    least = min(columns, ceil(sqrt(count)))
    return min(range(least, min(columns, count) + 1), key=lambda c: (-count % c, -c))


def crop(region: Image.Image, patch: Patch, *, size: int, cell: int) -> Image.Image:
    """One patch out of a picture's region, scaled to `cell`×`cell` RGB pixels."""
    box = box_in(region, patch, size=size)
    smaller = cell < min(box[2] - box[0], box[3] - box[1])
    resample = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
    return region.convert("RGB").resize((cell, cell), resample, box=box)


def box_in(region: Image.Image, patch: Patch, *, size: int) -> tuple[float, float, float, float]:
    """The patch's box (left, top, right, bottom) in the region's own pixels, kept inside it."""
    across, down = region.width / size, region.height / size
    right, bottom = (patch.left + patch.side) * across, (patch.top + patch.side) * down
    return patch.left * across, patch.top * down, min(right, region.width), min(bottom, region.height)


def place(picture: Image.Image, patch: Patch, *, size: int, side: int = 240, format: Format = "webp") -> bytes:
    """The whole region at `side`×`side` pixels, the patch's box outlined in white and black."""
    sheet = crop(picture, Patch(index=0, image=0, top=0, left=0, side=size), size=size, cell=side).convert("RGBA")
    scale = side / size
    left, top, length = patch.left * scale, patch.top * scale, patch.side * scale
    corners = [round(left), round(top), round(left + length) - 1, round(top + length) - 1]
    draw = ImageDraw.Draw(sheet)
    draw.rectangle(corners, outline=(0, 0, 0, 255), width=4)
    draw.rectangle(
        [corners[0] + 1, corners[1] + 1, corners[2] - 1, corners[3] - 1], outline=(255, 255, 255, 255), width=2
    )
    return encode(sheet, format)


def encode(picture: Image.Image, format: Format) -> bytes:
    """RGBA pixels as WebP (quality 80) for the screen or JPEG (quality 85, on white) for print."""
    out = BytesIO()
    if format == "webp":
        picture.save(out, "WEBP", quality=WEBP_QUALITY, method=4)
    else:
        flat = Image.new("RGB", picture.size, (255, 255, 255))
        flat.paste(picture, mask=picture.getchannel("A"))
        flat.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return out.getvalue()


def _extent(cells: int, cell: int) -> int:
    return cells * cell + (cells - 1) * GUTTER
