"""`archive`: a report becomes one zip."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from neurflow_report.commands.command import Command, Result, progress


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", metavar="REPORT", type=Path, help="the folder that holds bundle/ and site/")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="where to write (default: the folder's name with .zip, beside it)"
    )


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report import report

    found = asdict(report.archive(options.report, options.output, progress=progress(options)))
    return {**found, "archive": str(found["archive"])}


def _lines(result: Result) -> list[str]:
    size = result["bytes"]
    told = f"{size / 1e6:.1f} MB" if isinstance(size, int) else ""
    return [f"archive: {result['archive']}", f"{result['files']} files, {told}, sha256 {result['sha256']}"]


COMMAND = Command(
    name="archive",
    summary="pack a report and its bundle into one zip",
    run=_run,
    lines=_lines,
    add=_add,
    place=85,
)
