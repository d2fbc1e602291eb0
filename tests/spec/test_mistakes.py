"""All mistakes of a spec that can be told at once: what is wrong somewhere hides no rule elsewhere."""

# ruff: noqa: E501 (the messages stand here word for word)

from __future__ import annotations

from pathlib import Path

import pytest

from neurflow_report.errors import InputErrors, spell_path
from neurflow_report.spec.load import check_text

GOOD = {
    "version": "1",
    "title": "A",
    "model": "{source: demo, name: flowers}",
    "data": "{source: demo}",
    "classes": "[bee]",
    "layers": "[block1, fc]",
}


def told(changes: dict[str, str], options: tuple[str, ...] = ()) -> list[str]:
    text = "".join(f"{key}: {value}\n" for key, value in (GOOD | changes).items() if value)
    with pytest.raises(InputErrors) as caught:
        check_text(text, Path("s.yaml"), options)
    return [f"{spell_path(p.path)}: {p.message}" for p in caught.value.problems()]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": "[ant, be, 17, -1, ant, 0, be]"},
         ["classes[3]: found -1, expected text or a number of at least 0",
          "classes[4]: 'ant' stands twice, first as number 1",
          "classes[6]: 'be' stands twice, first as number 2"]),
        ({"classes": "[-1, ant, -2, ant]"},
         ["classes[0]: found -1, expected text or a number of at least 0",
          "classes[2]: found -2, expected text or a number of at least 0",
          "classes[3]: 'ant' stands twice, first as number 2"]),
        ({"concept": "{scales: [1.0, 1.0, 2, 0]}"},
         ["concept.scales[1]: 1.0 stands twice, first as number 1",
          "concept.scales[2]: found 2, expected a number of at most 1.0",
          "concept.scales[3]: found 0, expected a number greater than 0.0"]),
        ({"preprocess": "{mean: [0.5, 0.5], std: [0.5, 0, 0.5], size: 40, resize: 20, channels: 7}"},
         ["preprocess.std: found 3 values, expected as many as `mean` has, 2",
          "preprocess.std[1]: found 0, expected a number greater than 0",
          "preprocess.resize: found 20, expected at least size, which is 40",
          "preprocess.channels: found 7, expected 1 or 3"]),
        ({"preprocess": "{squash: true, resize: none}",
          "model": "{source: timm, name: x, kwargs: {cache_dir: /tmp, checkpoint_path: x}}"},
         ["model.kwargs.cache_dir: `cache_dir` would read weights from a folder of somebody's choice",
          "model.kwargs.checkpoint_path: `checkpoint_path` would load weights by another way than `weights`",
          "preprocess.squash: nothing is squashed where `resize` is none"]),
        ({"model": "{source: python, outputs: 3, name: 4}", "title": "", "fidelity": "{taus: [30]}"},
         ["title: the key 'title' is missing",
          "model.factory: the source python needs a `factory`, package.module:callable",
          "model.outputs: the source python takes no `outputs`",
          "model.name: found 4, expected text",
          "fidelity.taus[0]: found 30, expected at most core.tau, which is 16"]),
        ({"attribution": "{nodes: 7, max_nodes: 5, tolerance: -1}", "data": "{source: csv, split: x}"},
         ["data.file: the source csv needs a `file`, which lists the pictures",
          "data.split: the source csv takes no `split`",
          "attribution.nodes: found 7, expected an even number: cells are compared with half as many",
          "attribution.max_nodes: found 5, expected at least nodes, which is 7",
          "attribution.tolerance: found -1, expected a number greater than 0.0"]),
        ({"data": "folder", "classes": "[]", "fidelity": "{thresholds: {edges: {supported: 0.1, against: 0.2}}}"},
         ["data: found 'folder', expected a mapping of keys to values",
          "classes: found a list of 0, expected a list of at least 1",
          "fidelity.thresholds.edges.against: found 0.2, expected at most supported, which is 0.1"]),
    ],
)  # fmt: skip
def test_all_are_told(changes: dict[str, str], expected: list[str]) -> None:
    assert told(changes) == expected


def test_all_of_the_options_are_told() -> None:
    options = ("fidelity.taus=[5]", "core.tau=4", "concept.scales=[1.0,1.0]", "concept.k=0")
    assert told({}, options) == [
        "concept.k: found 0, expected a number of at least 2",
        "concept.scales[1]: 1.0 stands twice, first as number 1",
        "fidelity.taus[0]: found 5, expected at most core.tau, which is 4",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"core": "{tau: many}", "fidelity": "{taus: [30]}"}, ["core.tau: found 'many', expected a whole number or 'auto'"]),
        ({"core": "5", "fidelity": "{taus: [30]}"}, ["core: found 5, expected a mapping of keys to values"]),
        ({"preprocess": "{mean: [0.5, x], std: [0.5, 0.1]}"}, ["preprocess.mean[1]: found 'x', expected a number"]),
        ({"preprocess": "{mean: [0.5], std: [x, 0.1]}"}, ["preprocess.std[0]: found 'x', expected a number"]),
        ({"attribution": "{nodes: -1, max_nodes: 2}"}, ["attribution.nodes: found -1, expected a number of at least 1"]),
        ({"layers": "[3, fc]"}, ["layers[0]: found 3, expected text"]),
    ],
)  # fmt: skip
def test_nothing_is_told_by_what_is_wrong_itself(changes: dict[str, str], expected: list[str]) -> None:
    assert told(changes) == expected


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"core": "{tau: 1e9}"}, "found 1e9, expected a whole number or 'auto'", "Core neurons of each target, τ"),
        ({"concept": "{k: 1e400}"}, "found 1e400, expected a whole number", "Patches in a concept."),
        ({"layers": "layer4.0"},
         "found 'layer4.0', expected 'auto', a list of names, or a range such as {from: layer2.3, to: fc}",
         "Named modules, input → output"),
        ({"model": "resnet18"}, "found 'resnet18', expected a mapping of keys to values",
         "The network to examine. Such as model: {source: torchvision, name: resnet50, weights: IMAGENET1K_V2}"),
        ({"report": "html"}, "found 'html', expected a mapping of keys to values",
         "What is drawn. Such as report: {formats: [html, single], theme: dark}"),
        ({"core": "{<<: {tau: 3}}"}, "merging mappings with << is not supported", "write the keys out"),
    ],
)  # fmt: skip
def test_how_it_is_told(changes: dict[str, str], message: str, hint: str) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in (GOOD | changes).items())
    with pytest.raises(InputErrors) as caught:
        check_text(text, Path("s.yaml"))
    (problem,) = caught.value.problems()
    assert problem.message == message
    assert problem.hint.startswith(hint)
    assert problem.where is not None
    assert problem.where.line > 0
