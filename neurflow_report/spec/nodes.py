"""YAML text → plain values, and the place where each of them stands.

A stricter YAML than PyYAML's: scalars as YAML 1.2's core schema reads them (`no`, `off`, `2026-01-01`, `007` and `1:30`
are text, `1e-3` is a number), text alone as keys, no key twice, no tags, no merging, aliases only in small amounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from neurflow_report.errors import InputError, Path, Where

Place = tuple[int, int]

MOST_NODES = 20_000
DEEPEST = 40
LONGEST = 100
"""Characters from which on a number is text: no key takes one of that size."""

_CORE = {
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "null": re.compile(r"~|null|Null|NULL|"),
    "int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {f"{_TAG}{name}" for name in (*_CORE, "str", "seq", "map")}
_HINTS = {
    r"\t": "indent with spaces, never with tabs",
    "mapping values are not allowed": "put a value that holds a colon and a space into quotes; check the indentation",
    "expected <block end>": "check the indentation: keys of one mapping begin in the same column",
    "but found another document": "keep one spec a file: remove the line `---`",
    "found undefined alias": "put a value that begins with * into quotes",
    "cannot start any token": "put a value that begins with a special character into quotes",
}


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema and without merge keys."""


_Loader.yaml_implicit_resolvers = {
    None: [(f"{_TAG}{name}", re.compile(rf"(?:{pattern.pattern})\Z")) for name, pattern in _CORE.items()]
}


@dataclass(frozen=True, kw_only=True)
class Tree:
    """What a YAML text holds: its value, where each value and each key stands (path → line, column), what was wrong."""

    value: object
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    errors: tuple[InputError, ...]


def parse(text: str, file: str) -> Tree:
    """Read one YAML document. Errors that leave a value to go on with are in the result; the others are raised.

    Raises: InputError spec-syntax (not YAML, a tag, aliases that grow too large, nested too deeply, empty text).
    """
    node = _compose(text, file)
    if node is None:
        raise InputError(
            "spec-syntax",
            "there is nothing in it",
            hint="docs/guide.md has a spec to begin with",
            where=Where(file=file),
        )
    walk = _Walk(file=file)
    value = walk.value(node, ())
    return Tree(value=value, values=walk.values, keys=walk.keys, errors=tuple(walk.errors))


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        where = Where(file=file, line=line, column=column)
        raise InputError(
            "spec-syntax", f"the character U+{_code(error):04X} is not allowed in YAML", hint="remove it", where=where
        ) from error
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, file) from error
    except RecursionError as error:
        raise _too_deep(Where(file=file)) from error
    except (ValueError, OverflowError) as error:  # PyYAML lets chr() of an escape like "\UFFFFFFFF" fail
        message = "an escape in double quotes stands for no character"
        raise InputError("spec-syntax", message, hint="use single quotes", where=Where(file=file)) from error


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character)


def _syntax(error: yaml.MarkedYAMLError, file: str) -> InputError:
    mark = error.problem_mark or error.context_mark
    where = Where(file=file, line=mark.line + 1, column=mark.column + 1) if mark else Where(file=file)
    said = ", ".join(part for part in (error.context, error.problem) if part) or "it is not YAML"
    hint = next((hint for words, hint in _HINTS.items() if words in said), "docs/guide.md shows how a spec is written")
    return InputError("spec-syntax", said, hint=hint, where=where)


def _too_deep(where: Where) -> InputError:
    return InputError("spec-syntax", "it is nested too deeply", hint="a spec has three levels at most", where=where)


@dataclass(kw_only=True)
class _Walk:
    """Turns nodes into values, noting the places. Ends early, by an error, on what would not end."""

    file: str
    seen: int = 0
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    errors: list[InputError] = field(default_factory=list)

    def value(self, node: yaml.Node, path: Path) -> object:
        self.seen += 1
        if self.seen > MOST_NODES:
            message = f"it holds more than {MOST_NODES} values (aliases count as often as they stand)"
            raise self._refused("spec-syntax", message, "write the values out, without & and *", node, path)
        if len(path) > DEEPEST:
            raise _too_deep(self._where(node))
        if node.tag not in _PLAIN_TAGS:
            raise self._refused("spec-syntax", f"the tag {_spell(node.tag)} is not allowed", "remove it", node, path)
        self.values[path] = _place(node)
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _items(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, object]]:
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refused(
                    "spec-syntax", "a key must be text", "put braces and brackets into quotes", key, path
                )
            name = _readable(key.value)
            if name == "<<" and not key.style:
                message, hint = "merging mappings with << is not supported", "write the keys out"
                self.errors.append(self._refused("spec-syntax", message, hint, key, (*path, name)))
                continue
            if name in lines:
                message = f"the key {name!r} stands twice, first in line {lines[name]}"
                self.errors.append(
                    self._refused("spec-duplicate-key", message, "remove one of them", key, (*path, name))
                )
                continue
            lines[name] = key.start_mark.line + 1
            self.keys[(*path, name)] = _place(key)
            yield name, self.value(value, (*path, name))

    def _where(self, node: yaml.Node) -> Where:
        line, column = _place(node)
        return Where(file=self.file, line=line, column=column)

    def _refused(self, slug: str, message: str, hint: str, node: yaml.Node, path: Path) -> InputError:
        return InputError(slug, message, hint=hint, path=path, where=self._where(node))


def _scalar(node: yaml.Node) -> object:
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "str" or not _CORE[kind].fullmatch(text):
        return _readable(text)
    return {"bool": _bool, "int": _int, "float": _float}[kind](text)


def is_number(text: str) -> bool:
    """Whether `text` would be a number if it stood without quotes."""
    return len(text) < LONGEST and any(_CORE[kind].fullmatch(text) for kind in ("int", "float"))


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _readable(text: str) -> str:
    """The text, with surrogates (which no file can hold) as `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _bool(text: str) -> bool:
    return text.lower() == "true"


def _int(text: str) -> Any:
    if len(text) >= LONGEST:
        return text
    return int(text, 16 if text.startswith("0x") else 10)


class Written(float):
    """A number that knows how it was written."""

    text: str = ""


def _float(text: str) -> float:
    number = Written(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    number.text = text
    return number


def _spell(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag
