"""Where labels hold in pictures, by a CSV file of boxes or masks: a source of labels (METHOD §8)."""

from __future__ import annotations

import csv
import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurflow_report.demo.truth import part_areas, stack_masks
from neurflow_report.errors import Gathered, Where, did_you_mean
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import as_input
from neurflow_report.images.select import Chosen
from neurflow_report.images.sources import Item
from neurflow_report.images.sources.source import file_item
from neurflow_report.images.taken import take
from neurflow_report.labels.vocabulary import LONGEST, refused
from neurflow_report.ordinary import read_ordinary
from neurflow_report.results.records import LabelSource

Bools = NDArray[np.bool_]
PATH = ("labels", "file")
BOX = ("left", "top", "width", "height")
MOST = 500
"""Labels, at most."""
COVERED = 0.5
"""A label holds on a patch that covers so much of where it is, or of which so much is covered by it."""
HINT = "columns picture, label, and left, top, width, height in pixels of the picture, or mask, a picture file"


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The labels of pictures.

    Attributes:
        record: what the bundle says of them.
        terms: labels in a formula, at most.
        boxes: by a picture's name, by label: left, top, width, height each.
        masks: by a picture's name, by label: the files.
    """

    record: LabelSource
    terms: int
    boxes: Mapping[str, Mapping[str, Sequence[tuple[float, float, float, float]]]]
    masks: Mapping[str, Mapping[str, Sequence[Path]]]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The labels."""
        return self.record.vocabulary

    def names(self, one: Chosen) -> bool:
        """Whether the file says anything of a picture."""
        return one.item.name in self.boxes or one.item.name in self.masks

    def truth(self, chosen: Sequence[Chosen], grid: PatchGrid) -> Bools:
        """Which labels hold on each patch of some pictures, (patches, labels)."""
        masks = stack_masks([self._input_masks(one, grid.size) for one in chosen], self.vocabulary)
        windows = grid.boxes()
        boxes = np.column_stack([np.repeat(np.arange(len(chosen)), len(windows)), np.tile(windows, (len(chosen), 1))])
        covered = part_areas(masks, boxes)
        whole = np.repeat(masks.sum(axis=(2, 3)), len(windows), axis=0)
        least = np.minimum(whole, boxes[:, 3:] ** 2)
        found: Bools = (covered > 0) & (covered >= COVERED * least)
        return found

    def _input_masks(self, one: Chosen, size: int) -> dict[str, Bools]:
        """A picture's labels as the network's input shows them."""
        width, height = one.size
        found = {}
        for label in self.vocabulary:
            mask = np.zeros((height, width), dtype=bool)
            for box in self.boxes.get(one.item.name, {}).get(label, ()):
                left, top, wide, high = box
                mask[
                    math.floor(top) : max(math.floor(top) + 1, round(top + high)),
                    math.floor(left) : max(math.floor(left) + 1, round(left + wide)),
                ] = True
            for file in self.masks.get(one.item.name, {}).get(label, ()):
                mask |= _mask(file)
            found[label] = as_input(mask, one.region, size)
        return found


def read_annotations(file: Path, items: Sequence[Item], *, terms: int) -> Annotations:
    """The annotations in a file, of pictures of the data.

    Args: items: the data's pictures.
    Raises: InputError labels-unusable, at line and column, for all that is wrong.
    """
    try:
        data = read_ordinary(file)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        message = f"{file.name!r} cannot be read: {reason}"
        raise refused(message, "give a CSV file; the path is relative to the spec", path=PATH) from error
    reader = csv.reader(StringIO(text, newline=""), strict=True, skipinitialspace=True)
    reading, problems = _Reading(file, {item.name: item for item in items}), Gathered()
    try:
        columns = [name.strip() for name in next(reader, [])]
        reading.check_columns(columns)
        for row in reader:
            if any(value.strip() for value in row):
                problems.attempt(partial(reading.take, dict(zip(columns, row, strict=False)), row, reader.line_num))
    except csv.Error as error:
        where = Where(file=str(file), line=reader.line_num, column=1)
        raise refused(f"this is no CSV: {error}", HINT, where=where) from error
    if not problems.errors and not reading.labels:
        problems.errors.append(refused(f"{file.name!r} has no annotation", HINT, path=PATH))
    problems.tell()
    digests = [(file.name, hashlib.sha256(data).hexdigest())]
    if reading.seen:
        whole = hashlib.sha256()
        for place in sorted(reading.seen):
            whole.update(hashlib.sha256(read_ordinary(place)).digest())
        digests.append(("its masks, in the order of their names", whole.hexdigest()))
    record = LabelSource(source="annotations", name=file.name, vocabulary=tuple(reading.labels), digests=tuple(digests))
    return Annotations(record=record, terms=terms, boxes=reading.boxes, masks=reading.masks)


