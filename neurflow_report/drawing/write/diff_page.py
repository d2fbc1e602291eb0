"""A comparison's files: diff.html, one file with all it needs inside, the same on paper, and diff.json."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from neurflow_report.comparison.records import Comparison
from neurflow_report.drawing.figures.mosaic import Format, crop, encode, opened
from neurflow_report.drawing.view.difference import Cut, difference
from neurflow_report.drawing.write.atomic_write import drawn
from neurflow_report.drawing.write.glyphs import boxes_note
from neurflow_report.drawing.write.html import encodable
from neurflow_report.drawing.write.overwrite_guard import HTML_END, check_file_free, unwritable
from neurflow_report.drawing.write.single_file import STYLES, inlined_style, static_address
from neurflow_report.drawing.write.templates import Read, file_text, files_in, static_files, template_environment
from neurflow_report.drawing.write.typeset import typeset
from neurflow_report.errors import InputError
from neurflow_report.ordinary import read_ordinary
from neurflow_report.results.bundle import Bundle

PAGE, PDF, DATA = "diff.html", "diff.pdf", "diff.json"
MADE_BY = "neurflow-report diff"
_LEAD = f'{{\n "made_by": "{MADE_BY}"'.encode()
CELL, PRINTED = 80, 120
"""Pixels a side of a patch on the page, and on paper."""


def page(found: Comparison, then: Bundle, now: Bundle) -> bytes:
    """The page, which asks for nothing from anywhere."""
    static, patch = static_files(None), _patches(then, now, CELL, "webp")

    def tile(cut: Cut) -> Markup:
        return Markup('<img src="data:image/webp;base64,{}" width="{}" height="{}" alt="{}">').format(
            b64encode(patch(cut)).decode(), CELL, CELL, cut.tile.text
        )

    style = "".join(inlined_style(file_text(name, static[name], None), static) for name in STYLES)
    html = (
        template_environment(None)
        .get_template("site/difference.html")
        .render(
            page=difference(found, then, now),
            tile=tile,
            style=Markup(style),  # noqa: S704 our own
            icon=static_address("static/favicon.svg", static),
        )
    )
    return encodable(html).encode() + HTML_END


def printed(
    found: Comparison, then: Bundle, now: Bundle, *, on_note: Callable[[str], None] = lambda _text: None
) -> bytes:
    """The same as a tagged PDF, on A4; equal comparisons give equal bytes.

    Args: on_note: called with the characters that no font has.
    Raises:
        InputError missing-package without WeasyPrint or its system libraries, bundle-damaged.
        PrintError where the fault is our own.
    """
    patch, files, boxes = _patches(then, now, PRINTED, "jpeg"), dict[str, Read](), set[str]()

    def tile(cut: Cut) -> Markup:
        name = f"patch-{len(files)}.jpeg"
        files[name] = partial(patch, cut)
        return Markup('<img src="{}" alt="{}">').format(name, cut.tile.text)

    template = template_environment(None).get_template("print/difference.html")
    html = encodable(template.render(page=difference(found, then, now), tile=tile))
    own = {name: read for name, read in files_in("print", None).items() if name.endswith(".css")}
    own |= {name: read for name, read in static_files(None).items() if name.endswith(".woff2")}
    try:
        made, _ = typeset(html, own | files, needed=tuple(files), on_box=boxes.add)
    except InputError as error:
        if error.slug != "missing-package":
            raise
        hint = f"{error.hint}, or leave {PDF} out: `--format html`"
        raise InputError(error.slug, error.message, hint=hint) from error
    if boxes:
        on_note(boxes_note(boxes, PDF))
    return made


def _patches(then: Bundle, now: Bundle, cell: int, form: Format) -> Callable[[Cut], bytes]:
    """What cuts a patch out of its picture, `cell` pixels a side."""

    @lru_cache(maxsize=8)
    def picture(bundle: int, file: str) -> Image.Image:
        with opened((then, now)[bundle], file) as shown:
            return shown

    return lambda cut: encode(crop(picture(cut.bundle, cut.picture), cut.tile, cell), form)


def data(found: Comparison, findings: Sequence[str], figures: Mapping[str, float]) -> bytes:
    """The same as JSON: the findings, the flat figures, and all that they come from."""
    values = {"made_by": MADE_BY, "findings": findings, "figures": figures, "comparison": asdict(found)}
    return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")


def check_diff_free(output: Path) -> None:
    """Check that the files of a comparison may be written to a folder.

    Raises: InputError output-unwritable where something else stands there.
    """
    for name in (PAGE, PDF):
        check_file_free(output / name)
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
