"""Where pictures come from: a list of items in a fixed order, opened only when they are needed.

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
from neurflow_report.images.folders import by_folder, by_name
from neurflow_report.images.labels import classes_of
from neurflow_report.images.listed import read_rows
from neurflow_report.images.names import composed
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
    """Pictures in a fixed order. `name` is for display and holds no absolute path; `order`: what that of the classes
    means; `notes`: what should be known of the pictures before any is opened; `left_out`: what was found and is no
    picture of a class; `empty`: folders without a picture."""

    name: str
    class_names: tuple[str, ...]
    items: tuple[Item, ...]
    order: Order = "folders"
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """A line on each reason for which something was left out, and the notes."""
        return (*map(told, self.left_out), *self.notes)


def open_source(
    *,
    source: str,
    name: str | None,
    root: Path | None,
    split: str = "test",
    file: Path | None = None,
    path_column: str = "path",
    image_column: str = "image",
    label_column: str = "label",
    label_pattern: str | None = None,
    extension: str | None = None,
    white: float | None = None,
) -> Source:
    """The pictures of a `folder` (a sub-folder per class, or `label_pattern`: where the label stands in their names),
    of a `csv` file that lists them, of a `torchvision` data set by class name, of a `huggingface` data set saved to
    disk, or of the `demo`.

    Nothing is downloaded. Args: root, file: already resolved; split: train, test or val, for torchvision and the demo,
    and any that a saved data set has; extension: what the paths of a list lack; white: the value that is white where
    values have more than 8 bits. Errors: data-missing, data-empty, data-layout, labels-unclear, classes-mismatch,
    missing-package (paths under `data`).
    """
    if source == "demo":
        return _demo(split)
    if source == "csv" and file is not None:
        return _listed(file, root, path_column, label_column, extension, white)
    if root is None:
        raise InputError("data-missing", f"data source {source!r} needs a root", path=_ROOT)
    _check_folder(root)
    if source == "folder":
        return _folder(root, white) if label_pattern is None else _named(root, label_pattern, white)
    if source == "huggingface":
        return _saved(root, split, image_column, label_column, white)
    return _dataset(name or "", root, split)


def _check_folder(root: Path) -> None:
    """Raises InputError data-missing unless `root` is a folder whose content may be listed."""
    if os.path.isdir(root):
        try:
            os.scandir(root).close()
        except OSError as error:
            message = f"the data folder {root.name!r} cannot be read: {error.strerror}"
            raise InputError("data-missing", message, hint="check who may read it", path=_ROOT) from error
        return
    what = "is a file, and a folder was expected" if os.path.exists(root) else "does not exist"
    hint = "a relative root is looked for beside the spec"
    raise InputError("data-missing", f"the data folder {root.name!r} {what}", hint=hint, path=_ROOT)


def read(item: Item) -> Image.Image | Skipped:
    """The item's picture, or its name and why it cannot be used."""
    try:
        return item.open()
    except PictureError as error:
        return Skipped(name=item.name, reason=str(error))


def _folder(root: Path, white: float | None) -> Source:
    found = by_folder(root)
    names = tuple(dict.fromkeys(label for _, label in found.pictures))
    places = {name: i for i, name in enumerate(names)}
    items = [
        _file_item(path.relative_to(root).as_posix(), places[label], path, white) for path, label in found.pictures
    ]
    return Source(
        name=root.name,
        class_names=names,
        items=tuple(items),
        notes=found.notes,
        left_out=found.left_out,
        empty=found.empty,
    )


def _named(root: Path, label_pattern: str, white: float | None) -> Source:
    found = by_name(root, label_pattern)
    classes = classes_of((label for _, label in found.pictures), ("data", "label_pattern"))
    items = [
        _file_item(path.relative_to(root).as_posix(), classes.place.get(label), path, white)
        for path, label in found.pictures
    ]
    return Source(
        name=root.name,
        class_names=classes.names,
        items=_in_order(items),
        order=classes.order,
        notes=found.notes,
        left_out=found.left_out,
    )


def _in_order(items: Iterable[Item]) -> tuple[Item, ...]:
    """By class, those without one last, then by name."""
    return tuple(sorted(items, key=lambda item: (item.label is None, item.label or 0, os.fsencode(item.name))))


