"""What the commands take: their options, and a parser that tells a wrong command line as the program's own error."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from neurflow_report.errors import InputError

MODEL = "a model: resnet50, timm:deit_tiny_patch16_224, python:mynet.models:resnet20, demo:flowers"
INIT = (
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


class Parser(argparse.ArgumentParser):
    """A parser whose errors are InputError command-line."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """The same, with a hint for an option that is nearly one of the command's. Raises: InputError command-line."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command = next((p for p in self._commands() if p.prog.split()[-1:] == list(args or ())[:1]), self)
            known = [option.removeprefix("--") for option in command._option_string_actions if option[:2] == "--"]
            close = get_close_matches(unknown[0].partition("=")[0].lstrip("-"), known, n=1)
            hint = f"did you mean --{close[0]}?" if close else f"`{command.prog} --help` tells what it takes"
            raise InputError("command-line", f"unrecognized arguments: {' '.join(unknown)}", hint=hint)
        return found

    def _commands(self) -> Iterator[argparse.ArgumentParser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from action.choices.values()

    def error(self, message: str) -> NoReturn:
        """Raise it."""
        hint = f"`{self.prog} --help` tells what it takes"
        raise InputError("command-line", message, hint=hint)


def side(text: str) -> int:
    """The side of an input in pixels, 1 to 10000. Raises: ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of pixels, 1 to 10000")
    return int(text)


def seconds(text: str) -> float:
    """A time such as 90s, 10m or 1h30m, in seconds. Raises: ArgumentTypeError."""
    found = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?", text, re.ASCII)
    total = sum(int(n or 0) * size for n, size in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    if not total:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a time such as 90s, 10m or 1h30m")
    return float(total)


def add_plan(command: argparse.ArgumentParser) -> None:
    """The options of `plan`."""
    command.add_argument("--no-time", action="store_true", help="count, but do not measure the time for some seconds")
    command.add_argument(
        "--within",
        metavar="TIME",
        type=seconds,
        help="look for sizes whose analysis takes at most so long (90s, 10m, 1h30m), and tell what they cannot show",
    )


def add_init(command: argparse.ArgumentParser) -> None:
    """The options of `init`."""
    for name, what, says in INIT:
        command.add_argument(f"--{name}", metavar=what, help=says)
    command.add_argument(
        "--output", metavar="FILE", type=Path, default=Path("spec.yaml"), help="the new spec (default: spec.yaml)"
    )
    command.add_argument("--yes", action="store_true", help="ask nothing: what is left out takes its default")
    add_leave(command)


def add_overrides(command: argparse.ArgumentParser) -> None:
    """The options of every command that reads a spec."""
    command.add_argument(
        "--set",
        metavar="PATH=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="set a value of the spec, such as core.tau=8 or layers[1]=layer4.0; as often as wanted",
    )
    add_leave(command)


def add_leave(command: argparse.ArgumentParser) -> None:
    """The option that lets a user's code run."""
    command.add_argument(
        "--allow-code",
        action="store_true",
        help="import and run the code that the spec names (source: python); NEURFLOW_REPORT_ALLOW_CODE=1 does the same",
    )


def add_render(command: argparse.ArgumentParser) -> None:
    """The options of `render`."""
    command.add_argument("bundle", metavar="BUNDLE", type=Path, help="a bundle, or the folder that holds bundle/")
    command.add_argument("--output", metavar="DIR", type=Path, help="where to write (default: beside the bundle)")
    command.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=("html", "pdf", "single"),
        help="what to write, as often as wanted (default: what the spec asked for)",
    )
    command.add_argument(
        "--templates", metavar="DIR", type=Path, help="your own templates, style, logo and footer (docs/templates.md)"
    )
    command.add_argument(
        "--attach-bundle",
        action=argparse.BooleanOptionalAction,
        help="the bundle inside the PDF, as a zip (default: what the spec asked for)",
    )


class Version(argparse.Action):
    """Prints the version of the installed package, which is looked up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("neurflow-report")
        except PackageNotFoundError:
            number = "(run from its source, not installed)"
        print(f"{parser.prog} {number}")
        parser.exit()
