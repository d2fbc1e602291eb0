"""`diff`: what differs between two bundles."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurflow_report.commands.command import Command, Result, listed, progress
from neurflow_report.errors import CheckErrors, InputError


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "then", metavar="A", type=Path, nargs="?", help="a bundle, the folder that holds bundle/, or an archive"
    )
    parser.add_argument("now", metavar="B", type=Path, nargs="?", help="the one that it is compared with")
    parser.add_argument("--output", metavar="DIR", type=Path, help="write diff.html, diff.pdf and diff.json there")
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=("html", "pdf"),
        help="what to write beside diff.json, as often as wanted (default: both)",
    )
    parser.add_argument(
        "--same-network",
        action="store_true",
        help="neurons are the same by their channels, though the weights differ (after fine-tuning)",
    )
    parser.add_argument(
        "--fail-if",
        metavar="CONDITION",
        action="append",
        default=[],
        help="exit with 3 where this holds, such as 'core_overlap < 0.8'; as often as wanted",
    )
    parser.add_argument("--figures", action="store_true", help="list the figures that conditions may name")


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.comparison.figures import FIGURES

    if options.figures:
        wide = max(map(len, FIGURES))
        listed = [f"{f.name:<{wide}}  {f.scope:<11}  {f.meaning}" for f in FIGURES.values()]
        return {"figures": {f.name: {"of": f.scope, "meaning": f.meaning} for f in FIGURES.values()}, "lines": listed}
    if options.then is None or options.now is None:
        raise InputError("command-line", "two bundles are compared", hint="diff A B, or diff --figures")
    return _compared(options)


def _compared(options: argparse.Namespace) -> Result:
    from neurflow_report import report

    found = report.diff(
        options.then,
        options.now,
        output=options.output,
        formats=tuple(options.formats or ("html", "pdf")),
        same_network=options.same_network,
        fail_if=options.fail_if,
        progress=progress(options),
    )
    written = {"page": found.page, "pdf": found.pdf, "data": found.data}
    told = [f"{name}: {path}" for name, path in written.items() if path is not None]
    if found.met:
        errors = CheckErrors(found.met)
        for line in (*found.lines, *told):
            errors.add_note(line)
        raise errors
    return {
        "then": str(options.then),
        "now": str(options.now),
        "identical": found.comparison.identical,
        "findings": list(found.lines),
        "figures": found.figures,
        **{name: str(path) for name, path in written.items() if path is not None},
        "lines": [*found.lines, *told],
    }


COMMAND = Command(
    name="diff",
    summary="tell what differs between two bundles",
    run=_run,
    lines=listed("lines"),
    add=_add,
    place=82,
)
