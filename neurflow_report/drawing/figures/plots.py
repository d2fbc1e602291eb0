"""Plots as SVG to be inlined, with the page's colours, own ids, and no clock: F1's strips, which are written here, and
what matplotlib draws for charts.py.

Colours of matplotlib's are sentinels, replaced by CSS custom properties with fallbacks, so both themes steer them.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from neurflow_report.drawing.figures.layout import ending, text_width
from neurflow_report.results.records import Masking, TwoSided

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
    "font.size": 10.5,  # points: 14 pixels
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
WIDTH = 4.0  # inches: 384 CSS pixels; on a screen of 360, where it has 328, the text is still over 11
PANELS = {
    "mask": "Accuracy without the core, set to 0",
    "retain": "Accuracy with the core alone, the others at 0",
    "both": "J with the core alone, the others at their mean",
}
"""The panels from the top down. "both": pictures of other classes are counted, too."""

WIDE, LABEL, EDGE, SIZE, SMALL = 384, 150, 28, 14, 13
"""F1's strips in CSS pixels: the picture, the most that the rows' names take of it, what is left free beside a strip's
ends for the counts there, and the letters, large and small. On a screen of 360 they are still over 11."""
LINE_UP, ROOMY, DENSE, ROW_GAP = 13, 20, 8, 5
"""Heights of a row: the core's mark and its interval, the bars under them (of few rows, and of many), and what parts
rows."""
MANY = 12
"""Rows from which they are dense."""
BIN = 0.025
"""Width of a bar, as a share."""
LEAST = 2.5
"""Height of the lowest bar: a set alone stays in sight."""


def masking_plot(rows: Sequence[Masking | TwoSided], *, title: str, id_prefix: str, keyed: bool = True) -> str:
    """F1 of one class (METHOD §5) as SVG text: strips in per cent, a row a layer and τ: above the accuracy without the
    core set, below that with it alone, or J.

    In a row the bars count the random sets by what they leave, with figures beside the ends for those at 0 and at 100%;
    the triangle over them is the core set, with its 95% interval; the broken line what nothing masked gives. J under 0
    stands at 0. The order of layers is the rows'; an empty `rows` gives "". `keyed`: it says itself what its marks are.
    """
    if not rows:
        return ""
    keys = list(dict.fromkeys((row.layer, row.tau) for row in rows))
    names, left = _names(keys)
    strips = [_strip(row) for row in rows]
    panels = [(name, [one for one in strips if one.panel == panel]) for panel, name in PANELS.items()]
    parts, y = list[str](), 0.0
    for name, own in panels:
        if own:
            drawn, y = _panel(name, own, keys, names, left, y)
            parts += drawn
    legend, height = _legend(y) if keyed else (list[str](), y)
    size = f'width="{WIDE}" height="{height:.0f}" viewBox="0 0 {WIDE} {height:.0f}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{id_prefix}" class="plot" role="img" '
        f'aria-label="{escape(title)}" {size}>\n<title>{escape(title)}</title>{_looks(id_prefix)}'
    )
    return "\n".join([head, *parts, *legend, "</svg>"])


@dataclass(frozen=True, kw_only=True)
class _Strip:
    """A row of a panel: the core's figure with its interval, that of nothing masked, those of the random sets."""

    panel: str
    layer: str
    tau: int
    value: float
    low: float
    high: float
    base: float
    null: tuple[float, ...]


def _strip(row: Masking | TwoSided) -> _Strip:
    if isinstance(row, Masking):
        panel, figures = str(row.mode), (row.accuracy, row.low, row.high, row.baseline)
    else:
        panel, figures = "both", (row.j, row.j_low, row.j_high, row.tpr_before - row.fpr_before)
    value, low, high, base = (max(0.0, figure) for figure in figures)
    return _Strip(
        panel=panel, layer=row.layer, tau=row.tau, value=value, low=low, high=high, base=base,
        null=tuple(max(0.0, figure) for figure in row.null),
    )  # fmt: skip


def _looks(name: str) -> str:
    """The style sheet of the strips, for this SVG alone."""
    rules = {
        "text": f"font:{SIZE}px {FAMILY};fill:{COLOURS[INK]}",
        ".b": "font-weight:600",
        ".m": f"fill:{COLOURS[MUTED]};font-size:{SMALL}px",
        ".r": "text-anchor:end",
        ".c": "text-anchor:middle",
        ".band": f"fill:{COLOURS[BAND]}",
        ".axis": f"stroke:{COLOURS[LINE]};stroke-width:1",
        ".null": f"fill:{COLOURS[NULL]}",
        ".base": f"stroke:{COLOURS[INK]};stroke-dasharray:3 2",
        ".core": f"fill:{COLOURS[CORE]};stroke:{COLOURS[CORE]};stroke-width:2",
    }
    return "<style>" + "\n".join(f"#{name} {where}{{{look}}}" for where, look in rules.items()) + "</style>"


def _names(keys: Sequence[tuple[str, int]]) -> tuple[list[str], float]:
    """The rows' names, the layer, and τ where there are several; and where the strips begin."""
    taus = len({tau for _, tau in keys}) > 1
    most = LABEL - (text_width("  τ 999", SIZE) if taus else 0)
    full = [ending(layer, SIZE, most) + (f"  τ {tau}" if taus else "") for layer, tau in keys]
    return full, max(text_width(name, SIZE) for name in full) + 8


