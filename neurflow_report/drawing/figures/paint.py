"""The circuit as an SVG to be inlined: bands, cards with mosaics, and links: sign is colour and dash, no effect dots.

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
    TITLE,
    Box,
    Layout,
    Style,
    Wire,
    alone,
    lay_out,
    shorten,
    text_width,
    thickness,
    title_lines,
)
from neurflow_report.drawing.view.model.components import columns_of
from neurflow_report.drawing.view.model.graph import Band, Diagram, Link, Node, Order, Tile
from neurflow_report.drawing.view.model.numbers import percent, percent_fine, signed

Picture = Callable[[Node, float, float, float], str]
"""A node's patches as SVG, in the square at (x, y) with that side."""
FAINT, LOOSE = "no effect shown", "not sure: may not be there on other pictures"
SECOND = 20
"""How far the key's second line stands below the first."""
SAMPLES = (0.05, 0.25, 0.5)
"""Flows of the key's lines."""
PALE = 0.3
"""The least opacity of a line beside the main path."""
DOT, GAP = 1.2, 2.2
"""Lengths along a line whose effect was not shown."""
FRAME = 0.05
"""Width of an outlined patch's frame, and how far it lies outside of the patch, in shares of the picture's side."""
FONT = "font-family:var(--font-sans,Inter,'DejaVu Sans',sans-serif)"
LOOK = """#ID{FONT}
#ID text{fill:var(--ink,#1c2430);font-size:12px}
#ID .m,#ID .k{fill:var(--muted,#5a6675)}
#ID .t{font-weight:600}
#ID .n{fill:var(--muted,#5a6675);font-size:13px;font-weight:600}
#ID .side .t{fill:var(--muted,#5a6675);font-weight:400}
#ID .side .pic{opacity:.85}
#ID .band{fill:var(--band,#f3f5f8)}
#ID .card{fill:var(--card,#ffffff);stroke:var(--line,#cbd4de);stroke-width:1}
#ID .main .card{stroke:var(--muted,#5a6675)}
#ID .loose{stroke:var(--muted,#5a6675);stroke-dasharray:5 4}
#ID .rail{fill:var(--line,#cbd4de)}
#ID .bar{fill:var(--ink,#1c2430)}
#ID .side .bar{fill:var(--muted,#5a6675)}
#ID .e,#ID .s{fill:none}
#ID .p{stroke:var(--positive,#2b6a99)}
#ID .q{stroke:var(--negative,#b5432f)}"""
LIVE = """#ID a:focus{outline:none}
#ID .inside{display:none}
#ID.both .inside{display:inline}
#ID.far :is(.t,.m){display:none}
#ID.far .n{font-size:calc(13px/var(--zoom))}
#ID .plate{fill:var(--card,#ffffff);fill-opacity:.94}
#ID.lit .e{stroke-opacity:.08}
#ID.lit .e.on{stroke-opacity:.9}
#ID.lit .pic{opacity:.3}
#ID.small.lit a[data-key]:not(.on){opacity:.3}
#ID.lit .card{stroke:var(--line,#cbd4de)}
#ID.lit .on .pic{opacity:1}
#ID.lit .on .t{fill:var(--ink,#1c2430)}
#ID.lit .on .card{stroke:var(--muted,#5a6675)}
#ID .own .card{stroke:var(--ink,#1c2430);stroke-width:2}
#ID.circuit.circuit a:is(:hover,:focus-visible,.pinned) .card{stroke:var(--accent,#2b6a99);stroke-width:2.5}"""


def paint(
    diagram: Diagram,
    order: Order,
    *,
    id_prefix: str,
    picture: Picture | None = None,
    compact: bool = False,
    interactive: bool = True,
    keyed: bool = True,
) -> str:
    """The drawing as SVG text, with its size in pixels; equal input gives equal text.

    Args:
        order: band name → node ids, left to right (`rank_order`).
        id_prefix: makes the ids unique within a page.
        picture: draws a node's patches (without it: windows on the stored pictures).
        compact: a thumbnail of mosaics and links, without text and without anchors.
        interactive: False is for print and for files: no links, and only what stands still.
        keyed: it says itself what its lines are; where not, `key` does beside it.
    """
    style = COMPACT if compact else SMALL if diagram.small else FULL if interactive else PRINT
    diagram = diagram if interactive and not compact else _unlinked(diagram)
    faint, loose = _told(diagram)
    if not keyed:
        style = replace(style, foot=0.0)
    elif (faint or loose) and style.foot:
        style = replace(style, foot=style.foot + SECOND)  # the key has a second line
    layout = lay_out(diagram, order, style)
    cards = _cards(diagram, layout, style, picture or windows(linked))
    body = [_bands(diagram, layout, style), _links(diagram, layout, style), cards]
    if keyed and not compact:
        body.append(_legend(layout, style, faint=faint, loose=loose))
    look = LOOK + ("\n" + LIVE if interactive and not compact else "")
    head = _head(diagram, layout, id_prefix, compact)
    rules = look.replace("FONT", FONT).replace("ID", id_prefix)
    return "\n".join([head, f"<style>{rules}</style>", *body, "</svg>"])


