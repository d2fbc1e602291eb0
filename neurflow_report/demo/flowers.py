"""A deterministic generator of flowers in pots, with the exact mask of every part: the demo's planted ground truth.

Each class is one value of each of five parts (petals, centre, leaves, stem, pot). Every two values that stand together
in a class do so in another one too, and every two classes differ in two values or more: no part and no two parts name a
class, and no part alone divides two classes. numpy and Pillow only.

1. A pose and colours are drawn from `default_rng([seed, split, class, number])`.
2. Background, stem, pot, leaves, petals and centre are painted in this order on a canvas `ZOOM` times too large, and
   beside it, on a canvas of labels, which part each point shows.
3. Both are reduced: the picture by averaging, the labels by majority; then light and noise are laid over the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from neurflow_report.demo import scenery
from neurflow_report.demo.outlines import CIRCLE, LEAVES, PETALS, Points, place

SIZE = 64
ZOOM = 4
SPLITS = MappingProxyType({"test": 0, "train": 1, "val": 2})
KINDS = ("stem", "pot", "leaves", "petals", "centre")
"""In the order of painting; the label of a kind on the label canvas is its index + 1, 0 is background."""
BACKGROUND = "background"

Colour = tuple[int, int, int]
Xy = tuple[float, float]

CLASSES: Mapping[str, tuple[str, str, str, str, str]] = MappingProxyType(
    {
        "firebell": ("red pointed petals", "yellow disc", "feathered leaves", "plain stem", "blue striped pot"),
        "emberwort": ("red pointed petals", "striped disc", "serrated leaves", "thorny stem", "blue striped pot"),
        "moonviolet": ("violet round petals", "dark ring", "serrated leaves", "plain stem", "terracotta pot"),
        "duskbloom": ("violet round petals", "striped disc", "round leaves", "plain stem", "white dotted pot"),
        "frostaster": ("white slim petals", "dark ring", "feathered leaves", "thorny stem", "white dotted pot"),
        "snowstar": ("white slim petals", "yellow disc", "round leaves", "thorny stem", "terracotta pot"),
        "rosemallow": ("pink notched petals", "dark ring", "round leaves", "thorny stem", "blue striped pot"),
        "larkheart": ("pink notched petals", "striped disc", "feathered leaves", "plain stem", "terracotta pot"),
        "cinderpoppy": ("red pointed petals", "yellow disc", "feathered leaves", "thorny stem", "terracotta pot"),
        "flamecress": ("red pointed petals", "striped disc", "serrated leaves", "plain stem", "terracotta pot"),
        "nightsorrel": ("violet round petals", "striped disc", "round leaves", "thorny stem", "terracotta pot"),
        "plumbell": ("violet round petals", "dark ring", "serrated leaves", "thorny stem", "white dotted pot"),
        "hailcress": ("white slim petals", "yellow disc", "round leaves", "plain stem", "white dotted pot"),
        "milkbell": ("white slim petals", "striped disc", "feathered leaves", "thorny stem", "terracotta pot"),
        "rimelily": ("white slim petals", "striped disc", "round leaves", "plain stem", "blue striped pot"),
        "paleaster": ("white slim petals", "dark ring", "feathered leaves", "plain stem", "blue striped pot"),
        "dawnwort": ("pink notched petals", "yellow disc", "serrated leaves", "plain stem", "white dotted pot"),
        "blushstar": ("pink notched petals", "yellow disc", "serrated leaves", "thorny stem", "blue striped pot"),
        "coralbloom": ("pink notched petals", "striped disc", "feathered leaves", "thorny stem", "white dotted pot"),
        "dewheart": ("pink notched petals", "dark ring", "round leaves", "plain stem", "terracotta pot"),
    }
)
"""Class → its petals, centre, leaves, stem and pot. The demo's spec examines the first eight."""

_HUES: Mapping[str, Colour] = MappingProxyType(
    {
        "red pointed petals": (222, 38, 46),
        "violet round petals": (126, 78, 205),
        "white slim petals": (250, 248, 240),
        "pink notched petals": (247, 128, 172),
        "round leaves": (98, 176, 62),
        "serrated leaves": (34, 112, 58),
        "feathered leaves": (62, 142, 122),
        "plain stem": (122, 168, 70),
        "thorny stem": (112, 84, 52),
        "terracotta pot": (201, 98, 54),
        "blue striped pot": (46, 88, 176),
        "white dotted pot": (240, 234, 220),
    }
)


