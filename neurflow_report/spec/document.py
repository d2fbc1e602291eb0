"""The spec's JSON Schema and its page in the docs, made from the models. `python -m …spec.document` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurflow_report.spec.schema import Spec

SCHEMA_FILE = Path(__file__).with_name("schema.json")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INTRODUCTION = """# The spec, version 1

<!-- Made by `python -m neurflow_report.spec.document` from neurflow_report/spec/schema.py: change it there. -->

A spec is one YAML file. Unknown keys are errors. Scalars are read as in YAML 1.2: `no`, `off` and `007` are text,
`1e-3` is a number. Every value can be set from the command line: `--set core.tau=8`, `--set layers[1]=layer4.0`.
For an editor that completes and checks keys: `neurflow-report schema > spec.schema.json`, and as the spec's first line
`# yaml-language-server: $schema=spec.schema.json`. What is wrong with a spec is told with its line, and a slug that
[errors.md](errors.md) explains.
"""


def json_schema() -> str:
    """The JSON Schema (draft 2020-12) of the spec, with descriptions, defaults and examples; ends with a newline."""
    schema = {"$schema": _DIALECT, **_completed(Spec.model_json_schema())}
    schema["title"] = "neurflow-report spec, version 1"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with what pydantic leaves out of a field that is a section: its description, and its default, which is
    an empty mapping."""
    for section in (schema, *schema["$defs"].values()):
        for name, field in section["properties"].items():
            if "$ref" in field:
                field.setdefault("description", _resolved(field, schema)["description"])
                if name not in section.get("required", ()):
                    field.setdefault("default", {})
    return schema


def reference() -> str:
    """docs/spec.md: a table for the top of the spec and one for each section."""
    schema = Spec.model_json_schema()
    tables = [_INTRODUCTION, *_section("Top level", schema, schema)]
    for name, section in _sections("", schema, schema):
        tables += _section(f"`{name}`", section, schema)
    return "\n".join(tables)


def _sections(
    prefix: str, section: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every section within one, at any depth, by its path; several of one kind in a section once, for all of them."""
    kinds: dict[str, list[str]] = {}
    for name, field in section["properties"].items():
        for option in field.get("oneOf", field.get("anyOf", [field])):
            if "properties" in _resolved(option, schema):
                kinds.setdefault(option["$ref"], []).append(prefix + name)
    for reference, names in kinds.items():
        inner = _resolved({"$ref": reference}, schema)
        yield "`, `".join(names), inner
        yield from _sections(f"{names[0]}.", inner, schema)


def _section(heading: str, section: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {heading}\n\n{section.get('description', '')}\n"
    yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    for name, field in section["properties"].items():
        default = _default(field, name in section.get("required", ()))
        meaning = " ".join((field.get("description") or _resolved(field, schema).get("description", "")).split())
        examples = ", ".join(f"`{_value(e)}`" for e in field.get("examples", ()))
        meaning += f" Such as {examples}." if examples else ""
        yield f"| `{name}` | {_kind(field, schema).replace('|', chr(92) + '|')} | {default} | {meaning} |"
    yield ""


def _resolved(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = field.get("$ref")
    return schema["$defs"][reference.rsplit("/", 1)[1]] if reference else field


def _default(field: Mapping[str, Any], required: bool) -> str:
    if required:
        return "needed"
    return f"`{_value(field['default'])}`" if field.get("default") is not None else "–"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return "a section"
    for several in ("anyOf", "oneOf"):
        if several in field:
            return " or ".join(_kind(option, schema) for option in field[several] if option.get("type") != "null")
    if "const" in field or "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        most = "a list" + (f" of at least {n}" if (n := field.get("minItems", 0)) > 1 else "")
        return f"{most}: {_kind(field['items'], schema)}"
    return _scalar(field)


def _scalar(field: Mapping[str, Any]) -> str:
    names = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "object": "a mapping",
    }
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field and field[key] < 2**32]
    return " ".join([names[field["type"]], ", ".join(limits)]).strip()


def main() -> None:
    """Write spec/schema.json beside this module, and docs/spec.md in the project that it lies in."""
    SCHEMA_FILE.write_text(json_schema(), encoding="utf-8")
    (SCHEMA_FILE.parents[2] / "docs" / "spec.md").write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
