"""The bundle's JSON Schema and its page in the docs, made from the records; `python -m …results.document`."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from neurflow_report.results import causes, concept_tests, evidence, facets, format, labels, records
from neurflow_report.results.format import FORMAT_VERSION, READABLE
from neurflow_report.results.record import Record

SCHEMA_FILE = Path(__file__).with_name("schema.json")
PAGE = Path(__file__).parents[2] / "docs" / "bundle.md"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: Mapping[str, type[Record]] = {
    "manifest.json": records.Manifest,
    "run.json": records.Run,
    "classes/<slug>.json": records.ClassResult,
}
"""The records that are files of their own."""
_KEYS = {"type", "items", "prefixItems", "minItems", "maxItems", "enum", "const", "anyOf", "$ref", "default"}
_KEYS |= {"additionalProperties"}
_ENTRY = re.compile(r"^((?:`?\w+`?, )*`?\w+`?): ")
_INTRODUCTION = """# The bundle, format {version}

<!-- Made by `python -m neurflow_report.results.document` from the records and their docstrings: change it there. -->

A bundle is a folder with every number and picture that a run found. It is read without this program as easily as with
it: JSON and picture files, no pickle, no absolute paths.

| file | holds |
| --- | --- |
| `manifest.json` | a [Manifest](#manifest): the format's number, the provenance, the sha256 of every other file |
| `manifest.sha256` | the sha256 of `manifest.json`, as `sha256sum -c` reads it |
| `run.json` | a [Run](#run): all that is not about one class |
| `classes/<slug>.json` | a [ClassResult](#classresult), one a class |
| `pictures/<name>` | the pictures of which patches are shown, under the names that [Picture](#picture) gives them |

**Every byte is covered.** Each file has its sha256 in the manifest, and the manifest its own beside it: a file cannot
hold its own digest, and with a field that says it of all other fields, no tool but ours could check it. The bundle
holds no other file. `neurflow-report verify BUNDLE` checks all this, and whether the records fit together. Digests show
that a bundle is as it was written, not by whom: keep the digest of `manifest.sha256` elsewhere where that matters
([verify.md](verify.md)). What is wrong with a bundle is told as [bundle-damaged](errors.md#bundle-damaged).

**JSON.** UTF-8, indented by one, fields in the order of the tables below, floats to 7 significant digits; NaN and
infinity do not occur. The same records give the same bytes. A field that is not known is an error, so that a reader
never passes over what it does not understand. Where fields have one meaning together, it is told of each of them, with
all their names, in their order. `neurflow-report schema --bundle` prints the JSON Schema: an object with
the three kinds of JSON files as its keys, each of which is described under `$defs` as well.

**Formats.** This version writes format {version} and reads {readable}. A bundle of a later format is refused with the
advice to use a newer version ([bundle-version](errors.md#bundle-version)); an earlier one is read by today's records,
whose new fields have defaults. A field is renamed or removed, gets another meaning, or comes without a default in a new
format only.

{history}
"""


def json_schema() -> str:
    """The JSON Schema (draft 2020-12) of a bundle's JSON files; ends with a newline."""
    _, whole = models_json_schema([(model, "validation") for model in _models()])
    meanings = {model.__name__: _told(model) for model in _models()}
    defs = {name: _schema_of(name, whole["$defs"][name], *meanings[name]) for name in sorted(whole["$defs"])}
    manifest, run, result = ({"$ref": f"#/$defs/{model.__name__}"} for model in FILES.values())
    schema = {
        "$schema": _DIALECT,
        "title": f"neurflow-report bundle, format {FORMAT_VERSION}",
        "description": "The JSON files of a bundle by their names; one file alone is described by its entry of $defs.",
        "type": "object",
        "properties": {"manifest.json": manifest, "run.json": run},
        "patternProperties": {r"^classes/[a-z0-9][a-z0-9-]*\.json$": result},
        "required": ["manifest.json", "run.json"],
        "$defs": defs,
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def reference() -> str:
    """docs/bundle.md: the files, then each record, field by field."""
    history = re.split(r"\n(?=How to raise it)", (inspect.getdoc(format) or "").partition("\n\n")[2])[0]
    readable = f"{min(READABLE)} to {max(READABLE)}"
    told = _INTRODUCTION.format(version=FORMAT_VERSION, readable=readable, history=_list(history))
    return "\n".join([told, *(_section(model) for model in _models())])


def lacking() -> list[str]:
    """Fields whose meaning no docstring says."""
    return [f"{m.__name__}.{name}" for m in _models() for name in m.model_fields if name not in _told(m)[1]]


def _models() -> list[type[Record]]:
    """Every record, those of files first, then in the order of the modules."""
    found = [
        kind
        for module in (records, evidence, causes, concept_tests, labels, facets)
        for _, kind in sorted(inspect.getmembers(module, inspect.isclass), key=lambda one: _line(one[1]))
        if issubclass(kind, Record) and kind is not Record and kind.__module__ == module.__name__
    ]
    return [*FILES.values(), *(kind for kind in found if kind not in FILES.values())]


def _line(kind: type) -> int:
    return inspect.getsourcelines(kind)[1] if issubclass(kind, Record) else 0


def _told(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """What a record's docstring says: of itself, and of each field."""
    own, _, listed = (inspect.getdoc(model) or "").partition("Attributes:")
    meanings: dict[str, str] = {}
    for entry in _entries(listed):
        told, _, meaning = entry.partition(": ")
        names = told.replace("`", "").split(", ")
        several = f"{', '.join(f'`{name}`' for name in names)}: " if len(names) > 1 else ""
        meanings |= dict.fromkeys(names, f"{several}{meaning}")
    return _flat(own), meanings


def _entries(listed: str) -> Iterator[str]:
    """The entries of an `Attributes:` section, each on one line; what follows deeper indented belongs to it."""
    lines = inspect.cleandoc(listed).splitlines()
    entry: list[str] = []
    for line in lines:
        if _ENTRY.match(line) and entry:
            yield _flat(" ".join(entry))
            entry = []
        entry.append(line)
    if entry:
        yield _flat(" ".join(entry))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _schema_of(name: str, schema: Mapping[str, Any], own: str, meanings: Mapping[str, str]) -> dict[str, Any]:
    fields = {}
    for field, value in schema["properties"].items():
        told = {"description": meanings[field]} if field in meanings else {}
        fields[field] = {**told, **_plain(value)}
    required = {"required": schema["required"]} if "required" in schema else {}
    head = {"title": name, "description": own, "type": "object", "additionalProperties": False}
    return {**head, "properties": fields, **required}


def _plain(value: Any) -> Any:
    """A field's schema without the titles that its generator makes up."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if key in _KEYS}
    return value


def _list(history: str) -> str:
    """The formats' history as Markdown: one item each."""
    items = re.sub(r"\n {2}", " ", history).splitlines()
    return "\n".join(line for line in items if line.startswith("- "))


def _section(model: type[Record]) -> str:
    own, meanings = _told(model)
    file = next((f" The file `{name}`." for name, kind in FILES.items() if kind is model), "")
    schema = model.model_json_schema()
    rows = [
        f"| `{name}` | {_kind(field).replace('|', chr(92) + '|')} | {_default(name, field, schema)} "
        f"| {meanings.get(name, '').replace('|', chr(92) + '|')} |"
        for name, field in schema["properties"].items()
    ]
    table = "\n".join(["| field | value | default | meaning |", "| --- | --- | --- | --- |", *rows])
    return f"## {model.__name__}\n\n{own}{file}\n\n{table}\n"


def _default(name: str, field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if name in schema.get("required", ()):
        return "needed"
    value = field.get("default")
    return "–" if value is None or value == "" else f"`{json.dumps(value, ensure_ascii=False)}`"


def _kind(field: Mapping[str, Any]) -> str:
    """A field's type as the page says it."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return f"a [{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(map(_kind, field["anyOf"]))
    if "const" in field or "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field.get("enum", [field.get("const")]))
    if "prefixItems" in field:
        return f"({_kinds(field['prefixItems'])})"
    if field.get("type") == "array":
        return f"a list: {_kind(field['items'])}"
    if isinstance(inner := field.get("additionalProperties"), Mapping):
        return f"a mapping to {_kind(inner)}"
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    return (names | {"object": "a mapping", "null": "null"})[field["type"]] if "type" in field else "anything"


def _kinds(fields: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(map(_kind, fields))


def main() -> None:
    """Write results/schema.json beside this module, and docs/bundle.md in the project that it lies in."""
    SCHEMA_FILE.write_text(json_schema(), encoding="utf-8")
    PAGE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
