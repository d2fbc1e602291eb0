"""A class in one paragraph, made from the numbers: what the logit rests on, what that rests on, and the test."""

from __future__ import annotations

from neurflow_report.render.view import fidelity, places
from neurflow_report.render.view.circuit import LEVEL
from neurflow_report.render.view.index import Index
from neurflow_report.render.view.pages import Prose, Span
from neurflow_report.render.view.words import count, p_value, percent, signed
from neurflow_report.results.records import LayerResult, NeuronGroup


def lead(index: Index) -> Prose:
    """The paragraph. A group that lowers the logit is not said to carry it; a part is named only where p allows it."""
    layer = index.below_top
    if not layer.groups:
        return (Span(text=f"No neuron of {layer.name} has any weight for {index.result.name}."),)
    first = layer.groups[0]
    spans = [*_first_clause(index, layer, first), *_below_clause(index, layer, first)]
    row = fidelity.main_row(index, "mask")
    return (*spans, Span(text=f" {fidelity.masking_sentence(row)}")) if row else tuple(spans)


def _first_clause(index: Index, layer: LayerResult, group: NeuronGroup) -> list[Span]:
    up = index.feeds(layer.name, group.index)
    verb = "lowered" if up and up[0].weight < 0 else "raised"
    weight = f", W {signed(up[0].weight)}" if up else ""
    share = f"{percent(group.share)} of its absolute weight{weight}"
    return [
        Span(text="The logit "),
        Span(text=index.result.name, strong=True),
        Span(text=" rests most on " if verb == "raised" else " is held down most by "),
        _link(index, layer.name, group.index),
        Span(text=f" of {layer.name} ({share}), {_patches_clause(index, group)}."),
    ]


def _link(index: Index, layer: str, group: int) -> Span:
    return Span(text=f"G{group}", href=places.group_on_class(index.result.slug, layer, group), strong=True)


def _patches_clause(index: Index, group: NeuronGroup) -> str:
    pictures = len({index.patches[p].image for p in group.patches})
    patches = count(len(group.patches), "patch", "patches")
    where = f"whose {patches} come from {pictures} of {count(len(index.result.pictures), 'picture')}"
    a = group.agreement
    if a is None:
        return f"{where}, {_sizes(index, group)}"
    against = f"{percent(a.purity)}, by chance {percent(a.chance)}, p = {p_value(a.p_value)}"
    if a.p_value <= LEVEL:
        return (
            f"{where} and mostly show {a.part} ({against})"
            if a.purity > 0.5
            else f"{where} and often show {a.part} ({against})"
        )
    return f"{where} and match no planted part better than chance does (the best, {a.part}: {against})"


def _sizes(index: Index, group: NeuronGroup) -> str:
    """Which patch size is the most common, as a share of the picture's side."""
    sides = [index.patches[p].side for p in group.patches]
    common = max(sorted(set(sides)), key=sides.count)
    part = percent(common / index.run.model.preprocess.size)
    return f"{percent(sides.count(common) / len(sides))} of them {part} of the picture wide"


def _below_clause(index: Index, layer: LayerResult, group: NeuronGroup) -> list[Span]:
    below = index.fed_by(layer.name, group.index)
    if not below:
        return []
    edge = below[0]
    return [
        Span(text=f" The group itself is {'raised' if edge.weight > 0 else 'lowered'} most by "),
        _link(index, edge.lower_layer, edge.lower),
        Span(text=f" of {edge.lower_layer} (W {signed(edge.weight)})."),
    ]
