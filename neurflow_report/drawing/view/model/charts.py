"""Charts of the experiments, as values: intervals in rows with their nulls, and points in a plane."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A row of a chart: a figure with its 95% interval, and where chance stands.

    Rows of one `block` (a layer) stand together under its name; `label` may be "" where a block has one row alone.
    `control` is the same figure on the network with its training undone.
    """

    block: str
    label: str
    value: float
    low: float
    high: float
    null: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    control: float | None = None


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Figures in rows on one axis. `start`, `end`: the axis; `shares`: figures are shares, told in per cent;
    `lines`: thresholds. `svg`, `download`: addresses of the chart alone and of its figures."""

    id: str
    title: str
    rows: tuple[Bar, ...]
    axis: str
    start: float
    end: float
    shares: bool
    lines: tuple[float, ...]
    caption: str
    svg: str
    download: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a scatter; `series` tells its mark."""

    x: float
    y: float
    series: str


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Points in a plane, in series."""

    id: str
    title: str
    points: tuple[Point, ...]
    x: str
    y: str
    caption: str
    svg: str
    download: str
