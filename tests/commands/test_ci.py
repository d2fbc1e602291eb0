"""docs/ci.md: the job of GitLab CI is run as it stands; that of GitHub Actions and the list have the same commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.small_spec import SMALL, merged

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
PROGRAM = f'#!/bin/sh\nexec "{sys.executable}" -m neurflow_report.cli "$@"\n'
CURL = """#!/bin/sh
# The package registry: a folder. curl -sf --header H (-o FILE ADDRESS | --upload-file FILE ADDRESS)
[ "$2" = --header ] || exit 2
mkdir -p "$(dirname "$6")"
case "$4" in -o) [ -f "$6" ] || exit 22; cp "$6" "$5" ;; --upload-file) cp "$5" "$6" ;; *) exit 2 ;; esac
"""


def block(kind: str, number: int = 0) -> str:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[number]


def commands(text: str) -> list[str]:
    """The program's commands in a script, each on one line."""
    return [" ".join(found.split()) for found in re.findall(r"neurflow-report [a-z]+ [^\n;]*", text)]


def test_the_three_have_the_same_commands() -> None:
    listed = commands(block("sh"))
    assert [one.split()[1] for one in listed] == ["validate", "build", "verify", "diff", "archive"]
    steps = yaml.safe_load(block("yaml", 0))["jobs"]["report"]["steps"]
    assert commands("\n".join(step.get("run", "") for step in steps)) == listed
    assert commands("\n".join(yaml.safe_load(block("yaml", 1))["report"]["script"])) == listed


@pytest.mark.slow
def test_the_recipe_runs_for_a_first_release_a_second_and_one_that_loses_a_class(tmp_path: Path) -> None:
    tools, work = tmp_path / "tools", tmp_path / "work"
    tools.mkdir()
    work.mkdir()
    for name, text in {"neurflow-report": PROGRAM, "curl": CURL}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    job = yaml.safe_load(block("yaml", 1))["report"]
    assert set(job["variables"]) == {"NEURFLOW_REPORT_CACHE", "STORE"}
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "STORE": str(tmp_path / "store"),
        "NEURFLOW_REPORT_CACHE": str(tmp_path / "cache"),
        "SOURCE_DATE_EPOCH": "1700000000",
        "CI_JOB_TOKEN": "none",
    }

    def release(tag: str, **changes: object) -> subprocess.CompletedProcess[str]:
        folder = work / tag
        folder.mkdir()
        spec = merged(SMALL, {"report": {"formats": ["html"]}, **changes})
        (folder / "report.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
        script = "set -e\n" + "\n".join(job["script"])
        own = environment | {"CI_COMMIT_TAG": tag}
        return subprocess.run(["bash", "-c", script], cwd=folder, env=own, capture_output=True, text=True, check=False)

    first = release("v1")
    assert first.returncode == 0, first.stderr
    assert (work / "v1" / "public" / "index.html").is_file()
    assert not (work / "v1" / "compared").exists()
    second = release("v2")
    assert second.returncode == 0, second.stderr
    assert "The two bundles are identical, the clock aside." in second.stdout
    assert (work / "v2" / "public" / "compared" / "diff.html").is_file()
    stored = [(tmp_path / "store" / tag / "report.zip").read_bytes() for tag in ("v1", "v2", "last")]
    assert stored[0] == stored[1] == stored[2]
    third = release("v3", classes=["firebell"])
    assert third.returncode == 3
    assert "classes_lost > 0: it is 1 [condition-met]" in third.stderr
    assert (work / "v3" / "compared" / "diff.html").is_file()
    assert not (tmp_path / "store" / "v3").exists()
