"""`layers`: where a network can be cut."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path

from neurflow_report.commands.command import MODEL, Command, Result, add_overrides, begin
from neurflow_report.errors import InputError


def side(text: str) -> int:
    """The side of an input in pixels, 1 to 10000.

    Raises: ArgumentTypeError.
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of pixels, 1 to 10000")
    return int(text)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=f"a spec file, or {MODEL}")
    parser.add_argument("--size", type=side, metavar="PIXELS", help="side of the input (default: the model's own)")
    add_overrides(parser)


def _run(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    model = str(options.model)
    file = Path(model)
    if file.suffix.lower() in {".yaml", ".yml"} or os.path.isfile(file):
        if options.size is not None:
            hint = f"use --set preprocess.size={options.size}"
            raise InputError("command-line", f"--size is for a model's name, and {model!r} is a spec", hint=hint)
        loaded = load_spec(file, options.overrides, allow_code=options.allow_code)
        begin(options)
        from neurflow_report.setup.layer_listing import layers_of_spec

        return asdict(layers_of_spec(loaded))
    if options.overrides:
        hint = "leave --set out, or name a spec file"
        raise InputError("command-line", f"--set changes a spec, and {model!r} is the name of a model", hint=hint)
    begin(options)
    from neurflow_report.setup.layer_listing import layers_of_model
    from neurflow_report.spec.starter import model_named

    source, name = model_named(model)
    return asdict(layers_of_model(source, name, size=options.size, allow_code=options.allow_code))


def _lines(result: Result) -> list[str]:
    from neurflow_report.terminal import layer_lines

    return layer_lines(result)


COMMAND = Command(name="layers", summary="show where a network can be cut", run=_run, lines=_lines, add=_add, place=60)
