"""Where pictures come from: a list of items in a fixed order, opened only when they are needed.

Items are sorted by class, then by name in byte order (folders) or by number (data sets, the demo).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.listed import classes_of, read_rows
from neurflow_report.images.pictures import PictureError, decode
from neurflow_report.results.records import Skipped

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
_ROOT = ("data", "root")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture: `name` within its source, `label` the index of its class in the source, `open` its picture (RGB or
    L; raises PictureError). `data` gives the original file's bytes, `parts` the demo's masks by part name."""

    name: str
    label: int | None
    open: Callable[[], Image.Image]
    data: Callable[[], bytes] | None = None
    parts: Callable[[], dict[str, NDArray[np.bool_]]] | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Pictures in a fixed order. `name` is for display and holds no absolute path."""

    name: str
    class_names: tuple[str, ...]
    items: tuple[Item, ...]


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
) -> Source:
    """The pictures of a `folder` (a sub-folder per class), of a `csv` file that lists them, of a `torchvision` data set
    by class name, of a `huggingface` data set saved to disk, or of the `demo`.

    Nothing is downloaded. Args: root, file: already resolved; split: train, test or val, for torchvision and the demo,
    and any that a saved data set has. Errors: data-missing, data-empty, missing-package (paths under `data`).
    """
    if source == "demo":
        return _demo(split)
    if source == "csv" and file is not None:
        return _listed(file, root, path_column, label_column)
    if root is None:
        raise InputError("data-missing", f"data source {source!r} needs a root", path=_ROOT)
    if not root.is_dir():
        what = "is a file, and a folder was expected" if root.exists() else "does not exist"
        hint = "a relative root is looked for beside the spec"
        raise InputError("data-missing", f"the data folder {root.name!r} {what}", hint=hint, path=_ROOT)
    if source == "folder":
        return _folder(root)
    if source == "huggingface":
        return _saved(root, split, image_column, label_column)
    return _dataset(name or "", root, split)


def read(item: Item) -> Image.Image | Skipped:
    """The item's picture, or its name and why it cannot be used."""
    try:
        return item.open()
    except PictureError as error:
        return Skipped(name=item.name, reason=str(error))


def _folder(root: Path) -> Source:
    folders = sorted((p for p in root.iterdir() if p.is_dir() and _visible(p.name)), key=lambda p: p.name.encode())
    items = [_file_item(root, path, label) for label, folder in enumerate(folders) for path in _pictures(folder)]
    if items:
        return Source(name=root.name, class_names=tuple(f.name for f in folders), items=tuple(items))
    loose = len([p for p in root.iterdir() if p.suffix.lower() in SUFFIXES])
    message = f"the data folder {root.name!r} holds no sub-folder with pictures"
    if loose:
        message += f", only {loose} picture{'s' if loose > 1 else ''} beside each other"
    hint = f"expected a sub-folder per class, with files that end in {', '.join(sorted(SUFFIXES))}"
    raise InputError("data-empty", message, hint=hint, path=_ROOT)


def _listed(file: Path, root: Path | None, path_column: str, label_column: str) -> Source:
    """The pictures that a CSV file lists; one that is not there is skipped and told, as one that is damaged."""
    rows = read_rows(file, root, path_column=path_column, label_column=label_column)
    names, label_of = classes_of(label for _, label in rows)
    base = root or file.parent
    items = [
        Item(
            name=path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name,
            label=label_of(label),
            open=partial(_open_file, path),
            data=path.read_bytes,
        )
        for path, label in rows
    ]
    items.sort(key=lambda item: (item.label is None, item.label or 0, item.name.encode()))
    return Source(name=file.name, class_names=names, items=tuple(items))


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _pictures(folder: Path) -> list[Path]:
    """Picture files below `folder`, at any depth, hidden files and folders left out."""
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and all(map(_visible, path.relative_to(folder).parts)) and path.is_file()
    ]
    return sorted(found, key=lambda p: p.relative_to(folder).as_posix().encode())


def _file_item(root: Path, path: Path, label: int) -> Item:
    name = path.relative_to(root).as_posix()
    return Item(name=name, label=label, open=partial(_open_file, path), data=path.read_bytes)


def _open_file(path: Path) -> Image.Image:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or type(error).__name__}") from error
    return decode(data)


def _dataset(name: str, root: Path, split: str) -> Source:
    from neurflow_report.images.datasets import open_dataset

    classes, labels, picture = open_dataset(name=name, root=root, split=split)
    if not labels:
        raise InputError("data-empty", f"the data set {name} holds no picture in split {split!r}", path=_ROOT)
    order = sorted(range(len(labels)), key=lambda i: (labels[i], i))
    items = tuple(Item(name=f"{split}/{i:06d}", label=labels[i], open=partial(picture, i)) for i in order)
    return Source(name=f"{name} ({split})", class_names=classes, items=items)


def _saved(root: Path, split: str, image_column: str, label_column: str) -> Source:
    """A data set of Hugging Face's `datasets`; a damaged picture is skipped and told, as in a folder."""
    from neurflow_report.images.saved import open_saved

    saved = open_saved(root, split=split, image_column=image_column, label_column=label_column)
    name = f"{root.name} ({saved.split})" if saved.split else root.name
    order = sorted(range(len(saved.labels)), key=lambda i: (saved.labels[i] is None, saved.labels[i] or 0, i))
    items = [_saved_item(f"{saved.split or root.name}/{i:06d}", saved.labels[i], partial(saved.data, i)) for i in order]
    return Source(name=name, class_names=saved.class_names, items=tuple(items))


def _saved_item(name: str, label: int | None, data: Callable[[], bytes]) -> Item:
    return Item(name=name, label=label, open=lambda: decode(data()), data=data)


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
    return Source(name=f"flowers ({split})", class_names=DATASET.class_names, items=items)
