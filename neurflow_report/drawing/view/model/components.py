"""What pages are made of, as frozen values: words, tables, figures, mosaics, drawings, plots and files.

Addresses (`href`, `file`) are relative to the site's root; "" stands for no link. Text is plain text, not markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.graph import Diagram, Tile
from neurflow_report.results.records import Masking, TwoSided


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
    """Patches of class `slug` to show, row by row in at most `columns` columns of cells `cell` CSS pixels wide."""

    alt: str
    slug: str
    tiles: tuple[Tile, ...]
    columns: int
    cell: int

    @property
    def across(self) -> int:
        """Columns that are used."""
        return columns_of(len(self.tiles), self.columns)


@dataclass(frozen=True, kw_only=True)
class Captions:
    """What a page says of the pictures of class `slug`, by number; `size`: the side in pixels as the model sees them.

    `files` are their addresses, "" for one of which no patch is shown; `script` holds the texts for a script.
    """

    slug: str
    size: int
    texts: tuple[str, ...]
    files: tuple[str, ...]
    script: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """A table's column: `numeric` ones are set flush right in tabular figures."""

    label: str
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A table's cell; `sign` is "positive" or "negative" for a weight or a verdict, beside its printed sign or mark;
    `part`: of a count such as "3 of 4" the share in 0..1, which tints the cell."""

    text: str
    href: str = ""
    sign: str = ""
    part: float | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row names the row.

    `download` is the address of the same figures as CSV; the same as JSON lies beside it. `anchors`: a row's own place
    on the page, "" for none; empty where no row has one.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    download: str = ""
    anchors: tuple[str, ...] = ()

    @property
    def twin(self) -> str:
        """The address of the same figures as JSON, or ""."""
        return self.download.removesuffix(".csv") + ".json" if self.download else ""


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
class Panel:
    """What a script tells of a drawing's nodes when one is picked, in the nodes' order; the pages have all of it too.

    Attributes:
        patches: how a patch's address begins, before its number.
        shares: each node's share of the logit.
        windows: places in a picture as (left, top, side), in shares.
        tiles: patches of each node as (patch, picture of the class `slug`, number of its window).
        members: of each group its strongest neurons as (channel, share lent); at the end (-1, how many more).
        edges: each node's largest as (upper node, lower node, flow, sign, weight), the nodes by their places.
    """

    slug: str
    patches: str
    shares: tuple[float, ...]
    windows: tuple[tuple[float, float, float], ...]
    tiles: tuple[tuple[tuple[int, int, int], ...], ...]
    members: tuple[tuple[tuple[int, float], ...], ...]
    edges: tuple[tuple[int, int, float, int, float | None], ...]


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A drawing and the table that says the same. `dot` and `svg`: addresses of its DOT source and of it alone; `twin`:
    a drawing of the same circuit by other nodes, to choose instead."""

    id: str
    title: str
    diagram: Diagram
    caption: str
    table: Table
    dot: str
    svg: str
    panel: Panel | None = None
    twin: Circuit | None = None


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Masking figures to plot, with the words beside the plot; addresses of the plot alone and of its figures."""

    id: str
    title: str
    rows: tuple[Masking | TwoSided, ...]
    caption: str
    svg: str
    download: str


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """A neuron group. `card` is its square 3×3 mosaic, `mosaic` the larger one; `share` in 0..1.

    `title`: its name ("pink petals", "" for none), `called`: name and number ("pink petals · G1"); `agreement`: how
    many of its patches show what it is named for; `label`: its label and the test beside it; `strongest`: what its
    strongest neuron lends it.
    """

    name: str
    title: str
    called: str
    anchor: str
    href: str
    class_anchor: str
    share: float
    share_text: str
    size_text: str
    caution: str
    card: Mosaic
    mosaic: Mosaic
    mosaic_note: str
    neurons: Prose
    more_neurons: int
    strongest: Prose
    summary: tuple[Prose, ...]
    agreement: str
    label: str
    members: Table
    wired: str
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
    share_text: str
    sentence: Prose
    facts: tuple[Fact, ...]
    notices: tuple[Notice, ...]
    concept: Mosaic
    concept_note: str
    semantic: tuple[SemanticView, ...]
    core: Table | None


@dataclass(frozen=True, kw_only=True)
class Data:
    """A table of the site as a file of data: written as CSV to `file`, and where `twin` as JSON beside it."""

    file: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    twin: bool = True

    @property
    def json(self) -> str:
        """The address of the same as JSON."""
        return self.file.removesuffix(".csv") + ".json"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every page has. `depth` is the number of folders it lies in; `crumbs` lead to it from the overview."""

    path: str
    title: str
    description: str
    crumbs: Prose
    here: str

    @property
    def card(self) -> str:
        """The address of the picture that stands for the page where a link to it is shown."""
        first, _, rest = self.path.partition("/")
        return urls.card(rest.partition("/")[0] if first == "class" else "")

    @property
    def depth(self) -> int:
        """Folders between the site's root and this page."""
        return self.path.count("/")


@dataclass(frozen=True, kw_only=True)
class CardColumn:
    """One neuron group, or one class by its strongest, on a card: up to six patches, a name, and a line below it."""

    name: str
    note: str
    tiles: tuple[Tile, ...]
    word: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    """The picture of a report, or of a class, for where a link to it is shown; `word`: the class's verdict."""

    file: str
    kicker: str
    title: str
    word: str
    said: str
    columns: tuple[CardColumn, ...]
    foot: str


def columns_of(count: int, columns: int) -> int:
    """How many columns, at most `columns`, show `count` patches with the fewest empty cells and no tall strip."""
    least = min(columns, ceil(sqrt(count)))
    return min(range(least, min(columns, count) + 1), key=lambda c: (-count % c, -c))
