"""The files beside the pages: every table as CSV and JSON, every drawing and plot as a picture of its own."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from html import escape
from io import BytesIO

from PIL import Image

from neurflow_report.drawing.figures.card import card_png
from neurflow_report.drawing.figures.charts import chart_svg
from neurflow_report.drawing.figures.diagram import Node, Tile, kept_order, paint, to_dot
from neurflow_report.drawing.figures.layout import shorten
from neurflow_report.drawing.figures.letters import Letters
from neurflow_report.drawing.figures.mosaic import encode, opened, sheet
from neurflow_report.drawing.figures.on_paper import plain_colours
from neurflow_report.drawing.figures.paint import frame as tile_frame
from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.view.model.charts import Forest, Scatter
from neurflow_report.drawing.view.model.components import Captions, Circuit, Data, Plot
from neurflow_report.results.bundle import Bundle

Tiles = tuple[Tile, ...]
CELL = 24
"""Pixels of a patch in a drawing that stands alone: whole blocks of a JPEG."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
FOOT = 22
"""Pixels of the line below a drawing that stands alone."""
_SIZE = re.compile(
    r'width="(?P<wide>[\d.]+)" height="(?P<tall>[\d.]+)" viewBox="0 0 (?P<across>[\d.]+) (?P<down>[\d.]+)"'
)
ACROSS, QUALITY = 8, 65
"""Sheets a row of the picture inside such a drawing, and that picture's JPEG quality."""


def data_files(bundle: Bundle, view: SiteView) -> Iterator[tuple[str, bytes]]:
    """Every table, plot and circuit of the report as files of their own: address from the site's root, and bytes."""
    for table in view.tables:
        yield table.file, csv_bytes(table)
        if table.twin:
            yield table.json, json_bytes(table)
    for plotted in view.plots():
        yield plotted.svg, plot_svg(plotted, view.foot)
    for number, (page, whole) in enumerate(zip(view.classes, view.circuit_pages, strict=True), view.begin):
        pictures = regions(bundle, number)
        for drawn in (page.circuit, whole.neurons, whole.groups):
            yield drawn.svg, circuit_svg(drawn, pictures, view.foot)
    for drawing in view.circuits():
        yield drawing.dot, to_dot(drawing.diagram).encode()


def card_files(
    bundle: Bundle, view: SiteView, fonts: Mapping[str, Callable[[], bytes]], on_box: Callable[[str], None]
) -> Iterator[tuple[str, bytes]]:
    """The cards of the report and its classes: address, and bytes.

    Args:
        fonts: the files of the site, those of fonts among them.
        on_box: called with each character that no font has.
    """
    weights = {400: list[bytes](), 600: list[bytes]()}
    for name, read in fonts.items():
        for weight, found in weights.items():
            if name.endswith(f"-{weight}-normal.woff2"):
                found.append(read())
    regular, bold = Letters(tuple(weights[400])), Letters(tuple(weights[600]), bold=True)
    numbers = {result.slug: regions(bundle, number) for number, result in enumerate(bundle.classes)}
    for card in view.cards:
        yield card.file, card_png(card, lambda tile: numbers[tile.slug](tile.image), regular=regular, bold=bold)
    for character in sorted(regular.boxes | bold.boxes):
        on_box(character)


def bundle_zip(bundle: Bundle) -> bytes:
    """The bundle's files as a zip: sorted, without a clock, so that the same bundle gives the same bytes."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in sorted(bundle.files().items()):
            entry = zipfile.ZipInfo(f"bundle/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def regions(bundle: Bundle, number: int) -> Callable[[int], Image.Image]:
    """By picture number of one class: its region, read once and kept for a while."""

    @lru_cache(maxsize=256)
    def picture(image: int) -> Image.Image:
        file = bundle.classes[number].pictures[image].file
        if file is None:
            raise KeyError(f"picture {image} of {bundle.classes[number].name} has patches shown but no file")
        with opened(bundle, file) as shown:
            return shown.convert("RGB")

    return picture


def csv_bytes(table: Data) -> bytes:
    """A table as CSV: UTF-8, commas, one newline a row, nothing for a missing value. A text that a spreadsheet would
    run as a formula (a class may be called anything) stands behind an apostrophe; numbers stay, and so does the JSON.
    """
    text = io.StringIO()
    rows = ([_no_formula(cell) for cell in row] for row in [table.head, *table.rows])
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _no_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def json_bytes(table: Data) -> bytes:
    """A table as JSON: its columns' names, and a list a row; numbers as numbers, null for a missing value."""
    columns = json.dumps(table.head)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in table.rows)
    return f'{{"columns": {columns},\n"data": [\n{rows}\n]}}\n'.encode()


