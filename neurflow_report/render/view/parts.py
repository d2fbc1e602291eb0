"""What pages are made of, as frozen values: words, tables, figures, mosaics, drawings, plots and files.

Addresses (`href`, `file`) are relative to the site's root; "" stands for no link. Text is plain text, not markup.
"""

from __future__ import annotations

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
class Data:
    """A table of the site as a file of data: written as CSV to `file`, and as JSON beside it (`json`)."""

    file: str
    head: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    @property
    def json(self) -> str:
        """The address of the same as JSON."""
        return self.file.removesuffix(".csv") + ".json"
