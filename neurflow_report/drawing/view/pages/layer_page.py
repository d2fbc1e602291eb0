"""A layer's page: its neuron groups and its strongest neurons in full, every other neuron and group in a line.

A wide layer may have thousands of core neurons. Whatever their number, each has its place (#n12, #G3) that says what it
is, and the page stays small enough to open at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions
from neurflow_report.drawing.view.model.class_index import STRIP, Index
from neurflow_report.drawing.view.model.components import (
    Captions,
    Cell,
    Column,
    Fact,
    GroupView,
    NeuronView,
    Notice,
    Page,
    Prose,
    SemanticView,
    Span,
    Table,
)
from neurflow_report.drawing.view.model.numbers import (
    correlation,
    count,
    figure,
    part_of,
    percent,
    percent_fine,
    sign,
    signed,
    silhouette,
)
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.pages.facets import FacetView, facets, facets_words
from neurflow_report.drawing.view.text import cautions, verdicts
from neurflow_report.drawing.view.text.cues import cues
from neurflow_report.drawing.view.text.labels import label_line
from neurflow_report.results.catalogue import prose
from neurflow_report.results.flow import Edge, effective, parts
from neurflow_report.results.records import LayerResult, Neuron, NeuronGroup, SemanticGroup

MOST_NAMES = 8
FEW = 3
"""Patches of a group, at most, that are too few to say what it stands for."""
SLIGHT = 0.01
"""The share of the class under which a group's flow or a neuron is hardly told."""
SMALL = 8
"""Core neurons of a layer that are all shown in full; in a larger one the strongest are, and the others in a line."""
CARRIED = 0.95
"""Of a larger layer, the strongest neurons that carry so much of its share are, `SMALL` of them at most."""
TABLED = 200
"""Neurons of a layer, at most, that are a table; more are a list, which takes a fifth of the elements."""
LEADING, FIRST, FULL, CARDS = 0.05, 2, 12, 40
"""The share from which a group or a neuron is shown at once, so many in any case, and so many groups at most; the next
groups are folded cards, up to `CARDS`, the next neurons folded."""
JUMPS = 12
"""Groups that the way to each at the head of the page leads to."""
EDGES, MEMBERS, CORE = 4, 8, 16
"""Rows of a group's flows and members, and of a neuron's core; the files of data have all."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A neuron in a line of words: where it stands, and what it is."""

    anchor: str
    text: str


@dataclass(frozen=True, kw_only=True)
class LayerPage(Page):
    """One layer of one class, its groups and neurons by falling share; `evidence`: what the tests at this layer say.

    Attributes:
        groups: all of them; of these the first `in_full` are shown in full, the next as folded cards up to `as_cards`,
            and `rows` has a row for each of the others. The head of the page leads to the first `jumps`.
        smaller: what the fold of the cards is called.
        neurons: those shown at once; `folded`: the same of under 5% share.
        table: every neuron, a row each, with a place for those that are not shown in full; where there are more than
            200, a line for each of these stands in `lines` instead.
        facets: pictures made for its semantic groups; `facets_words`: what they are, "" where there are none.
        census: which of its channels are silent or hardly vary; "" where that was not counted.
        logit: whether this is the layer of the logit, which is the class's own page.
    """

    kicker: str
    heading: str
    lead: str
    evidence: Prose
    census: str
    notices: tuple[Notice, ...]
    groups: tuple[GroupView, ...]
    in_full: int
    as_cards: int
    jumps: int
    smaller: str
    rows: Table | None
    neurons: tuple[NeuronView, ...]
    folded: tuple[NeuronView, ...]
    neurons_words: str
    lines: tuple[Line, ...]
    table: Table
    facets: tuple[FacetView, ...]
    facets_words: str
    pictures: Captions
    above: Span | None
    below: Span | None
    logit: bool


