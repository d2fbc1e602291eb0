"""The drawings of a class: which nodes and edges are drawn, how much is left out, and the same as tables.

Nodes: the weightiest of each layer, or all. Edges between two neighbouring layers: the strongest, until `KEPT` of the
pair's absolute weight is drawn or `MOST_EDGES` are (`MOST_SMALL_EDGES` where every node is drawn). What is left out is
counted over all edges, hidden nodes' included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import NODE, Index
from neurflow_report.drawing.view.model.components import Cell, Circuit, Column, Table
from neurflow_report.drawing.view.model.graph import Band, Diagram, Link, Node
from neurflow_report.drawing.view.model.numbers import count, percent, sign, signed
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import LayerResult, Neuron, NeuronGroup

LEVEL = 0.05
"""The p-value up to which a test tells something apart from chance."""
KEPT = 0.9
ROUNDING = 1e-9
MOST_EDGES, MOST_SMALL_EDGES = 24, 100
MOST_GROUPS = 8
MOST_NEURONS = 8
MOST_ROWS = 200
"""Rows of a table on the page; the file beside it has all."""
PLANTED = " " + prose(f"""
        Under a group's name stands the planted part that its patches show more often than chance does (p ≤ {LEVEL}),
        if there is one; that need not be most of them.
    """)


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A signed edge between two named nodes of neighbouring layers."""

    upper: str
    lower: str
    layer: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The edges drawn; `kept` is their part, in 0..1, of the absolute weight of all `total` edges."""

    links: tuple[Link, ...]
    total: int
    kept: float


def prune(weights: Sequence[Weight], shown: frozenset[str], most: int = MOST_EDGES) -> Pruned:
    """The edges to draw between the `shown` nodes: for each lower layer the strongest, by the rule of this module."""
    links: list[Link] = []
    for layer in dict.fromkeys(w.layer for w in weights):
        pair = [w for w in weights if w.layer == layer]
        links += _strongest([w for w in pair if {w.upper, w.lower} <= shown], sum(abs(w.weight) for w in pair), most)
    whole = sum(abs(w.weight) for w in weights)
    drawn = sum(abs(link.weight) for link in links)
    return Pruned(links=tuple(links), total=len(weights), kept=drawn / whole if whole else 1.0)


def _strongest(pair: Sequence[Weight], whole: float, most: int) -> list[Link]:
    links, drawn = [], 0.0
    for w in sorted(pair, key=lambda w: (-abs(w.weight), w.upper, w.lower))[:most]:
        if w.weight == 0 or drawn >= (KEPT - ROUNDING) * whole:
            break
        links.append(Link(upper=w.upper, lower=w.lower, weight=w.weight))
        drawn += abs(w.weight)
    return links


def group_circuit(index: Index) -> Circuit:
    """The circuit of neuron groups."""
    nodes = tuple(n for layer in index.downward() for n in _group_nodes(index, layer, MOST_GROUPS))
    every = sum(len(layer.groups) for layer in index.result.layers)
    return _circuit(index, "groups", "neuron group", nodes, group_weights(index), every)


def group_weights(index: Index) -> list[Weight]:
    """All edges between neuron groups, from the logit down."""
    return [
        Weight(
            upper=f"{e.upper_layer}/G{e.upper}",
            lower=f"{e.lower_layer}/G{e.lower}",
            layer=e.lower_layer,
            weight=e.weight,
        )
        for layer in index.downward()
        for e in index.result.edges
        if e.lower_layer == layer.name
    ]


def neuron_circuit(index: Index) -> Circuit:
    """The circuit of the weightiest neurons; an edge is the mean of w(a, i, j) over the semantic groups j of a."""
    ranks = ranked_neurons(index)
    nodes = tuple(n for layer in index.downward() for n in _neuron_nodes(index, layer, ranks[layer.name], MOST_NEURONS))
    every = sum(len(layer.neurons) for layer in index.result.layers)
    return _circuit(index, "neurons", "neuron", nodes, neuron_weights(index), every)


def whole_circuit(index: Index, what: str) -> Circuit:
    """The circuit with every node of a kind ("neuron group" or "neuron"), on small cards of one patch each."""
    if what == "neuron":
        ranks = ranked_neurons(index)
        found = [n for layer in index.downward() for n in _neuron_nodes(index, layer, ranks[layer.name], None)]
        weights, name = neuron_weights(index), "all-neurons"
    else:
        found = [n for layer in index.downward() for n in _group_nodes(index, layer, None)]
        weights, name = group_weights(index), "all-groups"
    nodes = tuple(replace(n, tiles=n.tiles[:1]) for n in found)
    return _circuit(index, name, what, nodes, weights, len(nodes), small=True)


def neuron_weights(index: Index) -> list[Weight]:
    """All edges between core concept neurons, from the logit down."""
    return [
        Weight(upper=f"{layer.name}/n{a.channel}", lower=f"{below.name}/n{i}", layer=below.name, weight=weight)
        for layer in index.downward()
        if (below := index.below(layer.name)) is not None
        for a in layer.neurons
        for i, weight in mean_edges(a).items()
    ]


def mean_edges(neuron: Neuron) -> dict[int, float]:
    """By channel below: the mean of w over the neuron's semantic groups."""
    gathered: dict[int, list[float]] = {}
    for group in neuron.groups:
        for edge in group.edges:
            gathered.setdefault(edge.channel, []).append(edge.weight)
    return {channel: sum(ws) / len(neuron.groups) for channel, ws in gathered.items()}


