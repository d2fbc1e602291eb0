"""An output folder belongs to one run at a time, and to none when that has ended, however it ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from neurflow_report.errors import InputError
from neurflow_report.results.folder_lock import claimed

HOLD = """
import sys
from pathlib import Path
from neurflow_report.results.folder_lock import claimed
with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_two_runs_at_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"claimed\n"
        with pytest.raises(InputError) as caught, claimed(tmp_path):
            pass
        assert str(caught.value) == (
            f"output: another run is writing to {tmp_path} [output-unwritable]\n"
            "  hint: wait until it is done, or set `output` to another folder"
        )
        other.kill()
    assert not taken_by_another_thread(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_within_a_claim_is_the_same_run_s(tmp_path: Path) -> None:
    with claimed(tmp_path):
        with (
            claimed(
                tmp_path / "." / "..",
            ),
            claimed(tmp_path),
        ):
            pass
        assert taken_by_another_thread(tmp_path)
    assert not taken_by_another_thread(tmp_path)


def taken_by_another_thread(folder: Path) -> bool:
    found = []

    def attempt() -> None:
        try:
            with claimed(folder):
                pass
        except InputError:
            found.append(True)

    thread = Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(found)


def test_it_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path):
        raise KeyboardInterrupt
    assert not taken_by_another_thread(tmp_path)


def test_it_ends_where_a_forked_child_lives_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = []
    real = os.open

    def opened(*arguments: Any) -> int:
        handle = real(*arguments)
        handles.append(os.dup(handle))  # as a fork makes one
        return handle

    monkeypatch.setattr(os, "open", opened)
    with claimed(tmp_path):
        pass
    monkeypatch.undo()
    assert not taken_by_another_thread(tmp_path)
    for handle in handles:
        os.close(handle)


def test_a_folder_that_cannot_be_opened_is_nobody_s(tmp_path: Path) -> None:
    for name in ("not/yet", "a" * 300):
        with claimed(tmp_path / name):
            assert not taken_by_another_thread(tmp_path / name)


@pytest.mark.parametrize("taken_away", [False, True], ids=["stays", "taken away"])
def test_who_waits_has_it_when_the_other_is_done(tmp_path: Path, taken_away: bool) -> None:
    """A run that fails takes the folder away that was made for it."""
    folder, told = tmp_path / "out", list[str]()
    folder.mkdir()
    held, go = Event(), Event()

    def other() -> None:
        with claimed(folder):
            held.set()
            go.wait(20)
            if taken_away:
                folder.rmdir()
        told.append("done")

    @contextmanager
    def waiting() -> Iterator[None]:
        told.append("waits")
        go.set()
        yield

    thread = Thread(target=other)
    thread.start()
    assert held.wait(20)
    with claimed(folder, wait=waiting):
        thread.join()
        assert told == ["waits", "done"]
        assert folder.is_dir()
        assert taken_by_another_thread(folder)
    with claimed(folder, wait=waiting):
        assert told == ["waits", "done"]
