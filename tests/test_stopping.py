"""Signals that end a run: told at any time, even during the imports, and what is on the way is cleaned up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from neurflow_report import cli
from neurflow_report.commands import schema
from neurflow_report.stopping import SIGNALS, Stopped, listening

ROOT = Path(__file__).parents[1]
TOLD = "error: interrupted [interrupted]\n  hint: nothing half-written is left; the same command begins again\n"
# A shell has what it runs in the background ignore Ctrl-C, so it is heard again first.
AT_AN_IMPORT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    left = int(sys.argv.pop(1))

    def find_spec(self, *_):
        Finder.left -= 1
        if Finder.left == 0:
            os.kill(os.getpid(), signal.SIGINT)

from neurflow_report.entry import main
sys.meta_path.insert(0, Finder())
sys.exit(main())
"""


def at_import(number: int, *words: str) -> subprocess.CompletedProcess[str]:
    """The program, with a Ctrl-C at the import of a number of its own."""
    command = [sys.executable, "-c", AT_AN_IMPORT, str(number), *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("number", [1, 2, 4, 8, 16, 32, 64, 128])
def test_ctrl_c_during_the_imports(number: int) -> None:
    done = at_import(number, "validate", "specs/demo.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", TOLD)


def test_the_same_as_json() -> None:
    done = at_import(3, "validate", "specs/demo.yaml", "--json")
    assert (done.returncode, done.stderr) == (130, "")
    assert [error["slug"] for error in json.loads(done.stdout)["errors"]] == ["interrupted"]


@pytest.mark.parametrize("number", [300, 600, *(pytest.param(n, marks=pytest.mark.slow) for n in (1000, 1500))])
def test_ctrl_c_while_torch_is_imported(number: int, tmp_path: Path) -> None:
    done = at_import(number, "plan", "specs/demo.yaml", "--no-time", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", TOLD)


def test_python_m_hears_it_before_its_imports() -> None:
    """`python -m neurflow_report.cli` imports what it needs in the same way."""
    code = AT_AN_IMPORT.replace("from neurflow_report.entry import main\n", "import runpy\n")
    code = code.replace("sys.exit(main())", "runpy.run_module('neurflow_report.cli', run_name='__main__')")
    command = [sys.executable, "-c", code, "8", "schema"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", TOLD)


def test_nothing_is_imported_before_it_is_heard() -> None:
    code = "import sys; before = set(sys.modules); import neurflow_report.entry; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert set(done.stdout.split()) <= {"neurflow_report", "neurflow_report.entry", "__future__"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("becomes", [None, ValueError("from a library"), SystemExit(3)], ids=repr)
def test_every_signal_is_told_alike(
    number: int, code: int, becomes: BaseException | None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Whatever a library makes of the interrupt in the end."""

    def stopped(_: object) -> dict[str, object]:
        try:
            os.kill(os.getpid(), number)
        except Stopped:
            if becomes is None:
                raise
        raise becomes or AssertionError

    monkeypatch.setattr(schema, "COMMAND", replace(schema.COMMAND, run=stopped))
    before = [signal.getsignal(one) for one in SIGNALS]
    assert cli.main(["schema"]) == code
    assert capsys.readouterr() == ("", TOLD)
    assert [signal.getsignal(one) for one in SIGNALS] == before


def test_what_is_ignored_or_handled_stays_so() -> None:
    mine = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: mine.append(1))
    try:
        with listening() as heard:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
        assert (heard.numbers, mine) == ([], [1])
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_in_the_middle_of_a_run_it_leaves_nothing(
    write_spec: Callable[..., Path], tmp_path: Path, number: int, code: int
) -> None:
    words = ["analyze", str(write_spec()), "--set", "output=out"]
    (place := tmp_path / "place").mkdir()
    command = [sys.executable, "-m", "neurflow_report", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        assert any(b"firebell: patches" in line for line in iter(run.stderr.readline, b""))
        run.send_signal(number)
        said = run.stderr.read().decode()
    assert run.returncode == code
    assert said.endswith(TOLD)
    assert "Traceback" not in said
    assert list(place.iterdir()) == []
