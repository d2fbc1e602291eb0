"""docs/how-to/add-a-page.md: its module and its template, put where it says, are a page of the report."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neurflow_report.drawing.view import pages as package
from neurflow_report.drawing.view import site_view
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.urls import neuron
from neurflow_report.drawing.view.pages import PageKind, ReportData, page_kinds
from neurflow_report.drawing.write.page_data_doc import reference
from neurflow_report.drawing.write.pdf import print_html
from neurflow_report.drawing.write.single_file import single_html
from neurflow_report.drawing.write.site import relative, render_site
from neurflow_report.results.bundle import Bundle
from tests.drawing.test_valid import mistakes
from tests.sample_bundle import frozen_bundle

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-page.md"
KNOWN = [
    "overview", "classes", "class", "layer", "circuit", "pictures", "why", "why-picture", "fidelity", "evidence",
    "method", "provenance", "search",
]  # fmt: skip
ADDRESS = "shared/index.html"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return frozen_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's module, in a folder that pages are looked for in, too, and a folder of templates with its own."""
    text = HOW_TO.read_text(encoding="utf-8")
    ((code,), (template,)) = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "html"))
    for folder, name, block in (("pages", "shared.py", code), ("templates/site", "shared.html", template)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).write_text(block, encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "pages")])
    yield tmp_path / "templates"
    sys.modules.pop("neurflow_report.drawing.view.pages.shared", None)


def test_the_site_has_the_page_and_every_page_links_to_it(bundle: Bundle, templates: Path, tmp_path: Path) -> None:
    render_site(bundle, tmp_path / "site", templates=templates)
    pages = {p.relative_to(tmp_path / "site").as_posix(): p.read_text() for p in (tmp_path / "site").rglob("*.html")}
    assert ADDRESS in pages
    for path, text in pages.items():
        current = " aria-current=page" if path == ADDRESS else ""
        assert f"<li><a href={relative(path, ADDRESS)}{current}>Shared neurons</a></li>" in text


@pytest.mark.slow
def test_it_is_valid(bundle: Bundle, templates: Path, tmp_path: Path) -> None:
    render_site(bundle, tmp_path / "site", templates=templates)
    assert mistakes(tmp_path / "said", tmp_path / "site" / ADDRESS) == []


def test_its_facts_are_the_bundle_s(bundle: Bundle, templates: Path, tmp_path: Path) -> None:
    every = [
        {(layer.name, a.channel) for layer in result.layers[:-1] for a in layer.neurons} for result in bundle.classes
    ]
    wanted = {one for one, n in Counter(one for own in every for one in own).items() if n > 1}
    assert wanted
    render_site(bundle, tmp_path / "site", templates=templates)
    text = (tmp_path / "site" / ADDRESS).read_text()
    assert set(re.findall(r"<strong>n(\d+) of (\S+)</strong>", text)) == {(str(n), layer) for layer, n in wanted}
    assert f"In the circuits of at least two of the {len(every)} classes: {len(wanted)} neurons." in text
    for result, own in zip(bundle.classes, every, strict=True):
        links = {f"../{neuron(result.slug, *one)}" for one in own & wanted}
        assert set(re.findall(rf"href=(\.\./class/{result.slug}/\S+?)>", text)) == links


def test_it_has_its_place_in_the_site_and_the_single_file_and_none_on_paper(bundle: Bundle, templates: Path) -> None:
    view = site_view(bundle)
    assert list(page_kinds()) == [*KNOWN[:10], "shared", *KNOWN[10:]]
    paths = [page.path for page in view.pages()]
    assert paths.index(ADDRESS) == paths.index("method/index.html") - 1
    assert [link.text for link in view.menu] == [
        "Overview", "Why these pictures?", "Fidelity", "Shared neurons", "Method", "Provenance",
    ]  # fmt: skip
    single = single_html(bundle, templates)
    assert '<li><a href="#shared">Shared neurons</a></li>' in single
    assert '<article class="page wrap" id="shared" aria-label="Shared neurons">' in single
    assert "Shared neurons" not in print_html(view, templates)[0]


@pytest.mark.usefixtures("templates")
def test_the_page_about_page_data_tells_of_it() -> None:
    text = reference()
    assert "| `site/shared.html` | [SharedPage](#sharedpage) |" in text
    assert "## SharedNeuron\n" in text
    assert "| `neurons` | SharedNeuron… |" in text


def test_without_it_the_pages_are_these_in_order(bundle: Bundle) -> None:
    view = site_view(bundle)
    assert [name for name in page_kinds() if name in KNOWN] == KNOWN
    assert "shared" not in page_kinds()
    assert [(link.text, link.href) for link in view.menu] == [
        ("Overview", "index.html"),
        ("Why these pictures?", "why/index.html"),
        ("Fidelity", "fidelity/index.html"),
        ("Method", "method/index.html"),
        ("Provenance", "provenance/index.html"),
    ]
    assert tuple(view.pages()) == (
        view.overview, *view.classes, *view.layers, *view.circuit_pages, *view.pictures, view.why,
        *(page for page in view.every if page.path.startswith("why/") and page is not view.why), view.fidelity,
        *view.evidence, view.method, view.provenance, view.search,
    )  # fmt: skip


def test_pages_are_made_once(bundle: Bundle) -> None:
    """However many kinds are made from them; and a kind without pages is one, too."""
    data = ReportData(
        indices=tuple(Index(bundle.run, result) for result in bundle.classes), manifest=bundle.manifest, beside={}
    )
    asked: list[str] = []
    kind: PageKind[Any] = PageKind(name="none", template="", build=lambda _: asked.append("none") or (), order=1)
    assert data.pages(kind) == data.pages(kind) == ()
    assert asked == ["none"]
    layer, whole = page_kinds()["layer"], page_kinds()["class"]
    assert data.pages(layer) is data.pages(layer)
    assert [s.href for page in data.pages(whole) for s in page.layers] == [
        page.path for page in data.pages(layer) if page.above is not None
    ]
