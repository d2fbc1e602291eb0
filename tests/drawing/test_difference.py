"""diff.html: one file that asks for nothing, escapes what bundles say, and can be read on a narrow screen."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pypdf
import pytest

from neurflow_report.comparison.compare import compare
from neurflow_report.drawing.view.difference import difference
from neurflow_report.drawing.write.diff_page import page, printed
from neurflow_report.results.bundle import Bundle
from tests.comparison.planted import other_weights, renumbered, shuffled, written
from tests.drawing.test_browser import CHROMIUM, FLAGS
from tests.drawing.test_valid import mistakes
from tests.sample_bundle import frozen_bundle

EVIL = "<script>alert(1)</script>\"'&"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    then, seed = frozen_bundle(root / "then"), frozen_bundle(root / "seed", seed=8)
    evil = written(
        root / "evil", lambda run: other_weights(run).model_copy(update={"title": EVIL}), classes=slice(0, 1)
    )
    made = {}
    for name, now in {"same": then, "seed": seed, "evil": evil}.items():
        made[name] = root / f"{name}.html"
        made[name].write_bytes(page(compare(then, now), then, now))
    return made


class _Asks(HTMLParser):
    """What a page would fetch: every address but those within it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data", "poster")]
        self.found += [value for value in told if not value.startswith(("data:", "#"))]
        assert tag != "script"


def test_the_page_asks_for_nothing(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text, asks = path.read_text(encoding="utf-8"), _Asks()
        asks.feed(text)
        assert asks.found == []
        assert re.findall(r"url\((?![\"']?(?:data:|#))", text) == []
        assert "@import" not in text


def test_what_a_bundle_says_is_text(pages: dict[str, Path]) -> None:
    text = pages["evil"].read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "bee &amp; &lt;co&gt;" in text


def test_findings_come_first(pages: dict[str, Path]) -> None:
    text = pages["evil"].read_text(encoding="utf-8")
    assert "<h1>Something is lost or weaker</h1>" in text
    assert text.index("1 class is lost") < text.index("What is compared, and how") < text.index("</table>")
    same = pages["same"].read_text(encoding="utf-8")
    assert "<h1>Nothing differs</h1>" in same
    assert "No setting, name or version differs." in same


def test_the_strongest_groups_stand_side_by_side(bundle: Bundle, tmp_path: Path) -> None:
    numbers = shuffled(bundle.run)
    now = written(tmp_path / "b", other_weights, lambda one: renumbered(one, numbers))
    view = difference(compare(bundle, now), bundle, now)
    assert view.headline == "The same, in another order"
    for section in view.sections:
        assert [layer.layer for layer in section.layers] == ["layer3", "layer2.0", "layer1"]
        for pair in (pair for layer in section.layers for pair in layer.pairs):
            assert pair.then is not None
            assert pair.now is not None
            assert pair.then.cuts
            assert [c.picture for c in pair.then.cuts] == [c.picture for c in pair.now.cuts]


def test_on_paper_it_is_the_same_tagged_and_on_a4(bundle: Bundle, tmp_path: Path) -> None:
    """Every text of the page stands in the PDF, which has the same bytes each time."""
    numbers = shuffled(bundle.run)
    evil = lambda run: other_weights(run).model_copy(update={"title": EVIL})  # noqa: E731
    now = written(tmp_path / "b", evil, lambda one: renumbered(one, numbers))
    found = compare(bundle, now)
    data = printed(found, bundle, now)
    assert printed(found, bundle, now) == data
    made, view = pypdf.PdfReader(BytesIO(data)), difference(found, bundle, now)
    assert {tuple(round(float(side)) for side in sheet.mediabox[2:]) for sheet in made.pages} == {(595, 842)}
    assert made.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert made.trailer["/Root"]["/Lang"] == "en"
    assert made.metadata is not None
    assert made.metadata.title == f"{view.headline} · {view.title}"
    text = "".join("".join(sheet.extract_text() for sheet in made.pages).split())
    told = [view.headline, view.lead, view.words, view.lineage, *(one.text for one in view.alarming + view.others)]
    tables = [view.bundles, view.matches, view.classes, view.settings, *(t for s in view.sections for t in s.tables)]
    told += [cell for table in tables for row in table.rows for cell in row]
    told += [part for s in view.sections for layer in s.layers for pair in layer.pairs for part in (pair.note,)]
    said = [one for one in told if "".join(one.split()) not in text]
    assert said == []
    assert any(len(sheet.images) for sheet in made.pages)
    assert str(tmp_path).encode() not in data


@pytest.mark.slow
def test_the_pages_are_valid(pages: dict[str, Path], tmp_path: Path) -> None:
    assert mistakes(tmp_path / "said", *pages.values()) == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_narrow_screen_nothing_is_wider_than_it(pages: dict[str, Path], scheme: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = chromium.new_context(viewport={"width": 360, "height": 800}, color_scheme=scheme)
        shown, asked, said = context.new_page(), [], []
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: said.append(message.text))
        for path in pages.values():
            shown.goto(path.as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth") <= 360
            ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(19, 22, 25)" if scheme == "dark" else "rgb(252, 252, 250)")
        assert [url[:80] for url in asked if not url.startswith(("file:", "data:"))] == []
        assert said == []
        chromium.close()
