"""`analyze`: a spec becomes a bundle."""

from __future__ import annotations

import argparse

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

    if options.shard is not None:
        from neurflow_report.results.shard import Part

        part = Part.of(options.shard)
        shard = report.analyze_shard(
            loaded, part, progress=progress(options), force=options.force, keep_going=options.keep_going
        )
        return {"shard": str(shard)}
    bundle = report.analyze(
        loaded,
        progress=progress(options),
        jobs=options.jobs,
        force=options.force,
        wait=options.wait,
        keep_going=options.keep_going,
    )
    return {"bundle": str(bundle)}


def _add(parser: argparse.ArgumentParser) -> None:
    add_spec(parser)
    add_jobs(parser)
    add_force(parser)
    add_keep_going(parser)
    add_wait(parser)
    parser.add_argument(
        "--shard", metavar="I/N", help="only classes I, I+N, … of the spec, for `merge` (docs/scale.md): 3/10"
    )


COMMAND = Command(
    name="analyze",
    summary="examine the network: a spec becomes a bundle",
    run=_run,
    lines=file_lines,
    add=_add,
    place=40,
)
