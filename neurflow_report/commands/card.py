"""`card`: a report in a model card."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurflow_report.commands.command import Command, Result, listed


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="a bundle, a report's folder, or an archive (.zip)")
    parser.add_argument(
        "--into", metavar="FILE", type=Path, help="a Markdown file to put the section into (default: print it)"
    )
    parser.add_argument(
        "--section", metavar="NAME", default="report", help="its name, where a file has several (default: report)"
    )


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report import report

    card = report.card(options.bundle, into=options.into, section=options.section)
    if options.json:
        return card.metrics
    if options.into is None:
        return {"lines": card.text.splitlines()}
    word = "written" if card.created else "changed" if card.changed else "unchanged"
    return {"lines": [f"{word}: {options.into}"]}


COMMAND = Command(
    name="card",
    summary="put a report into a model card; --json: its figures under flat names",
    run=_run,
    lines=listed("lines"),
    add=_add,
    place=90,
)
