"""What surrounds the demo's plants: walls, tables, clutter that is no part of a plant, light and noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Rgb = tuple[int, int, int]


def muted(rng: np.random.Generator, *, low: float, high: float, tint: float) -> Rgb:
    """A colour of lightness low..high (0..255), each channel off grey by up to `tint`."""
    r, g, b = np.clip(rng.uniform(low, high) + rng.uniform(-tint, tint, 3), 0, 255).astype(int).tolist()
    return r, g, b


def gradient(side: int, rng: np.random.Generator) -> Image.Image:
    """A wall: a bilinear blend of four related muted colours, (side, side) RGB."""
    base = np.array(muted(rng, low=70, high=215, tint=38))
    corners = np.clip(base + rng.uniform(-38, 38, (2, 2, 3)), 0, 255).astype(np.uint8)
    return Image.fromarray(corners).resize((side, side), Image.Resampling.BILINEAR)


def clutter(paint: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Random soft discs, bars, rings and triangles: distractors that belong to no part."""
    for _ in range(int(rng.integers(7, 15))):
        x, y = rng.uniform(-0.05, 1.05, 2) * side
        r = rng.uniform(0.03, 0.16) * side
        colour = (*muted(rng, low=50, high=225, tint=60), int(rng.integers(70, 190)))
        kind = int(rng.integers(4))
        if kind == 0:
            paint.ellipse((x - r, y - r, x + r, y + r), fill=colour)
        elif kind == 1:
            paint.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=max(2, int(r / 3)))
        else:
            corners = 3 if kind == 2 else 4
            turn = rng.uniform(0, 2 * math.pi)
            stretch = rng.uniform(0.35, 1.0)
            angles = turn + 2 * math.pi * np.arange(corners) / corners
            flat = np.stack([x + r * np.cos(angles) * stretch, y + r * np.sin(angles)], 1).ravel().tolist()
            paint.polygon(flat, fill=colour)


def wallpaper(paint: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    """Faint slanted bars over the whole wall, in half of the pictures."""
    if rng.uniform() < 0.5:
        return
    step, slant = rng.uniform(0.07, 0.16) * side, rng.uniform(-0.8, 0.8) * side
    colour = (*muted(rng, low=60, high=230, tint=40), int(rng.integers(25, 70)))
    for x in np.arange(-side, 2 * side, step):
        paint.line((x, 0, x + slant, side), fill=colour, width=int(step * 0.4))


def backdrop(side: int, foot: tuple[float, float], rng: np.random.Generator) -> Image.Image:
    """Wall, wallpaper, clutter, a table and the pot's shadow on it: (side, side) RGB. `foot`: unit coordinates."""
    picture = gradient(side, rng)
    paint = ImageDraw.Draw(picture, "RGBA")
    wallpaper(paint, side, rng)
    clutter(paint, side, rng)
    edge, tilt = (foot[1] - rng.uniform(0.03, 0.14)) * side, rng.uniform(-0.03, 0.03) * side
    table = muted(rng, low=60, high=190, tint=32)
    paint.polygon((0, edge - tilt, side, edge + tilt, side, side, 0, side), fill=table)
    x, y = foot[0] * side, foot[1] * side
    paint.ellipse((x - 0.20 * side, y - 0.035 * side, x + 0.26 * side, y + 0.045 * side), fill=(0, 0, 0, 70))
    return picture


def light(picture: Image.Image, behind: NDArray[np.bool_], rng: np.random.Generator) -> Image.Image:
    """Slanted light, overall brightness and tint, texture where `behind` (S, S) is true, and fine noise everywhere."""
    side = picture.width
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    gain = rng.uniform(0.84, 1.12) * (1 + rng.uniform(0, 0.36) * (x * math.cos(angle) + y * math.sin(angle)))
    coarse = rng.normal(0, 18, (9, 9)).astype(np.float32)
    texture = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    rough = rng.normal(0, 5, (side, side))
    noise = rng.normal(0, 3.5, (side, side, 3)) + (behind * (texture * rng.uniform(0.2, 1.0) + rough))[:, :, None]
    pixels = np.asarray(picture, dtype=np.float64) * gain[:, :, None] * rng.uniform(0.95, 1.05, 3) + noise
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