def layer_page(index: Index, layer: LayerResult, census: str = "") -> LayerPage:
    """The page of one layer of one class.

    Args: census: what is said of the layer's channels.
    """
    slug, name = index.result.slug, index.result.name
    below, logit = index.below(layer.name), layer.name == index.top.name
    shown, folded, rest = _chosen(index, layer)
    in_full = min(len(layer.groups), max(FIRST, min(FULL, sum(g.share >= LEADING for g in layer.groups))))
    flows = _flows(index, layer)
    return LayerPage(
        path=urls.layer_page(slug, layer.name),
        title=f"{layer.name} · {name}",
        description=f"Neuron groups and neurons of {layer.name} behind the class {name}",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW), Span(text=name, href=urls.class_page(slug))),
        here=layer.name,
        kicker=f"The logit of {name}" if logit else f"A layer of {name}",
        heading=layer.name,
        lead=layer_sentence(index, layer),
        evidence=verdicts.of_layer(index, layer.name),
        census=census,
        notices=cautions.notices(
            cautions.of_layer(index.result.cautions, layer.name), slug, masking=index.result.masking
        ),
        groups=tuple(group_view(index, layer, g, flows) for g in layer.groups),
        in_full=in_full,
        as_cards=max(in_full, min(CARDS, len(layer.groups))),
        jumps=JUMPS,
        smaller=_smaller(layer.groups[in_full:CARDS]),
        rows=_group_rows(index, layer, layer.groups[CARDS:]) if len(layer.groups) > CARDS else None,
        neurons=tuple(_neuron(index, layer, a) for a in shown),
        folded=tuple(_neuron(index, layer, a) for a in folded),
        neurons_words=_neurons_words(index, layer, [*shown, *folded]),
        lines=tuple(_line(index, layer, a) for a in rest) if len(layer.neurons) > TABLED else (),
        table=_neuron_table(index, layer, {a.channel for a in rest}),
        facets=tuple(facets(index, layer.name)),
        facets_words=facets_words(index, layer.name),
        pictures=captions(index),
        above=_above(index, layer),
        below=Span(text=below.name, href=urls.layer_page(slug, below.name)) if below else None,
        logit=logit,
    )


def census_sentence(indices: Sequence[Index], index: Index, layer: str) -> str:
    """How many of a layer's channels are silent on the class's patches, on those of every class, or hardly vary."""
    every = [{row.layer: row for row in one.result.census}.get(layer) for one in indices]
    own = every[indices.index(index)]
    if own is None:
        return ""
    if not own.silent and not own.saturated:
        return f"All {count(own.channels, 'channel')} are active and vary on the class's patches."
    never = len(frozenset[int].intersection(*(frozenset(row.silent) if row else frozenset() for row in every)))
    other = f" ({never:,} of them for every class of this report)" if len(indices) > 1 and own.silent else ""
    is_silent = f"{len(own.silent):,} {'is' if len(own.silent) == 1 else 'are'} silent on all of the class's patches"
    still = f"{len(own.saturated):,} hardly {'varies' if len(own.saturated) == 1 else 'vary'}"
    return f"Of its {count(own.channels, 'channel')}, {is_silent}{other} and {still}."


def _above(index: Index, layer: LayerResult) -> Span | None:
    """The layer above; where that is the logit's, the class itself."""
    above = index.above(layer.name)
    if above is None:
        return None
    if above.name == index.top.name:
        return Span(text=index.result.name, href=urls.class_page(index.result.slug))
    return Span(text=above.name, href=urls.layer_page(index.result.slug, above.name))


def by_share(index: Index, layer: LayerResult) -> list[Neuron]:
    """The layer's neurons, the largest share first."""
    shares = index.flow.neurons[layer.name]
    return sorted(layer.neurons, key=lambda a: (-shares[a.channel], a.channel))


def _chosen(index: Index, layer: LayerResult) -> tuple[list[Neuron], list[Neuron], list[Neuron]]:
    """The neurons shown at once, those folded, and those in a line."""
    shares, ranked = index.flow.neurons[layer.name], by_share(index, layer)
    whole, carried, shown = sum(shares.values()), 0.0, list[Neuron]()
    for a in ranked[:SMALL]:
        if shown and carried >= CARRIED * whole and len(ranked) > SMALL:
            break
        shown.append(a)
        carried += shares[a.channel]
    first = max(FIRST, sum(shares[a.channel] >= LEADING for a in shown))
    return shown[:first], shown[first:], ranked[len(shown) :]


