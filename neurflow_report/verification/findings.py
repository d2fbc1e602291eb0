"""What a verification finds, each with its file and its place in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.errors import CheckError, Path, Where
from neurflow_report.results.contradictions import Contradiction

MOST_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was looked at, and what of it is off.

    Attributes:
        kind: bundle, report or archive.
        findings: none where all is as it should be.
        looked_at: what was checked, in words.
        passed_over: what was not, and why.
        not_there: what the run asked to be drawn, and does not lie beside the bundle.
    """

    kind: str
    findings: tuple[CheckError, ...]
    looked_at: tuple[str, ...]
    passed_over: tuple[str, ...]
    not_there: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """What of a bundle was computed anew: what is another then, what that was in words, and what it was not."""

    found: tuple[Contradiction, ...]
    looked_at: str
    passed_over: str


def of_bundle(name: str, message: str, place: Path = ()) -> CheckError:
    """A finding in the bundle's file `name`."""
    return CheckError("bundle-damaged", message, path=place, where=Where(file=name), hint="get a whole copy of it")


def of_report(name: str, message: str, hint: str = "") -> CheckError:
    """A finding in a file that is drawn."""
    told = hint or "`neurflow-report render` draws the report anew"
    return CheckError("report-changed", message, where=Where(file=name), hint=told)


def not_again(name: str, message: str, place: Path) -> CheckError:
    """A finding in a figure that was computed anew."""
    hint = "check that the spec, the model and the data are those of the run (provenance)"
    return CheckError("not-reproduced", message, path=place, where=Where(file=name), hint=hint)


def of_archive(name: str, message: str) -> CheckError:
    """A finding in an archive: in its file `name`, or in the zip itself."""
    hint = "get a whole copy of it, as `neurflow-report archive` wrote it"
    return CheckError("archive-changed", message, where=Where(file=name), hint=hint)


def difference(found: bytes, expected: bytes) -> str:
    """Where two files first differ, and what each has there: a line of text, else a byte."""
    at = next((n for n, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
    at = min(len(found), len(expected)) if at is None else at
    try:
        texts = found.decode(), expected.decode()
    except UnicodeDecodeError:
        return f"from byte {at:,} on it is not what the bundle gives"
    line = expected[:at].count(b"\n")
    start = expected.rfind(b"\n", 0, at) + 1
    column = len(expected[start:at].decode("utf-8", "replace"))
    shown = [_part(text, line, column) for text in texts]
    return f"line {line + 1}: it has {shown[0]!r}, and the bundle gives {shown[1]!r}"


def _part(text: str, line: int, column: int) -> str:
    """What of a line stands around a column."""
    lines = text.split("\n")
    whole = lines[line] if line < len(lines) else ""
    first = max(0, column - MOST_SHOWN // 2)
    return whole[first : first + MOST_SHOWN]


def spelled(names: Sequence[str]) -> str:
    """Some of several names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
