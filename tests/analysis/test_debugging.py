"""Which pictures a run explains, by whose circuit, and that shards, the cache and `explain` give the same."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from PIL import Image

from neurflow_report import report
from neurflow_report.analysis.explaining import explain_pictures
from neurflow_report.cli import main
from neurflow_report.errors import InputError, InputErrors
from neurflow_report.progress import Silent
from neurflow_report.report import analyze, analyze_shard, explain, merge
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.shard import Part
from neurflow_report.spec.load import load_spec
from neurflow_report.verification.derived import contradicted
from tests.small_spec import SMALL, merged

pytestmark = pytest.mark.slow
NAMED = ["firebell/0028", "snowstar/0001", "emberwort/0003", "grey.png", "tiny.png"]


def spec(folder: Path, name: str = "spec.yaml", **changes):
    quick = {"fidelity": {"experiments": [], "taus": None, "draws": None}, "output": str(folder / "out")}
    values = merged(merged(SMALL, quick), changes)
    (folder / name).write_text(yaml.safe_dump(values, sort_keys=False))
    return load_spec(folder / name)


def files(root: Path):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("debugging")
    Image.new("L", (40, 30), 127).save(root / "grey.png")
    Image.new("RGB", (3, 1), (200, 10, 10)).save(root / "tiny.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        yield root


@pytest.fixture(scope="module")
def named(folder):
    """The bundle of a run that names pictures, with a cache."""
    loaded = spec(folder, debug={"images": NAMED}, runtime={"cache": str(folder / "cache")})
    return loaded, read_bundle(analyze(loaded))


def test_named_pictures_are_explained_by_the_circuit_of_what_they_are_taken_for_or_told_as_not(named):
    _, bundle = named
    asked = bundle.run.debugging
    assert (asked.images, asked.labelled, asked.mistakes) == ("named", 0, 0)
    explained = {one.name: (result, one) for result in bundle.classes for one in result.debugged}
    assert set(explained) | {one.name for one in asked.unexplained} == set(NAMED)
    assert asked.explained == len(explained)
    result, one = explained["firebell/0028"]
    # It is taken for emberwort, which has no circuit here: its true class's tells of it.
    assert (result.name, one.predicted, one.against, one.contrast) == ("firebell", "emberwort", "firebell", "truth")
    result, one = explained["snowstar/0001"]
    assert (result.name, one.predicted, one.contrast) == ("snowstar", "snowstar", "runner_up")
    assert one.against != "snowstar"
    for told in asked.unexplained:
        assert told.reason.startswith("it is taken for ")
        assert told.reason.endswith("neither is among the classes examined")
    assert "emberwort/0003" in {told.name for told in asked.unexplained}


def test_every_picture_adds_up_and_lies_in_the_bundle(named):
    _, bundle = named
    for result in bundle.classes:
        for one in result.debugged:
            assert [layer.layer for layer in one.layers] == ["block4", "block3"]
            assert bundle.picture_bytes(one.file)
            for layer in one.layers:
                parts = [*(c.foretold for c in layer.causes), layer.outside, layer.baseline]
                assert sum(parts) == pytest.approx(one.margin, abs=1e-5 * sum(map(abs, parts)))


def test_the_same_again_from_the_cache_byte_for_byte(named, folder):
    loaded, bundle = named
    before = files(bundle.root)
    shutil.rmtree(folder / "out")
    assert files(analyze(loaded)) == before


def test_other_pictures_are_explained_without_examining_a_class_again(named, folder, capsys):
    spec(
        folder, "other.yaml", debug={"images": ["snowstar/0002"]}, output=str(folder / "other"),
        runtime={"cache": str(folder / "cache")},
    )  # fmt: skip
    assert main(["analyze", str(folder / "other.yaml")]) == 0
    told = capsys.readouterr().err
    assert "2 of 2 classes were examined before" in told
    assert "snowstar: why these pictures" in told


def test_shards_make_the_same_bundle(named, folder):
    loaded, bundle = named
    for i in (1, 2):
        analyze_shard(loaded, Part(i=i, n=2))
    assert files(merge([folder / "out"], output=folder / "merged")) == files(bundle.root)


def test_misclassified_pictures_of_each_class_in_turn_up_to_the_limit(folder):
    loaded = spec(
        folder, "wrong.yaml", debug={"images": "misclassified", "limit": 3}, output=str(folder / "wrong"),
        model={"weights": "none"}, classes=[3, 7], data={"limit": 3, "select": "any"},
    )  # fmt: skip
    bundle = read_bundle(analyze(loaded))
    asked = bundle.run.debugging
    assert 0 < asked.mistakes <= asked.labelled
    assert asked.explained == sum(len(result.debugged) for result in bundle.classes) <= 3
    for result in bundle.classes:
        for one in result.debugged:
            assert one.predicted != one.label == one.against
            assert one.contrast == "truth"
            assert result.index in {one.p, one.q}


def test_without_mistakes_there_is_nothing_to_explain(folder):
    loaded = spec(
        folder, "right.yaml", debug={"images": "misclassified"}, output=str(folder / "right"),
        classes=["snowstar", "larkheart"], data={"select": "labelled"},
    )  # fmt: skip
    bundle = read_bundle(analyze(loaded))
    asked = bundle.run.debugging
    assert (asked.mistakes, asked.explained) == (0, 0)
    assert asked.labelled >= 8
    assert all(result.debugged == () for result in bundle.classes)


def test_pictures_that_cannot_be_read_are_told_at_once_with_their_places(folder):
    loaded = spec(folder, "bad.yaml", debug={"images": ["firebell/00281", "grey.png", "no.png"]})
    with pytest.raises(InputErrors) as told:
        analyze(loaded)
    assert [(e.slug, e.path) for e in told.value.problems()] == [
        ("picture-unreadable", ("debug", "images", 0)),
        ("picture-unreadable", ("debug", "images", 2)),
    ]
    assert all(e.where.line for e in told.value.problems())


def test_later_pictures_are_explained_as_the_run_would_have(named, folder, monkeypatch):
    loaded, bundle = named
    monkeypatch.chdir(folder)
    found = explain(loaded, bundle.root, NAMED, output=folder / "later")
    due = {result.slug: result.debugged for result in bundle.classes if result.debugged}
    kept = {result.slug: result.debugged for result in read_bundle(found.bundle).classes if result.debugged}
    assert kept == due
    assert found.unexplained == bundle.run.debugging.unexplained
    assert (found.site / "why" / "index.html").is_file()
    head = next(line for line in found.lines if line.startswith("firebell/0028: "))
    assert head.startswith("firebell/0028: taken for emberwort, +")
    assert head.endswith("over firebell, its true class; told by the circuit of firebell")


def test_the_command_gives_text_and_json_and_exit_code_2(named, folder, capsys, monkeypatch):
    _, bundle = named
    monkeypatch.chdir(folder)
    given = [str(bundle.root), "--spec", str(folder / "spec.yaml")]
    assert main(["explain", *given[:1], "firebell/0028", *given[1:]]) == 0
    assert "firebell/0028: taken for emberwort" in capsys.readouterr().out
    assert main(["explain", *given[:1], "firebell/0028", "emberwort/0003", *given[1:], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["pictures"]] == ["firebell/0028"]
    assert [one["name"] for one in found["unexplained"]] == ["emberwort/0003"]
    assert main(["explain", *given[:1], "no.png", *given[1:]]) == 2
    assert "[picture-unreadable]" in capsys.readouterr().err
    assert main(["explain", *given[:1], "firebell/0028", *given[1:], "--set", "model.weights=none"]) == 2
    assert "[bundle-other]" in capsys.readouterr().err


def test_a_bundle_of_other_layers_is_refused(named, folder):
    _, bundle = named
    loaded = spec(folder, "layers.yaml", layers=["block4", "fc"], output=str(folder / "layers"))
    with pytest.raises(InputError, match=r"layers are block3, block4, fc, and the spec's block4, fc"):
        explain(loaded, bundle.root, ["firebell/0028"])


def test_crops_the_integral_and_how_pictures_are_kept_are_the_bundle_s(named, folder, monkeypatch):
    _, bundle = named
    monkeypatch.chdir(folder)
    loaded = spec(
        folder, "else.yaml", output=str(folder / "else"), debug={"images": NAMED},
        concept={"scales": [1.0], "stride": 0.25}, attribution={"rule": "gauss", "nodes": 5, "max_nodes": 5},
        report={"images": "none"},
    )  # fmt: skip
    kept = read_bundle(explain(loaded, bundle.root, NAMED, output=folder / "as-run").bundle)
    assert {result.slug: result.debugged for result in kept.classes if result.debugged} == {
        result.slug: result.debugged for result in bundle.classes if result.debugged
    }


def test_p_values_together_under_those_alone_are_a_contradiction(named):
    _, bundle = named
    assert list(contradicted(bundle.run, bundle.classes, bundle.manifest)) == []
    result = next(result for result in bundle.classes if result.debugged)
    one, layer = result.debugged[0], result.debugged[0].layers[0]
    cause = layer.causes[0].model_copy(update={"p_value": 0.5, "q_value": 0.25})
    layer = layer.model_copy(update={"causes": (cause, *layer.causes[1:])})
    one = one.model_copy(update={"layers": (layer, *one.layers[1:])})
    edited = [c.model_copy(update={"debugged": (one, *c.debugged[1:])}) if c is result else c for c in bundle.classes]
    (found,) = contradicted(bundle.run, edited, bundle.manifest)
    assert found.place[-3:] == ("causes", 0, "q_value")


def test_a_bundle_without_pictures_gets_none(named, folder, monkeypatch):
    loaded, bundle = named
    run = bundle.run.model_copy(update={"images": "none"})
    found = explain_pictures(loaded, replace(bundle, run=run), ["firebell/0028"], progress=Silent())
    (data,) = found.pictures.values()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.convert("RGB").getcolors() == [(picture.width * picture.height, (176, 176, 176))]


def test_a_bundle_of_an_older_format_is_not_written_anew(named, folder, monkeypatch):
    loaded, bundle = named
    old = replace(bundle, manifest=bundle.manifest.model_copy(update={"format_version": 2}))
    monkeypatch.setattr(report, "read_bundle", lambda root: old)
    with pytest.raises(InputError, match=r"the bundle has format 2; what is written with --output has 3") as told:
        explain(loaded, bundle.root, ["firebell/0028"], output=folder / "restamped")
    assert told.value.slug == "bundle-version"
    assert not (folder / "restamped").exists()
    assert explain(loaded, bundle.root, ["firebell/0028"]).pictures


def test_a_file_that_is_none_of_the_data_is_called_by_its_name_alone(named, folder, monkeypatch):
    loaded, bundle = named
    (folder / "work").mkdir()
    (folder / "private").mkdir()
    Image.new("RGB", (40, 30), (200, 40, 40)).save(folder / "private" / "x.jpg")
    monkeypatch.chdir(folder / "work")
    found = explain(loaded, bundle.root, ["../private/x.jpg"])
    told = [*found.unexplained, *(one for own in found.pictures.values() for one in own)]
    assert [one.name for one in told] == ["x.jpg"]
    assert "private" not in " ".join(found.lines)