def ranked_neurons(index: Index) -> dict[str, dict[int, float]]:
    """By layer and channel the share of the absolute weight that reaches a neuron from the logit; a layer's sum to 1.

    A neuron hands its share to the layer below in proportion to |mean w|; what hands nothing down is scaled away.
    """
    ranks = {index.top.name: {a.channel: 1 / len(index.top.neurons) for a in index.top.neurons}}
    for layer in index.downward()[:-1]:
        below = index.below(layer.name)
        if below is None:
            break
        flow = dict.fromkeys((a.channel for a in below.neurons), 0.0)
        for a in layer.neurons:
            edges = mean_edges(a)
            whole = sum(abs(w) for w in edges.values()) or 1.0
            for channel, w in edges.items():
                flow[channel] = flow.get(channel, 0.0) + ranks[layer.name][a.channel] * abs(w) / whole
        total = sum(flow.values()) or 1.0
        ranks[below.name] = {channel: value / total for channel, value in flow.items()}
    return ranks


def _group_nodes(index: Index, layer: LayerResult, most: int | None) -> list[Node]:
    nodes = []
    for g in layer.groups[:most]:
        channels = len({m.channel for m in g.members})
        name = index.short_name(layer.name, g.index)
        nodes.append(
            Node(
                id=f"{layer.name}/G{g.index}",
                band=layer.name,
                title=f"G{g.index}" if name.startswith("G") else index.result.name,
                subtitle=_subtitle(name, g, channels),
                value=g.share,
                href=urls.group(index.result.slug, layer.name, g.index),
                tiles=index.card(layer.name, g).tiles,
                alt=f"{index.group_name(layer.name, g.index)}, share {percent(g.share)}, {count(channels, 'neuron')}",
            )
        )
    return nodes


def _subtitle(name: str, group: NeuronGroup, channels: int) -> str:
    """The planted part that the group is told apart by, or how many neurons it holds."""
    if not name.startswith("G"):
        return "logit"
    a = group.agreement
    return a.part if a is not None and a.p_value <= LEVEL else count(channels, "neuron")


