"""The schema file and the page of the spec are those that the models give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter

from neurflow_report.spec.document import SCHEMA_FILE, json_schema, reference
from neurflow_report.spec.schema import Spec

AGAIN = "run `python -m neurflow_report.spec.document` and commit what it writes"


def test_the_schema_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema(), AGAIN


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "spec.md"
    assert page.read_text(encoding="utf-8") == reference(), AGAIN


def fields() -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    """Every field of every section: the section, the field's name, what the schema says of it, whether it is needed."""
    schema = json.loads(json_schema())
    for title, section in ((schema["title"], schema), *schema["$defs"].items()):
        for name, field in section["properties"].items():
            yield title, name, field, name in section.get("required", ())


def test_every_field_has_a_description_a_default_and_an_example() -> None:
    lacking = [
        (title, name, key)
        for title, name, field, needed in fields()
        for key in ("description", "examples", "default")
        if not (needed or key in field if key == "default" else field.get(key))
    ]
    assert lacking == []
    assert sum(1 for _ in fields()) > 80


def test_every_example_and_default_is_a_value_of_its_field() -> None:
    models = {model.__name__: model for model in sections(Spec)} | {"neurflow-report spec, version 1": Spec}
    for title, name, field, needed in fields():
        found = {f.alias or n: f for n, f in models[title].model_fields.items()}[name]
        told = [found.discriminator] if found.discriminator else []
        kind = TypeAdapter(Annotated[found.annotation, *found.metadata, *told, None])
        for value in [*field["examples"], *([] if needed else [field["default"]])]:
            kind.validate_json(json.dumps(value), strict=True)


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and all sections within it."""
    yield model
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield from sections(inner)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def test_every_field_is_on_the_page() -> None:
    page = reference()
    fields = {field.alias or name for section in sections(Spec) for name, field in section.model_fields.items()}
    assert len(fields) > 70
    assert "null_most" in fields  # of a section that several keys take
    assert [name for name in fields if f"| `{name}` |" not in page] == []
