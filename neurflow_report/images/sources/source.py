"""What a source gives: pictures in a fixed order, opened only when they are needed.

Items are sorted by class, those without one last, then by name in byte order (folders, lists) or by number (data sets,
the demo). Names of classes are in Unicode's NFC.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.pictures import PictureError, decode
from neurflow_report.images.ties import Order
from neurflow_report.images.walk import told
from neurflow_report.ordinary import read_ordinary
from neurflow_report.results.records import LeftOut, Skipped

LARGEST = 10**9
"""Files with more bytes are not read: the largest picture that is taken has fewer."""
_ROOT = ("data", "root")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture: `name` within its source, `label` the index of its class in the source, `open` its picture (RGB or
    L; raises PictureError). `data` gives the original file's bytes, from which `open` decodes it with `white` (raises
    PictureError, too); `parts` the demo's masks by part name."""

    name: str
    label: int | None
    open: Callable[[], Image.Image]
    data: Callable[[], bytes] | None = None
    white: float | None = None
    parts: Callable[[], dict[str, NDArray[np.bool_]]] | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Pictures in a fixed order. `name` is for display and holds no absolute path.

    Attributes:
        order: what that of the classes means.
        notes: what should be known of the pictures before any is opened.
        left_out: what was found and is no picture of a class.
        empty: folders without a picture.
        painted: whether its pictures follow from this program alone.
    """

    name: str
    class_names: tuple[str, ...]
    items: tuple[Item, ...]
    order: Order = "folders"
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    empty: tuple[str, ...] = ()
    painted: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """A line on each reason for which something was left out, and the notes."""
        return (*map(told, self.left_out), *self.notes)


def check_folder(root: Path | None, source: str) -> Path:
    """The root, if it is a folder whose content may be listed.

    Raises: InputError data-missing.
    """
    if root is None:
        raise InputError("data-missing", f"data source {source!r} needs a root", path=_ROOT)
    if os.path.isdir(root):
        try:
            os.scandir(root).close()
        except OSError as error:
            message = f"the data folder {root.name!r} cannot be read: {error.strerror}"
            raise InputError("data-missing", message, hint="check who may read it", path=_ROOT) from error
        return root
    what = "is a file, and a folder was expected" if os.path.exists(root) else "does not exist"
    hint = "a relative root is looked for beside the spec"
    raise InputError("data-missing", f"the data folder {root.name!r} {what}", hint=hint, path=_ROOT)


def read(item: Item) -> Image.Image | Skipped:
    """The item's picture, or its name and why it cannot be used."""
    try:
        return item.open()
    except PictureError as error:
        return Skipped(name=item.name, reason=str(error))


def in_order(items: Iterable[Item]) -> tuple[Item, ...]:
    """By class, those without one last, then by name."""
    return tuple(sorted(items, key=lambda item: (item.label is None, item.label or 0, os.fsencode(item.name))))


def file_item(name: str, label: int | None, path: Path, white: float | None) -> Item:
    """The picture in a file."""
    return Item(
        name=name, label=label, open=partial(_open_file, path, white), data=partial(_read_file, path), white=white
    )


def _open_file(path: Path, white: float | None) -> Image.Image:
    return decode(_read_file(path), white=white)


def _read_file(path: Path) -> bytes:
    """A file's bytes.

    Raises: PictureError.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise PictureError("no ordinary file")
        if found.st_size > LARGEST:
            raise PictureError(f"{found.st_size / 1e9:.1f} GB, more than {LARGEST / 1e9:.0f}")
        return read_ordinary(path)
    except (OSError, ValueError) as error:
        raise PictureError(f"cannot be read: {_why(path, error)}") from error


def _why(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return "a link that leads nowhere"
    return str(getattr(error, "strerror", None) or error)


def by_label(labels: Sequence[int | None]) -> list[int]:
    """The numbers of pictures by class, those without one last."""
    return sorted(range(len(labels)), key=lambda i: (labels[i] is None, labels[i] or 0, i))


def unlabelled(labels: Sequence[int | None]) -> tuple[str, ...]:
    """A note on how many pictures have no label; nothing where all have."""
    without = sum(label is None for label in labels)
    return (f"pictures without a label: {without}",) if without else ()
