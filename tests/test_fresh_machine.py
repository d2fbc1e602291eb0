"""tools/fresh-machine where it cannot run: said in one line, and nothing begun."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "fresh-machine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs debootstrap: apt-get install debootstrap" if os.geteuid() == 0 else "needs root, for a chroot"),
        (["--whole"], "usage: tools/fresh-machine [--quick]"),
    ],
)
def test_what_is_missing_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    programs, place = tmp_path / "programs", tmp_path / "place"
    for folder in (programs, place):
        folder.mkdir()
    (programs / "id").symlink_to(str(shutil.which("id")))
    environment = {"PATH": str(programs), "HOME": str(tmp_path), "TMPDIR": str(place)}
    ended = subprocess.run([TOOL, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"fresh-machine: {said}\n")
    assert list(place.iterdir()) == []