def _smaller(groups: Sequence[NeuronGroup]) -> str:
    """ "20 smaller groups, 13% together"."""
    return f"{count(len(groups), 'smaller group')}, {percent(sum(g.share for g in groups))} together"


def layer_sentence(index: Index, layer: LayerResult) -> str:
    """What the layer holds for the class, the finding first."""
    if layer.name == index.top.name:
        return f"The network's output for {index.result.name}, which the circuit explains from the top down."
    if not layer.neurons:
        return "No neuron of this layer carries anything of the class."
    core = f"{len(layer.neurons):,} of its {count(layer.channels, 'neuron')} are core for this class"
    many = sum(len(index.groups_of(layer.name, a.channel)) > 1 for a in layer.neurons)
    who = "each" if 1 < many == len(layer.neurons) else f"{many:,}"
    poly = f"; {who} {'is' if many == 1 or who == 'each' else 'are'} in more than one" if many else ""
    cut = "" if layer.silhouette is None else f" (silhouette {silhouette(layer.silhouette)})"
    low = ""
    if index.below(layer.name) is None:
        low = " This is the lowest layer: its patches are grouped by its own activations."
    return f"{_first(index, layer)}{core}, in {count(len(layer.groups), 'group')}{cut}{poly}.{low}"


def _first(index: Index, layer: LayerResult) -> str:
    """The group that carries most, and the next."""
    told = [f"{percent(g.share)} of the class comes through {_in_words(index, layer, g)}" for g in layer.groups[:1]]
    told += [f"{percent(g.share)} through {_in_words(index, layer, g)}" for g in layer.groups[1:2] if g.share >= SLIGHT]
    return f"{', '.join(told)}. " if told else ""


def _in_words(index: Index, layer: LayerResult, group: NeuronGroup) -> str:
    """ "pink petals (G1)", in a sentence."""
    text, _, code = named(index, layer, group).rpartition(" · ")
    return f"{text} ({code})" if text else code


def named(index: Index, layer: LayerResult, group: NeuronGroup) -> str:
    """ "pink petals · G1"; "the logit" for the only group of the logit's layer."""
    code, text = index.short_name(layer.name, group.index), index.name(layer.name, group).text
    return f"{text} · {code}" if text and code.startswith("G") else code


Flows = Mapping[int, tuple[Sequence[Edge], Sequence[Edge]]]
"""By group: where it goes, and where it comes from, the largest flow first."""


def _flows(index: Index, layer: LayerResult) -> Flows:
    up, down = defaultdict[int, list[Edge]](list), defaultdict[int, list[Edge]](list)
    for e in sorted(index.flow.edges, key=lambda e: (-e.flow, e.upper, e.lower)):
        if e.lower_layer == layer.name:
            up[e.lower].append(e)
        if e.upper_layer == layer.name:
            down[e.upper].append(e)
    return {g.index: (up[g.index], down[g.index]) for g in layer.groups}


