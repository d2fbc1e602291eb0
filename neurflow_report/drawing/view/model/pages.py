"""What the pages show, as frozen values: every address, figure and word is settled here, a template only places it.

Addresses (`href`, `file`, `path`) are relative to the site's root; "" stands for no link. The renderer of a page makes
them relative to that page. Text is plain text, not markup. What pages are made of stands in components.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from neurflow_report.drawing.view.model.charts import Forest, Scatter
from neurflow_report.drawing.view.model.components import (
    Captions,
    Cell,
    Circuit,
    Citation,
    Column,
    Data,
    Download,
    Fact,
    Figure,
    GroupView,
    Mosaic,
    NeuronView,
    Notice,
    Page,
    Plot,
    Prose,
    SemanticView,
    Span,
    Table,
    Value,
)
from neurflow_report.drawing.view.model.evidence_pages import ClassFidelityPage, ExperimentView, FidelityPage

__all__ = [
    "Cell",
    "Choice",
    "Circuit",
    "CircuitPage",
    "Citation",
    "ClassCard",
    "ClassFidelityPage",
    "ClassPage",
    "Column",
    "Data",
    "Download",
    "ExperimentView",
    "Fact",
    "FidelityPage",
    "Figure",
    "Forest",
    "FoundClass",
    "FoundLayer",
    "GroupView",
    "LayerPage",
    "LayerSection",
    "MethodPage",
    "MethodStep",
    "Mosaic",
    "NeuronView",
    "Notice",
    "OverviewPage",
    "Page",
    "Plot",
    "Prose",
    "ProvenancePage",
    "Scatter",
    "SearchPage",
    "SemanticView",
    "SiteView",
    "Span",
    "Table",
    "Value",
]


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


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a patch lies in its picture, in shares (0..1) of the picture's side, and in words."""

    anchor: str
    left: float
    top: float
    side: float
    text: str


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """A picture as the model saw it; `file` is "" where no patch of it is shown."""

    anchor: str
    file: str
    name: str
    caption: str
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True)
class PicturesPage(Page):
    """The pictures of one class, and in each the place of every patch that the report shows."""

    kicker: str
    heading: str
    lead: str
    captions: Captions
    shown: tuple[PictureView, ...]
    table: Table


@dataclass(frozen=True, kw_only=True)
class ClassCard:
    """A class on the overview; `mosaics` are its weightiest groups', the weightiest first."""

    name: str
    href: str
    sentence: str
    mosaics: tuple[Mosaic, ...]
    figures: tuple[Figure, ...]
    cautions: str


@dataclass(frozen=True, kw_only=True)
class OverviewPage(Page):
    """The first page."""

    lead: Prose
    terms: tuple[Prose, ...]
    doubts: tuple[Notice, ...]
    figures: tuple[Figure, ...]
    cards: tuple[ClassCard, ...]
    facts: Table
    skipped: Table | None
    downloads: tuple[Download, ...]
    citations: tuple[Citation, ...]


@dataclass(frozen=True, kw_only=True)
class MethodStep:
    """A definition of the method with this run's values; `formula` is set apart, `where` says its symbols and units."""

    id: str
    title: str
    text: tuple[str, ...]
    formula: str = ""
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class MethodPage(Page):
    """The method, as this run used it."""

    lead: str
    steps: tuple[MethodStep, ...]
    settings: Table
    layers: Table


@dataclass(frozen=True, kw_only=True)
class ProvenancePage(Page):
    """Where the report comes from; the only page with a clock."""

    lead: str
    clock: Table
    identity: Table
    versions: Table
    determinism: Table
    files: Table
    spec_text: str
    spec_resolved: str


@dataclass(frozen=True, kw_only=True)
class FoundLayer:
    """What of one layer can be found: its groups with what they show, and its neurons."""

    name: str
    href: str
    groups: tuple[tuple[Span, str], ...]
    neurons: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class FoundClass:
    """What of one class can be found; `pictures` with what is said of them."""

    name: str
    href: str
    anchor: str
    layers: tuple[FoundLayer, ...]
    pictures: tuple[tuple[Span, str], ...]


@dataclass(frozen=True, kw_only=True)
class SearchPage(Page):
    """Everything that has a name, as a list; a script finds in it."""

    lead: str
    classes: tuple[FoundClass, ...]


@dataclass(frozen=True, kw_only=True)
class SiteView:
    """The whole site."""

    title: str
    theme: str
    generator: str
    overview: OverviewPage
    classes: tuple[ClassPage, ...]
    layers: tuple[LayerPage, ...]
    circuit_pages: tuple[CircuitPage, ...]
    pictures: tuple[PicturesPage, ...]
    fidelity: FidelityPage
    evidence: tuple[ClassFidelityPage, ...]
    method: MethodPage
    provenance: ProvenancePage
    search: SearchPage
    tables: tuple[Data, ...]

    def pages(self) -> Iterator[Page]:
        """Every page, the overview first."""
        yield self.overview
        yield from self.classes
        yield from self.layers
        yield from self.circuit_pages
        yield from self.pictures
        yield self.fidelity
        yield from self.evidence
        yield from (self.method, self.provenance, self.search)

    def circuits(self) -> Iterator[Circuit]:
        """Every drawing of the site; that of the weightiest neurons is for print alone."""
        for page in self.classes:
            yield page.circuit
        for whole in self.circuit_pages:
            yield from (whole.neurons, whole.groups)

    def plots(self) -> Iterator[Plot | Forest | Scatter]:
        """Every plot."""
        yield from (page.plot for page in self.classes if page.plot is not None)
        for page in self.evidence:
            for experiment in page.experiments:
                yield from (chart for chart in (experiment.chart, experiment.scatter) if chart is not None)
