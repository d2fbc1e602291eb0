"""verify --recompute: a sample computed anew agrees with its own run, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurflow_report import cli
from neurflow_report.analysis.anew import anew, differences, sample
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.results.records import CoreScore, Masking, Neuron, NeuronEdge, SemanticGroup
from neurflow_report.spec.load import load_spec
from tests.sample_bundle import sample_bundle
from tests.verification.kept import built

KEPT = Neuron(
    layer="a", channel=1, concept=(1, 2, 3, 4), activations=(4.0, 3.0, 2.0, 1.0),
    core=(CoreScore(channel=5, score=1.0), CoreScore(channel=6, score=0.5)),
    gap_mean=None, gap_max=None, nodes=None, silhouette=None, dead=False,
    groups=(
        SemanticGroup(
            index=1, patches=(1, 2, 3, 4), activation=2.5,
            edges=(NeuronEdge(channel=5, weight=0.7), NeuronEdge(channel=6, weight=0.3)),
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({}, None),
        ({"activations": (4.003, 3.0, 2.0, 1.0)}, None),
        ({"concept": (2, 1, 3, 4), "activations": (3.0, 4.0, 2.0, 1.0)}, None),
        ({"core": (CoreScore(channel=5, score=1.0), CoreScore(channel=7, score=0.51))}, None),  # a near tie
        ({"activations": (4.1, 3.0, 2.0, 1.0)}, "activations"),
        ({"concept": (1, 2, 3, 9)}, "concept"),
        ({"concept": (1, 2, 3), "activations": (4.0, 3.0, 2.0)}, "concept"),
        ({"core": (CoreScore(channel=5, score=0.9), CoreScore(channel=6, score=0.5))}, "core"),
        ({"core": (CoreScore(channel=5, score=1.0), CoreScore(channel=7, score=0.9))}, "core"),
        ({"core": (CoreScore(channel=5, score=1.0),)}, "core"),
    ],
)
def test_what_of_a_neuron_is_another(change: dict[str, Any], place: str | None) -> None:
    found = [inner[0] for inner, _ in differences(KEPT.model_copy(update=change), KEPT)]
    assert found == ([] if place is None else [place])


def test_a_weight_that_is_another() -> None:
    edges = (NeuronEdge(channel=5, weight=0.6), NeuronEdge(channel=6, weight=0.4))
    group = KEPT.groups[0].model_copy(update={"edges": edges})
    ((place, message),) = differences(KEPT.model_copy(update={"groups": (group,)}), KEPT)
    assert place == ("groups", 0, "edges")
    assert message == "the weight of neuron 5 is 0.6, and anew 0.7"


def test_the_sample_is_the_same_each_time_and_another_by_its_seed() -> None:
    classes = sample_bundle()[1]
    one = sample(classes, 5, 0)
    assert sample(classes, 5, 0) == one
    assert sample(classes, 5, 1) != one
    assert sum(len(drawn.neurons) for drawn in one) == sum(len(drawn.rows) for drawn in one) == 5
    every = sample(classes, 10_000, 0)
    for result, drawn in zip(classes, every, strict=True):
        assert len(drawn.rows) == len(result.masking)
        assert len(drawn.neurons) == sum(len(layer.neurons) for layer in result.layers)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("built"), formats=["html"])


def changed(bundle: Bundle) -> Bundle:
    """The bundle with a score, an activation and an accuracy that are others."""
    first, *others = bundle.classes
    lowest, upper, top = first.layers

    def neuron(of: Any, **update: Any) -> Any:
        return of.model_copy(update={"neurons": (of.neurons[0].model_copy(update=update), *of.neurons[1:])})

    core = tuple(score.model_copy(update={"score": 2 * score.score}) for score in upper.neurons[0].core)
    lowest = neuron(lowest, activations=tuple(1.1 * a for a in lowest.neurons[0].activations))
    rows = [row.model_copy(update={"accuracy": 1 - row.accuracy}) for row in first.masking[:1]]
    update = {"layers": (lowest, neuron(upper, core=core), top), "masking": (*rows, *first.masking[1:])}
    return replace(bundle, classes=(first.model_copy(update=update), *others))


@pytest.mark.slow
def test_a_run_agrees_with_itself_and_with_nothing_else(report: Path) -> None:
    loaded, bundle = load_spec(report.parent / "spec.yaml"), read_bundle(report)
    assert list(anew(loaded, bundle, 1000, progress=Silent())) == []
    found = [(one.slug, one.place) for one in anew(loaded, changed(bundle), 1000, progress=Silent())]
    row: Masking = bundle.classes[0].masking[0]
    assert found == [
        ("firebell", ("layers", 1, "neurons", 0, "core")),
        ("firebell", ("layers", 0, "neurons", 0, "activations")),
        *([("firebell", ("masking", 0, "accuracy"))] if row.accuracy != 0.5 else []),
    ]


@pytest.mark.slow
def test_the_command(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "verify",
        str(report / "bundle"),
        "--recompute",
        "3",
        "--spec",
        str(report.parent / "spec.yaml"),
        "--quiet",
    ]
    assert cli.main([*words, "--json"]) == 0
    assert '"3 neurons and 3 tests, computed anew"' in capsys.readouterr().out
    assert cli.main([*words, "--set", "data.limit=3"]) == 3
    assert (
        "from picture 3 on they are not those that the spec chooses (4 and 3) [not-reproduced]"
        in capsys.readouterr().err
    )
    assert cli.main([*words, "--set", "layers[0]=block2"]) == 3
    assert "run.json layers: they are not those of the spec" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more", [["--recompute", "3"], ["--spec", "a.yaml"], ["--recompute", "0"], ["--recompute", "x"]]
)
def test_a_wrong_command_line(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "nowhere", *more]) == 2
    assert "[command-line]" in capsys.readouterr().err
