"""Open a torchvision data set by its class name: class names, labels, and pictures by number. Nothing is downloaded."""

from __future__ import annotations

import gzip
import inspect
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torchvision
from PIL import Image

from neurflow_report.errors import InputError, did_you_mean
from neurflow_report.images.names import composed
from neurflow_report.images.pictures import PictureError, check_size, plain
from neurflow_report.images.sources.source import Item, Source, by_label, check_folder, unlabelled
from neurflow_report.ordinary import no_file, odd_file

UNPICKLING = frozenset({"LSUN", "LSUNClass"})
"""They unpickle a file of the folder that the program is run in."""
SAFE = frozenset({
    "Caltech101", "Caltech256", "CelebA", "CIFAR10", "CIFAR100", "CLEVRClassification", "Country211", "DTD", "EMNIST",
    "EuroSAT", "FakeData", "FashionMNIST", "FER2013", "FGVCAircraft", "Flowers102", "Food101", "GTSRB", "ImageFolder",
    "Imagenette", "ImageNet", "INaturalist", "KMNIST", "LFWPeople", "MNIST", "Omniglot", "OxfordIIITPet", "PCAM",
    "Places365", "QMNIST", "RenderedSST2", "SEMEION", "StanfordCars", "STL10", "SUN397", "SVHN", "USPS",
})  # fmt: skip
"""Data sets for classification whose readers were looked at (torchvision 0.21 to 0.29): they unpickle nothing, or only,
as CIFAR's, files of which torchvision has just checked the digest, or tensors alone. ImageNet's unpack torchvision's
own archives, whose digests it checks, too."""
Opened = tuple[tuple[str, ...], list[int | None], Callable[[int], Image.Image]]
_IDX_FAMILY = ("MNIST", "FashionMNIST", "KMNIST")
_PREFIXES = {"train": "train", "test": "t10k"}
_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


def open_dataset(*, name: str, root: Path, split: str) -> Opened:
    """Class names, the label of every picture, and a function from a picture's number to the picture (RGB or L).

    The MNIST family is also read from plain or .gz idx files right in `root` (as Debian's package dataset-fashion-mnist
    has them in /usr/share/datasets/fashion-mnist) or in root/<name>/raw; nothing is written there.

    Raises:
        InputError data-missing (paths data.name, data.root, data.split).
        InputError data-unsafe (path data.name) for a data set whose reader runs code that lies in files, or was not
            looked at.
    """
    kind = _dataset_class(name)
    _check_ordinary(root)
    folder = _idx_folder(name, root)
    dataset = _open_idx(kind, name, folder, split) if folder else _construct(kind, name, root, split)
    labels = _labels(dataset, name)
    paths = _paths(dataset)
    return _class_names(dataset, labels), labels, lambda number: _picture(dataset, number, paths)


def _dataset_class(name: str) -> Any:
    known = [n for n in torchvision.datasets.__all__ if inspect.isclass(getattr(torchvision.datasets, n))]
    if name not in known:
        hint = did_you_mean(name, known) or "torchvision.datasets names them all"
        message = f"torchvision has no data set {name!r}"
        raise InputError("data-missing", message, hint=hint, path=("data", "name"))
    if name not in SAFE:
        raise _unsafe(name)
    return getattr(torchvision.datasets, name)


def _unsafe(name: str) -> InputError:
    hint = "save its pictures as files, a sub-folder per class, and set data.source: folder"
    reason = "was not looked at: it may run code that lies in files, or gives no picture with one class"
    if name in UNPICKLING:
        reason = "unpickles a file of the folder that the program is run in, which can run any code"
    return InputError("data-unsafe", f"torchvision's data set {name} {reason}", hint=hint, path=("data", "name"))


def _check_ordinary(root: Path) -> None:
    """Raises InputError data-missing for a pipe, socket or device in `root`, which torchvision would wait for."""
    if (odd := odd_file(root)) is not None:
        told = odd.relative_to(root).as_posix()
        message = f"the data folder {root.name!r} holds something that is no file: {told}{no_file(odd)}"
        raise InputError("data-missing", message, hint="take it out of the folder", path=("data", "root"))


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


def _labels(dataset: Any, name: str) -> list[int | None]:
    """The class of each picture, None where the data set gives a number below 0.

    Raises: InputError labels-unclear (path data.name) where a picture has no single class.
    """
    try:
        numbers = [int(label) for label in _written(dataset)]
    except Exception as error:  # the data set's own code, and whatever it calls a label
        message = f"the data set {name} does not give each picture one class: {type(error).__name__}"
        hint = "take a data set for classification"
        raise InputError("labels-unclear", message, hint=hint, path=("data", "name")) from error
    return [number if number >= 0 else None for number in numbers]


def _written(dataset: Any) -> Iterable[Any]:
    for attribute in ("targets", "labels", "_labels"):
        values = getattr(dataset, attribute, None)
        if values is not None and len(values) == len(dataset):
            return values  # type: ignore[no-any-return]
    samples = getattr(dataset, "samples", None) or getattr(dataset, "_samples", None)
    if samples and len(samples) == len(dataset):
        return [label for _, label in samples]
    return (dataset[i][1] for i in range(len(dataset)))


def _class_names(dataset: Any, labels: Sequence[int | None]) -> tuple[str, ...]:
    """The data set's own class names (the first of several for one class), the numbers of those that have none."""
    count = max((label for label in labels if label is not None), default=-1) + 1
    own = tuple(n if isinstance(n, str) else str(n[0]) for n in getattr(dataset, "classes", None) or ())
    return own + tuple(str(i) for i in range(len(own), count))


def _paths(dataset: Any) -> list[Any]:
    """The paths of the pictures, by number, where the data set keeps them as such; else none."""
    for name in ("samples", "_samples", "_image_files", "_images", "data", "imgs"):
        found = getattr(dataset, name, None)
        if isinstance(found, list) and len(found) == len(dataset) and found:
            first = [one[0] if isinstance(one, tuple) else one for one in found]
            return first if all(isinstance(one, str | Path) for one in first) else []
    return []


def _picture(dataset: Any, number: int, paths: list[Any]) -> Image.Image:
    if paths and (instead := no_file(Path(paths[number]))):
        raise PictureError(instead.removeprefix(": "))
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


def open_pictures(name: str | None, root: Path | None, split: str) -> Source:
    """The pictures of one of torchvision's data sets."""
    root, name = check_folder(root, "torchvision"), name or ""
    classes, labels, picture = open_dataset(name=name, root=root, split=split)
    if not labels:
        raise InputError(
            "data-empty", f"the data set {name} holds no picture in split {split!r}", path=("data", "root")
        )
    items = tuple(Item(name=f"{split}/{i:06d}", label=labels[i], open=partial(picture, i)) for i in by_label(labels))
    return Source(
        name=f"{name} ({split})",
        class_names=tuple(map(composed, classes)),
        items=items,
        order="numbers" if all(map(str.isdecimal, classes)) else "own",
        notes=unlabelled(labels),
    )
