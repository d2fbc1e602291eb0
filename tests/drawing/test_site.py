"""The site on disk: every link and anchor leads somewhere, nothing is fetched, the bytes repeat, all or nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import xml.dom.minidom
import zipfile
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from shutil import copytree
from textwrap import dedent
from urllib.parse import unquote

import jinja2
import pytest
from PIL import Image

from neurflow_report.drawing.view import SiteView, site_parts, site_view
from neurflow_report.drawing.view.model.components import Data
from neurflow_report.drawing.write.downloads import csv_bytes, json_bytes
from neurflow_report.drawing.write.single_file import single_html
from neurflow_report.drawing.write.site import relative, render_site, site_files
from neurflow_report.drawing.write.templates import check_templates, formula_html, template_problems
from neurflow_report.errors import InputError
from neurflow_report.results import staging
from neurflow_report.results.bundle import Bundle, read_bundle
from tests.mutated import renew
from tests.sample_bundle import frozen_bundle

CLOCK = b"2026-01-02T03:04:05Z"


class Reader(HTMLParser):
    """Ids, addresses, headings and pictures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[int] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []  # type: ignore[list-item]
        self.addresses += [v for k, v in attrs if k in {"href", "src", "xlink:href"} and v is not None]
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.pictures += [given] if tag == "img" else []


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Reader]:
    found = sorted(site.rglob("*.html"))
    return {path.relative_to(site).as_posix(): Reader(path.read_text(encoding="utf-8")) for path in found}


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def resolve(page: str, address: str) -> tuple[str, str]:
    file, _, anchor = address.partition("#")
    parts: list[str] = list(PurePosixPath(page).parent.parts) if file else [page]
    for part in file.split("/") if file else ():
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts), unquote(anchor)


def test_all_pages_are_there(pages: dict[str, Reader]) -> None:
    layers = [
        f"class/{c}/{name}index.html"
        for c in ("bee-co", "angstrom-3")
        for name in ("", "layer1/", "layer2.0/", "layer3/", "fc/")
    ]
    pictures = [f"class/{c}/{name}.html" for c in ("bee-co", "angstrom-3") for name in ("pictures", "circuit")]
    assert sorted(pages) == sorted(
        [
            "index.html",
            "search/index.html",
            "fidelity/index.html",
            "fidelity/bee-co/index.html",
            "fidelity/angstrom-3/index.html",
            "method/index.html",
            "provenance/index.html",
            "why/index.html",
            "why/bee-co-flower-1-926c2892f25d-5/index.html",
            "why/bee-co-flower-0-521d1d936e97-3/index.html",
            *layers,
            *pictures,
        ]
    )


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[str, Reader]) -> None:
    broken = []
    for page, reader in pages.items():
        for address in reader.addresses:
            if address == "data:,":
                continue
            file, anchor = resolve(page, address)
            if not (site / file).is_file() or (anchor and anchor not in pages[file].ids):
                broken.append((page, address))
    assert broken == []


def test_every_file_is_used(site: Path, pages: dict[str, Reader]) -> None:
    """Each file is linked, but for the fonts, which the style sheet asks for."""
    used = {resolve(page, a)[0] for page, reader in pages.items() for a in reader.addresses if a != "data:,"}
    fonts = {f for f in tree(site) if f.startswith("static/inter-")}
    assert sorted(set(tree(site)) - used - fonts) == []


def test_no_link_leaves_the_site(site: Path, pages: dict[str, Reader]) -> None:
    """So it may be moved: no address leads out of its folder, and none is a place on this machine."""
    for page, reader in pages.items():
        for address in reader.addresses:
            assert not address.startswith("/"), (page, address)
            depth = page.count("/")
            assert address.count("../") <= depth, (page, address)


