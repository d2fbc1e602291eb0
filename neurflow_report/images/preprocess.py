"""From an original picture to the network's input, and back: which rectangle of it the network saw.

Agrees exactly with torchvision's ImageClassification transform: resize the short side, cut the centre (black where the
picture is smaller), scale to 0..1, normalise. With `squash`, which some timm networks want, both sides are resized.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from neurflow_report.images.pictures import MOST_PIXELS, PictureError
from neurflow_report.results.records import Preprocess, Region


def to_input(picture: Image.Image, preprocess: Preprocess) -> tuple[Tensor, Region]:
    """The input, (channels, S, S) float32, and the region of `picture` that it shows, in the picture's pixels.

    The region is larger than the picture, with negative left or top, where the picture is smaller than the crop.

    Raises: PictureError where resizing would make a picture too large (very elongated ones).
    """
    wanted = picture.convert("RGB" if preprocess.channels == 3 else "L")
    size = width, height = resized_size(picture.size, preprocess)
    if width * height > MOST_PIXELS:
        raise PictureError(f"{picture.width}×{picture.height} pixels, too elongated to resize")
    if size != picture.size:
        wanted = _resized(wanted, size, preprocess)
    left, top = (_crop_start(side, preprocess.size) for side in size)
    wanted = wanted.crop((left, top, left + preprocess.size, top + preprocess.size))
    mean, std = (torch.tensor(given)[:, None, None] for given in (preprocess.mean, preprocess.std))
    return (_pixels(wanted) / 255 - mean) / std, region_of(picture.size, preprocess)


def _pixels(picture: Image.Image) -> Tensor:
    """(channels, height, width) float32, 0..255."""
    values = np.array(picture, dtype=np.float32)
    return torch.from_numpy(values.reshape(picture.height, picture.width, -1).transpose(2, 0, 1).copy())


def _resized(picture: Image.Image, size: tuple[int, int], preprocess: Preprocess) -> Image.Image:
    """The picture at `size` (width, height). Pillow smooths what it makes smaller, whatever is asked; without smoothing
    it is what torchvision makes of a tensor."""
    mode = preprocess.interpolation
    if preprocess.antialias or mode == "nearest":
        return picture.resize(size, Image.Resampling[mode.upper()])
    found = F.interpolate(_pixels(picture)[None], size[::-1], mode=mode, align_corners=False)[0]
    values = found.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(values.squeeze(2) if preprocess.channels == 1 else values)


def resized_size(size: tuple[int, int], preprocess: Preprocess) -> tuple[int, int]:
    """(width, height) after the short side has become `resize` pixels; the long side is rounded down, or squashed."""
    resize = preprocess.resize
    if resize is None:
        return size
    if preprocess.squash:
        return resize, resize
    width, height = size
    if width <= height:
        return resize, int(resize * height / width)
    return int(resize * width / height), resize


def region_of(size: tuple[int, int], preprocess: Preprocess) -> Region:
    """The rectangle of a picture of `size` (width, height) that the network sees, in the picture's pixels."""
    scaled = resized_size(size, preprocess)
    left, top = (_crop_start(side, preprocess.size) for side in scaled)
    width, height = (preprocess.size * size[axis] / scaled[axis] for axis in (0, 1))
    return Region(left=left * size[0] / scaled[0], top=top * size[1] / scaled[1], width=width, height=height)


def _crop_start(side: int, crop: int) -> int:
    """Where the centre crop begins along one side; negative where the side is padded (the odd pixel goes behind)."""
    return -((crop - side) // 2) if side < crop else round((side - crop) / 2.0)


def region_picture(picture: Image.Image, region: Region, most: int = 1024) -> Image.Image:
    """What the report shows: the region of the original, RGB, square, of at most `most` pixels, black outside it."""
    if most < 1:
        raise ValueError("a picture has at least one pixel")
    box = (region.left, region.top, region.left + region.width, region.top + region.height)
    inside = box[0] >= 0 and box[1] >= 0 and box[2] <= picture.width and box[3] <= picture.height
    source = picture.convert("RGB")
    if not inside:
        outer = (math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3]))
        source = source.crop(outer)
        box = (box[0] - outer[0], box[1] - outer[1], box[2] - outer[0], box[3] - outer[1])
    side = max(1, round(min(most, max(region.width, region.height))))
    return source.resize((side, side), Image.Resampling.LANCZOS, box=box)


def as_input(mask: NDArray[np.bool_], region: Region, size: int) -> NDArray[np.bool_]:
    """A mask (H, W) over a picture → (size, size) over its `region`: the nearest pixel, False outside the picture."""
    steps = (np.arange(size) + 0.5) / size
    rows, columns = (
        np.floor(start + steps * length).astype(np.int64)
        for start, length in ((region.top, region.height), (region.left, region.width))
    )
    inside = np.outer((rows >= 0) & (rows < mask.shape[0]), (columns >= 0) & (columns < mask.shape[1]))
    nearest = mask[np.ix_(rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1))]
    return np.asarray(nearest & inside)
