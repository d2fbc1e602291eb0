"""A card: the picture of a report, or of a class, for where a link to it is shown (1200 × 630 pixels)."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageColor, ImageDraw

from neurflow_report.drawing.figures.letters import Letters
from neurflow_report.drawing.figures.mosaic import crop
from neurflow_report.drawing.figures.paint import FRAME
from neurflow_report.drawing.view.model.components import Card, CardColumn
from neurflow_report.drawing.view.model.graph import Tile

WIDE, TALL = 1200, 630
MARGIN, GAP, LINE = 56, 28, 3
TOP, MOST_CELL = 262, 112
LARGEST = 300_000
"""Bytes of a card, at most; colours are given up for it."""
COLOURS = (128, 64, 32, 16)
INK, MUTED, PAPER, RULE, ACCENT = "#1b1e22", "#596069", "#fcfcfa", "#dcdfdc", "#1d5c93"
WORDS = {
    "well supported": ("#22649a", 1.0),
    "partly supported": ("#22649a", 0.5),
    "weakly supported": ("#b23f2a", 0.0),
}
"""A verdict's colour, and how much of its disc is filled; the others are a grey ring."""
OWN = (INK, MUTED, PAPER, RULE, ACCENT, "#ffffff", "#111111", *dict.fromkeys(colour for colour, _ in WORDS.values()))
Pictures = Callable[[Tile], Image.Image]


def card_png(card: Card, pictures: Pictures, *, regular: Letters, bold: Letters) -> bytes:
    """The card as PNG, `LARGEST` bytes at most; equal input and fonts give equal bytes.

    Args: pictures: gives a tile's picture.
    """
    picture = Image.new("RGB", (WIDE, TALL), PAPER)
    draw = ImageDraw.Draw(picture)
    room = WIDE - 2 * MARGIN
    draw.rectangle((0, 0, WIDE, 9), fill=ACCENT)
    size, kicker = regular.fitted(card.kicker, 26, 22, room)
    regular.draw(draw, MARGIN, 74, kicker, size, MUTED)
    size, title = bold.fitted(card.title, 68, 36, room)
    bold.draw(draw, MARGIN, 152, title, size, INK)
    x = float(MARGIN)
    if card.word:
        x = _verdict(picture, draw, bold, (x, 212), card.word, 30, room)
    size, said = regular.fitted(card.said, 26, 20, WIDE - MARGIN - x)
    regular.draw(draw, x, 212, said, size, MUTED)
    _columns(picture, draw, card.columns, pictures, regular, bold)
    draw.line((MARGIN, 570, WIDE - MARGIN, 570), fill=RULE, width=2)
    size, foot = regular.fitted(card.foot, 22, 16, room)
    regular.draw(draw, MARGIN, 603, foot, size, MUTED)
    return _encoded(picture)


def _verdict(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    letters: Letters,
    place: tuple[float, int],
    word: str,
    size: int,
    room: float,
) -> float:
    """A verdict by shape, colour and word, its baseline at `place`; returns where what follows begins."""
    (x, y), side = place, round(0.8 * size)
    colour, filled = WORDS.get(word, (MUTED, 0.0))
    large = 8 * side  # drawn larger and made smaller: the pen has hard edges
    disc, ends = Image.new("L", (large, large), 0), (4, 4, large - 5, large - 5)
    pen = ImageDraw.Draw(disc)
    pen.ellipse(ends, outline=255, width=side)
    if filled:
        pen.pieslice(ends, 90, 90 + 360 * filled, fill=255)
    mask = disc.resize((side, side), Image.Resampling.LANCZOS)
    picture.paste(Image.new("RGB", mask.size, colour), (round(x), y - side + 1), mask)
    x += side + 10
    size, word = letters.fitted(word, size, 15, room - side - 10)
    letters.draw(draw, x, y, word, size, INK)
    return x + letters.width(word, size) + 20


def _columns(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    columns: tuple[CardColumn, ...],
    pictures: Pictures,
    regular: Letters,
    bold: Letters,
) -> None:
    number = max(3, len(columns))
    wide = (WIDE - 2 * MARGIN - GAP * (number - 1)) // number
    cell = min(MOST_CELL, (wide - 2 * LINE) // 3)
    for n, column in enumerate(columns):
        left = MARGIN + n * (wide + GAP)
        for i, tile in enumerate(column.tiles):
            place = (left + (i % 3) * (cell + LINE), TOP + (i // 3) * (cell + LINE))
            picture.paste(_patch(pictures(tile), tile, cell), place)
        y = TOP + 2 * cell + LINE + 34
        size, name = bold.fitted(column.name, 26, 20, wide)
        bold.draw(draw, left, y, name, size, INK)
        size, note = regular.fitted(column.note, 21, 17, wide)
        regular.draw(draw, left, y + 28, note, size, MUTED)
        if column.word:
            _verdict(picture, draw, regular, (left, y + 60), column.word, 20, wide)


def _patch(picture: Image.Image, tile: Tile, cell: int) -> Image.Image:
    """A patch, or its whole picture with the patch outlined."""
    shown = crop(picture, tile, cell)
    if tile.outlined and tile.side < 1:
        pen, wide = ImageDraw.Draw(shown), max(2.0, 0.7 * FRAME * cell)
        ends = [max(0.0, at * cell - wide) for at in (tile.left, tile.top)]
        ends += [min(cell - 1.0, (at + tile.side) * cell + wide) for at in (tile.left, tile.top)]
        pen.rectangle(tuple(ends), outline="#111", width=round(wide))
        pen.rectangle(tuple(ends), outline="#fff", width=round(wide / 2))
    return shown


def _encoded(picture: Image.Image) -> bytes:
    """With as many colours as fit, the card's own among them; the others are found on a sample of the pixels, which on
    all of them takes ten times as long."""
    sample, data = picture.resize((WIDE // 4, TALL // 4), Image.Resampling.NEAREST), b""
    for colours in COLOURS:
        found = sample.quantize(colours - len(OWN), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).getpalette()
        palette = Image.new("P", (1, 1))
        palette.putpalette([*(found or []), *(part for colour in OWN for part in ImageColor.getrgb(colour))])
        out = BytesIO()
        picture.quantize(palette=palette, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        data = out.getvalue()
        if len(data) <= LARGEST:
            break
    return data
