"""The PDF: tagged, bookmarked, complete, the same bytes twice, and nothing of this machine in it."""

from __future__ import annotations

import builtins
import re
import shutil
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pypdf
import pytest
from hypothesis import given
from PIL import Image

from neurflow_report.drawing.figures.diagram import Band, Diagram, Link, Node, Tile, rank_order
from neurflow_report.drawing.figures.on_paper import SHEETS, SMALLEST, fit, plain_colours, print_drawings, split
from neurflow_report.drawing.figures.paint import linked, windows
from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.view.model.components import Cell, Column, Notice, Span, Table
from neurflow_report.drawing.view.pages.classes import ClassesPage
from neurflow_report.drawing.view.pages.overview import Letter
from neurflow_report.drawing.view.text.glossary import Word
from neurflow_report.drawing.write import abridge, pdf
from neurflow_report.drawing.write.abridge import brief_words, in_full
from neurflow_report.drawing.write.atomic_write import check_file_free, write_file
from neurflow_report.drawing.write.pdf import (
    bundle_zip,
    every_row,
    print_files,
    print_html,
    render_appendix,
    render_pdf,
    unsaid,
)
from neurflow_report.drawing.write.typeset import load_weasyprint, typeset
from neurflow_report.drawing.write.wide_tables import LETTERS, balanced, gathered
from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle, read_bundle

SHEET = (595, 842)
"""A4 in points."""
DEMO = Path(__file__).parents[2] / "output" / "demo" / "bundle"


