"""The wheel: what is in it, and that it draws a bundle where there is no torch.

The bare environment gets the wheel by pip, and its base dependencies (those alone) as links to the ones installed here,
so that the test needs no network. `pip check` in it says whether they suffice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.sample_bundle import frozen_bundle

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, code: int = 0, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that must end with `code`; `path` is searched first for Python packages."""
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    clean |= {"PYTHONPATH": str(path)} if path else {}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=clean, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def needed(requirement: Requirement, found: dict[str, Distribution]) -> None:
    """Put into `found` the distribution that a requirement names, and all that it needs itself."""
    dist = distribution(requirement.name)
    assert requirement.specifier.contains(dist.version)
    key = f"{requirement.name.lower()}{sorted(requirement.extras)}"
    if key in found:
        return
    found[key] = dist
    for line in dist.requires or ():
        inner = Requirement(line)
        if inner.marker is None or any(inner.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)):
            needed(inner, found)


def base_requirements(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    asked = [Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist: ")]
    return [r for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and its base dependencies alone."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", "env", cwd=folder)
    (site,) = (folder / "env").glob("lib/python3*/site-packages")
    found: dict[str, Distribution] = {}
    for requirement in base_requirements(wheel):
        needed(requirement, found)
    for dist in found.values():
        for top in {file.parts[0] for file in dist.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(dist.locate_file(top))).resolve())
    run(folder / "env/bin/python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    return folder / "env" / "bin"


def test_what_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {name.removeprefix("neurflow_report/") for name in names if name.startswith("neurflow_report/")}
    here = {
        str(p.relative_to(ROOT)) for folder in ("templates", "specs") for p in (ROOT / folder).rglob("*") if p.is_file()
    }
    code = {str(p.relative_to(ROOT / "neurflow_report")) for p in (ROOT / "neurflow_report").rglob("*.py")}
    assert here - package == set()
    assert code - package == set()
    assert {"spec/schema.json", "py.typed"} <= package
    assert "specs/demo.yaml" in package
    assert any(name.startswith("templates/") for name in package)
    assert {n for n in package if n.startswith("demo/") and n.endswith(".safetensors")}
    assert {n.split("/")[0] for n in names} == {"neurflow_report", f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}
    assert [
        n
        for n in names
        if Path(n).name.startswith("test") or "/tests/" in n or "__pycache__" in n or n.endswith((".pt", ".pkl"))
    ] == []
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    assert wheel.stat().st_size < 8_000_000


def test_the_bare_environment_is_whole_and_has_no_torch(bare: Path, tmp_path: Path) -> None:
    run(bare / "python", "-m", "pip", "check", cwd=tmp_path)
    for package in ("torch", "torchvision", "scipy", "sklearn", "captum", "pandas", "datasets"):
        assert (
            f"No module named '{package}'"
            in run(bare / "python", "-c", f"import {package}", cwd=tmp_path, code=1).stderr
        )


def test_it_draws_a_bundle(bare: Path, tmp_path: Path) -> None:
    frozen_bundle(tmp_path, pictures=1, classes=1)
    drawn = run(bare / "neurflow-report", "render", "bundle", "--output", "out", "--json", cwd=tmp_path)
    result = json.loads(drawn.stdout)
    assert result["ok"] is True
    assert (result["site"], result["pdf"]) == ("out/site", "out/report.pdf")
    assert (tmp_path / "out/site/index.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "out/report.pdf").read_bytes().startswith(b"%PDF-")


def test_the_demo_runs_from_the_wheel_and_is_drawn_without_torch(wheel: Path, bare: Path, tmp_path: Path) -> None:
    """The wheel's own code, spec and weights analyze the demo where torch is; the bare environment draws it."""
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    where = run(sys.executable, "-c", "import neurflow_report as n; print(n.__file__)", cwd=tmp_path, path=unpacked)
    assert Path(where.stdout.strip()).is_relative_to(unpacked)
    small = (
        "classes=[firebell]", "layers=[block4, fc]", "data.limit=3", "concept.k=12", "fidelity.draws=3", "output=out",
    )  # fmt: skip
    options = [part for change in small for part in ("--set", change)]
    spec = unpacked / "neurflow_report/specs/demo.yaml"
    run(sys.executable, "-m", "neurflow_report.cli", "analyze", spec, *options, cwd=tmp_path, path=unpacked)
    run(bare / "neurflow-report", "render", "out", cwd=tmp_path)
    page = (tmp_path / "out/site/class/firebell/index.html").read_text(encoding="utf-8")
    assert "The circuit" in page
    assert (tmp_path / "out/report.pdf").stat().st_size > 100_000


def test_the_light_commands_work(bare: Path, tmp_path: Path) -> None:
    (site,) = bare.parent.glob("lib/python3*/site-packages")
    spec = site / "neurflow_report/specs/demo.yaml"
    assert run(bare / "neurflow-report", "validate", spec, cwd=tmp_path).stdout == f"{spec}: ok\n"
    assert json.loads(run(bare / "neurflow-report", "schema", cwd=tmp_path).stdout)["properties"]["version"]
    assert run(bare / "neurflow-report", "--version", cwd=tmp_path).stdout.startswith("neurflow-report 0.")


def test_running_a_network_says_what_is_missing(bare: Path, tmp_path: Path) -> None:
    (site,) = bare.parent.glob("lib/python3*/site-packages")
    done = run(bare / "neurflow-report", "build", site / "neurflow_report/specs/demo.yaml", cwd=tmp_path, code=2)
    assert "is not installed [missing-package]" in done.stderr
    assert "pip install 'neurflow-report[run]'" in done.stderr
    assert list(tmp_path.iterdir()) == []
