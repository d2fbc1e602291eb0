"""The classes by their initial letter, where there are too many for the overview."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.components import Page, Span
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.drawing.view.pages import PageKind, ReportData
from neurflow_report.drawing.view.pages.overview import MOST_ROWS, ClassRow, Letter, initial, letters, row


@dataclass(frozen=True, kw_only=True)
class ClassesPage(Page):
    """The classes that begin with one letter; `letters` lead to the others."""

    heading: str
    rows: tuple[ClassRow, ...]
    layers: tuple[str, ...]
    below: str
    letters: tuple[Letter, ...]


def _build(data: ReportData) -> Iterator[ClassesPage]:
    if len(data.indices) <= MOST_ROWS:
        return
    every = letters(data.indices)
    for letter in every:
        own = [i for i in data.indices if initial(i.result.name) == letter.name]
        yield ClassesPage(
            path=letter.href,
            title=f"Classes: {letter.name}",
            description=f"{count(len(own), 'class', 'classes')} under {letter.name}",
            crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
            here=f"Classes: {letter.name}",
            heading=f"Classes: {letter.name}",
            rows=tuple(row(i) for i in sorted(own, key=lambda i: i.result.name)),
            layers=tuple(layer.name for layer in own[0].downward()[1:]),
            below=own[0].below_top.name,
            letters=every,
        )


PAGE = PageKind(name="classes", template="site/classes.html", build=_build, order=15)
