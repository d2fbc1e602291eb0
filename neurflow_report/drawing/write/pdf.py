"""The report and its appendix as tagged PDFs (PDF/UA-1): the site's page data, set by WeasyPrint.

The report is for reading: a summary, two sheets a class, limits, method, provenance. The appendix has the rest. All of
it stands on A4. Everything is served from memory under a made-up host: no network, no folder of this machine in the
file, and the same bundle gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from html import escape
from pathlib import Path

from markupsafe import Markup

from neurflow_report.drawing.figures.charts import chart_svg
from neurflow_report.drawing.figures.diagram import Tile
from neurflow_report.drawing.figures.mosaic import opened, stored
from neurflow_report.drawing.figures.on_paper import PrintDrawing, plain_colours, print_drawings
from neurflow_report.drawing.figures.paint import frame, window, windows
from neurflow_report.drawing.view import SiteView, site_view
from neurflow_report.drawing.view.model.charts import Forest, Scatter
from neurflow_report.drawing.view.model.components import Circuit, Mosaic, Notice, Plot, Prose
from neurflow_report.drawing.view.pages.class_page import ClassPage, Outlined
from neurflow_report.drawing.view.pages.classes import ClassesPage
from neurflow_report.drawing.view.pages.overview import ClassRow
from neurflow_report.drawing.write.abridge import brief_words, in_full, rest_table
from neurflow_report.drawing.write.atomic_write import write_file
from neurflow_report.drawing.write.downloads import bundle_zip
from neurflow_report.drawing.write.glyphs import boxes_note
from neurflow_report.drawing.write.html import encodable
from neurflow_report.drawing.write.kept_pictures import kept_pictures
from neurflow_report.drawing.write.overwrite_guard import check_file_free
from neurflow_report.drawing.write.templates import LOGOS, Read, files_in, template_environment
from neurflow_report.drawing.write.typeset import PrintError, typeset
from neurflow_report.drawing.write.wide_tables import across, balanced, gathered
from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle

REPORT, APPENDIX = "print/report.html", "print/appendix.html"
"""The templates of the two files."""
TEMPLATES = ("report", "templates")
ASKED = "what is set in print may ask for the report's pictures, print/*.css, static/*.woff2 and the logo, nothing else"
WIDE, READABLE = 176.0, 58.0
"""Millimetres between the margins of a sheet, and the width of a plot under which its text is too small."""
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
        on_note: called with the characters that no font has.
    Returns: the number of pages.
    Raises:
        InputError missing-package without WeasyPrint or its system libraries, output-unwritable when `target` cannot be
            written, bundle-damaged for a missing or damaged picture, template-broken where a user's templates ask for
            what is not there.
        RunError graphviz-missing.
        PrintError where the fault is our own.
    """
    check_file_free(target)
    html, drawings = print_html(site_view(bundle), templates)
    attached = bundle_zip(bundle) if attach_bundle else None
    return _write(bundle, target, html, drawings, templates, attached, on_note)


def render_appendix(
    bundle: Bundle,
    target: Path,
    *,
    templates: Path | None = None,
    on_note: Callable[[str], None] | None = None,
) -> int:
    """Write the appendix, what the report of `bundle` leaves out, to the file `target`; as `render_pdf` does.

    Args: on_note: called with what is left out here, too, where there is too much of it to be shown whole.
    Returns: the number of pages.
    Raises: what `render_pdf` raises.
    """
    check_file_free(target)
    view = site_view(bundle)
    if on_note is not None and (left_out := brief_words(view)):
        on_note(f"{left_out} For all of them on paper, examine fewer classes or layers at a time.")
    html, drawings = print_html(view, templates, APPENDIX)
    del view  # setting the page needs the memory
    return _write(bundle, target, html, drawings, templates, None, on_note)


