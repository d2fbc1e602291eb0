"""Bundles whose digests are right and whose records do not fit together: refused, with what contradicts what."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from neurflow_report.drawing.view import site_view
from neurflow_report.drawing.view.pages.method import _RULES
from neurflow_report.drawing.write.needs import FILES
from neurflow_report.drawing.write.pdf import print_html
from neurflow_report.drawing.write.site import site_files
from neurflow_report.errors import InputError
from neurflow_report.results import contradictions
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.data import Data
from neurflow_report.spec.schema import Report
from tests.mutated import HUGE, mutate, renew
from tests.sample_bundle import frozen_bundle, seal

Change = Callable[[Any], object]
BEE = "classes/bee-co.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return frozen_bundle(tmp_path_factory.mktemp("whole"), pictures=1).root


@pytest.fixture(scope="module")
def whole_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one class."""
    return frozen_bundle(tmp_path_factory.mktemp("class"), pictures=1, classes=1).root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def damaged(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_bundle(root)
    assert caught.value.slug == "bundle-damaged"
    assert caught.value.where is not None
    return f"{Path(caught.value.where.file).relative_to(root)}: {caught.value.message}"


def told(root: Path, name: str, change: Change) -> str:
    file = root / name
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))
    renew(root, file)
    return damaged(root)


def put(value: object, *place: str | int) -> Change:
    def change(record: Any) -> None:
        for step in place[:-1]:
            record = record[step]
        record[place[-1]] = value

    return change


def twice(*place: str | int) -> Change:
    def change(record: Any) -> None:
        for step in place:
            record = record[step]
        record.append(record[0])

    return change


def named(**changes: str) -> dict[str, str]:
    return {"slug": "bee-co", "layer": "layer3", "code": "G1", "text": "a"} | changes


RUNS: list[tuple[Change, str]] = [
    (put("pink", "theme"), "theme: 'pink' is none of 'auto', 'dark', 'light'"),
    (put([], "formats"), "formats: nothing is to be drawn"),
    (put(["docx"], "formats"), "formats[0]: 'docx' is none of 'html', 'pdf', 'single'"),
    (put("some", "data", "select"), "data.select: 'some' is none of 'any', 'correct', 'labelled', 'predicted'"),
    (put("last", "data", "sample"), "data.sample: 'last' is none of 'first', 'random'"),
    (put("simpson", "settings", "rule"), "settings.rule: 'simpson' is none of 'cells', 'gauss'"),
    (put(["masking", "luck"], "settings", "experiments"), "settings.experiments[1]: 'luck' is none of 'causal', "),
    (put("luck", "settings", "thresholds", 0, "claim"), "settings.thresholds[0].claim: 'luck' is none of "),
    (twice("settings", "thresholds"), "settings.thresholds: the claim 'needed' stands there twice"),
    (put(0, "model", "preprocess", "size"), "model.preprocess.size: it is 0, and at least 1 is possible"),
    (put(1.5, "model", "test_accuracy"), "model.test_accuracy: it is 1.5, which is not in 0..1"),
    (put([], "layers"), "layers: a circuit has two layers at least, and these are 0"),
    (put("layer1", "layers", 1, "name"), "layers: the layer 'layer1' stands there twice"),
    (put(0, "layers", 1, "channels"), "layers[1].channels: it is 0, and at least 1 is possible"),
    (put([], "classes"), "classes: there is no class"),
    (twice("classes"), "classes: the class 'bee-co' stands there twice"),
    (put("large", "tiles"), "tiles: 'large' is none of 'auto', 'outlined', 'patch'"),
    (put("javascript:alert(1)/", "url"), "url: 'javascript:alert(1)/' is no address of a site"),
    (put([named(slug="wasp")], "names"), "names[0].slug: there is no class 'wasp'"),
    (put([named(layer="layer9")], "names"), "names[0].layer: there is no layer 'layer9'"),
    (put([named(code="g1")], "names"), "names[0].code: 'g1' is neither a group, as G3, nor a neuron, as n12"),
    (put([named(text=" ")], "names"), "names[0].text: found nothing, expected a name"),
    (put([named(text="x" * 61)], "names"), "names[0].text: found 61 characters, expected 60 at most"),
    (put([named(), named(text="b")], "names"), "names: the thing named ('bee-co', 'layer3', 'G1') stands there twice"),
]


