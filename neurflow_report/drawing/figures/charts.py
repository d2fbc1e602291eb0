"""Charts of the experiments as SVG to be inlined, in the style of plots.py: rows of intervals, and scatters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from neurflow_report.drawing.figures.layout import ending
from neurflow_report.drawing.figures.plots import (
    BAND,
    CORE,
    INK,
    LINE,
    MUTED,
    NULL,
    PAPER,
    STYLE,
    WIDTH,
    beside,
    inline_svg,
    masking_plot,
    written,
)
from neurflow_report.drawing.view.model.charts import Bar, Forest, Scatter
from neurflow_report.drawing.view.model.components import Plot

ROW = 0.27
"""Inches of a row."""
MARKERS = ("o", "s", "^", "D", "v", "P")
LETTER = 0.0225
"""Width of a letter, as a part of the chart's."""
FINE = 9.75
"""Points of the letters under an axis and in a key: 13 pixels."""


def chart_svg(drawing: Plot | Forest | Scatter, *, id_prefix: str, keyed: bool = True) -> str:
    """Any plot of a page as SVG text; an empty one gives "". `keyed`: one of F1 says itself what its marks are."""
    if isinstance(drawing, Plot):
        return masking_plot(drawing.rows, title=drawing.title, id_prefix=id_prefix, keyed=keyed)
    drawn = _forest_svg(drawing) if isinstance(drawing, Forest) else _scatter_svg(drawing)
    return inline_svg(drawn, title=drawing.title, id_prefix=id_prefix) if drawn else ""


@lru_cache(maxsize=512)
def _forest_svg(drawing: Forest) -> str:
    return _svg(lambda: _forest(drawing)) if drawing.rows else ""


@lru_cache(maxsize=128)
def _scatter_svg(drawing: Scatter) -> str:
    return _svg(lambda: _scatter(drawing)) if drawing.points else ""


def _svg(draw: Callable[[], Figure]) -> str:
    with mpl.rc_context(STYLE):
        return written(draw())


def _forest(drawing: Forest) -> Figure:
    lines = _lines(drawing.rows)
    tall = ROW * len(lines) + 1.15
    figure = Figure(figsize=(WIDTH, tall), facecolor="none")
    axis: Any = figure.subplots()
    names, left = beside([text for text, _ in lines], most=0.46)
    figure.subplots_adjust(left=left, right=0.965, top=1 - 0.12 / tall, bottom=0.86 / tall)
    for y, (_, row) in enumerate(lines):
        if row is not None:
            _bar(axis, drawing, row, y)
    _bands(axis, lines)
    for line in drawing.lines:
        axis.axvline(line, color=INK, linestyle=(0, (3, 2)), linewidth=1, zorder=2)
    axis.set_yticks(range(len(lines)), names)
    for tick, (_, row) in zip(axis.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if row is None else "normal")
    axis.set_ylim(len(lines) - 0.45, -0.55)
    _x_axis(axis, drawing)
    _legend(figure, axis, drawing)
    return figure


def _lines(rows: Sequence[Bar]) -> list[tuple[str, Bar | None]]:
    """The chart's lines from the top: a row with its label, or a block's name alone above its rows."""
    if not any(row.label for row in rows):
        return [(row.block, row) for row in rows]
    found: list[tuple[str, Bar | None]] = []
    for i, row in enumerate(rows):
        if i == 0 or rows[i - 1].block != row.block:
            found.append((row.block, None))
        found.append((row.label, row))
    return found


def _bands(axis: Any, lines: Sequence[tuple[str, Bar | None]]) -> None:
    """A ground under every other row, or under every block's name."""
    named = any(row is None for _, row in lines)
    for y, (_, row) in enumerate(lines):
        if row is None if named else y % 2 == 0:
            axis.axhspan(y - 0.5, y + 0.5, color=BAND, linewidth=0, zorder=0)


def _bar(axis: Any, drawing: Forest, row: Bar, y: int) -> None:
    def within(value: float) -> float:
        return min(max(value, drawing.start), drawing.end)

    if row.null_low is not None and row.null_high is not None:
        ends = [within(row.null_low), within(row.null_high)]
        axis.plot(ends, [y + 0.2, y + 0.2], color=NULL, linewidth=1.2, zorder=3)
    if row.null is not None:
        axis.plot([within(row.null)], [y + 0.2], "|", color=NULL, markersize=7, markeredgewidth=1.6, zorder=3)
    if row.control is not None:
        control = [within(row.control)]
        axis.plot(control, [y], "s", markersize=5, markerfacecolor="none", markeredgecolor=INK, zorder=4)
    bar = [within(row.low), within(row.high)]
    axis.plot(bar, [y, y], color=CORE, linewidth=2.4, solid_capstyle="butt", zorder=4)
    axis.plot([within(row.value)], [y], "D", markersize=5.6, color=CORE, markeredgecolor=PAPER, zorder=5)


