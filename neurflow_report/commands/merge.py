"""`merge`: shards become a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurflow_report.commands.command import Command, Result, file_lines, progress


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shards", metavar="SHARD", type=Path, nargs="+", help="shards of one spec, or folders with them"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="where to write bundle/ (default: where the first shard lies)"
    )


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report import report

    return {"bundle": str(report.merge(options.shards, output=options.output, progress=progress(options)))}


COMMAND = Command(
    name="merge",
    summary="make one bundle of the shards that `analyze --shard` wrote",
    run=_run,
    lines=file_lines,
    add=_add,
    place=45,
)
