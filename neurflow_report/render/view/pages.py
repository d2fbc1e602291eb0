"""What the pages show, as frozen values: every address, figure and word is settled here, a template only places it.

Addresses (`href`, `file`, `path`) are relative to the site's root; "" stands for no link. The renderer of a page makes
them relative to that page. Text is plain text, not markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from neurflow_report.render.graph import Diagram
from neurflow_report.render.mosaic import GUTTER, columns_of
from neurflow_report.results.records import Masking, Patch


@dataclass(frozen=True, kw_only=True)
class Span:
    """A run of words; a link where `href` is given, stressed where `strong`, a term at its explanation where `term`."""

    text: str
    href: str = ""
    strong: bool = False
    term: bool = False


Prose = tuple[Span, ...]
Value = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """A picture to make: `patches` of class `slug`, row by row in `columns` columns.

    A cell is shown `cell` CSS pixels wide; the file has fewer where the pictures have.
    """

    file: str
    alt: str
    slug: str
    patches: tuple[Patch, ...]
    columns: int
    cell: int

    @property
    def width(self) -> int:
        """CSS pixels across."""
        return self._pixels(columns_of(len(self.patches), self.columns))

    @property
    def height(self) -> int:
        """CSS pixels down."""
        return self._pixels(ceil(len(self.patches) / columns_of(len(self.patches), self.columns)))

    def _pixels(self, cells: int) -> int:
        return cells * (self.cell + GUTTER) - GUTTER


@dataclass(frozen=True, kw_only=True)
class Column:
    """A table's column: `numeric` ones are set flush right in tabular figures."""

    label: str
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A table's cell; `sign` is "positive" or "negative" for a weight, to be shown beside its printed sign."""

    text: str
    href: str = ""
    sign: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row names the row.

    `download` is the address of the same figures as CSV; the same as JSON lies beside it.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    download: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A headline figure with its unit in `value`, what it is in `label`, and n, interval and null in `note`.

    `against` is the null alone, for where there is no room for the note.
    """

    label: str
    value: str
    note: str
    against: str = ""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A caution in words: what was seen and what it means for the reader; `places` are the neurons or layers met."""

    code: str
    title: str
    text: str
    places: Prose = ()


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to fetch."""

    label: str
    href: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Citation:
    """How to cite `what`: in words, and as a BibTeX entry."""

    what: str
    text: str
    bibtex: str


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A drawing and the table that says the same. `dot` and `svg`: addresses of its DOT source and of it alone."""

    id: str
    title: str
    diagram: Diagram
    caption: str
    table: Table
    dot: str
    svg: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Masking figures to plot, with the words beside the plot; addresses of the plot alone and of its figures."""

    id: str
    title: str
    rows: tuple[Masking, ...]
    caption: str
    svg: str
    download: str


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """A neuron group. `card` is its square 3×3 mosaic, `mosaic` the larger one; `share` in 0..1."""

    name: str
    anchor: str
    href: str
    class_anchor: str
    share: float
    share_text: str
    size_text: str
    card: Mosaic
    mosaic: Mosaic
    mosaic_note: str
    neurons: Prose
    more_neurons: int
    summary: tuple[Prose, ...]
    agreement: str
    members: Table
    feeds: Table | None
    fed_by: Table | None


@dataclass(frozen=True, kw_only=True)
class SemanticView:
    """A semantic group of one neuron."""

    name: str
    anchor: str
    mosaic: Mosaic
    note: str
    group: Prose


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A named figure of a neuron."""

    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class NeuronView:
    """A core concept neuron, or the logit."""

    name: str
    anchor: str
    href: str
    sentence: Prose
    facts: tuple[Fact, ...]
    notices: tuple[Notice, ...]
    concept: Mosaic
    concept_note: str
    semantic: tuple[SemanticView, ...]
    core: Table | None


@dataclass(frozen=True, kw_only=True)
class LayerSection:
    """A layer on the class page."""

    name: str
    anchor: str
    href: str
    sentence: str
    notices: tuple[Notice, ...]
    groups: tuple[GroupView, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every page has. `depth` is the number of folders it lies in; `crumbs` lead to it from the overview."""

    path: str
    title: str
    description: str
    crumbs: Prose
    here: str

    @property
    def depth(self) -> int:
        """Folders between the site's root and this page."""
        return self.path.count("/")


@dataclass(frozen=True, kw_only=True)
class LayerPage(Page):
    """One layer of one class: its groups and neurons in full."""

    kicker: str
    heading: str
    lead: str
    terms: tuple[Prose, ...]
    notices: tuple[Notice, ...]
    groups: tuple[GroupView, ...]
    neurons: tuple[NeuronView, ...]
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
    plot: Plot | None
    masking: Table | None
    layers: tuple[LayerSection, ...]
    neurons: Circuit
    neurons_words: str
    agreement_words: str
    agreement: Table | None
    pictures: Table
    downloads: tuple[Download, ...]


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
class FidelityPage(Page):
    """F1 over all classes."""

    lead: str
    terms: tuple[Prose, ...]
    doubts: tuple[Notice, ...]
    words: tuple[str, ...]
    table: Table | None
    plots: tuple[Plot, ...]


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
class Data:
    """A table of the site as a file of data: written as CSV to `file`, and as JSON beside it (`json`)."""

    file: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    @property
    def json(self) -> str:
        """The address of the same as JSON."""
        return self.file.removesuffix(".csv") + ".json"


@dataclass(frozen=True, kw_only=True)
class SiteView:
    """The whole site."""

    title: str
    theme: str
    generator: str
    overview: OverviewPage
    classes: tuple[ClassPage, ...]
    layers: tuple[LayerPage, ...]
    fidelity: FidelityPage
    method: MethodPage
    provenance: ProvenancePage
    tables: tuple[Data, ...]

    def pages(self) -> Iterator[Page]:
        """Every page, the overview first."""
        yield self.overview
        yield from self.classes
        yield from self.layers
        yield from (self.fidelity, self.method, self.provenance)

    def circuits(self) -> Iterator[Circuit]:
        """Every drawing."""
        for page in self.classes:
            yield from (page.circuit, page.neurons)

    def plots(self) -> Iterator[Plot]:
        """Every plot."""
        yield from (page.plot for page in self.classes if page.plot is not None)

    def mosaics(self) -> dict[str, Mosaic]:
        """Every mosaic by its file; equal files are equal mosaics."""
        groups = [g for page in self.layers for g in page.groups]
        neurons = [a for page in self.layers for a in page.neurons]
        found = [m for g in groups for m in (g.card, g.mosaic)]
        found += [m for a in neurons for m in (a.concept, *(s.mosaic for s in a.semantic))]
        return {mosaic.file: mosaic for mosaic in found}
