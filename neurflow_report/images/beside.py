"""Find the file that a path means: as it is written, or the only one that it can mean if it is not quite right."""

from __future__ import annotations

import os
from pathlib import Path

from neurflow_report.images.names import composed
from neurflow_report.images.walk import SUFFIXES, suffix_of

ANY = "any"
"""In place of an ending: that of the one picture of the name."""


class Beside:
    """Looks below `base`; a folder is listed once, and only where a path in it is not there as it is written."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folders: dict[Path, dict[str, list[str]]] = {}
        self.stems: dict[Path, dict[str, list[str]]] = {}

    def find(self, *written: str, any_ending: bool = False) -> Path | None:
        """The file that one of the paths means, in their order: as it stands, with `/` for `\\`, or the only one whose
        name is the same letters in another form of Unicode. None: there is none."""
        ways = dict.fromkeys(way for path in written for way in (path, path.replace("\\", "/")))
        for way in ways:
            if _exists(self.base / way):
                return self.base / way
        for way in ways:
            found = self._otherwise_written(self.base / way)
            if found is None and any_ending:
                found = self._only_ending(self.base / way)
            if found is not None:
                return found
        return None

    def endings(self, path: str) -> tuple[str, ...]:
        """How the pictures end that are called as `path` says, but for an ending."""
        place = self.base / path.replace("\\", "/")
        return tuple(sorted(suffix_of(name) for name in self._stems(place.parent).get(composed(place.name), ())))

    def _only_ending(self, place: Path) -> Path | None:
        names = self._stems(place.parent).get(composed(place.name), [])
        return place.with_name(names[0]) if len(names) == 1 else None

    def _otherwise_written(self, place: Path) -> Path | None:
        """`place` with each part of its path in the form that the file system has it in."""
        if place.as_posix().isascii() or not place.is_relative_to(self.base):
            return None
        found = self.base
        for part in place.relative_to(self.base).parts:
            if not _exists(found / part):
                names = self._names(found).get(composed(part), [])
                if len(names) != 1:
                    return None
                part = names[0]
            found /= part
        return found

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """What lies in a folder, by its names in NFC."""
        if folder not in self.folders:
            names: dict[str, list[str]] = {}
            for name in _listed(folder):
                names.setdefault(composed(name), []).append(name)
            self.folders[folder] = names
        return self.folders[folder]

    def _stems(self, folder: Path) -> dict[str, list[str]]:
        """The pictures in a folder, by their names in NFC without their endings."""
        if folder not in self.stems:
            stems: dict[str, list[str]] = {}
            for name in _listed(folder):
                if suffix_of(name) in SUFFIXES:
                    stems.setdefault(composed(name)[: -len(suffix_of(name))], []).append(name)
            self.stems[folder] = stems
        return self.stems[folder]


def _listed(folder: Path) -> list[str]:
    try:
        return sorted((path.name for path in folder.iterdir()), key=os.fsencode)
    except (OSError, ValueError):
        return []


def _exists(path: Path) -> bool:
    return os.path.lexists(path)
