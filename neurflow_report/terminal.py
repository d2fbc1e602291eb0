"""What the terminal shows: errors with their line and a caret, and how far a run is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from neurflow_report.errors import InputError, ReportError, Where, at_command, spell_path
from neurflow_report.ordinary import read_ordinary
from neurflow_report.progress import Progress, Silent, Step
from neurflow_report.time_left import Expected, TimeLeft

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID

    from neurflow_report.setup.starter import Ask

SECONDS_BETWEEN_LINES = 5.0
WIDTH = 110
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def described(errors: Sequence[ReportError]) -> str:
    """Errors as people read them, one below the other; a hint that several in a row have stands below the last."""
    following = [*(error.hint for error in errors[1:]), ""]
    return "\n".join(
        describe(error, hinted=error.hint != after) for error, after in zip(errors, following, strict=True)
    )


def describe(error: ReportError, *, hinted: bool = True) -> str:
    """An error as people read it: place, message and slug; the line of the file with a caret; the hint."""
    head, _, hint = error.told(at_command).partition("\n  hint: ")
    lines = [f"error: {head}", *_caret(error.where)]
    if hint and hinted:
        lines.append(f"  hint: {hint}")
    return _CONTROL.sub("�", "\n".join(lines))


def as_json(error: ReportError) -> dict[str, object]:
    """An error as a program reads it. `line` and `column` count from 1 and are 0 where unknown."""
    where = error.where or Where(file="")
    return {
        "slug": error.slug,
        "message": error.message,
        "path": spell_path(error.path),
        "file": at_command(where.file),
        "line": where.line,
        "column": where.column,
        "hint": at_command(error.hint),
    }


def _caret(where: Where | None) -> list[str]:
    if where is None or not where.line:
        return []
    try:
        line = read_ordinary(Path(where.file)).decode("utf-8-sig").split("\n")[where.line - 1].rstrip()
    except (OSError, ValueError, IndexError):
        return []
    column = min(where.column, len(line) + 1)
    start = max(0, column - WIDTH + 20)
    shown = _CONTROL.sub("�", line[start : start + WIDTH].replace("\t", " "))
    return [f"    {shown}", f"    {' ' * (column - 1 - start)}^"]


def layer_lines(tree: Mapping[str, Any]) -> list[str]:
    """The tree of a network's layers as people read it."""
    rows = tree["rows"]
    names = ["  " * row["name"].count(".") + row["name"] for row in rows]
    wide = max((len(name) for name in names), default=0)
    shape = " × ".join(map(str, tree["input"]))
    head = f"{tree['model']}: {_short(tree['parameters'])} parameters; {_short(tree['multiply_adds'])} multiply-adds"
    lines = [f"{head} for a picture of {shape}", f"  {'layer':{wide}}  {'output':>16}  {'multiply-adds':>13}"]
    for name, row in zip(names, rows, strict=True):
        output = "not a cut" if row["shape"] is None else " × ".join(map(str, row["shape"]))
        mark = "*" if row["auto"] else " "
        same = f"  = {row['same_as']}" if row["same_as"] else ""
        lines.append(f"{mark} {name:{wide}}  {output:>16}  {_short(row['multiply_adds']):>13}{same}")
    return [*lines, "* what `layers: auto` takes"]


