"""The charts of the experiments: every row and point is there, in blocks, named, in its place."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from neurflow_report.drawing.figures.charts import chart_svg
from neurflow_report.drawing.view.model.charts import Bar, Forest, Point, Scatter
from neurflow_report.drawing.view.pages import experiments
from neurflow_report.results.records import Measure

SVG = "{http://www.w3.org/2000/svg}"


def forest(*rows: Bar, **changes: object) -> Forest:
    given = {"axis": "correlation r", "start": 0.0, "end": 1.0, "shares": False, "lines": (0.4,)} | changes
    return Forest(id="f", title="A chart", rows=rows, caption="", svg="f.svg", download="f.csv", **given)  # type: ignore[arg-type]


def bar(block: str, label: str, value: float = 0.5, **more: float) -> Bar:
    return Bar(block=block, label=label, value=value, low=max(0, value - 0.1), high=min(1, value + 0.1), **more)


def drawn(chart: Forest | Scatter) -> ElementTree.Element:
    return ElementTree.fromstring(chart_svg(chart, id_prefix="c"))


def texts(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [t for t in root.iter(f"{SVG}text") if (t.text or "").strip()]


def words(root: ElementTree.Element) -> list[str]:
    return [(t.text or "").strip() for t in texts(root)]


def look(root: ElementTree.Element, mark: ElementTree.Element) -> str:
    """How a mark looks: by its own style, or by the rule of its class."""
    sheet = root.findtext(f"{SVG}style") or ""
    rules = dict(re.findall(r"\.(s\d+)\{([^}]*)\}", sheet))
    return mark.get("style") or rules.get(mark.get("class") or "", "")


def test_what_draws_nothing_is_left_out() -> None:
    svg = chart_svg(forest(bar("a", ""), bar("b", "", 0.9)), id_prefix="c")
    assert not re.findall(r"clip-path|<clipPath|rotate\(-0|<g id=|\d\.\d{3}", svg)
    assert not re.findall(r"#0(\d)0\1", svg)
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("c") for name in ids)


def test_rows_of_a_layer_stand_under_its_name() -> None:
    root = drawn(forest(bar("fc", "sets of 1"), bar("fc", "sets of 5"), bar("layer3", "sets of 1")))
    named = [w for w in words(root) if w in {"fc", "layer3", "sets of 1", "sets of 5"}]
    assert named == ["fc", "sets of 1", "sets of 5", "layer3", "sets of 1"]
    bold = [(t.text or "").strip() for t in texts(root) if re.search("bold|700", look(root, t))]
    assert bold == ["fc", "layer3"]
    assert root.get("aria-label") == "A chart"


def test_a_row_alone_bears_its_layers_name() -> None:
    named = words(drawn(forest(bar("fc", ""), bar("layer3", ""))))
    assert [w for w in named if w in {"fc", "layer3"}] == ["fc", "layer3"]


def test_the_axis_has_a_name_and_the_legend_says_what_is_drawn() -> None:
    plain = words(drawn(forest(bar("fc", ""), lines=())))
    assert {"correlation r", "figure, 95% interval"} <= set(plain)
    assert not {"chance", "threshold", "random weights"} & set(plain)
    full = words(drawn(forest(bar("fc", "", null=0.1, control=0.3))))
    assert {"chance", "threshold", "random weights"} <= set(full)


@pytest.mark.parametrize("shares", [True, False])
def test_ends_of_the_axis_are_told_in_its_unit(shares: bool) -> None:
    assert ("100%" if shares else "1") in words(drawn(forest(bar("fc", ""), shares=shares)))


def test_nothing_is_drawn_beyond_the_axis() -> None:
    """The picture is not clipped, so what leaves the axis would run over the labels."""
    chart = forest(bar("fc", "", 0.5, null=-3.0, null_low=-9.0, null_high=7.0, control=-0.09))
    root = drawn(chart)
    left, right = (next(float(t.get("x", "0")) for t in texts(root) if (t.text or "").strip() == end) for end in "01")
    for path in root.iter(f"{SVG}path"):
        if "stroke" in (path.get("style") or "") and "#" not in str(path.get("id")):
            ends = [float(x) for x, _ in re.findall(r"[ML] ?(-?[\d.]+) (-?[\d.]+)", path.get("d") or "")]
            assert all(x >= left - 20 and x <= right + 20 for x in ends if abs(x) > 20), path.get("d")
    for mark in root.iter(f"{SVG}use"):
        assert left - 20 <= float(mark.get("x", left)) <= right + 20


def scatter(series: int) -> Scatter:
    points = tuple(Point(x=0.1 * i, y=0.05 * i, series=f"layer{i}.0 ← layer{i}.1") for i in range(series))
    return Scatter(id="s", title="Drops", points=points, x="weight", y="drop", caption="", svg="", download="")


def test_every_series_has_a_mark_of_its_own_and_a_name_inside_the_picture() -> None:
    root = drawn(scatter(9))
    named = [t for t in texts(root) if "←" in (t.text or "")]
    assert len(named) == 9
    wide, tall = (float(x) for x in str(root.get("viewBox")).split()[2:])
    for t in named:
        x, y = float(t.get("x", "0")), float(t.get("y", "0"))
        assert 0 <= x <= wide - 60
        assert 0 <= y <= tall
    marks = {(p.get("d"), p.get("style")) for p in root.iter(f"{SVG}path") if p.get("id")}
    assert len({d for d, _ in marks}) >= 6


def test_an_empty_chart_is_none() -> None:
    assert chart_svg(forest(), id_prefix="c") == ""
    assert chart_svg(scatter(0), id_prefix="c") == ""


def counted(*rows: tuple[str, int, str, str]) -> str:
    given = [
        Measure(experiment="weights", layer=layer, case=case, value=0.5, low=0.4, high=0.6, n=n, unit=unit)
        for layer, n, unit, case in rows
    ]
    return experiments._counted(given)


def test_a_caption_says_the_n_of_every_layer_where_it_has_one() -> None:
    assert counted(("fc", 40, "draw", ""), ("block4", 40, "draw", "")) == "n = 40 draws"
    assert counted(("fc", 1, "neuron", ""), ("block3", 6, "neuron", ""), ("block2", 6, "neuron", "")) == (
        "n = 1 neuron at fc, 6 neurons at block3 and block2"
    )
    several = counted(("fc", 4, "neuron", "semantic groups"), ("fc", 5, "draw", "neuron groups"))
    assert several == "n differs from row to row (see the table)"
