"""Class names from a file: text with a name a line, or JSON with a list or a mapping from the logit to the name."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from neurflow_report.errors import InputError
from neurflow_report.ordinary import no_file, read_ordinary

_PATH = ("model", "class_names")
LARGEST = 16 * 2**20


def read_names(path: Path) -> tuple[str, ...]:
    """The names in the order of the logits. JSON may map "0", "1", … to a name, or to a list whose last is the name.

    Raises: InputError names-unreadable (path model.class_names) where there is no such file, a name is empty, or a
        logit is left out.
    """
    text = _text(path)
    names = _from_json(text, path) if path.suffix.lower() == ".json" else [line.strip() for line in text.splitlines()]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise _bad(f"the file with the class names, {path.name!r}, is empty", "write a name a line")
    names = [unicodedata.normalize("NFC", name) for name in names]
    if "" in names:
        message = f"in {path.name!r} the name of logit {names.index('')} (line {names.index('') + 1}) is empty"
        raise _bad(message, "write a name a line, in the order of the logits")
    return tuple(names)


def check_names(names: tuple[str, ...], file: str, outputs: int) -> None:
    """Raises InputError classes-mismatch unless there is a name for each of the network's outputs."""
    if len(names) != outputs:
        message = f"{file!r} has {len(names)} class names, and the network {outputs} outputs"
        hint = "give one name for each output, in their order"
        raise InputError("classes-mismatch", message, hint=hint, path=_PATH)


def _text(path: Path) -> str:
    if (instead := no_file(path)) is not None:
        raise _bad(f"there is no file {path.name!r} with class names{instead}", "the path is relative to the spec")
    try:
        if path.stat().st_size > LARGEST:
            raise _bad(f"the file with the class names, {path.name!r}, is larger than 16 MiB", "is it the right file?")
        return read_ordinary(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        message = f"the file with the class names, {path.name!r}, cannot be read ({type(error).__name__})"
        raise _bad(message, "save it as UTF-8") from error


def _from_json(text: str, path: Path) -> list[str]:
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise _bad(f"{path.name!r} is nested too deeply", "write a list of names") from error
    except ValueError as error:
        raise _bad(f"{path.name!r} is not JSON: {error}", "write a list of names") from error
    if isinstance(content, Mapping):
        missing = next((i for i in range(len(content)) if str(i) not in content), None)
        if missing is not None:
            raise _bad(
                f"{path.name!r} has {len(content)} keys, and no {missing} among them", 'write {"0": "a", "1": "b"}'
            )
        content = [content[str(i)] for i in range(len(content))]
    if not isinstance(content, list):
        raise _bad(f"{path.name!r} holds no list and no mapping", 'write ["a", "b"]')
    names = [entry[-1] if isinstance(entry, list) and entry else entry for entry in content]
    wrong = next((i for i, name in enumerate(names) if not isinstance(name, str)), None)
    if wrong is not None:
        raise _bad(f"in {path.name!r} the name of logit {wrong} is no text", 'write ["a", "b"]')
    return [name.strip() for name in names]


def _bad(message: str, hint: str) -> InputError:
    return InputError("names-unreadable", message, hint=hint, path=_PATH)
