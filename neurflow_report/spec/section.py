"""What the sections of a spec share: their base, kinds of values, and what a validator raises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
T = TypeVar("T")


def problem(
    message: str,
    *path: str | int,
    missing: bool = False,
    against: tuple[str | int, ...] = (),
    at_key: bool = False,
) -> PydanticCustomError:
    """What is wrong by a rule: `path` leads from the validated value to the one that is wrong (`at_key`: to the key
    that is), `against` to the one that it was compared with."""
    context = {"message": message, "path": path, "missing": missing, "against": against, "at_key": at_key}
    return PydanticCustomError("spec_problem", "{message}", context)


def tell(problems: Iterable[PydanticCustomError]) -> None:
    """Raise all of them, if there are any; what a validator calls."""
    if lines := [InitErrorDetails(type=found, input=None) for found in problems]:
        raise ValidationError.from_exception_data("spec", lines)


def _no_null(text: str) -> str:
    if "\0" in text:
        raise problem("found the character U+0000, which no name and no path may hold")
    return text


Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True), AfterValidator(_no_null)]


def unique(values: tuple[T, ...]) -> tuple[T, ...]:
    """`values`, none of which stands twice; of those that do, the number of the first is in the error's context."""
    first: dict[T, int] = {}
    again = [(index, value) for index, value in enumerate(values) if first.setdefault(value, index) != index]
    contexts = ({"value": repr(value), "first": first[value], "path": (index,)} for index, value in again)
    tell(PydanticCustomError("spec_twice", "{value} stands twice", context) for context in contexts)
    return values


class Section(BaseModel):
    """A mapping of the spec: frozen, and a key that is not a field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
