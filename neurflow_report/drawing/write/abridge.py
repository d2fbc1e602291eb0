"""A large appendix: which neuron groups are shown in full there, and a table of the others (docs/guide.md)."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.view.model.components import Cell, Column, GroupView, Table
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.results.catalogue import prose

MANY, SHOWN = 400, 3
"""Neuron groups of a report up to which all that carry something are shown in full; of more, the largest of a layer."""
LEAST = 0.01
"""The share under which a group is named in a table."""


def in_full(view: SiteView, groups: Sequence[GroupView]) -> tuple[GroupView, ...]:
    """Those of a layer's groups that are shown in full: the largest, and one at least."""
    large = [group for group in groups if group.share >= LEAST] or list(groups[:1])
    return tuple(large[:SHOWN] if _many(view) else large)


def brief_words(view: SiteView) -> str:
    """What is left out on paper, and where it is; "" for nothing of weight."""
    if not _many(view):
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


def _many(view: SiteView) -> bool:
    return _every(view) > MANY


def _every(view: SiteView) -> int:
    return sum(len(layer.groups) for page in view.classes for layer in page.layers)
