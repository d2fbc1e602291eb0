"""`render`: a bundle becomes a report."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from neurflow_report.commands.command import Command, Result, file_lines, progress


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="a bundle, or the folder that holds bundle/")
    parser.add_argument("--output", metavar="DIR", type=Path, help="where to write (default: beside the bundle)")
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=("html", "pdf", "single"),
        help="what to write, as often as wanted (default: what the spec asked for)",
    )
    parser.add_argument(
        "--templates", metavar="DIR", type=Path, help="your own templates, style, logo and footer (docs/templates.md)"
    )
    named = parser.add_mutually_exclusive_group()
    named.add_argument(
        "--names",
        metavar="FILE",
        type=Path,
        help="names by hand for groups and neurons (docs/how-to/name-groups.md; default: names.yaml beside the bundle)",
    )
    named.add_argument("--no-names", dest="names", action="store_const", const=False, help="without names by hand")
    parser.add_argument(
        "--attach-bundle",
        action=argparse.BooleanOptionalAction,
        help="the bundle inside report.pdf, as a zip (default: what the spec asked for)",
    )
    parser.add_argument(
        "--appendix",
        action=argparse.BooleanOptionalAction,
        help="appendix.pdf beside report.pdf (default: what the spec asked for)",
    )


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report import report

    output = options.output or _output_of(options.bundle)
    formats = tuple(dict.fromkeys(options.formats)) if options.formats else None
    rendered = report.render(
        options.bundle,
        output=output,
        formats=formats,
        templates=options.templates,
        attach_bundle=options.attach_bundle,
        names=options.names,
        appendix=options.appendix,
        progress=progress(options),
    )
    return {**asdict(rendered), "seconds": round(rendered.seconds, 2)}


def _output_of(bundle: Path) -> Path:
    """Where `build` would have drawn this bundle: beside it; `bundle` may also be the folder that holds bundle/."""
    holds_it = (bundle / "bundle" / "manifest.json").is_file() and not (bundle / "manifest.json").is_file()
    if holds_it:
        return bundle
    return bundle.parent if bundle.name not in {"", ".."} else bundle.resolve().parent


COMMAND = Command(
    name="render",
    summary="draw a bundle: no network and no torch needed",
    run=_run,
    lines=file_lines,
    add=_add,
    place=70,
)
