"""`validate`: every error of some specs at once; deep: of all that they name, too."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from neurflow_report.commands.command import Command, Result, add_overrides, begin, progress
from neurflow_report.errors import Gathered

if TYPE_CHECKING:
    from neurflow_report.spec.load import LoadedSpec


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", metavar="SPEC", nargs="+", type=Path, help="a spec file")
    parser.add_argument(
        "--deep", action="store_true", help="check the model, layers, classes, data, memory, disk and programs too"
    )
    add_overrides(parser)


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    def check(file: Path) -> list[str]:
        loaded = load_spec(file, options.overrides, allow_code=options.allow_code)
        return _deep(options, loaded) if options.deep else []

    gathered = Gathered()
    notes = {str(file): gathered.attempt(partial(check, file)) for file in options.specs}
    gathered.errors = list({str(problem): problem for problem in gathered.errors}.values())
    gathered.tell()
    told = {file: found for file, found in notes.items() if found}
    return {"specs": [str(file) for file in options.specs], **({"notes": told} if told else {})}


def _deep(options: argparse.Namespace, loaded: LoadedSpec) -> list[str]:
    begin(options)
    from neurflow_report import report

    return list(report.check(loaded, progress=progress(options)))


def _lines(result: Result) -> list[str]:
    specs = result["specs"]
    return [f"{file}: ok" for file in specs] if isinstance(specs, list) else []


COMMAND = Command(
    name="validate",
    summary="check specs, and tell every error in them at once",
    run=_run,
    lines=_lines,
    add=_add,
    place=20,
)
