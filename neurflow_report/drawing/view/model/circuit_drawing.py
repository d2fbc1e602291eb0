"""The drawings of a class: which nodes and edges are drawn, how much is left out, and the same as tables.

Nodes: those of the largest share, a layer's others as one stack, so that what is drawn holds all of the flow. Edges
between two neighbouring layers: the largest flows, until `KEPT` of the pair's flow is drawn (and at most so many where
every node is drawn), and the main path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import CARD, NODE, Index
from neurflow_report.drawing.view.model.components import Cell, Circuit, Column, Panel, Table
from neurflow_report.drawing.view.model.graph import LOGIT, Band, Diagram, Link, Node, Tile
from neurflow_report.drawing.view.model.numbers import correlation, count, p_value, percent, percent_fine, sign, signed
from neurflow_report.results.catalogue import prose
from neurflow_report.results.flow import KEPT, ROUNDING, Edge, most_drawn
from neurflow_report.results.records import EdgeEffect, LayerResult, Neuron, NeuronGroup

LEVEL = 0.05
"""The p-value up to which a test tells something apart from chance."""
LEVELS = (50, 80, round(100 * KEPT))
"""Per cent of the flow that a reader may choose to see."""
MOST_SMALL, FEW_SMALL, MOST_SMALL_EDGES = 600, 200, 60
"""Cards of a whole circuit, where one has more the cards of it, and edges between two of its layers."""
INSIDE = 3
PANEL_TILES, SMALL_PANEL_TILES, PANEL_MEMBERS, PANEL_EDGES = 12, 6, 12, 6
DIGITS = 4
MOST_ROWS = 50
"""Rows of a table on the page; the file beside it has all."""
GROUP, NEURON = "neuron group", "neuron"
REST = "rest"
"""The id of a layer's stack, after the layer."""


@dataclass(frozen=True, kw_only=True)
class Weight:
    """An edge between two named nodes of neighbouring layers: its weight, None at a stack, and its flow (METHOD §3)."""

    upper: str
    lower: str
    layer: str
    weight: float | None
    flow: float
    signed: float


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The edges drawn; `kept` is their part, in 0..1, of the flow of all `total` edges."""

    links: tuple[Link, ...]
    total: int
    kept: float


def prune(edges: Sequence[Weight], most: int | None = None) -> Pruned:
    """The edges to draw: for each lower layer the largest flows, by the rule of this module."""
    main, links = main_path(edges), list[Link]()
    for pair in _pairs(edges):
        links += _largest(pair, main, most)
    whole = sum(e.flow for e in edges)
    drawn = sum(link.flow for link in links)
    return Pruned(links=tuple(links), total=sum(e.flow > 0 for e in edges), kept=drawn / whole if whole else 1.0)


def _pairs(edges: Sequence[Weight]) -> Iterator[list[Weight]]:
    """The edges by their lower layer."""
    found: dict[str, list[Weight]] = {}
    for e in edges:
        found.setdefault(e.layer, []).append(e)
    yield from found.values()


def _largest(pair: Sequence[Weight], main: frozenset[tuple[str, str]], most: int | None) -> list[Link]:
    links, passed, whole = list[Link](), 0.0, sum(e.flow for e in pair)
    for at, e in enumerate(sorted(pair, key=lambda e: (-e.flow, e.upper, e.lower))):
        needed = next((level for level in LEVELS if passed < (level / 100 - ROUNDING) * whole), None)
        on = (e.upper, e.lower) in main
        if e.flow > 0 and (on or (needed is not None and (most is None or at < most))):
            links.append(
                Link(
                    upper=e.upper, lower=e.lower, flow=e.flow, signed=e.signed, weight=e.weight,
                    level=needed or LEVELS[-1], main=on,
                )
            )  # fmt: skip
        passed += e.flow
    return links


def main_path(edges: Sequence[Weight]) -> frozenset[tuple[str, str]]:
    """The edges of the main path: from the logit every one with at least half of its largest flow, further down of each
    node reached its largest; to a stack only where nothing else is left."""
    down: dict[str, list[Weight]] = {}
    for e in edges:
        if e.flow > 0:
            down.setdefault(e.upper, []).append(e)
    lower = {e.lower for e in edges}
    handed = {node: sum(e.flow for e in own) for node, own in down.items() if node not in lower}
    most = max(handed.values(), default=0.0)
    reached, found = [node for node, flow in handed.items() if flow >= most / 2], set[tuple[str, str]]()
    share = 0.5
    while reached:
        chosen = [e for node in reached for e in _handing_most(down.get(node, ()), share)]
        found |= {(e.upper, e.lower) for e in chosen}
        reached, share = list(dict.fromkeys(e.lower for e in chosen)), 1.0
    return frozenset(found)


def _handing_most(own: Sequence[Weight], share: float) -> list[Weight]:
    """A node's edges down with at least `share` of the largest flow; of equal ones the first where only one is asked
    for."""
    single = [e for e in own if not e.lower.endswith(f"/{REST}")] or list(own)
    most = max((e.flow for e in single), default=0.0)
    found = sorted((e for e in single if e.flow >= share * most), key=lambda e: (-e.flow, e.lower))
    return found if share < 1 else found[:1]


def folded(edges: Sequence[Weight], drawn: frozenset[str]) -> tuple[Weight, ...]:
    """The edges between the nodes drawn: a node that is not stands in its layer's stack, whose edges are sums."""

    def place(node: str) -> str:
        return node if node in drawn else f"{node.rpartition('/')[0]}/{REST}"

    found: dict[tuple[str, str], Weight] = {}
    for e in edges:
        ends = (place(e.upper), place(e.lower))
        alone = ends == (e.upper, e.lower)
        known = found.get(ends)
        found[ends] = Weight(
            upper=ends[0],
            lower=ends[1],
            layer=e.layer,
            weight=e.weight if alone else None,
            flow=e.flow + (known.flow if known else 0.0),
            signed=e.signed + (known.signed if known else 0.0),
        )
    return tuple(found.values())


