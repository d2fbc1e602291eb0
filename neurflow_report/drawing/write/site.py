"""The site: every page, picture, drawing and table of a report, written as one folder that opens from a disk.

All links are relative and nothing is fetched from a host. The same bundle gives the same bytes; the clock stands on
the provenance page alone, its day on what is sent on (cards, drawings, the lines for a model card).
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from markupsafe import Markup

from neurflow_report.drawing.figures.diagram import Tile
from neurflow_report.drawing.figures.mosaic import opened, stored
from neurflow_report.drawing.view import SiteView, site_parts
from neurflow_report.drawing.write.atomic_write import drawn
from neurflow_report.drawing.write.downloads import bundle_zip, captions_script, card_files, data_files
from neurflow_report.drawing.write.glyphs import boxes_note
from neurflow_report.drawing.write.html import BOXES, Boxes, Medium, box_names, box_rules, page_html
from neurflow_report.drawing.write.kept_pictures import kept_pictures
from neurflow_report.drawing.write.overwrite_guard import check_site_free, unwritable
from neurflow_report.drawing.write.slim import slim
from neurflow_report.drawing.write.templates import static_files, template_environment
from neurflow_report.results.bundle import Bundle

DOWNLOADS = "downloads"
ZIP = f"{DOWNLOADS}/bundle.zip"
AT_ONCE = 4
"""Classes whose pages are held in memory at once."""


@dataclass(frozen=True, kw_only=True)
class SiteSummary:
    """What was written: HTML pages, all files, and their size in bytes."""

    pages: int
    files: int
    bytes: int


def render_site(
    bundle: Bundle,
    target: Path,
    *,
    templates: Path | None = None,
    on_page: Callable[[int, int], None] | None = None,
    downloads: Mapping[str, Path] | None = None,
    on_note: Callable[[str], None] | None = None,
    before_downloads: Callable[[], None] = lambda: None,
) -> SiteSummary:
    """Write the site of a bundle to the folder `target`, in place of a site that is there; whole or not at all.

    Args:
        templates: a folder searched before the package's own, for `site/*.html` and `static/*`.
        on_page: called after each page with (done, all).
        downloads: files that the site is to hold for the overview's downloads, by their label: linked where the file
            system can, else copied. The bundle is among them in any case.
        on_note: called with what should be known.
        before_downloads: called when all else is written: the downloads may still be on their way until then.
    Raises:
        InputError output-unwritable (also where `target` holds something that is no site).
        RunError graphviz-missing.
        InputError template-broken for a file of the user's that cannot be read.
        What a template of the user's raises, which `template_problems` tells.
    """
    held = {f"{DOWNLOADS}/{file.name}": file for file in (downloads or {}).values()}
    beside = {label: f"{DOWNLOADS}/{file.name}" for label, file in (downloads or {}).items()}
    parts = site_parts(bundle, beside=beside | {"Bundle (zip)": ZIP}, at_once=AT_ONCE)
    done = list[int]()

    def on_one(number: int, total: int) -> None:
        done.append(number)
        if on_page is not None:
            on_page(number, total)

    files = site_files(bundle, parts, templates=templates, on_page=on_one, on_note=on_note)
    sizes = _write(target.absolute(), files, held, before_downloads)
    return SiteSummary(pages=len(done), files=len(sizes), bytes=sum(sizes))


def site_files(
    bundle: Bundle,
    parts: SiteView | Iterable[SiteView],
    *,
    templates: Path | None = None,
    on_page: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Every file of the site: its path from the site's root, and its bytes.

    Args: parts: the whole view, or its parts, of which one at a time is held.
    """
    environment, static = template_environment(templates), static_files(templates)
    done, boxes, missing = count(1), dict[tuple[float, float, float], str](), set[str]()

    def offers(href: str) -> bool:
        return href not in missing

    for view in [parts] if isinstance(parts, SiteView) else parts:
        if not boxes:
            boxes = box_names(view)
            missing.update(table.json for table in view.tables if not table.twin)
            yield BOXES, box_rules(view, boxes).encode()
        for page in view.pages():
            medium = site_medium(page.path, boxes, offers=offers)
            yield page.path, slim(page_html(environment, view, page, medium)).encode()
            if on_page is not None:
                on_page(next(done), view.total)
        yield from data_files(bundle, view)
        for shown in view.pictures:
            yield shown.captions.script, captions_script(shown.captions)
        if view.cards:
            boxed = set[str]()
            yield from card_files(bundle, view, static, boxed.add)
            if on_note is not None and boxed:
                on_note(boxes_note(boxed, "the cards"))
        del view, page, medium  # before the next part is made
    yield from _pictures(bundle)
    yield ZIP, bundle_zip(bundle)
    for name, read in static.items():
        yield name, read()


