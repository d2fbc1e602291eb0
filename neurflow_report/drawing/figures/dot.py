"""Graphviz: the circuit as DOT text for readers, and the order of the nodes within each band.

Of Graphviz only the order is used (node sizes fixed, rows by rank=same, no clusters, no splines): it is the same in
every version of dot, while full layouts differ. Past `MOST_NODES` or `MOST_LINKS` a barycentre sweep orders instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import isfinite

from graphviz import Digraph, nohtml

from neurflow_report.drawing.view.model.graph import Diagram, Link, Order
from neurflow_report.drawing.view.model.numbers import percent, percent_fine
from neurflow_report.errors import InputError, RunError

MOST_NODES = 300
MOST_LINKS = 4000
SECONDS = 30.0
SWEEPS = 12
BROAD = 16.0
"""The pen of a line along which all of the logit goes."""
POSITIVE, NEGATIVE = "#2b6a99", "#b5432f"
NODE_LOOK = {
    "shape": "box", "style": "rounded,filled", "fillcolor": "#f4f6f9", "color": "#c9d3de",
    "fontname": "Helvetica", "fontsize": "11",
}  # fmt: skip
LOOSE_LOOK = {"style": "rounded,filled,dashed", "color": "#5a6675"}
EDGE_LOOK = {"arrowhead": "none", "color": POSITIVE}
MISSING, HINT = "Graphviz's program `dot` was not found", "install Graphviz: apt-get install graphviz"
CHECK = "check that `dot -V` answers; " + HINT


def to_dot(diagram: Diagram) -> str:
    """The circuit as DOT, one rank a band, to be drawn by plain `dot`; equal diagrams give equal text.

    What raises is blue and solid, what lowers red and dashed, where no effect was shown pale, and dotted if it raises;
    the pen's width follows the flow. A card that is not sure has a dashed outline.
    """
    names, graph = _names(diagram), Digraph("circuit", format="svg")
    graph.attr("graph", **_graph_look(diagram))
    graph.attr("node", **NODE_LOOK)
    graph.attr("edge", **EDGE_LOOK)
    for i, (band, row) in enumerate(zip(diagram.bands, diagram.rows().values(), strict=True)):
        with graph.subgraph() as rank:
            rank.attr(rank="same")
            look = {"shape": "plaintext", "style": "", "fontcolor": "#5a6675"}
            rank.node(f"band {i}", _label([band.label]), **look)
            for node in row:
                lines, own = [node.title, node.subtitle, percent(node.value)], LOOSE_LOOK if node.loose else {}
                rank.node(names[node.id], _label(lines), tooltip=_label([node.alt or node.title]), **own)
    for i in range(len(diagram.bands) - 1):
        graph.edge(f"band {i}", f"band {i + 1}", style="invis", weight="100")
    for link in sorted(diagram.links, key=_link_key):
        graph.edge(names[link.upper], names[link.lower], **_link_look(link))
    return str(graph.source)


def rank_order(diagram: Diagram) -> dict[str, tuple[str, ...]]:
    """Per band the node ids from left to right, so that few links cross, stacks last; deterministic.

    Raises: RunError graphviz-missing when `dot` is not installed, fails, or takes longer than `SECONDS`.
    """
    stacks = {node.id for node in diagram.nodes if node.stack}
    return {band: tuple(sorted(ids, key=stacks.__contains__)) for band, ids in _order(diagram).items()}


def _order(diagram: Diagram) -> Order:
    if len(diagram.nodes) > MOST_NODES or len(diagram.links) > MOST_LINKS:
        return barycentre_order(diagram)
    if not diagram.nodes:
        return {band.name: () for band in diagram.bands}
    position = _positions(_run_dot(_order_source(diagram)), [node.id for node in diagram.nodes])
    return {
        band: tuple(node.id for node in sorted(row, key=lambda n: position[n.id]))
        for band, row in diagram.rows().items()
    }


@lru_cache(maxsize=64)
def kept_order(diagram: Diagram) -> Order:
    """`rank_order`, kept: a drawing stands on a page and in a file of its own."""
    return rank_order(diagram)


def check_dot() -> None:
    """Check that there is a program `dot`, and that it places two nodes.

    Raises: InputError graphviz-missing otherwise.
    """
    try:
        _positions(_run_dot("digraph {n0 -> n1}"), ["n0", "n1"])
    except RunError as error:
        raise InputError(error.slug, error.message, hint=error.hint) from error


def dot_marks() -> tuple[str, int, int] | None:
    """Which program `dot` is: where, how large, and when it was written; None where there is none."""
    if (found := shutil.which("dot")) is None:
        return None
    state = os.stat(found)  # noqa: PTH116
    return os.path.realpath(found), state.st_size, state.st_mtime_ns


def barycentre_order(diagram: Diagram) -> dict[str, tuple[str, ...]]:
    """The order by weighted barycentre sweeps, down and up in turn; the order with the fewest crossings seen."""
    order = {band: tuple(n.id for n in row) for band, row in diagram.rows().items()}
    near = _neighbours(diagram.links)
    best, fewest = order, crossings(diagram, order)
    for sweep in range(SWEEPS):
        bands = list(order) if sweep % 2 == 0 else list(reversed(order))
        order = _sweep(order, bands, near)
        count = crossings(diagram, order)
        if count < fewest:
            best, fewest = order, count
    return {band.name: best[band.name] for band in diagram.bands}


def crossings(diagram: Diagram, order: Order) -> int:
    """How many pairs of links cross when the bands are ordered so (straight links, neighbours in rank pairs)."""
    place = {node: i for row in order.values() for i, node in enumerate(row)}
    band = {node.id: node.band for node in diagram.nodes}
    pairs: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for link in diagram.links:
        ends = (place[link.upper], place[link.lower])
        pairs.setdefault((band[link.upper], band[link.lower]), []).append(ends)
    return sum(_inversions([low for _, low in sorted(ends)], sorted(ends)) for ends in pairs.values())


def _inversions(lows: Sequence[int], ends: Sequence[tuple[int, int]]) -> int:
    """Pairs (u1 < u2) with l1 > l2; links that share an upper end don't cross."""
    seen, total, start = list[int](), 0, 0
    for i in range(len(ends)):
        while ends[start][0] < ends[i][0]:
            insort(seen, lows[start])
            start += 1
        total += len(seen) - bisect_right(seen, lows[i])
    return total