def captions_script(captions: Captions) -> bytes:
    """What a script says of the pictures of one class, as a script: a file opened from a disk may load no data."""
    value = json.dumps({"size": captions.size, "texts": captions.texts}, ensure_ascii=False, separators=(",", ":"))
    name = json.dumps(captions.slug)
    value = value.replace("<", "\\u003c")
    return f"(globalThis.captions ??= {{}})[{name}] = {value};\n".encode()


def circuit_svg(drawing: Circuit, pictures: Callable[[int], Image.Image], foot: str) -> bytes:
    """A drawing that stands alone: plain colours, no links, its patches inside, and `foot` below it. `pictures`: the
    class's, by number."""
    diagram = drawing.diagram
    sheets = {n.tiles: sheet(pictures, n.tiles, columns=3, cell=CELL) for n in diagram.nodes if n.tiles}
    places, whole = _gathered(sheets)

    def picture(node: Node, x: float, y: float, side: float) -> str:
        return _window(places[node.tiles], node.tiles, x, y, side)

    svg = paint(diagram, kept_order(diagram), id_prefix=drawing.id, picture=picture, interactive=False)
    address = "data:image/jpeg;base64," + b64encode(encode(whole, "jpeg", QUALITY)).decode()
    size = f'width="{whole.width}" height="{whole.height}"'
    defs = f'<defs><image id="p" {size} href="{address}"/></defs>'
    return _alone(svg.replace("</title>", "</title>" + defs, 1), foot)


def _gathered(sheets: Mapping[Tiles, Image.Image]) -> tuple[dict[Tiles, tuple[int, int, int, int]], Image.Image]:
    """All sheets on one, and where on it (left, top, width, height) each stands: JPEG likes whole blocks of pixels."""
    step = max((max(one.size) for one in sheets.values()), default=1)
    down = max(1, -(-len(sheets) // ACROSS))
    whole, places = Image.new("RGB", (ACROSS * step, down * step), (255, 255, 255)), {}
    for i, (tiles, one) in enumerate(sheets.items()):
        left, top = step * (i % ACROSS), step * (i // ACROSS)
        whole.paste(one, (left, top))
        places[tiles] = (left, top, one.width, one.height)
    return places, whole


def _window(box: tuple[int, int, int, int], tiles: Tiles, x: float, y: float, side: float) -> str:
    """A sheet in the middle of a square, with white lines between its patches, and those outlined that are to be."""
    across, down = box[2] // CELL, box[3] // CELL
    cell = side / max(across, down)
    wide, tall = across * cell, down * cell
    left, top = x + (side - wide) / 2, y + (side - tall) / 2
    frame = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" viewBox="{" ".join(map(str, box))}"'
    upright = "".join(f"M{left + i * cell:.1f} {top:.1f}v{tall:.1f}" for i in range(1, across))
    level = "".join(f"M{left:.1f} {top + i * cell:.1f}h{wide:.1f}" for i in range(1, down))
    gaps = f'<path d="{upright}{level}" stroke="#fff" stroke-width="2"/>' if upright + level else ""
    outlines = "".join(
        f'<svg x="{left + cell * (i % across):.1f}" y="{top + cell * (i // across):.1f}" width="{cell:.1f}" '
        f'height="{cell:.1f}" viewBox="0 0 1 1">{outline}</svg>'
        for i, tile in enumerate(tiles)
        if (outline := tile_frame(tile))
    )
    return f'<svg {frame}><use href="#p"/></svg>{gaps}{outlines}'


def plot_svg(drawing: Plot | Forest | Scatter, foot: str) -> bytes:
    """A plot that stands alone, in plain colours, and `foot` below it."""
    return _alone(chart_svg(drawing, id_prefix=drawing.id), foot)


def _alone(svg: str, foot: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + _with_foot(plain_colours(svg), foot) + "\n").encode()


def _with_foot(svg: str, foot: str) -> str:
    """The drawing with a line below it, made that much taller."""
    size = _SIZE.search(svg)
    if size is None:
        raise ValueError("the drawing does not say its size")
    shown, across, down = (float(size[name]) for name in ("wide", "across", "down"))
    unit = across / shown
    line = shorten(foot, 10, shown - 20)
    look = f"font-family:Inter,'DejaVu Sans',sans-serif;font-size:{10 * unit:.4g}px"
    place = f'x="{10 * unit:.4g}" y="{down + (FOOT - 7) * unit:.5g}"'
    text = f'<text {place} style="{look}" fill="#5a6675">{escape(line)}</text>'
    head = (
        f'width="{size["wide"]}" height="{float(size["tall"]) + FOOT:g}" '
        f'viewBox="0 0 {size["across"]} {down + FOOT * unit:.6g}"'
    )
    return svg[: size.start()] + head + svg[size.end() :].removesuffix("</svg>") + text + "</svg>"
