"""docs/how-to/add-an-experiment.md: its four files, put where they say, are an experiment, from spec to report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from neurflow_report.fidelity import edges, layer_experiments
from neurflow_report.results.catalogue import EXPERIMENTS
from tests.small_spec import SMALL, merged

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "add-an-experiment.md"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the page's experiment in it."""
    text = PAGE.read_text(encoding="utf-8")
    module, entry, oracle = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (section,) = re.findall(r"```markdown\n(.*?)```", text, re.DOTALL)
    house = tmp_path_factory.mktemp("house")
    for name in ("neurflow_report", "templates", "specs", "docs"):
        shutil.copytree(ROOT / name, house / name, ignore=shutil.ignore_patterns("__pycache__", "gallery"))
    catalogue, method = house / "neurflow_report/results/catalogue.py", house / "docs/method.md"
    (house / "neurflow_report/fidelity/sufficiency.py").write_text(module, encoding="utf-8")
    (house / "test_sufficiency.py").write_text(oracle, encoding="utf-8")
    _put(catalogue, '    )\n}\n"""By the name in the spec, in the order of METHOD §5."""', entry.rstrip() + ",\n")
    _put(method, "\n**The ledger.**", "\n" + section)
    return house


def _put(file: Path, before: str, text: str) -> None:
    parts = file.read_text(encoding="utf-8").split(before)
    assert len(parts) == 2
    file.write_text(parts[0] + text + before + parts[1], encoding="utf-8")


def _run(house: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(house)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_its_oracle_holds(house: Path) -> None:
    assert "passed" in _run(house, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sufficiency.py")


@pytest.mark.slow
def test_the_spec_and_its_page_know_it(house: Path) -> None:
    _run(house, "-m", "neurflow_report.spec.document")
    assert "ranges (F14), sufficiency (F15)" in (house / "docs/spec.md").read_text(encoding="utf-8")
    schema = json.loads(_run(house, "-m", "neurflow_report", "schema"))
    assert "sufficient" in schema["$defs"]["Thresholds"]["properties"]


@pytest.mark.slow
def test_it_runs_is_planned_judged_and_shown(house: Path) -> None:
    fidelity = {"experiments": ["sufficiency"], "draws": 40, "thresholds": {"sufficient": {"supported": 0.6}}}
    changes = {"fidelity": fidelity, "output": "out", "classes": ["firebell"], "report": {"formats": ["html"]}}
    spec = merged(SMALL, changes)
    (house / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    plan = json.loads(_run(house, "-m", "neurflow_report", "plan", "spec.yaml", "--json", "--quiet"))["plan"]
    (planned,) = [stage for stage in plan["stages"] if stage["name"] == "sufficiency"]
    assert planned["amount"] == 41 * 4
    assert planned["seconds"] > 0
    _run(house, "-m", "neurflow_report", "build", "spec.yaml", "--quiet")
    result = json.loads((house / "out/bundle/classes/firebell.json").read_text(encoding="utf-8"))
    measures = {m["layer"]: m for m in result["measures"]}
    assert set(measures) == {"block4", "fc"}
    assert all(0 <= m["low"] <= m["value"] <= m["high"] <= 1 for m in measures.values())
    assert {c["layer"] for c in result["claims"] if c["claim"] == "sufficient"} == {"block4", "fc"}
    page = (house / "out/site/fidelity/firebell/index.html").read_text(encoding="utf-8")
    assert "F15: Are core sets enough for a neuron?" in page
    assert "random sets that keep less than the core sets" in page
    assert "at most, 40 random sets for each." in (house / "out/site/method/index.html").read_text(encoding="utf-8")


def test_every_experiment_of_the_catalogue_is_run_somewhere() -> None:
    """Those at a layer by their modules, the others by what they share (analysis/experiments.py, layer_tests.py)."""
    shared = {"masking", "optimality", "weights", "methods", "concepts"}
    found = [e.name for e in layer_experiments()]
    assert {*found, *shared} == set(EXPERIMENTS)
    assert [name for name in found if name in {"edges", "stability", "critical"}] == ["edges", "stability", "critical"]
    assert [e.name for e in layer_experiments(("masking", "critical"))] == ["critical"]


def test_a_module_that_the_catalogue_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "EXPERIMENT", replace(edges.EXPERIMENT, name="edgs"))
    with pytest.raises(ValueError, match=r"^experiments that the catalogue does not have, or twice: edgs$"):
        layer_experiments()


def test_what_ablates_is_not_done_at_the_lowest_layer() -> None:
    with pytest.raises(ValueError, match=r"^edges: an experiment that ablates is not done at the lowest layer$"):
        replace(edges.EXPERIMENT, lowest=True)