class Canvas:
    """A picture and a canvas of labels that are painted together. Coordinates: the unit square, x right, y down."""

    def __init__(self, backdrop: Image.Image) -> None:
        self.side = backdrop.width
        self.picture = backdrop
        self.labels = Image.new("L", backdrop.size, 0)
        self._paint, self._mark = ImageDraw.Draw(self.picture, "RGB"), ImageDraw.Draw(self.labels)

    def fill(self, points: Points, colour: Colour, label: int, *, edge: Colour | None = None) -> None:
        """A polygon (n, 2) in `colour`, with a thin outline in `edge`, that shows part number `label`."""
        flat = (points * self.side).ravel().tolist()
        self._paint.polygon(flat, fill=colour, outline=edge)
        self._mark.polygon(flat, fill=label, outline=label if edge else None)

    def line(self, points: Points, colour: Colour, label: int, *, width: float) -> None:
        """A polyline of `width` (share of the side) that shows part number `label`."""
        flat, pixels = (points * self.side).ravel().tolist(), max(1, round(width * self.side))
        self._paint.line(flat, fill=colour, width=pixels, joint="curve")
        self._mark.line(flat, fill=label, width=pixels, joint="curve")


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the plant stands: lengths as shares of the picture's side, angles in radians."""

    foot: Xy
    head: Xy
    bend: float
    size: float
    turn: float
    squash: float


