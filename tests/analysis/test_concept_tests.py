"""The user's own concepts through a whole run: gradients against autograd of the whole network, shards, the cache."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from neurflow_report.analysis.anew import told
from neurflow_report.analysis.concept_tests import gradients
from neurflow_report.analysis.run import analyze_shard
from neurflow_report.analysis.unchanged import Unchanged
from neurflow_report.cli import main
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.errors import InputError, RunError
from neurflow_report.fidelity.concept_tests import NO_DIRECTION, NO_OTHERS
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import AdaptiveBatch
from neurflow_report.planning.plan import plan
from neurflow_report.progress import Silent
from neurflow_report.report import analyze, merge
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.results.contradictions import contradictions
from neurflow_report.results.shard import Part
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.load import LoadedSpec, load_spec
from neurflow_report.verification.derived import contradicted
from tests.oracles.networks import demo
from tests.small_spec import SMALL, merged

pytestmark = pytest.mark.slow
LAYERS = ["block2", "block3", "block4", "fc"]


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def spec(folder: Path, **changes: Any) -> LoadedSpec:
    quick = {
        "fidelity": {"experiments": ["masking"], "draws": 2, "concepts_from": "own"},
        "data": {"limit": 12},
        "output": str(folder / "out"),
        "runtime": {"cache": str(folder / "cache")},
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(merged(merged(SMALL, quick), changes), sort_keys=False))
    return load_spec(folder / "spec.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two concepts: more pictures of the class firebell, and grey ones of all classes."""
    root = tmp_path_factory.mktemp("concepts")
    for name in ("bells", "grey"):
        (root / "own" / name).mkdir(parents=True)
    for number in range(12):
        bell = DATASET.draw(DATASET.class_names.index("firebell"), 200 + number)[0]
        bell.save(root / "own" / "bells" / f"{number}.png")
        DATASET.draw(number % 8, 300 + number)[0].convert("L").save(root / "own" / "grey" / f"{number}.png")
    (root / "own" / "grey" / "bad.png").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        return read_bundle(analyze(spec(folder)))


def inputs(count: int) -> torch.Tensor:
    drawn = (DATASET.draw(n % 8, n)[0] for n in range(count))
    return torch.stack([to_input(one, NETWORKS["flowers"].preprocess)[0] for one in drawn]).double()


def test_gradients_are_those_of_the_whole_network_with_a_channel_moved_alike() -> None:
    pixels, model = inputs(3), demo()
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    workspace = Workspace.set_up(cut(demo(), LAYERS, pixels), grid, 500_000_000, pixels)
    for number, name in enumerate(LAYERS[:-1]):
        found = gradients(workspace, number, pixels, 2, AdaptiveBatch(most=2))
        for row, picture in enumerate(pixels):
            shift: list[torch.Tensor] = []

            def moved(_module: Any, _inputs: Any, out: torch.Tensor, shift: list[torch.Tensor] = shift) -> torch.Tensor:
                shift.append(torch.zeros(out.shape[1], dtype=out.dtype, requires_grad=True))
                return out + shift[0].view(1, -1, *[1] * (out.ndim - 2))

            handle = model.get_submodule(name).register_forward_hook(moved)
            try:
                model(picture[None])[0, 2].backward()
            finally:
                handle.remove()
            assert shift[0].grad is not None
            assert found[row] == pytest.approx(shift[0].grad.numpy(), rel=1e-9, abs=1e-12)


def test_a_gradient_that_is_not_finite_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = inputs(2)
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    workspace = Workspace.set_up(cut(demo(), LAYERS, pixels), grid, 500_000_000, pixels)
    monkeypatch.setattr("neurflow_report.analysis.concept_tests.spatial_sum", lambda g, _axis: g.flatten(1) * np.nan)
    with pytest.raises(RunError, match="a gradient of the logit to layer 'block3' is NaN or Inf"):
        gradients(workspace, 1, pixels, 0, AdaptiveBatch(most=2))


def test_the_class_follows_a_concept_of_its_own_pictures(bundle: Bundle) -> None:
    assert [(c.name, c.pictures, len(c.skipped)) for c in bundle.run.concepts] == [("bells", 12, 0), ("grey", 12, 1)]
    for result in bundle.classes:
        rows = [(t.layer, t.concept) for t in result.concept_tests]
        assert rows == [(layer, c) for layer in ("block4", "block3") for c in ("bells", "grey")]
        assert {t.sets for t in result.concept_tests} == {160}
        assert {t.n for t in result.concept_tests} == {len(result.pictures)}
    assert [t.value for t in bundle.classes[0].concept_tests if t.concept == "bells"] == [1.0, 1.0]
    bells = bundle.classes[0].concept_tests[2]
    assert bells.value == 1.0
    assert bells.slope is not None
    assert bells.slope > 0
    assert bells.p_value is not None
    assert bells.p_value <= 0.05


