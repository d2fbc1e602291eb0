"""The circuit as an SVG to be inlined: bands, cards with mosaics, and links whose sign is colour and dash.

Colours are CSS custom properties with fallbacks, so the page's theme steers them; highlighting needs no script.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape

from neurflow_report.drawing.figures.layout import (
    COMPACT,
    FULL,
    PRINT,
    SMALL,
    Box,
    Layout,
    Style,
    Wire,
    lay_out,
    shorten,
    text_width,
)
from neurflow_report.drawing.view.model.components import columns_of
from neurflow_report.drawing.view.model.graph import Band, Diagram, Link, Node, Order, Tile
from neurflow_report.drawing.view.model.numbers import percent

Picture = Callable[[Node, float, float, float], str]
"""A node's patches as SVG, in the square at (x, y) with that side."""
SMALLEST = 9.5
"""Pixels of the smallest text on a card."""
FRAME = 0.05
"""Width of an outlined patch's frame, and how far it lies outside of the patch, in shares of the picture's side."""
FONT = "font-family:var(--font-sans,Inter,'DejaVu Sans',sans-serif)"
LOOK = """#ID{FONT}
#ID text{fill:var(--ink,#1c2430);font-size:12px}
#ID .m,#ID .k{fill:var(--muted,#5a6675);font-size:11px}
#ID .t{font-weight:600}
#ID .n{fill:var(--muted,#5a6675);font-size:13px;font-weight:600}
#ID .band{fill:var(--band,#f3f5f8)}
#ID .card{fill:var(--card,#ffffff);stroke:var(--line,#cbd4de);stroke-width:1}
#ID .rail{fill:var(--line,#cbd4de)}
#ID .bar{fill:var(--ink,#1c2430)}
#ID .e,#ID .s{fill:none}
#ID .p{stroke:var(--positive,#2b6a99)}
#ID .q{stroke:var(--negative,#b5432f)}"""
LIVE = """#ID .e{transition:none}
#ID a:is(:hover,:focus-visible) .card{stroke:var(--accent,#2b6a99);stroke-width:2}
#ID a:focus-visible{outline:none}"""


def paint(
    diagram: Diagram,
    order: Order,
    *,
    id_prefix: str,
    picture: Picture | None = None,
    compact: bool = False,
    interactive: bool = True,
) -> str:
    """The drawing as SVG text, with its size in pixels; equal input gives equal text.

    Args:
        order: band name → node ids, left to right (`rank_order`).
        id_prefix: makes the ids unique within a page.
        picture: draws a node's patches (without it: windows on the stored pictures).
        compact: a thumbnail of mosaics and links, without text and without anchors.
        interactive: False is for print: no links, no highlighting, rows closer.
    """
    style = COMPACT if compact else SMALL if diagram.small else FULL if interactive else PRINT
    diagram = diagram if interactive and not compact else _unlinked(diagram)
    layout = lay_out(diagram, order, style)
    cards = _cards(diagram, layout, style, picture or windows(linked))
    body = [_bands(diagram, layout, style), _links(diagram, layout), cards]
    if not compact:
        body.append(_legend(diagram, layout))
    look = LOOK + ("\n" + LIVE + _highlights(diagram) if interactive and not compact else "")
    head = _head(diagram, layout, id_prefix, compact)
    rules = look.replace("FONT", FONT).replace("ID", id_prefix)
    return "\n".join([head, f"<style>{rules}</style>", *body, "</svg>"])


def _unlinked(diagram: Diagram) -> Diagram:
    bands = tuple(replace(band, href=None) for band in diagram.bands)
    return replace(diagram, bands=bands, nodes=tuple(replace(node, href=None) for node in diagram.nodes))


def _head(diagram: Diagram, layout: Layout, id_prefix: str, compact: bool) -> str:
    width, height = _n(layout.width), _n(layout.height)
    role = "img" if compact else "group"
    look = " thumb" if compact else " small" if diagram.small else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{id_prefix}" class="circuit{look}" '
        f'role="{role}" aria-label="{escape(diagram.title)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n<title>{escape(diagram.title)}</title>'
    )