class _Reading:
    """What the rows so far say."""

    def __init__(self, file: Path, items: Mapping[str, Item]) -> None:
        self.file, self.items = file, items
        self.labels: dict[str, None] = {}
        self.boxes: dict[str, dict[str, list[tuple[float, float, float, float]]]] = {}
        self.masks: dict[str, dict[str, list[Path]]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.seen: set[Path] = set()
        self.columns: list[str] = []

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raises: InputError labels-unusable."""
        self.columns = list(columns)
        given = [name for name in ("picture", "label") if name in columns]
        if len(given) < 2 or not (set(BOX) <= set(columns) or "mask" in columns) or len(set(columns)) < len(columns):
            named = ", ".join(map(repr, columns)) or "none"
            raise refused(f"its first line names the columns {named}", HINT, where=self._where(1))

    def take(self, row: Mapping[str, str], values: Sequence[str], line: int) -> None:
        """Raises: InputError labels-unusable."""
        if len(values) != len(self.columns):
            message = f"found {len(values)} values, expected {len(self.columns)}, one for each column"
            raise refused(message, "quote values that hold commas", where=self._where(line))
        at = partial(self._at, values, line)
        name, label = row["picture"].strip(), unicodedata.normalize("NFC", " ".join(row["label"].split()))
        if name not in self.items:
            close = did_you_mean(name, self.items)
            message = f"the data has no picture {name!r}"
            raise refused(message, close or "give the name that it has in the data", where=at("picture"))
        if not label or len(label) > LONGEST:
            message = f"found a label of {len(label)} characters, expected 1 to {LONGEST}"
            raise refused(message, "name what is there", where=at("label"))
        if label not in self.labels and len(self.labels) >= MOST:
            message = f"found more than {MOST} labels"
            raise refused(message, "leave those out that are rare", where=at("label"))
        mask = row.get("mask", "").strip()
        if mask:
            place = self.file.parent / mask
            self._check_mask(place, name, at("mask"))
            self.masks.setdefault(name, {}).setdefault(label, []).append(place)
            self.seen.add(place)
        else:
            self.boxes.setdefault(name, {}).setdefault(label, []).append(self._box(row, name, at))
        self.labels.setdefault(label)

    def _box(self, row: Mapping[str, str], name: str, at: partial[Where]) -> tuple[float, float, float, float]:
        found = list[float]()
        for column in BOX:
            text = row.get(column, "").strip()
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise refused(f"found {text!r}, expected a number of pixels", HINT, where=at(column))
            found.append(value)
        left, top, wide, high = found
        width, height = self._size(name, at("picture"))
        for column, start, length, most in (("width", left, wide, width), ("height", top, high, height)):
            if length <= 0:
                raise refused(f"found {length:g}, expected more than 0", HINT, where=at(column))
            if start < 0 or start + length > most:
                side = "left" if column == "width" else "top"
                message = f"the box reaches from {start:g} to {start + length:g}, and {name!r} is {width}×{height}"
                raise refused(message, "boxes lie within the picture, in its own pixels", where=at(side))
        return left, top, wide, high

    def _size(self, name: str, where: Where) -> tuple[int, int]:
        if name not in self.sizes:
            try:
                self.sizes[name] = take(self.items[name]).picture.size
            except PictureError as error:
                raise refused(f"the picture {name!r} {error}", "leave its rows out", where=where) from error
        return self.sizes[name]

    def _check_mask(self, place: Path, name: str, where: Where) -> None:
        size = self._size(name, where)
        try:
            found = _mask(place).shape[::-1]
        except PictureError as error:
            hint = "a mask is a picture file; its path is relative to the CSV file"
            raise refused(f"the mask {place.name!r} {error}", hint, where=where) from error
        if found != size:
            message = f"the mask {place.name!r} is {found[0]}×{found[1]}, and {name!r} is {size[0]}×{size[1]}"
            raise refused(message, "a mask has the size of its picture", where=where)

    def _where(self, line: int, column: int = 1) -> Where:
        return Where(file=str(self.file), line=line, column=column)

    def _at(self, values: Sequence[str], line: int, column: str) -> Where:
        """Where the value of a column stands, if no value before it is quoted."""
        number = self.columns.index(column) if column in self.columns else 0
        return self._where(line, 1 + sum(len(value) + 1 for value in values[:number]))


def _mask(file: Path) -> Bools:
    """(H, W), True where the picture is not black.

    Raises: PictureError.
    """
    found: Bools = np.asarray(take(file_item(file.name, None, file, None)).picture.convert("L")) > 0
    return found
