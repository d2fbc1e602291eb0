"""A section of a model card, between two markers: what stands around it stays byte for byte."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from neurflow_report.drawing.view import model_card
from neurflow_report.errors import InputError, Where
from neurflow_report.ordinary import read_ordinary
from neurflow_report.results.bundle import Bundle

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
LARGEST = 10_000_000
HEADING = b"## Model Examination"
_HEADING = re.compile(rb"#{1,6}[ \t]+Model Examination\b", re.IGNORECASE)
_FENCE = re.compile(rb" {0,3}(`{3,}|~{3,})")


def section(bundle: Bundle, into: Path | None = None) -> str:
    """The section's text. Its picture and its link lead to `report.url`, or to the site beside the bundle as seen from
    the file `into`; without either there are none."""
    base, site = bundle.run.url, bundle.root.parent / "site"
    if not base and into is not None and (site / "card.png").is_file():
        base = quote(Path(os.path.relpath(site.resolve(), into.resolve().parent)).as_posix()) + "/"
    run = bundle.run.model_copy(update={"url": base})
    return model_card(
        Bundle(root=bundle.root, run=run, classes=bundle.classes, manifest=bundle.manifest), pictured=bool(base)
    )


def write_section(file: Path, text: str, name: str) -> bool:
    """Put a section of that name into a file, in place of the one that is there.

    Without one it comes below the heading "Model Examination", or to the end, below a heading of its own.

    Returns: whether the file is now another.
    Raises: InputError card-file.
    """
    before = _read(file)
    after = spliced(before, text, name, str(file))
    if after == before:
        return False
    place = Path(os.path.realpath(file))
    try:
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".neurflow-report-", delete=False) as fresh:
            fresh.write(after)
        if place.exists():
            shutil.copymode(place, fresh.name)
        else:
            Path(fresh.name).chmod(0o644)
        Path(fresh.name).replace(place)
    except OSError as error:
        raise _wrong(str(file), f"it cannot be written: {error.strerror or error}") from error
    return True


def spliced(before: bytes, text: str, name: str, file: str = "") -> bytes:
    """The file's bytes with the section in them.

    Raises: InputError card-file where its markers stand there several times, or one without the other.
    """
    end = b"\r\n" if b"\r\n" in before else b"\n"
    markers = [f"<!-- neurflow-report:{what} {name} -->".encode() for what in ("begin", "end")]
    lines = list(_lines(before))
    starts, ends = ([one for one in lines if one[1].strip() == marker] for marker in markers)
    body = markers[0] + b"\n\n" + text.encode() + b"\n" + markers[1]
    body = body.replace(b"\n", end)
    if len(starts) == len(ends) == 1 and starts[0][0] < ends[0][0]:
        return before[: starts[0][0]] + body + before[ends[0][0] + len(ends[0][1].rstrip(b"\r\n")) :]
    if starts or ends:
        told = ", ".join(str(before[:at].count(b"\n") + 1) for at, _ in sorted(starts + ends))
        message = (
            f"a section has one begin and one end, in this order, and the markers of {name!r} stand in line {told}"
        )
        raise _wrong(file, message)
    heading = next((at + len(line) for at, line in lines if _HEADING.match(line)), None)
    if heading is not None:
        gap = b"" if before[:heading].endswith(b"\n") else end
        rest = before[heading:]
        return (
            before[:heading]
            + gap
            + end
            + body
            + end
            + (b"" if rest.startswith((b"\n", b"\r\n")) or not rest else end)
            + rest
        )
    gap = b"" if not before else end if before.endswith(b"\n") else end + end
    return before + gap + HEADING + end + end + body + end


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each line begins, and the line, but for those of the front matter and of fenced code."""
    at, fence, front = 0, b"", False
    for number, line in enumerate(data.splitlines(keepends=True)):
        plain = line.rstrip(b"\r\n")
        if number == 0 and plain.removeprefix(b"\xef\xbb\xbf") == b"---":
            front = True
        elif front:
            front = plain != b"---"
        elif (mark := _FENCE.match(line)) and (not fence or mark[1].startswith(fence)):
            fence = b"" if fence else mark[1]
        elif not fence:
            yield at, line
        at += len(line)


def _read(file: Path) -> bytes:
    if not os.path.lexists(file):
        return b""
    try:
        data = read_ordinary(file)
    except OSError as error:
        raise _wrong(str(file), f"it cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise _wrong(str(file), f"it has {len(data):,} bytes, and a model card has {LARGEST:,} at most")
    return data


def _wrong(file: str, message: str) -> InputError:
    hint = "give a Markdown file, such as the README.md of a model, and leave one pair of markers in it"
    return InputError("card-file", message, hint=hint, where=Where(file=file))
