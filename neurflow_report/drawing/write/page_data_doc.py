"""docs/page-data.md, made from the page data's own classes: what a template is given. `python -m …page_data_doc`."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

from neurflow_report.drawing import view
from neurflow_report.drawing.view.model import charts, components, graph
from neurflow_report.drawing.view.pages import page_modules

PAGE = Path(__file__).parents[3] / "docs" / "page-data.md"
_INTRODUCTION = """# What a template is given

<!-- Made by `python -m neurflow_report.drawing.write.page_data_doc` from the classes themselves: change it there. -->

The contract for templates of your own ([templates.md](templates.md)). Each value is frozen; text is plain text, which
the templates escape; `…` stands for any number of values. Every address (`href`, `file`, `path`, `svg`, `dot`,
`download`) counts from the site's root: write it through `url(…)`. A field may be added in a release; renaming or
removing one is a breaking change, and the changelog says so.
"""


def reference() -> str:
    """The page's text."""
    entries = sorted((m for m in page_modules() if hasattr(m, "PAGE")), key=lambda m: m.PAGE.order)
    rows = ((m.PAGE.template, c.__name__) for m in entries for c in _own(m) if issubclass(c, components.Page))
    table = "\n".join(f"| `{template}` | [{name}](#{name.lower()}) |" for template, name in rows)
    which = f"## Templates\n\n| template | `page` is a |\n| --- | --- |\n{table}\n"
    modules = (view, *page_modules(), components, charts, graph)
    return "\n".join([_INTRODUCTION, which, *(_section(kind) for module in modules for kind in _own(module))])


def _own(module: ModuleType) -> list[type]:
    """The dataclasses that the module itself defines, in their order there."""
    own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return sorted((c for c in own if is_dataclass(c)), key=lambda c: inspect.getsourcelines(c)[1])


def _section(kind: type) -> str:
    base = next((b.__name__ for b in kind.__bases__ if is_dataclass(b)), "")
    also = f" Has all of [{base}](#{base.lower()}), too." if base else ""
    text = re.sub(r"\s+", " ", inspect.getdoc(kind) or "")
    return f"## {kind.__name__}\n\n{text}{also}\n\n| field | kind |\n| --- | --- |\n{_fields(kind)}\n"


def _fields(kind: type) -> str:
    own = inspect.get_annotations(kind)
    rows = [f"| `{f.name}` | {_kind(str(f.type))} |" for f in fields(kind) if f.name in own]
    found = [(name, value) for name, value in vars(kind).items() if isinstance(value, property)]
    rows += [f"| `{name}` | {_kind(str(value.fget.__annotations__['return']))} |" for name, value in found]
    return "\n".join(rows)


def _kind(annotation: str) -> str:
    """A type as the page says it: "text", "whole number", "Table", "Span…", "Table or none"."""
    known = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "None": "none"}
    plain = re.sub(r"tuple\[(.+), \.\.\.\]", r"\1…", annotation)
    return re.sub(r"\b(str|int|float|bool|None)\b", lambda m: known[m[0]], plain).replace(" | ", " or ")


def main() -> None:
    """Write docs/page-data.md in the project that this module lies in."""
    PAGE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
