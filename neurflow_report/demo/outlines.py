"""The outlines of the demo's plant parts, as polygons in their own frame: from (0, 0) along +x to about (1, 0).

Pure functions of numpy; `place` turns, squashes and moves an outline onto the unit square (x right, y down).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def place(points: Points, at: tuple[float, float], *, angle: float, size: float, squash: float = 1.0) -> Points:
    """`points` (n, 2) scaled by `size`, turned by `angle` (radians), squashed in y by `squash`, moved to `at`."""
    c, s = math.cos(angle) * size, math.sin(angle) * size
    x, y = points[:, 0], points[:, 1]
    return np.stack([at[0] + c * x - s * y, at[1] + squash * (s * x + c * y)], axis=1)


def profile(half_width: Callable[[Points], Points], *, steps: int = 14) -> Points:
    """A shape symmetric about the x axis from its half width at t in [0, 1]: (2·steps, 2) points."""
    t = np.linspace(0.0, 1.0, steps)
    w = half_width(t)
    return np.concatenate([np.stack([t, w], 1), np.stack([t[::-1], -w[::-1]], 1)])


def _notch() -> Points:
    upper = np.array([[0.0, 0.05], [0.35, 0.24], [0.66, 0.42], [0.88, 0.44], [1.0, 0.30], [1.0, 0.14], [0.78, 0.0]])
    return np.concatenate([upper, upper[-2::-1] * [1.0, -1.0]])


def _serrated() -> Points:
    t = np.linspace(0.0, 1.0, 13)
    teeth = np.where(np.arange(13) % 2 == 1, 1.25, 0.62)
    w = 0.36 * np.sin(np.pi * t**0.85) ** 0.7 * teeth
    upper = np.stack([t - 0.06 * (teeth < 1), w], 1)
    upper[0], upper[-1] = (0.0, 0.0), (1.0, 0.0)
    return np.concatenate([upper, upper[-2:0:-1] * [1.0, -1.0]])


def _leaflets() -> list[Points]:
    leaflet = profile(lambda t: 0.13 * np.sin(np.pi * t) ** 0.8, steps=7)
    pairs = [
        place(leaflet, (x, 0.0), angle=side * 0.95, size=0.46 - 0.16 * x)
        for x in (0.22, 0.42, 0.62, 0.80)
        for side in (-1, 1)
    ]
    axis = np.array([[0.0, -0.025], [0.95, -0.015], [0.95, 0.015], [0.0, 0.025]])
    return [axis, *pairs, place(leaflet, (0.8, 0.0), angle=0.0, size=0.36)]


CIRCLE: Points = np.stack([f(np.linspace(0, 2 * np.pi, 28, endpoint=False)) for f in (np.cos, np.sin)], 1)
PETALS: dict[str, Points] = {
    "red pointed petals": profile(lambda t: 0.70 * t**0.7 * (1 - t) ** 0.85),
    "violet round petals": CIRCLE * [0.40, 0.36] + [0.60, 0.0],
    "white slim petals": profile(lambda t: 0.125 * np.sqrt(np.clip(1 - (2 * t - 1) ** 6, 0, 1))),
    "pink notched petals": _notch(),
}
LEAVES: dict[str, list[Points]] = {
    "round leaves": [profile(lambda t: 0.34 * np.sin(np.pi * t**0.9) ** 0.55)],
    "serrated leaves": [_serrated()],
    "feathered leaves": _leaflets(),
}
