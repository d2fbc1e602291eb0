"""What pydantic found wrong with a spec, in words: the path, what was found, what was expected, what to do."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from neurflow_report.errors import Path, did_you_mean, spell_path
from neurflow_report.spec.nodes import Written, is_number

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list, such as [a, b]",
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "finite_number": "a finite number",
    "string_too_short": "text that is not empty",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "a list of at least {min_length}",
    "literal_error": "{expected}",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing wrong with a value.

    Attributes:
        at_key: the place to show is the key's, not the value's.
        against: the path of another value that it was compared with.
        first: the number, from 0, of the list's first such value.
    """

    slug: str
    path: Path
    message: str
    hint: str
    at_key: bool = False
    against: Path = ()
    first: int | None = None


def findings(details: Sequence[ErrorDetails], value: object, model: type[BaseModel]) -> Iterator[Finding]:
    """Every error of `details`, which validating `value` as a `model` gave; one a path, those of a union joined.

    A list that is called too short only because pydantic left out its wrong items is not told a second time.
    """
    by_path: dict[Path, list[ErrorDetails]] = {}
    for detail in details:
        by_path.setdefault(_path(detail, value), []).append(detail)
    for path, group in by_path.items():
        if all(d["type"] == "too_short" for d in group) and any(p[: len(path)] == path != p for p in by_path):
            continue
        yield _finding(path, group, value, model)


def _finding(path: Path, group: Sequence[ErrorDetails], value: object, model: type[BaseModel]) -> Finding:
    detail = group[0]
    context = detail.get("ctx", {})
    described = _description(model, path)
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(path, model)
        case "missing":
            message = f"the key {path[-1]!r} is missing"
            return Finding(slug="spec-missing-key", path=path, message=message, hint=described)
        case "spec_problem":
            slug = "spec-missing-key" if context["missing"] else "spec-bad-value"
            holder = path[: len(path) - len(context["path"])]
            against = (*holder, *context["against"]) if context["against"] else ()
            message, at_key = context["message"], context["at_key"]
            return Finding(slug=slug, path=path, message=message, hint=described, at_key=at_key, against=against)
        case "spec_twice":
            first, message = context["first"], f"{context['value']} stands twice, first as number"
            return Finding(slug="spec-bad-value", path=path, message=message, hint=described, first=first)
    if detail["type"].startswith("model_"):
        described = " ".join(filter(None, [described, _example(model, path)]))
    found, expected = lookup(value, path), " or ".join(dict.fromkeys(_expected(d) for d in group))
    slug = "spec-wrong-type" if all(_is_type_error(d) for d in group) else "spec-bad-value"
    message = f"found {_found(found)}, expected {expected}"
    return Finding(slug=slug, path=path, message=message, hint=_hint(group, found, described))


def _unknown_key(path: Path, model: type[BaseModel]) -> Finding:
    section = _model_at(model, path[:-1])
    known = list(_fields(section)) if section else []
    where = spell_path(path[:-1]) or "the spec"
    hint = did_you_mean(str(path[-1]), known) or f"the keys of {where} are {', '.join(known)}"
    message = f"{where} has no key {path[-1]!r}"
    return Finding(slug="spec-unknown-key", path=path, message=message, hint=hint, at_key=True)


def _path(detail: ErrorDetails, value: object) -> Path:
    """The error's path without pydantic's names for the members of a union, with what a validator adds."""
    path: Path = ()
    for part in detail["loc"]:
        if _has(lookup(value, path), part):
            path = (*path, part)
    if detail["type"] == "missing":
        return (*path, detail["loc"][-1])
    return path + tuple(detail.get("ctx", {}).get("path", ()))


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def lookup(value: object, path: Path) -> object:
    """The value at `path`, None where there is none."""
    for part in path:
        if not _has(value, part):
            return None
        value = value[part]  # type: ignore[index]
    return value


def _is_type_error(detail: ErrorDetails) -> bool:
    return detail["type"].endswith("_type") or detail["type"] in {"int_from_float", "int_parsing", "float_parsing"}


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "string_pattern_mismatch":
        return "one of the forms that the hint names"
    if detail["type"] == "literal_error" and detail["loc"][0] == "layers":
        return "'auto', a list of names, or a range such as {from: layer2.3, to: fc}"
    template = _EXPECTED.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else detail["msg"]


def _found(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= 60 else f"{value[:57]}…")
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "a mapping"
    text = value.text if isinstance(value, Written) else repr(value)
    return text if len(text) <= 30 else f"{text[:27]}…"


def _hint(group: Sequence[ErrorDetails], found: object, described: str) -> str:
    kinds = {detail["type"] for detail in group}
    if "string_type" in kinds and isinstance(found, int | float) and "int_type" not in kinds:
        return f'put it into quotes: "{str(found).lower() if isinstance(found, bool) else found}"'
    if kinds & {"int_type", "float_type"} and isinstance(found, str) and is_number(found):
        return "leave out the quotes"
    literals = [detail["ctx"]["expected"] for detail in group if detail["type"] == "literal_error"]
    if literals and isinstance(found, str):
        choices = [word.strip("'") for text in literals for word in text.replace(" or ", ", ").split(", ")]
        return did_you_mean(found, choices) or described
    return described


def _description(model: type[BaseModel], path: Path) -> str:
    """The description of the field that `path` leads to or through; of a section, its docstring."""
    field = _field(model, path)
    if field is None:
        return ""
    section = _models_in(field.annotation)
    return field.description or (section[0].__doc__ or "" if section else "")


def _example(model: type[BaseModel], path: Path) -> str:
    """The first example of a section, as YAML."""
    field = _field(model, path)
    return f"Such as {path[-1]}: {_flow(field.examples[0])}" if field and field.examples else ""


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    return f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else str(value)


def _field(model: type[BaseModel], path: Path) -> FieldInfo | None:
    field = None
    for part in path:
        if isinstance(part, int) or part not in _fields(model):
            return field
        field = _fields(model)[part]
        inner = _models_in(field.annotation)
        if not inner:
            return field
        model = inner[0]
    return field


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields by the keys that a user writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    field = _field(model, path) if path else None
    if not path:
        return model
    return next(iter(_models_in(field.annotation)), None) if field else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {Annotated, Union, types.UnionType}:
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []
