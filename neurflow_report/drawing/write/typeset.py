"""A page set as a PDF by WeasyPrint: whole, or an error. WeasyPrint itself leaves out what it cannot load or draw.

Everything is served from memory under a made-up host, and an interrupt counts wherever it comes.
"""

from __future__ import annotations

import gc
import logging
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from neurflow_report.drawing.figures.mosaic import whole_pictures
from neurflow_report.drawing.write.glyphs import boxed
from neurflow_report.drawing.write.interrupts import interrupts_kept
from neurflow_report.drawing.write.overwrite_guard import MARK
from neurflow_report.drawing.write.templates import Read
from neurflow_report.errors import InputError

HOST = "https://report.invalid/"
PACKAGES = "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
_KINDS = {
    ".css": "text/css",
    ".jpeg": "image/jpeg",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_LEFT_OUT = ("Failed to load", "Failed to render", "Font-face ")
"""How WeasyPrint's messages begin of things that it then leaves out."""


class PrintError(Exception):
    """A page that cannot be set whole; the text says what is amiss."""


def typeset(
    html: str,
    files: Mapping[str, Read],
    attached: bytes | None = None,
    *,
    needed: Collection[str] = (),
    on_box: Callable[[str], None] | None = None,
) -> tuple[bytes, int]:
    """The PDF of a page whose resources are `files` (by path) and nothing else, and its number of pages.

    Args:
        attached: a zip to put into the file as bundle.zip.
        needed: the resources that a whole PDF has asked for.
        on_box: called with each character that no font has, as often as it is drawn as a box.
    Raises:
        InputError missing-package without WeasyPrint or its libraries.
        What reading one of `files` raises.
        PrintError for a resource not in `files`, or one that cannot be shown, or that was not asked for though needed.
    """
    weasyprint = load_weasyprint()
    fetcher = _fetcher(weasyprint, files)
    with interrupts_kept(), _nothing_left_out(on_box), whole_pictures(), _uncollected():
        try:
            data, pages = _set(weasyprint, html, fetcher, attached)
        except weasyprint.urls.FatalURLFetchingError as error:
            raise (fetcher.failed or [error])[0] from error
        except (PrintError, MemoryError):
            raise
        except Exception as error:  # what a logo that is none makes it raise is not limited to a few kinds
            raise PrintError(f"WeasyPrint failed: {type(error).__name__}: {error}") from error
    if fetcher.failed:
        raise fetcher.failed[0]
    missing = [name for name in needed if name not in fetcher.asked]
    if missing:
        raise PrintError(f"{len(missing)} of {len(needed)} drawings and pictures are not in it, such as {missing[0]}")
    return data, pages


def _set(weasyprint: Any, html: str, fetcher: Any, attached: bytes | None) -> tuple[bytes, int]:
    page = weasyprint.HTML(string=html, base_url=HOST, url_fetcher=fetcher)
    document = page.render(pdf_variant="pdf/ua-1", pdf_tags=True)
    if attached is not None:
        document.metadata.attachments = [_attachment(weasyprint, attached)]
    data: bytes = document.write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True, finisher=partial(_mark, weasyprint))
    return data, len(document.pages)


def _mark(weasyprint: Any, _document: Any, pdf: Any) -> None:
    """Put the mark into the file, in the clear: its other texts are packed."""
    pdf.add_object(weasyprint.pdf.pydyf.Stream([MARK]))


def _attachment(weasyprint: Any, data: bytes) -> Any:
    moment = datetime(1980, 1, 1, tzinfo=UTC)
    return weasyprint.Attachment(
        string=data,
        name="bundle.zip",
        description="The bundle: every number and picture that this report was made from",
        created=moment,
        modified=moment,
        relationship="Source",
    )


def load_weasyprint() -> Any:
    """The package.

    Raises: InputError missing-package, which says what to install.
    """
    try:
        import weasyprint
        import weasyprint.urls
    except ImportError as error:
        message = f"a PDF needs the Python package weasyprint: {error}"
        raise InputError(
            "missing-package", message, hint="pip install weasyprint", path=("report", "formats")
        ) from error
    except OSError as error:
        library = re.search(r"'([^']+)'", str(error))
        message = f"WeasyPrint cannot load the system library {library[1] if library else 'Pango'}"
        raise InputError("missing-package", message, hint=PACKAGES, path=("report", "formats")) from error
    return weasyprint


def _fetcher(weasyprint: Any, files: Mapping[str, Read]) -> Any:
    """A fetcher that knows `files` alone and stops everything at any other address, or where one cannot be read: why,
    stands in `failed` then, and what was asked for in `asked`."""

    class Fetcher(weasyprint.urls.URLFetcher):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.asked: set[str] = set()
            self.failed: list[BaseException] = []

        def fetch(self, url: str, headers: Any = None) -> Any:  # noqa: ARG002 the signature is WeasyPrint's
            name = url.removeprefix(HOST)
            self.asked.add(name)
            try:
                if name not in files:
                    raise PrintError(f"the page asks for {name}, which it does not have")
                body = files[name]()
            except BaseException as error:
                self.failed.append(error)
                raise weasyprint.urls.FatalURLFetchingError(url) from error
            kind = _KINDS.get(Path(name).suffix, "application/octet-stream")
            return weasyprint.urls.URLFetcherResponse(url, body=body, headers={"Content-Type": kind})

    return Fetcher()


@contextmanager
def _nothing_left_out(on_box: Callable[[str], None] | None = None) -> Iterator[None]:
    """What WeasyPrint says it leaves out is raised at once, where it says so: an interrupt or the fetcher's error that
    it has caught, or PrintError. Of its other messages those about properties it does not know are dropped, and those
    about characters that no font has go to `on_box`."""

    def heard(record: logging.LogRecord) -> bool:
        caught, said = sys.exc_info()[1], record.getMessage()
        if caught not in (None, outer) and (isinstance(caught, PrintError) or not isinstance(caught, Exception)):
            raise caught
        if record.levelno >= logging.WARNING and said.startswith(_LEFT_OUT):
            raise PrintError(said.replace(HOST, "").rstrip(": ")) from caught
        if on_box is not None and (character := boxed(said)):
            on_box(character)
            return False
        return "unknown property" not in said

    logger, outer = logging.getLogger("weasyprint"), sys.exc_info()[1]
    logger.addFilter(heard)
    try:
        yield
    finally:
        logger.removeFilter(heard)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No collection of garbage: a document is millions of objects that all live to its end, and a quarter of the time
    went into looking through them."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
