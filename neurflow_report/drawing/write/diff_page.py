"""A comparison's files: diff.html, one file with all it needs inside, and diff.json."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from neurflow_report.comparison.records import Comparison
from neurflow_report.drawing.figures.mosaic import crop, encode, opened
from neurflow_report.drawing.view.difference import Cut, difference
from neurflow_report.drawing.write.atomic_write import drawn
from neurflow_report.drawing.write.html import encodable
from neurflow_report.drawing.write.overwrite_guard import HTML_END, check_file_free, unwritable
from neurflow_report.drawing.write.single_file import STYLES, inlined_style, static_address
from neurflow_report.drawing.write.templates import file_text, static_files, template_environment
from neurflow_report.errors import InputError
from neurflow_report.ordinary import read_ordinary
from neurflow_report.results.bundle import Bundle

PAGE, DATA = "diff.html", "diff.json"
MADE_BY = "neurflow-report diff"
_LEAD = f'{{\n "made_by": "{MADE_BY}"'.encode()
CELL = 80
"""Pixels a side of a patch on the page."""


def page(found: Comparison, then: Bundle, now: Bundle) -> bytes:
    """The page, which asks for nothing from anywhere."""
    static, view = static_files(None), difference(found, then, now)

    @lru_cache(maxsize=8)
    def picture(bundle: int, file: str) -> Image.Image:
        with opened((then, now)[bundle], file) as shown:
            return shown

    def tile(cut: Cut) -> Markup:
        data = b64encode(encode(crop(picture(cut.bundle, cut.picture), cut.tile, CELL), "webp")).decode()
        return Markup('<img src="data:image/webp;base64,{}" width="{}" height="{}" alt="{}">').format(
            data, CELL, CELL, cut.tile.text
        )

    style = "".join(inlined_style(file_text(name, static[name], None), static) for name in STYLES)
    html = (
        template_environment(None)
        .get_template("site/difference.html")
        .render(
            page=view,
            tile=tile,
            style=Markup(style),  # noqa: S704 our own
            icon=static_address("static/favicon.svg", static),
        )
    )
    return encodable(html).encode() + HTML_END


def data(found: Comparison, findings: Sequence[str], figures: Mapping[str, float]) -> bytes:
    """The same as JSON: the findings, the flat figures, and all that they come from."""
    values = {"made_by": MADE_BY, "findings": findings, "figures": figures, "comparison": asdict(found)}
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")


def check_diff_free(output: Path) -> None:
    """Check that the files of a comparison may be written to a folder.

    Raises: InputError output-unwritable where something else stands there.
    """
    check_file_free(output / PAGE)
    target = output / DATA
    if not os.path.lexists(target):
        return
    try:
        ours = not target.is_symlink() and read_ordinary(target).startswith(_LEAD)
    except OSError as error:
        raise unwritable(target, error) from error
    if not ours:
        message = f"{DATA} exists and is no comparison of this program"
        raise InputError("output-unwritable", message, hint="move it away, or choose another folder", path=("output",))


def write_diff(output: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files, all or none.

    Raises: InputError output-unwritable.
    """
    check_diff_free(output)
    with drawn(output, list(contents)) as fresh:
        for name, content in contents.items():
            try:
                (fresh / name).write_bytes(content)
            except OSError as error:
                raise unwritable(output / name, error) from error