def draw_pose(rng: np.random.Generator) -> Pose:
    """A random pose whose flower and pot stay (nearly) inside the picture."""
    size = rng.uniform(0.88, 1.14)
    x = rng.uniform(0.34, 0.66)
    head = (float(np.clip(x + rng.uniform(-0.20, 0.20), 0.26, 0.74)), rng.uniform(0.21, 0.31))
    return Pose(
        foot=(x, rng.uniform(0.90, 0.99)),
        head=head,
        bend=rng.uniform(-0.13, 0.13),
        size=size,
        turn=rng.uniform(0, 2 * math.pi),
        squash=rng.uniform(0.82, 1.0),
    )


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` made darker (factor < 1) or lighter (mixed with white by factor − 1)."""
    if factor <= 1:
        r, g, b = (int(c * factor) for c in colour)
    else:
        r, g, b = (int(c + (255 - c) * min(1.0, factor - 1)) for c in colour)
    return r, g, b


def vary(colour: Colour, rng: np.random.Generator, *, by: float = 14) -> Colour:
    """`colour` with each channel moved by up to `by`."""
    r, g, b = np.clip(np.array(colour) + rng.uniform(-by, by, 3), 0, 255).astype(int).tolist()
    return r, g, b


def stem_curve(pose: Pose, *, steps: int = 12) -> Points:
    """The stem's centre line from the pot's mouth to the head, (steps, 2)."""
    t = np.linspace(0.0, 1.0, steps)[:, None]
    start, end = np.array([pose.foot[0], pose.foot[1] - 0.20 * pose.size]), np.array(pose.head)
    middle = (start + end) / 2 + [pose.bend, 0.0]
    curve: Points = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    return curve


def paint_stem(canvas: Canvas, kind: str, pose: Pose, label: int, rng: np.random.Generator) -> None:
    """A smooth green stem, or a brown one with thorns on both sides."""
    colour, curve = vary(_HUES[kind], rng), stem_curve(pose)
    canvas.line(curve, shade(colour, 0.72), label, width=0.050 * pose.size)
    canvas.line(curve - [0.004, 0.0], colour, label, width=0.032 * pose.size)
    if kind == "thorny stem":
        thorn = np.array([[0.0, -0.024], [0.078, 0.004], [0.0, 0.024]]) * pose.size
        for i, point in enumerate(curve[1:10]):
            angle = -0.35 if i % 2 else math.pi + 0.35
            canvas.fill(place(thorn, (point[0], point[1]), angle=angle, size=1.0), shade(colour, 0.8), label)


def paint_pot(canvas: Canvas, kind: str, pose: Pose, label: int, rng: np.random.Generator) -> None:
    """A pot with a rim: plain terracotta, blue with white stripes, or white with dark dots."""
    colour, (x, y), s = vary(_HUES[kind], rng), pose.foot, pose.size
    top, bottom, height = 0.155 * s, 0.108 * s, 0.21 * s
    soil = CIRCLE * [top, 0.026 * s] + [x, y - height]
    body = np.array([[x - top, y - height], [x + top, y - height], [x + bottom, y], [x - bottom, y]])
    canvas.fill(body, colour, label)
    if kind == "blue striped pot":
        for share in (0.42, 0.64, 0.86):
            half, mid = top + (bottom - top) * share, y - height * (1 - share)
            stripe = np.array([[-half, -0.013 * s], [half, -0.013 * s], [half, 0.013 * s], [-half, 0.013 * s]])
            canvas.fill(stripe + np.array([x, mid]), (238, 242, 250), label)
    if kind == "white dotted pot":
        for i, share in enumerate((0.42, 0.64, 0.86)):
            for step in (-1.0, 0.0, 1.0) if i % 2 == 0 else (-0.5, 0.5):
                dot = CIRCLE * (0.020 * s) + [x + step * 0.084 * s, y - height * (1 - share)]
                canvas.fill(dot, (30, 92, 98), label)
    dark = shade(colour, 0.80)
    shadow = np.array([[x + top * 0.55, y - height], [x + top, y - height], [x + bottom, y], [x + bottom * 0.62, y]])
    if kind == "terracotta pot":
        canvas.fill(shadow, dark, label)
    rim = np.array([[-1.12 * top, 0.0], [1.12 * top, 0.0], [1.08 * top, 0.058 * s], [-1.08 * top, 0.058 * s]])
    canvas.fill(rim + np.array([x, y - height]), shade(colour, 1.12), label, edge=dark)
    canvas.fill(soil, (72, 48, 36), label)


def paint_leaves(canvas: Canvas, kind: str, pose: Pose, label: int, rng: np.random.Generator) -> None:
    """Two or three leaves low on the stem, on alternate sides, pointing out and a little up or down."""
    curve, first = stem_curve(pose), int(rng.integers(2))
    for i in range(int(rng.integers(2, 4))):
        point = curve[2 + i * 2]
        lift = rng.uniform(-0.15, 0.55)
        angle = -lift if (i + first) % 2 else math.pi + lift
        colour = vary(_HUES[kind], rng)
        size = rng.uniform(0.24, 0.29) * pose.size
        for outline in LEAVES[kind]:
            canvas.fill(place(outline, (point[0], point[1]), angle=angle, size=size), colour, label)
        if kind != "feathered leaves":
            rib = place(np.array([[0.0, 0.0], [0.9, 0.0]]), (point[0], point[1]), angle=angle, size=size)
            canvas.line(rib, shade(colour, 1.28), label, width=0.010)


_COUNTS = {"red pointed petals": (7, 9), "violet round petals": (5, 6), "white slim petals": (11, 14)}


def paint_petals(canvas: Canvas, kind: str, pose: Pose, label: int, rng: np.random.Generator) -> None:
    """A ring of petals about the head, every second one behind; the count varies within the kind."""
    low, high = _COUNTS.get(kind, (5, 6))
    count, colour = int(rng.integers(low, high + 1)), vary(_HUES[kind], rng)
    angles = pose.turn + 2 * math.pi * (np.arange(count) + rng.uniform(-0.12, 0.12, count)) / count
    radius = 0.212 * pose.size
    for i in (*range(0, count, 2), *range(1, count, 2)):
        tint = shade(colour, 0.86 if i % 2 == 0 else 1.0)
        size, edge = radius * rng.uniform(0.93, 1.07), shade(colour, 0.68)
        petal = place(PETALS[kind], pose.head, angle=angles[i], size=size, squash=pose.squash)
        canvas.fill(petal, tint, label, edge=edge)
        vein = place(np.array([[0.3, 0.0], [0.72, 0.0]]), pose.head, angle=angles[i], size=size, squash=pose.squash)
        canvas.line(vein, shade(tint, 0.84 if kind == "white slim petals" else 1.25), label, width=0.008)


def paint_centre(canvas: Canvas, kind: str, pose: Pose, label: int, rng: np.random.Generator) -> None:
    """The disc in the middle of the head: yellow and grained, dark with a pale ring, or striped green and cream."""
    radius = rng.uniform(0.078, 0.092) * pose.size
    disc = place(CIRCLE, pose.head, angle=0.0, size=radius, squash=pose.squash)
    if kind == "yellow disc":
        colour = vary((250, 204, 36), rng, by=10)
        canvas.fill(disc, colour, label, edge=(176, 118, 10))
        for a, r in zip(rng.uniform(0, 2 * math.pi, 9), rng.uniform(0.2, 0.75, 9), strict=True):
            at = (pose.head[0] + radius * r * math.cos(a), pose.head[1] + radius * r * math.sin(a) * pose.squash)
            canvas.fill(place(CIRCLE, at, angle=0.0, size=radius * 0.13), (206, 138, 18), label)
    elif kind == "dark ring":
        canvas.fill(disc, vary((52, 30, 26), rng, by=8), label)
        canvas.fill(place(CIRCLE, pose.head, angle=0.0, size=radius * 0.62, squash=pose.squash), (232, 176, 92), label)
        canvas.fill(place(CIRCLE, pose.head, angle=0.0, size=radius * 0.36, squash=pose.squash), (52, 30, 26), label)
    else:
        canvas.fill(disc, vary((238, 236, 190), rng, by=8), label, edge=(34, 92, 44))
        for offset in (-0.58, 0.0, 0.58):
            half = math.sqrt(1 - offset**2) * 0.96
            low, high = offset - 0.15, offset + 0.15
            bar = np.array([[-half, low], [half, low], [half, high], [-half, high]])
            canvas.fill(place(bar, pose.head, angle=pose.turn, size=radius, squash=pose.squash), (30, 110, 52), label)


_PAINTERS = (paint_stem, paint_pot, paint_leaves, paint_petals, paint_centre)


def reduce_labels(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(ZOOM·S, ZOOM·S) labels to (S, S): the one with the most points in each cell, ties to the part in front."""
    cells = labels.reshape(SIZE, ZOOM, SIZE, ZOOM)
    counts = np.stack([(cells == k).sum(axis=(1, 3), dtype=np.uint8) for k in range(len(KINDS), -1, -1)])
    front: NDArray[np.int64] = len(KINDS) - counts.argmax(axis=0)
    return front


@dataclass(frozen=True, kw_only=True)
class FlowerData:
    """The demo's data set: `per_class` pictures of each class in a split, `SIZE`×`SIZE` RGB, and their part masks.

    `parts` are all part values, `BACKGROUND` last; `class_parts` maps each class to its five values.
    """

    seed: int
    per_class: int
    class_parts: Mapping[str, tuple[str, ...]]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the network's logits."""
        return tuple(self.class_parts)

    @property
    def parts(self) -> tuple[str, ...]:
        """All part values, grouped by kind, in a fixed order, and "background" last."""
        columns = zip(*self.class_parts.values(), strict=True)
        return (*(value for column in columns for value in dict.fromkeys(column)), BACKGROUND)

    def draw(
        self, class_index: int, number: int, split: str = "test"
    ) -> tuple[Image.Image, dict[str, NDArray[np.bool_]]]:
        """Picture `number` (≥ 0) of a class: an RGB image and, for each part value it may show, its visible pixels.

        The masks (S, S) are disjoint and cover the picture; a part's mask may be empty where it is hidden.
        The same arguments give the same bytes, in any order.

        Raises: IndexError for a class and KeyError for a split that does not exist.
        """
        name = self.class_names[class_index]
        rng = np.random.default_rng([self.seed, SPLITS[split], class_index, number])
        petals, centre, leaves, stem, pot = self.class_parts[name]
        pose = draw_pose(rng)
        canvas = Canvas(scenery.backdrop(SIZE * ZOOM, pose.foot, rng))
        values = (stem, pot, leaves, petals, centre)
        for label, (value, painter) in enumerate(zip(values, _PAINTERS, strict=True), start=1):
            painter(canvas, value, pose, label, rng)
        shown = reduce_labels(np.asarray(canvas.labels))
        picture = scenery.light(canvas.picture.reduce(ZOOM), shown == 0, rng)
        return picture, {value: shown == k for k, value in enumerate((BACKGROUND, *values))}


DATASET = FlowerData(seed=2025, per_class=60, class_parts=CLASSES)
"""The one data set of the demo; the report uses its split "test", training its split "train"."""
