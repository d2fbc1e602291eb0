"""The whole report as one HTML file that works from a disk: the site's pages as sections, and all they need inside.

Every picture is in it once; patches, drawings and the pages of pictures show it through its name. Tables are in it
as files to fetch. What a page's id was, `G1` of class/bee/layer3/index.html, is `bee-layer3--G1` here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from neurflow_report.drawing.figures.diagram import Tile
from neurflow_report.drawing.figures.mosaic import opened, stored
from neurflow_report.drawing.figures.paint import frame, window
from neurflow_report.drawing.view import SiteView, site_view
from neurflow_report.drawing.view.model.components import Page
from neurflow_report.drawing.write.atomic_write import write_file
from neurflow_report.drawing.write.downloads import captions_script, data_files
from neurflow_report.drawing.write.html import Boxes, Medium, box_names, box_rules, encodable, page_html
from neurflow_report.drawing.write.kept_pictures import kept_pictures
from neurflow_report.drawing.write.overwrite_guard import HTML_END, check_file_free
from neurflow_report.drawing.write.slim import slim
from neurflow_report.drawing.write.templates import Read, file_text, static_files
from neurflow_report.drawing.write.templates import template_environment as environment_of
from neurflow_report.results.bundle import Bundle

KINDS = {".csv": "text/csv", ".json": "application/json", ".dot": "text/vnd.graphviz", ".svg": "image/svg+xml"}
STYLES = ("static/site.css", "static/brand.css")
SCRIPTS = tuple(f"static/{name}.js" for name in ("site", "tables", "patches", "circuit", "search", "words", "why"))
LEAD = "#!"
"""How an address of the whole file begins until its page's own are made unique."""


def render_single(
    bundle: Bundle, target: Path, *, templates: Path | None = None, on_page: Callable[[int, int], None] | None = None
) -> int:
    """Write the report to the one file `target`, whole or not at all; the same bundle gives the same bytes.

    Returns: its size in bytes.
    Raises: what `render_site` raises.
    """
    check_file_free(target)
    data = slim(single_html(bundle, templates, on_page)).encode() + HTML_END
    write_file(target, data)
    return len(data)


def single_html(bundle: Bundle, templates: Path | None, on_page: Callable[[int, int], None] | None = None) -> str:
    """The report as one page."""
    view = site_view(bundle)
    environment, static = environment_of(templates), static_files(templates)
    pages, files = tuple(view.pages()), dict(_files(bundle, view))
    names, boxes = page_names(pages), box_names(view)
    sections = []
    for done, page in enumerate(pages, 1):
        medium = _medium(names, names[page.path], boxes, files)
        sections.append(_section(page_html(environment, view, page, medium), names[page.path]))
        if on_page is not None:
            on_page(done, len(pages))
    texts = {name: file_text(name, static[name], templates) for name in (*STYLES, *SCRIPTS)}
    style = "".join(inlined_style(texts[name], static) for name in STYLES)
    html = environment.get_template("site/single.html").render(
        site=view,
        pages=[
            {"page": page, "name": names[page.path], "html": Markup(html), "crumbs": _crumbs(page, names)}  # noqa: S704
            for page, html in zip(pages, sections, strict=True)
        ],
        url=lambda href: _address(href, names),
        style=Markup(style + box_rules(view, boxes)),  # noqa: S704 the package's own, or the user's
        scripts=Markup("\n".join(_scripts(view, texts))),  # noqa: S704
        pictures=Markup("".join(_pictures(bundle))),  # noqa: S704
        files=[{"id": f"file--{name}", "name": name, "href": address} for name, address in files.items()],
        icon=static_address("static/favicon.svg", static),
        logo=static_address(str(logo), static) if (logo := environment.globals["logo"]) else "",
    )
    return encodable(html)


def page_names(pages: tuple[Page, ...]) -> dict[str, str]:
    """By path a name for every page, of letters, digits and "-", and unique."""
    names: dict[str, str] = {}
    for page in pages:
        plain = re.sub(r"(^class/|/?index\.html$|\.html$)", "", page.path) or "overview"
        name = base = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-") or "page"
        number = 2
        while name in names.values():
            name, number = f"{base}-{number}", number + 1
        names[page.path] = name
    return names


