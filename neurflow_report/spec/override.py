"""`--set a.b[1]=value`: what it means, and the values with it put in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from neurflow_report.errors import InputError, Path, Where, Wording, spell_path
from neurflow_report.spec.nodes import parse

_STEP = re.compile(r"(?:^|\.)([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{1,6})\]")
_EXAMPLE = Wording(
    "write it as in 'runtime.seed=1' or 'layers[1]=layer4.0'",
    command="write it as in --set runtime.seed=1 or --set layers[1]=layer4.0",
)


@dataclass(frozen=True, kw_only=True)
class Override:
    """One --set option: `text` as it was given, the path it names, the value it sets."""

    text: str
    path: Path
    value: object

    @property
    def where(self) -> Where:
        """The place that errors of the value are told at."""
        return _place(self.text)


def parse_override(text: str) -> Override:
    """Read `path=value`, the value as YAML; an empty value is none.

    Raises: InputError spec-override.
    """
    name, equals, value = text.partition("=")
    path = _path(name.strip())
    if not equals or not path:
        found = "there is no =" if not equals else f"{name!r} is no path of the spec"
        raise _refused(text, found, _EXAMPLE)
    if not value.strip():
        return Override(text=text, path=path, value=None)
    try:
        tree = parse(value, f"--set {text}")
    except InputError as error:
        raise _refused(text, f"the value is not YAML: {error.message}", error.hint) from error
    if tree.errors:
        raise _refused(text, tree.errors[0].message, tree.errors[0].hint)
    return Override(text=text, path=path, value=tree.value)


def apply(override: Override, value: object) -> object:
    """`value` with the override put in; mappings on the way that are not there are made. `value` stays as it is.

    Raises: InputError spec-override where the path leads through something else, or past the end of a list.
    """
    return _put(value, override, 0)


def _put(value: object, override: Override, depth: int) -> object:
    if depth == len(override.path):
        return override.value
    part, so_far = override.path[depth], spell_path(override.path[:depth]) or "the spec"
    if isinstance(part, int):
        return _put_in_list(value, override, depth, part, so_far)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise _refused(override.text, f"{so_far} is no mapping, so it has no {part!r}", "set the whole value instead")
    return value | {part: _put(value.get(part), override, depth + 1)}


def _put_in_list(value: object, override: Override, depth: int, index: int, so_far: str) -> object:
    if not isinstance(value, list):
        whole = f"{so_far}=[…]"
        say = "set the whole list instead"
        whole_list = Wording(f"{say}: {whole!r}", command=f"{say}: --set {whole}")
        raise _refused(override.text, f"the spec has no list {so_far} that could have a number {index}", whole_list)
    if index >= len(value):
        hint = "the first has the number 0; set the whole list to make it longer"
        raise _refused(override.text, f"{so_far} has {len(value)} entries, so there is no number {index}", hint)
    return [_put(item, override, depth + 1) if n == index else item for n, item in enumerate(value)]


def _path(name: str) -> Path:
    parts: list[str | int] = []
    end = 0
    for step in _STEP.finditer(name):
        if step.start() != end:
            return ()
        parts.append(step[1] if step[1] is not None else int(step[2]))
        end = step.end()
    return tuple(parts) if end == len(name) and parts and isinstance(parts[0], str) else ()


def _refused(text: str, message: str, hint: str) -> InputError:
    return InputError("spec-override", message, hint=hint, where=_place(text))


def _place(text: str) -> Where:
    """Where errors of an override are told."""
    return Where(file=Wording(f"override {text!r}", command=f"--set {text}"))
