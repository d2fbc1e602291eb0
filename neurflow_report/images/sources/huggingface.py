"""A data set saved to disk by Hugging Face's `datasets`: labels, and pictures as bytes. Nothing is fetched."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from neurflow_report.errors import InputError, did_you_mean
from neurflow_report.images.labels import Classes, classes_of
from neurflow_report.images.names import composed
from neurflow_report.images.pictures import PictureError, decode
from neurflow_report.images.sources.source import Item, Source, by_label, check_folder, unlabelled
from neurflow_report.images.ties import Order
from neurflow_report.ordinary import no_file, odd_file

MARKS = ("dataset_dict.json", "state.json")
"""Files of which `save_to_disk` writes one into the folder: with several splits, or without."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """`split`: its name, "" where the data set was saved without; `labels`: a class of each picture (None: not known);
    `data`: a picture's number → its file's bytes, which raises PictureError; `order`: what that of the classes means;
    `notes`: what should be known of the labels."""

    split: str
    class_names: tuple[str, ...]
    labels: list[int | None]
    data: Callable[[int], bytes]
    order: Order
    notes: tuple[str, ...]


def open_saved(root: Path, *, split: str, image_column: str, label_column: str) -> Saved:
    """The data set in the folder `root`.

    Labels are those of a ClassLabel, or names or numbers, as a list's (`classes_of`).

    Args: split: of a data set that was saved with several; others are read whole.
    Raises: InputError missing-package (path data.source), data-missing (paths data.root, data.split, data.image_column,
        data.label_column).
    """
    datasets = _package()
    found = _loaded(datasets, root)
    table = _split_of(found, split, root).with_format(None)  # a saved format would turn pictures into arrays
    _check_columns(datasets, table, image_column, label_column)
    classes, labels = _labels(datasets, table, label_column)
    pictures = table.select_columns([image_column]).cast_column(image_column, datasets.Image(decode=False))
    return Saved(
        split=split if isinstance(found, Mapping) else "",
        class_names=classes.names,
        labels=labels,
        data=partial(_bytes, pictures, image_column),
        order=classes.order,
        notes=classes.notes,
    )


def usual_keys(root: Path) -> dict[str, str]:
    """What a spec can say of the data set in the folder `root`: `split` (test, or what comes nearest; not where it was
    saved without), `image_column`, `label_column` (the first that can be meant).

    Raises: what `open_saved` raises.
    """
    datasets = _package()
    found = _loaded(datasets, root)
    names = tuple(map(str, found)) if isinstance(found, Mapping) else ()
    split = next((s for s in ("test", "validation", "val") if s in names), next(iter(names), "test"))
    features = _split_of(found, split, root).features
    columns = {
        "image_column": _first(features, datasets.Image, "image"),
        "label_column": _first(features, datasets.ClassLabel, "label"),
    }
    return ({"split": split} if names else {}) | columns


def _first(features: Mapping[str, Any], kind: type, usual: str) -> str:
    """The first column of that kind, the usual name where that exists or there is none."""
    return usual if usual in features else next((n for n, f in features.items() if isinstance(f, kind)), usual)


def is_saved(root: Path) -> bool:
    """Whether the folder looks like one that `save_to_disk` wrote."""
    return any(os.path.isfile(root / mark) for mark in MARKS)


def _package() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import datasets
    except ModuleNotFoundError as error:
        message, hint = "the Python package datasets is not installed", "pip install 'neurflow-report[huggingface]'"
        raise InputError("missing-package", message, hint=hint, path=("data", "source")) from error
    return datasets


def _loaded(datasets: Any, root: Path) -> Any:
    hint = "expected what the method save_to_disk of a data set wrote"
    message = f"the folder {root.name!r} holds no data set that was saved to disk"
    if not is_saved(root):
        raise InputError("data-missing", message, hint=f"{hint}: it has {' or '.join(MARKS)}", path=("data", "root"))
    if (odd := odd_file(root)) is not None:
        told = f"the data set {root.name!r} holds something that is no file: {odd.relative_to(root).as_posix()}"
        raise InputError("data-missing", f"{told}{no_file(odd)}", hint="take it out", path=("data", "root"))
    try:
        return datasets.load_from_disk(str(root))
    except Exception as error:  # what a damaged folder makes it raise is not limited to a few kinds
        message = f"the data set {root.name!r} cannot be read: {type(error).__name__}"
        raise InputError("data-missing", message, hint=hint, path=("data", "root")) from error


def _split_of(found: Any, split: str, root: Path) -> Any:
    if not isinstance(found, Mapping):
        return found
    if split not in found:
        hint = f"it has {', '.join(map(str, found)) or 'none'}"
        message = f"the data set {root.name!r} has no split {split!r}"
        raise InputError("data-missing", message, hint=hint, path=("data", "split"))
    return found[split]


def _check_columns(datasets: Any, table: Any, image_column: str, label_column: str) -> None:
    for key, column in (("image_column", image_column), ("label_column", label_column)):
        if column not in table.column_names:
            hint = did_you_mean(column, table.column_names) or f"it has {', '.join(table.column_names)}"
            raise InputError("data-missing", f"the data set has no column {column!r}", hint=hint, path=("data", key))
    if not isinstance(table.features[image_column], datasets.Image):
        pictures = [name for name, kind in table.features.items() if isinstance(kind, datasets.Image)]
        hint = f"columns with pictures: {', '.join(pictures) or 'none'}"
        message = f"the column {image_column!r} of the data set holds no pictures"
        raise InputError("data-missing", message, hint=hint, path=("data", "image_column"))


def _labels(datasets: Any, table: Any, column: str) -> tuple[Classes, list[int | None]]:
    values: Sequence[Any] = table[column][:]
    feature = table.features[column]
    if isinstance(feature, datasets.ClassLabel) and feature.names:
        own = Classes(names=tuple(feature.names), order="own", place={})
        return own, [value if value is not None and value >= 0 else None for value in values]
    if not all(value is None or isinstance(value, (str, int, float)) for value in values):
        message = f"the column {column!r} of the data set holds neither names nor numbers"
        hint = "expected one label a picture"
        raise InputError("data-missing", message, hint=hint, path=("data", "label_column"))
    written = ["" if value is None else str(value) for value in values]
    classes = classes_of(written, ("data", "label_column"))
    return classes, [classes.place.get(label) for label in written]


def _bytes(pictures: Any, column: str, number: int) -> bytes:
    found = pictures[number][column]
    data = (found or {}).get("bytes")
    if data is None:
        raise PictureError("the data set does not hold its bytes")
    return bytes(data)


def open_pictures(root: Path | None, split: str, image_column: str, label_column: str, white: float | None) -> Source:
    """A data set of Hugging Face's `datasets`; a damaged picture is skipped and told, as in a folder."""
    root = check_folder(root, "huggingface")
    saved = open_saved(root, split=split, image_column=image_column, label_column=label_column)
    name = f"{root.name} ({saved.split})" if saved.split else root.name
    items = [
        _saved_item(f"{saved.split or root.name}/{i:06d}", saved.labels[i], partial(saved.data, i), white)
        for i in by_label(saved.labels)
    ]
    return Source(
        name=name,
        class_names=tuple(map(composed, saved.class_names)),
        items=tuple(items),
        order=saved.order,
        notes=saved.notes or unlabelled(saved.labels),
    )


def _saved_item(name: str, label: int | None, data: Callable[[], bytes], white: float | None) -> Item:
    return Item(name=name, label=label, open=lambda: decode(data(), white=white), data=data, white=white)