def group_view(index: Index, layer: LayerResult, group: NeuronGroup, flows: Flows | None = None) -> GroupView:
    """A neuron group, as the class page shows it in a card and the layer's page in full."""
    slug, code = index.result.slug, f"G{group.index}"
    into, out_of = (flows or _flows(index, layer))[group.index]
    lent = index.lent(layer.name, group)
    name, wide = index.name(layer.name, group), index.wide(layer.name, group)
    return GroupView(
        name=code,
        title=name.text,
        called=f"{name.text} · {code}" if name.text else code,
        anchor=code,
        href=urls.group(slug, layer.name, group.index),
        class_anchor=f"{urls.folder_name(layer.name)}/{code}",
        share=group.share,
        share_text=percent(group.share),
        size_text=f"{count(len(lent), 'neuron')}, {count(len(group.patches), 'patch', 'patches')}",
        caution=_doubts(index, layer.name, group),
        card=index.card(layer.name, group),
        mosaic=wide,
        mosaic_note=part_of(len(wide.tiles), len(group.patches), "patch", "patches"),
        neurons=_names(slug, layer.name, tuple(lent)),
        more_neurons=max(0, len(lent) - MOST_NAMES),
        strongest=_strongest(index, layer, lent),
        summary=_summary(index, into, out_of),
        agreement=name.note.partition(", ")[2] if group.agreement is not None else "",
        label=label_line(index.labels[layer.name, group.index]) if (layer.name, group.index) in index.labels else "",
        members=_members(index, layer, group, lent),
        wired=urls.group_in_circuit(slug, layer.name, group.index) if layer.name != index.top.name else "",
        feeds=_edges(index, "up", into),
        fed_by=_edges(index, "down", out_of),
    )


def _strongest(index: Index, layer: LayerResult, lent: Mapping[int, float]) -> Prose:
    """ "n12 lends 97% of it": how much of the group comes from its strongest neuron."""
    whole = sum(lent.values())
    if not whole or layer.name == index.top.name:
        return ()
    channel, part = next(iter(lent.items()))
    link = Span(text=f"n{channel}", href=urls.neuron(index.result.slug, layer.name, channel))
    if len(lent) == 1:
        return (link, Span(text=" alone."))
    return (link, Span(text=f" lends {percent(part / whole)} of this share."))


def _doubts(index: Index, layer: str, group: NeuronGroup) -> str:
    """What is to be doubted of a group: few patches, or what it may rest on."""
    return " ".join(cue.text for cue in cues(index, layer, group)) or _few(index, group)


def _few(index: Index, group: NeuronGroup) -> str:
    """What is to be doubted where a group has few patches, or patches of one picture alone."""
    pictures = len({index.patches[p].image for p in group.patches})
    if len(group.patches) <= FEW:
        return f"Only {count(len(group.patches), 'patch', 'patches')}: too few to say what it stands for."
    return "All of its patches come from one picture." if pictures == 1 else ""


def _group_rows(index: Index, layer: LayerResult, groups: Sequence[NeuronGroup]) -> Table:
    """The groups that are in a line each, with their places."""
    rows = []
    for g in groups:
        lent = index.lent(layer.name, g)
        strongest = f"n{next(iter(lent))}" if lent else ""
        most = max((max(index.neurons[layer.name, c].activations) for c in lent), default=0.0)
        figures = (percent(g.share), str(len(lent)), str(len(g.patches)))
        rows.append((Cell(text=named(index, layer, g)), *(Cell(text=t) for t in (*figures, figure(most), strongest))))
    numeric = ("Share", "Neurons", "Patches", "Largest activation", "Strongest neuron")
    return Table(
        caption=f"The other groups of {layer.name}",
        columns=(Column(label="Neuron group"), *(Column(label=n, numeric=True) for n in numeric)),
        rows=tuple(rows),
        download=urls.data(index.result.slug, "groups.csv"),
        anchors=tuple(f"G{g.index}" for g in groups),
    )


def _neurons_words(index: Index, layer: LayerResult, shown: Sequence[Neuron]) -> str:
    """How much those shown first carry."""
    if len(layer.neurons) <= len(shown):
        return "By share of the class, the largest first."
    part = sum(index.flow.neurons[layer.name][a.channel] for a in shown)
    return prose(f"""
            The strongest {count(len(shown), "neuron carries", "neurons carry")} {percent(part)} of the class; the
            other {len(layer.neurons) - len(shown):,} are folded below.
        """)


def _line(index: Index, layer: LayerResult, a: Neuron) -> Line:
    groups = " ".join(f"G{g}" for g in index.groups_of(layer.name, a.channel)) or "no group"
    share = percent_fine(index.flow.neurons[layer.name][a.channel])
    return Line(anchor=f"n{a.channel}", text=f"n{a.channel} · {share} · {groups} · {figure(max(a.activations))}")


