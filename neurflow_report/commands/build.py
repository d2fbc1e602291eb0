"""`build`: analyze, then render."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from neurflow_report.commands.command import (
    Command,
    Result,
    add_force,
    add_jobs,
    add_keep_going,
    add_spec,
    add_wait,
    begin,
    file_lines,
    progress,
)


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    begin(options)
    from neurflow_report import report

    built = report.build(
        loaded,
        progress=progress(options),
        jobs=options.jobs,
        force=options.force,
        wait=options.wait,
        keep_going=options.keep_going,
    )
    return {"bundle": str(built.bundle), **asdict(built.rendered), "seconds": round(built.seconds, 2)}


def _add(parser: argparse.ArgumentParser) -> None:
    add_spec(parser)
    add_jobs(parser)
    add_force(parser)
    add_keep_going(parser)
    add_wait(parser)


COMMAND = Command(
    name="build",
    summary="analyze, then render: a spec becomes a report",
    run=_run,
    lines=file_lines,
    add=_add,
    place=50,
)
