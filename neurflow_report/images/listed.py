"""Pictures that a CSV file lists: a row each, with a path and a label; names or numbers as labels, or none."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from neurflow_report.errors import Gathered, InputError
from neurflow_report.ordinary import no_file, open_ordinary

_FILE = ("data", "file")
LOOKED_AT = 100_000
"""Rows of which it is looked up whether their picture is there."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: its line, counted from 1; the picture's path, as it is written and where it is; its label."""

    line: int
    written: str
    path: Path
    label: str


def read_rows(file: Path, root: Path | None, *, path_column: str, label_column: str) -> list[Row]:
    """Every row, in the file's order; paths are relative to `root`, or to the file's own folder.

    Errors: data-missing, data-empty (paths data.file, data.path_column, data.label_column).
    """
    if (instead := no_file(file)) is not None:
        hint = "the path is relative to the spec"
        raise InputError("data-missing", f"there is no file {file.name!r}{instead}", hint=hint, path=_FILE)
    try:
        with TextIOWrapper(open_ordinary(file), encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            _check_columns(file, reader.fieldnames or (), path_column, label_column)
            found = [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        message = f"the file {file.name!r} cannot be read: {type(error).__name__}: {error}"
        raise InputError("data-missing", message, hint="save it as CSV in UTF-8", path=_FILE) from error
    if not found:
        raise InputError("data-empty", f"the file {file.name!r} lists no picture", hint="a row a picture", path=_FILE)
    _check_rows(file, [line for line, row in found if _is_ragged(row, path_column, label_column)])
    base = root or file.parent
    return [
        Row(line=line, written=row[path_column], path=base / row[path_column], label=row[label_column].strip())
        for line, row in found
    ]


def _check_columns(file: Path, found: Sequence[str], path_column: str, label_column: str) -> None:
    gathered = Gathered()
    for key, column in (("path_column", path_column), ("label_column", label_column)):
        if column not in found:
            message = f"the file {file.name!r} has no column {column!r}"
            hint = f"its first line names the columns: {', '.join(found) or 'none'}"
            gathered.errors.append(InputError("data-missing", message, hint=hint, path=("data", key)))
    gathered.tell()


def _is_ragged(row: dict[str, str], path_column: str, label_column: str) -> bool:
    return not row[path_column] or row[label_column] is None or None in row


def _check_rows(file: Path, ragged: Sequence[int]) -> None:
    if ragged:
        what = f"line {ragged[0]}" if len(ragged) == 1 else f"lines {_some(map(str, ragged), 8)}"
        has = "has" if len(ragged) == 1 else "have"
        message = f"{what} of {file.name!r} {has} not as many values as there are columns, or no path"
        raise InputError("data-missing", message, hint="quote values that hold commas", path=_FILE)


def _some(told: Iterable[str], most: int) -> str:
    all_of_them = list(told)
    more = f", … ({len(all_of_them)} in all)" if len(all_of_them) > most else ""
    return ", ".join(all_of_them[:most]) + more


def notes_on(file: Path, rows: Sequence[Row]) -> tuple[str, ...]:
    """What should be known of the rows, "" left out: pictures that are not there (of the first `LOOKED_AT` rows), and
    pictures that stand twice with different labels.

    Errors: data-missing (path data.file) where none of the pictures is there.
    """
    return tuple(note for note in (_not_there(file, rows), _labelled_twice(file, rows)) if note)


def _not_there(file: Path, rows: Sequence[Row]) -> str:
    first = rows[:LOOKED_AT]
    gone = [row for row in first if not os.path.exists(row.path)]
    if not gone:
        return ""
    told = _some((f"{row.written!r} (line {row.line})" for row in gone), 3)
    if len(gone) == len(rows):
        message = f"of the {len(rows)} pictures that {file.name!r} lists none is there: {told}"
        hint = "set data.root to the folder that the paths are relative to (default: the file's own)"
        raise InputError("data-missing", message, hint=hint, path=_FILE)
    all_of = f"{len(rows)}" if len(first) == len(rows) else f"first {len(first):,} of the {len(rows):,}"
    return f"of the {all_of} pictures that {file.name!r} lists {len(gone)} are not there, and are skipped: {told}"


def _labelled_twice(file: Path, rows: Sequence[Row]) -> str:
    first: dict[Path, Row] = {}
    others = [row for row in rows if first.setdefault(row.path, row).label != row.label]
    told = (f"{row.written!r} (lines {first[row.path].line} and {row.line})" for row in others)
    return f"pictures that {file.name!r} lists under two labels: {_some(told, 3)}" if others else ""


def classes_of(written: Iterable[str]) -> tuple[tuple[str, ...], Callable[[str], int | None]]:
    """Names of the classes, and which one a label is (None: no label, ""). Numbers are logits, and classes in their
    order; text labels stand in byte order."""
    labels = {label for label in written if label}
    if labels and all(label.isascii() and label.isdigit() and len(label) < 7 for label in labels):
        names = tuple(str(i) for i in range(max(map(int, labels)) + 1))
        return names, lambda label: int(label) if label else None
    ordered = sorted(labels, key=str.encode)
    places = {name: i for i, name in enumerate(ordered)}
    return tuple(ordered), places.get