@pytest.mark.parametrize(("change", "message"), RUNS)
def test_what_is_wrong_in_the_run_is_told(root: Path, change: Change, message: str) -> None:
    assert told(root, "run.json", change).startswith(f"run.json: {message}")


LAYER = ("layers", 1)
NEURON = (*LAYER, "neurons", 0)
CLASSES: list[tuple[Change, str]] = [
    (put("wasp", "name"), "name: the class is called 'wasp' here and 'bee & <co>' in run.json"),
    (put([], "pictures"), "pictures: there is no picture"),
    (put(0, "pictures", 0, "width"), "pictures[0].width: it is 0, and at least 1 is possible"),
    (put(0, "pictures", 0, "region", "width"), "pictures[0].region: its width and height are more than 0"),
    (put(None, "pictures", 0, "file"), "patches[0].image: picture 0 has no file, and a patch of it is shown"),
    (twice("patches"), "patches: the patch 0 stands there twice"),
    (put(10, "patches", 0, "index"), "patches: the patch 10 stands there twice"),
    (put(999, "patches", 0, "index"), "patches[0].index: there is no patch 999: there are 59"),
    (put(1, "patches", 0, "image"), "patches[0].image: there is no picture 1: there are 1"),
    (put(0, "patches", 0, "side"), "patches[0]: the patch does not lie in the 64 × 64 pixels of a picture"),
    (put(1, "patches", 0, "left"), "patches[0]: the patch does not lie in the 64 × 64 pixels of a picture"),
    (lambda r: r["patches"].pop(0), "layers[0].neurons["),
    (lambda r: r["layers"].pop(0), "layers: the layers are 'layer2.0', 'layer3', 'fc', and those of run.json "),
    (put(99, *LAYER, "channels"), "layers[1].channels: the layer has 99 channels here and 24 in run.json"),
    (twice(*LAYER, "neurons"), "layers[1].neurons: the neuron "),
    (twice(*LAYER, "groups"), "layers[1].groups: the neuron group 1 stands there twice"),
    (put("fc", *NEURON, "layer"), "layers[1].neurons[0].layer: the neuron is of layer 'fc', and stands in 'layer2.0'"),
    (put(99, *NEURON, "channel"), "layers[1].neurons[0].channel: there is no channel 99: there are 24"),
    (put([], *NEURON, "concept"), "layers[1].neurons[0].concept: 0 patches have 12 activations"),
    (put([1.0], *NEURON, "activations"), "layers[1].neurons[0].concept: 12 patches have 1 activations"),
    (twice(*NEURON, "core"), "layers[1].neurons[0].core: the channel "),
    (put(15, *NEURON, "core", 0, "channel"), "layers[1].neurons[0].core: there is no neuron of the layer below 15"),
    (put([], *NEURON, "groups"), "layers[1].neurons[0].groups: the neuron has no semantic group"),
    (put([], *NEURON, "groups", 0, "patches"), "layers[1].neurons[0].groups[0].patches: the semantic group "),
    (put(15, *NEURON, "groups", 0, "edges", 0, "channel"), "layers[1].neurons[0].groups[0].edges: there is no "),
    (put("fc", *LAYER, "groups", 0, "layer"), "layers[1].groups[0].layer: the group is of layer 'fc', and stands in "),
    (put(-0.5, *LAYER, "groups", 0, "share"), "layers[1].groups[0].share: it is -0.5, which is not in 0..1"),
    (put([], *LAYER, "groups", 0, "members"), "layers[1].groups: a semantic group of one of its neur"),
    (put(9, *LAYER, "groups", 0, "members", 0, "semantic"), "layers[1].groups[0].members[0]: there is no semantic"),
    (put([], *LAYER, "groups", 0, "patches"), "layers[1].groups[0]: the group has "),
    (put([998], *LAYER, "groups", 0, "patches"), "layers[1].groups[0].patches: there is no patch 998"),
    (put([], "layers", 3, "neurons"), "layers[3].groups[0].members[0]: there is no semantic group "),
    (put("sky", "edges", 0, "lower_layer"), "edges[0]: 'sky' is not the layer below 'layer2.0'"),
    (put(9, "edges", 0, "upper"), "edges[0]: there is no group 9 of 'layer2.0', or none 1 of 'layer1'"),
    (twice("edges"), "edges: the edge ('layer2.0', 1, 'layer1', 1) stands there twice"),
    (put(9, "edge_drops", 0, "lower"), "edge_drops[0]: there is no group 1 of 'layer2.0', or none 9 of 'layer1'"),
    (put(9, "edge_effects", 0, "lower"), "edge_effects[0]: there is no group 1 of 'layer2.0', or none 9 of 'layer1'"),
    (put(1.5, "edge_effects", 0, "q_value"), "edge_effects[0].q_value: it is 1.5, which is not in 0..1"),
    (put(0, "edge_effects", 0, "sets"), "edge_effects[0].sets: it is 0, and at least 1 is possible"),
    (put("../..", "debugged", 0, "sha256"), "debugged[0].sha256: '../..' is no sha256"),
    (put(6, "debugged", 0, "q"), "debugged[0].q: there is no logit 6: there are 6"),
    (put(4, "debugged", 0, "p"), "debugged[0].p: logit 4 against 5 is nothing that the circuit of 2 explains"),
    (put("sky", "debugged", 0, "layers", 0, "layer"), "debugged[0].layers: the layers are 'sky', 'layer2.0', "),
    (put(99, "debugged", 0, "layers", 0, "causes", 0, "group"), "debugged[0].layers[0].causes: the groups "),
    (put(9.0, "debugged", 0, "layers", 0, "outside"), "debugged[0].layers[0]: its parts add up "),
    (put(2.0, "debugged", 0, "layers", 0, "causes", 0, "q_value"), "debugged[0].layers[0].causes[0].q_value: "),
    (put(["0a"], "debugged", 0, "layers", 0, "causes", 0, "map"), "debugged[0].layers[0].causes[0].map: it is "),
    (put([], "debugged", 0, "layers", 0, "what_ifs"), "debugged[0].layers[0].what_ifs: "),
    (put([9], "debugged", 0, "layers", 0, "what_ifs", 0, "removed"), "debugged[0].layers[0].what_ifs[0]: the groups"),
    (put("sky", "census", 0, "layer"), "census[0].layer: there is no layer 'sky'"),
    (twice("census"), "census: the layer 'layer1' stands there twice"),
    (put([99], "census", 0, "silent"), "census[0].silent: there is no channel 99"),
    (put("sky", "masking", 0, "layer"), "masking[0].layer: there is no layer 'sky'"),
    (put(0, "masking", 0, "n"), "masking[0].n: it is 0, and at least 1 is possible"),
    (put(99, "masking", 0, "size"), "masking[0].size: there is no set of a size of 99: there are 17"),
    (put([0.5, 2.0], "masking", 0, "null"), "masking[0].null: it is 2, which is not in 0..1"),
    (put(True, "pictures", 0, "held_out"), "patches[0].image: picture 0 is held out, and a patch of it is shown"),
    (put("sky", "two_sided", 0, "layer"), "two_sided[0].layer: there is no layer 'sky'"),
    (put(0, "two_sided", 0, "others"), "two_sided[0].others: it is 0, and at least 1 is possible"),
    (put(1.5, "two_sided", 0, "fpr_high"), "two_sided[0].fpr_high: it is 1.5, which is not in 0..1"),
    (put(-1.5, "two_sided", 0, "j"), "two_sided[0].j: it is -1.5, which is not in "),
    (put([0.5, -2.0], "two_sided", 0, "null"), "two_sided[0].null: it is -2, which is not in -1..1"),
    (put("luck", "measures", 0, "experiment"), "measures[0].experiment: 'luck' is none of "),
    (put("sky", "measures", 0, "layer"), "measures[0].layer: there is no layer 'sky'"),
    (put("luck", "claims", 0, "claim"), "claims[0].claim: 'luck' is none of "),
    (put("luck", "not_run", 0, "experiment"), "not_run[0].experiment: 'luck' is none of "),
    (put("sky", "cautions", 1, "layer"), "cautions[1].layer: there is no layer 'sky'"),
    (put(23, "cautions", 1, "channel"), "cautions[1].channel: there is no neuron 23 of 'layer2.0'"),
    (twice("controls"), "controls: the control 'random_weights' stands there twice"),
    (put(6, "controls", 0, "logit"), "controls[0].logit: there is no logit 6: there are 6"),
    (put("sky", "controls", 0, "measures", 0, "layer"), "controls[0].measures[0].layer: there is no layer 'sky'"),
    (put(HUGE, "patches", 0, "side"), "the number 100000000000… is out of all bounds"),
    (put(1e41, "layers", 0, "silhouette"), "the number 1e+41… is out of all bounds"),
    (put("a\x1b[31m", "pictures", 0, "label"), "a text holds a control character, '\\\\u001b'"),
    (put("a\x85b", "pictures", 0, "label"), "a text holds a control character, '\\\\u0085'"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CLASSES)
def test_what_is_wrong_in_a_class_is_told(root: Path, change: Change, message: str) -> None:
    assert told(root, BEE, change).startswith(f"{BEE}: {message}")


@pytest.mark.parametrize("slug", ["index.html", "a b", "Bee", "é", "-", "media", "x" * 81])
def test_a_slug_is_a_name_of_a_folder(root: Path, slug: str) -> None:
    renamed = root / "classes" / f"{slug}.json"
    (root / BEE).rename(renamed)
    manifest = json.loads((root / "manifest.json").read_text())
    del manifest["files"][BEE]
    (root / "manifest.json").write_text(json.dumps(manifest))
    seal(root)
    value = json.loads(renamed.read_text())
    renamed.write_text(json.dumps(value | {"slug": slug}))
    run = json.loads((root / "run.json").read_text())
    run["classes"][0]["slug"] = slug
    (root / "run.json").write_text(json.dumps(run))
    renew(root, renamed, root / "run.json")
    if slug == "media":
        assert read_bundle(root).classes[0].slug == "media"
    else:
        assert slug in damaged(root)


def test_texts_and_numbers_of_all_usual_kinds_are_let_through() -> None:
    for value in (
        {"a": [1, -2.5, 1e-7, 2**63, 3.4e38, "\t\n\r", "\\u0007", "12345678901234567890123", "é…😀", "1e99", '"\\']},
    ):
        for ascii_only in (True, False):
            assert contradictions.odd_text(json.dumps(value, ensure_ascii=ascii_only).encode()) == ""


def test_what_is_known_here_is_what_the_rest_of_the_program_knows() -> None:
    assert set(_RULES) == contradictions.RULES
    assert set(FILES) == contradictions.FORMATS
    assert set(get_args(Report.model_fields["theme"].annotation)) == contradictions.THEMES
    assert set(get_args(Data.model_fields["select"].annotation)) == contradictions.SELECTS
    assert set(get_args(Data.model_fields["sample"].annotation)) == contradictions.SAMPLES


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.name)])
@pytest.mark.parametrize("name", ["run.json", "pictures/bee-co/000.png", "manifest.json"])
def test_what_is_no_file_is_told(root: Path, name: str, make: Callable[[Path], None]) -> None:
    (root / name).unlink()
    make(root / name)
    with pytest.raises(InputError, match=r"it is a named pipe|a loop of links|has no manifest\.json"):
        read_bundle(root)


def drawn(root: Path, seed: int, *, pages: bool) -> None:
    """Either the bundle is refused, or all of it can be drawn."""
    change = mutate(root, seed)
    try:
        bundle = read_bundle(root)
    except InputError as error:
        assert error.slug in {"bundle-damaged", "bundle-version"}, change  # noqa: PT017 either is right
        return
    view = site_view(bundle)
    if pages:
        assert list(site_files(bundle, view)), change
        assert print_html(view, None), change


@pytest.mark.parametrize("seed", range(40))
def test_a_bundle_with_one_thing_changed_is_refused_or_read(root: Path, seed: int) -> None:
    drawn(root, seed, pages=False)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(first, first + 20) for first in range(40, 120, 20)], ids=str)
def test_bundles_with_one_thing_changed_are_refused_or_drawn(
    whole_class: Path, tmp_path: Path, root: Path, seeds: range
) -> None:
    """Of one class; the first twenty of two, whose records know of each other."""
    for seed in seeds:
        source = root if seeds[0] == 40 else whole_class
        drawn(Path(shutil.copytree(source, tmp_path / str(seed))), seed, pages=True)