def group_circuit(index: Index) -> Circuit:
    """The circuit of the largest neuron groups; its twin is that of neurons."""
    nodes = _nodes(index, _group_node, _numbers(index, GROUP), most_drawn)
    circuit = _with_effects(index, _circuit(index, "groups", GROUP, nodes, group_weights(index)))
    return replace(circuit, twin=neuron_circuit(index))


def _with_effects(index: Index, circuit: Circuit) -> Circuit:
    """The circuit with what F11 says of its edges; those of stacks were not tested, and stay as they are."""
    if not index.effects:
        return circuit
    links = tuple(link if _is_stacked(link) else _tested(index, link) for link in circuit.diagram.links)
    left = any(link.faint for link in links)
    told = "Pale dots: no effect shown (F11)."
    caption = f"{circuit.caption} {told}" if left else circuit.caption
    return replace(circuit, diagram=replace(circuit.diagram, links=links), caption=caption)


def _is_stacked(link: Link) -> bool:
    return any(end.endswith(f"/{REST}") for end in (link.upper, link.lower))


def _tested(index: Index, link: Link) -> Link:
    (layer, _, upper), lower = link.upper.rpartition("/"), link.lower.rpartition("/")[2]
    found = index.effects.get((layer, int(upper[1:]), int(lower[1:])))
    if found is None:
        return replace(link, effect="effect not tested", faint=True)
    return replace(link, effect=f"effect {effect_words(found)}", faint=found.q_value > LEVEL)


def effect_words(found: EdgeEffect) -> str:
    """ "0.31, p 0.010": the drop, and its p-value among the class's edges."""
    return f"{correlation(found.drop)}, p {p_value(found.q_value)}"


def neuron_circuit(index: Index) -> Circuit:
    """The circuit of the largest neurons; a weight is the mean of w(a, i, j) over the semantic groups j of a."""
    nodes = _nodes(index, _neuron_node, _numbers(index, NEURON), most_drawn)
    return _circuit(index, "neurons", NEURON, nodes, neuron_weights(index))


