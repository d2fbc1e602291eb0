"""The texts that groups may be labelled with, from a file: a text a line."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from pathlib import Path

from neurflow_report import errors
from neurflow_report.errors import Gathered, InputError, Where
from neurflow_report.ordinary import check_ordinary, read_ordinary

PATH = ("labels", "vocabulary")
LARGEST, LONGEST, MOST = 4 * 2**20, 200, 50_000
"""Bytes of a file, characters of a text, and texts."""
HINT = "write a text a line, each once"


def read_vocabulary(file: Path, wrong: Callable[[str], str] = lambda _text: "") -> tuple[tuple[str, ...], str]:
    """The texts, in their order, and the file's sha256; empty lines are left out.

    Args: wrong: what a source has against a text, or nothing.
    Raises: InputError labels-unusable, at line and column, for all that is wrong.
    """
    data = _data(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = Where(file=str(file), line=data.count(b"\n", 0, error.start) + 1, column=1)
        raise refused(f"byte {error.start} is not UTF-8", "save the file as UTF-8", where=where) from error
    known, problems = dict[str, int](), Gathered()
    for line, written in enumerate(text.split("\n"), start=1):
        one = unicodedata.normalize("NFC", " ".join(written.split()))
        if not one:
            continue
        if odd := _odd(one, known, line) or wrong(one):
            column = len(written) - len(written.lstrip()) + 1
            problems.errors.append(refused(odd, HINT, where=Where(file=str(file), line=line, column=column)))
        known.setdefault(one, line)
    if len(known) < 2:
        found = "no text" if not known else "one text"
        hint = f"{HINT}: a label is the best of several"
        problems.errors.append(refused(f"{file.name!r} has {found}, and two are needed", hint, path=PATH))
    problems.tell()
    return tuple(known), hashlib.sha256(data).hexdigest()


def _data(file: Path) -> bytes:
    try:
        if (size := check_ordinary(file)) > LARGEST:
            message = f"{file.name!r} has {size / 1e6:.1f} MB, and {LARGEST // 2**20} MiB are read at most"
            raise refused(message, "is it the right file?", path=PATH)
        return read_ordinary(file)
    except OSError as error:
        message = f"{file.name!r} cannot be read: {error.strerror or error}"
        raise refused(message, "the path is relative to the spec", path=PATH) from error


def _odd(text: str, known: dict[str, int], line: int) -> str:
    if text in known:
        return f"{text!r} stands in line {known[text]} already"
    if len(text) > LONGEST:
        return f"a text of {len(text)} characters, and {LONGEST} are taken at most"
    if len(known) >= MOST:
        return f"more than {MOST} texts" if line else ""
    control = next((c for c in text if unicodedata.category(c) == "Cc"), "")
    return f"{text!r} holds a control character" if control else ""


def refused(message: str, hint: str, *, path: errors.Path = (), where: Where | None = None) -> InputError:
    """What is wrong with the source of labels."""
    return InputError("labels-unusable", message, hint=hint, path=path, where=where)