def _panel(
    name: str,
    rows: Sequence[_Strip],
    keys: Sequence[tuple[str, int]],
    names: Sequence[str],
    left: float,
    top: float,
) -> tuple[list[str], float]:
    """One panel from `top` down: its name, its rows, its axis; and where it ends."""
    tall = ROOMY if len(keys) < MANY else DENSE
    step, first = LINE_UP + tall + ROW_GAP, top + 24
    layers = list(dict.fromkeys(layer for layer, _ in keys))
    parts = [f'<text class="b" x="0" y="{top + 15:g}">{name}</text>']
    by = {(row.layer, row.tau): row for row in rows}
    for number, (key, label) in enumerate(zip(keys, names, strict=True)):
        y = first + number * step
        if layers.index(key[0]) % 2 == 0:
            parts.append(f'<rect class="band" x="0" y="{y:g}" width="{WIDE}" height="{step}"/>')
        parts.append(f'<text x="4" y="{y + step / 2 + 4.5:g}">{escape(label)}</text>')
        if key in by:
            parts += _row(by[key], left, y, tall)
    end = first + len(keys) * step
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = _at(share, left)
        parts.append(f'<path class="axis" d="M{x:.1f} {end:g}v4"/>')
        told = f"{100 * share:.0f}{'%' if share == 1 else ''}"
        parts.append(f'<text class="m c" x="{x:.1f}" y="{end + 17:g}">{told}</text>')
    parts.append(f'<path class="axis" d="M{_at(0, left):.1f} {end:g}H{_at(1, left):.1f}"/>')
    return parts, end + 30


def _at(share: float, left: float) -> float:
    """Where a share stands on the axis."""
    start, stop = left + EDGE, WIDE - EDGE
    return start + share * (stop - start)


def _row(row: _Strip, left: float, top: float, most: float) -> list[str]:
    """The core's mark with its interval, and under it the random sets, their bars at `most` so tall."""
    foot, upper = top + LINE_UP + most + 2, top + LINE_UP - 4
    x = _at(row.base, left)
    parts = [f'<path class="base" d="M{x:.1f} {top + 1:g}V{foot:g}"/>']
    bars, wide = Counter(round(value / BIN) for value in row.null), BIN * (_at(1, left) - _at(0, left)) - 1
    path = ""
    for place, times in sorted(bars.items()):
        tall = max(LEAST, most * times / len(row.null))  # one scale for all rows
        path += f"M{_at(place * BIN, left) - wide / 2:.1f} {foot:g}h{wide:.1f}v-{tall:.1f}h-{wide:.1f}z"
    if path:
        parts.append(f'<path class="null" d="{path}"/>')
    for value, way, look in ((0.0, -1, "m r"), (1.0, 1, "m")):
        if times := sum(abs(v - value) < 1e-9 for v in row.null):
            x = _at(value, left) + way * (wide / 2 + 4)
            parts.append(f'<text class="{look}" x="{x:.1f}" y="{foot:g}">{times}</text>')
    low, high, x = _at(row.low, left), _at(row.high, left), _at(row.value, left)
    parts.append(f'<path class="core" d="M{low:.1f} {upper:g}H{high:.1f}M{x - 4:.1f} {upper - 4:g}h8l-4 8z"/>')
    return parts


def masking_legend(id_prefix: str) -> str:
    """What the marks of F1's strips are, for several of them at once."""
    legend, height = _legend(0)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{id_prefix}" class="plot" aria-hidden="true" '
        f'width="{WIDE}" height="{height:.0f}" viewBox="0 0 {WIDE} {height:.0f}">{_looks(id_prefix)}'
    )
    return "\n".join([head, *legend, "</svg>"])


def _legend(top: float) -> tuple[list[str], float]:
    """What the marks are, on lines as they fit; and where the picture ends."""
    marks = (
        '<path class="core" d="M0 -4h20M6 -8h8l-4 8z"/>',
        '<path class="null" d="M0 1h5v-4h-5zM6 1h5v-11h-5zM12 1h5v-7h-5z"/>',
        '<path class="base" d="M4 -11v13"/>',
    )
    words = ("core set, 95% interval", "random sets", "nothing masked")
    parts, x, y = list[str](), 4.0, top + 12
    for mark, word in zip(marks, words, strict=True):
        wide = 24 + text_width(word, SMALL)
        if x + wide > WIDE:
            x, y = 4.0, y + 20
        parts.append(f'<g transform="translate({x:.1f} {y:g})">{mark}<text class="m" x="24" y="0">{word}</text></g>')
        x += wide + 14
    return parts, y + 8


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
    svg = re.sub(r'( [xy]="-?\d+\.\d)\d(?=")', r"\1", svg)
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


def beside(labels: Sequence[str], *, most: float) -> tuple[list[str], float]:
    """The labels at a plot's left, cut where they take more than `most` of its width; and what they take of it."""
    gap, size, width = 0.03, STYLE["font.size"], 72 * WIDTH
    short = [ending(label, size, (most - gap) * width) for label in labels]
    return short, gap + max(text_width(label, size) for label in short) / width
