"""What a command is, and what several of them share. What is heavy is imported inside the functions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurflow_report.results.stages import STAGES

if TYPE_CHECKING:
    from neurflow_report.progress import Progress

Result = Mapping[str, object]
MODEL = "a model: resnet50, timm:deit_tiny_patch16_224, python:mynet.models:resnet20, demo:flowers"


def _nothing(_parser: argparse.ArgumentParser) -> None:
    """It takes nothing of its own."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of the command line.

    Attributes:
        summary: a line for `--help`.
        run: options in, result out, which `--json` prints.
        lines: the same for people.
        add: its options, beside `--json` and `--quiet`.
        place: in the order of `--help`.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace], Result]
    lines: Callable[[Result], list[str]]
    add: Callable[[argparse.ArgumentParser], None] = _nothing
    place: int = 100


def add_spec(parser: argparse.ArgumentParser) -> None:
    """A spec, and what changes it."""
    parser.add_argument("spec", metavar="SPEC", type=Path, help="a spec file")
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """The options of every command that reads a spec."""
    parser.add_argument(
        "--set",
        metavar="PATH=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="set a value of the spec, such as core.tau=8 or layers[1]=layer4.0; as often as wanted",
    )
    add_leave(parser)


def add_leave(parser: argparse.ArgumentParser) -> None:
    """The option that lets a user's code run."""
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="import and run the code that the spec names (source: python); NEURFLOW_REPORT_ALLOW_CODE=1 does the same",
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """The option for several processes."""
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_number,
        default=1,
        help="processes that share the classes, where the run is on a processor (default: 1)",
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """The option for doing all of it again."""
    parser.add_argument(
        "--force",
        metavar="STAGE",
        nargs="?",
        const=True,
        default=False,
        help=f"take nothing from what earlier runs kept; or nothing of one stage: {', '.join(STAGES)} (docs/scale.md)",
    )


def with_force_alone(words: Sequence[str]) -> list[str]:
    """The words of a command, with what stands after `--force` before it where that is no stage, but a spec."""
    found = list(words)
    for number in range(len(found) - 2, -1, -1):
        if found[number] == "--force" and found[number + 1] not in STAGES and not found[number + 1].startswith("-"):
            found[number : number + 2] = [found[number + 1], "--force"]
    return found


def add_wait(parser: argparse.ArgumentParser) -> None:
    """The option for waiting."""
    parser.add_argument(
        "--wait", action="store_true", help="where another run has the output folder, wait until it is done"
    )


def add_keep_going(parser: argparse.ArgumentParser) -> None:
    """The option for losing no class to another."""
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="a class that fails (too few pictures, NaN) loses no other; the report tells it, and the exit code is 1",
    )


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number from 1")
    return number


def begin(options: argparse.Namespace) -> None:
    """Say at once what takes the first seconds."""
    if not options.quiet and "torch" not in sys.modules:
        print("loading PyTorch …", file=sys.stderr, flush=True)


def progress(options: argparse.Namespace) -> Progress:
    """Who follows the command's progress."""
    from neurflow_report.terminal import progress_for

    return progress_for(sys.stderr, quiet=options.quiet)


def file_lines(result: Result) -> list[str]:
    """The files that a result names, each with where to begin in it."""
    files = {"bundle": "manifest.json", "site": "index.html", "pdf": "", "appendix": "", "single": "", "shard": ""}
    return [f"{key}: {Path(str(result[key])) / file}" for key, file in files.items() if result.get(key) is not None]


def listed(key: str) -> Callable[[Result], list[str]]:
    """How a result reads that is a list of lines already."""

    def lines(result: Result) -> list[str]:
        found = result[key]
        return [str(line) for line in found] if isinstance(found, list) else []

    return lines