@pytest.mark.slow
def test_what_was_drawn_with_it_lies_in_the_site(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(b"%PDF-")
    summary = render_site(bundle, tmp_path / "site", downloads={"Report (PDF)": pdf})
    held = tmp_path / "site/downloads"
    assert sorted(path.name for path in held.iterdir()) == ["bundle.zip", "report.pdf"]
    assert (held / "report.pdf").samefile(pdf)
    assert summary.bytes == sum(map(len, tree(tmp_path / "site").values())) - 5
    html = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert "href=downloads/report.pdf>Report (PDF)" in html
    assert "href=downloads/bundle.zip download>Bundle (zip)" in html
    with zipfile.ZipFile(held / "bundle.zip") as archive:
        archive.extractall(tmp_path / "again")
    assert read_bundle(tmp_path / "again").manifest == bundle.manifest

    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    render_site(bundle, tmp_path / "site", downloads={"Report (PDF)": pdf})
    assert not (held / "report.pdf").samefile(pdf)
    assert (held / "report.pdf").read_bytes() == b"%PDF-"


def test_links_to_it_are_shown_as_cards(bundle: Bundle, pages: dict[str, Reader], site: Path) -> None:
    def meta(html: str) -> dict[str, str]:
        found = re.findall(r'<meta (?:property|name)="?([\w:-]+)"? content="?([^">]*)', html)
        return dict(found)

    front = meta((site / "index.html").read_text(encoding="utf-8"))
    assert (front["og:title"], front["og:image"]) == ("A sample of flowers", "card.png")
    layer = meta((site / "class/bee-co/layer3/index.html").read_text(encoding="utf-8"))
    assert layer["og:title"] == "layer3 · bee &amp; &lt;co&gt; · A sample of flowers"
    assert layer["og:image"] == "../card.png"
    assert "og:url" not in layer
    hosted = replace(bundle, run=bundle.run.model_copy(update={"url": "https://example.org/r/"}))
    found = dict(site_files(hosted, site_view(hosted)))
    page = meta(found["class/bee-co/index.html"].decode())
    assert page["og:image"] == "https://example.org/r/class/bee-co/card.png"
    assert page["og:url"] == "https://example.org/r/class/bee-co/index.html"


def test_a_drawing_that_is_met_alone_says_where_it_is_from(bundle: Bundle, view: SiteView, site: Path) -> None:
    foot = f"{bundle.run.model.name} · 2026-01-02 · neurflow-report 0.1.0 · results "
    assert view.foot.startswith(foot)
    drawings = sorted((site / "data").glob("*/*.svg"))
    assert len(drawings) > 10
    for drawing in drawings:
        root = xml.dom.minidom.parse(str(drawing)).documentElement
        assert root is not None
        line = root.getElementsByTagName("text")[-1]
        assert line.firstChild is not None
        told = str(line.firstChild.nodeValue)
        assert view.foot.startswith(told.rstrip("…")), drawing
        box = [float(n) for n in root.getAttribute("viewBox").split()]
        assert float(line.getAttribute("y")) < box[3]


def test_nothing_is_fetched_from_a_host(site: Path, pages: dict[str, Reader]) -> None:
    assert [
        a for reader in pages.values() for a in reader.addresses if re.match(r"[a-z]+:|//", a) and a != "data:,"
    ] == []
    style = (site / "static/site.css").read_text()
    assert re.findall(r'url\("?([^)"]*)', style) == ["inter-latin-400-normal.woff2", "inter-latin-600-normal.woff2"]
    assert "http" not in style + (site / "static/site.js").read_text()


def test_ids_are_unique_and_headings_in_order(pages: dict[str, Reader]) -> None:
    for page, reader in pages.items():
        assert [i for i, n in Counter(reader.ids).items() if n > 1] == [], page
        assert reader.headings[0] == 1
        assert reader.headings.count(1) == 1, page
        assert all(b <= a + 1 for a, b in zip(reader.headings, reader.headings[1:], strict=False)), page


def test_pictures_have_words_and_are_kept_once(site: Path, pages: dict[str, Reader], bundle: Bundle) -> None:
    used = set()
    for page, reader in pages.items():
        for given in reader.pictures:
            used.add(resolve(page, str(given["src"]))[0])
            assert given["alt"]
    kept = [p.relative_to(site).as_posix() for p in site.rglob("*.webp")]
    assert sorted(kept) == sorted(used)
    assert len(kept) == sum(p.file is not None for c in bundle.classes for p in c.pictures)


def test_a_patchs_window_is_where_its_box_is(site: Path) -> None:
    rules = dict(re.findall(r"\.(b\d+)\{(.*)\}", (site / "static/boxes.css").read_text()))
    place = re.compile(r"<b id=p(\d+) class=(b\d+)></b>")
    boxes = dict(place.findall((site / "class/bee-co/pictures.html").read_text()))
    shown = re.findall(
        r'#p(\d+)><img src=\S*/(\d+)\.webp alt="([^"]+)" class=(b\d+)>',
        (site / "class/bee-co/index.html").read_text(),
    )
    assert len(shown) > 50
    for target, picture, alt, name in shown:
        assert name == boxes[target]
        assert re.fullmatch(rf"[\w -]+, bee-co/flower &lt;{picture}&gt;", alt), alt
        said = re.search(r';--at:"(\d+) px at \((\d+), (\d+)\)"$', rules[name])
        assert said is not None
        side, left, top = map(int, said.groups())
        assert rules[name].startswith(f"--l:{left / 64:.5g};--t:{top / 64:.5g};--s:{side / 64:.5g};--at")


def test_names_are_escaped(site: Path) -> None:
    text = "".join(p.read_text() for p in site.rglob("*.html"))
    assert "bee &amp; &lt;co&gt;" in text
    assert not re.search(r"<(co|friends|not|1|0)>", text)


def test_the_clock_is_on_the_provenance_page_alone(site: Path) -> None:
    """The day is on what is sent on, too: cards, drawings, the lines for a model card."""
    assert [name for name, data in tree(site).items() if CLOCK in data] == ["provenance/index.html"]
    dated = [name for name, data in tree(site).items() if CLOCK[:10] in data]
    assert {name.rpartition(".")[2] for name in dated if name.startswith("data/")} == {"svg"}
    assert [name for name in dated if not name.startswith(("data/", "class/"))] == [
        "index.html", "provenance/index.html"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_site_in_parts_is_the_same(bundle: Bundle) -> None:
    whole = dict(site_files(bundle, site_view(bundle)))
    parts = list(site_parts(bundle, at_once=1))
    assert [len(part.classes) for part in parts] == [1] * len(bundle.classes)
    assert {part.total for part in parts} == {sum(len(part.every) for part in parts)}
    assert dict(site_files(bundle, parts)) == whole


@pytest.mark.slow
def test_an_old_site_is_replaced_whole_by_the_same_bytes(bundle: Bundle, site: Path, tmp_path: Path) -> None:
    """Drawn again from the same bundle; what was written and how far it was is told."""
    target = tmp_path / "site"
    copytree(site, target)
    (target / "class" / "left-over.html").write_text("old")
    seen: list[tuple[int, int]] = []
    summary = render_site(bundle, target, on_page=lambda done, all_: seen.append((done, all_)))
    files = tree(target)
    assert files == tree(site)
    assert [p.name for p in tmp_path.iterdir()] == ["site"]
    assert (summary.pages, summary.files, summary.bytes) == (24, len(files), sum(map(len, files.values())))
    assert seen == [(n, 24) for n in range(1, 25)]


def test_a_folder_that_is_no_site_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError) as caught:
        render_site(bundle, tmp_path / "mine")
    assert (caught.value.slug, caught.value.message) == ("output-unwritable", "mine exists and is no site of a report")
    assert tree(tmp_path) == {"mine/thesis.txt": b"years of work"}


def test_another_site_with_a_style_sheet_of_that_name_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    files = {"index.html": "mine", "static/site.css": "mine", "static/boxes.css": "mine"}
    for name, text in files.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(text)
    with pytest.raises(InputError, match="site exists and is no site of a report"):
        render_site(bundle, tmp_path / "site")
    assert tree(tmp_path) == {f"site/{name}": b"mine" for name in files}


def test_what_somebody_put_beside_the_pages_is_not_lost(bundle: Bundle, site: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    copytree(site, target)
    (target / ".git").mkdir()
    (target / ".git" / "config").write_text("years of work")
    before = tree(target)
    with pytest.raises(InputError) as caught:
        render_site(bundle, target)
    assert caught.value.message == "site holds something that no site of a report has, .git"
    assert tree(target) == before


def test_a_link_is_left_alone_wherever_it_leads(bundle: Bundle, site: Path, tmp_path: Path) -> None:
    for to in (site, tmp_path / "nowhere"):
        (tmp_path / "site").symlink_to(to)
        with pytest.raises(InputError, match="site exists and is no site of a report"):
            render_site(bundle, tmp_path / "site")
        (tmp_path / "site").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupt_while_a_site_is_replaced_leaves_the_old_one(
    bundle: Bundle, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    target = tmp_path / "site"
    copytree(site, target)
    before = tree(tmp_path)

    def put(*_: object) -> None:
        raise error

    monkeypatch.setattr(staging, "_put", put)
    with pytest.raises((KeyboardInterrupt, InputError)):
        render_site(bundle, target)
    monkeypatch.undo()
    staging.mend(tmp_path)
    assert tree(tmp_path) == before


def test_no_cell_is_a_formula() -> None:
    rows = (("=1+1", -0.5), ("+x", -1), ("@y", 2.0), ("-z", None), ("a-b", 0))
    table = Data(file="a.csv", head=("=a", "b"), rows=rows)
    assert csv_bytes(table).decode() == "'=a,b\n'=1+1,-0.5\n'+x,-1\n'@y,2.0\n'-z,\na-b,0\n"
    assert json.loads(json_bytes(table))["data"][0] == ["=1+1", -0.5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is no picture (UnidentifiedImageError)"),
        (b"", "it is no picture (UnidentifiedImageError)"),
        ((5000, 1), "5000×1 pixels, and 4096 a side are taken at most"),
    ],
)
def test_a_bundle_of_somebody_s_holds_pictures_alone(
    tmp_path: Path, data: bytes | tuple[int, int], message: str
) -> None:
    made = frozen_bundle(tmp_path)
    path = made.picture(next(p.file for p in made.classes[0].pictures if p.file is not None))
    path.write_bytes(data) if isinstance(data, bytes) else Image.new("L", data).save(path)
    renew(made.root, path)
    made = read_bundle(made.root)
    for draw in (lambda: render_site(made, tmp_path / "site"), lambda: single_html(made, None)):
        with pytest.raises(InputError) as caught:
            draw()
        assert (caught.value.slug, caught.value.message) == ("bundle-damaged", message)
        assert caught.value.where is not None


def test_nothing_is_left_when_a_template_breaks(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "templates" / "site").mkdir(parents=True)
    (tmp_path / "templates" / "site" / "provenance.html").write_text("{{ page.no_such_thing }}")
    with pytest.raises(jinja2.UndefinedError):
        render_site(bundle, tmp_path / "out" / "site", templates=tmp_path / "templates")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_users_templates_come_first(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "own" / "site").mkdir(parents=True)
    (tmp_path / "own" / "static").mkdir()
    (tmp_path / "own" / "site" / "method.html").write_text("<p>{{ site.title }}</p>\n")
    (tmp_path / "own" / "static" / "site.css").write_text("p{}")
    render_site(bundle, tmp_path / "site", templates=tmp_path / "own")
    assert (tmp_path / "site/method/index.html").read_text() == "<p>A sample of flowers</p>\n"
    assert (tmp_path / "site/static/site.css").read_text() == "p{}"
    assert "<h1>Fidelity</h1>" in (tmp_path / "site/fidelity/index.html").read_text()


def test_the_template_in_the_docs_makes_a_whole_page(bundle: Bundle, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs/templates.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"(?:^    .*\n)+", text, flags=re.M) if "extends" in b)
    (tmp_path / "own/site").mkdir(parents=True)
    (tmp_path / "own/site/class.html").write_text(dedent(block))
    render_site(bundle, tmp_path / "site", templates=tmp_path / "own")
    page = (tmp_path / "site/class/bee-co/index.html").read_text()
    shown = set(re.findall(r'<use href="#([^"]+)"', page))
    assert shown
    assert shown <= set(re.findall(r"<image id=([^ ]+) ", page))
    assert "data-class=bee-co" in page


@pytest.mark.slow
def test_a_logo_a_footer_and_own_rules_need_no_template_of_a_page(bundle: Bundle, tmp_path: Path) -> None:
    for folder in ("brand", "static"):
        (tmp_path / "own" / folder).mkdir(parents=True)
    (tmp_path / "own/static/logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    (tmp_path / "own/static/brand.css").write_text(":root { --accent: #7a1f5c; }")
    (tmp_path / "own/brand/footer.html").write_text("<p>{{ site.title }} for the board</p>")
    render_site(bundle, tmp_path / "site", templates=tmp_path / "own")
    page = (tmp_path / "site/class/bee-co/layer3/index.html").read_text()
    assert '<img src=../../../static/logo.svg alt="" class=logo>' in page
    assert "<p>A sample of flowers for the board</p>" in page
    assert page.index("static/site.css") < page.index("static/brand.css")
    assert (tmp_path / "site/static/brand.css").read_text() == ":root { --accent: #7a1f5c; }"
    one = single_html(bundle, tmp_path / "own")
    assert "data:image/svg+xml;base64," in one
    assert "--accent: #7a1f5c" in one
    assert one.count("<p>A sample of flowers for the board</p>") == 1


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "<p>\n{{ page.steps_ }}",
            "own/site/method.html:2:1: the template cannot be used: "
            "'neurflow_report.drawing.view.pages.method.MethodPage object' has no attribute 'steps_' [template-broken]",
        ),
        (
            "<p>\n\n{% for %}",
            "own/site/method.html:3:1: the template cannot be used: "
            "Expected an expression, got 'end of statement block' [template-broken]",
        ),
    ],
)
def test_a_mistake_in_a_users_template_is_told_with_its_line(
    bundle: Bundle, tmp_path: Path, template: str, message: str
) -> None:
    (tmp_path / "own" / "site").mkdir(parents=True)
    (tmp_path / "own/site/method.html").write_text(template)
    with pytest.raises(InputError) as caught, template_problems(tmp_path / "own"):
        render_site(bundle, tmp_path / "site", templates=tmp_path / "own")
    assert str(caught.value) == f"{message}\n  hint: docs/templates.md says what a template is given"
    assert not (tmp_path / "site").exists()


