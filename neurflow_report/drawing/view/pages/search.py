"""Everything that has a name: classes, layers, neuron groups, neurons, and pictures with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import described
from neurflow_report.drawing.view.model.circuit_drawing import LEVEL
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Page, Span
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import LayerResult, NeuronGroup


@dataclass(frozen=True, kw_only=True)
class FoundLayer:
    """What of one layer can be found: its groups with what they show, and its neurons."""

    name: str
    href: str
    groups: tuple[tuple[Span, str], ...]
    neurons: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class FoundClass:
    """What of one class can be found; `pictures` with what is said of them."""

    name: str
    href: str
    anchor: str
    layers: tuple[FoundLayer, ...]
    pictures: tuple[tuple[Span, str], ...]


@dataclass(frozen=True, kw_only=True)
class SearchPage(Page):
    """Everything that has a name, as a list; a script finds in it."""

    lead: str
    classes: tuple[FoundClass, ...]


def search_page(indices: Sequence[Index]) -> SearchPage:
    """The page to find things on."""
    return SearchPage(
        path=urls.SEARCH,
        title="Search",
        description="Classes, layers, neuron groups, neurons and pictures by name",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Search",
        lead=prose("""
            Everything in this report that has a name: neurons as n and their channel (n31), neuron groups as G and
            their number (G2), layers, classes, and pictures with their labels.
        """),
        classes=tuple(_class(i) for i in indices),
    )


def _class(index: Index) -> FoundClass:
    slug = index.result.slug
    return FoundClass(
        name=index.result.name,
        href=urls.class_page(slug),
        anchor=slug,
        layers=tuple(_layer(index, layer) for layer in index.downward()),
        pictures=tuple(
            (Span(text=p.name, href=f"{urls.pictures(slug)}#i{number}"), described(p))
            for number, p in enumerate(index.result.pictures)
        ),
    )


def _layer(index: Index, layer: LayerResult) -> FoundLayer:
    slug = index.result.slug
    return FoundLayer(
        name=layer.name,
        href=urls.layer_page(slug, layer.name),
        groups=tuple(
            (Span(text=f"G{g.index}", href=urls.group(slug, layer.name, g.index)), _part(g)) for g in layer.groups
        ),
        neurons=tuple(
            Span(text=f"n{c}", href=urls.neuron(slug, layer.name, c)) for c in sorted(a.channel for a in layer.neurons)
        ),
    )


def _part(group: NeuronGroup) -> str:
    a = group.agreement
    return a.part if a is not None and a.p_value <= LEVEL else ""


PAGE = PageKind(
    name="search",
    template="site/search.html",
    build=lambda data: [search_page(data.indices)],
    order=100,
)
