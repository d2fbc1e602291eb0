"""An output folder belongs to one run at a time, and to none when that has ended, however it ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from neurflow_report.errors import InputError
from neurflow_report.results.claim import check_unclaimed, claimed

HOLD = """
import sys
from pathlib import Path
from neurflow_report.results.claim import claimed
with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_two_runs_at_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"claimed\n"
        for attempt in (lambda: claimed(tmp_path).__enter__(), lambda: check_unclaimed(tmp_path)):
            with pytest.raises(InputError) as caught:
                attempt()
            assert str(caught.value) == (
                f"output: another run is writing to {tmp_path} [output-unwritable]\n"
                "  hint: wait until it is done, or set `output` to another folder"
            )
        other.kill()
    check_unclaimed(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_within_a_claim_is_the_same_run_s(tmp_path: Path) -> None:
    with claimed(tmp_path):
        with (
            claimed(
                tmp_path / "." / "..",
            ),
            claimed(tmp_path),
        ):
            check_unclaimed(tmp_path)
        assert taken_by_another_thread(tmp_path)
    assert not taken_by_another_thread(tmp_path)


def taken_by_another_thread(folder: Path) -> bool:
    found = []

    def attempt() -> None:
        try:
            check_unclaimed(folder)
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


def test_a_folder_that_is_not_there_is_nobody_s(tmp_path: Path) -> None:
    check_unclaimed(tmp_path / "not" / "yet")
    check_unclaimed(tmp_path / ("a" * 300))
