"""`schema`: the JSON Schema of the spec, or of a bundle."""

from __future__ import annotations

import argparse

from neurflow_report.commands.command import Command, Result


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", action="store_true", help="that of a bundle's JSON files instead (docs/bundle.md)")


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.results import document as bundle
    from neurflow_report.spec import document as spec

    options.json = options.quiet = False
    file = (bundle if options.bundle else spec).SCHEMA_FILE
    return {"schema": file.read_text(encoding="utf-8").rstrip("\n")}


def _lines(result: Result) -> list[str]:
    return [str(result["schema"])]


COMMAND = Command(
    name="schema",
    summary="print the JSON Schema of the spec, or of a bundle",
    run=_run,
    lines=_lines,
    add=_add,
    place=0,
)
