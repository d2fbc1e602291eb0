"""A class's page: the circuit, in words, as a drawing and as tables, the evidence, and the layers' groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions
from neurflow_report.drawing.view.model.circuit_drawing import LEVEL, group_circuit, neuron_circuit
from neurflow_report.drawing.view.model.class_index import Index, bare
from neurflow_report.drawing.view.model.components import (
    Captions,
    Cell,
    Circuit,
    Column,
    Download,
    GroupView,
    Notice,
    Page,
    Plot,
    Prose,
    Span,
    Table,
)
from neurflow_report.drawing.view.model.numbers import count, listing, p_value, percent
from neurflow_report.drawing.view.pages import PageKind, ReportData, one_each, retaining
from neurflow_report.drawing.view.pages.layer_page import PAGE as LAYER
from neurflow_report.drawing.view.pages.layer_page import LayerPage
from neurflow_report.drawing.view.pages.why_picture import address
from neurflow_report.drawing.view.text import findings, ledger, limits, verdicts
from neurflow_report.drawing.view.text.card import class_markdown
from neurflow_report.drawing.view.text.findings import Answer
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import ClassResult, LayerResult, Manifest, NeuronGroup, PartAgreement, Run

Place = tuple[float, float, float]
"""A patch in its picture: left, top and side, in shares of the picture's side."""
SHOWN_GROUPS, MOST_OUTLINED, LITTLE = 3, 4, 0.3
"""Groups below the logit whose patches are outlined in the class's picture, how many patches at most, and the overlap
from which the second of two is left out."""
BACKGROUND = "background"
"""The part that stands for no part of the thing drawn."""
_SELECTED = {
    "predicted": "predicted as",
    "labelled": "labelled as",
    "correct": "labelled and predicted as",
}


@dataclass(frozen=True, kw_only=True)
class LayerSection:
    """A layer on the class page; the first `FIRST_GROUPS` of its groups are shown, the others folded."""

    name: str
    anchor: str
    href: str
    sentence: str
    groups: tuple[GroupView, ...]


@dataclass(frozen=True, kw_only=True)
class Outlined:
    """A whole picture with patches outlined in it: places as (left, top, side) in shares of its side."""

    file: str
    name: str
    places: tuple[Place, ...]
    caption: str


@dataclass(frozen=True, kw_only=True)
class ClassPage(Page):
    """One class. `others`: all classes of the report, for the menu; `before`, `after`: its neighbours there."""

    kicker: str
    heading: str
    verdict: str
    tested: str
    shape: str
    lead: tuple[Prose, ...]
    picture: Outlined | None
    answers: tuple[Answer, ...]
    others: tuple[Span, ...]
    before: Span | None
    after: Span | None
    limits: tuple[Notice, ...]
    circuit: Circuit
    circuit_words: str
    grid: Table | None
    evidence: Span
    masking_words: str
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
    explained: Prose
    downloads: tuple[Download, ...]
    card_markdown: str


def selection(run: Run) -> str:
    """Which pictures a class has: `those predicted as it, 50 at most`."""
    drawn = f", drawn at random with the seed {run.settings.seed}" if run.data.sample == "random" else ""
    which = _chosen(run, "it")
    return f"{which if run.data.select == 'any' else f'those {which}'}, at most {run.data.limit:,}{drawn}"


def _chosen(run: Run, what: str) -> str:
    """How a class's pictures were chosen: `predicted as the class`."""
    select = run.data.select
    return "those labelled as it first, then others" if select == "any" else f"{_SELECTED[select]} {what}"


def whose(index: Index) -> str:
    """Whose the class's pictures are: `8 in all, 1 labelled tiger and 1 predicted as it`."""
    name, pictures = index.result.name, index.result.pictures
    labelled, predicted = (sum(getattr(p, way) == name for p in pictures) for way in ("label", "predicted"))
    known = f"{labelled or 'none'} labelled {name}" if any(p.label is not None for p in pictures) else "labels unknown"
    told = f"{len(pictures)} in all, {known} and {predicted or 'none'} predicted as it"
    held = f"; found on {len(index.found_on)}, tested on the other {index.held_out}" if index.held_out else ""
    return f"{told}{held}"


def class_page(index: Index, layers: Sequence[LayerPage], manifest: Manifest, every: Sequence[Span] = ()) -> ClassPage:
    """The page of one class; `layers`: the pages of its layers, from the logit down; `every`: all classes' pages."""
    result, run = index.result, index.run
    slug, path = result.slug, urls.class_page(result.slug)
    rows = [("", slug, m) for m in index.masking]
    at = next((n for n, other in enumerate(every) if other.href == path), 0)
    return ClassPage(
        path=path,
        title=result.name,
        description=f"What drives the class {result.name} in {run.model.name}",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here=result.name,
        kicker=f"Class (logit {result.index})",
        heading=result.name,
        verdict=findings.verdict_words(index)[0],
        tested=_tested(index),
        shape=verdicts.standing(index.verdict).mark,
        lead=findings.of_class(index),
        picture=_outlined(index),
        answers=findings.answers(index),
        others=tuple(every),
        before=every[at - 1] if at else None,
        after=every[at + 1] if at + 1 < len(every) else None,
        limits=limits.of_class(index),
        circuit=group_circuit(index),
        circuit_words="Read from the logit down.",
        grid=verdicts.by_layer(index),
        evidence=Span(text="Every test, with its interval and what random neurons do", href=urls.class_fidelity(slug)),
        masking_words=_masking_words(index),
        plot=retaining.plot(index),
        masking=retaining.masking_table(
            rows, download=urls.data(slug, "masking.csv"), caption=f"Masking and retaining (F1) for {result.name}"
        )
        if rows
        else None,
        layers=tuple(_section(layer) for layer in layers[1:]),
        groups_data=urls.data(slug, "groups.csv"),
        neurons=neuron_circuit(index),
        neurons_words=prose("""
            The same circuit before grouping: the single neurons through which most of the logit goes.
        """),
        whole_href=urls.circuit(slug),
        agreement_words=_agreement_words(result),
        agreement=_agreement_table(index),
        pictures=captions(index),
        pictures_href=urls.pictures(slug),
        explained=_explained(index),
        downloads=_downloads(result),
        card_markdown=class_markdown(index, manifest),
    )


