"""`verify`: whether a bundle, a report or an archive is what it says."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurflow_report.commands.command import Command, Result, add_overrides, begin, listed, progress
from neurflow_report.errors import CheckErrors, InputError

MOST = 100_000
"""Neurons, and tests of a kind, that are computed anew, at most."""


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", type=Path, help="a bundle, a report's folder, or an archive (.zip)")
    parser.add_argument(
        "--templates", metavar="DIR", type=Path, help="the templates of your own that the report was drawn with"
    )
    named = parser.add_mutually_exclusive_group()
    named.add_argument("--names", metavar="FILE", type=Path, help="the names by hand that it was drawn with")
    named.add_argument("--no-names", dest="names", action="store_const", const=False, help="it was drawn without any")

    parser.add_argument(
        "--attach-bundle",
        action=argparse.BooleanOptionalAction,
        help="whether report.pdf was drawn with the bundle inside (default: what the spec asked for)",
    )
    parser.add_argument(
        "--recompute",
        metavar="N",
        type=_number,
        default=0,
        help="compute so many neurons, tests of F1 and other tests anew, drawn by the run's seed; needs --spec",
    )
    parser.add_argument("--spec", metavar="SPEC", type=Path, help="the spec of the run, its model and data at hand")
    add_overrides(parser)


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number from 1 to {MOST:,}")
    return int(text)


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report import report
    from neurflow_report.spec.load import load_spec

    if (options.spec is None) == bool(options.recompute):
        raise InputError("command-line", "--recompute and --spec go together", hint="give both, or neither")
    loaded = None
    if options.spec is not None:
        loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
        begin(options)
    found = report.verify(
        options.path,
        templates=options.templates,
        names=options.names,
        attach_bundle=options.attach_bundle,
        loaded=loaded,
        recompute=options.recompute,
        progress=progress(options),
    )
    if found.findings:
        errors = CheckErrors(found.findings)
        for told in found.passed_over:
            errors.add_note(f"not looked at: {told}")
        for told in found.not_there:
            errors.add_note(f"not there: {told}")
        raise errors
    lines = [f"{options.path}: this {found.kind} is what it says"]
    lines += [f"looked at: {told}" for told in found.looked_at]
    lines += [f"not looked at: {told}" for told in found.passed_over]
    lines += [f"not there: {told}" for told in found.not_there]
    return {
        "path": str(options.path),
        "kind": found.kind,
        "looked_at": list(found.looked_at),
        "passed_over": list(found.passed_over),
        "not_there": list(found.not_there),
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
