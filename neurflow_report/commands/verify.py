"""`verify`: whether a bundle, a report or an archive is what it says."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurflow_report.commands.command import Command, Result, listed, progress
from neurflow_report.errors import CheckErrors


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", type=Path, help="a bundle, a report's folder, or an archive (.zip)")
    parser.add_argument(
        "--templates", metavar="DIR", type=Path, help="the templates of your own that the report was drawn with"
    )
    named = parser.add_mutually_exclusive_group()
    named.add_argument("--names", metavar="FILE", type=Path, help="the names by hand that it was drawn with")
    named.add_argument("--no-names", dest="names", action="store_const", const=False, help="it was drawn without any")


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report import report

    found = report.verify(options.path, templates=options.templates, names=options.names, progress=progress(options))
    if found.findings:
        errors = CheckErrors(found.findings)
        for told in found.passed_over:
            errors.add_note(f"not looked at: {told}")
        raise errors
    lines = [f"{options.path}: this {found.kind} is what it says"]
    lines += [f"looked at: {told}" for told in found.looked_at]
    lines += [f"not looked at: {told}" for told in found.passed_over]
    return {
        "path": str(options.path),
        "kind": found.kind,
        "looked_at": list(found.looked_at),
        "passed_over": list(found.passed_over),
        "lines": lines,
    }


COMMAND = Command(
    name="verify",
    summary="look whether a bundle, a report or an archive is what it says",
    run=_run,
    lines=listed("lines"),
    add=_add,
    place=80,
)
