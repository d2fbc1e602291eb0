"""The pictures of docs/gallery and the README's, from the demo's report: its site and its PDF.

    make demo && .venv/bin/python tools/gallery.py output/demo

Needs what the tests need besides: Chromium, Playwright and pdftoppm. Look at what comes out before it is committed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
CLASS = "moonviolet"
WIDE, NARROW, PAPER = 720, 300, 360
"""Widths of the pictures, in pixels: of a wide screen, of a narrow one, of a sheet."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A page of the site on a screen: `height` in pixels, `at` a place to scroll to, `act` what is done there."""

    name: str
    path: str
    height: int
    themes: tuple[str, ...] = ("light", "dark")
    at: str = ""
    act: Callable[[Page], None] | None = None


def open_patch(page: Page) -> None:
    """Open the fifth patch of the page's first mosaic."""
    page.locator(".mosaic a").nth(4).click()


LIGHT, DARK = ("light",), ("dark",)
WIDE_SHOTS = (
    Shot(name="overview", path="index.html", height=1000, themes=LIGHT),
    Shot(name="overview", path="index.html", height=1000, themes=DARK),
    Shot(name="class", path=f"class/{CLASS}/index.html", height=1250),
    Shot(name="layer", path=f"class/{CLASS}/block2/index.html", height=1100),
    Shot(name="whole-circuit", path=f"class/{CLASS}/circuit.html", height=1250),
    Shot(name="patch", path=f"class/{CLASS}/block2/index.html", height=900, themes=LIGHT, at="#G1", act=open_patch),
    Shot(name="pictures", path=f"class/{CLASS}/pictures.html", height=900, themes=DARK, at="#all"),
    Shot(name="fidelity", path="fidelity/index.html", height=1000, themes=LIGHT),
    Shot(name="search", path="search/index.html?q=terracotta", height=800, themes=DARK),
    Shot(name="evidence", path=f"fidelity/{CLASS}/index.html", height=1250),
    Shot(name="method", path="method/index.html", height=900, themes=LIGHT),
    Shot(name="provenance", path="provenance/index.html", height=900, themes=DARK),
)
NARROW_SHOTS = (
    Shot(name="overview", path="index.html", height=780, themes=LIGHT),
    Shot(name="class", path=f"class/{CLASS}/index.html", height=780, themes=LIGHT),
    Shot(name="layer", path=f"class/{CLASS}/block2/index.html", height=780, themes=LIGHT, at="#groups"),
    Shot(name="patch", path=f"class/{CLASS}/block2/index.html", height=780, themes=LIGHT, at="#G1", act=open_patch),
    Shot(name="evidence", path=f"fidelity/{CLASS}/index.html", height=780, themes=DARK, at="#optimality"),
)
SHEETS = {
    "report.pdf": {
        "cover": "What drives it",
        "class": f"{CLASS} rests",
        "circuit": f"The circuit of {CLASS}",
    },
    "appendix.pdf": {"layer": "Layer block2", "evidence": f"The evidence for {CLASS}"},
}
"""By file and name the words that the sheet to show has, the first of those after the one shown before."""


def main(report: Path) -> None:
    """Every picture, from the folder that holds site/, report.pdf and appendix.pdf."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        site = (report / "site").resolve().as_uri()
        for shots, size, width in ((WIDE_SHOTS, 1280, WIDE), (NARROW_SHOTS, 360, NARROW)):
            for shot in shots:
                for theme in shot.themes:
                    name = shot.name + ("-narrow" if size == 360 else f"-{theme}")
                    save(taken(browser, site, shot, size, theme), DOCS / "gallery" / f"{name}.webp", width)
        circuit(browser, site)
        browser.close()
    for file, words in SHEETS.items():
        for name, number in sheets(report / file, words).items():
            save(sheet(report / file, number), DOCS / "gallery" / f"print-{name}.webp", PAPER)


def taken(browser: Browser, site: str, shot: Shot, size: int, theme: str) -> bytes:
    """What the screen shows, as PNG."""
    page = browser.new_context(viewport={"width": size, "height": shot.height}, color_scheme=theme).new_page()  # type: ignore[arg-type]
    page.goto(f"{site}/{shot.path}")
    if shot.at:
        page.evaluate("place => document.querySelector(place).scrollIntoView()", shot.at)
    page.wait_for_timeout(500)
    if shot.act is not None:
        shot.act(page)
        page.wait_for_timeout(500)
    data = page.screenshot()
    page.context.close()
    return data


def circuit(browser: Browser, site: str) -> None:
    """The README's picture: the circuit of a class alone, with few colours."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light").new_page()
    page.goto(f"{site}/class/{CLASS}/index.html")
    page.wait_for_timeout(500)
    data = page.locator("#groups-circuit").screenshot()
    page.context.close()
    image = Image.open(BytesIO(data)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    image.save(DOCS / "pictures" / "circuit.png", optimize=True)


def sheets(pdf: Path, shown: Mapping[str, str]) -> dict[str, int]:
    """By name the number of the first sheet that has its words, after the one before it and the contents."""
    command = ["pdftotext", str(pdf), "-"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603
    pages = [re.sub(r"\s+", " ", page) for page in text.split("\f")]
    found, first = {}, 0 if "cover" in shown else 1
    for name, words in shown.items():
        found[name] = next(n for n, page in enumerate(pages) if n >= first and words in page) + 1
        first = found[name]
    return found


def sheet(pdf: Path, number: int) -> bytes:
    """One sheet, as PNG."""
    command = ["pdftoppm", "-r", "90", "-png", "-f", str(number), "-l", str(number), str(pdf)]
    return subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603


def save(data: bytes, file: Path, width: int) -> None:
    """A PNG as WebP, scaled to a width."""
    image = Image.open(BytesIO(data)).convert("RGB")
    size = (width, round(image.height * width / image.width))
    image.resize(size, Image.Resampling.LANCZOS).save(file, quality=72, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
