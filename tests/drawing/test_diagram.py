"""The circuit's DOT, the order of its nodes, and the painted SVG."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurflow_report.drawing.figures import dot
from neurflow_report.drawing.figures.diagram import Band, Diagram, Link, Node, Tile, paint, rank_order, to_dot
from neurflow_report.drawing.figures.layout import FULL, TITLE, lay_out, shorten, text_width, thickness, title_lines
from neurflow_report.drawing.figures.paint import grid, windows
from neurflow_report.errors import InputError, ReportError, RunError

SVG = "{http://www.w3.org/2000/svg}"


def tiles(name: str) -> tuple[Tile, ...]:
    """Two patches: a whole picture, and a quarter of it."""
    boxes = ((0.0, 0.0, 1.0), (0.5, 0.25, 0.25))
    return tuple(
        Tile(index=i, slug="bee", image=i, file=f"media/{name}-{i}.webp", href="", left=left, top=top, side=side)
        for i, (left, top, side) in enumerate(boxes)
    )


def node(name: str, band: str, **more: object) -> Node:
    values = {"title": name, "subtitle": "3 neurons", "value": 0.5, "tiles": tiles(name), "href": f"#{name}"}
    return Node(id=name, band=band, alt=f"patches of {name}", **{**values, **more})  # type: ignore[arg-type]


def small() -> Diagram:
    """A logit over two layers; awkward characters everywhere."""
    bands = (
        Band(name="fc", label="logit"),
        Band(name="b2", label="block2", href="#b2"),
        Band(name="b1", label='b"1\\<&'),
    )
    nodes = (
        node("top", "fc", tiles=(), title="bee & <co>", subtitle="logit", value=1.0),
        node("b2/G1", "b2", value=0.75),
        node("b2/G2", "b2", value=0.25, href=None),
        node("b1:G1", "b1", title='a "very" long title \\ that cannot possibly fit', value=0.002),
        node("b1:G2", "b1", value=0.998),
    )
    links = (
        Link(upper="top", lower="b2/G1", flow=0.75, signed=0.75, weight=0.8, level=50, main=True),
        Link(upper="top", lower="b2/G2", flow=0.25, signed=-0.25, weight=-0.2),
        Link(upper="b2/G1", lower="b1:G2", flow=0.748, signed=0.5, weight=0.5, level=50, main=True),
        Link(upper="b2/G2", lower="b1:G1", flow=0.002, signed=-0.002, weight=-0.5),
    )
    return Diagram(title="Circuit of bee & <co>", bands=bands, nodes=nodes, links=links, caption="2 edges left out")


def planted(size: int, turn: int) -> Diagram:
    """Two bands joined one to one, the lower given in a rotated order: no crossing is needed."""
    names = [f"n{i}" for i in range(size)]
    upper = tuple(node(f"u-{n}", "u") for n in names)
    lower = tuple(node(f"l-{names[(i * turn) % size]}", "l") for i in range(size))
    links = tuple(Link(upper=f"u-{n}", lower=f"l-{n}", flow=0.5, signed=0.5) for n in names)
    return Diagram(
        title="t", bands=(Band(name="u", label="u"), Band(name="l", label="l")), nodes=upper + lower, links=links
    )


def test_dot_text_does_not_depend_on_the_order_of_links() -> None:
    diagram = small()
    assert to_dot(replace(diagram, links=diagram.links[::-1])) == to_dot(diagram)


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_plain_dot_draws_the_download() -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=to_dot(small()), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    root = ElementTree.fromstring(done.stdout)
    texts = {t.text for t in root.iter(f"{SVG}text")}
    assert {"bee & <co>", 'b"1\\<&', 'a "very" long title \\ that cannot possibly fit', "75%"} <= texts
    edges = [g for g in root.iter(f"{SVG}g") if g.get("class") == "edge"]
    drawn = [path for g in edges for path in g.iter(f"{SVG}path")]
    assert len(drawn) == 4
    assert sum(path.get("stroke-dasharray") is not None for path in drawn) == 2


def test_order_names_every_node_of_its_band_once() -> None:
    diagram = small()
    order = rank_order(diagram)
    assert list(order) == ["fc", "b2", "b1"]
    assert {band: sorted(ids) for band, ids in order.items()} == {
        "fc": ["top"], "b2": ["b2/G1", "b2/G2"], "b1": ["b1:G1", "b1:G2"],
    }  # fmt: skip
    assert rank_order(diagram) == order


@pytest.mark.parametrize(("size", "turn"), [(5, 2), (8, 3), (11, 7)])
@pytest.mark.parametrize("ordering", [rank_order, dot.barycentre_order])
def test_planted_crossings_are_undone(ordering: object, size: int, turn: int) -> None:
    diagram = planted(size, turn)
    given_order = {band: tuple(n.id for n in row) for band, row in diagram.rows().items()}
    assert dot.crossings(diagram, given_order) > 0
    order = ordering(diagram)  # type: ignore[operator]
    assert dot.crossings(diagram, order) == 0
    assert [u[2:] for u in order["u"]] == [low[2:] for low in order["l"]]


def test_empty_bands_have_an_order_and_a_drawing() -> None:
    empty = Diagram(title="t", bands=(Band(name="a", label="a"), Band(name="b", label="b")), nodes=(), links=())
    assert rank_order(empty) == {"a": (), "b": ()}
    ElementTree.fromstring(paint(empty, rank_order(empty), id_prefix="x"))


def test_large_circuits_are_ordered_without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "_run_dot", lambda source: pytest.fail("dot was asked"))
    diagram = planted(200, 77)
    order = rank_order(diagram)
    given_order = {band: tuple(n.id for n in row) for band, row in diagram.rows().items()}
    assert sorted(order["l"]) == sorted(given_order["l"])
    assert dot.crossings(diagram, order) == 0


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=10, unique=True), st.randoms())
def test_crossings_count_as_the_naive_definition(ends: list[tuple[int, int]], random: object) -> None:
    names = tuple(f"{i}" for i in range(4))
    nodes = tuple(node(f"{b}{n}", b) for b in "ul" for n in names)
    links = tuple(Link(upper=f"u{u}", lower=f"l{low}", flow=1.0, signed=1.0) for u, low in ends)
    diagram = Diagram(title="t", bands=(Band(name="u", label="u"), Band(name="l", label="l")), nodes=nodes, links=links)
    order = {"u": tuple(f"u{n}" for n in names), "l": tuple(f"l{n}" for n in names)}
    naive = sum(a < c and b > d for (a, b), (c, d) in permutations(ends, 2))
    assert dot.crossings(diagram, order) == naive
    best = dot.barycentre_order(diagram)
    assert dot.crossings(diagram, best) <= naive
    assert sorted(best["l"]) == sorted(order["l"])


def test_missing_dot_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RunError) as caught:
        rank_order(small())
    assert str(caught.value) == (
        "Graphviz's program `dot` was not found [graphviz-missing]\n  hint: install Graphviz: apt-get install graphviz"
    )


def test_failing_dot_is_told() -> None:
    with pytest.raises(RunError, match=r"^`dot` ended with status 1: .*syntax error") as caught:
        dot._run_dot("digraph {")
    assert caught.value.slug == "graphviz-missing"


def test_slow_dot_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("dot", 30)

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(RunError, match="`dot` took longer than 30 s"):
        rank_order(small())


FALSE = {
    "": "no message",
    "hello": "hello",
    "graph 1 1 1\nnode n0 1 1 1 1 x": "graph 1 1 1",
    "node n0 a 1\nnode n1 2 1\nnode n2 3 1": "node n0 a 1",
    "node nx 1 1\nnode n1 2 1\nnode n2 3 1": "node nx 1 1",
    "node n": "node n",
    "".join(f"node n{i} {i} 1\n" for i in range(9)): "node n0 0 1",
    "".join(f"node n{i % 3} {i} 1\n" for i in range(6)): "node n0 0 1",
    "node n0 nan 1\nnode n1 2 1\nnode n2 inf 1": "node n0 nan 1",
    "\x1b[31m\udce9 garbage": "\ufffd[31m\ufffd garbage",
}


@pytest.mark.parametrize(("says", "told"), FALSE.items())
def test_a_dot_that_says_something_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, told: str
) -> None:
    (tmp_path / "said").write_bytes(says.encode("utf-8", "surrogateescape"))
    program(tmp_path / "dot", f'#!/bin/sh\nexec /bin/cat "{tmp_path}/said"')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError) as caught:
        rank_order(small())
    count = len(small().nodes)
    assert str(caught.value) == (
        f"`dot` did not say where the {count} nodes are that it was given: {told} [graphviz-missing]\n"
        "  hint: check that `dot -V` answers; install Graphviz: apt-get install graphviz"
    )
    with pytest.raises(InputError, match="did not say where the 2 nodes are"):
        dot.check_dot()


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("#!/bin/sh\n", 0o644, "`dot` is there, and cannot be run: Permission denied"),
        ("#!/no/such/shell\n", 0o755, "`dot` is there, and cannot be run: No such file or directory"),
        ("\x7fELF", 0o755, "`dot` is there, and cannot be run: Exec format error"),
        ("#!/bin/sh\nkill -9 $$", 0o755, "`dot` was ended by signal 9: no message"),
        ("#!/bin/sh\necho out of order >&2; exit 3", 0o755, "`dot` ended with status 3: out of order"),
    ],
)
def test_a_dot_that_does_not_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, message: str
) -> None:
    program(tmp_path / "dot", text, mode)
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (lambda: rank_order(small()), dot.check_dot):
        with pytest.raises(ReportError) as caught:
            ask()
        assert (caught.value.slug, caught.value.message) == ("graphviz-missing", message)


def test_the_dot_that_is_installed_is_found_good() -> None:
    dot.check_dot()


def program(file: Path, text: str, mode: int = 0o755) -> None:
    file.write_text(text)
    file.chmod(mode)


def painted(**more: object) -> ElementTree.Element:
    diagram = small()
    return ElementTree.fromstring(paint(diagram, rank_order(diagram), id_prefix="c1", **more))  # type: ignore[arg-type]


def test_every_card_and_link_is_painted() -> None:
    root = painted()
    links = [p for p in root.iter(f"{SVG}path") if "u" in (p.get("class") or "")]
    assert len(links) == 4
    assert sum("stroke-dasharray" in p.attrib for p in links) == 2
    assert all(("stroke-dasharray" in p.attrib) == (" q " in p.attrib["class"]) for p in links)
    assert {p.attrib["class"] for p in links} == {
        "e p u0 l1 k50 main", "e q u0 l2 k95", "e p u1 l4 k50 main", "e q u2 l3 k95",
    }  # fmt: skip
    assert [i.get("href") for i in root.iter(f"{SVG}image")] == [
        f"media/{n}-{i}.webp" for n in ("b2/G1", "b2/G2", "b1:G1", "b1:G2") for i in (0, 1)
    ]
    assert [w.get("viewBox") for w in root.iter(f"{SVG}svg")][1:3] == ["0 0 1 1", "0.5 0.25 0.25 0.25"]
    assert {a.get("href") for a in root.iter(f"{SVG}a")} == {"#top", "#b2/G1", "#b1:G1", "#b1:G2", "#b2"}
    titles = [t.text for t in root.iter(f"{SVG}title")]
    names = [a.get("aria-label") for a in root.iter(f"{SVG}a")]
    assert 'a "very" long title \\ that cannot possibly fit 3 neurons · <1%' in names
    assert "patches of b1:G1" in titles
    assert "bee & <co> logit – b2/G1 3 neurons: 75.0% of the logit, W +0.80" in titles
    assert "bee & <co> logit – b2/G2 3 neurons: 25.0% of the logit, lowers, W −0.20" in titles
    assert (root.get("role"), root.get("aria-label")) == ("group", "Circuit of bee & <co>")


def test_the_main_path_is_strong_and_all_else_pale() -> None:
    root = painted()
    strength = {p.attrib["class"]: float(p.attrib["stroke-opacity"]) for p in root.iter(f"{SVG}path") if p.get("d")}
    links = {look: value for look, value in strength.items() if look.startswith("e")}
    assert all((value >= 0.8) == look.endswith("main") for look, value in links.items())
    cards = [e.attrib["class"] for e in root.iter() if re.match(r"c\d", e.get("class", ""))]
    assert cards == ["c0 main", "c1 main", "c2 side", "c3 side", "c4 main"]


def test_without_a_main_path_nothing_is_pale() -> None:
    diagram = replace(small(), links=())
    svg = paint(diagram, rank_order(diagram), id_prefix="c1")
    assert svg.count(' main" ') == 4
    assert ' side" ' not in svg


def test_a_card_tells_its_name_its_code_and_its_share() -> None:
    named = node("a", "b", title="pink petals", subtitle="G1", value=0.29, inside=("n1 · 20%", "n2 · 9%"))
    stack = node("b/rest", "b", title="+3 groups", subtitle="", value=0.09, stack=3)
    one = Diagram(title="t", bands=(Band(name="b", label="b"),), nodes=(stack, named), links=())
    order = rank_order(one)
    assert order == {"b": ("a", "b/rest")}
    root = ElementTree.fromstring(paint(one, order, id_prefix="p"))
    told = {a.get("aria-label"): [t.text for t in a.iter(f"{SVG}text")] for a in root.iter(f"{SVG}a")}
    assert told == {
        "pink petals G1 · 29%": ["pink petals", "G1 · 29%", "n1 · 20%", "n2 · 9%"],
        "+3 groups · 9%": ["+3 groups", "9%"],
    }
    assert [t.text for t in painted().iter(f"{SVG}text") if t.get("class") == "n"] == [None] * 3


def test_ids_are_the_prefix_and_rules_stay_inside() -> None:
    root = painted()
    assert [e.get("id") for e in root.iter() if e.get("id")] == ["c1"]
    style = root.find(f"{SVG}style")
    assert style is not None
    assert all(line.startswith("#c1") for line in (style.text or "").splitlines())


def test_every_colour_is_the_themes() -> None:
    diagram = small()
    svg = paint(diagram, rank_order(diagram), id_prefix="c1")
    assert re.sub(r"var\(--[\w-]+,#[0-9a-f]{6}\)", "", svg).count("#") == svg.count("#c1") + svg.count('href="#')


def test_no_text_leaves_its_card() -> None:
    diagram = small()
    layout = lay_out(diagram, rank_order(diagram), FULL)
    root = painted()
    for i, drawn in enumerate(diagram.nodes):
        card = next(e for e in root.iter() if re.match(rf"c{i} ", e.get("class", "")))
        box = layout.cards[drawn.id]
        for text in card.iter(f"{SVG}text"):
            left = float(text.attrib["x"])
            assert box.x <= left
            assert left + text_width(text.text or "", TITLE) <= box.x + box.width
            assert box.y < float(text.attrib["y"]) < box.bottom


def test_text_has_12_pixels_and_mosaics_110() -> None:
    root = painted()
    style = root.findtext(f"{SVG}style", "")
    assert {int(size) for size in re.findall(r"font-size:(\d+)px", style)} == {12, 13}
    assert all("style" not in text.attrib and "font-size" not in text.attrib for text in root.iter(f"{SVG}text"))
    assert FULL.mosaic >= 110


@given(st.text(max_size=60))
def test_a_title_stands_on_two_lines_at_most_and_fits(title: str) -> None:
    lines = title_lines(title, FULL)
    assert 0 < len(lines) <= 2
    assert all(text_width(line, TITLE) <= FULL.card - 2 * FULL.pad for line in lines)
    assert title_lines("pink notched petals", FULL) == ["pink notched petals"]
    assert title_lines("round leaves / terracotta pot", FULL) == ["round leaves /", "terracotta pot"]


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_width_is_proportional_to_the_flow(flow: float, other: float) -> None:
    thin, thick = (thickness(Link(upper="", lower="", flow=f, signed=-f), FULL) for f in sorted((flow, other)))
    assert FULL.fine <= thin <= thick <= FULL.broad
    if thin > FULL.fine:
        assert thick * min(flow, other) == pytest.approx(thin * max(flow, other))


def test_strongest_links_are_on_top_and_ports_do_not_cross() -> None:
    diagram = planted(6, 5)
    fan = tuple(
        Link(upper="u-n2", lower=f"l-n{i}", flow=0.1 * (6 - i), signed=0.1 * (-1) ** i, main=i == 3) for i in range(6)
    )
    diagram = replace(diagram, links=fan)
    order = rank_order(diagram)
    wires = lay_out(diagram, order, FULL).wires
    assert [w.link.main for w in wires] == [False] * 5 + [True]
    assert [w.link.flow for w in wires[:-1]] == sorted(w.link.flow for w in wires[:-1])
    by_end = sorted(wires, key=lambda w: w.x2)
    widths = [thickness(w.link, FULL) for w in by_end]
    middles = (a / 2 + b / 2 for a, b in pairwise(widths))
    assert all(b.x1 - a.x1 >= apart - 1e-9 for (a, b), apart in zip(pairwise(by_end), middles, strict=True))


def test_cards_do_not_overlap_and_the_drawing_grows_with_its_rows() -> None:
    diagram = planted(14, 1)
    layout = lay_out(diagram, rank_order(diagram), FULL)
    assert layout.width > 14 * FULL.card
    for band in ("u", "l"):
        row = sorted((layout.cards[n.id] for n in diagram.rows()[band]), key=lambda b: b.x)
        assert all(a.x + a.width < b.x for a, b in pairwise(row))
        assert row[-1].x + row[-1].width < layout.width


def test_a_thumbnail_has_pictures_and_no_text() -> None:
    root = painted(compact=True)
    assert len(list(root.iter(f"{SVG}image"))) == 8
    assert not list(root.iter(f"{SVG}text"))
    assert not list(root.iter(f"{SVG}a"))
    assert root.get("role") == "img"


def test_print_has_no_link_and_no_highlight() -> None:
    root = painted(interactive=False, picture=windows(lambda tile: f'<use href="#{tile.picture}"/>'))
    assert not list(root.iter(f"{SVG}a"))
    assert ":hover" not in ElementTree.tostring(root, encoding="unicode")
    assert [u.get("href") for u in root.iter(f"{SVG}use")] == ["#bee.0", "#bee.1"] * 4


def test_cells_fill_the_square_and_stay_inside() -> None:
    for count in range(1, 10):
        cells = grid(count, 10, 20, 104)
        assert len(cells) == count
        assert all(x >= 10 and x + s <= 114.001 and y >= 20 and y + s <= 124.001 for x, y, s in cells)
        assert all(a != b for a, b in pairwise(cells))
    assert grid(4, 0, 0, 104)[3] == (53, 53, 51)


def test_painting_twice_gives_the_same_text() -> None:
    diagram = small()
    assert paint(diagram, rank_order(diagram), id_prefix="a") == paint(diagram, rank_order(diagram), id_prefix="a")


@given(st.text(max_size=40), st.floats(20, 300))
def test_shortened_text_fits(text: str, room: float) -> None:
    short = shorten(text, 12, room)
    assert text_width(short, 12) <= room or short == "…"
    assert short == text or short.endswith("…")
