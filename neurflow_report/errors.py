"""The errors a user can meet: what was wrong, where, what was expected, what to do.

Every error carries a slug from `SLUGS`, and docs/errors.md has a section for each slug.
A lower room that knows only its own arguments raises with `path` (the argument's name, as the spec calls it);
the room that knows the file adds `where`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeVar

Path = tuple[str | int, ...]
T = TypeVar("T")

SLUGS: dict[str, str] = {
    "command-line": "The command line cannot be understood.",
    "environment-bad-value": "An environment variable has a value that cannot be used.",
    "spec-unreadable": "The spec file cannot be read.",
    "spec-syntax": "The spec is not valid YAML.",
    "spec-duplicate-key": "A key stands twice in one mapping.",
    "spec-unknown-key": "The spec has a key that does not exist.",
    "spec-missing-key": "A key that is needed is not there.",
    "spec-wrong-type": "A value has the wrong type.",
    "spec-bad-value": "A value is outside what is allowed.",
    "spec-override": "A --set option cannot be understood.",
    "missing-package": "An optional Python package or system library is not installed.",
    "model-unknown": "There is no model of that name.",
    "weights-unknown": "The model has no weights of that name.",
    "weights-unreadable": "The weights file cannot be read, or would need unpickling.",
    "weights-mismatch": "The weights do not fit the model.",
    "weights-ambiguous": "The weights file holds several states that fit the model.",
    "names-unreadable": "The file with the class names cannot be read.",
    "code-not-allowed": "The spec names code to run, and that was not allowed.",
    "factory-failed": "The code that makes the network failed, or returned something else.",
    "model-fails": "The network itself fails on a picture.",
    "model-input": "The network takes something else than a batch of pictures.",
    "model-output": "The network returns something else than a number for each of several classes.",
    "model-random": "Two runs of the network on the same pictures differ.",
    "model-batch": "A picture's result depends on the other pictures in its batch.",
    "model-precision": "The network computes in a lower precision than its segments would.",
    "model-not-traceable": "The model cannot be traced into a graph.",
    "layer-unknown": "The model has no layer of that name.",
    "layer-reused": "The layer is called more than once in a pass.",
    "layers-order": "The layers are not in the order of the network.",
    "layers-not-a-cut": "Another tensor crosses between two declared layers.",
    "layers-top": "The last layer is not the network's output.",
    "too-few-layers": "The network has too few layers of the kind asked for.",
    "layer-shape": "The layer's output has a shape that has no channels.",
    "no-gradient": "No gradient leads from a layer back to the one below it.",
    "precision-device": "The device does not have the arithmetic that is asked for.",
    "not-finite": "A layer's activation holds NaN or Inf.",
    "data-missing": "The data folder or data set does not exist.",
    "data-unsafe": "The data set's reader would run code that lies in a file.",
    "data-empty": "The data holds no picture.",
    "labels-unusable": "What labels of neuron groups are to come from cannot be used.",
    "concepts-unusable": "A folder of concepts cannot be used, or a concept has too few pictures.",
    "picture-unreadable": "A picture that is named cannot be read.",
    "data-layout": "The data folder holds no sub-folder for each class.",
    "labels-unclear": "The labels cannot be read as classes or outputs.",
    "data-changed": "A picture that a run had read was changed, or cannot be read again.",
    "class-unknown": "There is no class of that name.",
    "class-empty": "A class has no picture.",
    "classes-mismatch": "The data's classes and the model's outputs do not agree.",
    "too-few-patches": "A class has fewer patches than the concept needs.",
    "too-few-images": "No picture of the data counts for the class.",
    "device-unavailable": "The device asked for is not there.",
    "ray-unreachable": "There is no Ray at the address.",
    "out-of-memory": "The memory does not suffice for even one patch.",
    "bundle-missing": "There is no bundle there.",
    "bundle-other": "The bundle is of another network than the spec's.",
    "bundle-damaged": "A file of the bundle does not match its digest, is missing, or contradicts another.",
    "shard-missing": "There is no shard there.",
    "shard-damaged": "A shard is not what was written.",
    "shard-mismatch": "Shards are not of the same run.",
    "shard-incomplete": "A class is in none of the shards.",
    "bundle-version": "The bundle has a format that this version cannot read.",
    "report-missing": "There is no site of that bundle beside it.",
    "report-changed": "A file of a report is not what the bundle gives.",
    "not-reproduced": "A figure that was computed anew is another.",
    "archive-changed": "An archive, or a file in it, is not as `archive` writes it.",
    "condition-bad": "A condition on a comparison cannot be understood, or is about nothing.",
    "condition-met": "A condition on a comparison is met.",
    "card-file": "The file for a model card's section cannot be used.",
    "names-file": "The file with names by hand cannot be used.",
    "output-unwritable": "The output cannot be written.",
    "template-broken": "A template of yours is not there, or cannot be used.",
    "graphviz-missing": "Graphviz's program `dot` is not installed, or failed.",
    "class-failed": "A class could not be examined, and the run kept going.",
    "process-ended": "A process of the run ended by itself.",
    "interrupted": "The run was interrupted.",
    "internal-error": "The program itself failed.",
}


class Wording(str):
    """Text as it is told to a caller in Python; `command`: as it is told at the command line."""

    __slots__ = ("command",)
    command: str

    def __new__(cls, text: str, *, command: str) -> Wording:
        told = super().__new__(cls, text)
        told.command = command
        return told

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:
        return (str(self),), {"command": self.command}


def at_command(text: str) -> str:
    """`text` as it is told at the command line."""
    return text.command if isinstance(text, Wording) else text


@dataclass(frozen=True, kw_only=True)
class Where:
    """A place in a text file; line and column count from 1, 0 where unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ReportError(Exception):
    """Base of every error a user can meet. `exit_code` is what the command line ends with.

    Args:
        slug: a key of `SLUGS`.
        message: what was found and what was expected, one sentence.
        hint: what to do.
        path: the place in the spec, such as ("layers", 2).
        where: the place in a file.
    Raises: KeyError for a slug that is not registered (a programming mistake).
    """

    exit_code = 1

    def __init__(self, slug: str, message: str, *, hint: str = "", path: Path = (), where: Where | None = None) -> None:
        if slug not in SLUGS:
            raise KeyError(slug)
        super().__init__(message)
        self.slug, self.message, self.hint, self.path, self.where = slug, message, hint, path, where

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.slug, self.message, self.hint, self.path, self.where)

    def __str__(self) -> str:
        return self.told(str)

    def told(self, wording: Callable[[str], str]) -> str:
        """The error with its place, slug and hint; `wording` says how what depends on the caller is told."""
        where = "" if self.where is None else str(replace(self.where, file=wording(self.where.file)))
        place = " ".join(p for p in (where, spell_path(self.path)) if p)
        text = f"{place}: {self.message}" if place else self.message
        text = f"{text} [{self.slug}]"
        return f"{text}\n  hint: {wording(self.hint)}" if self.hint else text

    def problems(self) -> tuple[ReportError, ...]:
        """The single errors this one stands for: itself, unless it is a collection."""
        return (self,)


