"""The files of a folder that a stranger may have made: links are told and never followed, pipes never opened."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from neurflow_report.results.os_metadata import is_dropping

MOST, LARGEST = 200_000, 20_000_000_000
"""Files of a folder that are looked at, and bytes of them that are copied."""


def tree(root: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Every ordinary file at or below `root`, by its name from there, and what else there is, with what it is.

    A file alone has the name "". What file managers leave does not count.
    """
    files, odd = dict[str, Path](), dict[str, str]()
    for name, mode in _walk(root):
        if stat.S_ISREG(mode):
            files[name] = root / name if name else root
        else:
            odd[name] = "a link" if stat.S_ISLNK(mode) else "no ordinary file"
        if len(files) + len(odd) > MOST:
            odd[""] = f"a folder of over {MOST:,} files"
            break
    return files, odd


def _walk(root: Path) -> Iterator[tuple[str, int]]:
    mode = root.lstat().st_mode
    if not stat.S_ISDIR(mode):
        yield "", mode
        return
    for folder, folders, names in os.walk(root, followlinks=False):
        at = Path(folder)
        folders.sort()
        for name in sorted([*names, *(f for f in folders if (at / f).is_symlink())]):
            path = at / name
            if not is_dropping(path):
                yield path.relative_to(root).as_posix(), path.lstat().st_mode


def copy(source: Path, target: Path) -> dict[str, str]:
    """Copy the ordinary files of a folder, or a file.

    Returns: what else there is, by name, which is not copied, nor is what cannot be read.
    Raises: OSError where it cannot be written.
    """
    files, odd = tree(source)
    left = LARGEST
    for name, path in files.items():
        place = target / name if name else target
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            given = os.fdopen(_opened(path), "rb")
        except OSError as error:
            odd[name] = f"unreadable ({error.strerror or error})"
            continue
        with given, place.open("xb") as made:
            left -= os.fstat(given.fileno()).st_size
            if left < 0:
                odd[name] = f"too large: over {LARGEST:,} bytes in all"
                break
            shutil.copyfileobj(given, made)
    return odd


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
