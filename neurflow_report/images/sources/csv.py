"""Pictures that a CSV file lists: a row each, with a path and a label."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import StringIO, TextIOWrapper
from pathlib import Path

from neurflow_report.errors import Gathered, InputError
from neurflow_report.images.beside import ANY, Beside
from neurflow_report.images.labels import classes_of
from neurflow_report.images.names import composed
from neurflow_report.images.sources.source import Source, file_item, in_order
from neurflow_report.ordinary import no_file, open_ordinary

_FILE = ("data", "file")
LOOKED_AT = 100_000
"""Rows of which it is looked up whether their picture is there."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: its line, counted from 1; the picture's path, as it is written and where it is; its label."""

    line: int
    written: str
    path: Path
    label: str


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The rows, in the file's order, none twice; what should be known of them."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def read_rows(
    file: Path, root: Path | None, *, path_column: str, label_column: str, extension: str | None = None
) -> Listed:
    """Every row; paths are relative to `root`, or to the file's own folder.

    A path is taken as it is written where there is a file of that name; else without the space around it, with `/` for
    `\\`, or with the same letters in another of Unicode's forms.

    Args: extension: what is put behind every path that does not end in it; `any` is the ending of the one picture of
        that name.
    Raises: InputError data-missing, data-empty, labels-unclear (paths data.file, data.path_column, data.label_column,
        data.extension).
    """
    found = _read(file, path_column, label_column)
    if not found:
        raise InputError("data-empty", f"the file {file.name!r} lists no picture", hint="a row a picture", path=_FILE)
    _check_rows(file, [line for line, row in found if _is_ragged(row, path_column, label_column)])
    beside = Beside(root or file.parent)
    written = [
        Row(
            line=line,
            written=row[path_column],
            path=beside.base / _with(extension, row[path_column].strip()),
            label=row[label_column].strip(),
        )
        for line, row in found
    ]
    rows = [_placed(row, beside, extension) for row in written[:LOOKED_AT]] + written[LOOKED_AT:]
    once = _once(rows)
    notes = (_not_there(file, once, beside, extension), _twice(file, rows, once), _labelled_twice(file, once))
    return Listed(rows=tuple(once), notes=tuple(note for note in notes if note))


def _with(extension: str | None, path: str) -> str:
    if extension in (None, ANY) or path.lower().endswith(str(extension).lower()):
        return path
    return f"{path}{extension}"


def _placed(row: Row, beside: Beside, extension: str | None) -> Row:
    found = beside.find(row.written, _with(extension, row.written.strip()), any_ending=extension == ANY)
    return row if found is None else replace(row, path=found)


