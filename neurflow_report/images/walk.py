"""What lies below a folder: the pictures, and what is left out of it, with the reason.

Links to folders are followed, each folder once: a link that leads back, or to what is read already, is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neurflow_report.results.records import LeftOut

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm".split()  # noqa: SIM905
)
"""Endings of the files that are taken for pictures."""
SYSTEM = frozenset(
    name.casefold()
    for name in (
        "__MACOSX",
        "@eaDir",
        "#recycle",
        "@Recycle",
        "@Recently-Snapshot",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "Icon\r",
        "__pycache__",
    )
)
"""Files and folders that a system puts among a user's own."""
HIDDEN = "hidden files and folders, and those that a system makes for itself"
AGAIN = "links to folders that are read already, or that lead back"
SHOWN = 3


@dataclass(kw_only=True)
class Walk:
    """`pictures`: what is called like one, in byte order of their paths; `left_out`: (reason, path). A link that leads
    nowhere, and what is no ordinary file, are told when they are opened."""

    pictures: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, Path]] = field(default_factory=list)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or a system's own."""
    return name.startswith(".") or name.casefold() in SYSTEM


def suffix_of(name: str) -> str:
    """The ending in small letters, with its dot; "" where there is none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 the name may hold what is no path


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, in byte order.

    Raises: OSError.
    """
    with os.scandir(folder) as found:
        return sorted((Path(entry.path) for entry in found), key=lambda p: os.fsencode(p.name))


def walk(folder: Path) -> Walk:
    """All that lies below `folder`, at any depth."""
    found = Walk()
    seen = set(_above(folder))
    waiting, links = [folder], list[Path]()
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        if (identity := _identity(place)) in seen:
            found.left_out.append((AGAIN, place))
            continue
        seen.add(identity)
        try:
            inside = entries(place)
        except OSError as error:
            found.left_out.append((f"folders that cannot be read: {error.strerror}", place))
            continue
        for path in inside:
            if os.path.isdir(path) and not is_hidden(path.name):
                (links if path.is_symlink() else waiting).append(path)
            elif reason := why_not(path.name):
                found.left_out.append((reason, path))
            else:
                found.pictures.append(path)
    found.pictures.sort(key=lambda p: os.fsencode(p.relative_to(folder).as_posix()))
    found.left_out.sort(key=lambda one: os.fsencode(one[1].relative_to(folder).as_posix()))
    return found


def why_not(name: str) -> str:
    """Why a file of that name is not taken for a picture, "" where it is."""
    if is_hidden(name):
        return HIDDEN
    suffix = suffix_of(name)
    if suffix in SUFFIXES:
        return ""
    return f"files that end in {suffix}" if suffix else "files without an ending"


def _above(folder: Path) -> Iterator[tuple[int, int]]:
    """The folders that `folder` lies in: a link to one of them leads back."""
    for place in (folder.absolute(), folder.resolve()):
        yield from (_identity(above) for above in place.parents)


def _identity(place: Path) -> tuple[int, int]:
    try:
        found = place.stat()
    except OSError:  # it cannot be listed either, and listing it tells why
        return (-1, hash(place))
    return found.st_dev, found.st_ino


def left_out(found: Iterable[tuple[str, Path]], root: Path) -> tuple[LeftOut, ...]:
    """By reason, in the order in which the reasons come first: how many there are, and the first of them."""
    groups: dict[str, list[str]] = {}
    for reason, path in found:
        groups.setdefault(reason, []).append(path.relative_to(root).as_posix())
    return tuple(LeftOut(reason=r, count=len(names), names=tuple(names[:SHOWN])) for r, names in groups.items())


def told(left: LeftOut) -> str:
    """A line on what was left out."""
    more = f", … ({left.count} in all)" if left.count > len(left.names) else ""
    return f"left out: {left.reason}: {', '.join(map(repr, left.names))}{more}"