def _x_axis(axis: Any, drawing: Forest) -> None:
    span = drawing.end - drawing.start
    axis.set_xlim(drawing.start - 0.03 * span, drawing.end + 0.03 * span)
    step = 0.25 if drawing.start == 0 else 0.5
    steps = [drawing.start + step * i for i in range(round(span / step) + 1)]
    told = [f"{100 * s:.0f}" for s in steps] if drawing.shares else [f"{s:.2g}".replace("-", "−") for s in steps]
    axis.set_xticks(steps, [*told[:-1], told[-1] + ("%" if drawing.shares else "")])
    axis.set_xlabel(drawing.axis, color=MUTED, fontsize=FINE)
    axis.grid(axis="x", color=LINE, linewidth=0.7, zorder=1)
    _bare(axis)


def _bare(axis: Any) -> None:
    axis.set_axisbelow(False)
    axis.tick_params(length=0, pad=5)
    axis.patch.set_visible(False)
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)


def _legend(figure: Figure, axis: Any, drawing: Forest) -> None:
    marks = [axis.plot([], [], "D-", color=CORE, markersize=5.6, linewidth=2.4, markeredgecolor=PAPER)[0]]
    names = ["figure, 95% interval"]
    if any(row.null is not None for row in drawing.rows):
        marks.append(axis.plot([], [], "|", color=NULL, markersize=7, markeredgewidth=1.6)[0])
        names.append("chance")
    if drawing.lines:
        marks.append(axis.plot([], [], color=INK, linestyle=(0, (3, 2)), linewidth=1)[0])
        names.append("threshold")
    if any(row.control is not None for row in drawing.rows):
        marks.append(
            axis.plot([], [], "s", markersize=5, markerfacecolor="none", markeredgecolor=INK, linestyle="none")[0]
        )
        names.append("random weights")
    _below(figure, marks, names)


def _below(figure: Figure, marks: Sequence[Any], names: Sequence[str]) -> None:
    short = [ending(name, FINE, 0.85 * 72 * WIDTH) for name in names]
    figure.legend(
        marks, short, loc="lower center", ncols=_columns(names), frameon=False, fontsize=FINE, handlelength=1.7,
        columnspacing=1.6, borderaxespad=0.2,
    )  # fmt: skip


def _columns(names: Sequence[str]) -> int:
    """How many names of a legend stand side by side: all, or as many as fit where all are as wide as the widest."""
    wide = [0.07 + min(0.85, 0.9 * LETTER * len(name)) for name in names]
    return len(names) if sum(wide) <= 1 else max(1, int(1 / max(wide)))


def _scatter(drawing: Scatter) -> Figure:
    series = list(dict.fromkeys(p.series for p in drawing.points))
    foot = 0.62 + 0.21 * -(-len(series) // _columns(series))
    figure = Figure(figsize=(WIDTH, 2.75 + foot), facecolor="none")
    axis: Any = figure.subplots()
    figure.subplots_adjust(left=0.19, right=0.97, top=0.97, bottom=foot / (2.75 + foot))
    marks = []
    for number, name in enumerate(series):
        mine = [p for p in drawing.points if p.series == name]
        marks += axis.plot(
            [p.x for p in mine], [p.y for p in mine], MARKERS[number % len(MARKERS)], markersize=5,
            markerfacecolor="none" if number // len(MARKERS) % 2 else CORE, markeredgecolor=CORE, linestyle="none",
            zorder=4,
        )  # fmt: skip
    axis.axhline(0, color=LINE, linewidth=1, zorder=1)
    axis.axvline(0, color=LINE, linewidth=1, zorder=1)
    axis.set_xlabel(drawing.x, color=MUTED, fontsize=FINE)
    axis.set_ylabel(drawing.y, color=MUTED, fontsize=FINE)
    axis.grid(color=LINE, linewidth=0.5, zorder=0)
    axis.tick_params(axis="y", colors=MUTED)
    _bare(axis)
    _below(figure, marks, series)
    return figure
