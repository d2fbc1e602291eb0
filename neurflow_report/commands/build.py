"""`build`: analyze, then render."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from neurflow_report.commands.command import Command, Result, add_spec, begin, file_lines, progress


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    begin(options)
    from neurflow_report import report

    built = report.build(loaded, progress=progress(options))
    return {"bundle": str(built.bundle), **asdict(built.rendered), "seconds": round(built.seconds, 2)}


COMMAND = Command(
    name="build",
    summary="analyze, then render: a spec becomes a report",
    run=_run,
    lines=file_lines,
    add=add_spec,
    place=50,
)
