"""Which pictures of a source a run reads, and what they were: with the same pictures, it would see the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from PIL import Image

from neurflow_report.images.pictures import PictureError, decode
from neurflow_report.images.sources import Item, Source
from neurflow_report.images.taken import take

T = TypeVar("T")


@dataclass(kw_only=True)
class Witness:
    """What was read.

    Attributes:
        read: by item number, the sha256 of what was read, or why nothing could be.
        steady: whether every picture was the same each time.
    """

    read: dict[int, str] = field(default_factory=dict)
    steady: bool = True

    def watched(self, source: Source) -> Source:
        """The same source, of which this sees whatever is read. Painted pictures need no witness."""
        if source.painted:
            return source
        return replace(source, items=tuple(self._watched(n, item) for n, item in enumerate(source.items)))

    def _watched(self, number: int, item: Item) -> Item:
        if item.data is None:
            return replace(item, open=lambda: self._seen(number, item.open, _of_pixels))
        read = item.data

        def data() -> bytes:
            return self._seen(number, read, _of_bytes)

        return replace(item, data=data, open=lambda: decode(data(), white=item.white))

    def _seen(self, number: int, read: Callable[[], T], digest: Callable[[T], str]) -> T:
        try:
            found = read()
        except PictureError as error:
            self._note(number, _unread(error))
            raise
        self._note(number, digest(found))
        return found

    def _note(self, number: int, digest: str) -> None:
        if self.read.setdefault(number, digest) != digest:
            self.steady = False


def unchanged(source: Source, read: Mapping[int, str], on_picture: Callable[[], None] = lambda: None) -> bool:
    """Whether the pictures of a source are those that a witness saw."""
    for number, digest in read.items():
        if number >= len(source.items) or _now(source.items[number]) != digest:
            return False
        on_picture()
    return True


def _now(item: Item) -> str:
    try:
        return _of_bytes(item.data()) if item.data is not None else _of_pixels(item.open())
    except PictureError as error:
        return _unread(error)


def _of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _of_pixels(picture: Image.Image) -> str:
    return take(Item(name="", label=None, open=lambda: picture)).sha256


def _unread(error: PictureError) -> str:
    return f"unread: {error}"
