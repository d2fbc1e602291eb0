"""A class's page: the circuit, in words, as a drawing and as tables, the evidence, and the layers' groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions
from neurflow_report.drawing.view.model.circuit_drawing import LEVEL, group_circuit, neuron_circuit
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import (
    Captions,
    Cell,
    Circuit,
    Column,
    Download,
    Figure,
    GroupView,
    Notice,
    Page,
    Plot,
    Prose,
    Span,
    Table,
)
from neurflow_report.drawing.view.model.numbers import count, interval, listing, mean, p_value, percent
from neurflow_report.drawing.view.pages import PageKind, ReportData, retaining
from neurflow_report.drawing.view.pages.layer_page import PAGE as LAYER
from neurflow_report.drawing.view.pages.layer_page import LayerPage
from neurflow_report.drawing.view.pages.summary import lead
from neurflow_report.drawing.view.text import cautions, verdicts
from neurflow_report.drawing.view.text.card import class_markdown
from neurflow_report.drawing.view.text.glossary import terms
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import ClassResult, LayerResult, Manifest, NeuronGroup, PartAgreement, Run

BACKGROUND = "background"
"""The part that stands for no part of the thing drawn."""
_SELECTED = {
    "predicted": "predicted as",
    "labelled": "labelled as",
    "correct": "labelled and predicted as",
}


@dataclass(frozen=True, kw_only=True)
class LayerSection:
    """A layer on the class page; `doubted`: what of it is doubted above, by name."""

    name: str
    anchor: str
    href: str
    sentence: str
    doubted: str
    groups: tuple[GroupView, ...]


@dataclass(frozen=True, kw_only=True)
class ClassPage(Page):
    """One class."""

    kicker: str
    heading: str
    lead: Prose
    terms: tuple[Prose, ...]
    figures: tuple[Figure, ...]
    notices: tuple[Notice, ...]
    circuit: Circuit
    circuit_words: str
    masking_words: str
    ledger: Prose
    plot: Plot | None
    masking: Table | None
    layers: tuple[LayerSection, ...]
    groups_data: str
    neurons: Circuit
    neurons_words: str
    whole_href: str
    agreement_words: str
    agreement: Table | None
    pictures: Captions
    pictures_href: str
    downloads: tuple[Download, ...]
    card_markdown: str


def selection(run: Run) -> str:
    """Which pictures a class has: `those predicted as it, 50 at most`."""
    drawn = f", drawn at random with the seed {run.settings.seed}" if run.data.sample == "random" else ""
    which = _chosen(run, "it")
    return f"{which if run.data.select == 'any' else f'those {which}'}, {run.data.limit:,} at most{drawn}"


def _chosen(run: Run, what: str) -> str:
    """How a class's pictures were chosen: `predicted as the class`."""
    select = run.data.select
    return "those labelled as it first, then others" if select == "any" else f"{_SELECTED[select]} {what}"


def whose(index: Index) -> str:
    """Whose the class's pictures are: `8 in all, 1 labelled tiger and 1 predicted as it`."""
    name, pictures = index.result.name, index.result.pictures
    labelled, predicted = (sum(getattr(p, way) == name for p in pictures) for way in ("label", "predicted"))
    known = f"{labelled or 'none'} labelled {name}" if any(p.label is not None for p in pictures) else "labels unknown"
    return f"{len(pictures)} in all, {known} and {predicted or 'none'} predicted as it"


