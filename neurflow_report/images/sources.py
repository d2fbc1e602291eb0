"""Where pictures come from: a list of items in a fixed order, opened only when they are needed.

Items are sorted by class, then by name in byte order (folders) or by number (data sets, the demo).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.listed import classes_of, notes_on, read_rows
from neurflow_report.images.pictures import PictureError, decode
from neurflow_report.ordinary import read_ordinary
from neurflow_report.results.records import Skipped

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
LARGEST = 10**9
"""Files with more bytes are not read: the largest picture that is taken has fewer."""
_ROOT = ("data", "root")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture: `name` within its source, `label` the index of its class in the source, `open` its picture (RGB or
    L; raises PictureError). `data` gives the original file's bytes, from which `open` decodes it (raises PictureError,
    too); `parts` the demo's masks by part name."""

    name: str
    label: int | None
    open: Callable[[], Image.Image]
    data: Callable[[], bytes] | None = None
    parts: Callable[[], dict[str, NDArray[np.bool_]]] | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Pictures in a fixed order. `name` is for display and holds no absolute path; `notes`: what should be known of the
    pictures before any is opened."""

    name: str
    class_names: tuple[str, ...]
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()


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
    _check_folder(root)
    if source == "folder":
        return _folder(root)
    if source == "huggingface":
        return _saved(root, split, image_column, label_column)
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


def _folder(root: Path) -> Source:
    folders = sorted((p for p in root.iterdir() if p.is_dir() and _visible(p.name)), key=lambda p: os.fsencode(p.name))
    found = [(path, label) for label, folder in enumerate(folders) for path in _pictures(folder)]
    if found:
        _check_links(root, [path for path, _ in found])
        items = tuple(_file_item(root, path, label) for path, label in found)
        return Source(name=root.name, class_names=tuple(f.name for f in folders), items=items)
    loose = len([p for p in root.iterdir() if p.suffix.lower() in SUFFIXES])
    message = f"the data folder {root.name!r} holds no sub-folder with pictures"
    if loose:
        message += f", only {loose} picture{'s' if loose > 1 else ''} beside each other"
    hint = f"expected a sub-folder per class, with files that end in {', '.join(sorted(SUFFIXES))}"
    raise InputError("data-empty", message, hint=hint, path=_ROOT)


def _check_links(root: Path, pictures: Sequence[Path]) -> None:
    """Raises InputError data-empty where every picture is a link that leads nowhere."""
    if all(path.is_symlink() and not os.path.exists(path) for path in pictures):
        name, target = pictures[0].relative_to(root).as_posix(), pictures[0].readlink()
        message = f"the data folder {root.name!r} holds links alone that lead nowhere ({len(pictures)} of them)"
        hint = f"{name} leads to {target}: put the pictures there, or make the links anew"
        raise InputError("data-empty", message, hint=hint, path=_ROOT)


def _listed(file: Path, root: Path | None, path_column: str, label_column: str) -> Source:
    """The pictures that a CSV file lists; one that is not there is skipped and told, as one that is damaged."""
    rows = read_rows(file, root, path_column=path_column, label_column=label_column)
    names, label_of = classes_of(row.label for row in rows)
    base = root or file.parent
    items = [
        Item(
            name=_shown(row.path, base),
            label=label_of(row.label),
            open=partial(_open_file, row.path),
            data=partial(_read_file, row.path),
        )
        for row in rows
    ]
    items.sort(key=lambda item: (item.label is None, item.label or 0, item.name.encode()))
    return Source(name=file.name, class_names=names, items=tuple(items), notes=notes_on(file, rows))


def _shown(path: Path, base: Path) -> str:
    """The path from `base`; of what lies outside only the last part, so that no folder of the machine is told."""
    inside = path.is_relative_to(base) and ".." not in path.relative_to(base).parts
    return path.relative_to(base).as_posix() if inside else path.name


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _pictures(folder: Path) -> list[Path]:
    """What is called like a picture below `folder`, at any depth; folders, and hidden files and folders, left out. A
    link that leads nowhere, and what is no ordinary file, are told when they are opened."""
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and all(map(_visible, path.relative_to(folder).parts)) and not path.is_dir()
    ]
    return sorted(found, key=lambda p: os.fsencode(p.relative_to(folder).as_posix()))


def _file_item(root: Path, path: Path, label: int) -> Item:
    name = path.relative_to(root).as_posix()
    return Item(name=name, label=label, open=partial(_open_file, path), data=partial(_read_file, path))


def _open_file(path: Path) -> Image.Image:
    return decode(_read_file(path))


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