def _write(
    bundle: Bundle,
    target: Path,
    html: str,
    drawings: dict[str, Read],
    templates: Path | None,
    attached: bytes | None,
    on_note: Callable[[str], None] | None,
) -> int:
    boxes: set[str] = set()
    try:
        needed = () if templates else needed_files(drawings)
        data, pages = typeset(
            html, print_files(bundle, templates) | drawings, attached, needed=needed, on_box=boxes.add
        )
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


def print_html(view: SiteView, templates: Path | None, template: str = REPORT) -> tuple[str, dict[str, Read]]:
    """The report or the appendix as one HTML page for print, and its drawings by their address; its links are anchors
    within it.

    A drawing is a file of its own: inside the page each of its lines would be styled and laid out like a paragraph.
    """
    drawings: dict[str, Read] = {}

    def picture(svg: str, alt: str) -> Markup:
        name = f"drawing-{len(drawings)}.svg"
        drawings[name] = svg.encode
        return Markup('<img src="{}" alt="{}">').format(name, alt)

    def mosaic(shown: Mosaic, cell: float) -> Markup:
        return picture(_mosaic(shown, cell), shown.alt)

    def portrait(shown: Outlined, side: float) -> Markup:
        return picture(_portrait(shown, side), shown.caption)

    def whole(file: str, alt: str) -> Markup:
        return Markup('<img src="{}" alt="{}">').format(jpeg_name(file), alt)

    anchor = partial(_anchor, _anchors(view) if template == APPENDIX else _report_anchors(view))
    html = (
        template_environment(templates)
        .get_template(template)
        .render(
            view=view,
            site=view,
            rows=every_row(view),
            anchor=anchor,
            picture=picture,
            mosaic=mosaic,
            portrait=portrait,
            whole=whole,
            draw=partial(_draw, anchor=anchor),
            plot_svg=_plot_svg,
            masked_alone=masked_alone,
            small_plot=_small_plot,
            in_full=partial(in_full, view),
            brief_words=brief_words(view),
            rest_table=rest_table,
            unsaid=unsaid,
            across=across,
            gathered=gathered,
            balanced=balanced,
        )
    )
    return encodable(html), drawings


def unsaid(limits: Sequence[Notice], told: Sequence[Notice]) -> tuple[Notice, ...]:
    """The limits of a class without the sentences that the report's own limits have `told`, and without links to
    layers, which stand in the appendix; those that say nothing more are left out."""
    known = {sentence for notice in told for sentence in _sentences(notice.text)}
    left = [(notice, [one for one in _sentences(notice.text) if one not in known]) for notice in limits]
    return tuple(replace(notice, text=" ".join(own), places=_named(notice.places)) for notice, own in left if own)


def _named(places: Prose) -> Prose:
    """Places that say more than that a layer has a page."""
    return () if places and places[0].text.startswith("See") else places


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.;]) (?=[A-Z])", text)


def every_row(view: SiteView) -> tuple[ClassRow, ...]:
    """A row for every class, also where the site's overview shows but some of them."""
    if not view.overview.letters:
        return view.overview.rows
    rows = {row.href: row for page in view.every if isinstance(page, ClassesPage) for row in page.rows}
    return tuple(rows[page.path] for page in view.classes)


def print_files(bundle: Bundle, templates: Path | None) -> dict[str, Read]:
    """Everything the page may ask for, by its path: pictures as JPEG, made when read; the style sheet, the fonts."""
    files: dict[str, Read] = {}
    for address, file in kept_pictures(bundle):
        files[jpeg_name(address)] = lru_cache(maxsize=1)(partial(_jpeg, bundle, file))
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
        f'viewBox="{window(tile)}">{_shown(tile)}{frame(tile)}</svg>'
        for i, tile in enumerate(picture.tiles)
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.3f}mm" height="{height:.3f}mm" '
        f'viewBox="0 0 {width:.3f} {height:.3f}">'
    )
    return f"{head}{body}</svg>"


