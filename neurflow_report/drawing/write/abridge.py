"""A large appendix: which neuron groups are shown in full there, and a table of the others (docs/guide.md)."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.view.model.components import Cell, Column, GroupView, Table
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.results.catalogue import prose

MANY = 400
"""Neuron groups of a report that are all shown in full on paper; where there are more, `SHOWN` of each layer are."""
SHOWN = 3


def shown_groups(view: SiteView) -> int | None:
    """How many of each layer's groups are shown in full on paper, the largest; None: all."""
    return SHOWN if _every(view) > MANY else None


def brief_words(view: SiteView) -> str:
    """What is left out on paper, and where it is; "" for nothing."""
    if shown_groups(view) is None:
        return ""
    return prose(f"""
            This report has {count(_every(view), "neuron group")}. On paper, the {SHOWN} largest of each layer are
            shown with their patches, and tables name the others; the site and the single file show all of them, every
            neuron, every edge and every picture.
        """)


def rest_table(layer: str, groups: Sequence[GroupView]) -> Table | None:
    """The groups of a layer that are not shown in full."""
    if not groups:
        return None
    rows = ((Cell(text=g.name), Cell(text=g.share_text), Cell(text=g.size_text)) for g in groups)
    columns = (Column(label="Neuron group"), Column(label="Share", numeric=True), Column(label="It holds"))
    return Table(caption=f"The smaller neuron groups of {layer}", columns=columns, rows=tuple(rows))


def _every(view: SiteView) -> int:
    return sum(len(layer.groups) for page in view.classes for layer in page.layers)
