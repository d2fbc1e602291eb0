"""Everything that has a name: classes, layers, neuron groups, neurons, and pictures with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import described
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Page, Span
from neurflow_report.drawing.view.model.graph import Tile
from neurflow_report.drawing.view.model.numbers import count, percent
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.pages.class_page import picture_of
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import LayerResult, Neuron, NeuronGroup

MANY = 2000
"""Neurons of a report that are all listed; of more, each layer's are one line, and the script finds each of them."""
PICTURED = 1000
"""Neurons of a report, at most, that are listed with a patch each."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A neuron group or a neuron: its link, what it is called, its share in words, and its first patch."""

    link: Span
    called: str
    share: str
    tile: Tile | None


@dataclass(frozen=True, kw_only=True)
class FoundLayer:
    """What of one layer can be found: its groups and its neurons.

    Attributes:
        neurons: in a report that has not too many.
        channels: their channels where it has, parted by spaces; `words`: how many they are.
    """

    name: str
    href: str
    groups: tuple[Found, ...]
    neurons: tuple[Found, ...]
    channels: str
    words: str


@dataclass(frozen=True, kw_only=True)
class FoundPicture:
    """A picture: its link, what is said of it, and where it is stored; "" where no patch of it is shown."""

    link: Span
    said: str
    file: str


@dataclass(frozen=True, kw_only=True)
class FoundClass:
    """What of one class can be found; `thumb`: a picture that stands for it, `words`: how much there is."""

    name: str
    href: str
    anchor: str
    thumb: str
    words: str
    layers: tuple[FoundLayer, ...]
    pictures: tuple[FoundPicture, ...]


@dataclass(frozen=True, kw_only=True)
class SearchPage(Page):
    """Everything that has a name, as a list; a script finds in it."""

    lead: str
    classes: tuple[FoundClass, ...]


def search_page(indices: Sequence[Index]) -> SearchPage:
    """The page to find things on."""
    neurons = sum(len(layer.neurons) for i in indices for layer in i.result.layers)
    return SearchPage(
        path=urls.SEARCH,
        title="Search",
        description="Classes, layers, neuron groups, neurons and pictures by name",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Search",
        lead=prose("""
            Classes, layers, neuron groups by name or number (G2), neurons by number (n31), and pictures with their
            labels. Several words narrow it down: “G1 block3”.
        """),
        classes=tuple(_class(i, neurons <= MANY, neurons <= PICTURED) for i in indices),
    )


def _class(index: Index, listed: bool, pictured: bool) -> FoundClass:
    result, slug = index.result, index.result.slug
    image = picture_of(index)
    groups = sum(len(layer.groups) for layer in result.layers[:-1])
    neurons = sum(len(layer.neurons) for layer in result.layers[:-1])
    return FoundClass(
        name=result.name,
        href=urls.class_page(slug),
        anchor=slug,
        thumb=urls.picture_file(slug, image) if image is not None else "",
        words=f"{count(groups, 'neuron group')} and {count(neurons, 'neuron')}, layer by layer",
        layers=tuple(_layer(index, layer, listed, pictured) for layer in index.downward()),
        pictures=tuple(
            FoundPicture(
                link=Span(text=p.name, href=f"{urls.pictures(slug)}#i{number}"),
                said=described(p),
                file=urls.picture_file(slug, number) if p.file is not None else "",
            )
            for number, p in enumerate(result.pictures)
        ),
    )


def _layer(index: Index, layer: LayerResult, listed: bool, pictured: bool) -> FoundLayer:
    slug, shares = index.result.slug, index.flow.neurons[layer.name]
    neurons = sorted(layer.neurons, key=lambda a: a.channel)
    return FoundLayer(
        name=layer.name,
        href=urls.layer_page(slug, layer.name),
        groups=tuple(_group(index, layer, g) for g in layer.groups if layer != index.top or len(layer.groups) > 1),
        neurons=tuple(
            Found(
                link=Span(text=f"n{a.channel}", href=urls.neuron(slug, layer.name, a.channel)),
                called=index.given.get((layer.name, f"n{a.channel}"), ""),
                share=percent(shares[a.channel]),
                tile=index.tile(a.concept[0]) if pictured and a.concept else None,
            )
            for a in neurons
            if listed
        ),
        channels="" if listed else " ".join(str(a.channel) for a in neurons),
        words="" if listed else _range(neurons),
    )


def _range(neurons: Sequence[Neuron]) -> str:
    return f"{count(len(neurons), 'neuron')}, n{neurons[0].channel} to n{neurons[-1].channel}"


def _group(index: Index, layer: LayerResult, group: NeuronGroup) -> Found:
    patches = index.shown(layer.name, group, 1)
    return Found(
        link=Span(text=f"G{group.index}", href=urls.group(index.result.slug, layer.name, group.index)),
        called=index.name(layer.name, group).text,
        share=percent(group.share),
        tile=index.tile(patches[0]) if patches else None,
    )


PAGE = PageKind(
    name="search",
    template="site/search.html",
    build=lambda data: [search_page(data.indices)],
    order=100,
)
