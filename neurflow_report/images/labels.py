"""Labels as they are written → classes: numbers are numbers of outputs, whatever else is a name."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from neurflow_report.errors import InputError
from neurflow_report.images.names import composed, some
from neurflow_report.images.ties import Order
from neurflow_report.ordinary import check_ordinary, no_file, read_ordinary

_NUMBER = re.compile(r"[-+]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][-+]?[0-9]{1,2})?")
_UNKNOWN = frozenset({"nan", "na", "n/a", "null", "none", "?"})
"""What stands among numbers where there is none."""
_FILE = ("data", "labels")
LARGEST = 4 * 2**20


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes that labels name: numbers in their order, names in byte order.

    Attributes:
        place: of a label as it is written, its class; labels that say nothing are not in it.
        notes: what should be known.
    """

    names: tuple[str, ...]
    order: Order
    place: Mapping[str, int]
    notes: tuple[str, ...] = ()


def classes_of(written: Iterable[str], path: tuple[str, ...]) -> Classes:
    """The classes that labels name; a label that is empty, or a number below 0, is none.

    Where all are numbers (1, 01 and 1.0 are the same), they are outputs, and `nan`, `NA` and the like are no labels.

    Args: path: where the spec says which labels.
    Raises: InputError labels-unclear for numbers that are not whole.
    """
    counts: dict[str, int] = {}
    for label in written:
        counts[label] = counts.get(label, 0) + 1
    plain = {label: composed(label.strip()) for label in counts}
    numbers = {label: Decimal(text) for label, text in plain.items() if _NUMBER.fullmatch(text)}
    rest = [label for label, text in plain.items() if text and label not in numbers]
    if numbers and all(plain[label].casefold() in _UNKNOWN for label in rest):
        return _numbers(numbers, counts, [label for label in counts if label not in numbers], path)
    return _names(plain, counts, sorted(plain[label] for label in numbers))


def _numbers(
    numbers: Mapping[str, Decimal], counts: Mapping[str, int], rest: Sequence[str], path: tuple[str, ...]
) -> Classes:
    broken = [repr(label) for label, number in numbers.items() if number != number.to_integral_value()]
    if broken:
        message = f"the labels are numbers, and not all are whole: {some(broken)} ({len(broken)} of {len(numbers)})"
        hint = "a label is the name of a class or the number of an output; leave empty what is not known"
        raise InputError("labels-unclear", message, hint=hint, path=path)
    known = sorted({int(number) for number in numbers.values() if number >= 0})
    places = {number: i for i, number in enumerate(known)}
    place = {label: places[int(number)] for label, number in numbers.items() if number >= 0}
    none = [*rest, *(label for label, number in numbers.items() if number < 0)]
    return Classes(names=tuple(map(str, known)), order="numbers", place=place, notes=_without(none, counts))


def _names(plain: Mapping[str, str], counts: Mapping[str, int], numbers: Sequence[str]) -> Classes:
    ordered = sorted(
        {text for text in plain.values() if text}, key=lambda text: text.encode("utf-8", "surrogateescape")
    )
    places = {name: i for i, name in enumerate(ordered)}
    place = {label: places[text] for label, text in plain.items() if text}
    notes = list(_without([label for label, text in plain.items() if not text], counts))
    if numbers:
        notes.append(f"labels that are numbers stand among names, and count as names: {some(list(map(repr, numbers)))}")
    return Classes(names=tuple(ordered), order="names", place=place, notes=tuple(notes))


def _without(labels: Sequence[str], counts: Mapping[str, int]) -> tuple[str, ...]:
    """A note on pictures without a label, by how that is written."""
    if not labels:
        return ()
    told = [f"{label.strip()!r}: {counts[label]}" if label.strip() else f"empty: {counts[label]}" for label in labels]
    return (f"pictures without a label: {sum(counts[label] for label in labels)} ({some(told, 5)})",)


def read_labels(file: Path) -> dict[str, int | str]:
    """The output of each class, by its number or name: from JSON, a mapping, or CSV with the columns class and output.

    Raises: InputError labels-unclear (path data.labels).
    """
    try:
        if (instead := no_file(file)) is not None:
            raise _wrong(f"there is no file {file.name!r}{instead}", "the path is relative to the spec")
        if check_ordinary(file) > LARGEST:
            raise _wrong(f"the file {file.name!r} is larger than {LARGEST // 2**20} MiB", "is it the right file?")
        text = read_ordinary(file).decode("utf-8-sig")
        pairs = _from_json(text, file) if file.suffix.lower() == ".json" else _from_csv(text, file)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        said = getattr(error, "strerror", None) or error
        raise _wrong(f"the file {file.name!r} cannot be read: {said}", "save it as UTF-8") from error
    found: dict[str, int | str] = {}
    for name, output in pairs:
        if composed(name) in found:
            raise _wrong(f"in {file.name!r} the class {name!r} stands twice", "remove one of them")
        found[composed(name)] = (
            int(output) if isinstance(output, str) and output.isascii() and output.isdecimal() else output
        )
    if not found:
        raise _wrong(f"the file {file.name!r} names no class", "write a class and its output a row")
    return found


def _from_json(text: str, file: Path) -> list[tuple[str, int | str]]:
    content = json.loads(text, object_pairs_hook=lambda pairs: [tuple(pair) for pair in pairs])
    pairs = content if isinstance(content, list) and all(isinstance(pair, tuple) for pair in content) else None
    if pairs is None or not all(isinstance(v, (int, str)) and not isinstance(v, bool) for _, v in pairs):
        raise _wrong(f"{file.name!r} is no mapping from classes to outputs", 'write {"cat": 0, "dog": 1}')
    return pairs


def _from_csv(text: str, file: Path) -> list[tuple[str, int | str]]:
    rows = csv.DictReader(text.splitlines(), strict=True, skipinitialspace=True)
    columns = [column.strip() for column in rows.fieldnames or ()]
    rows.fieldnames = columns
    if not {"class", "output"} <= set(columns):
        message = f"the file {file.name!r} has not the columns 'class' and 'output'"
        raise _wrong(message, f"its first line names the columns: {', '.join(columns) or 'none'}")
    found: list[tuple[str, int | str]] = []
    for row in rows:
        name, output = row["class"] or "", (row["output"] or "").strip()
        if not name.strip() or not output or None in row:
            raise _wrong(
                f"line {rows.line_num} of {file.name!r} has not a class and an output", "quote commas in names"
            )
        found.append((name.strip(), output))
    return found


def _wrong(message: str, hint: str) -> InputError:
    return InputError("labels-unclear", message, hint=hint, path=_FILE)
