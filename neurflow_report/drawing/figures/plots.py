"""Plots as SVG to be inlined: matplotlib's drawing with the page's colours, own ids, and no clock.

Colours are drawn as sentinels and then replaced by CSS custom properties with fallbacks, so both themes steer them.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from neurflow_report.drawing.figures.layout import ending, text_width
from neurflow_report.results.records import Masking

INK, MUTED, LINE, BAND, CORE, NULL, PAPER = (f"#0{i}0{i}0{i}" for i in range(1, 8))
COLOURS = {
    INK: "var(--ink,#1c2430)",
    MUTED: "var(--muted,#5a6675)",
    LINE: "var(--line,#cbd4de)",
    BAND: "var(--band,#f3f5f8)",
    CORE: "var(--positive,#2b6a99)",
    NULL: "var(--muted,#5a6675)",
    PAPER: "var(--card,#ffffff)",
}
FAMILY = "var(--font-sans,Inter,'DejaVu Sans',sans-serif)"
STYLE: Any = {
    "svg.hashsalt": "neurflow-report",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.linewidth": 1,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "path.simplify": False,
}
WIDTH = 5.2  # inches: 499 CSS pixels; on a screen of 360, where it has 328, the text is still over 8
MODES = (("mask", "core set masked"), ("retain", "all others masked"))


def masking_plot(rows: Sequence[Masking], *, title: str, id_prefix: str) -> str:
    """F1 of one class (METHOD §5) as SVG text: accuracy in per cent per layer and τ, masked left, retained right.

    A filled diamond with a bar is the core set with its 95% Wilson interval, a small ring one random set of the same
    size (one stands for all at its place), the broken line the unmasked accuracy. The order of layers is the rows'; an
    empty `rows` gives "".
    """
    if not rows:
        return ""
    return inline_svg(_drawn(tuple(rows)), title=title, id_prefix=id_prefix)


@lru_cache(maxsize=256)
def _drawn(rows: tuple[Masking, ...]) -> str:
    """matplotlib's SVG, lean; kept, since a class's plot stands on several pages and in print."""
    keys = list(dict.fromkeys((row.layer, row.tau) for row in rows))
    with mpl.rc_context(STYLE):
        return written(_figure(rows, keys))


def written(figure: Figure) -> str:
    """matplotlib's SVG of a figure, lean. It complains of letters that its own font lacks, which it only measures: what
    shows the SVG has fonts of its own, and print tells which letters those lack."""
    out = StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from|Matplotlib currently does not support", UserWarning)
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return lean(out.getvalue())


def lean(svg: str) -> str:
    """matplotlib's SVG without what draws nothing: idle ids, groups of no look, clips, turns by 0, a third decimal.

    Clips may go because every mark lies within its panel. A style that all marks of a row share stands once.
    """
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<clipPath.*?</clipPath>", "", svg, flags=re.S)
    svg = re.sub(r' clip-path="[^"]*"| transform="rotate\(-0[^"]*"| *<g id="[^"]*"/>|<defs>\s*</defs>', "", svg)
    svg = re.sub(r'(<g) id="[^"]*"', r"\1", svg)
    svg = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), svg)
    svg = re.sub(r' d="([^"]*)"', lambda found: f' d="{_short_path(found[1])}"', svg)
    svg = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", svg)
    return _ungrouped(re.sub(r"<g>\s*((?:<use [^>]*/>\s*)+)</g>", _shared_style, svg))


def _short_path(path: str) -> str:
    """The same path without idle spaces, its level and upright lines as such."""
    out, x, y = [], "", ""
    for letter, inside in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        at = inside.split()
        level, upright = letter == "L" and at[1] == y, letter == "L" and at[0] == x
        out.append(f"H{at[0]}" if level else f"V{at[1]}" if upright else letter + " ".join(at))
        x, y = at[-2:] or (x, y)
    return "".join(out)


def _ungrouped(svg: str) -> str:
    """Groups without a look of their own, taken off what they hold."""
    idle: list[bool] = []

    def kept(found: re.Match[str]) -> str:
        if found[0] != "</g>":
            idle.append(found[0] == "<g>")
            return "" if idle[-1] else found[0]
        return "" if idle.pop() else found[0]

    return re.sub(r"</g>|<g\b[^>]*>", kept, svg)


def _shared_style(found: re.Match[str]) -> str:
    """A group of marks whose style, where it is one, stands at the group."""
    styles = set(re.findall(r' style="[^"]*"', found[1]))
    if len(styles) != 1:
        return found[0]
    style = styles.pop()
    return f"<g{style}>{found[1].replace(style, '')}</g>"


def inline_svg(svg: str, *, title: str, id_prefix: str) -> str:
    """A lean SVG for a page: no prolog, own ids, theme colours, pixels, a title, and rules that reach no other SVG."""
    svg = svg[svg.index("<svg") :]
    names = {name: f"{id_prefix}-{i}" for i, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))}
    svg = re.sub(r'(?:xlink:)?(\bid="|href="#|url\(#)([^")]+)', lambda found: found[1] + names[found[2]], svg)
    head, body = svg.split(">", 1)
    rules, body = _ruled(body, id_prefix)
    for sentinel, colour in COLOURS.items():
        rules, body = rules.replace(sentinel, colour), body.replace(sentinel, colour)
    width, height = (round(float(x)) for x in re.findall(r"[\d.]+", re.findall(r'viewBox="([^"]*)"', head)[0])[2:])
    own = (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{id_prefix}" class="plot" role="img" '
        'stroke-linejoin="round" stroke-linecap="butt" '
        f'aria-label="{escape(title)}" width="{width * 4 // 3}" height="{height * 4 // 3}" '
        f'viewBox="0 0 {width} {height}">\n<title>{escape(title)}</title>{rules}'
    )
    short = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", own + body)
    return re.sub(r"\s*\n\s*", "\n", short).strip()


def _ruled(body: str, name: str) -> tuple[str, str]:
    """A style sheet for the SVG `name` with each look that several marks have, and the body that asks for it."""
    family = "font-family: 'DejaVu Sans'; "
    body = body.replace(family, "")
    rules = [f"#{name} text{{font-family:{FAMILY}}}"]
    looks = Counter(re.findall(r' style="([^"]*)"', body))
    for number, look in enumerate(look for look, times in looks.items() if times > 1):
        rules.append(f"#{name} .s{number}{{{look.replace(': ', ':').replace('; ', ';')}}}")
        body = body.replace(f' style="{look}"', f' class="s{number}"')
    sheet = "\n".join(rules)
    return f"<style>{sheet}</style>", body


def _figure(rows: Sequence[Masking], keys: Sequence[tuple[str, int]]) -> Figure:
    """Two panels that share their rows; the height grows with the rows."""
    tall = 0.34 * len(keys) + 1.1
    figure = Figure(figsize=(WIDTH, tall), facecolor="none")
    names, left = beside(_labels(keys), most=0.42)
    axes = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=left, right=0.975, top=1 - 0.36 / tall, bottom=0.7 / tall, wspace=0.1)
    for axis, (mode, name) in zip(axes, MODES, strict=True):
        _panel(axis, [row for row in rows if row.mode == mode], keys)
        axis.set_title(name, loc="left", pad=7)
    axes[0].set_yticks(range(len(keys)), names)
    axes[0].set_ylim(len(keys) - 0.45, -0.55)
    _legend(figure, axes[0])
    return figure


def beside(labels: Sequence[str], *, most: float) -> tuple[list[str], float]:
    """The labels at a plot's left, cut where they take more than `most` of its width; and what they take of it."""
    gap, size, width = 0.03, STYLE["font.size"], 72 * WIDTH
    short = [ending(label, size, (most - gap) * width) for label in labels]
    return short, gap + max(text_width(label, size) for label in short) / width