def class_page(index: Index, layers: Sequence[LayerPage], manifest: Manifest) -> ClassPage:
    """The page of one class; `layers`: the pages of its layers, from the logit down."""
    result, run = index.result, index.run
    slug = result.slug
    rows = [("", slug, m) for m in index.masking]
    caption = f"Masking and retaining (F1) for {result.name}"
    return ClassPage(
        path=urls.class_page(slug),
        title=result.name,
        description=f"What drives the class {result.name} in {run.model.name}",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here=result.name,
        kicker=f"Class (logit {result.index})",
        heading=result.name,
        lead=lead(index),
        terms=terms(run, "logit", "patch", "core", "semantic", "group", "share", "weight", "tau"),
        figures=figures(index),
        notices=_notices(index),
        circuit=group_circuit(index),
        circuit_words=prose("""
            How the class comes about, from the logit down: each picture shows the patches that a group of neurons
            answers to.
        """),
        masking_words=_masking_words(index),
        ledger=_ledger(index),
        plot=retaining.plot(index),
        masking=retaining.masking_table(rows, download=urls.data(slug, "masking.csv"), caption=caption)
        if rows
        else None,
        layers=tuple(_section(layer) for layer in layers[1:]),
        groups_data=urls.data(slug, "groups.csv"),
        neurons=neuron_circuit(index),
        neurons_words=prose("""
            The same circuit before grouping: single core concept neurons, the ones that most of the logit's absolute
            weight reaches. A line is the mean of the weights w over the upper neuron's semantic groups.
        """),
        whole_href=urls.circuit(slug),
        agreement_words=_agreement_words(result),
        agreement=_agreement_table(index),
        pictures=captions(index),
        pictures_href=urls.pictures(slug),
        downloads=_downloads(result),
        card_markdown=class_markdown(index, manifest),
    )


def figures(index: Index) -> tuple[Figure, ...]:
    """The class's headline figures."""
    result, found = index.result, []
    how = _chosen(index.run, "the class") if index.run.data.select in {"predicted", "correct"} else whose(index)
    found.append(
        Figure(label="Pictures", value=f"{len(result.pictures)}", note=f"{how}; {result.candidates:,} patches")
    )
    found += _supported(result)
    for mode, label in (("mask", "Accuracy without the core"), ("retain", "Accuracy with the core alone")):
        m = retaining.main_row(index, mode)
        if m is not None:
            random = percent(mean(m.null))
            verdict = "" if m.p_value <= LEVEL else ": not told apart from them"
            note = prose(f"""
                    {m.layer}, {m.size} neurons; 95% interval {interval(m.low, m.high)}, n = {m.n}; random sets
                    {random}, p = {p_value(m.p_value)}{verdict}
                """)
            found.append(Figure(label=label, value=percent(m.accuracy), note=note, against=f"random sets {random}"))
    return tuple(found)


def _supported(result: ClassResult) -> list[Figure]:
    """How many of the ledger's claims that could be tested hold."""
    tested = verdicts.tested(result.claims)
    held, failed = (sum(c.verdict == verdict for c in tested) for verdict in ("supported", "not supported"))
    left = len(tested) - held - failed
    note = f"tests of the method's claims, layer by layer; {failed} not supported, {left} inconclusive"
    return [Figure(label="Claims supported", value=f"{held} of {len(tested)}", note=note)] if tested else []


def _notices(index: Index) -> tuple[Notice, ...]:
    weak, result = retaining.undecided(index.masking), index.result
    return (*((weak,) if weak else ()), *cautions.notices(result.cautions, result.slug, masking=result.masking))


def _section(layer: LayerPage) -> LayerSection:
    return LayerSection(
        name=layer.heading,
        anchor=urls.folder_name(layer.heading),
        href=layer.path,
        sentence=layer.lead,
        doubted=_doubted(layer.notices),
        groups=layer.groups,
    )


def _doubted(notices: Sequence[Notice]) -> str:
    """The names of the cautions on a layer, which the page has told in full at its beginning."""
    return f"Doubted above: {listing([one.title[0].lower() + one.title[1:] for one in notices])}." if notices else ""


def _ledger(index: Index) -> Prose:
    """The way to the class's evidence."""
    if not index.result.claims:
        return ()
    link = Span(text="Every test and its verdict", href=urls.class_fidelity(index.result.slug))
    where = verdicts.weakest(index.claims, [layer.name for layer in index.downward()])
    told = verdicts.summary(index.claims)
    return (Span(text=f"{told[0].upper()}{told[1:]}. {where} ".replace("  ", " ")), link, Span(text="."))


