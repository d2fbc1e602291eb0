"""The schema file and the page of the spec are those that the models give."""

from __future__ import annotations

import json
from pathlib import Path

from neurflow_report.spec.document import SCHEMA_FILE, json_schema, reference
from neurflow_report.spec.schema import Spec

AGAIN = "run `python -m neurflow_report.spec.document` and commit what it writes"


def test_the_schema_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema(), AGAIN


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "spec.md"
    assert page.read_text(encoding="utf-8") == reference(), AGAIN


def test_every_field_is_described() -> None:
    schema = json.loads(json_schema())
    for section in (schema, *schema["$defs"].values()):
        for name, field in section["properties"].items():
            assert "description" in field or "$ref" in field, name


def test_every_field_is_on_the_page() -> None:
    page = reference()
    fields = [name for section in (Spec, *(f.annotation for f in Spec.model_fields.values()))
              for name in getattr(section, "model_fields", {})]  # fmt: skip
    assert len(fields) > 30
    assert [name for name in fields if f"| `{name}` |" not in page] == []