def _short(count: int) -> str:
    """A count with three figures: 1.81 G, 11.7 M, 512."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


T = TypeVar("T")
QUESTIONS = {
    "Model": "which network: resnet50, timm:…, python:package.module:callable, demo:flowers",
    "Weights": "a name, a checkpoint (.safetensors, .pt, .pth, .th, .ckpt, .bin, .tar), or none",
    "Pictures": "a folder with a sub-folder per class, a CSV file, NAME:FOLDER for a torchvision data set, or demo",
    "Preprocessing": "what the network was trained with",
    "Classes": "names or numbers, with commas between them",
    "Layers": "names with commas between them, from input to output, or auto",
}
"""What the questions of `init` ask for."""


def answers(source: TextIO, out: TextIO, given: Mapping[str, str | None], *, take_defaults: bool) -> Ask:
    """Who answers what `init` was not given: someone at the terminal `source`, or, where that is none, the defaults.

    Raises: InputError command-line where nobody can be asked and no default was asked for (`take_defaults`).
    """
    if take_defaults:
        return _Defaults()
    if source.isatty():
        return _Asking(source, out)
    if missing := [f"--{name}" for name in ("model", "data") if given[name] is None]:
        message = f"init needs {' and '.join(missing)}: there is no terminal to ask at"
        raise InputError("command-line", message, hint="--yes takes the defaults, which are those of the demo")
    return _Defaults()


class _Defaults:
    """Answers every question with its default."""

    def __call__(self, question: str, default: str, read: Callable[[str], T]) -> T:
        if not default:
            message = f"init needs --data with this model: {QUESTIONS[question]}"
            raise InputError("command-line", message, hint="only the demo's pictures are at hand by themselves")
        return read(default)


@dataclass(frozen=True)
class _Asking:
    """Asks at a terminal, until an answer can be used; what is wrong with one is told."""

    source: TextIO
    out: TextIO

    def __call__(self, question: str, default: str, read: Callable[[str], T]) -> T:
        usual = f" [{_CONTROL.sub('�', default)}]" if default else ""
        while True:
            print(f"{question} ({QUESTIONS[question]}){usual}: ", end="", file=self.out, flush=True)
            line = self.source.readline()
            if not line:
                raise InputError("command-line", "the input ended in the middle", hint="--yes takes the defaults")
            try:
                if answer := line.strip() or default:
                    return read(answer)
            except ReportError as error:
                print(described(error.problems()), file=self.out)


def progress_for(stream: TextIO, *, quiet: bool) -> Progress:
    """The progress that suits a stream: none, lively on a terminal, plain lines elsewhere."""
    if quiet:
        return Silent()
    return Live(stream) if stream.isatty() else Lines(stream)


class Lines:
    """Progress as plain lines: one when a stage ends, and one every few seconds on the way.

    Args:
        clock: gives seconds.
        every: the least time between two lines of a stage that is under way.
    """

    def __init__(
        self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic, every: float = SECONDS_BETWEEN_LINES
    ) -> None:
        self.stream, self.clock, self.every = stream, clock, every
        self.run = TimeLeft(clock)

    def expect(self, stages: Sequence[Expected]) -> None:
        """The stages of the whole run, whose time left is told from then on where it is known."""
        self.run.expect(stages)

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:
        """Begin a stage; its last line is written when it ends."""
        step = _LineStep(self, name, total)
        self.run.begin(name)
        try:
            yield step
        except BaseException:
            self.say(f"{name}: stopped" + (f" at {step.count()}" if step.done else ""))
            raise
        self.run.end(name)
        done = step.count() if step.done or total is not None else "done"
        self.say(f"{name}: {done} in {_seconds(step.elapsed())}{self.left()}")

    def left(self) -> str:
        """The time left of the whole run, to follow what is said."""
        left = time_left(self.run.seconds())
        return f"; {left}" if left else ""

    def say(self, text: str) -> None:
        """Write one line at once."""
        print(_CONTROL.sub("�", text), file=self.stream, flush=True)


class _LineStep:
    def __init__(self, lines: Lines, name: str, total: int | None) -> None:
        self.lines, self.name, self.total = lines, name, total
        self.done = 0
        self.begun = self.told = lines.clock()

    def elapsed(self) -> float:
        return self.lines.clock() - self.begun

    def count(self) -> str:
        return f"{self.done}" if self.total is None else f"{self.done}/{self.total}"

    def advance(self, n: int = 1) -> None:
        self.done += n
        if self.total:
            self.lines.run.reach(self.name, self.done / self.total)
        now = self.lines.clock()
        if now - self.told < self.lines.every or self.done == self.total:
            return
        self.told = now
        rate = self.done / (now - self.begun)
        self.lines.say(f"{self.name}: {self.count()}, {_rate(rate)}{self.lines.left()}")

    def note(self, text: str) -> None:
        self.lines.say(f"{self.name}: {text}")


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def time_left(seconds: float | None) -> str:
    """The time left of a whole run as people say it; nothing where it is not known, or next to none."""
    if seconds is None or seconds < 2.5:
        return ""
    if seconds < 57.5:
        return f"about {5 * round(seconds / 5)} s left in all"
    minutes = max(1, round(seconds / 60))
    told = f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
    return f"about {told} left in all"


def _rate(rate: float) -> str:
    return f"{rate:.0f} a second" if rate >= 10 else f"{rate:.2g} a second"


class Live:
    """Progress as bars that move, on a terminal; a stage that is done stays as one line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.bars: RichBars | None = None
        self.depth = 0
        self.run = TimeLeft()

    def expect(self, stages: Sequence[Expected]) -> None:
        """The stages of the whole run, whose time left is shown from then on where it is known."""
        self.run.expect(stages)

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:
        """Begin a stage: a bar; stages may lie within each other."""
        bars = self.bars = self.bars or _bars(self.stream)
        if self.depth == 0:
            bars.start()
        self.depth += 1
        task = bars.add_task(name, total=total, left=time_left(self.run.seconds()))
        self.run.begin(name)
        try:
            yield _LiveStep(self.run, bars, task, name, total)
            self.run.end(name)
            if total is None:  # a bar without an end would look as if it still ran
                done = max(bars.tasks[task].completed, 1)
                bars.update(task, total=done, completed=done)
        finally:
            bars.update(task, left="")
            bars.stop_task(task)
            self.depth -= 1
            if self.depth == 0:
                bars.stop()
                self.bars = None


class _LiveStep:
    def __init__(self, run: TimeLeft, bars: RichBars, task: TaskID, name: str, total: int | None) -> None:
        self.run, self.bars, self.task, self.name, self.total = run, bars, task, name, total
        self.done = 0

    def advance(self, n: int = 1) -> None:
        self.done += n
        if self.total:
            self.run.reach(self.name, self.done / self.total)
        self.bars.update(self.task, advance=n, left=time_left(self.run.seconds()))

    def note(self, text: str) -> None:
        self.bars.console.print(_CONTROL.sub("�", text), markup=False, highlight=False)


def _bars(stream: TextIO) -> RichBars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichBars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
    )
    return RichBars(*columns, console=Console(file=stream), refresh_per_second=4)
