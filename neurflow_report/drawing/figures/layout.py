"""Where everything of a circuit's drawing stands: cards on a grid, one band a layer, links from port to port.

Pure geometry in CSS pixels, y down, origin at the top left; text widths are estimates on the wide side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from neurflow_report.drawing.view.model.graph import Diagram, Link, Node, Order


@dataclass(frozen=True, kw_only=True)
class Style:
    """The sizes of a drawing, in pixels.

    Attributes:
        label: the width of the layers' names.
        card, mosaic: the width of a card, and the side of the mosaic in it.
        wide: the width of a card without one that stands alone in its row.
        text, line: the height of a card's text with a title of one line, and of one more line.
        broad, fine: the width of a line along which all of the logit goes, and of the thinnest.
        rank, row: between two bands at the least, and a band's padding.
        foot: the height of the key.
        across: the most cards side by side; a band of more has several rows.
    """

    margin: float
    label: float
    card: float
    mosaic: float
    wide: float
    pad: float
    text: float
    line: float
    gap: float
    row: float
    inset: float
    least: float
    foot: float
    broad: float
    fine: float
    across: int = 10_000


FULL = Style(
    margin=1, label=92, card=140, mosaic=110, wide=200, pad=6, text=35, line=15, gap=12, row=38, inset=6, least=690,
    foot=34, broad=28, fine=0.8,
)  # fmt: skip
PRINT = FULL
SMALL = replace(
    FULL, label=110, card=58, mosaic=50, wide=150, pad=4, text=20, line=0, gap=8, row=52, inset=8, broad=18, fine=0.6,
    across=14,
)  # fmt: skip
COMPACT = replace(
    FULL, margin=2, label=0, card=44, mosaic=44, wide=44, pad=0, text=0, line=0, gap=10, row=26, inset=0, least=120,
    foot=0, broad=12,
)  # fmt: skip
TITLE = 12.0
"""Pixels of a card's text."""


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
    """A drawing's boxes: per band, per node, and the wires: those of the main path last, of the others the largest."""

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
        rank = len(_ranks(row, style))
        tall = rank * row_height(row, style) + (rank - 1) * style.gap
        box = Box(x=style.margin, y=y, width=width - 2 * style.margin, height=tall + 2 * style.inset)
        bands[name] = box
        cards.update(_place_row(row, box, style))
        y = box.bottom + style.row
    height = (y - style.row if rows else y) + style.foot + style.margin
    return Layout(width=width, height=height, bands=bands, cards=cards, wires=_wires(diagram, cards, style))


def row_height(row: Sequence[Node], style: Style) -> float:
    """How tall a row's cards are: mosaic and text; the logit alone has one line, in the compact style a short pill."""
    if not row:
        return style.text
    if alone(row, style):
        return style.text + 2 * style.pad if style.text else style.card / 2
    lines = max(len(title_lines(node.title, style)) for node in row) - 1
    return style.mosaic + style.text + 2 * style.pad + style.line * lines


def alone(row: Sequence[Node], style: Style) -> bool:
    """Whether the row is one node to be drawn as a line of text, beside a small patch: the logit."""
    return len(row) == 1 and (not row[0].tiles or (style.line > 0 and row[0].logit))


def title_lines(title: str, style: Style) -> list[str]:
    """A card's title, on two lines where it is too long for one and the style has room; shortened to fit."""
    room = style.card - 2 * style.pad
    if text_width(title, TITLE) <= room or not style.line:
        return [shorten(title, TITLE, room)]
    words = title.split(" ")
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    cuts = cuts or [(title, "")]
    first, second = min(cuts, key=lambda cut: max(text_width(part, TITLE) for part in cut))
    return [shorten(part, TITLE, room) for part in (first, second) if part]


def _card_width(row: Sequence[Node], style: Style) -> float:
    return style.wide if alone(row, style) else style.card


def _ranks(row: Sequence[Node], style: Style) -> list[Sequence[Node]]:
    """A band's nodes in rows of at most `across`: from left to right, of so many side by side the largest on top."""
    number = max(1, -(-len(row) // style.across))
    beside = [sorted(row[i : i + number], key=lambda node: -node.value) for i in range(0, len(row), number)]
    return [[some[rank] for some in beside if rank < len(some)] for rank in range(number)]


def _row_width(row: Sequence[Node], style: Style) -> float:
    """The width of a band's rows, of which every other one stands half a card to the right."""
    ranks = _ranks(row, style)
    step = _card_width(row, style) + style.gap
    return max(0.0, len(ranks[0]) * step - style.gap) + (step / 2 if len(ranks) > 1 else 0.0)


def _place_row(row: Sequence[Node], band: Box, style: Style) -> dict[str, Box]:
    """The cards of a band, centred in what its label leaves. What leads down from a card runs between two of the row
    below."""
    width, tall = _card_width(row, style), row_height(row, style)
    free = band.width - style.label - 2 * style.inset - _row_width(row, style)
    ranks = _ranks(row, style)
    y = band.y + (band.height - len(ranks) * tall - (len(ranks) - 1) * style.gap) / 2
    boxes = {}
    for number, rank in enumerate(ranks):
        x = band.x + style.label + style.inset + free / 2 + (number % 2) * (width + style.gap) / 2
        for node in rank:
            boxes[node.id] = Box(x=x, y=y, width=width, height=tall)
            x += width + style.gap
        y += tall + style.gap
    return boxes


def _wires(diagram: Diagram, cards: Mapping[str, Box], style: Style) -> tuple[Wire, ...]:
    links = sorted(diagram.links, key=lambda link: (link.main, link.flow, link.upper, link.lower))
    from_card: dict[str, list[int]] = {key: [] for key in cards}
    to_card: dict[str, list[int]] = {key: [] for key in cards}
    for i, link in enumerate(links):
        from_card[link.upper].append(i)
        to_card[link.lower].append(i)
    below = {key: _ports(numbers, links, cards, key, style) for key, numbers in from_card.items()}
    above = {key: _ports(numbers, links, cards, key, style) for key, numbers in to_card.items()}
    return tuple(
        Wire(
            link=link, x1=below[link.upper][i], y1=cards[link.upper].bottom,
            x2=above[link.lower][i], y2=cards[link.lower].y,
        )
        for i, link in enumerate(links)
    )  # fmt: skip


def thickness(link: Link, style: Style) -> float:
    """A line's width in pixels: proportional to its flow."""
    return max(style.fine, style.broad * link.flow)


def _ports(numbers: list[int], links: list[Link], cards: Mapping[str, Box], key: str, style: Style) -> dict[int, float]:
    """The x of every link's port on one edge of card `key`, side by side in the order of where the other ends are."""

    def other(number: int) -> tuple[float, int]:
        link = links[number]
        return cards[link.lower if link.upper == key else link.upper].middle, number

    box, order = cards[key], sorted(numbers, key=other)
    widths = [thickness(links[number], style) for number in order]
    room = box.width - 12 - sum(widths)
    gap = max(0.0, min(5.0, room / max(1, len(order) - 1)))
    x, places = box.middle - (sum(widths) + gap * (len(order) - 1)) / 2, {}
    for number, width in zip(order, widths, strict=True):
        places[number] = x + width / 2
        x += width + gap
    return places


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