def site_medium(path: str, boxes: Boxes, *, offers: Callable[[str], bool] = bool) -> Medium:
    """How the page at `path` shows patches, and where its links lead: relative addresses, pictures as files."""

    def url(href: str) -> str:
        return relative(path, href)

    def tile(one: Tile) -> Markup:
        return window_html(url(one.file), one, boxes[one.left, one.top, one.side])

    def glimpse(one: Tile) -> Markup:
        return window_html(url(one.file), one, boxes[one.left, one.top, one.side], beside=True)

    def whole(file: str, alt: str) -> Markup:
        return Markup('<img src="{}" alt="{}" loading="lazy">').format(url(file), alt)

    def defined(name: str, file: str) -> Markup:
        image = '<image id="{}" href="{}" width="1" height="1" preserveAspectRatio="none"/>'
        return Markup(image).format(name, url(file))  # noqa: S704 escaped by format

    return Medium(url=url, tile=tile, glimpse=glimpse, whole=whole, defined=defined, boxes=boxes, offers=offers)


def relative(path: str, href: str) -> str:
    """An address from the site's root as one from the page at `path`; a place on the page itself as its anchor."""
    file, mark, anchor = href.partition("#")
    if file == path and mark:
        return f"#{anchor}"
    place = posixpath.relpath(file, posixpath.dirname(path) or ".")
    return place + mark + anchor


def window_html(src: str, tile: Tile, box: str, *, beside: bool = False) -> Markup:
    """A patch: its picture, so enlarged and placed by the class `box` of boxes.css that its frame shows the patch; or
    all of it, with the patch outlined. `beside` its name it waits until it is seen."""
    look, mark = (f"whole {box}", box if tile.side < 1 else "") if tile.outlined else (box, "")
    text, later = tile.text or f"patch {tile.index}", Markup(' loading="lazy"') if beside else ""
    shown = Markup('<img src="{}" alt="{}" class="{}"{}>').format(src, text, look, later)
    return shown + Markup('<b class="{}"></b>').format(mark) if mark else shown


def _pictures(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    """Every picture that is shown, once."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda one: (one[0], _stored(bundle, one[1])), kept_pictures(bundle))


def _stored(bundle: Bundle, file: str) -> bytes:
    with opened(bundle, file) as picture:
        return stored(picture, "webp")


def _write(
    target: Path, files: Iterator[tuple[str, bytes]], held: Mapping[str, Path], before_held: Callable[[], None]
) -> list[int]:
    """Write into a folder beside `target`, then put it in its place.

    Returns: the sizes, without those of the files `held`, which are elsewhere, too.
    """
    check_site_free(target)
    with drawn(target.parent, [target.name]) as fresh:
        sizes = [_write_file(fresh / target.name, path, data, target) for path, data in files]
        before_held()
        for path, file in held.items():
            _hold(fresh / target.name / path, file, target)
        return sizes


def _hold(place: Path, file: Path, target: Path) -> None:
    """A file in a second place: the same file where the file system can, else a copy."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)
        except OSError:
            shutil.copyfile(file, place)
    except OSError as error:
        raise unwritable(target, error) from error


def _write_file(fresh: Path, path: str, data: bytes, target: Path) -> int:
    """Only what goes wrong here is the place's fault: `data` was made before."""
    file = fresh / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.write_bytes(data)
    except OSError as error:
        raise unwritable(target, error) from error