def _neuron_nodes(index: Index, layer: LayerResult, ranks: dict[int, float], most: int | None) -> list[Node]:
    known = {a.channel: a for a in layer.neurons}
    best = sorted((c for c in ranks if c in known), key=lambda c: (-ranks[c], c))[:most]
    top = layer.name == index.top.name
    return [
        Node(
            id=f"{layer.name}/n{c}",
            band=layer.name,
            title=index.result.name if top else f"n{c}",
            subtitle="logit" if top else count(len(index.groups_of(layer.name, c)), "group"),
            value=ranks[c],
            href=urls.neuron(index.result.slug, layer.name, c),
            tiles=index.concept(known[c]).tiles[:NODE],
            alt=f"{'Logit' if top else 'Neuron'} n{c} of {layer.name}, share {percent(ranks[c])}",
            groups=() if top else tuple(f"{layer.name}/G{g}" for g in index.groups_of(layer.name, c)),
        )
        for c in best
    ]


def _circuit(
    index: Index,
    name: str,
    what: str,
    nodes: tuple[Node, ...],
    weights: list[Weight],
    every: int,
    small: bool = False,
) -> Circuit:
    pruned = prune(weights, frozenset(n.id for n in nodes), MOST_SMALL_EDGES if small else MOST_EDGES)
    slug = index.result.slug
    bands = tuple(
        Band(name=layer.name, label=layer.name, href=urls.layer_page(slug, layer.name)) for layer in index.downward()
    )
    title = f"Circuit of {'all ' if small else ''}{what}s for {index.result.name}"
    told = what == "neuron group" and not small and _planted(index)
    return Circuit(
        id=f"{name}-circuit",
        title=title,
        diagram=Diagram(title=title, bands=bands, nodes=nodes, links=pruned.links, caption=title, small=small),
        caption=_caption(what, nodes, every, pruned) + (PLANTED if told else ""),
        table=_table(index, what, weights),
        dot=urls.data(slug, f"{name}.dot"),
        svg=urls.data(slug, f"{name}.svg"),
    )


def _planted(index: Index) -> bool:
    return any(g.agreement is not None for layer in index.result.layers for g in layer.groups)


def _caption(what: str, nodes: Sequence[Node], every: int, pruned: Pruned) -> str:
    drawn = f"all {every} {what}s" if len(nodes) == every else f"the {len(nodes)} weightiest of {every} {what}s"
    left = pruned.total - len(pruned.links)
    rest = (
        prose(f"""
            {left} of {pruned.total} edges are left out; the ones drawn hold {percent(pruned.kept)} of the absolute
            weight
        """)
        if left
        else f"all {pruned.total} edges"
    )
    return prose(f"""
            Drawn: {drawn}; {rest}. One row a layer, the logit on top; the bar under a picture is the share. A line is
            as wide as its weight is large: blue and solid raises what it leads up to, red and dashed lowers it.
            Weights are relative to the upper {what}, however small its share.
        """)


def _table(index: Index, what: str, weights: Sequence[Weight]) -> Table:
    slug = index.result.slug
    rows = sorted(weights, key=lambda w: -abs(w.weight))[:MOST_ROWS]
    label = "W (group edge weight)" if what == "neuron group" else "mean w (neuron edge weight)"
    more = "" if len(rows) == len(weights) else f"; the {len(rows)} strongest of {len(weights)}"
    return Table(
        caption=f"Every edge between {what}s, the strongest first{more}",
        columns=(
            Column(label=f"Upper {what}"),
            Column(label=f"Lower {what}"),
            Column(label=label, numeric=True),
        ),
        rows=tuple((_end(index, w.upper), _end(index, w.lower), weight_cell(w.weight)) for w in rows),
        download=urls.data(slug, "group-edges.csv" if what == "neuron group" else "neuron-edges.csv"),
    )


def _end(index: Index, node: str) -> Cell:
    layer, _, name = node.rpartition("/")
    logit = layer == index.top.name and len(index.top.groups) < 2
    text = "the logit" if logit else f"{layer} {name}"
    return Cell(text=text, href=f"{urls.layer_page(index.result.slug, layer)}#{name}")


def weight_cell(weight: float) -> Cell:
    """A weight as a cell."""
    return Cell(text=signed(weight), sign=sign(weight))
