"""A class that fails loses no other: the bundle, the report and the exit code say so, and so do shards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurflow_report import report
from neurflow_report.analysis import debugging, run
from neurflow_report.analysis.anew import anew
from neurflow_report.cli import main
from neurflow_report.demo.flowers import DATASET
from neurflow_report.drawing.view.text.examined import FAILED, doubts
from neurflow_report.errors import ReportError, RunError
from neurflow_report.images.taken import take
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.shard import Part
from neurflow_report.setup.preflight import source_of
from neurflow_report.spec.load import LoadedSpec, load_spec
from neurflow_report.spec.schema import Facets
from neurflow_report.verification.derived import contradicted
from tests.small_spec import SMALL, merged

NAMES = ["firebell", "snowstar", "larkheart", "duskbloom"]
REASON = "Layer block4 of larkheart holds NaN"


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedSpec:
    """Four classes: the second has no picture, the fourth too few, and the third is going to fail."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name, count in (("firebell", 4), ("larkheart", 4), ("duskbloom", 1), ("snowstar", 4)):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(count):
            DATASET.draw(DATASET.class_names.index(name), number)[0].save(folder / f"{number}.png")
    for path in (tmp_path / "pictures" / "snowstar").iterdir():
        path.write_bytes(b"no picture")
    changes = {
        "classes": NAMES,
        "data": {"source": "folder", "root": "pictures", "select": "labelled", "pool": "class", "labels": "names"},
        "fidelity": {"experiments": ["masking"]},
        "names": {"larkheart": {"block4": {"G1": "x"}}, "snowstar": {"block4": {"G1": "y"}}},
        "output": str(tmp_path / "out"),
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(merged(SMALL, changes), sort_keys=False))
    examine = run.examine

    def failing(one: run.ClassRun) -> Any:
        if one.name == "larkheart":
            raise RunError("not-finite", "layer block4 of larkheart holds NaN")
        return examine(one)

    monkeypatch.setattr(run, "examine", failing)
    return load_spec(tmp_path / "spec.yaml")


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_the_others_are_examined(loaded: LoadedSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReportError) as error:
        report.analyze(loaded)
    assert not (tmp_path / "out").exists()
    assert main(["analyze", str(tmp_path / "spec.yaml"), "--keep-going", "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "3 of 4 classes could not be examined: duskbloom (" in told
    assert REASON in told
    assert "[class-failed]" in told
    bundle = read_bundle(tmp_path / "out")
    assert [entry.name for entry in bundle.run.classes] == ["firebell"]
    assert {one.name: (one.kind, one.slug) for one in bundle.run.failed} == {
        "duskbloom": ("too-few-patches", ""),
        "snowstar": ("too-few-images", ""),
        "larkheart": ("not-finite", "larkheart"),
    }
    assert bundle.run.names == ()
    assert list(contradicted(bundle.run, bundle.classes, bundle.manifest)) == []
    doubt = next(notice for notice in doubts(bundle.run) if notice.code == FAILED)
    assert doubt.title == "3 of 4 classes could not be examined, and are missing"
    assert REASON in doubt.text

    assert list(anew(loaded, bundle, 3, progress=Silent())) == []

    whole = files(tmp_path / "out" / "bundle")
    for number in (1, 2):
        with pytest.raises(RunError) as error:
            report.analyze_shard(loaded, Part(i=number, n=2), keep_going=True)
        assert error.value.slug == "class-failed"
    with pytest.raises(RunError) as error:
        report.merge([tmp_path / "out"], output=tmp_path / "merged")
    assert error.value.slug == "class-failed"
    assert files(tmp_path / "merged" / "bundle") == whole


@pytest.fixture
def debugged(loaded: LoadedSpec, tmp_path: Path) -> LoadedSpec:
    """The same with pictures to be explained, two of them by the circuit of the class that fails."""
    values = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    values["debug"] = {"images": [f"{name}/{n}.png" for name in ("firebell", "larkheart") for n in (0, 1)]}
    values["fidelity"] = {"experiments": [], "taus": None, "draws": None}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return load_spec(tmp_path / "spec.yaml")


@pytest.mark.slow
def test_the_pictures_of_a_class_that_fails_are_told_as_not_explained(debugged: LoadedSpec, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="3 of 4 classes"):
        report.analyze(debugged, keep_going=True)
    bundle = read_bundle(tmp_path / "out")
    asked = bundle.run.debugging
    assert asked is not None
    assert asked.explained == sum(len(result.debugged) for result in bundle.classes) >= 1
    lost = {one.name for one in asked.unexplained if one.reason.startswith("larkheart, whose circuit would explain it")}
    assert lost
    assert lost <= {"larkheart/0.png", "larkheart/1.png", "firebell/0.png", "firebell/1.png"}
    assert list(contradicted(bundle.run, bundle.classes, bundle.manifest)) == []

    whole = files(tmp_path / "out" / "bundle")
    for number, count in ((1, "2 of 4"), (2, "3 of 4")):
        with pytest.raises(RunError, match=f"{count} classes could not"):
            report.analyze_shard(debugged, Part(i=number, n=2), keep_going=True)
    with pytest.raises(RunError, match="3 of 4 classes"):
        report.merge([tmp_path / "out"], output=tmp_path / "merged")
    assert files(tmp_path / "merged" / "bundle") == whole

    found = report.explain(debugged, tmp_path / "out" / "bundle", ["firebell/0.png"])
    assert [one.name for own in found.pictures.values() for one in own] == ["firebell/0.png"]


@pytest.mark.slow
def test_a_picture_that_fails_is_told_and_ends_nothing(
    debugged: LoadedSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain, to_input, progress, seen = debugging.explain, debugging.to_input, Silent(), [0]

    def failing(workspace: Any, result: Any, margins: Any, **more: Any) -> Any:
        due = take(next(i for i in source_of(debugged).items if i.name == "firebell/0.png")).sha256
        if int(due[:8], 16) in margins.seeds:
            raise RunError("not-finite", "layer block3 holds NaN")
        return explain(workspace, result, margins, **more)

    def nan_for_the_second(*given: Any) -> Any:
        seen[0] += 1
        pixels, *more = to_input(*given)
        return (pixels * float("nan") if seen[0] % 4 == 2 else pixels, *more)

    monkeypatch.setattr(debugging, "explain", failing)
    monkeypatch.setattr(debugging, "to_input", nan_for_the_second)
    for number in (1, 2):
        run.analyze_shard(debugged, Part(i=number, n=2), progress=progress, how=run.How(keep_going=True))
    run.analyze(debugged, progress=progress, how=run.How(keep_going=True))
    bundle = read_bundle(tmp_path / "out")
    asked = bundle.run.debugging
    assert asked is not None
    told = {(one.name, one.reason) for one in asked.unexplained}
    assert {("firebell/0.png", "layer block3 holds NaN"), ("firebell/1.png", "its logits are not finite")} <= told
    assert asked.explained == sum(len(result.debugged) for result in bundle.classes)
    with pytest.raises(RunError, match="3 of 4 classes"):
        report.merge([tmp_path / "out"], output=tmp_path / "merged")
    assert files(tmp_path / "merged" / "bundle") == files(tmp_path / "out" / "bundle")
    with pytest.raises(ReportError):
        run.analyze(debugged, progress=progress)


@pytest.mark.slow
def test_where_all_fail_there_is_no_report(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(one: run.ClassRun) -> Any:
        raise RunError("not-finite", f"{one.name} holds NaN")

    monkeypatch.setattr(run, "examine", fails)
    with pytest.raises(ReportError, match="holds NaN"):
        run.analyze(loaded, progress=Silent(), how=run.How(keep_going=True))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_class_whose_facets_fail_goes_without(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RunError("not-finite", "a picture holds NaN")

    monkeypatch.setattr(run, "with_facets", fails)
    asked = replace(loaded, spec=loaded.spec.model_copy(update={"facets": Facets(groups=1, steps=16), "names": {}}))
    bundle = read_bundle(run.analyze(asked, progress=Silent(), how=run.How(keep_going=True)).parent)
    assert [c.name for c in bundle.classes] == ["firebell"]
    assert "firebell goes without facets: a picture holds NaN" in bundle.run.fallbacks
    with pytest.raises(ReportError):
        run.analyze(asked, progress=Silent())
