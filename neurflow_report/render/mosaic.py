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
WEBP_QUALITY, JPEG_QUALITY = 78, 85
LEAST = 32
"""Pixels of a cell, at least, whatever its patches have: smooth where it is shown larger."""


def mosaic(
    pictures: Callable[[int], Image.Image],
    patches: Sequence[Patch],
    *,
    size: int,
    columns: int,
    cell: int,
    format: Format,
    least: int = LEAST,
) -> bytes:
    """The patches side by side, row by row in their order, as an encoded picture. Equal input gives equal bytes.

    A cell has `cell`×`cell` pixels, or as many as the largest patch has where that is less (`least` at least): pixels
    made up by enlarging are weight without content. Gutters shrink with the cells.
    `pictures` gives picture number `image`'s region as the model saw it, at whatever size it is stored; `size` is S,
    the side in whose pixels the boxes are (METHOD §1). At most `columns` columns, fewer where that leaves no cell
    empty. Gutters and empty cells are see-through in WebP, white in JPEG.
    Raises: ValueError when there is no patch.
    """
    if not patches:
        raise ValueError("a mosaic needs at least one patch")
    across = columns_of(len(patches), columns)
    down = ceil(len(patches) / across)
    side = cell_of([box_in(pictures(patch.image), patch, size=size) for patch in patches], least, cell)
    step = side + max(1, round(GUTTER * side / cell))
    gutter = step - side
    sheet = Image.new("RGBA", (across * step - gutter, down * step - gutter), (255, 255, 255, 0))
    for i, patch in enumerate(patches):
        sheet.paste(
            crop(pictures(patch.image), patch, size=size, cell=side), (step * (i % across), step * (i // across))
        )
    return encode(sheet, format)


def cell_of(boxes: Sequence[tuple[float, float, float, float]], least: int, most: int) -> int:
    """The side of a cell in pixels: the longest side of a box, `least` to `most` (which counts more)."""
    longest = max(max(right - left, bottom - top) for left, top, right, bottom in boxes)
    return min(most, max(least, ceil(longest)))


def columns_of(count: int, columns: int) -> int:
    """How many columns, at most `columns`, show `count` patches with the fewest empty cells and no tall strip."""
    least = min(columns, ceil(sqrt(count)))
    return min(range(least, min(columns, count) + 1), key=lambda c: (-count % c, -c))


def crop(region: Image.Image, patch: Patch, *, size: int, cell: int) -> Image.Image:
    """One patch out of a picture's region, scaled to `cell`×`cell` RGB pixels."""
    box = box_in(region, patch, size=size)
    smaller = cell < min(box[2] - box[0], box[3] - box[1])
    resample = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
    coloured = region if region.mode == "RGB" else region.convert("RGB")
    return coloured.resize((cell, cell), resample, box=box)


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
    """RGBA pixels as WebP (quality 78) for the screen or JPEG (quality 85, on white) for print."""
    out = BytesIO()
    if format == "webp":
        picture.save(out, "WEBP", quality=WEBP_QUALITY, method=4)
    else:
        flat = Image.new("RGB", picture.size, (255, 255, 255))
        flat.paste(picture, mask=picture.getchannel("A"))
        flat.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return out.getvalue()
