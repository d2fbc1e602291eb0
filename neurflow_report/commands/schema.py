"""`schema`: the JSON Schema of the spec."""

from __future__ import annotations

import argparse

from neurflow_report.commands.command import Command, Result


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.document import SCHEMA_FILE

    options.json = options.quiet = False
    return {"schema": SCHEMA_FILE.read_text(encoding="utf-8").rstrip("\n")}


def _lines(result: Result) -> list[str]:
    return [str(result["schema"])]


COMMAND = Command(name="schema", summary="print the JSON Schema of the spec", run=_run, lines=_lines, place=0)
