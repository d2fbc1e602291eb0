"""The benchmarks notice results that do not agree, and fit what they say they fit."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def pipeline(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return __import__("pipeline")


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return __import__("scaling")


def neuron(core, concept=(4, 2, 9), groups=((4, 9), (2,)), weight=0.5):
    scores = [SimpleNamespace(channel=c, score=s) for c, s in core]
    edges = [SimpleNamespace(channel=c, weight=weight) for c, _ in core]
    return SimpleNamespace(
        core=scores, concept=concept, groups=[SimpleNamespace(patches=g, edges=edges) for g in groups]
    )


def reference(scores, core, concept=(4, 2, 9), groups=((9, 4), (2,))):
    naive = sys.modules["naive"]
    return naive.Target(
        concept=list(concept),
        scores=np.array(scores),
        core=core,
        groups=list(map(frozenset, groups)),
        weights=[dict.fromkeys(range(3), 0.5) for _ in groups],
    )


def test_what_agrees(pipeline):
    found = pipeline.compare([neuron([(1, 3.0), (0, 2.0)])], [reference([2.0, 3.0, 1.0], [1, 0])], 1.0)
    assert found == {"error": 0.0, "agreement": 1.0, "groups": 1.0, "agrees": True}


def test_a_tie_is_no_disagreement_at_50_nodes_and_nothing_else_is(pipeline):
    tied = pipeline.compare([neuron([(1, 3.0), (2, 2.0)])], [reference([2.00001, 3.0, 2.0], [1, 0])], 1.0)
    assert (tied["agreement"], tied["agrees"]) == (0.5, True)
    other = pipeline.compare([neuron([(1, 3.0), (2, 1.9)])], [reference([2.0, 3.0, 1.9], [1, 0])], 1.0)
    assert (other["agreement"], other["agrees"]) == (0.5, False)


@pytest.mark.parametrize(
    ("mine", "least"),
    [
        (neuron([(1, 3.0), (2, 1.0)]), 0.98),
        (neuron([(1, 3.0), (0, 2.1)]), 1.0),
        (neuron([(1, 3.0), (0, 2.0)], weight=0.49), 1.0),
        (neuron([(1, 3.0), (0, 2.0)], concept=(4, 9, 2)), 0.98),
        (neuron([(1, 3.0), (0, 2.0)], groups=((4, 2), (9,))), 0.98),
        (neuron([], groups=((4, 2), (9,))), None),
    ],
)
def test_what_does_not_agree(pipeline, mine, least):
    assert pipeline.compare([mine], [reference([2.0, 3.0, 1.0], [1, 0])], least)["agrees"] is False


def test_partitions_are_equal_whatever_their_labels(pipeline):
    assert pipeline._equal(np.array([0, 1, 1, 2]), np.array([2, 0, 0, 1]))
    assert not pipeline._equal(np.array([0, 1, 1]), np.array([0, 1, 2]))
    assert not pipeline._equal(np.array([0, 1, 2]), np.array([0, 1, 1]))


def test_targets_are_spread(pipeline):
    assert pipeline.spread(range(100), 4) == [12, 37, 62, 87]
    assert pipeline.spread([5, 7], 8) == [5, 7]


def test_exponents_and_differences(scaling):
    counts = [1, 4, 16, 64]
    assert scaling.exponent(counts, [3.0 * n**1.5 for n in counts]) == pytest.approx(1.5)
    a = {"names": [[1, 2]], "values": [1.0, 4.0]}
    assert scaling.difference(a, a | {"values": [1.0, 5.0]}) == 0.2
    assert scaling.difference(a, a | {"names": [[2, 1]]}) == float("inf")


@pytest.fixture
def intervals(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return __import__("intervals")


def test_the_coverage_of_a_share_is_what_drawing_it_gives(intervals):
    found, random = intervals.exact(40, 0.95), np.random.default_rng(0)
    ends = [intervals.wilson(x, 40) for x in random.binomial(40, 0.95, 4000)]
    held, width = found["program"]
    assert held == pytest.approx(np.mean([low <= 0.95 <= high for low, high in ends]), abs=0.015)
    assert width == pytest.approx(np.mean([high - low for low, high in ends]), abs=0.005)
    assert found["pictures"][0] < 0.9 < held


def test_intervals_that_are_too_narrow_are_told(intervals):
    few = {"mean": 1.0, "varies": 0.1, "neurons": 9.0, "ways": {"program": {"held": 0.7, "width": 0.1}}}
    shares, tests = {0.9: {"program": (0.89, 0.1)}}, {"2 × 3 groups": {"program": 0.08}}
    nulls = {"sets 1.5": {"program": (0.89, 0.1)}, "sets 0": {"program": (0.95, 0.1)}}
    assert intervals.failures(shares, nulls, tests, {"F6 k = 30, a": few, "F6 k = 30, b": few}) == [
        "Wilson at 0.9", "the null with sets 1.5", "F8 with 2 × 3 groups", "F6 k = 30",
    ]  # fmt: skip
    lone = few | {"neurons": 2.0}
    assert intervals.failures({0.9: {"program": (0.95, 0.1)}}, {}, {"x": {"program": 0.05}}, {"F7, fc": lone}) == []
    found = intervals.coverage([(0.4, 3, {"program": (0.3, 0.45)}), (0.6, 5, {"program": (0.45, 0.7)})])
    assert (found["mean"], found["neurons"]) == (0.5, 4)
    assert found["ways"]["program"] == {"held": 0.5, "width": pytest.approx(0.2)}


@pytest.mark.slow
def test_the_pipeline_agrees_with_the_naive_way_and_says_so(pipeline, tmp_path, capsys):
    assert pipeline.main(["--quick", "--json", str(tmp_path / "rows.json")]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert {"segment", "mode", "seconds", "reference_seconds", "ratio", "error", "agreement"} <= set(rows[0])
    assert [r["mode"] for r in rows[-2:]] == ["whole", "÷ forward pass"]
    assert len(capsys.readouterr().out.splitlines()) == len(rows) + 1


def test_the_page_of_networks_tells_what_goes_through_and_what_does_not(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    models = __import__("models")
    rows = [
        models.Row(source="torchvision", name="a", size=64, layers=9, taken="x → fc", error=2e-7),
        models.Row(source="torchvision", name="b", size=64, layers=9, taken="x → fc", error=2e-3),
        models.Row(source="timm", name="c", size=64, layers=9, taken="x → fc", error=4e-9, precision="float64"),
        models.Row(source="timm", name="d", reason="no | layer [too-few-layers]"),
        models.Row(source="timm", name="e", size=64, layers=9, taken="x → fc"),  # T is 0 everywhere
    ]
    page = models.page(rows, ["f"])
    assert page.endswith("\n\nNot run: f.\n")
    first, second = page.split("## timm ")
    assert "| a | 64 | 9 | x → fc | 2e-07 |" in first
    assert "2 of 2 go through; T of 1 agrees with Captum's." in first
    assert "| c | 64 | 9 | x → fc | 4e-09 (float64) |\n| d | | | no / layer [too-few-layers] | |\n" in second
    assert "2 of 3 go through; T of 1 agrees with Captum's." in second
    assert models.asked_for(["resnet18", "timm:resnet18"]) == [("torchvision", "resnet18"), ("timm", "resnet18")]
    assert len(models.asked_for(["torchvision"])) == 80
    assert len(set(models.asked_for(["timm"]))) == len(models.TIMM) >= 40
