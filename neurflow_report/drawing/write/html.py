"""From page data to HTML: what the templates are given, and what of it depends on where the page will lie.

A page of the site and a section of the single file come from the same templates; a `Medium` says how they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import jinja2
from markupsafe import Markup

from neurflow_report.drawing.figures.charts import chart_svg
from neurflow_report.drawing.figures.diagram import Diagram, Tile, kept_order, paint
from neurflow_report.drawing.figures.paint import key, windows
from neurflow_report.drawing.figures.plots import masking_legend
from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.view.model.charts import Forest, Scatter
from neurflow_report.drawing.view.model.components import Circuit, Page, Plot
from neurflow_report.drawing.view.pages import template_of

BOXES = "static/boxes.css"
Boxes = Mapping[tuple[float, float, float], str]


@dataclass(frozen=True, kw_only=True)
class Medium:
    """Where a page will lie: how it links, how it shows patches and pictures, and how its drawings' ids begin.

    Attributes:
        url: an address from the site's root as the page has to write it.
        tile: a patch.
        glimpse: a patch beside its name, which says what it is.
        whole: a picture (its address, a text for it).
        defined: a picture under a name (name, address) for the page's drawings.
        boxes: the class of boxes.css for a place in a picture.
        lead: how the address of a picture's name begins.
        offers: whether the file at an address is there to be fetched.
    """

    url: Callable[[str], str]
    tile: Callable[[Tile], Markup]
    glimpse: Callable[[Tile], Markup]
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
        return Markup(paint(diagram, kept_order(drawing.diagram), id_prefix=name, picture=shown, keyed=False))  # noqa: S704

    def circuit_key(drawing: Circuit) -> list[tuple[Markup, str]]:
        return [(Markup(sample), text) for sample, text in key(drawing.diagram)]  # noqa: S704

    def plot(drawing: Plot | Forest | Scatter, keyed: bool = True) -> Markup:
        return Markup(chart_svg(drawing, id_prefix=medium.prefix + drawing.id, keyed=keyed))  # noqa: S704

    def plot_key(name: str) -> Markup:
        return Markup(masking_legend(medium.prefix + name))  # noqa: S704

    html = environment.get_template(template_of(page)).render(
        site=view,
        page=page,
        circuit=circuit,
        circuit_key=circuit_key,
        plot=plot,
        plot_key=plot_key,
        box=medium.boxes.__getitem__,
        url=medium.url,
        tile=medium.tile,
        glimpse=medium.glimpse,
        whole=medium.whole,
        defined=medium.defined,
        offers=medium.offers,
    )
    return encodable(html)


def encodable(html: str) -> str:
    """What a template made, as it can be written: halves of characters, which its texts may hold, become `?`."""
    return html if html.isascii() else html.encode("utf-8", "replace").decode()


def box_names(view: SiteView) -> dict[tuple[float, float, float], str]:
    """A class name for every place that a patch has in its picture: (left, top, side) in shares of the side."""
    return {box: f"b{number}" for number, box in enumerate(sorted(view.places))}


def box_rules(view: SiteView, names: Boxes) -> str:
    """The style sheet that says where those places are, in shares for the layout and in words for the reader."""
    return "".join(
        f'.{name}{{--l:{b[0]:.5g};--t:{b[1]:.5g};--s:{b[2]:.5g};--at:"{view.places[b]}"}}\n'
        for b, name in names.items()
    )


def _linked_diagram(diagram: Diagram, url: Callable[[str], str]) -> Diagram:
    """The drawing with the addresses of its links as a page has to write them."""
    nodes = tuple(replace(n, href=url(n.href) if n.href else None) for n in diagram.nodes)
    bands = tuple(replace(b, href=url(b.href) if b.href else None) for b in diagram.bands)
    return replace(diagram, nodes=nodes, bands=bands)