def key(diagram: Diagram) -> list[tuple[str, str]]:
    """What stands in a drawing's own key, to be set beside it: samples as SVG, and what each means."""
    style, (faint, loose) = SMALL if diagram.small else FULL, _told(diagram)
    found = [(_alone(26, _sample(flow, flow, style, 0, 9, 26)), percent(flow)) for flow in SAMPLES]
    found += [(_alone(30, _sample(0.1, way, style, 0, 9, 30)), text) for text, way in (("raises", 1), ("lowers", -1))]
    if faint:
        pair = "".join(_sample(0.1, way, style, at, 9, 26, faint=True) for at, way in ((0, 1), (32, -1)))
        found.append((_alone(58, pair), FAINT))
    if loose:
        found.append((_alone(22, '<rect class="card loose" x="1" y="2" width="20" height="14" rx="3"/>'), LOOSE))
    bar = '<rect class="rail" y="1" width="6" height="16" rx="2"/><rect class="bar" y="9" width="6" height="8" rx="2"/>'
    return [*found, (_alone(6, bar), "share of the class")]


def _alone(width: int, drawn: str) -> str:
    return f'<svg class="sample" width="{width}" height="18" viewBox="0 0 {width} 18" aria-hidden="true">{drawn}</svg>'


def _told(diagram: Diagram) -> tuple[bool, bool]:
    """Whether there are lines without an effect, and cards that may not be there on other pictures."""
    return any(link.faint for link in diagram.links), any(node.loose for node in diagram.nodes)


def _unlinked(diagram: Diagram) -> Diagram:
    bands = tuple(replace(band, href=None) for band in diagram.bands)
    nodes = tuple(replace(node, href=None, inside=()) for node in diagram.nodes)
    return replace(diagram, bands=bands, nodes=nodes)


def _head(diagram: Diagram, layout: Layout, id_prefix: str, compact: bool) -> str:
    width, height = _n(layout.width), _n(layout.height)
    role = "img" if compact else "group"
    look = " thumb" if compact else " small" if diagram.small else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{id_prefix}" class="circuit{look}" '
        f'role="{role}" aria-label="{escape(diagram.title)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n<title>{escape(diagram.title)}</title>'
    )


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


def _links(diagram: Diagram, layout: Layout, style: Style) -> str:
    number = {node.id: i for i, node in enumerate(diagram.nodes)}
    titles = {} if diagram.small else {node.id: node.named for node in diagram.nodes}
    return "\n".join(_wire(wire, style, number, titles) for wire in layout.wires)


def _wire(wire: Wire, style: Style, number: dict[str, int], titles: dict[str, str]) -> str:
    link, bend = wire.link, 0.5 * (wire.y2 - wire.y1)
    width = thickness(link, style)
    across, down = _n(wire.x2 - wire.x1, 1), wire.y2 - wire.y1
    path = f"M{_n(wire.x1, 1)} {_n(wire.y1, 1)}c0 {_n(bend, 1)} {across} {_n(down - bend, 1)} {across} {_n(down, 1)}"
    look = f'stroke-width="{_n(width)}" stroke-opacity="{_n(opacity(link))}"{_dash(link, width)}'
    ends = f"u{number[link.upper]} l{number[link.lower]} k{link.level}{' main' if link.main else ''}"
    head = f'<path class="e {sign_class(link)} {ends}" d="{path}" {look}'
    if not titles:
        return f"{head}/>"
    name = f"{titles[link.upper]} – {titles[link.lower]}: {percent_fine(link.flow)} of the logit"
    name += (", lowers" if link.signed < 0 else "") + ("" if link.weight is None else f", W {signed(link.weight)}")
    name += f"; {link.effect}" if link.effect else ""
    return f"{head}><title>{escape(name)}</title></path>"


def sign_class(link: Link) -> str:
    """`p` for what raises (or 0), `q` for what lowers."""
    return "p" if link.signed >= 0 else "q"


