"""A small run with what few runs have: an automatic τ, explained pictures, F13 and F14."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from neurflow_report.report import analyze
from neurflow_report.spec.load import load_spec
from tests.small_spec import SMALL, merged

FULL = {
    "data": {"limit": 40},  # of 40 half are held out, without which nothing is certified
    "core": {"tau": "auto", "largest": 4, "enough": 0.3, "false_alarms": 0.3},
    "fidelity": {"experiments": ["masking", "deletions", "ranges"], "taus": [1, 2], "draws": 5},
    "debug": {"images": ["firebell/0028", "firebell/0029", "snowstar/0001"]},
}


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds bundle/; spec.yaml lies beside it."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "spec.yaml").write_text(yaml.safe_dump(merged(SMALL, {**FULL, "output": str(folder / "out")})))
    return analyze(load_spec(folder / "spec.yaml")).parent
