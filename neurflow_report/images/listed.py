"""Pictures that a CSV file lists: a row each, with a path and a label; names or numbers as labels, or none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from neurflow_report.errors import InputError

_FILE = ("data", "file")
Row = tuple[Path, str]


def read_rows(file: Path, root: Path | None, *, path_column: str, label_column: str) -> list[Row]:
    """Path and label of every row, in the file's order; paths are relative to `root`, or to the file's own folder.

    Errors: data-missing, data-empty (paths data.file, data.path_column, data.label_column).
    """
    if not file.is_file():
        hint = "the path is relative to the spec"
        raise InputError("data-missing", f"there is no file {file.name!r}", hint=hint, path=_FILE)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            _check_columns(file, reader.fieldnames or (), path_column, label_column)
            rows = [_row(file, reader.line_num, row, path_column, label_column) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        message = f"the file {file.name!r} cannot be read: {type(error).__name__}: {error}"
        raise InputError("data-missing", message, hint="save it as CSV in UTF-8", path=_FILE) from error
    if not rows:
        raise InputError("data-empty", f"the file {file.name!r} lists no picture", hint="a row a picture", path=_FILE)
    return [((root or file.parent) / path, label) for path, label in rows]


def _check_columns(file: Path, found: Sequence[str], path_column: str, label_column: str) -> None:
    for key, column in (("path_column", path_column), ("label_column", label_column)):
        if column not in found:
            message = f"the file {file.name!r} has no column {column!r}"
            hint = f"its first line names the columns: {', '.join(found) or 'none'}"
            raise InputError("data-missing", message, hint=hint, path=("data", key))


def _row(file: Path, line: int, row: dict[str, str], path_column: str, label_column: str) -> tuple[str, str]:
    path, label = row[path_column], row[label_column]
    if not path or label is None or None in row:
        message = f"line {line} of {file.name!r} has not as many values as there are columns, or no path"
        raise InputError("data-missing", message, hint="quote values that hold commas", path=_FILE)
    return path, label.strip()


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
