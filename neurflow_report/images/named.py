"""A picture that somebody names: one of the data, by its name there, or a file."""

from __future__ import annotations

from pathlib import Path

from neurflow_report import errors
from neurflow_report.errors import InputError, did_you_mean
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import to_input
from neurflow_report.images.sources import Item, Source
from neurflow_report.images.sources.source import file_item
from neurflow_report.images.taken import take
from neurflow_report.results.records import Preprocess


def named(
    text: str, source: Source, base: Path, preprocess: Preprocess, *, white: float | None, path: errors.Path = ()
) -> Item:
    """The picture called `text`, which can be read; a file that is none of the data is called by its name alone.

    Args:
        base: the folder that a relative path begins in.
        white: as the spec's `data.white`.
        path: where the spec names it.
    Raises: InputError picture-unreadable.
    """
    known = {item.name: item for item in source.items}
    item = known.get(text)
    if item is None:
        file = base / text
        item = file_item(file.name, None, file, white)
        same = [one for one in source.items if one.data is not None and text.endswith(f"/{one.name}")]
        item = same[0] if len(same) == 1 and _same(same[0], item) else item
    try:
        to_input(take(item).picture, preprocess)
    except PictureError as error:
        close = did_you_mean(text, known)
        hint = "give the name of a picture of the data, or the path of a picture file"
        hint = f"{close} Or {hint}" if close else hint
        message = f"the picture {text!r} cannot be used: {str(error).removeprefix('cannot be read: ')}"
        raise InputError("picture-unreadable", message, hint=hint, path=path) from error
    return item


def _same(one: Item, other: Item) -> bool:
    """Whether two items are files of the same bytes."""
    try:
        return take(one).sha256 == take(other).sha256
    except PictureError:
        return False
