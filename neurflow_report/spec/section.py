"""What the sections of a spec share: their base, kinds of values, and what a validator raises."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Count = Annotated[int, Field(ge=1)]
T = TypeVar("T")


def problem(message: str, *path: str | int, missing: bool = False) -> PydanticCustomError:
    """What a validator raises: `path` leads from the validated value to the one that is wrong."""
    return PydanticCustomError("spec_problem", "{message}", {"message": message, "path": path, "missing": missing})


def unique(values: tuple[T, ...]) -> tuple[T, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise problem(f"{value!r} stands twice, first as number {values.index(value) + 1}", index)
    return values


class Section(BaseModel):
    """A mapping of the spec: frozen, and a key that is not a field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
