"""Labels through a whole run: what is planted is named, a network with random weights gets none, what is wrong is
told before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from neurflow_report.analysis.anew import anew
from neurflow_report.analysis.run import analyze_shard
from neurflow_report.cli import main
from neurflow_report.demo.flowers import DATASET
from neurflow_report.labels.demo_model import demo_model
from neurflow_report.labels.image_text import embedded
from neurflow_report.labels.scores import probabilities
from neurflow_report.planning.plan import plan
from neurflow_report.progress import Silent
from neurflow_report.report import analyze, merge
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.results.contradictions import contradictions
from neurflow_report.results.records import GroupLabel
from neurflow_report.results.shard import Part
from neurflow_report.spec.load import LoadedSpec, load_spec
from neurflow_report.verification.derived import contradicted
from tests.labels.test_endpoint import parts, said, server
from tests.small_spec import SMALL, merged

pytestmark = pytest.mark.slow
CLASSES = ("firebell", "snowstar")


def spec(folder: Path, **changes: Any) -> LoadedSpec:
    quick = {
        "fidelity": {"experiments": ["masking"], "draws": 2},
        "data": {"limit": 40},
        "concept": {"k": 30, "scales": [1.0, 0.5, 0.25]},
        "labels": {"source": "demo"},
        "output": str(folder / "out"),
        "runtime": {"cache": str(folder / "cache")},
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(merged(merged(SMALL, quick), changes), sort_keys=False))
    return load_spec(folder / "spec.yaml")


def boxes(folder: Path, others: Sequence[str]) -> Path:
    """A file with masks of all parts of the classes' pictures and of some others."""
    rows = ["picture,label,mask"]
    own = {f"{name}/{number:04}" for name in CLASSES for number in range(DATASET.per_class)}
    for picture in sorted(own.union(others)):
        name, number = picture.split("/")
        for part, mask in DATASET.draw(DATASET.class_names.index(name), int(number))[1].items():
            if mask.any():
                file = f"{name}-{number}-{part}.png".replace(" ", "-")
                Image.fromarray(mask.astype(np.uint8) * 255).save(folder / file)
                rows.append(f"{picture},{part},{file}")
    (folder / "masks.csv").write_text("\n".join(rows))
    return folder / "masks.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        return read_bundle(analyze(spec(folder)))


def planted(bundle: Bundle) -> list[tuple[str, GroupLabel]]:
    """The groups that show one part of the plant in 60% of their patches and could be tested."""
    found = []
    for result in bundle.classes:
        parts = {(layer.name, g.index): g.agreement for layer in result.layers for g in layer.groups}
        for one in result.labels:
            agreement = parts[one.layer, one.group]
            assert agreement is not None
            assert agreement.commonest is not None
            part, share, _ = agreement.commonest[0]
            if share >= 0.6 and part != "background" and one.choice is not None:
                found.append((part, one))
    return found


def test_the_planted_parts_are_named(bundle: Bundle) -> None:
    tested = planted(bundle)
    assert len(tested) >= 4
    assert all(one.text == part for part, one in tested)
    assert all(one.choice_p is not None and one.choice_p <= 0.05 for _, one in tested)
    # What each picture of a class shows cannot be told from the class: L3 lets such labels fail.
    assert np.mean([one.holds for _, one in tested]) > 0.5
    assert all(one.effect_p is not None and one.effect_p > 0.05 for _, one in tested if not one.holds)


def test_every_group_below_the_logit_has_its_row_and_a_coherence(bundle: Bundle) -> None:
    for result in bundle.classes:
        due = [(layer.name, g.index) for layer in reversed(result.layers[:-1]) for g in layer.groups]
        assert [(one.layer, one.group) for one in result.labels] == due
        assert all(one.coherence is not None for one in result.labels if one.pictures)
    assert bundle.run.labels is not None
    assert bundle.run.labels.vocabulary == DATASET.parts
    assert not list(contradictions(bundle.run, bundle.classes))
    assert not list(contradicted(bundle.run, bundle.classes, bundle.manifest))


def test_the_coherence_is_there_without_labels(folder: Path, bundle: Bundle) -> None:
    found = read_bundle(analyze(spec(folder, labels={"source": "none"}, output=str(folder / "bare"))))
    assert found.run.labels is None
    for result, beside in zip(found.classes, bundle.classes, strict=True):
        figures = ("layer", "group", "coherence", "coherence_low", "coherence_high", "coherence_pictures")
        assert result.labels == tuple(
            GroupLabel(**{name: getattr(one, name) for name in figures}) for one in beside.labels
        )
    assert not list(contradictions(found.run, found.classes))
    assert not list(contradicted(found.run, found.classes, found.manifest))


