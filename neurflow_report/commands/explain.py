"""`explain`: why pictures are taken for what they are taken for."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurflow_report.commands.command import Command, Result, add_overrides, begin, listed, progress


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="a bundle, or the folder that holds bundle/")
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="+", help="a picture file, or the name of a picture of the spec's data"
    )
    parser.add_argument(
        "--spec", metavar="SPEC", type=Path, required=True, help="the spec of the run, its model and data at hand"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="write a bundle and a site there that show these pictures, too"
    )
    add_overrides(parser)


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report import report
    from neurflow_report.spec.load import load_spec

    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    begin(options)
    found = report.explain(loaded, options.bundle, options.pictures, output=options.output, progress=progress(options))
    written = {"bundle": found.bundle, "site": found.site}
    lines = [*found.lines, *(f"{name}: {path}" for name, path in written.items() if path is not None)]
    return {
        "pictures": [
            {"class": slug, **one.model_dump(mode="json")} for slug, own in found.pictures.items() for one in own
        ],
        "unexplained": [one.model_dump(mode="json") for one in found.unexplained],
        **{name: str(path) for name, path in written.items() if path is not None},
        "lines": lines,
    }


COMMAND = Command(
    name="explain",
    summary="tell why pictures are taken for what they are taken for",
    run=_run,
    lines=listed("lines"),
    add=_add,
    place=72,
)