def _highlights(diagram: Diagram) -> str:
    """CSS: a card under the pointer or focus fades every link but its own; links know their ends by class."""
    fade = "&amp;:has([class^=c]:is(:hover,:focus-visible)) .e{stroke-opacity:.07}"
    rules = (
        f"&amp;:has(.c{i}:is(:hover,:focus-visible)) :is(.u{i},.l{i}){{stroke-opacity:1}}"
        for i in range(len(diagram.nodes))
    )
    return "\n#ID{" + "\n".join([fade, *rules]) + "}"


def _bands(diagram: Diagram, layout: Layout, style: Style) -> str:
    return "\n".join(_band(band, layout.bands[band.name], style) for band in diagram.bands if style.label)


def _band(band: Band, box: Box, style: Style) -> str:
    """The band's ground and its name, on two lines where it does not fit into one."""
    size, room = 13.0, style.label - 16
    lines = _two_lines(band.label, size, room)
    y = box.y + box.height / 2 + 4.5 - 8 * (len(lines) - 1)
    spans = "".join(
        f'<tspan x="{_n(box.x + 14)}" y="{_n(y + 16 * i)}">{escape(line)}</tspan>' for i, line in enumerate(lines)
    )
    text = f'<text class="n"><title>{escape(band.label)}</title>{spans}</text>'
    if band.href is not None:
        text = f'<a href="{escape(band.href)}">{text}</a>'
    return f'<rect class="band" {_rect(box)} rx="8"/>{text}'


def _two_lines(label: str, size: float, room: float) -> list[str]:
    """A layer's name, broken after the mark that leaves the shortest lines, where it is too long for one line."""
    if text_width(label, size) <= room:
        return [label]
    cuts = [i + 1 for i, mark in enumerate(label[:-1]) if mark in "._/ -"]
    if not cuts:
        return [shorten(label, size, room)]
    cut = min(cuts, key=lambda c: max(text_width(label[:c], size), text_width(label[c:], size)))
    return [shorten(part.strip(), size, room) for part in (label[:cut], label[cut:])]


def _links(diagram: Diagram, layout: Layout) -> str:
    number = {node.id: i for i, node in enumerate(diagram.nodes)}
    titles = {node.id: node.title for node in diagram.nodes}
    most = diagram.strongest()
    return "\n".join(_wire(wire, most, number, titles) for wire in layout.wires)


def _wire(wire: Wire, most: float, number: dict[str, int], titles: dict[str, str]) -> str:
    link, bend = wire.link, 0.5 * (wire.y2 - wire.y1)
    width, opacity = thickness(link, most)
    path = (
        f"M{_n(wire.x1)} {_n(wire.y1)}C{_n(wire.x1)} {_n(wire.y1 + bend)} "
        f"{_n(wire.x2)} {_n(wire.y2 - bend)} {_n(wire.x2)} {_n(wire.y2)}"
    )
    name = f"{titles[link.upper]} – {titles[link.lower]}: {link.weight:+.3f}"
    look = f'stroke-width="{_n(width)}" stroke-opacity="{_n(opacity)}"{_dash(link, width)}'
    return (
        f'<path class="e {sign_class(link)} u{number[link.upper]} l{number[link.lower]}" d="{path}" '
        f"{look}><title>{escape(name)}</title></path>"
    )


def sign_class(link: Link) -> str:
    """`p` for a weight of 0 or more, `q` for a negative one."""
    return "p" if link.weight >= 0 else "q"


def thickness(link: Link, most: float) -> tuple[float, float]:
    """Stroke width in pixels (0.8 to 6, as |w|^1.4) and opacity (0.35 to 0.95) beside the strongest link's |weight|."""
    share = abs(link.weight) / most
    return 0.8 + 5.2 * share**1.4, 0.35 + 0.6 * share