def _neuron_table(index: Index, layer: LayerResult, lined: set[int]) -> Table:
    """All neurons of the layer, a row each, by share; a column of figures that are all 0, or none, is left out.

    Args: lined: the channels of those that have no place of their own but their row.
    """
    slug, shares = index.result.slug, index.flow.neurons[layer.name]
    ranked = by_share(index, layer)
    figures = {
        "Share": [percent_fine(shares[a.channel]) for a in ranked],
        "Largest activation": [figure(max(a.activations)) for a in ranked],
        "Silhouette": ["" if a.silhouette is None else silhouette(a.silhouette) for a in ranked],
        "Gap, mean": ["" if a.gap_mean is None else percent_fine(a.gap_mean) for a in ranked],
        "Gap, worst": ["" if a.gap_max is None else percent_fine(a.gap_max) for a in ranked],
    }
    figures = {label: texts for label, texts in figures.items() if label == "Share" or not _idle(texts)}
    rows = tuple(
        (
            Cell(text=f"n{a.channel}", href="" if a.channel in lined else urls.neuron(slug, layer.name, a.channel)),
            Cell(text=", ".join(f"G{g}" for g in index.groups_of(layer.name, a.channel))),
            *(Cell(text=texts[at]) for texts in figures.values()),
        )
        for at, a in enumerate(ranked)
    )
    return Table(
        caption=f"Neurons of {layer.name}",
        columns=(Column(label="Neuron"), Column(label="Groups"), *(Column(label=n, numeric=True) for n in figures)),
        rows=rows,
        download=urls.data(slug, "neurons.csv"),
        anchors=tuple(f"n{a.channel}" if a.channel in lined else "" for a in ranked) if lined else (),
    )


def _idle(texts: Sequence[str]) -> bool:
    """Whether a column says nothing: no figure, or none that differs from 0."""
    return set(texts) <= {"", "0.0%", "<0.1%"}


def _names(slug: str, layer: str, channels: Sequence[int]) -> Prose:
    links = [Span(text=f"n{c}", href=urls.neuron(slug, layer, c)) for c in channels[:MOST_NAMES]]
    return tuple(part for link in links for part in (Span(text=", "), link))[1:]


def _summary(index: Index, into: Sequence[Edge], out_of: Sequence[Edge]) -> tuple[Prose, ...]:
    """Its largest flows up and down."""
    lines = []
    for word, edges, up in (("Into ", into[:2], True), ("From ", out_of[:3], False)):
        spans: list[Span] = []
        for e in edges:
            if e.flow >= SLIGHT or not spans:
                spans += [Span(text=", "), *_end(index, e, up), Span(text=f" {percent(e.flow)}")]
        if spans:
            lines.append((Span(text=word), *spans[1:]))
    return tuple(lines)


def _end(index: Index, e: Edge, up: bool) -> tuple[Span]:
    """The group at an edge's upper end, or at its lower: its name, leading there."""
    cell = _end_cell(index, e, up)
    return (Span(text=cell.text, href=cell.href),)


def _end_cell(index: Index, e: Edge, up: bool) -> Cell:
    name, number = (e.upper_layer, e.upper) if up else (e.lower_layer, e.lower)
    layer = index.above(e.lower_layer) if up else index.below(e.upper_layer)
    text = named(index, layer, index.groups[name, number]) if layer else f"G{number}"
    top = name == index.top.name and not text.rpartition(" ")[2].startswith("G")
    href = urls.class_page(index.result.slug) if top else urls.group(index.result.slug, name, number)
    return Cell(text=text, href=href)