def _portrait(shown: Outlined, side: float) -> str:
    """A whole picture, `side` mm wide, with its patches outlined: dark on light, to be seen on any ground."""
    boxes = "".join(
        f'<rect x="{left:.4f}" y="{top:.4f}" width="{wide:.4f}" height="{wide:.4f}" fill="none" '
        f'stroke="{colour}" stroke-width="{width}"/>'
        for left, top, wide in shown.places
        for colour, width in (("#ffffff", 0.022), ("#1c2430", 0.009))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}mm" height="{side}mm" viewBox="0 0 1 1">'
        f'<image href="{escape(jpeg_name(shown.file))}" width="1" height="1" preserveAspectRatio="none"/>{boxes}</svg>'
    )


def _report_anchors(view: SiteView) -> dict[str, str]:
    """Site address → id in the report; a neuron group is to be found in its class's circuit."""
    known = {view.overview.path: "overview", view.method.path: "method", view.provenance.path: "provenance"}
    for page in view.classes:
        known[page.path] = _id(page.path)
        known |= {group_of: f"{_id(page.path)}-circuit" for group_of in _groups_on(page)}
    return known


def _groups_on(page: ClassPage) -> list[str]:
    return [f"{page.path}#{group.class_anchor}" for layer in page.layers for group in layer.groups]


def _anchors(view: SiteView) -> dict[str, str]:
    """Site address → id in the appendix, for every place that it has."""
    known = {view.overview.path: "overview", view.fidelity.path: "fidelity"}
    known |= {page.path: _id(page.path) for page in view.evidence}
    for page in view.classes:
        known[page.path] = _id(page.path)
        for layer in page.layers:
            known[layer.href] = _id(layer.href)
            for group in in_full(view, layer.groups):
                known |= dict.fromkeys((group.href, f"{page.path}#{group.class_anchor}"), _id(group.href))
    return known


def _anchor(known: Mapping[str, str], href: str | None) -> str:
    """`#id` of an address, of its page where print lacks the place itself, or ""."""
    address = href or ""
    name = known.get(address) or (known.get(address.split("#")[0]) if address.startswith("method/") else None)
    return f"#{name}" if name else ""


def _id(address: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", address.replace("/index.html", "")).strip("-")


def _draw(
    circuit: Circuit, prefix: str, tall: float, *, anchor: Callable[[str], str], wide: float = WIDE
) -> tuple[PrintDrawing, ...]:
    """A circuit's drawings, each made as large as `wide` × `tall` mm have room for."""
    drawn = print_drawings(circuit.diagram, id_prefix=f"{prefix}-{circuit.id}", picture=windows(_shown), anchor=anchor)
    return tuple(_fitted(one, wide, tall) for one in drawn)


def _fitted(drawing: PrintDrawing, wide: float, tall: float) -> PrintDrawing:
    scale = min(wide / drawing.width, tall / drawing.height)
    return replace(drawing, width=round(scale * drawing.width, 2), height=round(scale * drawing.height, 2))


def masked_alone(plot: Plot) -> Plot:
    """A class's plot of masking without that of retaining, for which a sheet has no room."""
    return replace(plot, rows=tuple(row for row in plot.rows if row.mode == "mask"))


def _small_plot(plot: Plot, prefix: str, wide: float, tall: float) -> str:
    """The plot within `wide` × `tall` mm, or "" where that would make it too small to be read."""
    svg = _plot_svg(plot, prefix, wide, tall)
    width = re.search(r'width="([\d.]+)mm"', svg)
    return svg if width is not None and float(width[1]) >= READABLE else ""


def _plot_svg(plot: Plot | Forest | Scatter, prefix: str, wide: float = 104.0, tall: float = 235.0) -> str:
    """The plot for paper: `wide` mm, less where it would be taller than `tall`, and plain colours."""
    svg = plain_colours(chart_svg(plot, id_prefix=f"{prefix}-{plot.id}"))

    def sized(found: re.Match[str]) -> str:
        width = min(wide, tall * int(found[1]) / int(found[2]))
        return f'width="{width:.2f}mm" height="{width * int(found[2]) / int(found[1]):.2f}mm"'

    return re.sub(r'width="(\d+)" height="(\d+)"', sized, svg, count=1)
