"""The pictures that a bundle keeps: the region of the original that the model saw, once each, in its own colours."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import Literal

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import region_of, region_picture, to_input
from neurflow_report.images.select import Chosen
from neurflow_report.images.sources import Item, Source
from neurflow_report.images.taken import again
from neurflow_report.results.picture_name import picture_name
from neurflow_report.results.records import Preprocess, Region

Images = Literal["embed", "blur", "none"]
MOST = 1024
"""Longest side kept, in pixels."""
COLOURS, GREY = 6, (176, 176, 176)
"""Colours a side that are left of a blurred picture, and what stands for one that is not kept."""
FEW, LOOKED_FOR = 2, 16
"""Pictures that a network is tried on, and the most that are opened to find them."""
LOSSLESS = 128
"""Pictures up to this side are kept as PNG, larger ones as JPEG (quality 92)."""


def region_bytes(chosen: Chosen, images: Images = "embed") -> tuple[str, bytes]:
    """File name and encoded bytes of the region that the model saw.

    Args: images: as it is, blurred until only colours are left, or a grey square in its place.
    Raises: RunError data-changed where the picture is no longer the one that the model saw.
    """
    suffix, data = _kept(again(chosen.item, chosen.sha256), chosen.region, images)
    return picture_name(data, chosen.sha256, suffix), data


def region_bytes_of(item: Item, size: tuple[int, int], preprocess: Preprocess) -> bytes:
    """The same bytes for a picture that no class has been chosen for.

    Args: size: of the picture, (width, height).
    Raises: PictureError.
    """
    return _kept(item.open(), region_of(size, preprocess))[1]


def few_inputs(source: Source, preprocess: Preprocess) -> Tensor | None:
    """Up to `FEW` pictures of different classes as inputs, then a patch of each, (N, C, S, S); None where no picture
    can be read."""
    found: dict[int | str, Tensor] = {}
    for item in source.items[:: max(1, len(source.items) // LOOKED_FOR)]:
        key = item.name if item.label is None else item.label
        if key not in found and len(found) < FEW:
            with suppress(PictureError):
                found[key] = to_input(item.open(), preprocess)[0]
    if not found:
        return None
    pictures = torch.stack(list(found.values()))
    half = max(1, preprocess.size // 2)
    corner = pictures[:, :, :half, :half]
    patches = F.interpolate(corner, size=(preprocess.size,) * 2, mode="bilinear", align_corners=False)
    return torch.cat([pictures, patches])


def _kept(picture: Image.Image, region: Region, images: Images = "embed") -> tuple[str, bytes]:
    """The ending of the file's name, and the region's encoded bytes."""
    shown = region_picture(picture, region, MOST if images == "embed" else LOSSLESS)
    shown = hidden(shown, images)
    suffix, options = ("png", {}) if max(shown.size) <= LOSSLESS else ("jpg", {"quality": 92})
    return suffix, encode(shown, "PNG" if suffix == "png" else "JPEG", **options)


def hidden(picture: Image.Image, images: Images) -> Image.Image:
    """A picture as far as pictures are kept: itself, its colours, or a grey square."""
    if images == "blur":
        return picture.resize((COLOURS, COLOURS), Image.Resampling.BOX).resize(picture.size, Image.Resampling.BICUBIC)
    return picture if images == "embed" else Image.new("RGB", picture.size, GREY)


def encode(picture: Image.Image, form: str, **options: int) -> bytes:
    """`picture` in an image format, without metadata: no comment, no EXIF, no colour profile."""
    buffer = BytesIO()
    picture = picture.copy()
    picture.info.clear()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
