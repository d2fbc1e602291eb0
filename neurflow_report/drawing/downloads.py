"""The files beside the pages: every table as CSV and JSON, every drawing and plot as a picture of its own."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Callable, Mapping

from PIL import Image

from neurflow_report.drawing.charts import chart_svg
from neurflow_report.drawing.diagram import Node, kept_order, paint
from neurflow_report.drawing.figures import plain_colours
from neurflow_report.drawing.mosaic import encode, sheet
from neurflow_report.drawing.view.charts import Forest, Scatter
from neurflow_report.drawing.view.parts import Captions, Circuit, Data, Plot

CELL = 28
"""Pixels of a patch in a drawing that stands alone."""
ACROSS, QUALITY = 8, 65
"""Nodes a row of the picture inside such a drawing, and that picture's JPEG quality."""


def csv_bytes(table: Data) -> bytes:
    """A table as CSV: UTF-8, commas, one newline a row, nothing for a missing value."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.head, *table.rows])
    return text.getvalue().encode()


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


def circuit_svg(drawing: Circuit, pictures: Callable[[int], Image.Image]) -> bytes:
    """A drawing that stands alone: plain colours, no links, its patches inside. `pictures`: the class's, by number."""
    diagram = drawing.diagram
    sheets = {n.id: sheet(pictures, n.tiles, columns=3, cell=CELL) for n in diagram.nodes if n.tiles}
    places, whole = _gathered(sheets)
    name = f"{drawing.id}-patches"

    def picture(node: Node, x: float, y: float, side: float) -> str:
        box = " ".join(map(str, places[node.id]))
        frame = f'x="{x:.2f}" y="{y:.2f}" width="{side:.2f}" height="{side:.2f}" viewBox="{box}"'
        return f'<svg {frame}><use href="#{name}"/></svg>'

    svg = paint(diagram, kept_order(diagram), id_prefix=drawing.id, picture=picture, interactive=False)
    address = "data:image/jpeg;base64," + b64encode(encode(whole, "jpeg", QUALITY)).decode()
    size = f'width="{whole.width}" height="{whole.height}"'
    defs = f'<defs><image id="{name}" {size} href="{address}"/></defs>'
    return _alone(svg.replace("</title>", "</title>" + defs, 1))


def _gathered(sheets: Mapping[str, Image.Image]) -> tuple[dict[str, tuple[int, int, int, int]], Image.Image]:
    """All sheets on one, and where on it (left, top, width, height) each stands."""
    step = 8 + max((max(one.size) for one in sheets.values()), default=0)
    down = max(1, -(-len(sheets) // ACROSS))
    whole, places = Image.new("RGB", (ACROSS * step, down * step), (255, 255, 255)), {}
    for i, (name, one) in enumerate(sheets.items()):
        left, top = step * (i % ACROSS), step * (i // ACROSS)
        whole.paste(one, (left, top))
        places[name] = (left, top, one.width, one.height)
    return places, whole


def plot_svg(drawing: Plot | Forest | Scatter) -> bytes:
    """A plot that stands alone, in plain colours."""
    return _alone(chart_svg(drawing, id_prefix=drawing.id))


def _alone(svg: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + plain_colours(svg) + "\n").encode()