def test_a_directory_of_templates_that_is_not_there_is_told(tmp_path: Path) -> None:
    check_templates(None)
    check_templates(tmp_path)
    with pytest.raises(InputError) as caught:
        check_templates(tmp_path / "branding")
    assert str(caught.value) == (
        "report.templates: there is no directory of templates 'branding' [template-broken]\n"
        "  hint: report.templates is relative to the spec's folder; docs/templates.md says what it holds"
    )


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_runs_theme_is_the_pages(bundle: Bundle, theme: str) -> None:
    themed = replace(bundle, run=bundle.run.model_copy(update={"theme": theme}))
    page = next(data for name, data in site_files(themed, site_view(themed)) if name == "index.html")
    assert f"<html lang=en data-theme={theme}>" in page.decode()


def test_csv_holds_every_random_set(site: Path, bundle: Bundle) -> None:
    rows = list(csv.DictReader(io.StringIO((site / "data/masking.csv").read_text(encoding="utf-8"))))
    assert len(rows) == sum(len(c.masking) for c in bundle.classes)
    assert rows[0]["class"] == "bee & <co>"
    assert {len(row["null"].split()) for row in rows} == {bundle.run.settings.draws}


def test_json_says_the_same_as_csv(site: Path) -> None:
    files = sorted((site / "data").rglob("*.json"))
    assert {file.stem for file in files} == {
        "group-edges", "groups", "masking", "neuron-edges", "neurons", "pictures", "fidelity", "ledger", "edge-drops",
        "two-sided",
        "edge-effects",
    }  # fmt: skip
    assert "patches.csv" in (text := (site / "class/bee-co/index.html").read_text())
    assert "patches.json" not in text
    for file in files:
        rows = list(csv.reader(io.StringIO(file.with_suffix(".csv").read_text(encoding="utf-8"))))
        value = json.loads(file.read_text(encoding="utf-8"))
        texts = [["" if v is None else str(v) for v in row] for row in value["data"]]
        assert [value["columns"], *texts] == rows
    assert isinstance(json.loads((site / "data/bee-co/groups.json").read_text())["data"][0][3], float)


