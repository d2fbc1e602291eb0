"""Drawings made ready for paper: a page to stand on, a size in millimetres, plain colours, and boxes for links.

WeasyPrint loses links inside an SVG and knows no CSS custom properties in one, so both are settled here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from neurflow_report.drawing.figures.dot import rank_order
from neurflow_report.drawing.figures.layout import PRINT, Layout, lay_out
from neurflow_report.drawing.figures.paint import Picture, paint
from neurflow_report.drawing.view.model.graph import Diagram, Order

MM = 25.4 / 96
SMALLEST = 0.62
SHEETS = {"a4": (170.0, 205.0), "a3-portrait": (261.0, 340.0), "a3-landscape": (384.0, 215.0)}


@dataclass(frozen=True, kw_only=True)
class LinkBox:
    """A place in a drawing that leads to `href`; all four sides in per cent of the drawing."""

    href: str
    title: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class PrintDrawing:
    """A drawing for paper: the named page, the size in mm, the SVG, and where it leads."""

    page: str
    width: float
    height: float
    svg: str
    boxes: tuple[LinkBox, ...]


def print_drawings(
    diagram: Diagram, *, id_prefix: str, picture: Picture, anchor: Callable[[str], str]
) -> tuple[PrintDrawing, ...]:
    """`diagram` for paper, in several parts where it has more bands than one sheet can show at a readable size.

    A part begins with the band that the one before ended with.

    Args:
        picture: draws a node's patches.
        anchor: maps site addresses to `#…`, or "" for what print lacks.
    Raises: RunError graphviz-missing.
    """
    order = rank_order(diagram)
    parts = split(diagram, order)
    return tuple(_drawing(part, order, f"{id_prefix}-{i}", picture, anchor) for i, part in enumerate(parts, 1))


def split(diagram: Diagram, order: Order) -> tuple[Diagram, ...]:
    """The fewest runs of bands, each overlapping the next by one, that are readable on a sheet each."""
    bands = len(diagram.bands)
    for count in range(1, max(2, bands)):
        parts = tuple(_bands(diagram, first, last) for first, last in _runs(bands, count))
        if all(_scale(part, order) >= SMALLEST for part in parts):
            return parts
    return (diagram,)


def _runs(bands: int, count: int) -> list[tuple[int, int]]:
    """`count` runs (first, last) over `bands` bands, as even as can be, neighbours sharing an end."""
    ends = [round(i * (bands - 1) / count) for i in range(count + 1)]
    return list(pairwise(ends))


def _bands(diagram: Diagram, first: int, last: int) -> Diagram:
    """The part from band `first` to band `last`, both included."""
    bands = diagram.bands[first : last + 1]
    names = {band.name for band in bands}
    nodes = tuple(node for node in diagram.nodes if node.band in names)
    ids = {node.id for node in nodes}
    links = tuple(link for link in diagram.links if link.upper in ids and link.lower in ids)
    return replace(diagram, bands=bands, nodes=nodes, links=links)


def _scale(diagram: Diagram, order: Order) -> float:
    layout = lay_out(diagram, order, PRINT)
    return fit(layout.width * MM, layout.height * MM)[1]


def _drawing(
    diagram: Diagram, order: Order, id_prefix: str, picture: Picture, anchor: Callable[[str], str]
) -> PrintDrawing:
    layout = lay_out(diagram, order, PRINT)
    page, scale = fit(layout.width * MM, layout.height * MM)
    width, height = round(layout.width * MM * scale, 2), round(layout.height * MM * scale, 2)
    svg = plain_colours(paint(diagram, order, id_prefix=id_prefix, picture=picture, interactive=False))
    size = f'width="{width}mm" height="{height}mm" viewBox'
    svg = re.sub(r'width="[\d.]+" height="[\d.]+" viewBox', size, svg, count=1)
    return PrintDrawing(page=page, width=width, height=height, svg=svg, boxes=_boxes(diagram, layout, anchor))


def fit(width: float, height: float) -> tuple[str, float]:
    """The sheet for a drawing of that size in mm and the scale (at most 1): A4 as long as it stays readable there."""
    scales = {name: min(1.0, wide / width, tall / height) for name, (wide, tall) in SHEETS.items()}
    if scales["a4"] >= SMALLEST:
        return "a4", scales["a4"]
    best = max(scales, key=lambda name: scales[name])
    return best, scales[best]


def plain_colours(svg: str) -> str:
    """The SVG with every `var(--name,fallback)` replaced by its fallback."""
    return re.sub(r"var\(--[\w-]+,((?:[^()]|\([^()]*\))*)\)", r"\1", svg)


def _boxes(diagram: Diagram, layout: Layout, anchor: Callable[[str], str]) -> tuple[LinkBox, ...]:
    boxes = []
    for node in diagram.nodes:
        href, card = anchor(node.href or ""), layout.cards[node.id]
        if href:
            sides = (100 * card.x / layout.width, 100 * card.y / layout.height)
            spans = (100 * card.width / layout.width, 100 * card.height / layout.height)
            left, top, width, height = (round(side, 3) for side in (*sides, *spans))
            boxes.append(LinkBox(href=href, title=node.title, left=left, top=top, width=width, height=height))
    return tuple(boxes)
