"""The site: every page, picture, drawing and table of a report, written as one folder that opens from a disk.

All links are relative and nothing is fetched from a host. The same bundle gives the same bytes; the clock stands on
the provenance page alone.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.render.diagram import Diagram, Tile, paint, rank_order, to_dot
from neurflow_report.render.downloads import captions_script, circuit_svg, csv_bytes, json_bytes, plot_svg
from neurflow_report.render.mosaic import stored
from neurflow_report.render.paint import windows
from neurflow_report.render.plots import masking_plot
from neurflow_report.render.view import SiteView, site_view
from neurflow_report.render.view.pages import (
    Circuit,
    ClassPage,
    FidelityPage,
    LayerPage,
    MethodPage,
    OverviewPage,
    Page,
    PicturesPage,
    Plot,
    ProvenancePage,
)
from neurflow_report.render.view.places import picture_file
from neurflow_report.results.bundle import Bundle

MARK = "static/site.css"
"""A folder that holds this file is a site, and may be replaced by a new one."""
BOXES = "static/boxes.css"
Boxes = Mapping[tuple[float, float, float], str]
TEMPLATES: dict[type[Page], str] = {
    OverviewPage: "site/overview.html",
    ClassPage: "site/class.html",
    LayerPage: "site/layer.html",
    PicturesPage: "site/pictures.html",
    FidelityPage: "site/fidelity.html",
    MethodPage: "site/method.html",
    ProvenancePage: "site/provenance.html",
}


@dataclass(frozen=True, kw_only=True)
class SiteSummary:
    """What was written: HTML pages, all files, and their size in bytes."""

    pages: int
    files: int
    bytes: int


def render_site(
    bundle: Bundle,
    target: Path,
    *,
    templates: Path | None = None,
    on_page: Callable[[int, int], None] | None = None,
    beside: Mapping[str, str] | None = None,
) -> SiteSummary:
    """Write the site of a bundle to the folder `target`, in place of a site that is there; whole or not at all.

    Args: templates: a folder searched before the package's own, for `site/*.html` and `static/*`;
    on_page: called after each page with (done, all); beside: files beside the site for the overview's downloads,
    label → address from the site's root (such as "../report.pdf").
    Raises: InputError output-unwritable (also where `target` holds something that is no site);
    RunError graphviz-missing; jinja2.TemplateError for a broken template of the user's.
    """
    view = site_view(bundle, beside=beside)
    files = site_files(bundle, view, templates=templates, on_page=on_page)
    sizes = _write(target.absolute(), files)
    return SiteSummary(pages=sum(1 for _ in view.pages()), files=len(sizes), bytes=sum(sizes))


def site_files(
    bundle: Bundle,
    view: SiteView,
    *,
    templates: Path | None = None,
    on_page: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Every file of the site: its path from the site's root, and its bytes."""
    environment = template_environment(templates)
    pages, boxes = tuple(view.pages()), box_names(view)
    yield BOXES, box_rules(boxes).encode()
    for done, page in enumerate(pages, 1):
        yield page.path, page_html(environment, view, page, boxes).encode()
        if on_page is not None:
            on_page(done, len(pages))
    yield from _drawn(bundle, view)
    yield from _static(templates)


def page_html(environment: jinja2.Environment, view: SiteView, page: Page, boxes: Boxes) -> str:
    """One page as HTML."""

    def url(href: str) -> str:
        return relative(page.path, href)

    def circuit(drawing: Circuit) -> str:
        diagram = _relative_diagram(drawing.diagram, url)
        return paint(diagram, _order(drawing.diagram), id_prefix=drawing.id, picture=windows(use))

    def plot(drawing: Plot) -> str:
        return masking_plot(drawing.rows, title=drawing.title, id_prefix=drawing.id)

    def tile(one: Tile) -> Markup:
        return window_html(url(one.file), one, boxes[one.left, one.top, one.side])

    def whole(file: str, alt: str) -> Markup:
        return Markup('<img src="{}" alt="{}" loading="lazy">').format(url(file), alt)

    def defined(name: str, file: str) -> Markup:
        image = '<image id="{}" href="{}" width="1" height="1" preserveAspectRatio="none"/>'
        return Markup(image).format(name, url(file))  # noqa: S704 escaped by format

    template = environment.get_template(TEMPLATES[type(page)])
    return template.render(
        site=view,
        page=page,
        url=url,
        circuit=circuit,
        plot=plot,
        tile=tile,
        whole=whole,
        defined=defined,
        box=boxes.__getitem__,
    )


def relative(path: str, href: str) -> str:
    """An address from the site's root as one from the page at `path`; a place on the page itself as its anchor."""
    file, mark, anchor = href.partition("#")
    if file == path and mark:
        return f"#{anchor}"
    place = posixpath.relpath(file, posixpath.dirname(path) or ".")
    return place + mark + anchor


def window_html(src: str, tile: Tile, box: str) -> Markup:
    """A patch: its picture, so enlarged and placed by the class `box` of boxes.css that its frame shows the patch."""
    return Markup('<img src="{}" alt="{}" class="{}">').format(src, f"patch {tile.index}", box)


