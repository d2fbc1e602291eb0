"""The masking plot: every figure is there, ids are the page's own, colours are the theme's."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from neurflow_report.drawing.figures.plots import lean, masking_plot
from neurflow_report.results.records import Masking

SVG = "{http://www.w3.org/2000/svg}"


def row(mode: str, layer: str, tau: int, accuracy: float = 0.2) -> Masking:
    return Masking(
        mode=mode, layer=layer, tau=tau, size=tau, channels=64, n=50, baseline=0.98, accuracy=accuracy,
        low=max(0.0, accuracy - 0.1), high=min(1.0, accuracy + 0.1), null=(0.9, 0.94, 0.96), p_value=0.25,
    )  # type: ignore[arg-type]  # fmt: skip


ROWS = [row(mode, layer, tau) for layer in ("block1", "block & <2>") for tau in (4, 8) for mode in ("mask", "retain")]


def texts(root: ElementTree.Element) -> list[str]:
    return [" ".join((t.text or "").split()) for t in root.iter(f"{SVG}text")]


def drawn(root: ElementTree.Element, look: str) -> list[ElementTree.Element]:
    """The marks of one look that stand in the strips, without the legend's."""
    return [path for path in root.findall(f"{SVG}path") if path.get("class") == look]


def bars(path: ElementTree.Element) -> list[tuple[float, float]]:
    """A strip's bars: where each begins, and how tall it is."""
    found = re.findall(r"M([\d.]+) [\d.]+h[\d.]+v-([\d.]+)", path.attrib["d"])
    return [(float(left), float(tall)) for left, tall in found]


def test_every_layer_tau_and_random_set_is_drawn() -> None:
    root = ElementTree.fromstring(masking_plot(ROWS, title="Masking of bee & <co>", id_prefix="p1"))
    for name in ("block1 τ 4", "block1 τ 8", "block & <2> τ 4", "block & <2> τ 8"):
        assert texts(root).count(name) == 2
    words = {"Accuracy without the core, set to 0", "Accuracy with the core alone, the others at 0", "100%"}
    assert words <= set(texts(root))
    assert len(drawn(root, "core")) == len(ROWS)
    assert [[tall for _, tall in bars(strip)] for strip in drawn(root, "null")] == [[6.7, 13.3]] * len(
        ROWS
    )  # 1, then 2 of 3
    assert root.get("aria-label") == "Masking of bee & <co>"
    assert root.get("width") == "384"


def test_random_sets_are_counted_by_the_accuracy_they_leave_and_at_the_ends_in_figures() -> None:
    many = row("mask", "a", 4).model_copy(update={"null": (1.0,) * 60 + (0.5, 0.5, 0.4, 0.0)})
    root = ElementTree.fromstring(masking_plot([many], title="t", id_prefix="a"))
    (strip,) = drawn(root, "null")
    tall = dict(bars(strip))
    assert list(tall) == sorted(tall)
    assert len(tall) == 4
    heights = list(tall.values())
    assert heights[0] == heights[1] == 2.5  # a set alone stays in sight
    assert max(heights) == heights[3] == 18.8  # 60 of 64
    assert {"1", "60"} <= set(texts(root))


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_nothing_is_drawn_outside_the_picture(accuracy: float) -> None:
    long = row("mask", "a very long name of a layer, longer than any that there is", 4, accuracy)
    ends = long.model_copy(update={"null": (0.0,) * 500 + (1.0,) * 500})
    root = ElementTree.fromstring(masking_plot([ends], title="t", id_prefix="a"))
    (strip,) = drawn(root, "null")
    assert all(0 <= left <= 480 for left, _ in bars(strip))
    assert not any("a very long" in text for text in texts(root))


def test_many_rows_are_dense() -> None:
    rows = [row(mode, f"layer{n}", tau) for n in range(10) for tau in (2, 4, 8) for mode in ("mask", "retain")]
    svgs = [ElementTree.fromstring(masking_plot(r, title="t", id_prefix="a")) for r in (ROWS, rows)]
    tall = [int(svg.attrib["height"]) for svg in svgs]
    assert tall[0] / len(ROWS) > 38
    assert tall[1] / len(rows) < 30


def test_one_tau_needs_no_mention() -> None:
    svg = masking_plot([r for r in ROWS if r.tau == 4], title="t", id_prefix="p1")
    assert "τ" not in svg
    assert ">block1<" in svg


def test_ids_are_prefixed_and_references_hold() -> None:
    svg = masking_plot(ROWS, title="t", id_prefix="p1")
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    assert ids[0] == "p1"
    assert all(name.startswith("p1-") for name in ids[1:])
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)) <= {(i, "") for i in ids} | {("", i) for i in ids}


def test_colours_are_the_themes_and_nothing_leaks_into_the_page() -> None:
    svg = masking_plot(ROWS, title="t", id_prefix="p1")
    assert not re.findall(r"#0(\d)0\1", svg)
    bare = re.sub(r"var\(--[\w-]+,#[0-9a-f]{6}\)", "", svg)
    assert not re.findall(r"#[0-9a-f]{6}\b", bare)
    sheet = re.search(r"<style>(.*?)</style>", svg, re.S)
    assert sheet is not None
    assert all(rule.startswith("#p1 ") for rule in sheet[1].splitlines())
    assert "<metadata" not in svg
    assert "<?xml" not in svg
    assert "'DejaVu Sans'" not in re.sub(r"var\(--font-sans,[^)]*\)", "", svg)


def test_the_same_rows_give_the_same_text() -> None:
    assert masking_plot(ROWS, title="t", id_prefix="a") == masking_plot(ROWS, title="t", id_prefix="a")


def test_nothing_to_plot_is_no_plot() -> None:
    assert masking_plot([], title="t", id_prefix="a") == ""


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_the_mark_stands_at_the_accuracy(accuracy: float) -> None:
    root = ElementTree.fromstring(masking_plot([row("mask", "a", 4, accuracy)], title="t", id_prefix="a"))
    left, right = (
        next(float(t.attrib["x"]) for t in root.iter(f"{SVG}text") if t.text == label) for label in ("0", "100%")
    )
    (mark,) = drawn(root, "core")
    triangle = re.search(r"M([\d.]+) [\d.]+h8l-4 8z", mark.attrib["d"])
    assert triangle is not None
    assert float(triangle[1]) + 4 == pytest.approx(left + accuracy * (right - left), abs=0.06)


def test_what_draws_nothing_is_left_out() -> None:
    assert lean('<g id="x"><use href="#m" style="s"/>\n<use href="#m" style="t"/></g>').count("style=") == 2
