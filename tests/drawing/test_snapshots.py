"""What a reader gets, as files to open: one page of each kind, the DOT of each kind of drawing, and in a table of
values what no page shows.

`--snapshot-update` writes them anew. A page opened where it lies here has the repository's style sheet and scripts;
its pictures are not there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from neurflow_report.drawing.figures.diagram import to_dot
from neurflow_report.drawing.view import SiteView
from tests.drawing.test_diagram import small

PAGES = {
    "overview": "index.html",
    "class": "class/bee-co/index.html",
    "layer": "class/angstrom-3/layer2.0/index.html",
    "circuit": "class/bee-co/circuit.html",
    "pictures": "class/bee-co/pictures.html",
    "fidelity": "fidelity/index.html",
    "evidence": "fidelity/bee-co/index.html",
    "evidence-masking-alone": "fidelity/angstrom-3/index.html",
    "method": "method/index.html",
    "provenance": "provenance/index.html",
    "search": "search/index.html",
    "why": "why/index.html",
    "why-picture": "why/bee-co-flower-1-926c2892f25d-5/index.html",
}
REPOSITORY = "../../../.."
BOXES = "test_patch_boxes.css"


def text_file(extension: str) -> type[SingleFileSnapshotExtension]:
    """Snapshots that are text files of this extension, one each."""
    values = {"_write_mode": WriteMode.TEXT, "file_extension": extension}
    return type(f"{extension.capitalize()}File", (SingleFileSnapshotExtension,), values)


HTML, DOT, CSS = (text_file(extension) for extension in ("html", "dot", "css"))


def without_drawings(page: str) -> str:
    """The page with a name in each drawing's place: where its lines run is Graphviz's and matplotlib's."""
    kept: list[str] = []
    depth = 0
    for piece in re.split(r"(<svg\b[^>]*>|</svg>)", page):
        opens, closes = piece.startswith("<svg") and not piece.endswith("/>"), piece == "</svg>"
        if depth:
            depth += opens - closes
        elif opens and (named := re.search(r'id=([\w-]+).* aria-label="([^"]*)"', piece)):
            kept.append(f"<p>[drawing {named[1]}: {named[2]}]</p>")
            depth = 1
        else:
            kept.append(piece)
    return "".join(kept)


def beside_the_repository(page: str) -> str:
    """The page with its style sheets and scripts at their sources."""
    page = re.sub(r"(?:\.\./)*static/boxes\.css", BOXES, page)
    return re.sub(r"(?:\.\./)*static/", f"{REPOSITORY}/templates/static/", page)


@pytest.mark.parametrize("kind", PAGES)
def test_page(site: Path, kind: str, snapshot: SnapshotAssertion) -> None:
    """One page of each kind, without its drawings; of the evidence also the page of a class that has F1 alone."""
    text = (site / PAGES[kind]).read_text(encoding="utf-8")
    assert beside_the_repository(without_drawings(text)) == snapshot(extension_class=HTML)


def test_there_is_a_page_of_each_kind(view: SiteView) -> None:
    shown = {type(page) for page in view.pages() if page.path in PAGES.values()}
    assert shown == {type(page) for page in view.pages()}
    assert len(PAGES) == len(shown) + 1


def test_patch_boxes(site: Path, snapshot: SnapshotAssertion) -> None:
    """Where the patches lie in their pictures: what the pages' classes b0, b1, … stand for."""
    text = (site / "static/boxes.css").read_text(encoding="utf-8")
    assert text == snapshot(extension_class=CSS)


@pytest.mark.parametrize("name", ["groups", "all-groups", "all-neurons"])
def test_dot(site: Path, name: str, snapshot: SnapshotAssertion) -> None:
    text = (site / f"data/bee-co/{name}.dot").read_text(encoding="utf-8")
    assert text == snapshot(extension_class=DOT)


def test_dot_of_print(view: SiteView, snapshot: SnapshotAssertion) -> None:
    """The drawing of the weightiest neurons, which is for print alone."""
    assert to_dot(view.classes[0].neurons.diagram) == snapshot(extension_class=DOT)


def test_dot_of_awkward_names(snapshot: SnapshotAssertion) -> None:
    assert to_dot(small()) == snapshot(extension_class=DOT)


def drawn(view: SiteView) -> Iterator[str]:
    """Of each kind of drawing where its bands and nodes lead and the patches they show; its DOT has the rest."""
    page, whole = view.classes[0], view.circuit_pages[0]
    for circuit in (page.circuit, page.neurons, whole.neurons, whole.groups):
        yield f"{circuit.id}: {circuit.title}, {circuit.dot}, {circuit.svg}"
        yield from (f"  {band.name} → {band.href}" for band in circuit.diagram.bands)
        for node in circuit.diagram.nodes:
            patches = " ".join(str(tile.index) for tile in node.tiles)
            yield f"  {node.id} → {node.href}: {patches}" + "".join(f"; {group}" for group in node.groups)
    yield page.neurons.caption


def plotted(view: SiteView) -> Iterator[str]:
    """What each plot shows, a line for each row or point."""
    for plot in view.plots():
        fields = {f.name: getattr(plot, f.name) for f in dataclasses.fields(plot)}
        yield ", ".join(f"{name}={v!r}" for name, v in fields.items() if name not in ("rows", "points", "caption"))
        yield from (f"  {row!r}" for row in fields.get("rows", fields.get("points")))


def tabled(view: SiteView) -> Iterator[str]:
    """The head and the first two rows of every file of data."""
    for table in view.tables:
        yield table.file
        yield from (f"  {row!r}" for row in (table.head, *table.rows[:2]))


@pytest.mark.parametrize("what", [drawn, plotted, tabled])
def test_what_no_page_shows(
    view: SiteView, what: Callable[[SiteView], Iterator[str]], snapshot: SnapshotAssertion
) -> None:
    """The values behind drawings, plots and files of data, and the pictures' captions, which a script holds."""
    assert "\n".join(what(view)) == snapshot


def test_captions(view: SiteView, snapshot: SnapshotAssertion) -> None:
    """What is said of the pictures: a script holds it for every page of the class."""
    assert "\n".join(view.pictures[0].captions.texts) == snapshot
