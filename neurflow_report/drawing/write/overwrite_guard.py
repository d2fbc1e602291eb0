"""What of an output folder is a report of this program, and may be replaced by a new one (ADR 15)."""

from __future__ import annotations

import os
from pathlib import Path

from neurflow_report.errors import InputError
from neurflow_report.results.bundle import is_bundle
from neurflow_report.results.os_metadata import is_dropping

MARK = b"neurflow-report"
HTML_END = b"<!-- " + MARK + b" -->\n"
"""How every single file ends."""

MARKS = ("index.html", "static/boxes.css", "provenance/index.html")
PARTS = frozenset({
    "card.png", "class", "data", "downloads", "fidelity", "index.html", "method", "provenance", "search", "static",
    "why",
})  # fmt: skip
"""A folder that holds the marks, and nothing but parts, is a site, and may be replaced by a new one."""

_PDF, _PDF_MARK = b"%PDF-", b"stream\n" + MARK + b"\nendstream"
_FOOTER = b"Made with " + MARK
_HINT = "move it away, or choose another folder"


def check_site_free(target: Path) -> None:
    """Check that nothing stands at `target` but a site.

    Raises: InputError output-unwritable otherwise.
    """
    try:
        reason = _no_site(target) if os.path.lexists(target) else ""
    except OSError as error:
        raise unwritable(target, error) from error
    if reason:
        hint = "choose another folder, or move it away"
        raise InputError("output-unwritable", f"{target.name} {reason}", hint=hint, path=("output",))


def check_file_free(target: Path) -> None:
    """Check that nothing stands at `target` but a report of this program.

    Raises: InputError output-unwritable otherwise.
    """
    try:
        reason = _no_report(target) if os.path.lexists(target) else ""
    except OSError as error:
        raise unwritable(target, error) from error
    if reason:
        raise InputError("output-unwritable", f"{target.name} {reason}", hint=_HINT, path=("output",))


def unwritable(target: Path, error: OSError) -> InputError:
    """The error of a place that the system does not let us look at or write to."""
    return InputError(
        "output-unwritable",
        f"{target.name} cannot be written: {error.strerror or error}",
        hint="check the folder's permissions and the space on its disk",
        path=("output",),
    )


def _no_site(target: Path) -> str:
    """Why what stands at `target` may not be replaced; empty where it may."""
    if target.is_symlink() or not os.path.isdir(target):
        return "exists and is no site of a report"
    found = {path.name for path in target.iterdir() if not is_dropping(path)}
    if found and not _has_marks(target):
        return "exists and is no site of a report"
    others = sorted(found - PARTS)
    return f"holds something that no site of a report has, {others[0]}" if others else ""


def _has_marks(folder: Path) -> bool:
    return all(os.path.isfile(folder / mark) for mark in MARKS)


def _no_report(target: Path) -> str:
    """Why the file at `target` may not be replaced; empty where it may, being empty, or a PDF or HTML file of ours."""
    if os.path.isdir(target):
        return "cannot be written: there is a folder of that name"
    data = b"no file" if target.is_symlink() or not os.path.isfile(target) else target.read_bytes()
    if not data or _PDF_MARK in data or data.endswith(HTML_END) or _FOOTER in data:
        return ""
    if data.startswith(_PDF):  # earlier versions left no mark in theirs: what lies beside it tells
        told = "exists, and nothing in it or beside it tells that it is a report of this program"
        return "" if _beside_ours(target.parent) else told
    return "exists and is no report of this program"


def _beside_ours(folder: Path) -> bool:
    """Whether the folder holds a bundle or a site of ours."""
    site = folder / "site"
    return is_bundle(folder / "bundle") or (_has_marks(site) and not _no_site(site))
