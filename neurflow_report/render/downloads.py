"""The files beside the pages: every table as CSV and JSON, every drawing and plot as a picture of its own."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Callable

from neurflow_report.render.diagram import paint, rank_order
from neurflow_report.render.figures import plain_colours
from neurflow_report.render.plots import masking_plot
from neurflow_report.render.view.pages import Circuit, Data, Plot


def csv_bytes(table: Data) -> bytes:
    """A table as CSV: UTF-8, commas, one newline a row, nothing for a missing value."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.head, *table.rows])
    return text.getvalue().encode()


def json_bytes(table: Data) -> bytes:
    """A table as JSON: a list with an object a row, numbers as numbers, null for a missing value."""
    rows = (json.dumps(dict(zip(table.head, row, strict=True)), ensure_ascii=False) for row in table.rows)
    return ("[" + ",\n".join(rows) + "]\n").encode()


def circuit_svg(drawing: Circuit, picture: Callable[[str], bytes]) -> bytes:
    """A drawing that stands alone: plain colours, no links, its pictures inside; `picture` gives them as JPEG."""

    def embed(file: str) -> str:
        return "data:image/jpeg;base64," + b64encode(picture(file)).decode()

    diagram = drawing.diagram
    svg = paint(diagram, rank_order(diagram), id_prefix=drawing.id, embed=embed, interactive=False)
    return _alone(svg)


def plot_svg(drawing: Plot) -> bytes:
    """A plot that stands alone, in plain colours."""
    return _alone(masking_plot(drawing.rows, title=drawing.title, id_prefix=drawing.id))


def _alone(svg: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + plain_colours(svg) + "\n").encode()
