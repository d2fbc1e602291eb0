"""What is drawn from a bundle, drawn again and compared byte for byte with what lies beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from neurflow_report.errors import CheckError, ReportError
from neurflow_report.packing.tree import tree
from neurflow_report.results.bundle import Bundle
from neurflow_report.verification.findings import difference, of_report

Draw = Callable[[Path, Path, Sequence[str], bool], None]
"""Draws the bundle at the first place into the second: the formats, and whether with the appendix."""
SITE, PDF, APPENDIX, SINGLE = "site", "report.pdf", "appendix.pdf", "report.html"
DRAWN = (SITE, PDF, APPENDIX, SINGLE)
_FORMATS = {PDF: "pdf", SINGLE: "single"}
_PACKAGES = ("weasyprint", "pillow", "matplotlib", "jinja2")
NOT_HERE = frozenset({"missing-package", "graphviz-missing", "out-of-memory", "output-unwritable"})
"""Why this machine cannot draw, whatever is drawn."""


class CannotDraw(Exception):  # noqa: N818
    """This machine lacks what drawing needs; the message says what."""


def asked_for(bundle: Bundle) -> tuple[str, ...]:
    """What the run's spec asked to be drawn."""
    report = bundle.manifest.provenance.spec_resolved.get("report")
    appendix = not (isinstance(report, dict) and report.get("appendix") is False)
    wanted = {"html": (SITE,), "pdf": (PDF, APPENDIX) if appendix else (PDF,), "single": (SINGLE,)}
    return tuple(name for one in bundle.run.formats for name in wanted[one])


def compared(bundle: Path, report: Path, scratch: Path, draw: Draw) -> Iterator[CheckError]:
    """Each file of the report that is not what the bundle gives.

    Args:
        bundle: a copy that is whole, with the names by hand beside it.
        report: holds what is to be compared.
        scratch: an empty folder.
    Raises: CannotDraw.
    """
    there = {name for name in DRAWN if (report / name).exists() or (report / name).is_symlink()}
    within = {name for name in DRAWN[1:] if (report / SITE / "downloads" / name).is_file()} if SITE in there else set()
    rounds = [(SITE, *sorted(within))] if SITE in there else []
    if rest := sorted(there - within - {SITE}):
        rounds.append(tuple(rest))
    for number, names in enumerate(rounds):
        made = scratch / str(number)
        formats = [*(["html"] if SITE in names else []), *(_FORMATS[n] for n in names if n in _FORMATS)]
        formats += ["pdf"] if APPENDIX in names and "pdf" not in formats else []
        try:
            draw(bundle, made, formats, APPENDIX in names)
        except ReportError as error:
            if error.slug in NOT_HERE:
                raise CannotDraw(error.message) from error
            yield of_report(names[0], f"the bundle cannot be drawn: {error.message}", error.hint)
            return
        except Exception as error:  # whatever a stranger's records lead to
            yield of_report(names[0], f"the bundle cannot be drawn ({type(error).__name__}: {error})")
            return
        for name in names:
            if name in there:
                yield from _same(name, report / name, made / name)


def _same(name: str, found: Path, expected: Path) -> Iterator[CheckError]:
    (files, odd), (due, _) = tree(found), tree(expected)
    for inner, what in odd.items():
        yield of_report(_joined(name, inner), f"it is {what}, and a report holds files alone")
    for inner in sorted(due.keys() | files.keys()):
        if inner not in files:
            if inner not in odd:
                yield of_report(_joined(name, inner), "it is missing")
        elif inner not in due:
            yield of_report(_joined(name, inner), "the bundle gives no such file")
        elif (told := _apart(files[inner], due[inner].read_bytes())) is not None:
            yield of_report(_joined(name, inner), told, _hint())


def _apart(file: Path, expected: bytes) -> str | None:
    """How a file, of whatever size, differs from what it should hold."""
    try:
        with file.open("rb") as stream:
            found = stream.read(len(expected) + 1)
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    return None if found == expected else difference(found, expected)


def _joined(name: str, inner: str) -> str:
    return f"{name}/{inner}" if inner else name


def _hint() -> str:
    told = []
    for package in _PACKAGES:
        try:
            told.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"it was drawn again with {', '.join(told)}: where others drew the report, an earlier version of this program "
        "did, or your own templates did (--templates), that alone may be why; `neurflow-report render` draws the "
        "report anew from the bundle"
    )