def opacity(link: Link) -> float:
    """0.8 to 0.95 on the main path, else pale (`PALE` to 0.55), by the flow; paler where no effect was shown."""
    if link.faint:
        return PALE + 0.1 * link.main
    return 0.8 + 0.15 * link.flow if link.main else PALE + (0.55 - PALE) * min(1.0, 2 * link.flow) ** 0.5


def _dash(link: Link, width: float) -> str:
    """Dashes for what lowers. Where no effect was shown, dots; of what lowers between the dashes."""
    if link.signed >= 0:
        return f' stroke-dasharray="{DOT} {GAP}"' if link.faint else ""
    return f' stroke-dasharray="{_n(4 + 0.6 * width)} {f"{GAP} {DOT} {GAP}" if link.faint else _n(2.5 + 0.4 * width)}"'


def _cards(diagram: Diagram, layout: Layout, style: Style, picture: Picture) -> str:
    if not style.text:
        return "\n".join(_thumb(node, layout.cards[node.id], picture) for node in diagram.nodes)
    number, path = {node.id: i for i, node in enumerate(diagram.nodes)}, diagram.main_path()
    return "\n".join(
        _card(f"c{number[node.id]} {'main' if node.id in path else 'side'}", node, layout.cards[node.id], style,
              picture, alone(row, style))
        for row in diagram.rows().values()
        for node in row
    )  # fmt: skip


def _thumb(node: Node, box: Box, picture: Picture) -> str:
    if not node.tiles:
        return f'<rect class="bar" {_rect(box)} rx="{_n(box.height / 2)}"/>'
    return f'<rect class="card" {_rect(box)}/>{picture(node, box.x, box.y, box.width)}'


def _card(look: str, node: Node, box: Box, style: Style, picture: Picture, single: bool) -> str:
    parts = [_sheet(box, 4), _sheet(box, 2)] if node.stack else []
    parts.append(f'<rect class="card{" loose" if node.loose else ""}" {_rect(box)} rx="6"/>')
    if single and style.line:
        parts.append(_line(node, box, style, picture))
    elif style.line:
        parts.append(_full(node, box, style, picture))
    else:
        parts.append(_small(node, box, style, picture))
    name = f"{node.named} · {percent(node.value)}"
    inside = f"<title>{escape(node.alt or name)}</title>" + "".join(parts)
    if node.href is None:
        return f'<g class="{look}">{inside}</g>'
    groups = f' data-groups="{escape(" ".join(node.groups))}"' if node.groups else ""
    return (
        f'<a class="{look}" href="{escape(node.href)}" aria-label="{escape(name)}" '
        f'data-key="{escape(node.id)}"{groups}>{inside}</a>'
    )


def _sheet(box: Box, by: float) -> str:
    """A card behind a stack's own."""
    behind = replace(box, x=box.x + by, y=box.y + by)
    return f'<rect class="card" {_rect(behind)} rx="6"/>'


def _pictured(node: Node, x: float, y: float, side: float, picture: Picture) -> str:
    return f'<g class="pic">{picture(node, x, y, side)}</g>' if node.tiles else ""


def _line(node: Node, box: Box, style: Style, picture: Picture) -> str:
    """The logit: a patch, its name, and that it is all."""
    side = box.height - 2 * style.pad
    left = box.x + style.pad + (side + 8 if node.tiles else 0)
    room, middle = box.x + box.width - style.pad - left, box.y + box.height / 2
    title = shorten(node.title, TITLE, room)
    return (
        _pictured(node, box.x + style.pad, box.y + style.pad, side, picture)
        + f'<text class="t" x="{_n(left)}" y="{_n(middle - 4)}">{escape(title)}</text> '
        f'<text class="m" x="{_n(left)}" y="{_n(middle + 13)}">{escape(node.shared)}</text>'
    )


def _full(node: Node, box: Box, style: Style, picture: Picture) -> str:
    """The mosaic with the share as a bar beside it, the title on one line or two, and the code with the share."""
    x, y, side = box.x + style.pad, box.y + style.pad, style.mosaic
    bar = box.x + box.width - style.pad - 6
    tall = max(2.0, side * min(1.0, max(0.0, node.value)))
    lines = title_lines(node.title, style)
    top = y + side + 16
    text = "".join(
        f'<text class="t" x="{_n(x)}" y="{_n(top + style.line * i)}">{escape(line)}</text> '
        for i, line in enumerate(lines)
    )
    return (
        _pictured(node, x, y, side, picture)
        + f'<rect class="rail" x="{_n(bar)}" y="{_n(y)}" width="6" height="{_n(side)}" rx="2"/>'
        f'<rect class="bar" x="{_n(bar)}" y="{_n(y + side - tall, 1)}" width="6" height="{_n(tall, 1)}" rx="2"/>'
        + text
        + f'<text class="m" x="{_n(x)}" y="{_n(top + style.line * len(lines))}">{escape(node.shared)}</text>'
        + _inside(node, x, y, side)
    )


