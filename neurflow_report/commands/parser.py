"""The command line's grammar, and a parser that tells a wrong command line as the program's own error."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from neurflow_report.commands.command import Command
from neurflow_report.errors import InputError


def parser_of(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser of the whole command line; what it gives has the `command`."""
    parser = Parser(
        prog="neurflow-report",
        description="Reports of how a vision classifier decides: neuron groups, circuits, and the evidence for them.",
        epilog="Exit codes: 0 done, 1 a run failed, 2 the command line or an input is wrong, 3 a check said no, "
        "130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, help="show the version and end")
    each = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name, command in commands.items():
        told = f"{command.summary[0].upper()}{command.summary[1:]}."
        one = each.add_parser(name, help=command.summary, description=told, allow_abbrev=False)
        one.add_argument("--json", action="store_true", help="the result, or the errors, as JSON on stdout")
        one.add_argument("--quiet", action="store_true", help="no progress, and nothing on stdout but JSON")
        one.set_defaults(command=command)
        command.add(one)
    return parser


class Parser(argparse.ArgumentParser):
    """A parser whose errors are InputError command-line."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """The same, with a hint for an option that is nearly one of the command's.

        Raises: InputError command-line.
        """
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
