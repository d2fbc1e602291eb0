"""A layer's page: its neuron groups and neurons in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions
from neurflow_report.drawing.view.model.circuit_drawing import weight_cell
from neurflow_report.drawing.view.model.class_index import STRIP, WIDE, Index
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
    count,
    figure,
    p_value,
    part_of,
    percent,
    percent_fine,
    signed,
    silhouette,
)
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.text import cautions, verdicts
from neurflow_report.drawing.view.text.cues import cues
from neurflow_report.drawing.view.text.glossary import terms
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import GroupEdge, LayerResult, Neuron, NeuronGroup, PartAgreement, SemanticGroup

MOST_NAMES = 8
FEW = 3
"""Patches of a group, at most, that are too few to say what it stands for."""


@dataclass(frozen=True, kw_only=True)
class LayerPage(Page):
    """One layer of one class: its groups and neurons in full; `evidence`: what the tests at this layer say."""

    kicker: str
    heading: str
    lead: str
    evidence: Prose
    terms: tuple[Prose, ...]
    notices: tuple[Notice, ...]
    groups: tuple[GroupView, ...]
    neurons: tuple[NeuronView, ...]
    table: Table
    pictures: Captions
    above: Span | None
    below: Span | None


def layer_page(index: Index, layer: LayerResult) -> LayerPage:
    """The page of one layer of one class."""
    slug, name = index.result.slug, index.result.name
    above, below = index.above(layer.name), index.below(layer.name)
    known = ("core", "semantic", "group", "share", "weight", "gap", "silhouette")
    return LayerPage(
        path=urls.layer_page(slug, layer.name),
        title=f"{layer.name} · {name}",
        description=f"Neuron groups and neurons of {layer.name} behind the class {name}",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW), Span(text=name, href=urls.class_page(slug))),
        here=layer.name,
        kicker=f"Layer of the class {name}",
        heading=layer.name,
        lead=layer_sentence(index, layer),
        evidence=verdicts.of_layer(index, layer.name),
        terms=terms(index.run, *(known if above is not None else ("semantic", "gap", "silhouette"))),
        notices=cautions.notices(
            cautions.of_layer(index.result.cautions, layer.name), slug, masking=index.result.masking
        ),
        groups=tuple(group_view(index, layer, g) for g in layer.groups),
        neurons=tuple(_neuron(index, layer, a) for a in layer.neurons),
        table=_neuron_table(index, layer),
        pictures=captions(index),
        above=Span(text=above.name, href=urls.layer_page(slug, above.name)) if above else None,
        below=Span(text=below.name, href=urls.layer_page(slug, below.name)) if below else None,
    )


def layer_sentence(index: Index, layer: LayerResult) -> str:
    """What the layer holds for the class, in one or two sentences."""
    if layer.name == index.top.name:
        return (
            f"The output of the network: one logit, {index.result.name}, that the circuit explains from the top down."
        )
    size = f"{len(layer.neurons)} of its {layer.channels:,} channels are core concept neurons for this class"
    many = sum(len(set(index.memberships.get((layer.name, a.channel), {}).values())) > 1 for a in layer.neurons)
    poly = f" {_cap(count(many, 'neuron'))} {'is' if many == 1 else 'are'} in more than one group." if many else ""
    cut = "" if layer.silhouette is None else f" (silhouette {silhouette(layer.silhouette)})"
    low = ""
    if index.below(layer.name) is None:
        low = " As the lowest layer declared, its patches are grouped by the activations of this layer itself."
    return f"{size}, in {count(len(layer.groups), 'neuron group')}{cut}.{poly}{low}"


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def group_view(index: Index, layer: LayerResult, group: NeuronGroup) -> GroupView:
    """A neuron group, as the class page shows it in a card and the layer's page in full."""
    slug = index.result.slug
    channels = tuple(dict.fromkeys(m.channel for m in group.members))
    feeds, fed_by = index.feeds(layer.name, group.index), index.fed_by(layer.name, group.index)
    shown = min(WIDE, len(group.patches))
    return GroupView(
        name=f"G{group.index}",
        anchor=f"G{group.index}",
        href=urls.group(slug, layer.name, group.index),
        class_anchor=f"{urls.folder_name(layer.name)}/G{group.index}",
        share=group.share,
        share_text=percent(group.share),
        size_text=prose(f"""
            {count(len(channels), "neuron")}, {count(len(group.members), "semantic group")},
            {count(len(group.patches), "patch", "patches")}
        """),
        caution=_doubts(index, layer.name, group),
        card=index.card(layer.name, group),
        mosaic=index.wide(layer.name, group),
        mosaic_note=f"{part_of(shown, len(group.patches), 'patch', 'patches')}, closest to the group's centre first",
        neurons=_names(slug, layer.name, channels),
        more_neurons=max(0, len(channels) - MOST_NAMES),
        summary=_summary(index, feeds, fed_by),
        agreement=agreement_sentence(group.agreement) if group.agreement else "",
        members=_members(index, layer, group),
        wired=urls.group_in_circuit(slug, layer.name, group.index) if layer.name != index.top.name else "",
        feeds=_edges(index, "feeds", feeds),
        fed_by=_edges(index, "fed_by", fed_by),
    )