def _labels(keys: Sequence[tuple[str, int]]) -> list[str]:
    """The rows' names: the layer, and τ where there are several."""
    if len({tau for _, tau in keys}) == 1:
        return [_short(layer, 20) for layer, _ in keys]
    return [f"{_short(layer, 18)}  τ {tau}" for layer, tau in keys]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else "…" + text[1 - most :]


def _panel(axis: Any, rows: Sequence[Masking], keys: Sequence[tuple[str, int]]) -> None:
    layers = list(dict.fromkeys(layer for layer, _ in keys))
    for y, (layer, _) in enumerate(keys):
        if layers.index(layer) % 2 == 0:
            axis.axhspan(y - 0.5, y + 0.5, color=BAND, linewidth=0, zorder=0)
    for row in rows:
        _row(axis, row, keys.index((row.layer, row.tau)))
    _axis(axis)


def _row(axis: Any, row: Masking, y: int) -> None:
    axis.plot([100 * row.baseline] * 2, [y - 0.5, y + 0.5], color=INK, linestyle=(0, (3, 2)), linewidth=1, zorder=2)
    marks = dict.fromkeys(zip(row.null, _spread(row.null), strict=True))  # of those at one place, one
    null, spread = [100 * value for value, _ in marks], [y + offset for _, offset in marks]
    axis.plot(
        null, spread, "o", markersize=4, markerfacecolor="none", markeredgecolor=NULL, markeredgewidth=0.8, zorder=3
    )
    axis.plot([100 * row.low, 100 * row.high], [y, y], color=CORE, linewidth=2.4, solid_capstyle="butt", zorder=4)
    axis.plot([100 * row.accuracy], [y], "D", markersize=6.5, color=CORE, markeredgecolor=PAPER, zorder=5)


def _spread(values: Sequence[float]) -> list[float]:
    """A small offset for each value, so that marks at nearly the same place stand apart: neighbours take turns."""
    ranks = {i: rank for rank, i in enumerate(sorted(range(len(values)), key=lambda i: (values[i], i)))}
    turns = (0.0, 0.26, -0.26, 0.13, -0.13)
    return [turns[ranks[i] % len(turns)] for i in range(len(values))]


def _axis(axis: Any) -> None:
    axis.set_xlim(-4, 104)
    axis.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
    axis.grid(axis="x", color=LINE, linewidth=0.7, zorder=1)
    axis.set_axisbelow(False)
    axis.tick_params(length=0, pad=5)
    axis.patch.set_visible(False)
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)


def _legend(figure: Figure, axis: Any) -> None:
    core = axis.plot([], [], "D-", color=CORE, markersize=6.5, linewidth=2.4, markeredgecolor=PAPER)[0]
    null = axis.plot([], [], "o", markersize=4, markerfacecolor="none", markeredgecolor=NULL, markeredgewidth=0.8)[0]
    base = axis.plot([], [], color=INK, linestyle=(0, (3, 2)), linewidth=1)[0]
    figure.legend(
        [core, null, base], ["core set, 95% interval", "random sets", "nothing masked"],
        loc="lower center", ncols=3, frameon=False, fontsize=9.5, handlelength=1.7, columnspacing=1.6,
        borderaxespad=0.4,
    )  # fmt: skip