def _sweep(order: Order, bands: Iterable[str], near: dict[str, list[tuple[str, float]]]) -> dict[str, tuple[str, ...]]:
    """Each band in turn sorted by the mean place of what its nodes link to in the bands already passed."""
    moved = dict(order)
    place: dict[str, float] = {}
    for band in bands:
        own = {node: (i + 0.5) / len(moved[band]) for i, node in enumerate(moved[band])}
        centre = {node: _centre(near.get(node, []), place, own[node]) for node in moved[band]}
        moved[band] = tuple(sorted(moved[band], key=lambda node: (centre[node], own[node])))
        place.update({node: (i + 0.5) / len(moved[band]) for i, node in enumerate(moved[band])})
    return moved


def _centre(near: list[tuple[str, float]], place: dict[str, float], default: float) -> float:
    known = [(place[node], weight) for node, weight in near if node in place]
    total = sum(weight for _, weight in known)
    return sum(at * weight for at, weight in known) / total if total else default


def _neighbours(links: Iterable[Link]) -> dict[str, list[tuple[str, float]]]:
    near: dict[str, list[tuple[str, float]]] = {}
    for link in links:
        near.setdefault(link.upper, []).append((link.lower, link.flow))
        near.setdefault(link.lower, []).append((link.upper, link.flow))
    return near


def _order_source(diagram: Diagram) -> str:
    """DOT for the order alone: nodes by number, one size, an anchor a band to keep the ranks apart."""
    number, graph = {node.id: f"n{i}" for i, node in enumerate(diagram.nodes)}, Digraph()
    graph.attr("graph", splines="")
    graph.attr("node", shape="box", fixedsize="true", width="1", height="1", label="")
    for i in range(len(diagram.bands) - 1):
        graph.edge(f"b{i}", f"b{i + 1}")
    for i, row in enumerate(diagram.rows().values()):
        with graph.subgraph() as rank:
            rank.attr(rank="same")
            for name in (f"b{i}", *(number[node.id] for node in row)):
                rank.node(name)
    most = max((link.flow for link in diagram.links), default=0.0) or 1.0
    for link in sorted(diagram.links, key=_link_key):
        graph.edge(number[link.upper], number[link.lower], weight=str(1 + round(9 * link.flow / most)))
    return str(graph.source)


