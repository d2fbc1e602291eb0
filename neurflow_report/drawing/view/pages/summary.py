"""A class in one paragraph, made from the numbers: what the logit rests on, what that rests on, and the test."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.circuit_drawing import LEVEL, ranked_neurons
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Prose, Span
from neurflow_report.drawing.view.model.numbers import count, listing, p_value, percent, signed
from neurflow_report.drawing.view.pages import retaining
from neurflow_report.results.records import LayerResult, NeuronGroup

NEAR = 0.9
"""Part of the first group's share from which another is said to carry about as much."""
MOST_TIED = 3


def lead(index: Index) -> Prose:
    """The paragraph. A group that lowers the logit is not said to carry it; a part is named only where p allows it."""
    layer = index.below_top
    if not layer.groups:
        return (Span(text=f"No neuron of {layer.name} has any weight for {index.result.name}."),)
    first = layer.groups[0]
    spans = [*_first_clause(index, layer, first), *_neuron_clause(index, layer), *_below_clause(index, layer, first)]
    row = retaining.main_row(index, "mask")
    return (*spans, Span(text=f" {retaining.masking_sentence(row)}")) if row else tuple(spans)


def near_ties(layer: LayerResult) -> tuple[NeuronGroup, ...]:
    """The groups that carry nearly as much as the first: at least `NEAR` of its share."""
    return tuple(g for g in layer.groups[1:] if g.share >= NEAR * layer.groups[0].share)


def _first_clause(index: Index, layer: LayerResult, group: NeuronGroup) -> list[Span]:
    tied = near_ties(layer)
    if tied:
        return _tied_clause(index, layer, (group, *tied))
    up = index.feeds(layer.name, group.index)
    weight = f", W {signed(up[0].weight)}" if up else ""
    share = f"{percent(group.share)} of its absolute weight{weight}"
    return [
        Span(text="The logit "),
        Span(text=index.result.name, strong=True),
        Span(text=" is held down most by " if up and up[0].weight < 0 else " rests most on "),
        _link(index, layer.name, group.index),
        Span(text=f" of {layer.name} ({share}), whose {_patches_clause(index, group)}."),
    ]


def _tied_clause(index: Index, layer: LayerResult, tied: Sequence[NeuronGroup]) -> list[Span]:
    """Several groups that carry about as much: none of them is said to carry the most."""
    named: list[Span] = []
    for i, g in enumerate(tied[:MOST_TIED]):
        last = i == min(len(tied), MOST_TIED) - 1
        named += [Span(text=" and " if last else ", ")] if i else []
        named += [_link(index, layer.name, g.index), Span(text=f" ({percent(g.share)})")]
    rest = len(tied) - MOST_TIED
    return [
        Span(text="The logit "),
        Span(text=index.result.name, strong=True),
        Span(text=" rests about as much on "),
        *named,
        Span(text=f" of {layer.name}" + (f" and {count(rest, 'more group')} there" if rest > 0 else "")),
        Span(text=", by the size of their weights. "),
        _link(index, layer.name, tied[0].index),
        Span(text=f"'s {_patches_clause(index, tied[0])}."),
    ]


def dominant(index: Index, layer: LayerResult) -> tuple[int, float] | None:
    """The one neuron of several that at least half of the logit's absolute weight reaches, and that share."""
    shares = ranked_neurons(index).get(layer.name, {})
    best = max(shares, key=lambda channel: shares[channel], default=None)
    return None if best is None or len(shares) < 2 or shares[best] < 0.5 else (best, shares[best])


def _neuron_clause(index: Index, layer: LayerResult) -> list[Span]:
    """A single neuron that carries most of the weight: where it is in several groups, each of them counts it."""
    found = dominant(index, layer)
    if found is None:
        return []
    channel, share = found
    groups = [f"G{g}" for g in index.groups_of(layer.name, channel)]
    where = f", which is in {listing(groups)} and counts in each" if len(groups) > 1 else ""
    link = Span(text=f"n{channel}", href=urls.neuron(index.result.slug, layer.name, channel), strong=True)
    return [
        Span(text=" One neuron, "),
        link,
        Span(text=f"{where}, carries {percent(share)} of the weight by itself."),
    ]


def _link(index: Index, layer: str, group: int) -> Span:
    return Span(text=f"G{group}", href=urls.group_on_class(index.result.slug, layer, group), strong=True)


def _patches_clause(index: Index, group: NeuronGroup) -> str:
    pictures = len({index.patches[p].image for p in group.patches})
    patches = count(len(group.patches), "patch", "patches")
    where = f"{patches} come from {pictures} of {count(len(index.result.pictures), 'picture')}"
    a = group.agreement
    if a is None:
        return f"{where}, {_sizes(index, group)}"
    against = f"{percent(a.purity)}, by chance {percent(a.chance)}, p = {p_value(a.p_value)}"
    if a.p_value <= LEVEL:
        return (
            f"{where} and mostly show the {a.part} ({against})"
            if a.purity > 0.5
            else f"{where} and often show the {a.part} ({against})"
        )
    return f"{where} and match no planted part better than chance does (the best, the {a.part}: {against})"


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
        Span(text=f" G{group.index} itself is {'raised' if edge.weight > 0 else 'lowered'} most by "),
        _link(index, edge.lower_layer, edge.lower),
        Span(text=f" of {edge.lower_layer} (W {signed(edge.weight)})."),
    ]
