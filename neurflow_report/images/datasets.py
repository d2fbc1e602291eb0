"""Open a torchvision data set by its class name: class names, labels, and pictures by number. Nothing is downloaded."""

from __future__ import annotations

import gzip
import inspect
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torchvision
from PIL import Image

from neurflow_report.errors import InputError, did_you_mean
from neurflow_report.images.pictures import PictureError, check_size, plain

Opened = tuple[tuple[str, ...], list[int], Callable[[int], Image.Image]]
_IDX_FAMILY = ("MNIST", "FashionMNIST", "KMNIST")
_PREFIXES = {"train": "train", "test": "t10k"}
_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


def open_dataset(*, name: str, root: Path, split: str) -> Opened:
    """Class names, the label of every picture, and a function from a picture's number to the picture (RGB or L).

    The MNIST family is also read from plain or .gz idx files right in `root` (as Debian's package
    dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist) or in root/<name>/raw; nothing is written
    there. Errors: data-missing (paths data.name, data.root, data.split).
    """
    kind = _dataset_class(name)
    folder = _idx_folder(name, root)
    dataset = _open_idx(kind, name, folder, split) if folder else _construct(kind, name, root, split)
    labels = _labels(dataset)
    return _class_names(dataset, labels), labels, lambda number: _picture(dataset, number)


def _dataset_class(name: str) -> Any:
    known = [n for n in torchvision.datasets.__all__ if inspect.isclass(getattr(torchvision.datasets, n))]
    if name not in known:
        hint = did_you_mean(name, known) or "torchvision.datasets names them all"
        message = f"torchvision has no data set {name!r}"
        raise InputError("data-missing", message, hint=hint, path=("data", "name"))
    return getattr(torchvision.datasets, name)


def _idx_folder(name: str, root: Path) -> Path | None:
    """Where the idx files of a data set of the MNIST family lie, if they do."""
    if name not in _IDX_FAMILY:
        return None
    places = (root, root / name / "raw")
    return next((p for p in places if any(p.glob(f"*-{_KINDS[0]}*"))), None)


def _open_idx(kind: Any, name: str, folder: Path, split: str) -> Any:
    """The data set from `folder`, laid out in a temporary folder as torchvision wants it; it is read whole."""
    if split not in _PREFIXES:
        raise _no_split(name, split, list(_PREFIXES))
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary) / name / "raw"
        raw.mkdir(parents=True)
        for prefix in _PREFIXES.values():
            for part in _KINDS:
                target = raw / f"{prefix}-{part}"
                if prefix == _PREFIXES[split]:
                    _unpack(folder, target, name)
                else:
                    target.touch()
        return _construct(kind, name, Path(temporary), split)


def _unpack(folder: Path, target: Path, name: str) -> None:
    packed, bare = folder / f"{target.name}.gz", folder / target.name
    if not packed.is_file() and not bare.is_file():
        message = f"the data set {name} lacks the file {packed.name}"
        raise InputError("data-missing", message, path=("data", "root"))
    try:
        with gzip.open(packed) if packed.is_file() else bare.open("rb") as source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
    except (OSError, EOFError, zlib.error) as error:
        message = f"the file {packed.name} of data set {name} cannot be unpacked: {_told(error)}"
        raise InputError("data-missing", message, path=("data", "root")) from error


def _told(error: Exception) -> str:
    """What the system or the reader says, without a path."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _construct(kind: Any, name: str, root: Path, split: str) -> Any:
    """The data set with the arguments that its constructor has for the split; never downloading."""
    accepted = inspect.signature(kind).parameters
    arguments: dict[str, object] = {"root": str(root)}
    if "download" in accepted:
        arguments["download"] = False
    if "train" in accepted:
        if split not in _PREFIXES:
            raise _no_split(name, split, list(_PREFIXES))
        arguments["train"] = split == "train"
    elif "split" in accepted:
        arguments["split"] = split
    try:
        return kind(**arguments)
    except Exception as error:
        message = f"torchvision's data set {name} cannot be opened in {root.name!r}, split {split!r}"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].replace(str(root), root.name)
        hint = f"torchvision says: {reason} (nothing is downloaded here)"
        raise InputError("data-missing", message, hint=hint, path=("data", "root")) from error


def _no_split(name: str, split: str, known: list[str]) -> InputError:
    message = f"the data set {name} has no split {split!r}"
    return InputError("data-missing", message, hint=f"it has {' and '.join(known)}", path=("data", "split"))


def _labels(dataset: Any) -> list[int]:
    for attribute in ("targets", "labels", "_labels"):
        values = getattr(dataset, attribute, None)
        if values is not None and len(values) == len(dataset):
            return [int(v) for v in values]
    samples = getattr(dataset, "samples", None) or getattr(dataset, "_samples", None)
    if samples and len(samples) == len(dataset):
        return [int(label) for _, label in samples]
    return [int(dataset[i][1]) for i in range(len(dataset))]


def _class_names(dataset: Any, labels: list[int]) -> tuple[str, ...]:
    """The data set's own class names (the first of several for one class), else the labels as text."""
    names = getattr(dataset, "classes", None)
    if names is None:
        return tuple(str(i) for i in range(max(labels, default=-1) + 1))
    return tuple(n if isinstance(n, str) else n[0] for n in names)


def _picture(dataset: Any, number: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = dataset[number][0]
    except Exception as error:  # the data set's own code reads it
        raise PictureError(f"damaged: {type(error).__name__}") from error
    if not isinstance(picture, Image.Image):
        raise PictureError(f"a {type(picture).__name__}, not a picture")
    check_size(picture)
    return plain(picture)
