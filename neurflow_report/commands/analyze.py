"""`analyze`: a spec becomes a bundle."""

from __future__ import annotations

import argparse

from neurflow_report.commands.command import Command, Result, add_spec, begin, file_lines, progress


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    begin(options)
    from neurflow_report import report

    return {"bundle": str(report.analyze(loaded, progress=progress(options)))}


COMMAND = Command(
    name="analyze",
    summary="examine the network: a spec becomes a bundle",
    run=_run,
    lines=file_lines,
    add=add_spec,
    place=40,
)
