"""`plan`: what a run would do and cost."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict

from neurflow_report.commands.command import Command, Result, add_spec, begin, listed, progress
from neurflow_report.errors import InputError


def seconds(text: str) -> float:
    """A time such as 90s, 10m or 1h30m, in seconds.

    Raises: ArgumentTypeError.
    """
    found = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?", text, re.ASCII)
    total = sum(int(n or 0) * size for n, size in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    if not total:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a time such as 90s, 10m or 1h30m")
    return float(total)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-time", action="store_true", help="count, but do not measure the time for some seconds")
    parser.add_argument(
        "--within",
        metavar="TIME",
        type=seconds,
        help="look for sizes whose analysis takes at most so long (90s, 10m, 1h30m), and tell what they cannot show",
    )
    add_spec(parser)


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    if options.within is not None and options.no_time:
        raise InputError(
            "command-line", "--within needs times, and --no-time measures none", hint="leave one of them out"
        )
    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    begin(options)
    from neurflow_report import report
    from neurflow_report.planning.text import lines

    plan = report.plan(loaded, timed=not options.no_time, within=options.within, progress=progress(options))
    return {"plan": asdict(plan)} if options.json else {"lines": lines(plan)}


COMMAND = Command(
    name="plan",
    summary="tell what a run would do and cost, without doing it",
    run=_run,
    lines=listed("lines"),
    add=_add,
    place=30,
)