def whole_circuit(index: Index, what: str) -> Circuit:
    """The circuit with every node of a kind (`GROUP` or `NEURON`), on small cards of one patch each. Where there are
    more than `MOST_SMALL`, the largest of each layer, `FEW_SMALL` in all."""
    numbers = _numbers(index, what)
    few = sum(map(len, numbers.values())) > MOST_SMALL
    most = max(1, FEW_SMALL // len(numbers)) if few else MOST_SMALL
    made = _neuron_node if what == NEURON else _group_node
    nodes = _nodes(index, made, numbers, lambda every: most if every > most + 1 else every)
    weights, name = (neuron_weights, "all-neurons") if what == NEURON else (group_weights, "all-groups")
    small = tuple(replace(n, tiles=n.tiles[:1], inside=()) for n in nodes)
    return _circuit(index, name, what, small, weights(index), small=True)


def _numbers(index: Index, what: str) -> dict[str, list[int]]:
    """By layer from the logit down its groups' numbers, or its neurons' channels, the largest share first."""
    if what == GROUP:
        return {layer.name: [g.index for g in layer.groups] for layer in index.downward()}
    return {
        layer.name: sorted(own, key=lambda channel, own=own: (-own[channel], channel))  # type: ignore[misc]
        for layer in index.downward()
        for own in [index.flow.neurons[layer.name]]
    }


def _nodes(
    index: Index,
    made: Callable[[Index, LayerResult, int], Node],
    numbers: Mapping[str, list[int]],
    most: Callable[[int], int],
) -> tuple[Node, ...]:
    """Each layer's first nodes, and the stack of its others; `most`: how many to draw of so many."""
    found = list[Node]()
    for layer in index.downward():
        every = numbers[layer.name]
        shown = most(len(every))
        found += [made(index, layer, number) for number in every[:shown]]
        if rest := every[shown:]:
            first = [made(index, layer, number) for number in rest[:CARD]]
            found.append(_stack(index, layer, first, rest, made is _group_node))
    return tuple(found)


def _stack(index: Index, layer: LayerResult, first: Sequence[Node], every: Sequence[int], groups: bool) -> Node:
    shares = index.flow.groups if groups else index.flow.neurons
    share = sum(shares[layer.name][number] for number in every)
    what = "group" if groups else "neuron"
    return Node(
        id=f"{layer.name}/{REST}",
        band=layer.name,
        title=f"+{count(len(every), what)}",
        subtitle="",
        value=share,
        href=urls.layer_page(index.result.slug, layer.name),
        tiles=tuple(n.tiles[0] for n in first if n.tiles),
        alt=f"{count(len(every), f'more {what}')} of {layer.name}, share {percent(share)} in all",
        stack=len(every),
    )


def _group_node(index: Index, layer: LayerResult, number: int) -> Node:
    g = index.groups[layer.name, number]
    code, lent, loose = f"G{number}", index.lent(layer.name, g), index.is_loose(layer.name, g)
    logit = layer.name == index.top.name and len(index.top.groups) < 2
    name = index.result.name if logit else index.name(layer.name, g).text
    called = f"the logit {name}" if logit else index.called(layer.name, g)
    return Node(
        id=f"{layer.name}/{code}",
        band=layer.name,
        title=name or code,
        subtitle=LOGIT if logit else code if name else "",
        value=g.share,
        href=urls.group(index.result.slug, layer.name, number),
        tiles=index.card(layer.name, g).tiles[: 1 if logit else None],
        alt=f"{called}, share {percent(g.share)}, {count(len(lent), 'neuron')}{', most of it unsure' if loose else ''}",
        inside=() if logit else _inside(lent),
        loose=loose,
    )


def _inside(lent: Mapping[int, float]) -> tuple[str, ...]:
    """A group's strongest neurons, with what each lends it of the logit."""
    told = [f"n{channel} · {percent(share)}" for channel, share in list(lent.items())[:INSIDE]]
    return (*told, f"+{len(lent) - INSIDE} more") if len(lent) > INSIDE else tuple(told)


def _neuron_node(index: Index, layer: LayerResult, channel: int) -> Node:
    share = index.flow.neurons[layer.name][channel]
    top, sure = layer.name == index.top.name, index.sureness(layer.name, channel)
    told = f", {sure}" if sure else ""
    return Node(
        id=f"{layer.name}/n{channel}",
        band=layer.name,
        title=index.result.name if top else f"n{channel}",
        subtitle=LOGIT if top else "",
        value=share,
        href=urls.neuron(index.result.slug, layer.name, channel),
        tiles=index.concept(index.neurons[layer.name, channel]).tiles[: 1 if top else NODE],
        alt=f"{'Logit' if top else 'Neuron'} n{channel} of {layer.name}, share {percent(share)}{told}",
        loose=sure in {"unsure", "out"},
        groups=() if top else tuple(f"{layer.name}/G{g}" for g in index.groups_of(layer.name, channel)),
    )


def group_weights(index: Index) -> list[Weight]:
    """All edges between neuron groups, from the logit down."""
    flows = {(e.upper_layer, e.upper, e.lower): e for e in index.flow.edges}
    by_layer: dict[str, list[Weight]] = {layer.name: [] for layer in index.downward()}
    for e in index.result.edges:
        flow = flows.get((e.upper_layer, e.upper, e.lower))
        ends = (f"{e.upper_layer}/G{e.upper}", f"{e.lower_layer}/G{e.lower}")
        by_layer[e.lower_layer].append(_weight(ends, e.lower_layer, e.weight, flow))
    return [e for own in by_layer.values() for e in own]


def neuron_weights(index: Index) -> list[Weight]:
    """All edges between core concept neurons, from the logit down."""
    if "neuron weights" not in index.kept:
        index.kept["neuron weights"] = _neuron_weights(index)
    known: list[Weight] = index.kept["neuron weights"]
    return known


def _neuron_weights(index: Index) -> list[Weight]:
    flows = {(e.upper_layer, e.upper, e.lower): e for e in index.flow.neuron_edges}
    return [
        _weight(
            (f"{layer.name}/n{a.channel}", f"{below.name}/n{i}"),
            below.name,
            weight,
            flows.get((layer.name, a.channel, i)),
        )
        for layer in index.downward()
        if (below := index.below(layer.name)) is not None
        for a in layer.neurons
        for i, weight in mean_edges(a).items()
    ]


def _weight(ends: tuple[str, str], layer: str, weight: float, flow: Edge | None) -> Weight:
    return Weight(
        upper=ends[0],
        lower=ends[1],
        layer=layer,
        weight=weight,
        flow=flow.flow if flow else 0.0,
        signed=flow.signed if flow else 0.0,
    )


def mean_edges(neuron: Neuron) -> dict[int, float]:
    """By channel below: the mean of w over the neuron's semantic groups."""
    gathered: dict[int, list[float]] = {}
    for group in neuron.groups:
        for edge in group.edges:
            gathered.setdefault(edge.channel, []).append(edge.weight)
    return {channel: sum(ws) / len(neuron.groups) for channel, ws in gathered.items()}


def _circuit(
    index: Index, name: str, what: str, nodes: tuple[Node, ...], weights: list[Weight], small: bool = False
) -> Circuit:
    edges = folded(weights, frozenset(n.id for n in nodes))
    pruned = prune(edges, MOST_SMALL_EDGES if small else None)
    slug = index.result.slug
    bands = tuple(
        Band(name=layer.name, label=layer.name, href=urls.layer_page(slug, layer.name)) for layer in index.downward()
    )
    every = sum(n.stack or 1 for n in nodes if not n.logit)
    title = f"Circuit of {'all ' if small else ''}{what}s for {index.result.name}"
    return Circuit(
        id=f"{name}-circuit",
        title=title,
        diagram=Diagram(title=title, bands=bands, nodes=nodes, links=pruned.links, caption=title, small=small),
        caption=_caption(what, nodes, every, pruned),
        table=_table(index, what, weights),
        dot=urls.data(slug, f"{name}.dot"),
        svg=urls.data(slug, f"{name}.svg"),
        panel=_panel(index, nodes, _told(edges), SMALL_PANEL_TILES if small else PANEL_TILES),
    )


def _told(edges: Sequence[Weight]) -> list[Weight]:
    """Of each node its `PANEL_EDGES` largest edges up and down."""
    found, up, down = list[Weight](), Counter[str](), Counter[str]()
    for e in sorted(edges, key=lambda e: (-e.flow, e.upper, e.lower)):
        if round(e.flow, DIGITS) and (down[e.upper] < PANEL_EDGES or up[e.lower] < PANEL_EDGES):
            found.append(e)
            down[e.upper] += 1
            up[e.lower] += 1
    return found


def _panel(index: Index, nodes: Sequence[Node], edges: Sequence[Weight], most: int) -> Panel:
    place = {node.id: i for i, node in enumerate(nodes)}
    tiles = [_more_tiles(index, node, most) for node in nodes]
    windows = sorted({_window(tile) for own in tiles for tile in own})
    return Panel(
        slug=index.result.slug,
        patches=urls.patch(index.result.slug, 0).removesuffix("0"),
        shares=tuple(round(node.value, DIGITS) for node in nodes),
        windows=tuple(windows),
        tiles=tuple(tuple((t.index, t.image, windows.index(_window(t))) for t in own) for own in tiles),
        members=tuple(_members(index, node) for node in nodes),
        edges=tuple(
            (
                place[e.upper],
                place[e.lower],
                round(e.flow, DIGITS),
                1 if e.signed >= 0 else -1,
                None if e.weight is None else round(e.weight, DIGITS - 1),
            )
            for e in edges
        ),
    )


def _window(tile: Tile) -> tuple[float, float, float]:
    return round(tile.left, DIGITS), round(tile.top, DIGITS), round(tile.side, DIGITS)


def _more_tiles(index: Index, node: Node, most: int) -> Sequence[Tile]:
    layer, _, code = node.id.rpartition("/")
    if node.stack:
        return node.tiles
    if code.startswith("n"):
        return tuple(index.tile(p) for p in index.neurons[layer, int(code[1:])].concept[:most])
    return tuple(index.tile(p) for p in index.shown(layer, index.groups[layer, int(code[1:])], most))


def _members(index: Index, node: Node) -> tuple[tuple[int, float], ...]:
    """A group's strongest neurons with what each lends it; last (−1, how many more)."""
    layer, _, code = node.id.rpartition("/")
    if node.stack or not code.startswith("G"):
        return ()
    lent = index.lent(layer, index.groups[layer, int(code[1:])])
    first = tuple((channel, round(share, DIGITS)) for channel, share in list(lent.items())[:PANEL_MEMBERS])
    return (*first, (-1, len(lent) - len(first))) if len(lent) > len(first) else first


def _caption(what: str, nodes: Sequence[Node], every: int, pruned: Pruned) -> str:
    single = sum(not n.stack and not n.logit for n in nodes)
    drawn = (
        f"All {every:,} {what}s."
        if single == every
        else f"{single} of {every:,} {what}s, the largest of each layer; the rest of each layer is stacked."
    )
    left, loose = pruned.total - len(pruned.links), any(n.loose for n in nodes)
    carry = f"carrying {percent_fine(1 - pruned.kept)} of the flow"
    held = f"{count(left, 'thinner line')}, {carry}, {'is' if left == 1 else 'are'} not drawn"
    rest = f"all {pruned.total:,} lines are drawn" if not left else held
    return prose(f"""
            {drawn} A line is as wide as the share of the logit that goes along it; {rest}. In strong colours: the main
            path, from the logit along the largest flow.{" Dashed cards: not sure (F13)." if loose else ""}
        """)


def _table(index: Index, what: str, weights: Sequence[Weight]) -> Table:
    slug = index.result.slug
    rows = sorted(weights, key=lambda w: (-w.flow, -abs(w.weight or 0)))[:MOST_ROWS]
    effects = (
        {
            (f"{e.upper_layer}/G{e.upper}", f"{e.lower_layer}/G{e.lower}"): effect_words(e)
            for e in index.result.edge_effects
        }
        if what == GROUP
        else {}
    )
    label = "W (group edge weight)" if what == GROUP else "mean w (neuron edge weight)"
    which = "Every edge" if len(rows) == len(weights) else f"The {len(rows)} largest of {len(weights):,} edges"
    return Table(
        caption=f"{which} between {what}s, the largest flow first",
        columns=(
            Column(label=f"Upper {what}"),
            Column(label=f"Lower {what}"),
            Column(label="Flow (share of the logit)", numeric=True),
            Column(label=label, numeric=True),
            *((Column(label="Effect (F11)", numeric=True),) if effects else ()),
        ),
        rows=tuple(
            (
                _end(index, w.upper),
                _end(index, w.lower),
                Cell(text=percent_fine(w.flow)),
                weight_cell(w.weight or 0.0),
                *((Cell(text=effects.get((w.upper, w.lower), "")),) if effects else ()),
            )
            for w in rows
        ),
        download=urls.data(slug, "group-edges.csv" if what == GROUP else "neuron-edges.csv"),
    )


def _end(index: Index, node: str) -> Cell:
    layer, _, code = node.rpartition("/")
    group: NeuronGroup | None = index.groups[layer, int(code[1:])] if code.startswith("G") else None
    if layer == index.top.name and len(index.top.groups) < 2:
        text = "the logit"
    else:
        text = index.called(layer, group) if group else f"{layer} {code}"
    return Cell(text=text, href=f"{urls.layer_page(index.result.slug, layer)}#{code}")


def weight_cell(weight: float) -> Cell:
    """A weight as a cell."""
    return Cell(text=signed(weight), sign=sign(weight))
