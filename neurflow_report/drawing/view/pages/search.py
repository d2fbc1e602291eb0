"""Everything that has a name: classes, layers, neuron groups, neurons, and pictures with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import described
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Page, Span
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import LayerResult

MANY = 2000
"""Neurons of a report that are all listed; of more, each layer's are one line, and the script finds each of them."""


@dataclass(frozen=True, kw_only=True)
class FoundLayer:
    """What of one layer can be found: its groups with what they are called, and its neurons.

    Attributes:
        neurons: a link each, in a report that has not too many.
        channels: their channels where it has, parted by spaces; `words`: how many they are.
    """

    name: str
    href: str
    groups: tuple[tuple[Span, str], ...]
    neurons: tuple[Span, ...]
    channels: str
    words: str


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
    listed = sum(len(layer.neurons) for i in indices for layer in i.result.layers) <= MANY
    return SearchPage(
        path=urls.SEARCH,
        title="Search",
        description="Classes, layers, neuron groups, neurons and pictures by name",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Search",
        lead=prose("""
            Search the report: classes, layers, groups by name or number (G2), neurons by number (n31),
            and pictures with their labels.
        """),
        classes=tuple(_class(i, listed) for i in indices),
    )


def _class(index: Index, listed: bool) -> FoundClass:
    slug = index.result.slug
    return FoundClass(
        name=index.result.name,
        href=urls.class_page(slug),
        anchor=slug,
        layers=tuple(_layer(index, layer, listed) for layer in index.downward()),
        pictures=tuple(
            (Span(text=p.name, href=f"{urls.pictures(slug)}#i{number}"), described(p))
            for number, p in enumerate(index.result.pictures)
        ),
    )


def _layer(index: Index, layer: LayerResult, listed: bool) -> FoundLayer:
    slug = index.result.slug
    channels = sorted(a.channel for a in layer.neurons)
    return FoundLayer(
        name=layer.name,
        href=urls.layer_page(slug, layer.name),
        groups=tuple(
            (
                Span(text=f"G{g.index}", href=urls.group(slug, layer.name, g.index)),
                index.name(layer.name, g).text,
            )
            for g in layer.groups
        ),
        neurons=tuple(Span(text=f"n{c}", href=urls.neuron(slug, layer.name, c)) for c in channels if listed),
        channels="" if listed else " ".join(map(str, channels)),
        words="" if listed else f"{count(len(channels), 'neuron')}, n{channels[0]} to n{channels[-1]}",
    )


PAGE = PageKind(
    name="search",
    template="site/search.html",
    build=lambda data: [search_page(data.indices)],
    order=100,
)