def test_what_was_found_follows_from_itself(bundle: Bundle) -> None:
    assert list(contradictions(bundle.run, bundle.classes)) == []
    assert list(contradicted(bundle.run, bundle.classes, bundle.manifest)) == []
    result = bundle.classes[0]
    odd = result.concept_tests[0].model_copy(update={"q_value": 0.9, "low": 0.1})
    changed = result.model_copy(update={"concept_tests": (odd, *result.concept_tests[1:])})
    found = [c.place for c in contradicted(bundle.run, [changed], bundle.manifest) if c.slug]
    assert found == [("concept_tests", 0, "low"), ("concept_tests", 0, "q_value")]
    for change, place in (
        ({"layer": "sky"}, "layer"), ({"concept": "sky"}, "concept"), ({"p_value": 2.0}, "p_value"), ({"n": 0}, "n"),
        ({"value": None}, "value"),
    ):  # fmt: skip
        changed = result.model_copy(update={"concept_tests": (result.concept_tests[0].model_copy(update=change),)})
        assert ("concept_tests", 0, place) in [c.place for c in contradictions(bundle.run, [changed])]


def test_recomputing_says_that_concepts_are_not(bundle: Bundle) -> None:
    assert "the tests of concepts" in told(bundle, ())[1]


def test_shards_make_the_same_bundle(folder: Path, bundle: Bundle, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    loaded = spec(folder)
    for number in (2, 1):
        analyze_shard(loaded, Part(i=number, n=2), progress=Silent(), folder=tmp_path)
    together = merge([tmp_path], output=tmp_path / "merged")
    assert files(together) == files(folder / "out" / "bundle")
    shutil.copytree(folder / "own", tmp_path / "own")
    (tmp_path / "own" / "bells" / "0.png").unlink()
    other = spec(folder, fidelity={"concepts_from": str(tmp_path / "own")})
    analyze_shard(other, Part(i=1, n=2), progress=Silent(), folder=tmp_path)
    with pytest.raises(InputError, match="is of another run") as raised:
        merge([tmp_path], output=tmp_path / "again")
    assert raised.value.slug == "shard-mismatch"


def test_other_pictures_are_tested_anew_and_no_class_is_examined_again(
    folder: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert Unchanged.of(spec(folder)).cache is None
    monkeypatch.setattr("neurflow_report.analysis.run.examine", None)
    shutil.copytree(folder / "own" / "bells", tmp_path / "own" / "bells")
    DATASET.draw(3, 400)[0].save(tmp_path / "own" / "bells" / "0.png")
    changes = {"concepts_from": str(tmp_path / "own")}
    found = read_bundle(analyze(spec(folder, fidelity=changes, output=str(tmp_path / "out"))))
    assert [c.name for c in found.run.concepts] == ["bells"]
    assert found.run.concepts[0].digest != bundle.run.concepts[0].digest
    assert found.classes[0].layers == bundle.classes[0].layers
    assert found.classes[0].concept_tests != bundle.classes[0].concept_tests[::2]
    without = spec(folder, fidelity={"concepts_from": None}, output=str(tmp_path / "none"))
    assert not any(result.concept_tests for result in read_bundle(analyze(without)).classes)


def test_a_run_of_few_pictures_and_a_layer_that_never_varies_say_so(
    folder: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = {"experiments": [], "taus": None, "draws": None}
    few = spec(folder, data={"limit": 4}, fidelity=alone, output=str(tmp_path / "few"), classes=["firebell"])
    (result,) = read_bundle(analyze(few)).classes
    assert {t.reason for t in result.concept_tests} == {NO_OTHERS}
    assert {t.q_value for t in result.concept_tests} == {None}
    monkeypatch.setattr("neurflow_report.analysis.concept_tests.vectors", lambda *_, **__: None)
    (result, _) = read_bundle(analyze(spec(folder, output=str(tmp_path / "flat")))).classes
    assert {t.reason for t in result.concept_tests} == {NO_DIRECTION}


def test_a_plan_counts_the_tests(folder: Path) -> None:
    for timed in (False, True):
        stages = {stage.name: stage for stage in plan(spec(folder), timed=timed, progress=Silent()).stages}
        assert (stages["concepts"].amount, stages["concepts"].unit) == (8, "tests")
        assert stages["concepts"].multiply_adds > 0
    assert (stages["concepts"].seconds or 0) > 0.1
    without = plan(spec(folder, fidelity={"concepts_from": None}), timed=False, progress=Silent())
    assert "concepts" not in {stage.name for stage in without.stages}


def test_a_concept_with_one_picture_is_refused_with_its_place(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "own" / "one").mkdir(parents=True)
    DATASET.draw(0, 0)[0].save(tmp_path / "own" / "one" / "0.png")
    spec(tmp_path)
    assert main(["build", str(tmp_path / "spec.yaml"), "--quiet"]) == 2
    assert capsys.readouterr().err.replace(str(tmp_path) + "/", "") == (
        "error: spec.yaml:34:18 fidelity.concepts_from: the concept 'one' has 1 picture that differs and can be read, "
        "and needs 10 [concepts-unusable]\n"
        "      concepts_from: own\n"
        "                     ^\n"
        "  hint: put more pictures into its subfolder, or take the subfolder away\n"
    )


def test_the_report_shows_the_table(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    assert main(["render", str(folder / "out"), "--output", str(tmp_path / "site"), "--quiet"]) == 0
    page = next((tmp_path / "site").rglob("fidelity.html"), None)
    pages = [
        p for p in (tmp_path / "site").rglob("*.html") if "Does the class follow your own concepts?" in p.read_text()
    ]
    assert len(pages) == 2, page
    assert len(list((tmp_path / "site").rglob("concepts.csv"))) == 2
    assert len(list((tmp_path / "site").rglob("concepts.json"))) == 2
