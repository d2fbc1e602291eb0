"""What a run writes comes to its place all together, whatever ends the run, and however."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neurflow_report.results import staging
from neurflow_report.results.exchange import exchange
from neurflow_report.results.folder_lock import alone
from neurflow_report.results.staging import mend, publish, staged

NAMES = ["bundle", "site", "report.pdf", "report.html"]


def fill(folder: Path, text: str, names: list[str]) -> None:
    """Folders with a file, and files; each holds `text`."""
    for name in names:
        file = folder / name if "." in name else folder / name / "inside" / "file.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def found(output: Path) -> dict[str, str]:
    files = (path for path in sorted(output.rglob("*")) if path.is_file())
    return {path.relative_to(output).parts[0]: path.read_text() for path in files}


def run(output: Path, names: list[str] = NAMES) -> None:
    with staged(output) as fresh:
        fill(fresh, "new", names)
        publish(fresh, output, names)


@pytest.fixture(params=["exchange", "rename"])
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the system's exchange, and without, as on many file systems."""
    if request.param == "rename":
        monkeypatch.setattr(staging, "exchange", lambda *_: False)
    else:
        fill(tmp_path / "try", "", ["a", "b"])
        if not exchange(tmp_path / "try" / "a", tmp_path / "try" / "b"):
            pytest.skip("this system or file system has no exchange")
    return str(request.param)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_exchange(tmp_path: Path, way: str) -> None:
    if way == "rename":
        assert not exchange(tmp_path / "not there", tmp_path)
        return
    fill(tmp_path, "folder", ["a"])
    (tmp_path / "b").write_text("file")
    assert exchange(tmp_path / "a", tmp_path / "b")
    assert ((tmp_path / "a").read_text(), found(tmp_path / "b")) == ("file", {"inside": "folder"})
    assert not exchange(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("before", [[], NAMES, ["site"], ["bundle", "report.pdf"]])
def test_everything_is_in_its_place(output: Path, way: str, before: list[str]) -> None:
    fill(output, "old", before)
    run(output)
    assert found(output) == dict.fromkeys(NAMES, "new")
    assert sorted(path.name for path in output.iterdir()) == sorted(NAMES)


def test_what_is_not_written_stays(output: Path, way: str) -> None:
    fill(output, "old", [*NAMES, "mine"])
    run(output, ["site", "report.pdf"])
    assert found(output) == dict.fromkeys([*NAMES, "mine"], "old") | {"site": "new", "report.pdf": "new"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_failure_before_the_end_changes_nothing(output: Path, error: type[BaseException]) -> None:
    fill(output, "old", NAMES)

    def fails() -> None:
        with staged(output) as fresh:
            fill(fresh, "new", NAMES)
            raise error

    with pytest.raises(error):
        fails()
    assert found(output) == dict.fromkeys(NAMES, "old")
    assert len(list(output.iterdir())) == len(NAMES)


def failing(monkeypatch: pytest.MonkeyPatch, at: Callable[[Path], bool]) -> None:
    """Renames of what `at` says fail."""
    real = Path.rename

    def rename(self: Path, to: Path) -> Path:
        if at(self):
            raise OSError(28, "No space left on device")
        return real(self, to)

    monkeypatch.setattr(Path, "rename", rename)


@pytest.mark.parametrize("before", [[], NAMES, ["bundle", "site"]])
@pytest.mark.parametrize("name", NAMES)
def test_an_error_in_the_middle_takes_all_back(
    output: Path, way: str, before: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(output, "old", before)
    real = staging._put

    def put(stage: Path, place: Path, one: str) -> None:
        if one == name:
            raise OSError(28, "No space left on device")
        real(stage, place, one)

    monkeypatch.setattr(staging, "_put", put)
    with pytest.raises(OSError, match="No space left"):
        run(output)
    assert found(output) == dict.fromkeys(before, "old")
    assert len(list(output.iterdir())) == len(before)


def test_an_error_between_two_renames_takes_all_back(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(output, "old", NAMES)
    monkeypatch.setattr(staging, "exchange", lambda *_: False)
    failing(monkeypatch, lambda path: path.parts[-2:] == ("new", "report.pdf"))
    with pytest.raises(OSError, match="No space left"):
        run(output)
    assert found(output) == dict.fromkeys(NAMES, "old")
    assert len(list(output.iterdir())) == len(NAMES)


def test_what_cannot_be_put_back_is_kept_and_finished_later(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(output, "old", NAMES)
    with monkeypatch.context() as patch:
        patch.setattr(staging, "exchange", lambda *_: False)
        failing(patch, lambda path: path.name == "site" and path.parent.name in {"new", "old"})
        with pytest.raises(OSError, match="No space left"):
            run(output)
    (stage,) = output.glob(".neurflow-report-*")
    assert found(stage / "old")["site"] == "old"
    assert not (output / "site").exists()
    mend(output)
    assert found(output) == dict.fromkeys(NAMES, "new")
    assert len(list(output.iterdir())) == len(NAMES)


def test_a_signal_in_the_middle_is_heard_when_all_is_done(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(output, "old", NAMES)
    real = staging._put

    def put(stage: Path, place: Path, one: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        real(stage, place, one)

    monkeypatch.setattr(staging, "_put", put)
    with pytest.raises(KeyboardInterrupt):
        run(output)
    assert found(output) == dict.fromkeys(NAMES, "new")
    assert len(list(output.iterdir())) == len(NAMES)


CHANGING = ("mkdir", "rename", "unlink", "rmdir", "fsync", "open")
"""Functions of `os` through which all goes that a run changes."""
FORKS = multiprocessing.get_context("forkserver")
"""A worker that has run many tests is too large to be forked often."""


def killed(number: int, output: Path, way: str) -> bool:
    """Put everything in its place in a process that is killed just before such a call; → whether it came to that."""
    child = FORKS.Process(target=run_to, args=(number, output, way))
    child.start()
    child.join()
    assert child.exitcode in {0, -signal.SIGKILL}
    return child.exitcode != 0


def run_to(number: int, output: Path, way: str) -> None:
    if way == "rename":
        staging.exchange = lambda *_: False
    for name in CHANGING:
        setattr(os, name, counted(getattr(os, name), number))
    for name in ("exchange", "json.dump"):
        owner = staging.json if "." in name else staging
        setattr(owner, name.split(".")[-1], counted(getattr(owner, name.split(".")[-1]), number))
    run(output)
    os._exit(0)


calls = 0


def counted(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        global calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)

    return call


@pytest.mark.slow
@pytest.mark.parametrize("before", [NAMES, ["site"]], ids=["over all", "over one"])
def test_killed_at_any_step(tmp_path: Path, way: str, before: list[str]) -> None:
    """What stands in the places is whole at any time; after the next start it is all of one run."""
    FORKS.set_forkserver_preload([__name__])
    number, seen = 1, set[str]()
    while True:
        output = tmp_path / str(number)
        fill(output, "old", before)
        if not killed(number, output, way):
            break
        places = {name: text for name, text in found(output).items() if name in NAMES}
        if way == "exchange":
            assert set(before) <= set(places), "a place was empty"
        mend(output)
        assert found(output) in (dict.fromkeys(before, "old"), dict.fromkeys(NAMES, "new"))
        assert not [path for path in output.iterdir() if path.name.startswith(".")]
        seen.add(" ".join(sorted(set(places.values()))))
        number += 1
    assert number > 15
    assert seen == {"old", "new old", "new"}


def test_a_stage_of_a_living_process_is_left_alone(output: Path) -> None:
    with staged(output) as fresh:
        mend(output)
        assert fresh.is_dir()


def test_nothing_but_stages_is_removed(output: Path) -> None:
    (output / ".neurflow-report-notes").write_text("mine")
    (output / ".hidden").mkdir()
    (output / "elsewhere").mkdir()
    (output / ".neurflow-report-link").symlink_to(output / "elsewhere")
    (output / ".neurflow-report-abc").mkdir()
    mend(output)
    left = {".neurflow-report-notes", ".hidden", "elsewhere", ".neurflow-report-link"}
    assert {path.name for path in output.iterdir()} == left


def test_what_somebody_put_in_the_way_meanwhile_is_left_alone(output: Path) -> None:
    fill(output, "old", ["site"])
    stage = output / ".neurflow-report-killed"
    fill(stage / "new", "new", ["site"])
    (stage / "old").mkdir()
    staging._write_journal(stage, output, {"site": (stage / "new" / "site").stat().st_ino})
    (output / "site" / "mine.txt").write_text("mine")
    mend(output)
    assert (output / "site" / "mine.txt").read_text() == "mine"
    assert [path.name for path in output.iterdir()] == ["site"]


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "null", '{"site": 3}', '{"site": [1]}', '{"../x": [1, null]}', "[" * 9999]
)
def test_a_journal_that_is_none_of_ours_moves_nothing(output: Path, text: str) -> None:
    fill(output, "old", ["site"])
    stage = output / ".neurflow-report-killed"
    fill(stage / "new", "new", ["site"])
    (stage / staging.JOURNAL).write_text(text)
    mend(output)
    assert [path.name for path in output.iterdir()] == ["site"]
    assert found(output) == {"site": "old"}


def test_where_there_are_no_locks_nothing_is_removed(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (output / ".neurflow-report-abc").mkdir()
    monkeypatch.setattr("neurflow_report.results.folder_lock.fcntl", None)
    with alone(output) as mine:
        assert not mine
    mend(output)
    assert (output / ".neurflow-report-abc").is_dir()
