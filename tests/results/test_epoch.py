"""SOURCE_DATE_EPOCH: a moment, or an error before anything is done."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from neurflow_report.errors import InputError
from neurflow_report.report import check, render
from neurflow_report.results.epoch import importing, source_date
from neurflow_report.spec.load import load_spec
from tests.sample_bundle import frozen_bundle

HINT = "unset it, or set it as in SOURCE_DATE_EPOCH=1700000000"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("0001700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("253402300799", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_moment(monkeypatch: pytest.MonkeyPatch, text: str, expected: datetime | None) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    assert source_date() == expected


WRONG = ["yesterday", "-1", "1.5", "1e9", " 1", "253402300800", "9" * 5000, "²", "٣", "+1", "2026-01-01", "nan"]


@pytest.mark.parametrize("text", WRONG)
def test_no_moment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(InputError) as caught:
        source_date()
    shown = text if len(text) < 100 else "9" * 57 + "…"
    assert (caught.value.slug, caught.value.hint) == ("environment-bad-value", HINT)
    assert caught.value.message == (
        f"the environment variable SOURCE_DATE_EPOCH is {shown!r}, and the seconds since 1970 were expected, "
        "0 to 253402300799"
    )


def test_it_is_told_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frozen_bundle(tmp_path, pictures=1)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH is 'soon'"):
        render(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_it_is_told_with_all_else_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    loaded = load_spec(Path(__file__).parents[2] / "specs" / "demo.yaml", ["classes=[nothing]"])
    with pytest.raises(InputError) as caught:
        check(loaded)
    assert [problem.slug for problem in caught.value.problems()] == ["environment-bad-value", "class-unknown"]


@pytest.mark.slow
@pytest.mark.parametrize(("value", "code", "told"), [("abc", 2, "is 'abc', and the seconds"), ("", 0, "")])
def test_packages_that_read_it_do_not_fail_before_it_is_checked(value: str, code: int, told: str) -> None:
    """SciPy's import runs int() on it."""
    demo = Path(__file__).parents[2] / "specs" / "demo.yaml"
    command = [sys.executable, "-m", "neurflow_report", "plan", str(demo), "--no-time", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"SOURCE_DATE_EPOCH": value})
    assert (done.returncode, "internal-error" in done.stderr) == (code, False), done.stderr
    assert told in done.stderr


def test_an_empty_one_is_there_again_after_the_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    with importing():
        assert "SOURCE_DATE_EPOCH" not in os.environ
    assert os.environ["SOURCE_DATE_EPOCH"] == ""
