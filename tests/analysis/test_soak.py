"""Builds that are killed at any moment come to the bundle of an undisturbed one (soak.py kills as many as asked)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_build_that_is_killed_a_few_times() -> None:
    command = [sys.executable, "-m", "tests.analysis.soak", "4", "11"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "odd 0" in done.stdout