def _inside(node: Node, x: float, y: float, side: float) -> str:
    """A group's strongest neurons on a plate over the mosaic, hidden until they are asked for."""
    if not node.inside:
        return ""
    tall = 16 * len(node.inside) + 6
    top = y + side - tall
    text = "".join(
        f' <text x="{_n(x + 5)}" y="{_n(top + 15 + 16 * i)}">{escape(line)}</text>'
        for i, line in enumerate(node.inside)
    )
    plate = f'<rect class="plate" x="{_n(x)}" y="{_n(top)}" width="{_n(side)}" height="{_n(tall)}"/>'
    return f'<g class="inside">{plate}{text}</g>'


def _small(node: Node, box: Box, style: Style, picture: Picture) -> str:
    """A patch, the code and the bar, without the value, which the title has."""
    x, room = box.x + style.pad, box.width - 2 * style.pad
    full = max(1.0, room * min(1.0, max(0.0, node.value)))
    bottom = box.bottom - style.pad
    code = f"+{node.stack}" if node.stack else node.subtitle or node.title
    return (
        (picture(node, x, box.y + style.pad, style.mosaic) if node.tiles else "")
        + f'<text class="t" x="{_n(x)}" y="{_n(bottom - 6)}">{escape(shorten(code, TITLE, room))}</text>'
        f'<rect class="bar" x="{_n(x)}" y="{_n(bottom - 2)}" width="{_n(full)}" height="2"/>'
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


def _legend(layout: Layout, style: Style, *, faint: bool, loose: bool) -> str:
    """Below the bands: what thin and thick, solid and dashed, and the bar mean; on a second line what dots mean where
    there are `faint` lines, and dashed outlines where there are `loose` cards."""
    y, x = layout.height - 13 - (SECOND if faint or loose else 0), 15.0
    parts = [_key("share of the logit along a line", x, y)]
    x += text_width("share of the logit along a line", TITLE) + 4
    for flow in SAMPLES:
        parts.append(_sample(flow, flow, style, x, y, 26) + _key(percent(flow), x + 31, y))
        x += 31 + text_width(percent(flow), TITLE) + 8
    x += 14
    for text, way in (("raises", 1), ("lowers", -1)):
        parts.append(_sample(0.1, way, style, x, y, 30) + _key(text, x + 35, y))
        x += 35 + text_width(text, TITLE) + 10
    below = 15.0
    if faint:
        parts += [_sample(0.1, way, style, below + at, y + SECOND, 26, faint=True) for at, way in ((0, 1), (32, -1))]
        parts.append(_key(FAINT, below + 63, y + SECOND))
        below += 63 + text_width(FAINT, TITLE) + 24
    if loose:
        outline = Box(x=below, y=y + SECOND - 7, width=20, height=14)
        parts.append(f'<rect class="card loose" {_rect(outline)} rx="3"/>' + _key(LOOSE, below + 25, y + SECOND))
    x += 10
    parts.append(
        f'<rect class="rail" x="{_n(x)}" y="{_n(y - 8)}" width="6" height="16" rx="2"/>'
        f'<rect class="bar" x="{_n(x)}" y="{_n(y)}" width="6" height="8" rx="2"/>' + _key("share", x + 11, y)
    )
    return f'<g aria-hidden="true">{"".join(parts)}</g>'


def _sample(flow: float, signed: float, style: Style, x: float, y: float, length: float, *, faint: bool = False) -> str:
    link = Link(upper="", lower="", flow=flow, signed=signed, main=True, faint=faint)
    width = thickness(link, style)
    return (
        f'<path class="s {sign_class(link)}" d="M{_n(x)} {_n(y)}H{_n(x + length)}" stroke-width="{_n(width)}" '
        f'stroke-opacity="{_n(opacity(link))}"{_dash(link, width)}/>'
    )


def _key(text: str, x: float, y: float) -> str:
    return f'<text class="k" x="{_n(x)}" y="{_n(y + 4)}">{escape(text)}</text>'


def _rect(box: Box) -> str:
    return f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}"'


def _n(value: float, decimals: int = 2) -> str:
    """A number with at most so many decimals, the same on every machine."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