def _medium(names: dict[str, str], own: str, boxes: Boxes, files: dict[str, str]) -> Medium:
    def url(href: str) -> str:
        return LEAD + _address(href, names).removeprefix("#")

    def tile(one: Tile) -> Markup:
        look = Markup(' class="whole {}"').format(boxes[one.left, one.top, one.side]) if one.outlined else ""
        shown = '<svg viewBox="{}"{} role="img" aria-label="{}"><use href="#!{}"/>{}</svg>'
        inside, text = Markup(frame(one)), one.text or f"patch {one.index}"  # noqa: S704 numbers
        return Markup(shown).format(window(one), look, text, one.picture, inside)  # noqa: S704

    def glimpse(one: Tile) -> Markup:
        inside = Markup(frame(one))  # noqa: S704 numbers
        shown = '<svg viewBox="{}" aria-hidden="true"><use href="#!{}"/>{}</svg>'
        return Markup(shown).format(window(one), one.picture, inside)  # noqa: S704 escaped by format

    def whole(file: str, alt: str) -> Markup:
        shown = '<svg viewBox="0 0 1 1" role="img" aria-label="{}"><use href="#!{}"/></svg>'
        return Markup(shown).format(alt, _picture_name(file))  # noqa: S704

    return Medium(
        url=url, tile=tile, glimpse=glimpse, whole=whole, defined=lambda _name, _file: Markup(), boxes=boxes,
        prefix=f"{own}--", lead=LEAD, offers=lambda href: href in files,
    )  # fmt: skip


def _address(href: str, names: dict[str, str]) -> str:
    """Where an address of the site stands in the file: a page, a place on one, or a file to fetch."""
    path, _, anchor = href.partition("#")
    if path not in names:
        return f"#file--{path}"
    return f"#{names[path]}--{anchor}" if anchor else f"#{names[path]}"


def _crumbs(page: Page, names: dict[str, str]) -> list[tuple[str, str]]:
    return [(span.text, _address(span.href, names)) for span in page.crumbs]


def _section(html: str, name: str) -> str:
    """What stands in a page's <main>, with ids and links to them that are unique in the file."""
    found = re.search(r"<main[^>]*>\n?(.*)</main>", html, flags=re.S)
    body = found[1] if found else ""
    own = re.escape(name)
    body = re.sub(rf' (id|for|aria-labelledby|aria-controls)="(?!{own}--)', rf' \1="{name}--', body)
    body = re.sub(rf'href="#(?!!|{own}--)', f'href="#{name}--', body)
    body = re.sub(rf"url\(#(?!{own}--)", f"url(#{name}--", body)
    body = body.replace('href="#!', 'href="#').replace('action="#!', 'action="#')
    return re.sub(r'(<a href="#[^"]*") download', r"\1", body)


def inlined_style(text: str, static: Mapping[str, Read]) -> str:
    """A style sheet with the fonts that it asks for inside."""

    def inside(found: re.Match[str]) -> str:
        name = f"static/{found[1]}"
        return f'url("{static_address(name, static)}")' if name in static else found[0]

    return re.sub(r"""url\(["']?([^"')]+)["']?\)""", inside, text)


def _scripts(view: SiteView, texts: Mapping[str, str]) -> Iterator[str]:
    for page in view.pictures:
        yield captions_script(page.captions).decode()
    for name in SCRIPTS:
        yield texts[name]


def _pictures(bundle: Bundle) -> Iterator[str]:
    """Every picture that is shown, under its name."""
    for address, file in kept_pictures(bundle):
        with opened(bundle, file) as shown:
            data = b64encode(stored(shown, "webp")).decode()
        yield (
            f'<image id="{_picture_name(address)}" href="data:image/webp;base64,{data}" width="1" height="1" '
            'preserveAspectRatio="none"/>\n'
        )


def _picture_name(file: str) -> str:
    """The name of the picture at an address: what `Tile.picture` is."""
    _, slug, _, name = file.split("/")
    return f"{slug}.{name.partition('.')[0]}"


def _files(bundle: Bundle, view: SiteView) -> Iterator[tuple[str, str]]:
    """The site's files of data and its drawings by their address, as addresses that hold them."""
    for name, data in data_files(bundle, view):
        yield name, f"data:{KINDS[Path(name).suffix]},{_percent(data.decode())}"


def _percent(text: str) -> str:
    """Text as an address holds it: only what an address or a quotation cannot hold is spelled out."""
    return quote(text, safe=" !$'()*+,-./:;=?@[]^_`{|}~")


def static_address(name: str, static: Mapping[str, Read]) -> str:
    """A file of `static_files` as an address that holds it."""
    kinds = {".woff2": "font/woff2", ".svg": "image/svg+xml", ".png": "image/png"}
    kind = kinds.get(Path(name).suffix, "application/octet-stream")
    return f"data:{kind};base64," + b64encode(static[name]()).decode()