def _listed(
    file: Path, root: Path | None, path_column: str, label_column: str, extension: str | None, white: float | None
) -> Source:
    """The pictures that a CSV file lists; one that is not there is skipped and told, as one that is damaged."""
    listed = read_rows(file, root, path_column=path_column, label_column=label_column, extension=extension)
    classes = classes_of((row.label for row in listed.rows), ("data", "label_column"))
    base = root or file.parent
    items = [_file_item(_shown(row.path, base), classes.place.get(row.label), row.path, white) for row in listed.rows]
    return Source(
        name=file.name,
        class_names=classes.names,
        items=_in_order(items),
        order=classes.order,
        notes=(*listed.notes, *classes.notes),
    )


def _shown(path: Path, base: Path) -> str:
    """The path from `base`; of what lies outside only the last part, so that no folder of the machine is told."""
    inside = path.is_relative_to(base) and ".." not in path.relative_to(base).parts
    return path.relative_to(base).as_posix() if inside else path.name


def _file_item(name: str, label: int | None, path: Path, white: float | None) -> Item:
    return Item(
        name=name, label=label, open=partial(_open_file, path, white), data=partial(_read_file, path), white=white
    )


def _open_file(path: Path, white: float | None) -> Image.Image:
    return decode(_read_file(path), white=white)


def _read_file(path: Path) -> bytes:
    """A file's bytes. Errors: PictureError."""
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


def _dataset(name: str, root: Path, split: str) -> Source:
    from neurflow_report.images.datasets import open_dataset

    classes, labels, picture = open_dataset(name=name, root=root, split=split)
    if not labels:
        raise InputError("data-empty", f"the data set {name} holds no picture in split {split!r}", path=_ROOT)
    items = tuple(Item(name=f"{split}/{i:06d}", label=labels[i], open=partial(picture, i)) for i in _by_label(labels))
    return Source(
        name=f"{name} ({split})",
        class_names=tuple(map(composed, classes)),
        items=items,
        order="numbers" if all(map(str.isdecimal, classes)) else "own",
        notes=_unlabelled(labels),
    )


def _by_label(labels: Sequence[int | None]) -> list[int]:
    return sorted(range(len(labels)), key=lambda i: (labels[i] is None, labels[i] or 0, i))


def _unlabelled(labels: Sequence[int | None]) -> tuple[str, ...]:
    without = sum(label is None for label in labels)
    return (f"pictures without a label: {without}",) if without else ()


def _saved(root: Path, split: str, image_column: str, label_column: str, white: float | None) -> Source:
    """A data set of Hugging Face's `datasets`; a damaged picture is skipped and told, as in a folder."""
    from neurflow_report.images.saved import open_saved

    saved = open_saved(root, split=split, image_column=image_column, label_column=label_column)
    name = f"{root.name} ({saved.split})" if saved.split else root.name
    items = [
        _saved_item(f"{saved.split or root.name}/{i:06d}", saved.labels[i], partial(saved.data, i), white)
        for i in _by_label(saved.labels)
    ]
    return Source(
        name=name,
        class_names=tuple(map(composed, saved.class_names)),
        items=tuple(items),
        order=saved.order,
        notes=saved.notes or _unlabelled(saved.labels),
    )


def _saved_item(name: str, label: int | None, data: Callable[[], bytes], white: float | None) -> Item:
    return Item(name=name, label=label, open=lambda: decode(data(), white=white), data=data, white=white)


def _demo(split: str) -> Source:
    from neurflow_report.demo.flowers import DATASET

    def draw(label: int, number: int) -> Image.Image:
        return DATASET.draw(label, number, split)[0]

    def parts(label: int, number: int) -> dict[str, NDArray[np.bool_]]:
        return DATASET.draw(label, number, split)[1]

    items = tuple(
        Item(
            name=f"{name}/{number:04d}",
            label=label,
            open=partial(draw, label, number),
            parts=partial(parts, label, number),
        )
        for label, name in enumerate(DATASET.class_names)
        for number in range(DATASET.per_class)
    )
    return Source(name=f"flowers ({split})", class_names=DATASET.class_names, items=items, order="own")
