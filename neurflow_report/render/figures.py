"""Drawings made ready for paper: a page to stand on, a size in millimetres, plain colours, and boxes for links.

WeasyPrint loses links inside an SVG and knows no CSS custom properties in one, so both are settled here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from neurflow_report.render.dot import rank_order
from neurflow_report.render.graph import Diagram, Order
from neurflow_report.render.layout import FULL, Layout, lay_out
from neurflow_report.render.paint import paint

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


def print_drawing(
    diagram: Diagram, *, id_prefix: str, embed: Callable[[str], str], anchor: Callable[[str], str]
) -> PrintDrawing:
    """`diagram` for paper. `embed` maps image URLs; `anchor` maps site addresses to `#…`, or "" for what print lacks.

    Raises: RunError graphviz-missing.
    """
    order = rank_order(diagram)
    layout = lay_out(diagram, order, FULL)
    page, scale = fit(layout.width * MM, layout.height * MM)
    width, height = round(layout.width * MM * scale, 2), round(layout.height * MM * scale, 2)
    svg = _svg(diagram, order, id_prefix, embed)
    svg = re.sub(
        r'width="[\d.]+" height="[\d.]+" viewBox', f'width="{width}mm" height="{height}mm" viewBox', svg, count=1
    )
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


def _svg(diagram: Diagram, order: Order, id_prefix: str, embed: Callable[[str], str]) -> str:
    return plain_colours(paint(diagram, order, id_prefix=id_prefix, embed=embed, interactive=False))


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
