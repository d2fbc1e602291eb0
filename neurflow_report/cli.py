"""The command line: the commands, what they print, and what they exit with.

Exit codes: 0 done, 1 a run failed, 2 the command line or an input is wrong, 3 a check said no; interrupted: 130 by
Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
Results go to stdout, everything else to stderr. What is heavy is imported inside the commands.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from neurflow_report import streams
from neurflow_report.arguments import MODEL, Parser, Version, add_init, add_overrides, add_plan, add_render, side
from neurflow_report.errors import Gathered, InputError, ReportError, RunError, did_you_mean
from neurflow_report.stopping import Heard, listen_no_more, listening

if TYPE_CHECKING:
    from neurflow_report.progress import Progress
    from neurflow_report.spec.load import LoadedSpec

DONE = 0
MOST_ERRORS = 50
DEBUG = "NEURFLOW_REPORT_DEBUG"
RUN_PACKAGES = frozenset({"torch", "torchvision", "safetensors", "scipy"})

Result = Mapping[str, object]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` without the program's name (None: the process's). Returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    with listening() as heard, streams.usable():
        return _guarded(words, heard)


def interrupted(words: Sequence[str]) -> int:
    """Tell an interrupt that came before `main` was there. Returns the exit code."""
    with streams.usable():
        return _stopped("--json" in words, Heard())


def _guarded(words: Sequence[str], heard: Heard) -> int:
    as_json = "--json" in words
    try:
        options = _parser().parse_args(_checked(words))
        with streams.for_results():
            result = options.command(options)
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
        print("\n".join(terminal.describe(problem) for problem in problems[:MOST_ERRORS]), file=sys.stderr)
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
    return _sent_off("" if options.quiet else "".join(f"{line}\n" for line in options.words(result)))


def _sent_off(text: str) -> int:
    """Write `text` to stdout. Nobody has to read it; but what is wanted and cannot be had is told."""
    if not (reason := streams.written(text)):
        return DONE
    hint = "what was asked for is done; where stdout leads to, no more can be written"
    return _refuse(RunError("output-unwritable", f"the result cannot be written to stdout: {reason}", hint=hint), False)


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


# The commands: options in, result out.


def _schema(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.document import SCHEMA_FILE

    options.json = options.quiet = False
    return {"schema": SCHEMA_FILE.read_text(encoding="utf-8").rstrip("\n")}


def _init(options: argparse.Namespace) -> Result:
    from neurflow_report.terminal import answers

    keys = ("model", "kwargs", "python_path", "weights", "data", "preprocess", "classes", "layers")
    given = {key: getattr(options, key) for key in keys}
    ask = answers(sys.stdin, sys.stderr, given, take_defaults=options.yes)
    from neurflow_report.setup.starter import Given, begin

    begun = begin(Given(**given), options.output, ask, allow_code=options.allow_code)
    for note in () if options.quiet or options.json else begun.notes:
        print(f"note: {note}", file=sys.stderr)
    return {"spec": str(begun.file), **({"notes": list(begun.notes)} if begun.notes else {})}


def _validate(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    def check(file: Path) -> list[str]:
        loaded = load_spec(file, options.overrides, allow_code=options.allow_code)
        return _check_deep(options, loaded) if options.deep else []

    gathered = Gathered()
    notes = {str(file): gathered.attempt(partial(check, file)) for file in options.specs}
    gathered.errors = list({str(problem): problem for problem in gathered.errors}.values())
    gathered.tell()
    told = {file: found for file, found in notes.items() if found}
    return {"specs": [str(file) for file in options.specs], **({"notes": told} if told else {})}


def _check_deep(options: argparse.Namespace, loaded: LoadedSpec) -> list[str]:
    _begin(options)
    from neurflow_report import report

    return list(report.check(loaded, progress=_progress(options)))


def _plan(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    if options.within is not None and options.no_time:
        raise InputError(
            "command-line", "--within needs times, and --no-time measures none", hint="leave one of them out"
        )
    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    _begin(options)
    from neurflow_report import report
    from neurflow_report.planning.text import lines

    plan = report.plan(loaded, timed=not options.no_time, within=options.within, progress=_progress(options))
    return {"plan": asdict(plan)} if options.json else {"lines": lines(plan)}


def _layers(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    model = str(options.model)
    file = Path(model)
    if file.suffix.lower() in {".yaml", ".yml"} or os.path.isfile(file):
        if options.size is not None:
            hint = f"use --set preprocess.size={options.size}"
            raise InputError("command-line", f"--size is for a model's name, and {model!r} is a spec", hint=hint)
        loaded = load_spec(file, options.overrides, allow_code=options.allow_code)
        _begin(options)
        from neurflow_report.setup.layer_listing import layers_of_spec

        return asdict(layers_of_spec(loaded))
    if options.overrides:
        hint = "leave --set out, or name a spec file"
        raise InputError("command-line", f"--set changes a spec, and {model!r} is the name of a model", hint=hint)
    _begin(options)
    from neurflow_report.setup.layer_listing import layers_of_model
    from neurflow_report.spec.starter import model_named

    source, name = model_named(model)
    return asdict(layers_of_model(source, name, size=options.size, allow_code=options.allow_code))


def _analyze(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    _begin(options)
    from neurflow_report import report

    return {"bundle": str(report.analyze(loaded, progress=_progress(options)))}


def _render(options: argparse.Namespace) -> Result:
    from neurflow_report import report

    output = options.output or _output_of(options.bundle)
    formats = tuple(dict.fromkeys(options.formats)) if options.formats else None
    rendered = report.render(
        options.bundle,
        output=output,
        formats=formats,
        templates=options.templates,
        attach_bundle=options.attach_bundle,
        progress=_progress(options),
    )
    return {**asdict(rendered), "seconds": round(rendered.seconds, 2)}


def _build(options: argparse.Namespace) -> Result:
    from neurflow_report.spec.load import load_spec

    loaded = load_spec(options.spec, options.overrides, allow_code=options.allow_code)
    _begin(options)
    from neurflow_report import report

    built = report.build(loaded, progress=_progress(options))
    return {"bundle": str(built.bundle), **asdict(built.rendered), "seconds": round(built.seconds, 2)}


def _output_of(bundle: Path) -> Path:
    """Where `build` would have drawn this bundle: beside it; `bundle` may also be the folder that holds bundle/."""
    holds_it = (bundle / "bundle" / "manifest.json").is_file() and not (bundle / "manifest.json").is_file()
    if holds_it:
        return bundle
    return bundle.parent if bundle.name not in {"", ".."} else bundle.resolve().parent


def _begin(options: argparse.Namespace) -> None:
    """Say at once what takes the first seconds."""
    if not options.quiet and "torch" not in sys.modules:
        print("loading PyTorch …", file=sys.stderr, flush=True)


def _progress(options: argparse.Namespace) -> Progress:
    from neurflow_report.terminal import progress_for

    return progress_for(sys.stderr, quiet=options.quiet)


# What a result reads like, line by line.


def _schema_words(result: Result) -> list[str]:
    return [str(result["schema"])]


def _validate_words(result: Result) -> list[str]:
    specs = result["specs"]
    return [f"{file}: ok" for file in specs] if isinstance(specs, list) else []


def _init_words(result: Result) -> list[str]:
    return [f"spec: {result['spec']}"]


def _plan_words(result: Result) -> list[str]:
    lines = result["lines"]
    return [str(line) for line in lines] if isinstance(lines, list) else []


def _layers_words(result: Result) -> list[str]:
    from neurflow_report.terminal import layer_lines

    return layer_lines(result)


def _file_words(result: Result) -> list[str]:
    files = {"bundle": "manifest.json", "site": "index.html", "pdf": "", "single": ""}
    return [f"{key}: {Path(str(result[key])) / file}" for key, file in files.items() if result.get(key) is not None]


# The command line's grammar.


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="neurflow-report",
        description="Reports of how a vision classifier decides: neuron groups, circuits, and the evidence for them.",
        epilog="Exit codes: 0 done, 1 a run failed, 2 the command line or an input is wrong, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, help="show the version and end")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add(commands, "schema", _schema, _schema_words, "print the JSON Schema of the spec")
    add_init(_add(commands, "init", _init, _init_words, "write a spec to begin with, for a model and data at hand"))
    validate = _add(
        commands, "validate", _validate, _validate_words, "check specs, and tell every error in them at once"
    )
    validate.add_argument("specs", metavar="SPEC", nargs="+", type=Path, help="a spec file")
    validate.add_argument(
        "--deep", action="store_true", help="check the model, layers, classes, data, memory, disk and programs too"
    )
    plan = _add(commands, "plan", _plan, _plan_words, "tell what a run would do and cost, without doing it")
    add_plan(plan)
    analyze = _add(commands, "analyze", _analyze, _file_words, "examine the network: a spec becomes a bundle")
    build = _add(commands, "build", _build, _file_words, "analyze, then render: a spec becomes a report")
    layers = _add(commands, "layers", _layers, _layers_words, "show where a network can be cut")
    layers.add_argument("model", metavar="MODEL", help=f"a spec file, or {MODEL}")
    layers.add_argument("--size", type=side, metavar="PIXELS", help="side of the input (default: the model's own)")
    for command in (plan, analyze, build):
        command.add_argument("spec", metavar="SPEC", type=Path, help="a spec file")
    for command in (validate, layers, plan, analyze, build):
        add_overrides(command)
    add_render(_add(commands, "render", _render, _file_words, "draw a bundle: no network and no torch needed"))
    return parser


def _add(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    command: Callable[[argparse.Namespace], Result],
    words: Callable[[Result], list[str]],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="the result, or the errors, as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress, and nothing on stdout but JSON")
    parser.set_defaults(command=command, words=words)
    return parser


def _checked(words: Sequence[str]) -> Sequence[str]:
    """The words, unless the first is nearly a command."""
    known = ("init", "schema", "validate", "layers", "plan", "analyze", "render", "build")
    if words and not words[0].startswith("-") and words[0] not in known:
        hint = did_you_mean(words[0], known) or f"the commands are {', '.join(known)}"
        raise InputError("command-line", f"there is no command {words[0]!r}", hint=hint)
    return words