def _doubts(index: Index, layer: str, group: NeuronGroup) -> str:
    """What is to be doubted of a group: few patches, or what it may rest on."""
    return " ".join(cue.text for cue in cues(index, layer, group)) or _few(index, group)


def _few(index: Index, group: NeuronGroup) -> str:
    """What is to be doubted where a group has few patches, or patches of one picture alone."""
    pictures = len({index.patches[p].image for p in group.patches})
    if len(group.patches) <= FEW:
        return f"Only {count(len(group.patches), 'patch', 'patches')}: too few to say what it stands for."
    return "All of its patches come from one picture." if pictures == 1 else ""


def _neuron_table(index: Index, layer: LayerResult) -> Table:
    """All neurons of the layer, a row each, by channel; the lowest has no attribution, and so no gap."""
    slug, lowest = index.result.slug, index.below(layer.name) is None
    rows = tuple(
        (
            Cell(text=f"n{a.channel}", href=urls.neuron(slug, layer.name, a.channel)),
            Cell(text=", ".join(f"G{g}" for g in index.groups_of(layer.name, a.channel))),
            Cell(text=str(len(a.groups))),
            Cell(text=figure(max(a.activations))),
            Cell(text="" if a.silhouette is None else silhouette(a.silhouette)),
            *(Cell(text="" if gap is None else percent_fine(gap)) for gap in (a.gap_mean, a.gap_max) if not lowest),
        )
        for a in layer.neurons
    )
    numeric = ("Semantic groups", "Largest activation", "Silhouette", *(() if lowest else ("Gap, mean", "Gap, worst")))
    return Table(
        caption=f"Neurons of {layer.name}",
        columns=(Column(label="Neuron"), Column(label="Groups"), *(Column(label=n, numeric=True) for n in numeric)),
        rows=rows,
        download=urls.data(slug, "neurons.csv"),
    )


def agreement_sentence(a: PartAgreement) -> str:
    """A group's agreement with a planted part, with its chance level, test and n."""
    return prose(f"""
            {percent(a.purity)} of its {count(a.n, "patch", "patches")} show the {a.part} most, by chance
            {percent(a.chance)} (permutation p = {p_value(a.p_value)})
        """)


def _names(slug: str, layer: str, channels: Sequence[int]) -> Prose:
    links = [Span(text=f"n{c}", href=urls.neuron(slug, layer, c)) for c in channels[:MOST_NAMES]]
    return tuple(part for link in links for part in (Span(text=", "), link))[1:]


def _summary(index: Index, feeds: Sequence[GroupEdge], fed_by: Sequence[GroupEdge]) -> tuple[Prose, ...]:
    """Its strongest edges up and down."""
    slug, lines = index.result.slug, []
    for word, edges, up in (("Feeds ", feeds[:2], True), ("Fed by ", fed_by[:3], False)):
        spans: list[Span] = []
        for e in edges:
            layer, number = (e.upper_layer, e.upper) if up else (e.lower_layer, e.lower)
            link = Span(text=index.short_name(layer, number), href=urls.group(slug, layer, number))
            spans += [Span(text=", "), link, Span(text=f" {signed(e.weight)}")]
        if spans:
            lines.append((Span(text=word), *spans[1:]))
    return tuple(lines)


def _place_name(index: Index, layer: str, group: int) -> str:
    name = index.short_name(layer, group)
    return f"{layer} {name}" if name.startswith("G") else name


def _edges(index: Index, side: str, edges: Sequence[GroupEdge]) -> Table | None:
    if not edges:
        return None
    up = side == "feeds"
    ends = [(e.upper_layer, e.upper) if up else (e.lower_layer, e.lower) for e in edges]
    rows = tuple(
        (
            Cell(text=_place_name(index, layer, n), href=urls.group(index.result.slug, layer, n)),
            weight_cell(e.weight),
        )
        for (layer, n), e in zip(ends, edges, strict=True)
    )
    return Table(
        caption="What it feeds" if up else "What feeds it",
        columns=(Column(label="Neuron group"), Column(label="W", numeric=True)),
        rows=rows,
    )