def _masking_words(index: Index) -> str:
    row = retaining.main_row(index, "retain")
    if row is None:
        return "No masking experiment was part of this run: nothing here was tested on the network."
    draws = len(row.null)
    return prose(f"""
            Masking sets the core neurons of one layer to 0; retaining sets all others to 0.
            {retaining.masking_sentence(row)} p is the share of sets that do at least as well, the core set counted
            among them; with {draws} random sets it cannot be smaller than {p_value(1 / (1 + draws))}.
        """)


def agreements(result: ClassResult) -> tuple[tuple[LayerResult, NeuronGroup, PartAgreement], ...]:
    """Every group whose agreement with a planted part is known, from the logit down."""
    return tuple(
        (layer, g, g.agreement)
        for layer in reversed(result.layers[:-1])
        for g in layer.groups
        if g.agreement is not None
    )


def _agreement_words(result: ClassResult) -> str:
    known = agreements(result)
    beyond = [a.part for _, _, a in known if a.p_value <= LEVEL]
    return prose(f"""
            These pictures are drawn by a program, so the parts in each patch are known. Purity is the share of a
            group's patches that show the named part most; chance is that share over all the class's patches; p is a
            permutation test of the best part's excess against random patch sets of the same size. {len(beyond)} of
            {count(len(known), "group")} have p ≤ {LEVEL}, {beyond.count(BACKGROUND)} of these for the background;
            {LEVEL * len(known):.1f} would by chance alone (no correction for their number).
        """)


def _agreement_table(index: Index) -> Table | None:
    known = agreements(index.result)
    if not known:
        return None
    slug = index.result.slug
    rows = tuple(
        (
            Cell(text=f"{layer.name} G{g.index}", href=urls.group(slug, layer.name, g.index)),
            Cell(text=a.part),
            Cell(text=percent(a.purity)),
            Cell(text=percent(a.chance)),
            Cell(text=str(a.n)),
            Cell(text=p_value(a.p_value)),
        )
        for layer, g, a in known
    )
    numeric = ("Purity", "Chance", "n patches", "p")
    return Table(
        caption="Neuron groups against the parts that were planted",
        columns=(Column(label="Neuron group"), Column(label="Part"), *(Column(label=n, numeric=True) for n in numeric)),
        rows=rows,
        download=urls.data(slug, "groups.csv"),
    )


def _downloads(result: ClassResult) -> tuple[Download, ...]:
    notes = {
        "groups.csv": "neuron groups, shares, members",
        "group-edges.csv": "weights W between groups",
        "neurons.csv": "core concept neurons",
        "neuron-edges.csv": "mean weights w between neurons",
        "masking.csv": "masking and retaining, with every random set",
        **({"ledger.csv": "every claim at every layer, with its verdict"} if result.claims else {}),
        **({"fidelity.csv": "the figures of every other experiment"} if result.measures else {}),
        "patches.csv": "every patch shown: its picture, its place, and what it excites",
        "pictures.csv": "the pictures",
        "groups.svg": "the circuit of groups, as a picture",
        "groups.dot": "the circuit of groups, for Graphviz",
        "all-neurons.svg": "the circuit of all neurons, as a picture",
        "all-neurons.dot": "the circuit of all neurons, for Graphviz",
    }
    found = [Download(label=name, href=urls.data(result.slug, name), note=note) for name, note in notes.items()]
    return tuple(found)


def _build(data: ReportData) -> Iterator[ClassPage]:
    layers = data.pages(LAYER)
    for index in data.indices:
        own = [page for page in layers if page.pictures.slug == index.result.slug]
        yield class_page(index, own, data.manifest)


PAGE = PageKind(
    name="class",
    template="site/class.html",
    build=_build,
    order=20,
)
