"""Where in a picture a group lies: a cover over the picture, the darker the less a place has to do with the group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

DARKEST = 0.8
LEVELS = 9


@dataclass(frozen=True, kw_only=True)
class Cover:
    """A cover of `width` × `height` places: shades as (how dark, the outline of the places in it)."""

    width: int
    height: int
    shades: tuple[tuple[str, str], ...]


def cover(rows: Sequence[str]) -> Cover | None:
    """The cover of a map, rows of the digits 0 to 9; None where there is none."""
    if not rows:
        return None
    runs: dict[int, list[str]] = {}
    for y, row in enumerate(rows):
        x = 0
        for digit, places in groupby(row):
            wide = len(list(places))
            if int(digit) < LEVELS:
                runs.setdefault(int(digit), []).append(f"M{x} {y}h{wide}v1h-{wide}z")
            x += wide
    shades = tuple((f"{DARKEST * (1 - level / LEVELS):.2f}", "".join(own)) for level, own in sorted(runs.items()))
    return Cover(width=len(rows[0]), height=len(rows), shades=shades)
