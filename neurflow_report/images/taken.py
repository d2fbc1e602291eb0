"""A picture as it was read: its pixels, and the digest of that from which they were decoded.

A run reads a picture several times, since it cannot keep all of them: to predict it, to examine it, to show it. Only
what has the digest of the first reading is the picture that the network saw. The bytes of a file are read once, and
both digested and decoded, so that nothing can change between the two.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from PIL import Image

from neurflow_report.errors import RunError
from neurflow_report.images.pictures import PictureError, decode
from neurflow_report.images.sources import Item


@dataclass(frozen=True, kw_only=True)
class Taken:
    """`picture`: RGB or L; `sha256` is over the original file's bytes, or over mode, size and pixels where there is no
    file."""

    picture: Image.Image
    sha256: str


def take(item: Item) -> Taken:
    """Read an item's picture.

    Raises: PictureError.
    """
    if item.data is not None:
        data = item.data()
        return Taken(picture=decode(data, white=item.white), sha256=hashlib.sha256(data).hexdigest())
    picture = item.open()
    head = f"{picture.mode} {picture.width} {picture.height}\0".encode()
    return Taken(picture=picture, sha256=hashlib.sha256(head + picture.tobytes()).hexdigest())


def again(item: Item, sha256: str) -> Image.Image:
    """The picture of an item that was taken before, with that digest.

    Raises: RunError data-changed where it can no longer be read, or is another picture now.
    """
    try:
        taken = take(item)
    except PictureError as error:
        raise _changed(f"the picture {item.name} could be read before, and now cannot: {error}") from error
    if taken.sha256 != sha256:
        raise _changed(f"the picture {item.name} was changed after the network had seen it")
    return taken.picture


def _changed(message: str) -> RunError:
    hint = "leave the pictures alone while a run reads them; the same command begins again"
    return RunError("data-changed", message, hint=hint)