def box_names(view: SiteView) -> dict[tuple[float, float, float], str]:
    """A class name for every place that a patch has in its picture: (left, top, side) in shares of the side."""
    found = {(p.left, p.top, p.side) for page in view.pictures for one in page.shown for p in one.places}
    return {box: f"b{number}" for number, box in enumerate(sorted(found))}


def box_rules(names: Mapping[tuple[float, float, float], str]) -> str:
    """The style sheet that says where those places are."""
    return "".join(f".{name}{{--l:{b[0]:.5g};--t:{b[1]:.5g};--s:{b[2]:.5g}}}\n" for b, name in names.items())


def use(tile: Tile) -> str:
    """A patch's picture within a drawing: the one that the page defines."""
    return f'<use href="#{tile.picture}"/>'


def own_templates() -> Path:
    """The package's templates: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def template_environment(templates: Path | None) -> jinja2.Environment:
    """Jinja with escaping on and unknown names refused; `templates` is searched before the package's own."""
    folders = [folder for folder in (templates, own_templates()) if folder is not None]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["formula"] = formula_html
    return environment


def formula_html(text: str) -> Markup:
    """A formula of the method's page, escaped, with "φ_a" as φ and a subscript."""
    return Markup(re.sub(r"_(\w)", r"<sub>\1</sub>", str(escape(text))))  # noqa: S704 escaped just here


@lru_cache(maxsize=64)
def _order(diagram: Diagram) -> dict[str, tuple[str, ...]]:
    return rank_order(diagram)


def _relative_diagram(diagram: Diagram, url: Callable[[str], str]) -> Diagram:
    """The drawing with the addresses of its links as seen from a page."""
    nodes = tuple(replace(n, href=url(n.href) if n.href else None) for n in diagram.nodes)
    bands = tuple(replace(b, href=url(b.href) if b.href else None) for b in diagram.bands)
    return replace(diagram, nodes=nodes, bands=bands)


def _drawn(bundle: Bundle, view: SiteView) -> Iterator[tuple[str, bytes]]:
    """Tables, drawings, plots and pictures."""
    for table in view.tables:
        yield table.file, csv_bytes(table)
        if table.json:
            yield table.json, json_bytes(table)
    for plotted in view.plots():
        yield plotted.svg, plot_svg(plotted)
    for number, page in enumerate(view.classes):
        pictures = regions(bundle, number)
        for drawing in (page.circuit, page.neurons):
            yield drawing.dot, to_dot(drawing.diagram).encode()
            yield drawing.svg, circuit_svg(drawing, pictures)
    for shown in view.pictures:
        yield shown.captions.script, captions_script(shown.captions)
    yield from _pictures(bundle)


def _pictures(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    """Every picture of which a patch is shown, once."""
    wanted = [
        (picture_file(result.slug, number), bundle.picture(picture.file))
        for result in bundle.classes
        for number, picture in enumerate(result.pictures)
        if picture.file is not None
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda one: (one[0], _stored(one[1])), wanted)


def _stored(path: Path) -> bytes:
    with Image.open(path) as opened:
        return stored(opened, "webp")


def regions(bundle: Bundle, number: int) -> Callable[[int], Image.Image]:
    """By picture number of one class: its region, read once and kept for a while."""

    @lru_cache(maxsize=256)
    def picture(image: int) -> Image.Image:
        file = bundle.classes[number].pictures[image].file
        if file is None:
            raise KeyError(f"picture {image} of {bundle.classes[number].name} has patches shown but no file")
        with Image.open(bundle.picture(file)) as opened:
            return opened.convert("RGB")

    return picture


def _static(templates: Path | None) -> Iterator[tuple[str, bytes]]:
    """Style, script and fonts; a file of the user's stands in for the package's of the same name."""
    found: dict[str, Path] = {}
    for folder in (own_templates(), templates):
        if folder is not None and (folder / "static").is_dir():
            found |= {path.name: path for path in (folder / "static").iterdir() if path.is_file()}
    for name, path in sorted(found.items()):
        yield f"static/{name}", path.read_bytes()


def _write(target: Path, files: Iterator[tuple[str, bytes]]) -> list[int]:
    """Write into a folder beside `target`, then put it in its place. Returns the sizes."""
    if target.exists() and not _replaceable(target):
        raise InputError(
            "output-unwritable",
            f"{target.name} exists and is no site of a report",
            hint="choose another folder, or move it away",
            path=("output",),
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        sizes = [_write_file(fresh / path, data) for path, data in files]
        fresh.chmod(0o755)
        _swap(fresh, target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return sizes


def _replaceable(target: Path) -> bool:
    return target.is_dir() and ((target / MARK).is_file() or not any(target.iterdir()))


def _write_file(path: Path, data: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(data)


def _swap(fresh: Path, target: Path) -> None:
    """Put `fresh` where `target` is; the old one is back if that fails."""
    if not target.exists():
        fresh.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.rename(old / "site")
    try:
        fresh.rename(target)
    except OSError:
        (old / "site").rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _unwritable(target: Path, error: OSError) -> InputError:
    return InputError(
        "output-unwritable",
        f"{target.name} cannot be written: {error.strerror or error}",
        hint="check the folder's permissions and the space on its disk",
        path=("output",),
    )
