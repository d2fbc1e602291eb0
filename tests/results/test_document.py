"""The schema file and the page of the bundle are those that the records give, and hold of bundles of every format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from neurflow_report import cli
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.document import PAGE, SCHEMA_FILE, json_schema, lacking, reference
from neurflow_report.results.format import READABLE

AGAIN = "run `python -m neurflow_report.results.document` and commit what it writes"
FROZEN = Path(__file__).parent / "frozen"


def test_the_schema_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema(), AGAIN


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), AGAIN


def test_every_field_has_a_meaning() -> None:
    assert lacking() == []


def test_every_field_is_on_the_page_and_every_link_leads_somewhere() -> None:
    page, schema = reference(), json.loads(json_schema())
    headings = {heading.lower() for heading in re.findall("^## (.*)$", page, re.MULTILINE)}
    assert set(re.findall(r"\(#(\w+)\)", page)) <= headings
    assert {name.lower() for name in schema["$defs"]} == headings
    fields = {name for one in schema["$defs"].values() for name in one["properties"]}
    assert len(fields) > 120
    assert [name for name in fields if f"| `{name}` |" not in page] == []


def test_there_is_a_frozen_bundle_of_every_format_that_is_read() -> None:
    assert {read_bundle(folder).manifest.format_version for folder in FROZEN.iterdir()} == READABLE


@pytest.mark.parametrize("version", sorted(READABLE))
def test_the_schema_holds_of_bundles_of_every_format(version: int) -> None:
    root, schema = FROZEN / f"v{version}", json.loads(json_schema())
    files = {p.relative_to(root).as_posix(): json.loads(p.read_text()) for p in root.rglob("*.json")}
    assert problems(files, schema, schema) == []
    files["run.json"]["data"]["limit"] = "many"
    files["classes/bee-co.json"]["layers"][0]["neurons"][0]["extra"] = 1
    del files["manifest.json"]["provenance"]["clock"]
    assert sorted(problems(files, schema, schema)) == [
        "classes/bee-co.json.layers.0.neurons.0: no such field extra",
        "manifest.json.provenance: no clock",
        "run.json.data.limit: no integer",
    ]


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--bundle"]) == 0
    assert capsys.readouterr().out == json_schema()


KINDS: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip


def problems(value: Any, rule: dict[str, Any], schema: dict[str, Any], place: str = "") -> list[str]:
    """What of a value the schema forbids: the part of JSON Schema that the schema uses."""
    if "$ref" in rule:
        return problems(value, schema["$defs"][rule["$ref"].rsplit("/", 1)[1]], schema, place)
    if "anyOf" in rule:
        every = [problems(value, one, schema, place) for one in rule["anyOf"]]
        return [] if [] in every else every[0]
    if "type" in rule and (
        not isinstance(value, KINDS[rule["type"]]) or (isinstance(value, bool) and rule["type"] != "boolean")
    ):
        return [f"{place}: no {rule['type']}"]
    if value not in rule.get("enum", [value]):
        return [f"{place}: none of {rule['enum']}"]
    found = [f"{place}: no {name}" for name in rule.get("required", ()) if name not in value]
    if isinstance(value, dict):
        for name, one in value.items():
            inner = rule.get("properties", {}).get(name)
            for pattern, other in rule.get("patternProperties", {}).items():
                inner = other if re.search(pattern, name) else inner
            more = rule.get("additionalProperties", {})
            if inner is None and more is False:
                found.append(f"{place}: no such field {name}")
            else:
                found += problems(
                    one, inner or (more if isinstance(more, dict) else {}), schema, f"{place}.{name}".strip(".")
                )
    if isinstance(value, list):
        for number, one in enumerate(value):
            rules = rule.get("prefixItems")
            found += problems(one, rules[number] if rules else rule.get("items", {}), schema, f"{place}.{number}")
    return found
