"""The page of a class's whole circuit: every neuron and every neuron group, with what a script needs to pick some."""

from __future__ import annotations

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.circuit_drawing import neuron_weights, whole_circuit
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Circuit, Span
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.drawing.view.model.pages import Choice, CircuitPage
from neurflow_report.drawing.view.model.pictures import captions

DIGITS = 3


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
        lead=f"{count(neurons, 'neuron')} in {count(groups, 'neuron group')} at {len(result.layers)} layers, each with "
        "the patch that excites it most. The class's own page shows the weightiest.",
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
