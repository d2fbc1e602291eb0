"""What the terminal shows: errors with a caret, progress in lines and in bars."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from neurflow_report.errors import InputError, Where
from neurflow_report.progress import Progress, Silent
from neurflow_report.terminal import Lines, Live, as_json, describe, described, progress_for


def error(file: str, line: int = 2, column: int = 8, hint: str = "do this") -> InputError:
    return InputError("spec-bad-value", "m", hint=hint, path=("a", 1), where=Where(file=file, line=line, column=column))


def test_an_error_shows_its_line_and_a_caret(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("a:\n\tb: [ü, ö]\n")
    assert describe(error(str(file))) == (
        f"error: {file}:2:8 a[1]: m [spec-bad-value]\n     b: [ü, ö]\n           ^\n  hint: do this"
    )


def test_a_hint_that_several_errors_have_is_told_once() -> None:
    errors = [error("a", 0, hint=hint) for hint in ("one", "one", "", "two", "one")]
    hints = [line for line in described(errors).split("\n") if line.startswith("  hint")]
    assert hints == ["  hint: one", "  hint: two", "  hint: one"]
    assert described(errors).count("error: ") == 5


def test_a_long_line_is_cut_around_the_caret(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("x" * 500 + "!" + "y" * 500)
    _, line, caret, _ = describe(error(str(file), 1, 501)).split("\n")
    assert len(line) < 120
    assert line[caret.index("^")] == "!"


@pytest.mark.parametrize(("line", "column"), [(0, 0), (99, 1)])
def test_without_a_line_there_is_no_caret(tmp_path: Path, line: int, column: int) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("a: 1\n")
    assert "^" not in describe(error(str(file), line, column))
    assert "^" not in describe(error("--set a=1"))


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("a: \x1b[31mred\n")
    text = describe(InputError("spec-bad-value", "\x1b]0;title\x07", where=Where(file=str(file), line=1, column=1)))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_an_error_as_json() -> None:
    assert as_json(error("s.yaml")) == {
        "slug": "spec-bad-value", "message": "m", "path": "a[1]", "file": "s.yaml", "line": 2, "column": 8,
        "hint": "do this",
    }  # fmt: skip
    assert as_json(InputError("data-empty", "m"))["file"] == ""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines() -> None:
    stream, clock = io.StringIO(), Clock()
    with Lines(stream, clock=clock, every=5).stage("attribute", 100) as step:
        for _ in range(10):
            clock.now += 1
            step.advance(5)
        step.note("a smaller batch")
        clock.now += 60
        step.advance(50)
    assert stream.getvalue().splitlines() == [
        "attribute: 25/100, 5 a second",
        "attribute: 50/100, 5 a second",
        "attribute: a smaller batch",
        "attribute: 100/100 in 1 min 10 s",
    ]


def test_lines_without_a_total_or_ended_by_an_error() -> None:
    stream, clock = io.StringIO(), Clock()

    def failing() -> None:
        with Lines(stream, clock=clock).stage("draw", None) as step:
            clock.now = 6
            step.advance(120)
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        failing()
    assert stream.getvalue() == "draw: 120, 20 a second\ndraw: stopped at 120\n"


def test_lines_of_a_stage_that_does_not_count() -> None:
    stream, clock = io.StringIO(), Clock()
    with Lines(stream, clock=clock).stage("load", None):
        clock.now = 2
    assert stream.getvalue() == "load: done in 2.0 s\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_may_lie_within_each_other() -> None:
    stream = Terminal()
    live = Live(stream)
    for _ in range(2):
        with live.stage("outer [b]", 2) as outer, live.stage("inner", None) as inner:
            inner.advance()
            outer.advance()
            outer.note("[note]")
    assert "outer [b]" in stream.getvalue()
    assert "[note]" in stream.getvalue()
    assert live.bars is None


def test_the_progress_suits_the_stream() -> None:
    assert isinstance(progress_for(io.StringIO(), quiet=False), Lines)
    assert isinstance(progress_for(Terminal(), quiet=False), Live)
    quiet: Progress = progress_for(Terminal(), quiet=True)
    assert isinstance(quiet, Silent)
    with quiet.stage("x", 1) as step:
        step.advance()
        step.note("x")
