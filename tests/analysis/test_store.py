"""What a run keeps of its classes: a second one does only what changed, and one that was ended goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from neurflow_report.analysis import run
from neurflow_report.analysis.run import analyze
from neurflow_report.progress import Silent
from neurflow_report.results.cache import Cache
from neurflow_report.spec.load import load_spec
from tests.small_spec import SMALL, merged


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The classes that were examined, and not found."""
    found: list[str] = []

    def watched(one: run.ClassRun) -> Any:
        found.append(one.name)
        return run_examine(one)

    run_examine = run.examine
    monkeypatch.setattr(run, "examine", watched)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return found


class Noted(Silent):
    """What is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stage(self, name: str, total: int | None):  # type: ignore[no-untyped-def]
        return self

    def __enter__(self) -> Noted:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, n: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        self.told.append(text)


def bundle(folder: Path, name: str, progress: Noted | None = None, **changes: Any) -> dict[str, bytes]:
    """The files of the small spec's bundle, kept in the folder `cache`."""
    spec = merged(merged(SMALL, {"runtime": {"cache": str(folder / "cache")}}), changes)
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec | {"output": str(folder / name)}, sort_keys=False))
    analyze(load_spec(folder / "spec.yaml"), progress=progress or Silent())
    root = folder / name / "bundle"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def results(files: dict[str, bytes]) -> dict[str, bytes]:
    """What is not of the spec's own words."""
    return {name: data for name, data in files.items() if not name.startswith("manifest")}


def test_a_second_run_examines_nothing_and_is_the_same(folder: Path, examined: list[str]) -> None:
    plain = bundle(folder, "plain", runtime={"cache": "off"})
    assert not (folder / "cache").exists()
    first = bundle(folder, "out")
    assert examined == ["firebell", "snowstar"] * 2
    assert results(first) == results(plain)
    progress = Noted()
    assert bundle(folder, "out", progress) == first
    assert examined == ["firebell", "snowstar"] * 2
    assert "2 of 2 classes were examined before, all the same" in progress.told


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"title": "Another", "report": {"theme": "dark"}, "names": {"firebell": {"block4": {"G1": "x"}}}}, []),
        ({"classes": ["firebell", "larkheart"]}, ["larkheart"]),
        ({"classes": ["snowstar", "firebell"]}, ["snowstar", "firebell"]),  # the first has the cross-checks
        ({"core": {"tau": 2}, "fidelity": {"taus": [1, 2]}}, ["firebell", "snowstar"]),
        ({"model": {"weights": "none"}}, ["firebell", "snowstar"]),
        ({"data": {"limit": 5}}, ["firebell", "snowstar"]),
        ({"layers": ["block4", "fc"]}, ["firebell", "snowstar"]),
        ({"runtime": {"seed": 1}}, ["firebell", "snowstar"]),
        ({"preprocess": {"mean": [0.4, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}, ["firebell", "snowstar"]),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_what_changed_is_done_again(
    folder: Path, examined: list[str], changes: dict[str, Any], again: list[str]
) -> None:
    bundle(folder, "out")
    examined.clear()
    if changes.get("model"):
        changes = changes | {"data": {"select": "labelled"}}
    kept = bundle(folder, "changed", **changes)
    assert examined == again
    assert results(kept) == results(bundle(folder, "changed", **merged(changes, {"runtime": {"cache": "off"}})))


def test_an_entry_that_is_not_whole_is_made_again(folder: Path, examined: list[str]) -> None:
    first = bundle(folder, "out")
    entries = Cache(folder=folder / "cache").entries()
    for number, entry in enumerate(entries):
        data = bytearray(entry.path.read_bytes())
        data[len(data) * number // len(entries)] ^= 1
        entry.path.write_bytes(data if number else data[:100])
    examined.clear()
    assert bundle(folder, "out") == first
    assert examined == ["firebell", "snowstar"]


def test_a_run_that_was_ended_goes_on(folder: Path, examined: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bundle(folder, "whole", groups={"max_semantic": 2})
    Cache(folder=folder / "cache").clean()
    watched = run.examine

    def ended(one: run.ClassRun) -> Any:
        if one.name == "snowstar":
            raise KeyboardInterrupt
        return watched(one)

    with monkeypatch.context() as patch:
        patch.setattr(run, "examine", ended)
        with pytest.raises(KeyboardInterrupt) as error:
            bundle(folder, "ended", groups={"max_semantic": 2})
    assert error.value.__notes__ == ["1 class is kept: the same command goes on from there"]
    assert not (folder / "ended").exists()
    examined.clear()
    assert results(bundle(folder, "ended", groups={"max_semantic": 2})) == results(whole)
    assert examined == ["snowstar"]


def test_a_cache_that_cannot_be_written_ends_no_run(folder: Path, examined: list[str]) -> None:
    (folder / "file").write_text("")
    progress = Noted()
    bundle(folder, "out", progress, runtime={"cache": str(folder / "file")})
    assert examined == ["firebell", "snowstar"]
    told = [text for text in progress.told if "cache" in text]
    assert told == [f"the cache {folder / 'file'} cannot be written: File exists; the run goes on without it"]
    assert not (folder / "file").read_bytes()