def _edges(index: Index, way: str, edges: Sequence[Edge]) -> Table | None:
    """Where a group goes or comes from: the largest flows, with the paper's W beside them."""
    up = way == "up"
    if not edges:
        return None
    shown = [e for e in edges[:EDGES] if e.flow >= SLIGHT / 2] or list(edges[:1])
    first = edges[0]
    weights = {
        (e.upper_layer, e.upper, e.lower_layer, e.lower): e.weight
        for e in (index.feeds(first.lower_layer, first.lower) if up else index.fed_by(first.upper_layer, first.upper))
    }
    rows = [
        (
            _end_cell(index, e, up),
            Cell(text=percent(e.flow)),
            _weight_cell(weights.get((e.upper_layer, e.upper, e.lower_layer, e.lower))),
        )
        for e in shown
    ]
    if len(edges) > len(shown):
        rest = sum(e.flow for e in edges[len(shown) :])
        rows.append((Cell(text=f"{len(edges) - len(shown)} more"), Cell(text=percent(rest)), Cell(text="")))
    return Table(
        caption=f"Into {first.upper_layer}" if up else f"From {first.lower_layer}",
        columns=(Column(label="Neuron group"), Column(label="Flow", numeric=True), Column(label="W", numeric=True)),
        rows=tuple(rows),
    )


def _weight_cell(weight: float | None) -> Cell:
    return Cell(text="") if weight is None else Cell(text=signed(weight), sign=sign(weight))


def _members(index: Index, layer: LayerResult, group: NeuronGroup, lent: Mapping[int, float]) -> Table:
    """The group's neurons with what each lends it, a row each; the smallest counted in a row."""
    semantic = defaultdict[int, list[int]](list)
    for m in group.members:
        semantic[m.channel].append(m.semantic)
    rows = []
    for channel, part in list(lent.items())[:MEMBERS]:
        neuron = index.neurons[layer.name, channel]
        own = [g for g in neuron.groups if g.index in semantic[channel]]
        rows.append(
            (
                Cell(text=f"n{channel}", href=urls.neuron(index.result.slug, layer.name, channel)),
                Cell(text=percent(part)),
                Cell(text=f"{', '.join(str(g.index) for g in own)} of {len(neuron.groups)}"),
                Cell(text=str(sum(len(g.patches) for g in own))),
                Cell(text=figure(max(g.activation for g in own))),
            )
        )
    if len(lent) > MEMBERS:
        rest = sum(list(lent.values())[MEMBERS:])
        rows.append((Cell(text=f"{len(lent) - MEMBERS} more"), Cell(text=percent(rest)), *(Cell(text=""),) * 3))
    numeric = ("Share", "Semantic group", "Patches", "Mean activation")
    return Table(
        caption=f"Neurons of G{group.index}",
        columns=(Column(label="Neuron"), *(Column(label=n, numeric=True) for n in numeric)),
        rows=tuple(rows),
    )


def _neuron(index: Index, layer: LayerResult, a: Neuron) -> NeuronView:
    slug, concept = index.result.slug, index.concept(a)
    return NeuronView(
        name=index.neuron_title(layer.name, a.channel),
        anchor=f"n{a.channel}",
        href=urls.neuron(slug, layer.name, a.channel),
        share_text=percent(index.flow.neurons[layer.name][a.channel]),
        sentence=_neuron_sentence(index, layer, a),
        facts=_facts(index, a),
        notices=cautions.own(cautions.of_neuron(index.result.cautions, layer.name, a.channel)),
        concept=concept,
        concept_note=f"Concept: {part_of(len(concept.tiles), len(a.concept), 'patch', 'patches')}, strongest first",
        semantic=tuple(_semantic(index, layer, a, g) for g in a.groups),
        core=_core(index, layer, a),
    )


def _neuron_sentence(index: Index, layer: LayerResult, a: Neuron) -> Prose:
    """Which groups the neuron is in, said in words."""
    if layer.name == index.top.name:
        return (Span(text=f"The logit of {index.result.name}."),)
    groups = [index.groups[layer.name, number] for number in index.groups_of(layer.name, a.channel)]
    lent = {g.index: index.lent(layer.name, g).get(a.channel, 0.0) for g in groups}
    spans: list[Span] = []
    for number, part in sorted(lent.items(), key=lambda item: (-item[1], item[0])):
        group = index.groups[layer.name, number]
        href = urls.group(index.result.slug, layer.name, number)
        spans += [Span(text=", "), Span(text=named(index, layer, group), href=href)]
        spans += [Span(text=f" ({percent(part)})")] if len(groups) > 1 else []
    if not groups:
        return (Span(text="In no neuron group."),)
    if len(groups) == 1:
        return (Span(text="In "), *spans[1:], Span(text=" alone."))
    return (
        Span(text=f"In {len(groups)} groups: "),
        *spans[1:],
        Span(text=". Its semantic groups fall into more than one neuron group (polysemantic)."),
    )


