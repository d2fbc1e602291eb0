"""Text on a picture of pixels: every character in the first font that has it, and which no font has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from io import BytesIO
from itertools import groupby
from pathlib import Path

from PIL import ImageDraw, ImageFont

ABSENT = "\U0010fffe"
"""A character that no font has: what is drawn for it is what a font draws for all it lacks."""
SYSTEM = ("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf")
"""Fonts that are looked for on the machine where a text needs them."""


@dataclass(frozen=True)
class Letters:
    """Fonts of one weight, the preferred one first; `boxes` gathers the characters that none of them has.

    `own`: font files' bytes; those that cannot be read are left out.
    """

    own: tuple[bytes, ...]
    bold: bool = False
    boxes: set[str] = field(default_factory=set)

    def width(self, text: str, size: int) -> float:
        """Pixels that a text takes."""
        return sum(font.getlength(part) for part, font in self._runs(text, size))

    def draw(self, draw: ImageDraw.ImageDraw, x: float, y: float, text: str, size: int, colour: str) -> None:
        """Draw a text, its baseline at `y`."""
        for part, font in self._runs(text, size):
            draw.text((x, y), part, font=font, fill=colour, anchor="ls")
            x += font.getlength(part)

    def fitted(self, text: str, size: int, least: int, room: float) -> tuple[int, str]:
        """The size, `least` at least, at which a text fits, and the text, shortened where none does."""
        while size > least and self.width(text, size) > room:
            size -= 2
        if self.width(text, size) <= room:
            return size, text
        while text and self.width(f"{text}…", size) > room:
            text = text[:-1]
        return size, f"{text.rstrip()}…"

    def _runs(self, text: str, size: int) -> Iterator[tuple[str, ImageFont.FreeTypeFont]]:
        fonts = _fonts(self.own, self.bold, size)
        placed = [(c, self._font(c, fonts, size)) for c in text]
        for font, run in groupby(placed, key=lambda one: one[1]):
            yield "".join(c for c, _ in run), font

    def _font(self, character: str, fonts: Sequence[ImageFont.FreeTypeFont], size: int) -> ImageFont.FreeTypeFont:
        found = next((font for font in fonts if _has(font, character)), None)
        found = found or next((font for font in _system(size) if _has(font, character)), None)
        if found is None:
            self.boxes.add(character)
        return found or fonts[-1]


@lru_cache(maxsize=64)
def _fonts(own: tuple[bytes, ...], bold: bool, size: int) -> tuple[ImageFont.FreeTypeFont, ...]:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    found = [font for data in own if (font := _read(BytesIO(data), size)) is not None]
    return (*found, ImageFont.truetype(str(_dejavu() / name), size, layout_engine=ImageFont.Layout.BASIC))


@lru_cache(maxsize=16)
def _system(size: int) -> tuple[ImageFont.FreeTypeFont, ...]:
    return tuple(font for name in SYSTEM if (font := _read(name, size)) is not None)


def _read(font: BytesIO | str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(font, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _has(font: ImageFont.FreeTypeFont, character: str) -> bool:
    if character.isspace():
        return True
    return bytes(font.getmask(character)) != bytes(font.getmask(ABSENT))


@lru_cache(maxsize=1)
def _dejavu() -> Path:
    """DejaVu's folder in matplotlib, which is not imported for it."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("matplotlib")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
