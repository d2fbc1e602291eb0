"""A spec file → a `Spec`, or every error in it at once, each with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from neurflow_report import errors
from neurflow_report.errors import InputError, InputErrors, ReportError, Where
from neurflow_report.ordinary import no_file, read_ordinary
from neurflow_report.spec.explain import Finding
from neurflow_report.spec.mistakes import checked
from neurflow_report.spec.nodes import Tree, parse
from neurflow_report.spec.override import Override, apply, parse_override
from neurflow_report.spec.schema import Spec

LARGEST = 256 * 1024
E = TypeVar("E", bound=ReportError)


@dataclass(frozen=True, kw_only=True)
class LoadedSpec:
    """A valid spec, the text it was read from, and where each value stands.

    Attributes:
        file: as the user named it.
        places: maps the paths of the values that are written out; a value that an override set stands in that option.
        allow_code: the user lets code that the spec names run.
    """

    spec: Spec
    text: str
    file: Path
    places: Mapping[errors.Path, Where]
    allow_code: bool = False

    def where(self, path: errors.Path) -> Where | None:
        """Where `path` stands, or the nearest thing around it; None for the empty path of an empty place map."""
        return _nearest(self.places, path)


def load_spec(file: Path | str, overrides: Sequence[str] = (), *, allow_code: bool = False) -> LoadedSpec:
    """Read and check the spec `file`, with `overrides` such as `core.tau=8` put in, in their order.

    Args: allow_code: what is done with the spec may import and run the code that it names (`source: python`); nothing
        is run here.
    Raises: InputErrors with every error found: spec-unreadable, spec-syntax, spec-duplicate-key, spec-unknown-key,
        spec-missing-key, spec-wrong-type, spec-bad-value, spec-override.
    """
    file = Path(file)
    return check_text(_read(file), file, overrides, allow_code=allow_code)


def check_text(text: str, file: Path, overrides: Sequence[str] = (), *, allow_code: bool = False) -> LoadedSpec:
    """The same for the text of a spec that `file` holds, or will hold."""
    try:
        tree = parse(text, str(file))
    except InputError as error:
        raise InputErrors([error]) from error
    options, problems = _options(overrides)
    value, problems = _overridden(tree.value, options, [*tree.errors, *problems])
    places = _places(tree, options, str(file))
    spec, found = checked(value)
    if found:
        raise InputErrors(in_order([*problems, *(_error(finding, tree, places, str(file)) for finding in found)]))
    if problems or spec is None:
        raise InputErrors(problems)
    return LoadedSpec(spec=spec, text=text, file=file, places=places, allow_code=allow_code)


def located(error: ReportError, loaded: LoadedSpec) -> ReportError:
    """The same error with `where` filled in from its path; a collection's errors too. What has a place keeps it."""
    if isinstance(error, InputErrors):
        return _with_notes(InputErrors(located(problem, loaded) for problem in error.errors), error)
    if error.where is not None or not error.path:
        return error
    path = error.path
    if loaded.spec.model.source == "python" and path in {("model",), ("model", "name")}:
        path = ("model", "factory")  # what names the network there
    placed = type(error)(error.slug, error.message, hint=error.hint, path=path, where=loaded.where(path))
    return _with_notes(placed, error)


def _with_notes(error: E, other: BaseException) -> E:
    for note in getattr(other, "__notes__", ()):
        error.add_note(note)
    return error


def _read(file: Path) -> str:
    try:
        if not file.is_file():
            raise _unreadable(file, _what_is_there(file))
        if (size := file.stat().st_size) > LARGEST:
            raise _unreadable(file, f"the file has {size / 1e6:.1f} MB, a spec at most {LARGEST // 1024} KiB")
        return read_ordinary(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        hint = "save the file as UTF-8"
        raise _unreadable(file, f"byte {error.start} (in line {line}) is not UTF-8", hint) from error
    except (OSError, ValueError) as error:
        raise _unreadable(file, f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _what_is_there(file: Path) -> str:
    if file.is_dir():
        return "this is a folder"
    if file.exists():
        return "this is no ordinary file"
    return f"there is no such file{no_file(file) or ''}"


def _unreadable(
    file: Path, message: str, hint: str = "give the path of a spec file, such as specs/demo.yaml"
) -> InputErrors:
    return InputErrors([InputError("spec-unreadable", message, hint=hint, where=Where(file=str(file)))])


def _options(overrides: Sequence[str]) -> tuple[list[Override], list[InputError]]:
    options, problems = [], []
    for text in overrides:
        try:
            options.append(parse_override(text))
        except InputError as error:
            problems.append(error)
    return options, problems


def _overridden(
    value: object, options: Sequence[Override], problems: list[InputError]
) -> tuple[object, list[InputError]]:
    for option in options:
        try:
            value = apply(option, value)
        except InputError as error:
            problems = [*problems, error]
    return value, problems


def _places(tree: Tree, options: Sequence[Override], file: str) -> dict[errors.Path, Where]:
    places = {path: Where(file=file, line=line, column=column) for path, (line, column) in tree.values.items()}
    for option in options:
        depth = len(option.path)
        places = {path: where for path, where in places.items() if path[:depth] != option.path}
        for length in range(1, depth):
            places.setdefault(option.path[:length], option.where)
        places[option.path] = option.where
    return places


def _nearest(places: Mapping[errors.Path, Where], path: errors.Path) -> Where | None:
    return next((places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in places), None)


def _error(finding: Finding, tree: Tree, places: Mapping[errors.Path, Where], file: str) -> InputError:
    where = _nearest(places, finding.path)
    if finding.at_key and finding.path in tree.keys and where is not None and where.file == file:
        line, column = tree.keys[finding.path]
        where = Where(file=file, line=line, column=column)
    return InputError(finding.slug, finding.message, hint=finding.hint, path=finding.path, where=where)


def in_order(problems: Sequence[E]) -> list[E]:
    """By their place in the file; what has none first, options last."""
    return sorted(problems, key=lambda e: (e.where.line or 1_000_000, e.where.column) if e.where else (0, 0))
