"""The report as a tagged PDF (PDF/UA-1): the site's page data, unfolded, set by WeasyPrint.

Everything is served from memory under a made-up host: no network, no folder of this machine in the file, and
the same bundle gives the same bytes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

from markupsafe import Markup

from neurflow_report.drawing.figures.charts import chart_svg
from neurflow_report.drawing.figures.diagram import Tile
from neurflow_report.drawing.figures.mosaic import opened, stored
from neurflow_report.drawing.figures.on_paper import plain_colours, print_drawings
from neurflow_report.drawing.figures.paint import window, windows
from neurflow_report.drawing.view import SiteView, site_view
from neurflow_report.drawing.view.model.charts import Forest, Scatter
from neurflow_report.drawing.view.model.components import Circuit, Mosaic, Plot
from neurflow_report.drawing.view.model.urls import picture_file
from neurflow_report.drawing.write.abridge import brief_words, rest_table, shown_groups
from neurflow_report.drawing.write.atomic_write import write_file
from neurflow_report.drawing.write.glyphs import boxes_note
from neurflow_report.drawing.write.html import encodable
from neurflow_report.drawing.write.overwrite_guard import check_file_free
from neurflow_report.drawing.write.templates import LOGOS, Read, files_in, template_environment
from neurflow_report.drawing.write.typeset import PrintError, typeset
from neurflow_report.drawing.write.wide_tables import across
from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle

TEMPLATES = ("report", "templates")
ASKED = "what is set in print may ask for the report's pictures, print/*.css, static/*.woff2 and the logo, nothing else"
_HREF = re.compile(r'<image href="([^"#]+)"')


def render_pdf(
    bundle: Bundle,
    target: Path,
    *,
    templates: Path | None = None,
    attach_bundle: bool = False,
    on_note: Callable[[str], None] | None = None,
) -> int:
    """Write the report of `bundle` to the file `target`, whole or not at all.

    The same bundle, fonts and WeasyPrint give the same bytes; the only clock in the file is the provenance's.

    Args:
        templates: a user's own directory, searched before the ones shipped.
        attach_bundle: put the bundle into the file, as bundle.zip.
        on_note: called with what is left out, where the report is too large to be shown whole, and with the characters
            that no font has.
    Returns: the number of pages.
    Raises:
        InputError missing-package without WeasyPrint or its system libraries, output-unwritable when `target` cannot be
            written, bundle-damaged for a missing or damaged picture, template-broken where a user's templates ask for
            what is not there.
        RunError graphviz-missing.
        PrintError where the fault is our own.
    """
    check_file_free(target)
    html, drawings = _unfolded(bundle, templates, on_note)
    attached = bundle_zip(bundle) if attach_bundle else None
    files = print_files(bundle, templates) | drawings
    boxes: set[str] = set()
    try:
        needed = () if templates else needed_files(drawings)
        data, pages = typeset(html, files, attached, needed=needed, on_box=boxes.add)
    except PrintError as error:
        if templates is None:
            raise
        raise InputError("template-broken", f"the PDF cannot be set: {error}", hint=ASKED, path=TEMPLATES) from error
    write_file(target, data)
    if on_note is not None and boxes:
        on_note(boxes_note(boxes))
    return pages


def needed_files(drawings: Mapping[str, Read]) -> tuple[str, ...]:
    """The drawings, and the pictures that they show: what a whole PDF has asked for."""
    shown = {name for read in drawings.values() for name in _HREF.findall(read().decode())}
    return (*drawings, *sorted(shown))


def _unfolded(
    bundle: Bundle, templates: Path | None, on_note: Callable[[str], None] | None
) -> tuple[str, dict[str, Read]]:
    """What `print_html` makes of a bundle. The page data ends here: setting the page needs the memory."""
    view = site_view(bundle)
    if on_note is not None and (left_out := brief_words(view)):
        on_note(f"{left_out} For all of them on paper, examine fewer classes or layers at a time.")
    return print_html(view, templates)


def print_html(view: SiteView, templates: Path | None) -> tuple[str, dict[str, Read]]:
    """The whole report as one HTML page for print, and its drawings by their address; its links are anchors within it.

    A drawing is a file of its own: inside the page each of its lines would be styled and laid out like a paragraph.
    """
    drawings: dict[str, Read] = {}

    def picture(svg: str, alt: str) -> Markup:
        name = f"drawing-{len(drawings)}.svg"
        drawings[name] = svg.encode
        return Markup('<img src="{}" alt="{}">').format(name, alt)

    def mosaic(shown: Mosaic, cell: float) -> Markup:
        return picture(_mosaic(shown, cell), shown.alt)

    anchor = partial(_anchor, _anchors(view))
    html = (
        template_environment(templates)
        .get_template("print/report.html")
        .render(
            view=view,
            site=view,
            model=view.overview.facts.rows[0][1].text,
            cover=_cover(view),
            anchor=anchor,
            picture=picture,
            mosaic=mosaic,
            draw=partial(_draw, anchor=anchor),
            plot_svg=_plot_svg,
            shown=shown_groups(view),
            brief_words=brief_words(view),
            rest_table=rest_table,
            across=across,
        )
    )
    return encodable(html), drawings


def bundle_zip(bundle: Bundle) -> bytes:
    """The bundle's files as a zip: sorted, without a clock, so that the same bundle gives the same bytes."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in sorted(bundle.files().items()):
            entry = zipfile.ZipInfo(f"bundle/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def print_files(bundle: Bundle, templates: Path | None) -> dict[str, Read]:
    """Everything the page may ask for, by its path: pictures as JPEG, made when read; the style sheet, the fonts."""
    files: dict[str, Read] = {}
    for result in bundle.classes:
        for number, picture in enumerate(result.pictures):
            if picture.file is not None:
                read = partial(_jpeg, bundle, picture.file)
                files[jpeg_name(picture_file(result.slug, number))] = lru_cache(maxsize=1)(read)
    files |= {name: read for name, read in files_in("print", templates).items() if name.endswith(".css")}
    static = files_in("static", templates)
    return files | {name: read for name, read in static.items() if name.endswith(".woff2") or name in LOGOS}


def _jpeg(bundle: Bundle, file: str) -> bytes:
    """A picture for print: JPEG, since a PDF holds other formats inflated."""
    with opened(bundle, file) as picture:
        return stored(picture, "jpeg")


def jpeg_name(name: str) -> str:
    """The name in print of a stored picture."""
    return re.sub(r"\.\w+$", ".jpeg", name)


def _shown(tile: Tile) -> str:
    return f'<image href="{jpeg_name(tile.file)}" width="1" height="1" preserveAspectRatio="none"/>'


def _mosaic(picture: Mosaic, cell: float) -> str:
    """A mosaic with cells of `cell` mm, as one drawing."""
    across, gap = picture.across, cell / 28
    down = -(-len(picture.tiles) // across)
    step = cell + gap
    width, height = across * step - gap, down * step - gap
    body = "".join(
        f'<svg x="{step * (i % across):.3f}" y="{step * (i // across):.3f}" width="{cell:.3f}" height="{cell:.3f}" '
        f'viewBox="{window(tile)}">{_shown(tile)}</svg>'
        for i, tile in enumerate(picture.tiles)
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.3f}mm" height="{height:.3f}mm" '
        f'viewBox="0 0 {width:.3f} {height:.3f}">'
    )
    return f"{head}{body}</svg>"


def _cover(view: SiteView) -> tuple[Mosaic, ...]:
    """The weightiest groups' mosaics, one a class, at most five."""
    return tuple(card.mosaics[0] for card in view.overview.cards if card.mosaics)[:5]


def _anchors(view: SiteView) -> dict[str, str]:
    """Site address → id in print, for every place that print has."""
    known = {view.overview.path: "overview", view.fidelity.path: "fidelity", view.method.path: "method"}
    known[view.provenance.path] = "provenance"
    known |= {page.path: _id(page.path) for page in view.evidence}
    for page in view.classes:
        known[page.path] = _id(page.path)
        for layer in page.layers:
            known[layer.href] = _id(layer.href)
            known.update({group.href: _id(group.href) for group in layer.groups[: shown_groups(view)]})
    return known


def _anchor(known: Mapping[str, str], href: str | None) -> str:
    """`#id` of an address, of its page where print lacks the place itself, or ""."""
    address = href or ""
    name = known.get(address) or (known.get(address.split("#")[0]) if address.startswith("method/") else None)
    return f"#{name}" if name else ""


def _id(address: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", address.replace("/index.html", "")).strip("-")


def _draw(circuit: Circuit, prefix: str, *, anchor: Callable[[str], str]) -> Any:
    return print_drawings(circuit.diagram, id_prefix=f"{prefix}-{circuit.id}", picture=windows(_shown), anchor=anchor)


def _plot_svg(plot: Plot | Forest | Scatter, prefix: str) -> str:
    """The plot for paper: 130 mm wide, or as wide as the page is tall enough for; plain colours."""
    svg = plain_colours(chart_svg(plot, id_prefix=f"{prefix}-{plot.id}"))

    def sized(found: re.Match[str]) -> str:
        wide, tall = int(found[1]), int(found[2])
        width = min(130.0, 225 * wide / tall)
        return f'width="{width:.4g}mm" height="{width * tall / wide:.2f}mm"'

    return re.sub(r'width="(\d+)" height="(\d+)"', sized, svg, count=1)