def _run_dot(source: str) -> str:
    """What `dot -Tplain` says to `source`."""
    try:
        done = subprocess.run(
            ["dot", "-Tplain"],  # noqa: S607 the user's own Graphviz, wherever it is installed
            input=source, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=SECONDS,
            check=True,
        )  # fmt: skip
    except OSError as error:
        there = shutil.which("dot", mode=os.F_OK)  # a script whose interpreter is missing is not found either
        message = f"`dot` is there, and cannot be run: {error.strerror}" if there else MISSING
        raise RunError("graphviz-missing", message, hint=CHECK if there else HINT) from error
    except subprocess.TimeoutExpired as error:
        raise RunError("graphviz-missing", f"`dot` took longer than {SECONDS:.0f} s", hint=HINT) from error
    except subprocess.CalledProcessError as error:
        ended = (
            f"was ended by signal {-error.returncode}"
            if error.returncode < 0
            else f"ended with status {error.returncode}"
        )
        message = f"`dot` {ended}: {_said(str(error.stderr))}"
        raise RunError("graphviz-missing", message, hint=CHECK) from error
    return done.stdout


def _said(text: str) -> str:
    """The first line of what a program said, as far as it can be shown."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in lines[0])[:80] if lines else "no message"


def _positions(plain: str, ids: Sequence[str]) -> dict[str, float]:
    """The x of every node in dot's plain format, by the node's id.

    Raises: RunError graphviz-missing where what `dot` said is none, or of other nodes.
    """
    rows = [line.split() for line in plain.splitlines() if line.startswith("node n")]
    try:
        found = {int(row[1][1:]): float(row[2]) for row in rows}
    except (IndexError, ValueError):
        found = {}
    if set(found) != set(range(len(ids))) or len(rows) != len(ids) or not all(map(isfinite, found.values())):
        message = f"`dot` did not say where the {len(ids)} nodes are that it was given: {_said(plain)}"
        raise RunError("graphviz-missing", message, hint=CHECK)
    return {ids[number]: x for number, x in found.items()}


def _graph_look(diagram: Diagram) -> dict[str, str]:
    return {
        "rankdir": "TB", "splines": "spline", "nodesep": "0.25", "ranksep": "0.9", "bgcolor": "white",
        "fontname": "Helvetica", "fontsize": "11", "labelloc": "b",
        "label": _label(textwrap.wrap(diagram.caption or diagram.title, 110)),
    }  # fmt: skip


def _names(diagram: Diagram) -> dict[str, str]:
    """The nodes' names in DOT: their ids, or numbers where one has a colon, after which an edge would name a port."""
    plain = not any(":" in node.id for node in diagram.nodes)
    return {node.id: node.id if plain else f"n{i}" for i, node in enumerate(diagram.nodes)}


def _link_look(link: Link) -> dict[str, str]:
    look = {} if link.signed >= 0 else {"color": NEGATIVE, "style": "dashed"}
    if link.faint:
        look = {"style": "dotted"} | look | {"color": look.get("color", POSITIVE) + "70"}
    told = percent_fine(link.flow) + ("" if link.weight is None else f", W {link.weight:+.3f}")
    told += f"; {link.effect}" if link.effect else ""
    return look | {"penwidth": f"{max(0.6, BROAD * link.flow):.2f}", "tooltip": told}


def _link_key(link: Link) -> tuple[str, str, float]:
    return link.upper, link.lower, link.flow


def _label(lines: Iterable[str]) -> str:
    """Lines as a DOT label shows them literally: without escapes, entities and markup."""
    told = (" ".join(line.split()).replace("\\", "\\\\").replace("&", "&amp;") for line in lines if line)
    found: str = nohtml("\\n".join(told))
    return found
