"""The page of a class's whole circuit: every neuron and every neuron group, with what a script needs to pick some."""

from __future__ import annotations

from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions
from neurflow_report.drawing.view.model.circuit_drawing import neuron_weights, whole_circuit
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Captions, Circuit, Page, Prose, Span
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.results.catalogue import prose

DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A neuron group to pick out of the drawing of all neurons: its key there, how it is named, and its neurons."""

    key: str
    name: str
    href: str
    neurons: Prose


@dataclass(frozen=True, kw_only=True)
class CircuitPage(Page):
    """The whole circuit of one class: every neuron, every neuron group, and all edges between neurons for a script.

    `edges`: (upper node, lower node, weight) by the nodes' places in `neurons.diagram.nodes`.
    """

    kicker: str
    heading: str
    lead: str
    pictures: Captions
    neurons: Circuit
    groups: Circuit
    choices: tuple[Choice, ...]
    edges: tuple[tuple[int, int, float], ...]


def circuit_page(index: Index) -> CircuitPage:
    """The page of one class's whole circuit."""
    result, drawing = index.result, whole_circuit(index, "neuron")
    neurons = sum(len(layer.neurons) for layer in result.layers)
    groups = sum(len(layer.groups) for layer in result.layers)
    return CircuitPage(
        path=urls.circuit(result.slug),
        title=f"Whole circuit · {result.name}",
        description=f"Every neuron and every neuron group behind the class {result.name}",
        crumbs=(
            Span(text="Overview", href=urls.OVERVIEW),
            Span(text=result.name, href=urls.class_page(result.slug)),
        ),
        here="Whole circuit",
        kicker=f"Circuit of the class {result.name}",
        heading="The whole circuit",
        lead=prose(f"""
            {count(neurons, "neuron")} in {count(groups, "neuron group")} at {len(result.layers)} layers, each with
            the patch that excites it most. The class's own page shows the weightiest.
        """),
        pictures=captions(index),
        neurons=drawing,
        groups=whole_circuit(index, "neuron group"),
        choices=_choices(index),
        edges=_edges(index, drawing),
    )


def _choices(index: Index) -> tuple[Choice, ...]:
    slug, found = index.result.slug, []
    for layer in index.downward():
        if layer.name == index.top.name:
            continue
        for g in layer.groups:
            channels = dict.fromkeys(m.channel for m in g.members)
            links = [Span(text=f"n{c}", href=urls.neuron(slug, layer.name, c)) for c in channels]
            named = tuple(part for link in links for part in (Span(text=", "), link))[1:]
            href = urls.group(slug, layer.name, g.index)
            name = f"G{g.index} of {layer.name}"
            found.append(Choice(key=f"{layer.name}/G{g.index}", name=name, href=href, neurons=named))
    return tuple(found)


def _edges(index: Index, drawing: Circuit) -> tuple[tuple[int, int, float], ...]:
    place = {node.id: i for i, node in enumerate(drawing.diagram.nodes)}
    return tuple(
        (place[w.upper], place[w.lower], round(w.weight, DIGITS))
        for w in neuron_weights(index)
        if w.upper in place and w.lower in place
    )


PAGE = PageKind(
    name="circuit",
    template="site/circuit.html",
    build=lambda data: map(circuit_page, data.indices),
    order=40,
)
