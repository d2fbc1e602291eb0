"""The masking plot: every figure is there, ids are the page's own, colours are the theme's."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from neurflow_report.drawing.figures.plots import COLOURS, lean, masking_plot
from neurflow_report.results.records import Masking

SVG = "{http://www.w3.org/2000/svg}"


def row(mode: str, layer: str, tau: int, accuracy: float = 0.2) -> Masking:
    return Masking(
        mode=mode, layer=layer, tau=tau, size=tau, channels=64, n=50, baseline=0.98, accuracy=accuracy,
        low=max(0.0, accuracy - 0.1), high=min(1.0, accuracy + 0.1), null=(0.9, 0.94, 0.96), p_value=0.25,
    )  # type: ignore[arg-type]  # fmt: skip


ROWS = [row(mode, layer, tau) for layer in ("block1", "block & <2>") for tau in (4, 8) for mode in ("mask", "retain")]


def look(root: ElementTree.Element, mark: ElementTree.Element) -> str:
    """How a mark looks: by its own style, or by the rule of its class."""
    sheet = root.findtext(f"{SVG}style") or ""
    rules = dict(re.findall(r"\.(s\d+)\{([^}]*)\}", sheet))
    return mark.get("style") or rules.get(mark.get("class") or "", "")


def marks(root: ElementTree.Element, colour: str) -> list[ElementTree.Element]:
    """The marks in a colour, whether the style stands at them or at their group."""
    found = [u for u in root.iter(f"{SVG}use") if colour in look(root, u)]
    return found + [u for g in root.iter(f"{SVG}g") if colour in look(root, g) for u in g]


def test_every_layer_tau_and_random_set_is_drawn() -> None:
    root = ElementTree.fromstring(masking_plot(ROWS, title="Masking of bee & <co>", id_prefix="p1"))
    texts = [" ".join((t.text or "").split()) for t in root.iter(f"{SVG}text")]
    for name in ("block1 τ 4", "block1 τ 8", "block & <2> τ 4", "block & <2> τ 8"):
        assert texts.count(name) == 1
    assert {"core set masked", "all others masked", "100%", "core set, 95% interval"} <= set(texts)
    rings = marks(root, COLOURS["#060606"])
    assert len(rings) == 3 * len(ROWS) + 1
    assert root.get("aria-label") == "Masking of bee & <co>"
    assert root.get("width") == "498"


def test_random_sets_at_one_place_are_drawn_once() -> None:
    many = row("mask", "a", 4).model_copy(update={"null": (0.9,) * 60 + (0.5, 0.5, 0.4)})
    root = ElementTree.fromstring(masking_plot([many], title="t", id_prefix="a"))
    rings = [(u.attrib["x"], u.attrib["y"]) for u in marks(root, COLOURS["#060606"])]
    assert len(rings) == len(set(rings)) == 5 + 2 + 1 + 1  # five places side by side, and the legend's
    assert len({x for x, _ in rings}) == 4


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
    mark = marks(root, COLOURS["#070707"])[0]
    assert float(mark.attrib["x"]) == pytest.approx(left + accuracy * (right - left), abs=0.02)


def test_what_draws_nothing_is_left_out() -> None:
    svg = masking_plot(ROWS, title="t", id_prefix="a")
    assert not re.findall(r"clip-path|<clipPath|rotate\(-0|<g id=|\d\.\d{3}", svg)
    assert lean('<g id="x"><use href="#m" style="s"/>\n<use href="#m" style="t"/></g>').count("style=") == 2
