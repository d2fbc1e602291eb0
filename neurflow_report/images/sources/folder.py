"""Pictures in a folder: in a sub-folder for each class, or with their labels in their names.

What is hidden, a system's own, or holds no picture is no class. A folder of splits, and one whose pictures lie beside
each other while nothing says what their names mean, are refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurflow_report.errors import InputError
from neurflow_report.images.labels import classes_of
from neurflow_report.images.names import composed
from neurflow_report.images.pattern import Pattern
from neurflow_report.images.sources.source import Source, check_folder, file_item, in_order
from neurflow_report.images.walk import HIDDEN, Walk, entries, is_hidden, left_out, walk, why_not
from neurflow_report.results.records import LeftOut

_ROOT = ("data", "root")
SPLITS = frozenset(
    {"train", "training", "trainset", "test", "testing", "testset"}
    | {"val", "valid", "validation", "valset", "dev", "eval"}
)
"""What folders are called that hold a split of a data set."""
EMPTY = "folders without a picture, which are no classes"
LOOSE = "pictures beside the class folders, in none of them"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Pictures with their labels ("": none), by class folder or as they are called.

    Attributes:
        notes: what should be known.
        empty: folders without a picture.
    """

    pictures: tuple[tuple[Path, str], ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    empty: tuple[str, ...] = ()


def by_folder(root: Path) -> Labelled:
    """The pictures of each class folder.

    Raises: InputError data-empty, data-layout, classes-mismatch (path data.root).
    """
    inside = entries(root)
    folders = {path: walk(path) for path in inside if os.path.isdir(path) and not is_hidden(path.name)}
    classes = {path: found for path, found in folders.items() if found.pictures}
    gone = [(why_not(path.name) or LOOSE, path) for path in inside if not os.path.isdir(path)]
    gone += [(HIDDEN, path) for path in inside if os.path.isdir(path) and is_hidden(path.name)]
    empty = [path for path in folders if path not in classes]
    gone += [(EMPTY, path) for path in empty]
    gone += [one for found in folders.values() for one in found.left_out]
    summary = left_out(gone, root)
    if not classes:
        raise _no_classes(root, [path for reason, path in gone if reason == LOOSE], summary)
    _check_splits(root, classes)
    _check_alike(classes)
    _check_links(root, [path for found in classes.values() for path in found.pictures])
    notes = tuple(_nested(classes))
    pictures = tuple((picture, composed(path.name)) for path, found in classes.items() for picture in found.pictures)
    names = tuple(composed(path.name) for path in empty)
    return Labelled(pictures=pictures, left_out=summary, notes=notes, empty=names)


def by_name(root: Path, template: str) -> Labelled:
    """The pictures below a folder, labelled by what stands in their names.

    Raises: InputError data-empty (path data.root), spec-bad-value (path data.label_pattern) where the template fits a
        name in several ways, or fits none.
    """
    found, pattern = walk(root), Pattern.of(template)
    summary = left_out(found.left_out, root)
    if not found.pictures:
        raise _no_classes(root, [], summary)
    _check_links(root, found.pictures)
    labels = {path: pattern.labels(path.relative_to(root).as_posix()) for path in found.pictures}
    _check_fits(template, root, labels)
    unfit = [path.relative_to(root).as_posix() for path, fits in labels.items() if not fits]
    notes = _unfit(template, unfit)
    pictures = tuple((path, composed(fits[0]) if fits else "") for path, fits in labels.items())
    return Labelled(pictures=pictures, left_out=summary, notes=tuple(notes))


def _unfit(template: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    what = f"pictures whose names do not fit label_pattern {template!r}, and which count as not labelled"
    return [f"{what}: {_some([repr(name) for name in names])}"]


def _check_fits(template: str, root: Path, labels: Mapping[Path, Sequence[str]]) -> None:
    path = ("data", "label_pattern")
    several = next((p for p, fits in labels.items() if len(fits) > 1), None)
    if several is not None:
        ways = " or ".join(map(repr, labels[several][:3]))
        name = several.relative_to(root).as_posix()
        message = f"{template!r} fits {name!r} in several ways: the label may be {ways}"
        hint = "say more of what follows or precedes the label: `#` stands for all digits there, `*` for anything"
        raise InputError("spec-bad-value", message, hint=hint, path=path)
    if not any(labels.values()):
        name = next(iter(labels)).relative_to(root).as_posix()
        message = f"{template!r} fits the name of no picture there, such as {name!r}"
        hint = "it is compared with the whole name, the ending included; with a `/` in it, with the path below root"
        raise InputError("spec-bad-value", message, hint=hint, path=path)


def _no_classes(root: Path, loose: Sequence[Path], summary: Sequence[LeftOut]) -> InputError:
    if loose:
        several = "s" if len(loose) > 1 else ""
        message = (
            f"the data folder {root.name!r} holds no sub-folder with pictures, only {len(loose)} picture{several} "
            "beside each other"
        )
        return InputError("data-layout", message, hint=_ways_in(loose), path=_ROOT)
    message = f"the data folder {root.name!r} holds no sub-folder with pictures"
    rest = [f"{left.reason}: {left.count}" for left in summary if left.reason != EMPTY]
    if rest:
        message += f" (left out: {'; '.join(rest)})"
    hint = "expected a sub-folder per class; docs/guide.md says how the files in it may end"
    return InputError("data-empty", message, hint=hint, path=_ROOT)


_NAMED = re.compile(r"(?P<label>[^\W\d_]+(?:[_ -][^\W\d_]+)*)(?P<rest>[._ -]*[0-9]+)")


def _ways_in(loose: Sequence[Path]) -> str:
    """How pictures beside each other can be labelled, with the line for the first one's name where that can be seen."""
    names = [path.name for path in loose]
    ways = "or list them in a CSV file (source: csv)"
    match = _NAMED.match(names[0])
    if match is None:
        return f"put those of each class into a sub-folder, {ways}"
    template = "{label}" + re.sub("[0-9]+", "#", match["rest"]) + ".*"
    if not Pattern.of(template).labels(names[0]):
        template = "{label}" + re.sub("[0-9]+", "#", match["rest"]) + "*"
    line = f"label_pattern: '{template}'"
    return (
        f"put those of each class into a sub-folder, {ways}; or, if the labels stand in the names, say where: "
        f"`{line}` would give {names[0]!r} the label {match['label']!r}"
    )


def _check_splits(root: Path, classes: Mapping[Path, Walk]) -> None:
    """Raises InputError data-layout for train, val and the like in place of classes."""
    splits = [path for path in classes if path.name.casefold() in SPLITS]
    nested = [path for path in splits if not any(picture.parent == path for picture in classes[path].pictures)]
    alone = len(splits) == len(classes) and (len(splits) > 1 or nested)
    if not alone and not (len(splits) > 1 and len(nested) == len(splits)):
        return
    message = (
        f"the data folder {root.name!r} holds splits of a data set, {_some([repr(p.name) for p in splits], 5)}, "
        "and no class folders"
    )
    best = next((p for name in ("val", "valid", "validation", "test") for p in splits if p.name == name), splits[0])
    inner = sorted({picture.relative_to(best).parts[0] for picture in classes[best].pictures} if best in nested else ())
    holds = f", which has the folders {_some([repr(name) for name in inner])}" if inner else ""
    hint = f"point data.root at one of them, such as {root.name}/{best.name}{holds}"
    raise InputError("data-layout", message, hint=hint, path=_ROOT)


def _check_alike(classes: Mapping[Path, Walk]) -> None:
    """Raises InputError classes-mismatch for two folders whose names are one in NFC."""
    first: dict[str, Path] = {}
    for path in classes:
        other = first.setdefault(composed(path.name), path)
        if other is not path:
            message = (
                f"two class folders are called {composed(path.name)!r}: their names are the same letters, written with "
                "different characters of Unicode"
            )
            raise InputError("classes-mismatch", message, hint="put the pictures of both into one", path=_ROOT)


def _nested(classes: Mapping[Path, Walk]) -> list[str]:
    """A note where no class folder has pictures of its own and the folders in them have the same names: one of the
    two levels holds the classes, and names cannot tell which."""
    inner = [{picture.relative_to(path).parts[0] for picture in found.pictures} for path, found in classes.items()]
    direct = any(picture.parent == path for path, found in classes.items() for picture in found.pictures)
    same = set.intersection(*inner) if inner else set()
    if direct or len(classes) < 2 or len(same) < 2:
        return []
    folders = _some([repr(path.name) for path in classes])
    below = _some([repr(name) for name in sorted(same)])
    return [f"the class folders are {folders}, and each has the folders {below}: if those are the classes, point root "
            "at one of them, or say label_pattern: '*/{label}/*'"]  # fmt: skip


def _check_links(root: Path, pictures: Sequence[Path]) -> None:
    """Raises InputError data-empty where every picture is a link that leads nowhere."""
    if all(path.is_symlink() and not os.path.exists(path) for path in pictures):
        name, target = pictures[0].relative_to(root).as_posix(), pictures[0].readlink()
        message = f"the data folder {root.name!r} holds links alone that lead nowhere ({len(pictures)} of them)"
        hint = f"{name} leads to {target}: put the pictures there, or make the links anew"
        raise InputError("data-empty", message, hint=hint, path=_ROOT)


def _some(told: Sequence[str], most: int = 3) -> str:
    return ", ".join(told[:most]) + (f", … ({len(told)} in all)" if len(told) > most else "")


def open_pictures(root: Path | None, label_pattern: str | None, white: float | None) -> Source:
    """The pictures of a folder: a sub-folder per class, or `label_pattern`: where the label stands in their names."""
    root = check_folder(root, "folder")
    return _by_folders(root, white) if label_pattern is None else _by_names(root, label_pattern, white)


def _by_folders(root: Path, white: float | None) -> Source:
    found = by_folder(root)
    names = tuple(dict.fromkeys(label for _, label in found.pictures))
    places = {name: i for i, name in enumerate(names)}
    items = [file_item(path.relative_to(root).as_posix(), places[label], path, white) for path, label in found.pictures]
    return Source(
        name=root.name,
        class_names=names,
        items=tuple(items),
        notes=found.notes,
        left_out=found.left_out,
        empty=found.empty,
    )


def _by_names(root: Path, label_pattern: str, white: float | None) -> Source:
    found = by_name(root, label_pattern)
    classes = classes_of((label for _, label in found.pictures), ("data", "label_pattern"))
    items = [
        file_item(path.relative_to(root).as_posix(), classes.place.get(label), path, white)
        for path, label in found.pictures
    ]
    return Source(
        name=root.name,
        class_names=classes.names,
        items=in_order(items),
        order=classes.order,
        notes=found.notes,
        left_out=found.left_out,
    )
