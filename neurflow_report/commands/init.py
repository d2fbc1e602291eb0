"""`init`: a spec to begin with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from neurflow_report.commands.command import MODEL, Command, Result, add_leave

GIVEN = (
    ("model", "MODEL", MODEL),
    ("kwargs", "VALUES", "what the factory or architecture is called with: num_classes=10, or YAML"),
    ("python-path", "DIR", "the folder that the factory's package lies in (default: the current one)"),
    ("weights", "WEIGHTS", "the name of its weights, a checkpoint, or none (default: the best that it has)"),
    (
        "data",
        "DATA",
        "a folder with a sub-folder per class, a CSV file, NAME:FOLDER for a torchvision data set, or demo",
    ),
    (
        "preprocess",
        "VALUES",
        'what the network was trained with: "size: 32, resize: 32, mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26]"',
    ),
    ("classes", "A,B", "classes to examine (default: the data's first three)"),
    ("layers", "A,B", "layers from input to output, or auto (the default)"),
)


def _add(parser: argparse.ArgumentParser) -> None:
    for name, what, says in GIVEN:
        parser.add_argument(f"--{name}", metavar=what, help=says)
    parser.add_argument(
        "--output", metavar="FILE", type=Path, default=Path("spec.yaml"), help="the new spec (default: spec.yaml)"
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing: what is left out takes its default")
    add_leave(parser)


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.terminal import answers

    given = {key: getattr(options, key) for key in (name.replace("-", "_") for name, _, _ in GIVEN)}
    ask = answers(sys.stdin, sys.stderr, given, take_defaults=options.yes)
    from neurflow_report.setup.starter import Given, begin

    begun = begin(Given(**given), options.output, ask, allow_code=options.allow_code)
    for note in () if options.quiet or options.json else begun.notes:
        print(f"note: {note}", file=sys.stderr)
    return {"spec": str(begun.file), **({"notes": list(begun.notes)} if begun.notes else {})}


def _lines(result: Result) -> list[str]:
    return [f"spec: {result['spec']}"]


COMMAND = Command(
    name="init",
    summary="write a spec to begin with, for a model and data at hand",
    run=_run,
    lines=_lines,
    add=_add,
    place=10,
)
