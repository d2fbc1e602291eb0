"""The page of a class's whole circuit: its neuron groups and neurons, with what a script needs to pick some."""

from __future__ import annotations

from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions
from neurflow_report.drawing.view.model.circuit_drawing import (
    DIGITS,
    GROUP,
    MOST_SMALL,
    NEURON,
    Weight,
    folded,
    neuron_weights,
    whole_circuit,
)
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Captions, Circuit, Download, Page, Prose, Span
from neurflow_report.drawing.view.model.numbers import count, percent
from neurflow_report.drawing.view.pages import PageKind, one_each
from neurflow_report.results.catalogue import prose

MOST_LINKED, FEW_NAMED = 2000, 5
"""Neurons of all groups that are named with a link each; where there are more, so many a group are, without."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A neuron group: its key in the drawing of all neurons, how it is named, and its neurons, the strongest first."""

    key: str
    name: str
    href: str
    share: str
    neurons: Prose


@dataclass(frozen=True, kw_only=True)
class CircuitPage(Page):
    """The whole circuit of one class: every neuron group, and every neuron or the strongest.

    `edges`: (upper node, lower node, flow with its sign) by the nodes' places in `neurons.diagram.nodes`, for a script.
    """

    heading: str
    lead: str
    pictures: Captions
    neurons: Circuit
    neurons_heading: str
    groups: Circuit
    groups_heading: str
    choices: tuple[Choice, ...]
    choices_words: str
    edges: tuple[tuple[int, int, float], ...]
    downloads: tuple[Download, ...]


def circuit_page(index: Index) -> CircuitPage:
    """The page of one class's whole circuit."""
    result, drawing = index.result, whole_circuit(index, NEURON)
    neurons = sum(len(layer.neurons) for layer in result.layers[:-1])
    groups = sum(len(layer.groups) for layer in result.layers[:-1])
    named = sum(len(index.lent(layer.name, g)) for layer in result.layers for g in layer.groups)
    few = named > MOST_LINKED
    slug = result.slug
    files = {
        "groups.csv": "every neuron group, with its neurons",
        "neurons.csv": "every core concept neuron",
        "group-edges.csv": "every edge between groups: W, flow",
        "neuron-edges.csv": "every edge between neurons: mean w, flow",
    }
    return CircuitPage(
        path=urls.circuit(slug),
        title=f"Whole circuit · {result.name}",
        description=f"Every neuron and every neuron group behind the class {result.name}",
        crumbs=(
            Span(text="Overview", href=urls.OVERVIEW),
            Span(text=result.name, href=urls.class_page(slug)),
        ),
        here="Whole circuit",
        heading=f"The whole circuit of {result.name}",
        lead=prose(f"""
            {count(neurons, "neuron")} in {count(groups, "neuron group")} at {len(result.layers) - 1} layers, each shown
            by its first patch. The class page shows only the largest groups.
        """),
        pictures=captions(index),
        neurons=drawing,
        neurons_heading="The strongest neurons" if neurons > MOST_SMALL else "Neurons",
        groups=whole_circuit(index, GROUP),
        groups_heading="The largest neuron groups" if groups > MOST_SMALL else "Neuron groups",
        choices=_choices(index, few),
        choices_words=(
            f"The {FEW_NAMED} strongest of each group, with the share of the logit each lends; its page has the others."
            if few
            else "Each neuron with the share of the logit it lends its group, the strongest first."
        ),
        edges=_edges(index, drawing),
        downloads=tuple(Download(label=f, href=urls.data(slug, f), note=note) for f, note in files.items()),
    )


def _choices(index: Index, few: bool) -> tuple[Choice, ...]:
    slug, found = index.result.slug, []
    for layer in index.downward():
        if layer.name == index.top.name:
            continue
        for g in layer.groups:
            lent = index.lent(layer.name, g)
            found.append(
                Choice(
                    key=f"{layer.name}/G{g.index}",
                    name=index.called(layer.name, g),
                    href=urls.group(slug, layer.name, g.index),
                    share=percent(g.share),
                    neurons=_few(lent) if few else _all(slug, layer.name, lent),
                )
            )
    return tuple(found)


def _few(lent: dict[int, float]) -> Prose:
    told = ", ".join(f"n{c} {percent(share)}" for c, share in list(lent.items())[:FEW_NAMED])
    more = f" and {len(lent) - FEW_NAMED:,} more" if len(lent) > FEW_NAMED else ""
    return (Span(text=told + more),)


def _all(slug: str, layer: str, lent: dict[int, float]) -> Prose:
    links = [
        (Span(text=f"n{c}", href=urls.neuron(slug, layer, c)), Span(text=f" {percent(share)}"))
        for c, share in lent.items()
    ]
    return tuple(part for link in links for part in (Span(text=", "), *link))[1:]


def _edges(index: Index, drawing: Circuit) -> tuple[tuple[int, int, float], ...]:
    """Every edge between two nodes drawn, with its flow; one that rounds to 0 is left out."""
    place = {node.id: i for i, node in enumerate(drawing.diagram.nodes)}
    return tuple(
        (place[w.upper], place[w.lower], _flow(w)) for w in folded(neuron_weights(index), frozenset(place)) if _flow(w)
    )


def _flow(edge: Weight) -> float:
    return round(edge.flow if edge.signed >= 0 else -edge.flow, DIGITS)


PAGE = PageKind(
    name="circuit",
    template="site/circuit.html",
    build=lambda data: map(circuit_page, data.own),
    order=40,
    by_class=one_each,
)
