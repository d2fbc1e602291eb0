"""The single file: everything inside, every link within it, every id once, and the same bytes twice."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.write.downloads import data_files
from neurflow_report.drawing.write.single_file import page_names, render_single, single_html
from neurflow_report.drawing.write.slim import slim
from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle
from tests.drawing.test_site import Reader


@pytest.fixture(scope="module")
def text(bundle: Bundle) -> str:
    return single_html(bundle, None)


@pytest.fixture(scope="module")
def reader(text: str) -> Reader:
    return Reader(text)


def test_every_id_is_there_once_and_every_link_leads_to_one(reader: Reader) -> None:
    assert [i for i, n in Counter(reader.ids).items() if n > 1] == []
    places = [a for a in reader.addresses if a.startswith("#")]
    assert len(places) > 500
    assert sorted({a for a in places if a[1:] not in reader.ids}) == []


def test_nothing_is_outside(reader: Reader, text: str) -> None:
    assert {a.partition(":")[0] for a in reader.addresses if not a.startswith("#")} == {"data"}
    assert re.findall(r"""url\((?!["']?(?:#|data:))[^)]*""", text) == []
    assert re.search(r'\b(src|action)="(?!#|data:)', text) is None


def test_every_page_is_a_section_with_the_places_it_had(reader: Reader, view: SiteView) -> None:
    names = page_names(tuple(view.pages()))
    assert names["class/bee-co/layer2.0/index.html"] == "bee-co-layer2-0"
    assert set(names.values()) <= set(reader.ids)
    for page in view.layers:
        for group in page.groups:
            assert f"{names[page.path]}--{group.anchor}" in reader.ids
    for shown in view.pictures:
        assert {f"{names[shown.path]}--{p.anchor}" for one in shown.shown for p in one.places} <= set(reader.ids)


def test_pages_whose_names_would_be_the_same_are_told_apart(view: SiteView) -> None:
    from dataclasses import replace

    one = view.layers[0]
    pages = (replace(one, path="class/a/b.c/index.html"), replace(one, path="class/a/b-c/index.html"))
    assert list(page_names(pages).values()) == ["a-b-c", "a-b-c-2"]


def test_a_picture_is_in_it_once(text: str, bundle: Bundle) -> None:
    names = re.findall(r'<image id="([^"]+)" href="data:image/webp', text)
    assert len(names) == len(set(names)) == sum(p.file is not None for c in bundle.classes for p in c.pictures)
    used = set(re.findall(r'<use href="#([^".]+\.\d+)"', text))
    assert used == set(names)


def test_every_file_of_the_site_is_inside(text: str, bundle: Bundle, view: SiteView) -> None:
    found = dict(re.findall(r'id="file--([^"]+)" href="data:[a-z/+.]+,([^"]*)"', text))
    inside = {name: unquote(unescape(data)).encode() for name, data in found.items()}
    assert inside == dict(data_files(bundle, view))
    assert {Path(name).suffix for name in inside} == {".csv", ".json", ".svg", ".dot"}
    rows = list(csv.reader(io.StringIO(inside["data/groups.csv"].decode())))
    assert rows[0][:3] == ["class", "layer", "group"]
    assert len(rows) == 1 + sum(len(layer.groups) for c in bundle_classes(view) for layer in c)


def bundle_classes(view: SiteView) -> list[list[object]]:
    slugs = [page.pictures.slug for page in view.classes]
    return [[layer for layer in view.layers if layer.pictures.slug == slug] for slug in slugs]


@pytest.mark.slow
def test_it_is_written_whole_and_the_same_twice(bundle: Bundle, text: str, tmp_path: Path) -> None:
    seen: list[int] = []
    size = render_single(bundle, tmp_path / "a" / "report.html", on_page=lambda done, _all: seen.append(done))
    written = slim(text).encode() + b"<!-- neurflow-report -->\n"
    assert (tmp_path / "a" / "report.html").read_bytes() == written
    assert size == len(written)
    assert seen == list(range(1, 25))
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["report.html"]
    assert render_single(bundle, tmp_path / "a" / "report.html") == size


def test_somebody_s_file_of_that_name_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(InputError, match=r"report\.html exists and is no report of this program"):
        render_single(bundle, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "mine"


def test_names_and_captions_cannot_end_the_script(bundle: Bundle, text: str) -> None:
    assert "flower <0>" in bundle.classes[0].pictures[0].name
    assert text.count("<script>") == 1
    assert text.count("</script>") == 1 + text.count('<script type="application/json"')
    assert r"flower \u003c0>" in text


def test_a_place_that_cannot_be_written_is_told(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError) as caught:
        render_single(bundle, tmp_path / "file" / "report.html")
    assert caught.value.slug == "output-unwritable"
