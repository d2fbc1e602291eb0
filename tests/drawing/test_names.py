"""Names that people have: of 80 characters without a space, of no font, from right to left. Nothing runs off a page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from neurflow_report.drawing.figures.layout import ending, text_width
from neurflow_report.drawing.figures.plots import STYLE, WIDTH, beside, written
from neurflow_report.drawing.view.model.components import Cell, Column, Table
from neurflow_report.drawing.write.pdf import render_appendix, render_pdf
from neurflow_report.drawing.write.site import render_site
from neurflow_report.drawing.write.wide_tables import across
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.records import ClassResult, Run
from tests.drawing.test_browser import Browser, browser, opened  # noqa: F401
from tests.sample_bundle import frozen_bundle

SPECIES = "05291_Plantae_Tracheophyta_Magnoliopsida_Lamiales_Lamiaceae_Lavandula_angustifolia"
ODD = "שלום_" + chr(0x10FFFD) + "_" + "x" * 90


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The sample with two other names of classes, one of a layer, and one of the report."""
    made = frozen_bundle(tmp_path_factory.mktemp("names"), pictures=2)
    names = {
        "bee & <co>": SPECIES,
        "Ångström 3": ODD,
        "layer2.0": "features.denseblock3.denselayer24.conv2_with_a_longer_name",
        "A sample of flowers": "Fine-grained_" * 12,
    }

    def renamed(text: str) -> str:
        for old, new in names.items():
            text = text.replace(f'"{old}"', json.dumps(new, ensure_ascii=False))
        return text

    run = Run.model_validate_json(renamed(made.run.model_dump_json()))
    classes = tuple(ClassResult.model_validate_json(renamed(c.model_dump_json())) for c in made.classes)
    return replace(made, run=run, classes=classes)


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "least"), [(render_pdf, 6), (render_appendix, 10)])
def test_nothing_runs_off_a_sheet_and_the_missing_character_is_told(
    draw: Callable[..., int], least: int, bundle: Bundle, tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("needs poppler-utils")
    notes: list[str] = []
    draw(bundle, tmp_path / "report.pdf", on_note=notes.append)
    (note,) = notes
    assert note.endswith("without a meaning in Unicode (U+10FFFD).")
    command = ["pdftotext", "-bbox", str(tmp_path / "report.pdf"), "-"]
    pages = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("<page ")[1:]
    assert len(pages) > least
    outside = []
    for number, page in enumerate(pages, 1):
        width, height = (float(found) for found in re.findall(r'(?:width|height)="([\d.]+)"', page)[:2])
        for left, top, right, bottom, word in re.findall(
            r'<word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*?)</word>', page
        ):
            if float(left) < 30 or float(top) < 8 or float(right) > width - 30 or float(bottom) > height - 15:
                outside.append((number, unescape(word), left, right))
    assert outside == []


@pytest.mark.browser
def test_no_page_of_the_site_is_wider_than_the_screen(
    bundle: Bundle,
    browser: Browser,  # noqa: F811
    tmp_path: Path,
) -> None:
    render_site(bundle, tmp_path / "site")
    page = opened(browser, (tmp_path / "site/index.html").as_uri(), width=360)
    wide = {}
    for file in sorted((tmp_path / "site").rglob("*.html")):
        page.goto(file.as_uri())
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
                wide[str(file.relative_to(tmp_path)), width] = found
    page.context.close()
    assert wide == {}


def table(columns: int) -> Table:
    return Table(
        caption="What holds",
        columns=(Column(label="Claim"), *(Column(label=f"c{i}", numeric=True) for i in range(1, columns))),
        rows=tuple((Cell(text=claim), *(Cell(text=f"{claim}{i}") for i in range(1, columns))) for claim in "ab"),
    )


def test_a_table_that_a_sheet_has_room_for_is_left_alone():
    assert across(None) == ()
    assert across(table(12)) == (table(12),)


def test_a_table_of_many_columns_is_cut_and_loses_none():
    parts = across(table(30))
    assert [len(part.columns) for part in parts] == [9, 9, 9, 6]
    assert [part.caption for part in parts] == [f"What holds, part {n} of 4" for n in (1, 2, 3, 4)]
    assert {part.columns[0].label for part in parts} == {"Claim"}
    assert [c.label for part in parts for c in part.columns[1:]] == [f"c{i}" for i in range(1, 30)]
    for row, claim in enumerate("ab"):
        assert [part.rows[row][0].text for part in parts] == [claim] * 4
        assert [c.text for part in parts for c in part.rows[row][1:]] == [f"{claim}{i}" for i in range(1, 30)]


def test_of_a_long_name_the_end_is_kept_and_as_much_of_it_as_there_is_room_for():
    name = "features.denseblock3.denselayer24.conv2"
    assert ending(name, 10, text_width(name, 10)) == name
    cut = ending(name, 10, 150)
    assert cut.startswith("…")
    assert name.endswith(cut[1:])
    assert text_width(cut, 10) <= 150 < text_width("…" + name[-len(cut) :], 10)
    assert ending(name, 10, 0) == "…"


@pytest.mark.parametrize(
    "layer", ["features.denseblock3.denselayer24.conv2_with_a_longer_name", "W" * 40, "слой_犬🐶שלום"]
)
def test_the_labels_of_a_plot_keep_within_it(layer: str) -> None:
    labels, left = beside([layer, "fc"], most=0.42)
    assert labels[1] == "fc"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2), facecolor="none")
        axis = figure.subplots()
        figure.subplots_adjust(left=left)
        axis.set_yticks([0, 1], labels)
        assert "<svg" in written(figure)
        if layer.isascii():
            widest = min(tick.get_window_extent().x0 for tick in axis.get_yticklabels())
            assert 0 <= widest < 20
