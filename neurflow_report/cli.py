"""The command line: which command it is, where its result goes, and what it exits with.

Exit codes: 0 done, 1 a run failed, 2 the command line or an input is wrong, 3 a check said no; interrupted: 130 by
Ctrl-C, 143 by SIGTERM, 129 by SIGHUP. Results go to stdout, everything else to stderr. What is heavy is imported inside
the commands.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # before the other imports, which an interrupt may come in
    from neurflow_report.entry import main as begin

    sys.exit(begin())

import argparse
import json
import os
import traceback
from collections.abc import Collection, Mapping, Sequence

from neurflow_report import streams
from neurflow_report.commands import commands
from neurflow_report.commands.command import Result, with_force_alone
from neurflow_report.commands.parser import parser_of
from neurflow_report.errors import InputError, ReportError, RunError, did_you_mean
from neurflow_report.stopping import Heard, listen_no_more, listening

DONE = 0
MOST_ERRORS = 50
DEBUG = "NEURFLOW_REPORT_DEBUG"
RUN_PACKAGES = frozenset({"torch", "torchvision", "safetensors", "scipy"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args: argv: without the program's name; None: the process's.
    Returns: the exit code.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    with listening() as heard, streams.usable():
        return _guarded(words, heard)


def interrupted(words: Sequence[str]) -> int:
    """Tell an interrupt that came before `main` was there.

    Returns: the exit code.
    """
    with streams.usable():
        return _stopped("--json" in words, Heard())


def _guarded(words: Sequence[str], heard: Heard) -> int:
    as_json = "--json" in words
    try:
        known = commands()
        options = parser_of(known).parse_args(_checked(words, known))
        with streams.for_results():
            result = options.command.run(options)
    except BaseException as error:
        notes = tuple(getattr(error, "__notes__", ()))
        if heard.numbers or isinstance(error, KeyboardInterrupt):  # whatever a library made of it
            return _stopped(as_json, heard, notes)
        if isinstance(error, Exception):
            return _refuse(_told(error), as_json, notes)
        if code := _sent_off(""):  # --help or --version, which are told
            return code
        raise
    return _tell(options, result)


def _stopped(as_json: bool, heard: Heard, notes: Sequence[str] = ()) -> int:
    listen_no_more()
    hint = "; ".join(("nothing half-written is left", *(notes or ("the same command begins again",))))
    _refuse(RunError("interrupted", "interrupted", hint=hint), as_json)
    return heard.exit_code()


def _told(error: Exception) -> ReportError:
    if isinstance(error, ReportError):
        return error
    return _missing(error) if isinstance(error, ModuleNotFoundError) else _internal(error)


def _refuse(error: ReportError, as_json: bool, notes: Sequence[str] = ()) -> int:
    """Args: notes: what is known of the state in which the error left things."""
    from neurflow_report import terminal

    problems = error.problems()
    found: dict[str, object] = {"ok": False, "errors": [terminal.as_json(problem) for problem in problems]}
    found |= {"notes": list(notes)} if notes else {}
    if not as_json or streams.written(_json(found)):
        print(terminal.described(problems[:MOST_ERRORS]), file=sys.stderr)
        if len(problems) > MOST_ERRORS:
            print(f"and {len(problems) - MOST_ERRORS} more errors (--json shows all)", file=sys.stderr)
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
    return error.exit_code


def _missing(error: ModuleNotFoundError) -> ReportError:
    package = (error.name or "").partition(".")[0]
    if package not in RUN_PACKAGES:
        return _internal(error)
    hint = "running a network needs more than drawing a bundle: pip install 'neurflow-report[run]'"
    return InputError("missing-package", f"the Python package {package} is not installed", hint=hint)


def _internal(error: Exception) -> ReportError:
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    return RunError(
        "internal-error",
        f"neurflow-report itself failed ({type(error).__name__}: {error})",
        hint=f"please report it, with the command, the spec, and what {DEBUG}=1 shows",
    )


def _tell(options: argparse.Namespace, result: Result) -> int:
    if options.json:
        return _sent_off(_json({"ok": True, **result}))
    return _sent_off("" if options.quiet else "".join(f"{line}\n" for line in options.command.lines(result)))


def _sent_off(text: str) -> int:
    """Write `text` to stdout. Nobody has to read it; but what is wanted and cannot be had is told."""
    if not (reason := streams.written(text)):
        return DONE
    hint = "what was asked for is done; where stdout leads to, no more can be written"
    return _refuse(RunError("output-unwritable", f"the result cannot be written to stdout: {reason}", hint=hint), False)


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def _checked(words: Sequence[str], known: Collection[str]) -> Sequence[str]:
    """The words, unless the first is nearly a command; a spec after `--force` is no stage."""
    if words and not words[0].startswith("-") and words[0] not in known:
        hint = did_you_mean(words[0], known) or f"the commands are {', '.join(known)}"
        raise InputError("command-line", f"there is no command {words[0]!r}", hint=hint)
    return with_force_alone(words)