def _dash(link: Link, width: float) -> str:
    return "" if link.weight >= 0 else f' stroke-dasharray="{_n(4 + 1.2 * width)} {_n(2.5 + 0.8 * width)}"'


def _cards(diagram: Diagram, layout: Layout, style: Style, picture: Picture) -> str:
    if not style.text:
        return "\n".join(_thumb(node, layout.cards[node.id], picture) for node in diagram.nodes)
    return "\n".join(_card(i, node, layout.cards[node.id], style, picture) for i, node in enumerate(diagram.nodes))


def _thumb(node: Node, box: Box, picture: Picture) -> str:
    if not node.tiles:
        return f'<rect class="bar" {_rect(box)} rx="{_n(box.height / 2)}"/>'
    return f'<rect class="card" {_rect(box)}/>{picture(node, box.x, box.y, box.width)}'


def _card(i: int, node: Node, box: Box, style: Style, picture: Picture) -> str:
    inner, x = box.width - 2 * style.pad, box.x + style.pad
    parts = [f'<rect class="card" {_rect(box)} rx="6"/>']
    if node.tiles:
        parts.append(picture(node, x, box.y + style.pad, inner))
    top = box.bottom - style.pad - style.text + (6 if node.tiles else 0)
    parts.append((_card_text if style.text > SMALL.text else _small_text)(node, x, top, inner))
    name = ", ".join(part for part in (node.title, node.subtitle, percent(node.value)) if part)
    title = f"<title>{escape(node.alt or name)}</title>"
    inside = title + "".join(parts)
    if node.href is None:
        return f'<g class="c{i}">{inside}</g>'
    groups = f' data-groups="{escape(" ".join(node.groups))}"' if node.groups else ""
    return f'<a class="c{i}" href="{escape(node.href)}" aria-label="{escape(name)}"{groups}>{inside}</a>'


def _card_text(node: Node, x: float, top: float, room: float) -> str:
    """Two lines and the bar; `top` is the text's upper edge. The value stands beside the title, or below a long one."""
    value, full = percent(node.value), max(2.0, room * min(1.0, max(0.0, node.value)))
    narrow = room - text_width(value, 11) - 6
    below = text_width(node.title, 12.5) > narrow
    line = top + 25 if below else top + 11
    title = shorten(node.title, 12.5, room if below else narrow)
    size, subtitle = _fitted(node.subtitle, narrow if below else room)
    return (
        f'<text class="t" x="{_n(x)}" y="{_n(top + 11)}">{escape(title)}</text>'
        f'<text class="m" x="{_n(x + room)}" y="{_n(line)}" text-anchor="end">{escape(value)}</text>'
        f'<text class="m" x="{_n(x)}" y="{_n(top + 25)}"{size}>{escape(subtitle)}</text>'
        f'<rect class="rail" x="{_n(x)}" y="{_n(top + 32)}" width="{_n(room)}" height="3" rx="1.5"/>'
        f'<rect class="bar" x="{_n(x)}" y="{_n(top + 32)}" width="{_n(full)}" height="3" rx="1.5"/>'
    )


def _fitted(text: str, room: float) -> tuple[str, str]:
    """A card's second line: the look that it needs, and the text; set smaller before it is shortened."""
    size = 11.0
    while size > SMALLEST and text_width(text, size) > room:
        size -= 0.5
    return "" if size == 11 else f' style="font-size:{_n(size)}px"', shorten(text, size, room)


def _small_text(node: Node, x: float, top: float, room: float) -> str:
    """The name and the bar, without the value, which the title has."""
    full = max(1.0, room * min(1.0, max(0.0, node.value)))
    return (
        f'<text class="t" x="{_n(x)}" y="{_n(top + 6)}">{escape(shorten(node.title, 12.5, room))}</text>'
        f'<rect class="bar" x="{_n(x)}" y="{_n(top + 10)}" width="{_n(full)}" height="2"/>'
    )