def _members(index: Index, layer: LayerResult, group: NeuronGroup) -> Table:
    neurons = {a.channel: a for a in layer.neurons}
    rows = []
    for m in group.members:
        semantic = next(g for g in neurons[m.channel].groups if g.index == m.semantic)
        link = urls.neuron(index.result.slug, layer.name, m.channel)
        rows.append(
            (
                Cell(text=f"n{m.channel}", href=link),
                Cell(text=f"{m.semantic} of {len(neurons[m.channel].groups)}", href=f"{link}-{m.semantic}"),
                Cell(text=str(len(semantic.patches))),
                Cell(text=figure(semantic.activation)),
            )
        )
    return Table(
        caption=f"Members of G{group.index}",
        columns=(
            Column(label="Neuron"),
            Column(label="Semantic group", numeric=True),
            Column(label="Patches", numeric=True),
            Column(label="Mean activation", numeric=True),
        ),
        rows=tuple(rows),
    )


def _neuron(index: Index, layer: LayerResult, a: Neuron) -> NeuronView:
    slug, concept = index.result.slug, index.concept(a)
    return NeuronView(
        name=f"n{a.channel}",
        anchor=f"n{a.channel}",
        href=urls.neuron(slug, layer.name, a.channel),
        sentence=_neuron_sentence(index, layer, a),
        facts=_facts(a),
        notices=cautions.own(cautions.of_neuron(index.result.cautions, layer.name, a.channel)),
        concept=concept,
        concept_note=f"Concept: {part_of(len(concept.tiles), len(a.concept), 'patch', 'patches')}, strongest first",
        semantic=tuple(_semantic(index, layer, a, g) for g in a.groups),
        core=_core(index, layer, a),
    )


def _neuron_sentence(index: Index, layer: LayerResult, a: Neuron) -> Prose:
    """In how many groups the neuron is, said in words."""
    slug = index.result.slug
    groups = index.groups_of(layer.name, a.channel)
    links = [Span(text=f"G{g}", href=urls.group(slug, layer.name, g)) for g in groups]
    named = tuple(part for link in links for part in (Span(text=", "), link))[1:]
    if layer.name == index.top.name:
        return (Span(text=f"The logit of the class {index.result.name}."),)
    if not groups:
        return (Span(text="In no neuron group."),)
    if len(groups) == 1:
        return (Span(text="In one neuron group, "), *named, Span(text="."))
    number = f"In {len(groups)} neuron groups: "
    return (Span(text=number), *named, Span(text=". It stands for more than one thing here (polysemantic)."))


def _facts(a: Neuron) -> tuple[Fact, ...]:
    k = len(a.activations)
    facts = [
        Fact(
            label="Activation over the concept",
            value=f"{figure(min(a.activations))} to {figure(max(a.activations))} (k = {k})",
        )
    ]
    if a.silhouette is not None:
        facts.append(Fact(label="Silhouette", value=silhouette(a.silhouette)))
    if a.gap_mean is not None and a.gap_max is not None:
        value = f"{percent_fine(a.gap_mean)} mean, {percent_fine(a.gap_max)} worst (n = {k} patches)"
        facts.append(Fact(label="Completeness gap", value=value))
    if a.error_mean is not None and a.error_max is not None:
        value = f"{percent_fine(a.error_mean)} mean, {percent_fine(a.error_max)} worst"
        facts.append(Fact(label="Error of the attributions (estimated)", value=value))
    if a.nodes is not None:
        facts.append(Fact(label="Steps of the integration", value=f"{a.nodes} at most"))
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
    rows = tuple(
        (
            Cell(text=f"n{c.channel}", href=urls.neuron(index.result.slug, below.name, c.channel)),
            Cell(text=figure(c.score)),
            *(weight_cell(w[c.channel]) if c.channel in w else Cell(text="") for w in weights),
        )
        for c in a.core
    )
    return Table(
        caption=f"Core concept neurons at {below.name}",
        columns=(
            Column(label="Neuron"),
            Column(label="Score", numeric=True),
            *(Column(label=f"w, group {g.index}", numeric=True) for g in a.groups),
        ),
        rows=rows,
    )


PAGE = PageKind(
    name="layer",
    template="site/layer.html",
    build=lambda data: (layer_page(index, layer) for index in data.indices for layer in index.downward()),
    order=30,
)