@pytest.fixture(scope="module")
def made(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    target = tmp_path_factory.mktemp("out") / "deep" / "report.pdf"
    pages = render_pdf(bundle, target)
    assert [path.name for path in target.parent.iterdir()] == ["report.pdf"]
    return target.read_bytes(), pages


@pytest.fixture(scope="module")
def appended(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    target = tmp_path_factory.mktemp("out") / "appendix.pdf"
    pages = render_appendix(bundle, target)
    return target.read_bytes(), pages


@pytest.fixture(scope="module")
def reader(made: tuple[bytes, int]) -> pypdf.PdfReader:
    return pypdf.PdfReader(BytesIO(made[0]))


@pytest.fixture(scope="module")
def appendix(appended: tuple[bytes, int]) -> pypdf.PdfReader:
    return pypdf.PdfReader(BytesIO(appended[0]))


@pytest.fixture(scope="module")
def both(reader: pypdf.PdfReader, appendix: pypdf.PdfReader) -> tuple[pypdf.PdfReader, ...]:
    return reader, appendix


@pytest.fixture(scope="module")
def texts(made: tuple[bytes, int]) -> list[str]:
    return sheets(made[0])


@pytest.fixture(scope="module")
def text(texts: list[str]) -> str:
    return "".join(texts)


@pytest.fixture(scope="module")
def appendix_text(appended: tuple[bytes, int]) -> str:
    return "".join(sheets(appended[0]))


def sheets(data: bytes) -> list[str]:
    """Every page's text in the order of the file, by poppler: pypdf does not read WeasyPrint's embedded CMaps."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs poppler-utils")
    done = subprocess.run(["pdftotext", "-raw", "-", "-"], input=data, capture_output=True, check=True)
    return [squeezed(page) for page in done.stdout.decode().split("\f")]


def squeezed(words: str) -> str:
    """Without white space: lines break where the page wants."""
    return re.sub(r"\s+", "", words)


def titles(outline: list[Any]) -> list[str]:
    return [t for entry in outline for t in (titles(entry) if isinstance(entry, list) else [str(entry.title)])]


def tags(root: Any) -> Counter[str]:
    """How often each structure type occurs below a node of the structure tree."""
    node = root.get_object()
    if isinstance(node, list):
        return sum((tags(child) for child in node), Counter())
    if not isinstance(node, dict):
        return Counter()
    own = Counter([str(node["/S"])]) if "/S" in node else Counter()
    return own + (tags(node["/K"]) if "/K" in node and not isinstance(node["/K"], int) else Counter())


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "which"), [(render_pdf, "made"), (render_appendix, "appended")])
def test_two_renders_are_the_same_bytes(
    draw: Callable[[Bundle, Path], int],
    which: str,
    bundle: Bundle,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, pages = request.getfixturevalue(which)
    monkeypatch.chdir(tmp_path)
    again = tmp_path / "elsewhere.pdf"
    assert draw(bundle, again) == pages
    assert again.read_bytes() == data
    check_file_free(again)  # it is known as a report, and may be replaced


@pytest.mark.slow
def test_the_files_are_tagged_and_say_what_they_are(both: tuple[pypdf.PdfReader, ...], view: SiteView) -> None:
    for reader, title in zip(both, ("A sample of flowers", "A sample of flowers: appendix"), strict=True):
        root = reader.trailer["/Root"]
        assert root["/MarkInfo"]["/Marked"]  # type: ignore[index]
        assert root["/Lang"] == "en"  # type: ignore[index]
        assert b"pdfuaid" in root["/Metadata"].get_data()  # type: ignore[index]
        assert reader.metadata is not None
        assert reader.metadata.title == title
        assert "/CreationDate" not in reader.metadata
        found = tags(root["/StructTreeRoot"])  # type: ignore[index]
        assert found["/H1"] >= 4
        assert found["/Table"] == found["/THead"] > len(view.classes)
        assert found["/Figure"] >= 10
        assert found["/Caption"] >= found["/Table"]


@pytest.mark.slow
def test_fonts_are_inside(both: tuple[pypdf.PdfReader, ...]) -> None:
    fonts = [
        one.get_object()
        for reader in both
        for page in reader.pages
        for font in page["/Resources"].get("/Font", {}).values()  # type: ignore[union-attr]
        for one in font.get_object()["/DescendantFonts"]
    ]
    assert fonts
    for font in fonts:
        assert {"/FontFile2", "/FontFile3"} & set(font["/FontDescriptor"].get_object())


@pytest.mark.slow
def test_pages_are_counted(reader: pypdf.PdfReader, made: tuple[bytes, int], text: str) -> None:
    assert len(reader.pages) == made[1]
    assert f"2/{made[1]}" in text


@pytest.mark.slow
def test_the_report_is_short(reader: pypdf.PdfReader, view: SiteView) -> None:
    """Two sheets of summary, two a class, and six of limits, method and provenance: 24 for the eight of the demo."""
    numbers = outlined(reader)
    assert len(reader.pages) <= 2 + 2 * len(view.classes) + 6
    places = [numbers[page.heading] for page in view.classes] + [numbers["Limits, class by class"]]
    assert places[0] <= 2
    assert all(after - before <= 2 for before, after in pairwise(places))


@pytest.mark.slow
@pytest.mark.skipif(not DEMO.is_dir(), reason="the demo's bundle is not there: make demo")
def test_the_demo_is_on_24_sheets_of_a4(tmp_path: Path) -> None:
    render_pdf(read_bundle(DEMO), tmp_path / "report.pdf")
    sheets = pypdf.PdfReader(tmp_path / "report.pdf").pages
    assert len(sheets) <= 24
    assert {(round(float(p.mediabox.width)), round(float(p.mediabox.height))) for p in sheets} == {SHEET}


def test_every_sheet_is_upright_a4(reader: pypdf.PdfReader) -> None:
    shapes = {(round(float(p.mediabox.width)), round(float(p.mediabox.height))) for p in reader.pages}
    assert shapes == {(595, 842)}


@pytest.mark.slow
def test_every_sheet_is_a4(both: tuple[pypdf.PdfReader, ...]) -> None:
    shapes = {(round(float(p.mediabox.width)), round(float(p.mediabox.height))) for r in both for p in r.pages}
    assert shapes == {SHEET}


def outlined(reader: pypdf.PdfReader) -> dict[str, int]:
    """The number of the page, from 0, by the title of a bookmark of the first level."""
    return {
        str(entry.title): number
        for entry in reader.outline
        if not isinstance(entry, list) and (number := reader.get_destination_page_number(entry)) is not None
    }


@pytest.mark.slow
def test_bookmarks_name_every_chapter_and_the_summary_its_page(
    reader: pypdf.PdfReader, texts: list[str], view: SiteView
) -> None:
    numbers = outlined(reader)
    classes = [page.heading for page in view.classes]
    assert list(numbers) == ["Summary", *classes, "Limits, class by class", "Method", "Provenance"]
    summary = "".join(texts[: numbers[classes[0]]])
    for name in classes:
        assert f"{squeezed(name)}page{numbers[name] + 1}" in summary
    assert re.search(rf"Method[\w,]*[.]*{numbers['Method'] + 1}\D", summary)


@pytest.mark.slow
def test_the_appendix_has_every_class_with_its_layers_and_evidence(appendix: pypdf.PdfReader, view: SiteView) -> None:
    marks = titles(appendix.outline)
    for page, evidence in zip(view.classes, view.evidence, strict=True):
        assert {page.heading, evidence.heading} <= set(marks)
        assert {f"Layer {layer.name}" for layer in page.layers} <= set(marks)


@pytest.mark.slow
def test_what_was_found_is_in_the_report(view: SiteView, text: str) -> None:
    first = view.overview
    for words in (first.facts_line, first.verdict, *(f"{n.title}. {n.text}" for n in first.limits)):
        assert squeezed(words) in text
    for row in first.rows:
        for words in (row.name, *(strip.share for strip in row.strips), *row.carries, row.left, row.verdict):
            assert squeezed(words) in text
    for page in view.classes:
        for sentence in page.lead:
            assert squeezed("".join(span.text for span in sentence)) in text
        for answer in page.answers:
            assert squeezed(answer.question) in text
        for notice in page.limits:
            assert squeezed(notice.title) in text


@pytest.mark.slow
def test_the_text_of_every_table_is_there(view: SiteView, text: str, appendix_text: str) -> None:
    tables: list[Table | None] = [view.overview.facts, view.method.settings, view.provenance.clock]
    tables += [page.grid for page in view.classes]
    further: list[Table | None] = [view.fidelity.matrix, view.fidelity.thresholds]
    for page in view.classes:
        further += [page.circuit.table, page.masking, page.agreement]
    further += [page.ledger for page in view.evidence]
    for known, words in ((tables, text), (further, appendix_text)):
        for table in known:
            for row in table.rows if table else ():
                for cell in row:
                    assert squeezed(cell.text) in words, cell.text


@pytest.mark.slow
def test_the_clock_is_told_once(text: str, view: SiteView) -> None:
    created = squeezed(view.provenance.clock.rows[0][1].text)
    assert text.count(created) == 1


@pytest.mark.slow
def test_cards_lead_to_their_groups(appendix: pypdf.PdfReader, view: SiteView) -> None:
    spots = {str(a.get_object().get("/Dest")) for page in appendix.pages for a in page.get("/Annots", [])}
    for page in view.classes:
        for layer in page.layers:
            for group in in_full(view, layer.groups):
                name = pdf._id(group.href)
                assert name in spots
                assert name in appendix.named_destinations


@pytest.mark.slow
def test_nothing_of_this_machine_is_inside(
    made: tuple[bytes, int], appended: tuple[bytes, int], bundle: Bundle, both: tuple[pypdf.PdfReader, ...]
) -> None:
    pages = [page for reader in both for page in reader.pages]
    streams = b"".join(page.get_contents().get_data() for page in pages if page.get_contents())  # type: ignore[union-attr]
    for word in (str(bundle.root), "a-folder-by-name", "report.invalid", str(Path.home()), "file://"):
        assert word.encode() not in made[0] + appended[0]
        assert word.encode() not in streams


@pytest.mark.slow
def test_pictures_stay_jpeg(both: tuple[pypdf.PdfReader, ...]) -> None:
    kinds: Counter[str] = Counter()
    for page in (page for reader in both for page in reader.pages):
        for item in page["/Resources"].get("/XObject", {}).values():  # type: ignore[union-attr]
            if item.get_object().get("/Subtype") == "/Image":
                kinds[str(item.get_object()["/Filter"])] += 1
    assert set(kinds) <= {"/DCTDecode", "['/DCTDecode']", "['/FlateDecode', '/DCTDecode']"}
    assert kinds.total() > 10


@pytest.mark.parametrize("template", [pdf.REPORT, pdf.APPENDIX])
def test_what_the_page_asks_for_is_what_there_is(bundle: Bundle, view: SiteView, template: str) -> None:
    html, drawings = print_html(view, None, template)
    files = print_files(bundle, None) | drawings
    asked = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', html))
    assert asked <= set(files)
    assert not any(href.startswith(("http", "file")) for href in asked)
    name = "class/bee-co/media/0.jpeg"
    assert Image.open(BytesIO(files[name]())).format == "JPEG"


@pytest.mark.parametrize("template", [pdf.REPORT, pdf.APPENDIX])
def test_links_have_their_ends_and_ids_are_unique(view: SiteView, template: str) -> None:
    html, drawings = print_html(view, None, template)
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'<a (?:class="paged" )?href="#([^"]*)"', html)) <= set(ids)
    assert not [name for name, read in drawings.items() if b"var(--" in read()]


def test_a_limit_is_told_in_full_once(view: SiteView) -> None:
    html, _ = print_html(view, None)
    told = [unescape(re.sub(r"<[^>]*>", "", one)) for one in re.findall(r"<li><b>(.*?)</li>", html, re.DOTALL)]
    assert len(told) > 10
    assert [one for one in told if told.count(one) > 1] == []
    for notice in view.overview.limits:
        assert sum(one.startswith(f"{notice.title}. {notice.text}") for one in told) == 1


def test_what_the_summary_has_told_of_limits_is_not_told_again_of_a_class() -> None:
    told = (Notice(code="a", title="A in 2 of 4", text="By layer: x. It means little."),)
    see, neurons = (Span(text="See x"),), (Span(text="Neurons: x n1"),)
    limits = (
        Notice(code="a", title="A at x", text="At x, 3 of 4. It means little.", places=see),
        Notice(code="b", title="B", text="It means little."),
        Notice(code="c", title="C", text="One neuron.", places=neurons),
    )
    assert unsaid(limits, told) == (
        Notice(code="a", title="A at x", text="At x, 3 of 4."),
        Notice(code="c", title="C", text="One neuron.", places=neurons),
    )


def test_a_row_stands_for_every_class_however_many_there_are(view: SiteView) -> None:
    assert every_row(view) == view.overview.rows
    rows = {page.path: replace(view.overview.rows[0], name=page.heading, href=page.path) for page in view.classes}
    letters = [Letter(name="A", href="classes/a/index.html", count=len(rows))]
    page = ClassesPage(
        path="classes/a/index.html",
        title="",
        description="",
        crumbs=(),
        here="",
        heading="",
        rows=tuple(reversed(rows.values())),
        layers=(),
        below="",
        letters=tuple(letters),
    )
    few = replace(view.overview, letters=tuple(letters), rows=view.overview.rows[:1])
    many = replace(view, overview=few, every=(few, page, *view.classes))
    assert [row.name for row in every_row(many)] == [one.heading for one in view.classes]


def test_a_users_template_comes_first(bundle: Bundle, view: SiteView, tmp_path: Path) -> None:
    (tmp_path / "print").mkdir()
    (tmp_path / "print" / "report.html").write_text("<p>{{ view.title }}, mine")
    (tmp_path / "print" / "print.css").write_text("p { color: red }")
    assert print_html(view, tmp_path)[0] == "<p>A sample of flowers, mine"
    assert print_files(bundle, tmp_path)["print/print.css"]() == b"p { color: red }"


def test_a_footer_is_given_on_the_cover_what_it_is_given_on_the_site(view: SiteView, tmp_path: Path) -> None:
    (tmp_path / "brand").mkdir()
    (tmp_path / "brand" / "footer.html").write_text("<p>{{ site.title }} for the board {{ logo }}</p>")
    assert "<p>A sample of flowers for the board </p>" in print_html(view, tmp_path)[0]


def test_missing_libraries_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("weasyprint"):
            raise OSError("cannot load library 'libpango-1.0-0': error 0x7e")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError) as caught:
        load_weasyprint()
    assert str(caught.value) == (
        "report.formats: WeasyPrint cannot load the system library libpango-1.0-0 [missing-package]\n"
        "  hint: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
    )


@pytest.mark.slow
def test_the_bundle_is_attached_where_asked(bundle: Bundle, reader: pypdf.PdfReader, tmp_path: Path) -> None:
    assert reader.attachments == {}
    data = bundle_zip(bundle)
    assert data == bundle_zip(bundle)
    made = typeset('<html lang="en"><title>t</title><p>x', {}, data)[0]
    assert made == typeset('<html lang="en"><title>t</title><p>x', {}, data)[0]
    attached = pypdf.PdfReader(BytesIO(made)).attachments
    assert list(attached) == ["bundle.zip"]
    with zipfile.ZipFile(BytesIO(attached["bundle.zip"][0])) as archive:
        archive.extractall(tmp_path)
    assert read_bundle(tmp_path / "bundle").classes == bundle.classes


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError) as caught:
        write_file(tmp_path / "file" / "report.pdf", b"x")
    assert caught.value.slug == "output-unwritable"
    assert caught.value.message.startswith("report.pdf cannot be written: ")


@pytest.mark.parametrize(
    ("size", "sheet"),
    [((100, 100), "a4"), ((170, 300), "a4"), ((600, 200), "a3-landscape"), ((300, 500), "a3-portrait")],
)
def test_drawings_get_the_sheet_that_holds_them(size: tuple[float, float], sheet: str) -> None:
    page, scale = fit(*size)
    assert page == sheet
    assert scale <= 1
    assert size[0] * scale <= SHEETS[page][0] + 1e-9
    assert size[1] * scale <= SHEETS[page][1] + 1e-9


PATCH = (Tile(index=0, slug="x", image=0, file="media/x.webp", href="", left=0, top=0, side=1),)


def tower(bands: int, across: int) -> Diagram:
    names = [f"inception{i}.branch" for i in range(bands)]
    nodes = tuple(
        Node(id=f"{b}/G{k}", band=b, title=f"G{k}", subtitle="", value=0.1, tiles=PATCH, href=f"{b}#G{k}")
        for b in names
        for k in range(across)
    )
    links = tuple(
        Link(upper=f"{a}/G{k}", lower=f"{b}/G{k}", flow=0.1 * (k + 1), signed=0.1)
        for a, b in pairwise(names)
        for k in range(across)
    )
    return Diagram(title="t", bands=tuple(Band(name=b, label=b) for b in names), nodes=nodes, links=links)


def test_a_tall_circuit_is_split_at_its_bands_and_no_link_is_lost() -> None:
    diagram = tower(11, 8)
    parts = split(diagram, rank_order(diagram))
    assert len(parts) == 2
    assert parts[0].bands[-1] == parts[1].bands[0]
    assert {link for part in parts for link in part.links} == set(diagram.links)
    drawn = print_drawings(diagram, id_prefix="c", picture=windows(linked), anchor=lambda href: f"#{href}")
    assert {d.page for d in drawn} == {"a3-portrait"}
    assert all(d.height <= SHEETS[d.page][1] for d in drawn)
    assert [len(d.boxes) for d in drawn] == [len(part.nodes) for part in parts]
    assert all(fit(d.width, d.height)[1] >= SMALLEST for d in drawn)


def test_a_small_circuit_stays_whole() -> None:
    diagram = tower(5, 4)
    assert split(diagram, rank_order(diagram)) == (diagram,)
    (drawn,) = print_drawings(diagram, id_prefix="c", picture=windows(linked), anchor=lambda href: f"#{href}")
    assert drawn.page == "a4"


def test_six_layers_of_five_groups_and_a_stack_fit_one_sheet() -> None:
    diagram = tower(6, 6)
    (drawn,) = print_drawings(diagram, id_prefix="c", picture=windows(linked), anchor=lambda href: f"#{href}")
    assert drawn.page == "a4"
    assert drawn.height <= SHEETS["a4"][1]


def test_custom_properties_become_their_fallbacks() -> None:
    assert plain_colours("fill:var(--ink,#1c2430);x") == "fill:#1c2430;x"
    assert plain_colours("var(--font-sans,Inter,'DejaVu Sans',sans-serif)") == "Inter,'DejaVu Sans',sans-serif"


def test_a_large_report_shows_the_largest_groups_of_each_layer_and_names_the_others(
    view: SiteView, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [layer.groups for page in view.classes for layer in page.layers]
    groups = [g for own in layers for g in own]
    assert brief_words(view) == ""
    monkeypatch.setattr(abridge, "MANY", len(groups))
    assert brief_words(view) == ""
    monkeypatch.setattr(abridge, "MANY", len(groups) - 1)
    monkeypatch.setattr(abridge, "SHOWN", 1)
    html = print_html(view, None, pdf.APPENDIX)[0]
    ids = set(re.findall(r'id="([^"]+)"', html))
    assert {href[1:] for href in re.findall(r'href="(#[^"]+)"', html)} <= ids
    assert html.count('<div class="group"') == len(layers) < len(groups)
    told = [re.findall(r">(G\d+)<", table) for table in re.findall(r"The smaller neuron groups.*?</table>", html, re.S)]
    assert sorted(name for names in told for name in names) == sorted(g.name for own in layers for g in own[1:])
    assert f"This report has {len(groups)} neuron groups. On paper, the 1 largest of each layer are shown" in html


def test_groups_of_nearly_no_share_are_named_in_a_table(view: SiteView) -> None:
    (group,) = view.classes[0].layers[-1].groups[:1]
    shares = (0.7, 0.01, 0.0099, 0.0)
    groups = [replace(group, share=share) for share in shares]
    assert [one.share for one in in_full(view, groups)] == [0.7, 0.01]
    assert in_full(view, groups[3:]) == (groups[3],)


def test_edges_are_gathered_by_their_upper_end() -> None:
    cells = {text: Cell(text=text) for text in ("G1", "G2", "a", "b")}
    rows = tuple((cells[one], cells[other]) for one, other in (("G2", "a"), ("G1", "a"), ("G2", "b")))
    table = Table(caption="", columns=(Column(label="U"), Column(label="L")), rows=rows)
    assert gathered(table) == {"G2": ((cells["a"],), (cells["b"],)), "G1": ((cells["a"],),)}


def test_a_circuit_fills_its_place_and_no_more() -> None:
    (drawn,) = print_drawings(tower(5, 4), id_prefix="c", picture=windows(linked), anchor=lambda href: f"#{href}")
    for wide, tall in ((50.0, 200.0), (200.0, 50.0), (186.0, 206.0)):
        fitted = pdf._fitted(drawn, wide, tall)
        assert fitted.width <= wide + 0.01
        assert fitted.height <= tall + 0.01
        assert fitted.width / fitted.height == pytest.approx(drawn.width / drawn.height, rel=1e-3)
        assert (fitted.width, fitted.height)[fitted.width < wide - 0.01] == pytest.approx(
            (wide, tall)[fitted.width < wide - 0.01], abs=0.01
        )


def test_what_is_left_out_is_told(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pdf, "typeset", lambda *_, **__: (b"%PDF-1.7 stream\nneurflow-report\nendstream", 3))
    notes: list[str] = []
    assert render_appendix(bundle, tmp_path / "a.pdf", on_note=notes.append) == 3
    assert notes == []
    monkeypatch.setattr(abridge, "MANY", 2)
    render_appendix(bundle, tmp_path / "a.pdf", on_note=notes.append)
    assert notes[0].endswith("For all of them on paper, examine fewer classes or layers at a time.")


@given(lengths=st.lists(st.integers(0, 400), min_size=1, max_size=60), columns=st.sampled_from(sorted(LETTERS)))
def test_columns_keep_the_order_and_none_is_taller_than_its_part_by_more_than_an_item(
    lengths: list[int], columns: int
) -> None:
    items = tuple(Word(id=str(n), term="", text="x" * length) for n, length in enumerate(lengths))
    found = balanced(items, columns)
    assert sum(found, ()) == items
    assert len(found) <= columns
    lines = [1 + length // LETTERS[columns] for length in lengths]
    tall = [sum(lines[int(word.id)] for word in column) for column in found]
    assert max(tall) <= sum(lines) / columns + max(lines)
