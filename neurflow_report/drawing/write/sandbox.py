"""What a template may do: read page data, call what it is given, and nothing else. It may come with anybody's spec.

Jinja's sandbox refuses what begins with an underscore. Here attributes are besides read of known kinds alone: the
fields and properties of page data, the fields of records, and what plain values and Jinja's own things have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.environment import TemplateModule
from jinja2.runtime import BlockReference, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from neurflow_report.results.record import Record

MOST = 1_000_000
"""The most characters or elements that a product makes, and bits that a power has."""
_PLAIN = (
    str, int, float, type(None), tuple, list, dict, range,
    BlockReference, LoopContext, Macro, TemplateModule, TemplateReference, Cycler, Joiner, Namespace, jinja2.Undefined,
)  # fmt: skip


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates reach nothing but what they are given, and change nothing of it."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self, loader: jinja2.BaseLoader, *, names: Mapping[str, object]) -> None:
        """Args: names: what every template is given. Escaping is on, and unknown names are errors."""
        super().__init__(
            loader=loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        del self.globals["lipsum"]
        self.globals |= names

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        kind: type = type(obj)
        known = _names(kind)
        return attr in known if known is not None else super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        """A product or a power, unless it would be so large that nothing could end its making."""
        if _too_large(operator, left, right) or _too_large(operator, right, left):
            raise jinja2.TemplateRuntimeError(f"{operator!r} would make something too large")
        return super().call_binop(context, operator, left, right)

    def compile(self, source: Any, name: Any = None, filename: Any = None, *more: Any, **named: Any) -> Any:
        """As in Jinja; what else than a mistake in the syntax keeps a template from being compiled is told as one."""
        try:
            return super().compile(source, name, filename, *more, **named)
        except jinja2.TemplateError:
            raise
        except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
            message = "it is nested too deeply" if isinstance(error, RecursionError | MemoryError) else str(error)
            raise jinja2.TemplateSyntaxError(message, 1, name, filename) from error


@lru_cache(maxsize=512)
def _names(kind: type) -> frozenset[str] | None:
    """The attributes that a template may read of a value of that kind; None: those that Jinja's sandbox lets."""
    if issubclass(kind, Record):  # its other attributes are pydantic's, some of which read files
        return frozenset(kind.model_fields)
    if is_dataclass(kind):
        properties = (
            name for base in kind.__mro__ for name, value in vars(base).items() if isinstance(value, property)
        )
        return frozenset(name for name in (*(f.name for f in fields(kind)), *properties) if not name.startswith("_"))
    return None if issubclass(kind, _PLAIN) else frozenset()


def _too_large(operator: str, left: Any, right: Any) -> bool:
    if not isinstance(right, int):
        return False
    if operator == "*":
        return isinstance(left, str | tuple | list) and len(left) * right > MOST
    return isinstance(left, int) and left.bit_length() * right > MOST
