"""Graphviz: the circuit as DOT text for readers, and the order of the nodes within each band.

Of Graphviz only the order is used (node sizes fixed, rows by rank=same, no clusters, no splines): it is the same in
every version of dot, while full layouts differ. Past `MOST_NODES` or `MOST_LINKS` a barycentre sweep orders instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import isfinite

from neurflow_report.drawing.view.model.graph import Diagram, Link, Node, Order
from neurflow_report.drawing.view.model.numbers import percent
from neurflow_report.errors import InputError, RunError

MOST_NODES = 300
MOST_LINKS = 4000
SECONDS = 30.0
SWEEPS = 12
POSITIVE, NEGATIVE = "#2b6a99", "#b5432f"
NODE_LOOK = {
    "shape": "box", "style": "rounded,filled", "fillcolor": "#f4f6f9", "color": "#c9d3de",
    "fontname": "Helvetica", "fontsize": "11",
}  # fmt: skip
EDGE_LOOK = {"arrowhead": "none", "color": POSITIVE}
MISSING, HINT = "Graphviz's program `dot` was not found", "install Graphviz: apt-get install graphviz"
CHECK = "check that `dot -V` answers; " + HINT


def to_dot(diagram: Diagram) -> str:
    """The circuit as DOT, one rank a band, to be drawn by plain `dot`; equal diagrams give equal text.

    A positive weight is blue and solid, a negative one red and dashed; the pen's width follows |weight|.
    """
    lines = ["digraph circuit {", f"graph [{_attributes(_graph_look(diagram))}];"]
    lines += [f"node [{_attributes(NODE_LOOK)}];", f"edge [{_attributes(EDGE_LOOK)}];"]
    lines += _dot_bands(diagram)
    most = diagram.strongest()
    lines += [_dot_link(link, most) for link in sorted(diagram.links, key=_link_key)]
    return "\n".join([*lines, "}"]) + "\n"


def rank_order(diagram: Diagram) -> dict[str, tuple[str, ...]]:
    """Per band the node ids from left to right, so that few links cross; deterministic.

    Raises: RunError graphviz-missing when `dot` is not installed, fails, or takes longer than `SECONDS`.
    """
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
    """Raises InputError graphviz-missing where there is no program `dot`, or one that does not place two nodes."""
    try:
        _positions(_run_dot("digraph {n0 -> n1}"), ["n0", "n1"])
    except RunError as error:
        raise InputError(error.slug, error.message, hint=error.hint) from error


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
    """Pairs (u1 < u2) with l1 > l2, counted with a Fenwick tree; links that share an upper end don't cross."""
    size = max(lows) + 1
    tree, seen, total, start = [0] * (size + 1), 0, 0, 0
    for i in range(len(ends)):
        while ends[start][0] < ends[i][0]:
            _fenwick_add(tree, lows[start])
            start, seen = start + 1, seen + 1
        total += seen - _fenwick_sum(tree, lows[i])
    return total


def _fenwick_add(tree: list[int], index: int) -> None:
    index += 1
    while index < len(tree):
        tree[index] += 1
        index += index & -index


def _fenwick_sum(tree: list[int], index: int) -> int:
    """How many added indices are at most `index`."""
    total, index = 0, index + 1
    while index:
        total += tree[index]
        index -= index & -index
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
        near.setdefault(link.upper, []).append((link.lower, abs(link.weight)))
        near.setdefault(link.lower, []).append((link.upper, abs(link.weight)))
    return near


def _order_source(diagram: Diagram) -> str:
    """DOT for the order alone: nodes by number, one size, an anchor a band to keep the ranks apart."""
    number = {node.id: f"n{i}" for i, node in enumerate(diagram.nodes)}
    lines = ["digraph {", 'graph [splines=""];', 'node [shape=box fixedsize=true width=1 height=1 label=""];']
    lines += [f"b{i} -> b{i + 1};" for i in range(len(diagram.bands) - 1)]
    for i, row in enumerate(diagram.rows().values()):
        lines.append(f"{{rank=same; b{i}; {' '.join(number[n.id] + ';' for n in row)}}}")
    most = diagram.strongest()
    for link in sorted(diagram.links, key=_link_key):
        weight = 1 + round(9 * abs(link.weight) / most)
        lines.append(f"{number[link.upper]} -> {number[link.lower]} [weight={weight}];")
    return "\n".join([*lines, "}"])


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
    """The x of every node in dot's plain format, by the node's id. Raises: RunError graphviz-missing where what `dot`
    said is none, or of other nodes."""
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
    caption = "\\n".join(_escape(line) for line in textwrap.wrap(diagram.caption or diagram.title, 110))
    return {
        "rankdir": "TB", "splines": "spline", "nodesep": "0.25", "ranksep": "0.9", "bgcolor": "white",
        "fontname": "Helvetica", "fontsize": "11", "labelloc": "b", "label": caption,
    }  # fmt: skip


def _dot_bands(diagram: Diagram) -> list[str]:
    """A rank a band: its label, then its nodes; the labels hang on an invisible chain."""
    lines = []
    for i, (band, row) in enumerate(zip(diagram.bands, diagram.rows().values(), strict=True)):
        look = {"label": _escape(band.label), "shape": "plaintext", "style": "", "fontcolor": "#5a6675"}
        nodes = [f"  {_quote(node.id)} [{_attributes(_node_look(node))}];" for node in row]
        lines += ["{ rank=same;", f"  {_quote(f'band {i}')} [{_attributes(look)}];", *nodes, "}"]
    chain = [f"{_quote(f'band {i}')} -> {_quote(f'band {i + 1}')}" for i in range(len(diagram.bands) - 1)]
    return lines + [f"{step} [style=invis, weight=100];" for step in chain]


def _node_look(node: Node) -> dict[str, str]:
    lines = [node.title, node.subtitle, percent(node.value)]
    label = "\\n".join(_escape(line) for line in lines if line)
    return {"label": label, "tooltip": _escape(node.alt or node.title)}


def _dot_link(link: Link, most: float) -> str:
    share = abs(link.weight) / most
    look = {} if link.weight >= 0 else {"color": NEGATIVE, "style": "dashed"}
    look |= {"penwidth": f"{0.6 + 4.4 * share**1.4:.2f}", "tooltip": f"{link.weight:+.3f}"}
    return f"{_quote(link.upper)} -> {_quote(link.lower)} [{_attributes(look)}];"


def _link_key(link: Link) -> tuple[str, str, float]:
    return link.upper, link.lower, link.weight


def _attributes(values: dict[str, str]) -> str:
    return ", ".join(f"{name}={_quote(value)}" for name, value in values.items())


def _quote(text: str) -> str:
    """A DOT string. Only the quotation mark needs a mark of its own there."""
    return '"' + text.replace('"', '\\"') + '"'


def _escape(text: str) -> str:
    """Text as a DOT label shows it literally: on one line, without escapes and entities."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("&", "&amp;")
