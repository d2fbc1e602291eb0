"""The project guards itself: its specs, its docs, its files."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from neurflow_report.errors import SLUGS
from neurflow_report.spec.load import load_spec

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".html", ".css", ".js", ".json", ".svg", ".cfg", ""}


def known_to_git() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def tracked() -> list[Path]:
    """The project's text files: those that git knows."""
    return [path for path in known_to_git() if path.suffix in TEXT and path.is_file()]


@pytest.mark.parametrize("spec", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_ready_spec_is_valid(spec: Path) -> None:
    assert load_spec(spec).spec.version == 1


def test_the_specs_in_the_texts_are_valid(tmp_path: Path) -> None:
    for page in ("README.md", "docs/guide.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        (block,) = re.findall(r"(?:^    version: 1\n(?:    .*\n)+)", text, flags=re.MULTILINE)
        (tmp_path / "spec.yaml").write_text(re.sub("^    ", "", block, flags=re.MULTILINE), encoding="utf-8")
        assert load_spec(tmp_path / "spec.yaml").spec.model.name == "resnet50"


def test_every_error_has_its_section() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert sections == list(SLUGS)
    assert re.findall(r"^    .*\[([a-z-]+)\]$", text, flags=re.MULTILINE)[1:] == sections
    assert text.count("**What to do.**") == len(sections)


def test_every_slug_is_used() -> None:
    code = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "neurflow_report").rglob("*.py"))
    assert [slug for slug in SLUGS if code.count(f'"{slug}"') < 2] == []


def test_the_links_between_the_texts_hold() -> None:
    for page in (path for path in tracked() if path.suffix == ".md"):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_the_version_is_in_the_changelog() -> None:
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "misc"])
def test_there_is_no_drawer_for_everything(name: str) -> None:
    assert list((ROOT / "neurflow_report").rglob(f"{name}*")) == []


def test_no_path_of_a_machine_and_no_package_host_is_in_the_files() -> None:
    machine = re.compile(r"(?<![\w.])/(?:home|Users|root|work|tmp|mnt)/(?!jane|x\b|a\b)\w+")
    hosts = re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|download\.pytorch\.org|artifactory|conda\.anaconda", re.I
    )
    found = []
    for path in tracked():
        if path.name in {"test_project.py", "test_redact.py"}:
            continue
        text = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in (machine.search(text), hosts.search(text)) if m]
    assert found == []


def test_pins_cover_what_the_project_asks_for() -> None:
    pins = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    asked = [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
    names = {re.split(r"[<>=!~\[ ;]", requirement)[0].lower() for requirement in asked}
    assert names - pins == set()


def test_the_pre_commit_hooks_fetch_nothing() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]


def test_the_public_functions_are_there_by_their_names() -> None:
    import neurflow_report
    import neurflow_report.report

    found = {name: getattr(neurflow_report, name) for name in neurflow_report.__all__}
    assert {name: f.__module__.removeprefix("neurflow_report.") for name, f in found.items()} == {
        "CheckError": "errors", "CheckErrors": "errors", "InputError": "errors", "InputErrors": "errors",
        "ReportError": "errors", "RunError": "errors", "analyze": "report", "archive": "report", "build": "report",
        "card": "report", "check": "report", "diff": "report", "layers": "report", "load_spec": "spec.load",
        "plan": "report", "read_bundle": "results.bundle", "render": "report", "tables": "results.frames",
        "verify": "report",
    }  # fmt: skip
    assert neurflow_report.render is neurflow_report.report.render  # no module of that name stands in its way
    assert not hasattr(neurflow_report, "nothing")


def test_nothing_that_a_run_keeps_is_in_the_files() -> None:
    assert [path.name for path in known_to_git() if path.suffix in {".class", ".run", ".drawn", ".stage"}] == []
