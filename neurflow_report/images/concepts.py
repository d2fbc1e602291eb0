"""The user's own concepts: a folder with a subfolder of pictures for each (Kim et al. 2018; METHOD §5)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from neurflow_report import errors
from neurflow_report.errors import Gathered, InputError
from neurflow_report.images.names import composed
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import to_input
from neurflow_report.images.select import digest_of
from neurflow_report.images.sources import Item
from neurflow_report.images.sources.source import file_item
from neurflow_report.images.taken import take
from neurflow_report.images.walk import entries, is_hidden, walk
from neurflow_report.results.records import ConceptPictures, Preprocess, Skipped

FEWEST = 10
"""Pictures that a concept needs."""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A concept's pictures, each once, in byte order of their names.

    Attributes:
        items, digests: (n,).
        skipped: what is there and cannot be read.
    """

    name: str
    items: tuple[Item, ...]
    digests: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def record(self) -> ConceptPictures:
        """What a run says of it."""
        return ConceptPictures(
            name=self.name, pictures=len(self.items), digest=digest_of(self.digests), skipped=self.skipped
        )


def read_concepts(
    folder: Path, preprocess: Preprocess, *, white: float | None, path: errors.Path = ()
) -> tuple[Concept, ...]:
    """The concepts in a folder, all of whose pictures can be read.

    Args:
        white: as the spec's `data.white`.
        path: where the spec names the folder.
    Raises: InputError concepts-unusable where it is no folder, holds no subfolder, or a concept has too few pictures.
    """
    hint = (
        f"give a folder with a subfolder for each concept, of {FEWEST} pictures or more; a path is relative to the spec"
    )
    try:
        inside = [place for place in entries(folder) if os.path.isdir(place) and not is_hidden(place.name)]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"the folder of concepts {folder.name!r} cannot be read: {reason}"
        raise InputError("concepts-unusable", message, hint=hint, path=path) from error
    if not inside:
        message = f"the folder of concepts {folder.name!r} holds no subfolder"
        raise InputError("concepts-unusable", message, hint=hint, path=path)
    found, few = [_read(place, preprocess, white) for place in inside], Gathered()
    few.errors += [_too_few(concept, path) for concept in found if len(concept.items) < FEWEST]
    few.tell()
    return tuple(found)


def _read(folder: Path, preprocess: Preprocess, white: float | None) -> Concept:
    """A concept, with as many pictures as there are."""
    known, skipped = dict[str, Item](), list[Skipped]()
    for file in walk(folder).pictures:
        item = file_item(file.relative_to(folder.parent).as_posix(), None, file, white)
        try:
            taken = take(item)
            to_input(taken.picture, preprocess)
        except PictureError as error:
            skipped.append(Skipped(name=item.name, reason=str(error)))
            continue
        known.setdefault(taken.sha256, item)
    return Concept(
        name=composed(folder.name), items=tuple(known.values()), digests=tuple(known), skipped=tuple(skipped)
    )


def _too_few(concept: Concept, path: errors.Path) -> InputError:
    count, lost = len(concept.items), len(concept.skipped)
    are = "picture that differs and can be read" if count == 1 else "different pictures that can be read"
    message = f"the concept {concept.name!r} has {count} {are}, and needs {FEWEST}"
    if lost:
        message += f" ({lost} cannot be read: {concept.skipped[0].name}, {concept.skipped[0].reason}"
        message += ")" if lost == 1 else ", …)"
    hint = "put more pictures into its subfolder, or take the subfolder away"
    return InputError("concepts-unusable", message, hint=hint, path=path)