def windows(shown: Callable[[Tile], str]) -> Picture:
    """Patches as windows on their stored pictures; `shown`: a tile's picture as SVG, in the unit square."""

    def draw(node: Node, x: float, y: float, side: float) -> str:
        cells = grid(len(node.tiles), x, y, side)
        return "".join(
            f'<svg x="{_n(left, 1)}" y="{_n(top, 1)}" width="{_n(cell, 1)}" height="{_n(cell, 1)}" '
            f'viewBox="{window(tile)}">{shown(tile)}{frame(tile)}</svg>'
            for tile, (left, top, cell) in zip(node.tiles, cells, strict=True)
        )

    return draw


def linked(tile: Tile) -> str:
    """A tile's picture, as an image at its address."""
    return f'<image href="{escape(tile.file)}" width="1" height="1" preserveAspectRatio="none"/>'


def window(tile: Tile) -> str:
    """A tile's window on its picture, in shares of the picture's side, as a viewBox: all of it where it is outlined."""
    return "0 0 1 1" if tile.outlined else f"{tile.left:.5g} {tile.top:.5g} {tile.side:.5g} {tile.side:.5g}"


def frame(tile: Tile) -> str:
    """The frame of an outlined tile, white on dark, in shares of the picture's side; nothing for one that is all of its
    picture."""
    if not tile.outlined or tile.side >= 1:
        return ""
    left, top = max(0.0, tile.left - FRAME), max(0.0, tile.top - FRAME)
    right, bottom = min(1.0, tile.left + tile.side + FRAME), min(1.0, tile.top + tile.side + FRAME)
    return "".join(
        f'<rect x="{left + w / 2:.5g}" y="{top + w / 2:.5g}" width="{right - left - w:.5g}" '
        f'height="{bottom - top - w:.5g}" fill="none" stroke="{colour}" stroke-width="{w:.5g}"/>'
        for colour, w in (("#111", FRAME), ("#fff", FRAME / 2))
    )


def grid(count: int, x: float, y: float, side: float) -> list[tuple[float, float, float]]:
    """Left, top and side of `count` cells in the middle of a square, at most three across."""
    across = columns_of(count, 3)
    gap = side / 52
    cell = (side - gap * (across - 1)) / across
    down = -(-count // across)
    top = y + (side - down * cell - (down - 1) * gap) / 2
    return [(x + (cell + gap) * (i % across), top + (cell + gap) * (i // across), cell) for i in range(count)]


def _legend(diagram: Diagram, layout: Layout) -> str:
    """Below the bands: what solid and dashed, thin and thick, and the bar mean."""
    y, x = layout.height - 18, 15.0
    most = diagram.strongest()
    parts = []
    for text, weight in (("positive weight", 0.6 * most), ("negative weight", -0.6 * most)):
        parts.append(_sample(weight, most, x, y, 34) + _key(text, x + 42, y))
        x += 42 + text_width(text, 11) + 18
    thin, thick = f"{0.1 * most:.2g}", f"{most:.2g}"
    parts.append(_key(f"|weight| {thin}", x, y))
    x += text_width(f"|weight| {thin}", 11) + 6
    parts += [_sample(share * most, most, x + 22 * i, y, 18) for i, share in enumerate((0.1, 0.4, 0.7, 1.0))]
    parts.append(_key(thick, x + 92, y))
    return f'<g aria-hidden="true">{"".join(parts)}</g>'


def _sample(weight: float, most: float, x: float, y: float, length: float) -> str:
    link = Link(upper="", lower="", weight=weight)
    width, opacity = thickness(link, most)
    return (
        f'<path class="s {sign_class(link)}" d="M{_n(x)} {_n(y)}H{_n(x + length)}" stroke-width="{_n(width)}" '
        f'stroke-opacity="{_n(opacity)}"{_dash(link, width)}/>'
    )


def _key(text: str, x: float, y: float) -> str:
    return f'<text class="k" x="{_n(x)}" y="{_n(y + 4)}">{escape(text)}</text>'


def _rect(box: Box) -> str:
    return f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}"'


def _n(value: float, decimals: int = 2) -> str:
    """A number with at most so many decimals, the same on every machine."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