class InputError(ReportError):
    """The command line, the spec, or what the spec points at is wrong. Exit code 2."""

    exit_code = 2


class RunError(ReportError):
    """A run that was asked for rightly failed. Exit code 1."""

    exit_code = 1


class CheckError(ReportError):
    """A check said no: what was looked at is not as it should be. Exit code 3."""

    exit_code = 3


class CheckErrors(CheckError):  # noqa: N818
    """All that a check found, told at once. Never empty."""

    def __init__(self, errors: Iterable[CheckError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.slug, first.message, hint=first.hint, path=first.path, where=first.where)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

    def problems(self) -> tuple[ReportError, ...]:
        return self.errors


class InputErrors(InputError):  # noqa: N818
    """Several input errors found in one go, told at once. Never empty."""

    def __init__(self, errors: Iterable[ReportError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.slug, first.message, hint=first.hint, path=first.path, where=first.where)

    def __reduce__(self) -> tuple[Any, ...]:
        return InputErrors, (self.errors,)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

    def problems(self) -> tuple[ReportError, ...]:
        return self.errors


def _again(kind: type[ReportError], slug: str, message: str, hint: str, path: Path, where: Where | None) -> ReportError:
    """An error that another process raised."""
    return kind(slug, message, hint=hint, path=path, where=where)


class Gathered:
    """Errors of things that do not depend on each other, so that all of them are told at once."""

    def __init__(self, errors: Iterable[ReportError] = ()) -> None:
        self.errors = list(errors)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What `work` gives; None where it raises an error of this module, which is kept."""
        try:
            return work()
        except ReportError as error:
            _let_go(error)
            self.errors += error.problems()
            return None

    def tell(self) -> None:
        """Raise what was gathered, if anything: a single error as itself, several as InputErrors."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise InputErrors(self.errors)


def _let_go(error: BaseException | None) -> None:
    """Let go of the values in the frames that an error, and what led to it, came through: they may be a network's."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def spell_path(path: Path) -> str:
    """A spec path as people write it: ("layers", 2) → `layers[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Iterable[str], *, most: int = 3) -> str:
    """`did you mean 'a' or 'b'?`, or the empty string when nothing known is close to `word`."""
    names = list(known)
    lower = {n.lower(): n for n in reversed(names)}
    close = [lower[m] for m in get_close_matches(word.lower(), lower, n=most, cutoff=0.6)]
    return f"did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
