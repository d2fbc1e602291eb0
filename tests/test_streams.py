"""Standard streams that are closed, full, or left by their reader: no traceback, and the work is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = f"{sys.executable} -m neurflow_report"
FULL = (
    "error: the result cannot be written to stdout: No space left on device [output-unwritable]\n"
    "  hint: what was asked for is done; where stdout leads to, no more can be written\n"
)
NOT_THERE = (
    "error: nothere: there is no such file [spec-unreadable]\n"
    "  hint: give the path of a spec file, such as specs/demo.yaml\n"
)


def shell(command: str, unbuffered: str = "") -> tuple[int, str]:
    """Exit code of the program in a shell's command, and what all of it said on stderr."""
    words = ["bash", "-c", f"{PROGRAM} {command}; exit ${{PIPESTATUS[0]}}"]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("validate specs/demo.yaml >&-", (0, "")),
        ("validate specs/demo.yaml >&- 2>&- <&-", (0, "")),
        ("validate specs/demo.yaml 2>/dev/full", (0, "")),
        ("validate specs/demo.yaml >/dev/full", (1, FULL)),
        ("validate specs/demo.yaml --json >/dev/full", (1, FULL)),
        ("validate specs/demo.yaml >/dev/full 2>&1", (1, "")),
        ("--help >/dev/full", (1, FULL)),
        ("--version | true", (0, "")),
        ("schema | head -n 1", (0, "")),
        ("validate nothere >&- 2>&-", (2, "")),
        ("validate nothere 2>/dev/full", (2, "")),
        ("validate nothere 2>&1 | true", (2, "")),
        ("validate nothere --json | true", (2, "")),
        ("validate nothere --json >/dev/full", (2, NOT_THERE)),
        ("init <&-", (2, "error: init needs --model and --data: there is no terminal to ask at [command-line]\n"
                         "  hint: --yes takes the defaults, which are those of the demo\n")),
    ],
)  # fmt: skip
def test_it_ends_quietly(command: str, expected: tuple[int, str]) -> None:
    assert shell(command) == expected


def test_nor_does_it_fail_where_nothing_is_held_back() -> None:
    assert shell("--version | true", unbuffered="1") == (0, "")
    assert shell("validate specs/demo.yaml >/dev/full", unbuffered="1") == (1, FULL)


def test_no_file_gets_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """The next file that is opened would be number 1, and hold what is printed."""
    code = (
        "import os, sys\nfrom neurflow_report.streams import usable\n"
        "with usable():\n"
        f"    file = open({str(tmp_path / 'file')!r}, 'w')\n"
        "    os.write(1, b'from a library in C'); os.write(2, b'and more')\n"
        "    print('out'); print('err', file=sys.stderr)\n"
        "    file.write('mine'); file.close()\n"
    )
    done = subprocess.run(["bash", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, code], cwd=ROOT, timeout=300)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == "mine"


PROGRESS = """
import sys
from neurflow_report.streams import usable
from neurflow_report.terminal import Lines, Live
with usable():
    for progress in (Lines(sys.stderr, every=0), Live(sys.stderr)):
        with progress.stage("work", 200) as step:
            for number in range(200):
                step.advance()
                step.note("x" * 2000)
    print("done")
"""


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "2> >(head -n 1 >/dev/null)"])
def test_a_run_goes_on_where_its_progress_cannot_be_shown(where: str) -> None:
    words = ["bash", "-c", f'"$0" -c "$1" {where}', sys.executable, PROGRESS]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["--json 2>/dev/full", "2>&1 | head -n 1", ">&- 2>&-", ">/dev/full"])
def test_what_a_run_made_is_kept(write_spec: Callable[..., Path], streams: str, tmp_path: Path) -> None:
    spec = write_spec(classes=["firebell"], fidelity={"experiments": []})
    code, said = shell(f"analyze {spec} {streams}")
    assert "Traceback" not in said
    assert code == (1 if streams == ">/dev/full" else 0)
    assert json.loads((tmp_path / "out" / "bundle" / "manifest.json").read_text())["format_version"]


def test_what_a_network_prints_by_whichever_way_is_not_on_stdout() -> None:
    code = (
        "import os, sys\nkept = sys.stdout\nfrom neurflow_report.streams import for_results, usable\n"
        "with usable():\n    with for_results():\n        print('printed')\n        kept.write('kept\\n')\n"
        "        os.write(1, b'raw\\n')\n        os.system('echo child')\n    print('the result')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "the result\n"
    assert sorted(done.stderr.split()) == ["child", "kept", "printed", "raw"]