def test_drawings_and_plots_stand_alone(site: Path) -> None:
    files = sorted((site / "data").rglob("*.svg"))
    assert {file.name for file in files} == {
        "groups.svg", "all-groups.svg", "all-neurons.svg", "masking.svg", "optimality.svg", "weights.svg",
        "methods.svg", "critical.svg", "stability.svg", "edges.svg", "edge-drops.svg", "polysemanticity.svg",
        "causal.svg", "deletions.svg",
    }  # fmt: skip
    for file in files:
        text = file.read_text(encoding="utf-8")
        addresses = [v for k, v in re.findall(r'\b((?:xlink:)?href)="([^"]*)"', text)]
        assert all(a.startswith(("data:image/jpeg;base64,", "#")) for a in addresses)
        assert "var(--" not in text
        xml.dom.minidom.parseString(text)


def test_contrast_is_at_least_four_and_a_half(site: Path) -> None:
    """Text colours on every ground they stand on, in both themes (WCAG 2.2, 1.4.3)."""
    blocks = re.findall(r"\{([^{}]*--paper[^{}]*)\}", (site / "static/site.css").read_text())
    for block in blocks[:2]:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for text in ("ink", "muted", "accent", "positive", "negative"):
            for ground in ("paper", "card", "band", "doubt"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground, colours["paper"])


def contrast(one: str, other: str) -> float:
    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_relative_addresses() -> None:
    assert relative("index.html", "class/a/index.html") == "class/a/index.html"
    assert relative("class/a/index.html", "index.html") == "../../index.html"
    assert relative("class/a/index.html", "class/a/index.html#G1") == "#G1"
    assert relative("class/a/index.html", "class/a/index.html") == "index.html"
    assert relative("class/a/layer/index.html", "class/a/pictures.html#p3") == "../pictures.html#p3"
    assert relative("index.html", "../report.pdf") == "../report.pdf"


def test_formulas_are_escaped() -> None:
    assert formula_html("φ_a < T_i") == "φ<sub>a</sub> &lt; T<sub>i</sub>"