@pytest.mark.parametrize("change", ["holds", "q_value", "choice_low", "p_value", "choice_p", "effect_p"])
def test_what_does_not_follow_is_told(bundle: Bundle, change: str) -> None:
    first = bundle.classes[0]
    place, one = next((n, row) for n, row in enumerate(first.labels) if row.q_value is not None)
    value = not one.holds if change == "holds" else 0.4321
    idle = {"choice_p": {"choice": 0.4}, "effect_p": {"effect": -0.1}}.get(change, {})
    labels = list(first.labels)
    labels[place] = one.model_copy(update={change: value, **idle})
    classes = [first.model_copy(update={"labels": tuple(labels)}), *bundle.classes[1:]]
    places = [found.place for found in contradicted(bundle.run, classes, bundle.manifest)]
    assert ("labels", place, change) in places


def test_shards_find_the_same(folder: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for number in (1, 2):
        analyze_shard(spec(folder), Part(i=number, n=2), progress=Silent(), folder=folder / "shards")
    found = read_bundle(merge([folder / "shards"]))
    assert [result.labels for result in found.classes] == [result.labels for result in bundle.classes]
    assert found.run.labels == bundle.run.labels


def test_a_network_with_random_weights_gets_few_labels(folder: Path) -> None:
    place = folder / "random"
    place.mkdir()
    changed = spec(place, model={"weights": "none"}, data={"select": "labelled"})
    labels = [one for result in read_bundle(analyze(changed)).classes for one in result.labels]
    assert len(labels) >= 4
    assert np.mean([one.holds for one in labels]) <= 0.05


def test_annotations_name_by_formulas(folder: Path, bundle: Bundle) -> None:
    place = folder / "masks"
    place.mkdir()
    first, second = bundle.classes
    boxes(place, second.others[:8])
    file = {"source": "annotations", "file": "masks.csv", "terms": 2}
    found = read_bundle(analyze(spec(place, labels=file, runtime={"cache": str(folder / "cache")})))
    assert found.run.labels is not None
    assert set(found.run.labels.vocabulary) <= set(DATASET.parts)
    tested = [one for result in found.classes for one in result.labels if one.choice is not None]
    assert tested
    assert all(one.overlap is not None and one.overlap > 0 and one.baseline is None for one in tested)
    assert any(one.holds for one in tested)
    for made, result in zip(found.classes, (first, second), strict=True):
        named = [one for one in result.others if one in second.others[:8] or one.split("/")[0] in CLASSES]
        assert len(named) < len(result.others), "the file leaves out some of the others"
        assert 10 <= max(one.effect_pictures for one in made.labels) <= 10 + min(20, len(named)) // 2
    assert [result.layers for result in found.classes] == [result.layers for result in bundle.classes]
    assert not list(contradicted(found.run, found.classes, found.manifest))


def expert(body: dict[str, Any]) -> tuple[int, bytes]:
    """Answers as the demo's own image–text model does."""
    question, picture = parts(body)
    if question.startswith("Each tile"):
        tiles = [picture.crop((x, y, x + 128, y + 128)) for y in (0, 128) for x in (0, 128)]
        return 200, said(DATASET.parts[int(known(tiles).mean(axis=0).argmax())])
    text = question.partition("“")[2].partition("”")[0]
    if text not in DATASET.parts:
        return 200, said("no")
    if question.startswith("Two parts"):
        ends = [picture.crop((x, 0, x + 256, 256)) for x in (0, picture.width - 256)]
        left, right = known(ends)[:, DATASET.parts.index(text)]
        return 200, said("A" if left > right else "B.")
    sixth = picture.width // 4
    tiles = [picture.crop((x, y, x + sixth, y + sixth)) for y in range(0, 256, sixth) for x in range(0, 256, sixth)]
    return 200, said("Yes" if known(tiles)[:, DATASET.parts.index(text)].max() > 0.5 else "No")


def known(tiles: list[Image.Image]) -> Any:
    """How likely each part is on pictures, (n, parts)."""
    model = demo_model(None)
    some = embedded(model.pictures, [tile.resize((model.side, model.side)) for tile in tiles])
    return probabilities(some @ embedded(model.texts, model.vocabulary).T, model.scale)


def test_a_model_that_is_asked_names_what_it_knows(folder: Path, bundle: Bundle) -> None:
    place = folder / "asked"
    place.mkdir()
    with server(expert) as (url, asked):
        labels = {"source": "endpoint", "url": url, "model": "expert"}
        found = read_bundle(analyze(spec(place, labels=labels, runtime={"cache": str(folder / "cache")})))
    tested = planted(found)
    assert len(tested) >= 4
    assert np.mean([one.text == part for part, one in tested]) >= 0.8
    assert any(one.holds for _, one in tested)
    assert [result.layers for result in found.classes] == [result.layers for result in bundle.classes]
    replies = [reply for result in found.classes for reply in result.label_replies]
    assert len(asked) <= 1 + len(replies)
    assert {reply.question for reply in replies} == {"label", "choice", "null", "picture"}
    assert not list(contradictions(found.run, found.classes))
    assert not list(contradicted(found.run, found.classes, found.manifest))
    first = next(n for n, row in enumerate(found.classes[0].labels) if row.choice is not None)
    labels = [
        row.model_copy(update={"choice": 0.123}) if n == first else row for n, row in enumerate(found.classes[0].labels)
    ]
    classes = [found.classes[0].model_copy(update={"labels": tuple(labels)}), *found.classes[1:]]
    assert ("labels", first, "choice") in [one.place for one in contradicted(found.run, classes, found.manifest)]


def test_a_model_that_knows_nothing_names_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, names = folder / "idle", iter(range(10**6))
    place.mkdir()

    def idle(body: dict[str, Any]) -> tuple[int, bytes]:
        return 200, said(f"thing {next(names)}" if parts(body)[0].startswith("Each tile") else "A")

    with server(idle) as (url, _asked):
        labels = {"source": "endpoint", "url": url, "model": "idle"}
        loaded = spec(place, labels=labels, runtime={"cache": str(folder / "cache")})
        stages = {stage.name: stage for stage in plan(loaded, timed=False, progress=Silent()).stages}
        found = read_bundle(analyze(loaded))
    assert stages["questions to the endpoint, at most"].amount == stages["labels"].amount * 81
    rows = [row for result in found.classes for row in result.labels]
    assert any(row.choice is not None for row in rows)
    assert not any(row.holds for row in rows)
    assert main(["validate", "--deep", str(place / "spec.yaml")]) == 2
    assert "labels.url: the endpoint at 127.0.0.1" in " ".join(capsys.readouterr().err.split())


def test_the_plan_counts_labels(folder: Path) -> None:
    stages = {stage.name: stage for stage in plan(spec(folder), timed=False, progress=Silent()).stages}
    assert stages["labels"].unit == "groups"
    assert stages["labels"].multiply_adds > 0
    without = plan(spec(folder, labels={"source": "none"}), timed=False, progress=Silent())
    assert "labels" not in {stage.name for stage in without.stages}


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"labels": {"source": "demo", "vocabulary": "no.txt"}}, "labels.vocabulary: 'no.txt' cannot be read"),
        ({"labels": {"source": "annotations"}}, "labels.file: the source annotations needs a `file`"),
        ({"labels": {"source": "demo", "path": "clip"}}, "labels.path: the source demo takes no `path`"),
        ({"labels": {"source": "endpoint", "model": "m"}}, "labels.url: the source endpoint needs a `url`"),
        (
            {"labels": {"source": "endpoint", "model": "m", "url": "http://10.0.0.1/v1"}},
            "labels.url: found the host '10.0.0.1', expected this machine",
        ),
        ({"data": {"holdout": 0}}, "data.holdout: found 0, expected more: `labels` are tested on pictures held out"),
        (
            {"data": {"limit": 12}},
            "data.limit: labels are tested on pictures held out, and of a class with 12 pictures",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], due: str
) -> None:
    base = {"data": {"limit": 40}, "labels": {"source": "demo"}, "output": str(tmp_path / "out")}
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump(merged(merged(SMALL, base), changes), sort_keys=False))
    assert main(["validate", "--deep", str(file)]) == 2
    assert due in " ".join(capsys.readouterr().err.split())


def test_what_labels_come_from_need_not_be_at_hand_for_other_figures(tmp_path: Path) -> None:
    file = boxes(tmp_path, ())
    changes = {"classes": ["firebell"], "labels": {"source": "annotations", "file": str(file)}}
    loaded = spec(tmp_path, **changes)
    bundle = read_bundle(analyze(loaded))
    file.unlink()
    assert list(anew(loaded, bundle, 2, progress=Silent())) == []
