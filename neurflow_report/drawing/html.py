"""From page data to HTML: the templates, what they are given, and what of it depends on where the page will lie.

A page of the site and a section of the single file come from the same templates; a `Medium` says how they differ.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from neurflow_report.drawing.charts import chart_svg
from neurflow_report.drawing.diagram import Diagram, Tile, kept_order, paint
from neurflow_report.drawing.paint import windows
from neurflow_report.drawing.view.pages import (
    CircuitPage,
    ClassFidelityPage,
    ClassPage,
    FidelityPage,
    Forest,
    LayerPage,
    MethodPage,
    OverviewPage,
    Page,
    PicturesPage,
    ProvenancePage,
    Scatter,
    SearchPage,
    SiteView,
)
from neurflow_report.drawing.view.parts import Circuit, Plot
from neurflow_report.errors import InputError, Where

BOXES = "static/boxes.css"
Boxes = Mapping[tuple[float, float, float], str]
TEMPLATES: dict[type[Page], str] = {
    OverviewPage: "site/overview.html",
    ClassPage: "site/class.html",
    LayerPage: "site/layer.html",
    CircuitPage: "site/circuit.html",
    PicturesPage: "site/pictures.html",
    SearchPage: "site/search.html",
    FidelityPage: "site/fidelity.html",
    ClassFidelityPage: "site/evidence.html",
    MethodPage: "site/method.html",
    ProvenancePage: "site/provenance.html",
}
LOGOS = ("static/logo.svg", "static/logo.png")


@dataclass(frozen=True, kw_only=True)
class Medium:
    """Where a page will lie: how it links, how it shows patches and pictures, and how its drawings' ids begin.

    `url`: an address from the site's root as the page has to write it. `tile`: a patch; `whole`: a picture (its
    address, a text for it); `defined`: a picture under a name (name, address) for the page's drawings. `boxes`: the
    class of boxes.css for a place in a picture. `lead`: how the address of a picture's name begins. `offers`: whether
    the file at an address is there to be fetched.
    """

    url: Callable[[str], str]
    tile: Callable[[Tile], Markup]
    whole: Callable[[str, str], Markup]
    defined: Callable[[str, str], Markup]
    boxes: Boxes
    prefix: str = ""
    lead: str = "#"
    offers: Callable[[str], bool] = bool


def page_html(environment: jinja2.Environment, view: SiteView, page: Page, medium: Medium) -> str:
    """One page as HTML."""

    def circuit(drawing: Circuit) -> Markup:
        diagram = _linked_diagram(drawing.diagram, medium.url)
        name = medium.prefix + drawing.id
        shown = windows(lambda tile: f'<use href="{medium.lead}{tile.picture}"/>')
        return Markup(paint(diagram, kept_order(drawing.diagram), id_prefix=name, picture=shown))  # noqa: S704

    def plot(drawing: Plot | Forest | Scatter) -> Markup:
        return Markup(chart_svg(drawing, id_prefix=medium.prefix + drawing.id))  # noqa: S704

    return environment.get_template(TEMPLATES[type(page)]).render(
        site=view,
        page=page,
        circuit=circuit,
        plot=plot,
        box=medium.boxes.__getitem__,
        url=medium.url,
        tile=medium.tile,
        whole=medium.whole,
        defined=medium.defined,
        offers=medium.offers,
    )


def box_names(view: SiteView) -> dict[tuple[float, float, float], str]:
    """A class name for every place that a patch has in its picture: (left, top, side) in shares of the side."""
    found = {(p.left, p.top, p.side) for page in view.pictures for one in page.shown for p in one.places}
    return {box: f"b{number}" for number, box in enumerate(sorted(found))}


def box_rules(view: SiteView, names: Boxes) -> str:
    """The style sheet that says where those places are, in shares for the layout and in words for the reader."""
    words = {(p.left, p.top, p.side): p.text for page in view.pictures for one in page.shown for p in one.places}
    return "".join(
        f'.{name}{{--l:{b[0]:.5g};--t:{b[1]:.5g};--s:{b[2]:.5g};--at:"{words[b]}"}}\n' for b, name in names.items()
    )


def own_templates() -> Path:
    """The package's templates: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def static_files(templates: Path | None) -> dict[str, Path]:
    """Style, scripts, fonts and a logo, by address; a file of the user's stands in for the package's of that name."""
    found: dict[str, Path] = {}
    for folder in (own_templates(), templates):
        if folder is not None and (folder / "static").is_dir():
            found |= {f"static/{path.name}": path for path in (folder / "static").iterdir() if path.is_file()}
    return dict(sorted(found.items()))


def check_templates(templates: Path | None) -> None:
    """Raises InputError template-broken where the user's directory of templates is none."""
    if templates is not None and not os.path.isdir(templates):
        raise InputError(
            "template-broken",
            f"there is no directory of templates {templates.name!r}",
            hint="report.templates is relative to the spec's folder; docs/templates.md says what it holds",
            path=("report", "templates"),
        )


@contextmanager
def template_problems(templates: Path | None) -> Iterator[None]:
    """A mistake in a template of the user's becomes an InputError that says where; the package's own stay as they are.

    Raises: InputError template-broken.
    """
    try:
        yield
    except jinja2.TemplateError as error:
        place = _template_place(error, templates)
        if place is None:
            raise
        message = f"the template cannot be used: {error.message or type(error).__name__}"
        hint = "docs/templates.md says what a template is given"
        raise InputError("template-broken", message, hint=hint, where=place) from error


def _template_place(error: jinja2.TemplateError, templates: Path | None) -> Where | None:
    """The line of the user's template where it failed."""
    if templates is None:
        return None
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, jinja2.TemplateSyntaxError):
        frames.append((error.filename or "", error.lineno))
    own = [(Path(name), line) for name, line in frames if Path(name).is_relative_to(templates)]
    if not own:
        return None
    file, line = own[-1]
    return Where(file=str(Path(templates.name) / file.relative_to(templates)), line=line or 1, column=1)


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
    environment.globals["logo"] = next((name for name in LOGOS if name in static_files(templates)), "")
    return environment


def formula_html(text: str) -> Markup:
    """A formula of the method's page, escaped, with "φ_a" as φ and a subscript."""
    return Markup(re.sub(r"_(\w)", r"<sub>\1</sub>", str(escape(text))))  # noqa: S704 escaped just here


def _linked_diagram(diagram: Diagram, url: Callable[[str], str]) -> Diagram:
    """The drawing with the addresses of its links as a page has to write them."""
    nodes = tuple(replace(n, href=url(n.href) if n.href else None) for n in diagram.nodes)
    bands = tuple(replace(b, href=url(b.href) if b.href else None) for b in diagram.bands)
    return replace(diagram, nodes=nodes, bands=bands)
