"""Where everything of a circuit's drawing stands: cards on a grid, one band a layer, links from port to port.

Pure geometry in CSS pixels, y down, origin at the top left; text widths are estimates on the wide side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from neurflow_report.drawing.view.model.graph import Diagram, Link, Node, Order


@dataclass(frozen=True, kw_only=True)
class Style:
    """The sizes of a drawing, in pixels."""

    margin: float
    label: float
    card: float
    wide: float
    pad: float
    text: float
    gap: float
    row: float
    inset: float
    least: float
    foot: float


FULL = Style(
    margin=1, label=120, card=120, wide=232, pad=7, text=40, gap=20, row=72, inset=12, least=640, foot=46,
)  # fmt: skip
PRINT = replace(FULL, row=50)
SMALL = Style(
    margin=1, label=110, card=58, wide=150, pad=4, text=20, gap=8, row=70, inset=8, least=640, foot=46,
)  # fmt: skip
COMPACT = Style(margin=2, label=0, card=44, wide=44, pad=0, text=0, gap=10, row=26, inset=0, least=120, foot=0)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A link from (x1, y1) on its upper card's bottom edge to (x2, y2) on its lower card's top edge."""

    link: Link
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A drawing's boxes: per band, per node, and the wires with the strongest last."""

    width: float
    height: float
    bands: Mapping[str, Box]
    cards: Mapping[str, Box]
    wires: tuple[Wire, ...]


def lay_out(diagram: Diagram, order: Order, style: Style) -> Layout:
    """The geometry of `diagram` with each band's nodes in `order` (band name → node ids, left to right)."""
    nodes = {node.id: node for node in diagram.nodes}
    rows = {band.name: [nodes[i] for i in order[band.name]] for band in diagram.bands}
    inner = max((_row_width(row, style) for row in rows.values()), default=0)
    inner = max(inner, style.least - style.label - 2 * style.inset - 2 * style.margin)
    width = inner + style.label + 2 * style.inset + 2 * style.margin
    bands, cards, y = {}, {}, style.margin
    for name, row in rows.items():
        tall = max((card_height(node, style) for node in row), default=style.text)
        box = Box(x=style.margin, y=y, width=width - 2 * style.margin, height=tall + 2 * style.inset)
        bands[name] = box
        cards.update(_place_row(row, box, style))
        y = box.bottom + style.row
    height = (y - style.row if rows else y) + style.foot + style.margin
    return Layout(width=width, height=height, bands=bands, cards=cards, wires=_wires(diagram, cards))


def card_height(node: Node, style: Style) -> float:
    """A card's height: mosaic and text; without a mosaic the text alone, in the compact style a short pill."""
    if not node.tiles:
        return style.text + 2 * style.pad if style.text else style.card / 2
    return style.card + style.text


def _card_width(row: list[Node], style: Style) -> float:
    return style.wide if len(row) == 1 and not row[0].tiles else style.card


def _row_width(row: list[Node], style: Style) -> float:
    return len(row) * _card_width(row, style) + max(0, len(row) - 1) * style.gap


def _place_row(row: list[Node], band: Box, style: Style) -> dict[str, Box]:
    """The cards of a row, centred in what the band's label leaves."""
    width = _card_width(row, style)
    free = band.width - style.label - 2 * style.inset - _row_width(row, style)
    x = band.x + style.label + style.inset + free / 2
    boxes = {}
    for node in row:
        tall = card_height(node, style)
        boxes[node.id] = Box(x=x, y=band.y + (band.height - tall) / 2, width=width, height=tall)
        x += width + style.gap
    return boxes


def _wires(diagram: Diagram, cards: Mapping[str, Box]) -> tuple[Wire, ...]:
    links = sorted(diagram.links, key=lambda link: (abs(link.weight), link.upper, link.lower))
    from_card: dict[str, list[int]] = {key: [] for key in cards}
    to_card: dict[str, list[int]] = {key: [] for key in cards}
    for i, link in enumerate(links):
        from_card[link.upper].append(i)
        to_card[link.lower].append(i)
    below = {key: _ports(numbers, links, cards, key) for key, numbers in from_card.items()}
    above = {key: _ports(numbers, links, cards, key) for key, numbers in to_card.items()}
    return tuple(
        Wire(
            link=link, x1=below[link.upper][i], y1=cards[link.upper].bottom,
            x2=above[link.lower][i], y2=cards[link.lower].y,
        )
        for i, link in enumerate(links)
    )  # fmt: skip


def _ports(numbers: list[int], links: list[Link], cards: Mapping[str, Box], key: str) -> dict[int, float]:
    """The x of every link's port on one edge of card `key`, in the order of where the links' other ends are."""

    def other(number: int) -> tuple[float, int]:
        link = links[number]
        return cards[link.lower if link.upper == key else link.upper].middle, number

    box = cards[key]
    step = min(8.0, (box.width - 20) / max(1, len(numbers) - 1))
    first = box.middle - step * (len(numbers) - 1) / 2
    return {number: first + step * i for i, number in enumerate(sorted(numbers, key=other))}


NARROW, BROAD = frozenset("fijlrtI1.,:;'|!()[]/·- "), frozenset("mwMW@%—…")


def text_width(text: str, size: float) -> float:
    """The width of `text` in pixels at font size `size`, on the wide side for Inter and DejaVu Sans alike."""
    return size * sum(_advance(letter) for letter in text)


def _advance(letter: str) -> float:
    if letter in NARROW:
        return 0.40
    if letter in BROAD:
        return 0.98
    return 0.72 if letter.isupper() else 1.0 if ord(letter) > 0x2E80 else 0.63


def shorten(text: str, size: float, room: float) -> str:
    """`text`, or its longest beginning that with an ellipsis fits into `room` pixels."""
    if text_width(text, size) <= room:
        return text
    cut = len(text)
    while cut and text_width(text[:cut].rstrip() + "…", size) > room:
        cut -= 1
    return text[:cut].rstrip() + "…"


def ending(text: str, size: float, room: float) -> str:
    """`text`, or its longest end that after an ellipsis fits into `room`: of a layer's name, the end tells more."""
    cut = 0
    while cut < len(text) and text_width("…" * (cut > 0) + text[cut:], size) > room:
        cut += 1
    return "…" + text[cut:].lstrip() if cut else text
