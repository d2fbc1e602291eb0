"""The PDF: tagged, bookmarked, complete, the same bytes twice, and nothing of this machine in it."""

from __future__ import annotations

import builtins
import re
import shutil
import subprocess
import zipfile
from collections import Counter
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pypdf
import pytest
from PIL import Image

from neurflow_report.drawing.figures.diagram import Band, Diagram, Link, Node, Tile, rank_order
from neurflow_report.drawing.figures.on_paper import SHEETS, SMALLEST, fit, plain_colours, print_drawings, split
from neurflow_report.drawing.figures.paint import linked, windows
from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.view.model.components import Table
from neurflow_report.drawing.write import abridge, pdf
from neurflow_report.drawing.write.abridge import brief_words, shown_groups
from neurflow_report.drawing.write.atomic_write import check_file_free, write_file
from neurflow_report.drawing.write.pdf import bundle_zip, print_files, print_html, render_pdf
from neurflow_report.drawing.write.typeset import load_weasyprint, typeset
from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle, read_bundle


@pytest.fixture(scope="module")
def made(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    target = tmp_path_factory.mktemp("out") / "deep" / "report.pdf"
    pages = render_pdf(bundle, target)
    assert [path.name for path in target.parent.iterdir()] == ["report.pdf"]
    return target.read_bytes(), pages


@pytest.fixture(scope="module")
def reader(made: tuple[bytes, int]) -> pypdf.PdfReader:
    return pypdf.PdfReader(BytesIO(made[0]))


@pytest.fixture(scope="module")
def texts(made: tuple[bytes, int]) -> list[str]:
    """Every page's text in the order of the file, by poppler: pypdf does not read WeasyPrint's embedded CMaps."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs poppler-utils")
    done = subprocess.run(["pdftotext", "-raw", "-", "-"], input=made[0], capture_output=True, check=True)
    return [squeezed(page) for page in done.stdout.decode().split("\f")]


@pytest.fixture(scope="module")
def text(texts: list[str]) -> str:
    return "".join(texts)


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
def test_two_renders_are_the_same_bytes(
    bundle: Bundle, made: tuple[bytes, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    again = tmp_path / "elsewhere.pdf"
    assert render_pdf(bundle, again) == made[1]
    assert again.read_bytes() == made[0]
    check_file_free(again)  # it is known as a report, and may be replaced


@pytest.mark.slow
def test_the_file_is_tagged_and_says_what_it_is(reader: pypdf.PdfReader) -> None:
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert root["/Lang"] == "en"  # type: ignore[index]
    assert b"pdfuaid" in root["/Metadata"].get_data()  # type: ignore[index]
    assert reader.metadata is not None
    assert reader.metadata.title == "A sample of flowers"
    assert "/CreationDate" not in reader.metadata
    found = tags(root["/StructTreeRoot"])  # type: ignore[index]
    assert found["/H1"] >= 7
    assert found["/Table"] == found["/THead"] >= 10
    assert found["/Figure"] >= 20
    assert found["/Caption"] >= found["/Table"]


@pytest.mark.slow
def test_pages_are_counted(reader: pypdf.PdfReader, made: tuple[bytes, int], text: str) -> None:
    assert len(reader.pages) == made[1] > 10
    assert f"2/{made[1]}" in text


@pytest.mark.slow
def test_every_sheet_is_upright_a4(reader: pypdf.PdfReader) -> None:
    shapes = {(round(float(p.mediabox.width)), round(float(p.mediabox.height))) for p in reader.pages}
    assert shapes == {(595, 842)}


@pytest.mark.slow
def test_bookmarks_and_contents_name_every_class_and_layer(
    reader: pypdf.PdfReader, texts: list[str], view: SiteView
) -> None:
    marks = titles(reader.outline)
    assert marks[:2] == ["Contents", "Overview"]
    assert [m for m in marks if m in {page.heading for page in view.classes}][-1] == view.classes[-1].heading
    numbers = {
        str(entry.title): reader.get_destination_page_number(entry)
        for entry in reader.outline
        if not isinstance(entry, list)
    }
    for page in view.classes:
        assert f"Layer {page.layers[0].name}" in marks
        assert re.search(re.escape(squeezed(page.heading)) + rf"[.]*{numbers[page.heading] + 1}\D", texts[1])


@pytest.mark.slow
def test_the_text_of_every_table_is_there(view: SiteView, text: str) -> None:
    tables: list[Table | None] = [view.overview.facts, view.fidelity.table, view.method.settings, view.provenance.clock]
    for page in view.classes:
        tables += [page.circuit.table, page.masking, page.agreement]
    for table in tables:
        for row in table.rows if table else ():
            for cell in row:
                assert squeezed(cell.text) in text, cell.text
    for page in view.classes:
        assert squeezed("".join(span.text for span in page.lead)) in text


@pytest.mark.slow
def test_the_clock_is_told_once(text: str, view: SiteView) -> None:
    created = squeezed(view.provenance.clock.rows[0][1].text)
    assert text.count(created) == 1


@pytest.mark.slow
def test_cards_lead_to_their_groups(reader: pypdf.PdfReader, view: SiteView) -> None:
    spots = {str(a.get_object().get("/Dest")) for page in reader.pages for a in page.get("/Annots", [])}
    for page in view.classes:
        for layer in page.layers:
            for group in layer.groups:
                name = pdf._id(group.href)
                assert name in spots
                assert name in reader.named_destinations


@pytest.mark.slow
def test_nothing_of_this_machine_is_inside(made: tuple[bytes, int], bundle: Bundle, reader: pypdf.PdfReader) -> None:
    streams = b"".join(page.get_contents().get_data() for page in reader.pages if page.get_contents())  # type: ignore[union-attr]
    for word in (str(bundle.root), "a-folder-by-name", "report.invalid", str(Path.home()), "file://"):
        assert word.encode() not in made[0]
        assert word.encode() not in streams


@pytest.mark.slow
def test_pictures_stay_jpeg(reader: pypdf.PdfReader) -> None:
    kinds: Counter[str] = Counter()
    for page in reader.pages:
        for item in page["/Resources"].get("/XObject", {}).values():  # type: ignore[union-attr]
            if item.get_object().get("/Subtype") == "/Image":
                kinds[str(item.get_object()["/Filter"])] += 1
    assert set(kinds) <= {"/DCTDecode", "['/DCTDecode']", "['/FlateDecode', '/DCTDecode']"}
    assert kinds.total() > 10


def test_what_the_page_asks_for_is_what_there_is(bundle: Bundle, view: SiteView) -> None:
    html, drawings = print_html(view, None)
    files = print_files(bundle, None) | drawings
    asked = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', html))
    assert asked <= set(files)
    assert not any(href.startswith(("http", "file")) for href in asked)
    name = "class/bee-co/media/0.jpeg"
    assert Image.open(BytesIO(files[name]())).format == "JPEG"


def test_links_have_their_ends_and_ids_are_unique(bundle: Bundle, view: SiteView) -> None:
    html, drawings = print_html(view, None)
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'<a href="#([^"]*)"', html)) <= set(ids)
    assert not [name for name, read in drawings.items() if b"var(--" in read()]


def test_a_caution_is_told_once_and_under_the_same_heading_as_on_the_site(bundle: Bundle, view: SiteView) -> None:
    html, _ = print_html(view, None)
    told = re.findall(r'<div class="notice"><p>(.*?)</p></div>', html, re.DOTALL)
    sentences = [re.sub(r"<[^>]*>", "", one) for one in told]
    assert len(sentences) > 10
    assert [one for one in sentences if sentences.count(one) > 1] == []
    for pages in (view.classes, view.evidence):
        for page in pages:
            notices = page.notices if hasattr(page, "notices") else page.distrust
            assert len({n.title for n in notices}) == len(notices)
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", html)
    assert headings.count("What to doubt first") == 1 + len(view.classes) + sum(bool(e.refuted) for e in view.evidence)
    site = "".join(file.read_text() for file in (Path(__file__).parents[2] / "templates" / "site").glob("*.html"))
    for name in ("What to doubt first", "Does it hold?", "Checked against the truth", "Neuron by neuron"):
        assert name in headings
        assert f">{name}</h2>" in site


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


def test_a_large_report_shows_the_weightiest_groups_of_each_layer_and_names_the_others(
    bundle: Bundle, view: SiteView, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = sum(len(layer.groups) for page in view.classes for layer in page.layers)
    assert brief_words(view) == ""
    monkeypatch.setattr(abridge, "MANY", every)
    assert shown_groups(view) is None
    monkeypatch.setattr(abridge, "MANY", every - 1)
    monkeypatch.setattr(abridge, "SHOWN", 1)
    html = print_html(view, None)[0]
    ids = set(re.findall(r'id="([^"]+)"', html))
    assert {href[1:] for href in re.findall(r'href="(#[^"]+)"', html)} <= ids
    groups = [g for page in view.classes for layer in page.layers for g in layer.groups]
    assert html.count('<div class="group"') == sum(g.name == "G1" for g in groups) < len(groups)
    told = [re.findall(r">(G\d+)<", table) for table in re.findall(r"The lighter neuron groups.*?</table>", html, re.S)]
    assert sorted(name for names in told for name in names) == sorted(g.name for g in groups if g.name != "G1")
    assert f"This report has {every} neuron groups. On paper, the 1 weightiest of each layer are shown" in html


def test_what_is_left_out_is_told(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pdf, "typeset", lambda *_, **__: (b"%PDF-1.7 stream\nneurflow-report\nendstream", 3))
    notes: list[str] = []
    assert render_pdf(bundle, tmp_path / "a.pdf", on_note=notes.append) == 3
    assert notes == []
    monkeypatch.setattr(abridge, "MANY", 2)
    render_pdf(bundle, tmp_path / "a.pdf", on_note=notes.append)
    assert notes[0].endswith("For all of them on paper, examine fewer classes or layers at a time.")