def _explained(index: Index) -> Prose:
    """The pictures that the class's circuit explains, each a link."""
    found: list[Span] = []
    for one in index.result.debugged:
        found += [Span(text=", " if found else "Why these pictures? "), Span(text=bare(one.name), href=address(one))]
    return tuple(found)


def _tested(index: Index) -> str:
    """ "21 of 30 tests support the circuit, …. rosemallow survives without its core at block2." """
    failed = [c.layer for c in ledger.fails(index, "needed")]
    survives = f"{index.result.name} survives without its core at {listing(failed)}." if failed else ""
    return " ".join(filter(None, (findings.verdict_words(index)[1], survives)))


def _outlined(index: Index) -> Outlined | None:
    """The picture that stands for the class, with the patches in it of the groups right below the logit."""
    image = picture_of(index)
    if image is None:
        return None
    layer = index.below_top
    own = [p for g in layer.groups[:SHOWN_GROUPS] for p in index.shown(layer.name, g, len(g.patches))]
    tiles = [index.tile(p) for p in dict.fromkeys(own) if index.patches[p].image == image]
    places = list[Place]()
    for t in tiles:
        place = (t.left, t.top, t.side)
        if t.side < 1 and len(places) < MOST_OUTLINED and all(_overlap(place, other) < LITTLE for other in places):
            places.append(place)
    picture = index.result.pictures[image]
    what = f"with {count(len(places), 'patch', 'patches')} that {layer.name}'s groups answer to outlined"
    return Outlined(
        file=urls.picture_file(index.result.slug, image),
        name=picture.name,
        places=tuple(places),
        caption=picture.name + (f", {what}" if places else ""),
    )


def _overlap(one: Place, other: Place) -> float:
    """The area that two squares share, as a share of the smaller one's."""
    sides = (min(one[i] + one[2], other[i] + other[2]) - max(one[i], other[i]) for i in (0, 1))
    return prod(max(0.0, side) for side in sides) / min(one[2], other[2]) ** 2


def picture_of(index: Index) -> int | None:
    """The picture that stands for a class: the one with the most patches among those shown first below the logit."""
    layer = index.below_top
    shown = [p for g in layer.groups[:SHOWN_GROUPS] for p in index.shown(layer.name, g, 9)]
    images = Counter(index.patches[p].image for p in shown or index.patches)
    files = [n for n, picture in enumerate(index.result.pictures) if picture.file is not None]
    return max(files, key=lambda n: (images[n], -n), default=None)


def _section(layer: LayerPage) -> LayerSection:
    return LayerSection(
        name=layer.heading,
        anchor=urls.folder_name(layer.heading),
        href=layer.path,
        sentence=layer.lead,
        groups=layer.groups,
    )


def _masking_words(index: Index) -> str:
    row = retaining.main_row(index, "retain")
    if row is None:
        return "No masking experiment was part of this run: nothing here was tested on the network."
    rest = "their mean over pictures of all classes" if index.two_sided else "0"
    return prose(f"""
        Masking sets the core neurons of one layer to 0; retaining sets all others to {rest}. The triangles are the
        core, the bars are random sets of the same size.
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
            {len(beyond)} of {count(len(known), "group")} agree with a planted part at p ≤ {LEVEL},
            {beyond.count(BACKGROUND)} of them with the background; by chance alone {LEVEL * len(known):.1f} would (no
            correction for the number of groups). These pictures are drawn by a program, so the part that each patch
            mainly shows is known. Purity is the share of a group's patches that mainly show the named part; chance is
            that share over all the class's patches; p comes from a permutation test of purity minus chance against
            random patch sets of the same size.
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
        **({"two-sided.csv": "the same with pictures of other classes"} if result.two_sided else {}),
        **({"ledger.csv": "every claim at every layer, with its verdict"} if result.claims else {}),
        **({"fidelity.csv": "the figures of every other experiment"} if result.measures else {}),
        "patches.csv": "every patch shown: its picture, its place, and what it excites",
        "pictures.csv": "the pictures",
        "groups.svg": "the circuit of groups, as a drawing",
        "groups.dot": "the circuit of groups, for Graphviz",
        "all-neurons.svg": "the circuit of all neurons, as a drawing",
        "all-neurons.dot": "the circuit of all neurons, for Graphviz",
    }
    found = [Download(label=name, href=urls.data(result.slug, name), note=note) for name, note in notes.items()]
    return tuple(found)


def _build(data: ReportData) -> Iterator[ClassPage]:
    layers = data.pages(LAYER)
    every = tuple(Span(text=i.result.name, href=urls.class_page(i.result.slug)) for i in data.indices)
    for index in data.own:
        own = [page for page in layers if page.pictures.slug == index.result.slug]
        yield class_page(index, own, data.manifest, every)


PAGE = PageKind(
    name="class",
    template="site/class.html",
    build=_build,
    order=20,
    by_class=one_each,
)