def _read(file: Path, path_column: str, label_column: str) -> list[tuple[int, dict[str, str]]]:
    if (instead := no_file(file)) is not None:
        hint = "the path is relative to the spec"
        raise InputError("data-missing", f"there is no file {file.name!r}{instead}", hint=hint, path=_FILE)
    try:
        with TextIOWrapper(open_ordinary(file), encoding="utf-8-sig", newline="") as lines:
            text = lines.read()
        delimiter = _delimiter(text.partition("\n")[0], path_column, label_column)
        reader = csv.DictReader(StringIO(text, newline=""), strict=True, delimiter=delimiter, skipinitialspace=True)
        reader.fieldnames = columns = _columns(reader.fieldnames)
        _check_columns(file, columns, path_column, label_column)
        return [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        message = f"the file {file.name!r} cannot be read: {type(error).__name__}: {error}"
        raise InputError("data-missing", message, hint="save it as CSV in UTF-8", path=_FILE) from error


def _columns(names: Iterable[str] | None) -> list[str]:
    return [composed(name.strip()) for name in names or ()]


def _delimiter(first: str, path_column: str, label_column: str) -> str:
    """What stands between the columns: the one mark with which the first line names both columns; else a comma."""
    wanted = {composed(path_column), composed(label_column)}
    with_both = [d for d in _DELIMITERS if wanted <= set(_columns(next(csv.reader([first], delimiter=d), [])))]
    return with_both[0] if with_both else ","


def _check_columns(file: Path, found: Sequence[str], path_column: str, label_column: str) -> None:
    gathered = Gathered()
    for key, column in (("path_column", path_column), ("label_column", label_column)):
        times = list(found).count(composed(column))
        if times == 1:
            continue
        message = f"the file {file.name!r} has no column {column!r}"
        hint = f"its first line names the columns: {', '.join(map(repr, found)) or 'none'}"
        if times > 1:
            message, hint = f"the file {file.name!r} has {times} columns {column!r}", "rename all but one"
        gathered.errors.append(InputError("data-missing", message, hint=hint, path=("data", key)))
    gathered.tell()


def _is_ragged(row: dict[str, str], path_column: str, label_column: str) -> bool:
    return not (row[path_column] or "").strip() or row[label_column] is None or None in row


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


def _once(rows: Sequence[Row]) -> list[Row]:
    """Without the rows that say what one before them says."""
    first: dict[tuple[Path, str], Row] = {}
    for row in rows:
        first.setdefault((row.path, row.label), row)
    return list(first.values())


def _twice(file: Path, rows: Sequence[Row], once: Sequence[Row]) -> str:
    """A note on rows that say what one before them says."""
    kept = {row.line for row in once}
    again = (f"{row.written!r} (line {row.line})" for row in rows if row.line not in kept)
    what = f"rows of {file.name!r} that say again what another says, and count once"
    return "" if len(once) == len(rows) else f"{what}: {_some(again, 3)}"


def _not_there(file: Path, rows: Sequence[Row], beside: Beside, extension: str | None) -> str:
    """A note on pictures that are not there (of the first `LOOKED_AT` rows), "" where all are.

    Raises: InputError data-missing (paths data.file, data.extension) where none is.
    """
    first = rows[:LOOKED_AT]
    gone = [row for row in first if not os.path.exists(row.path)]
    if not gone:
        return ""
    told = _some((f"{row.written!r} (line {row.line})" for row in gone), 3)
    if len(gone) == len(rows):
        message = f"of the {len(rows)} pictures that {file.name!r} lists none is there: {told}"
        hint = _why(gone, beside, extension)
        raise InputError("data-missing", message, hint=hint, path=_FILE)
    all_of = f"{len(rows)}" if len(first) == len(rows) else f"first {len(first):,} of the {len(rows):,}"
    return f"of the {all_of} pictures that {file.name!r} lists {len(gone)} are not there, and are skipped: {told}"


def _why(gone: Sequence[Row], beside: Beside, extension: str | None) -> str:
    """What would find the pictures, where that can be seen in the folders."""
    endings = [beside.endings(row.written.strip()) for row in gone]
    if extension is None and all(endings):
        each = sorted({ending for found in endings for ending in found})
        common = set.intersection(*map(set, endings))
        way = f"set `data.extension: {ANY}`" if all(len(found) == 1 for found in endings) else ""
        way = f"set `data.extension: {common.pop()}`" if len(common) == 1 else way
        way = way or "write the endings into the list, since a name has several"
        return f"the pictures of these names end in {' or '.join(each)}, the paths do not: {way}"
    return "set data.root to the folder that the paths are relative to (default: the file's own)"


def _labelled_twice(file: Path, rows: Sequence[Row]) -> str:
    first: dict[Path, Row] = {}
    others = [row for row in rows if first.setdefault(row.path, row).label != row.label]
    told = (f"{row.written!r} (lines {first[row.path].line} and {row.line})" for row in others)
    return f"pictures that {file.name!r} lists under two labels: {_some(told, 3)}" if others else ""


def open_pictures(
    file: Path, root: Path | None, path_column: str, label_column: str, extension: str | None, white: float | None
) -> Source:
    """The pictures that a CSV file lists; one that is not there is skipped and told, as one that is damaged."""
    listed = read_rows(file, root, path_column=path_column, label_column=label_column, extension=extension)
    classes = classes_of((row.label for row in listed.rows), ("data", "label_column"))
    base = root or file.parent
    items = [file_item(_shown(row.path, base), classes.place.get(row.label), row.path, white) for row in listed.rows]
    return Source(
        name=file.name,
        class_names=classes.names,
        items=in_order(items),
        order=classes.order,
        notes=(*listed.notes, *classes.notes),
    )


def _shown(path: Path, base: Path) -> str:
    """The path from `base`; of what lies outside only the last part, so that no folder of the machine is told."""
    inside = path.is_relative_to(base) and ".." not in path.relative_to(base).parts
    return path.relative_to(base).as_posix() if inside else path.name