def _facts(index: Index, a: Neuron) -> tuple[Fact, ...]:
    """Its figures; a gap or an error that rounds to nothing is none."""
    k, value = len(a.activations), f"{figure(min(a.activations))} to {figure(max(a.activations))}"
    facts = [Fact(label="Activation over the concept", value=f"{value} (k = {k})")]
    if a.silhouette is not None:
        facts.append(Fact(label="Silhouette", value=silhouette(a.silhouette)))
    if len(a.groups) > 1:
        facts.append(
            Fact(label="Effective number of semantic groups", value=f"{effective(list(parts(a).values())):.1f}")
        )
    if (apart := index.measure("polysemanticity", a.layer, a.channel)) is not None and apart.null is not None:
        told = f"{correlation(apart.value)} (random splits {correlation(apart.null)})"
        facts.append(Fact(label="Distance between semantic groups", value=told))
    if (sure := index.sureness(a.layer, a.channel)) and (again := index.measure("deletions", a.layer, a.channel)):
        facts.append(Fact(label="Core again without half of the pictures", value=f"{percent(again.value)}: {sure}"))
    for label, mean, worst in (
        ("Completeness gap", a.gap_mean, a.gap_max),
        ("Error of the attributions (estimated)", a.error_mean, a.error_max),
    ):
        if mean is not None and worst is not None and not _idle([percent_fine(worst)]):
            facts.append(Fact(label=label, value=f"{percent_fine(mean)} mean, {percent_fine(worst)} worst"))
    return tuple(facts)


def _semantic(index: Index, layer: LayerResult, a: Neuron, g: SemanticGroup) -> SemanticView:
    number = index.memberships.get((layer.name, a.channel), {}).get(g.index)
    link = urls.group(index.result.slug, layer.name, number) if number else ""
    shown = min(STRIP, len(g.patches))
    return SemanticView(
        name=f"Semantic group {g.index}",
        anchor=f"n{a.channel}-{g.index}",
        mosaic=index.semantic(a, g.index, g.patches),
        note=f"{part_of(shown, len(g.patches), 'patch', 'patches')}, mean activation {figure(g.activation)}",
        group=(Span(text="in "), Span(text=f"G{number}", href=link)) if number else (),
    )


def _core(index: Index, layer: LayerResult, a: Neuron) -> Table | None:
    """Its core neurons below: a row each, a column of w for every semantic group."""
    below = index.below(layer.name)
    if below is None or not a.core:
        return None
    weights = [{e.channel: e.weight for e in g.edges} for g in a.groups]
    rows = [
        (
            Cell(text=f"n{c.channel}", href=urls.neuron(index.result.slug, below.name, c.channel)),
            Cell(text=figure(c.score)),
            *(_weight_cell(w.get(c.channel)) for w in weights),
        )
        for c in a.core[:CORE]
    ]
    if len(a.core) > CORE:
        rows.append((Cell(text=f"{len(a.core) - CORE} more"), *(Cell(text=""),) * (1 + len(weights))))
    return Table(
        caption=f"Core neurons at {below.name}",
        columns=(
            Column(label="Neuron"),
            Column(label="Score", numeric=True),
            *(Column(label=f"w, group {g.index}", numeric=True) for g in a.groups),
        ),
        rows=tuple(rows),
    )


PAGE = PageKind(
    name="layer",
    template="site/layer.html",
    build=lambda data: (
        layer_page(index, layer, census_sentence(data.indices, index, layer.name))
        for index in data.own
        for layer in index.downward()
    ),
    by_class=lambda index: sum(1 for _ in index.downward()),
    order=30,
)
