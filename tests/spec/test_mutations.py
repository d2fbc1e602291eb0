"""Every key of the spec with every kind of wrong value: what is wrong is told, and never a failure of the program."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from pydantic import BaseModel

from neurflow_report.errors import InputErrors, ReportError
from neurflow_report.spec import load
from neurflow_report.spec.explain import _fields, _models_in
from neurflow_report.spec.load import check_text
from neurflow_report.spec.nodes import parse
from neurflow_report.spec.schema import Spec

GOOD = """\
version: 1
title: A title
model: {source: torchvision, name: resnet18, kwargs: {width: 1}}
data: {source: folder, root: pictures}
classes: [bee, 3]
layers: [layer3, layer4, fc]
preprocess: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
concept: {scales: [1.0, 0.5]}
fidelity: {experiments: [masking], taus: [1]}
report: {formats: [html]}
"""
RANGE = GOOD.replace("[layer3, layer4, fc]", "{from: layer3, to: fc}")
ITEMS = ("classes[1]", "layers[0]", "preprocess.mean[1]", "preprocess.std[2]", "concept.scales[0]")
ITEMS += ("fidelity.experiments[0]", "fidelity.taus[0]", "report.formats[0]", "model.kwargs.width")
VALUES = (
    "", "''", "~", "true", "no", "text", "256px", "none", "'none'", "auto", "'3'", "'ü\u200b😀'", f"'{'x' * 5000}'",
    "0", "-1", "1", "1.5", "-0.0", "1e400", "1e-400", ".nan", ".inf", "-.inf", f"1{'0' * 30}", f"-1{'0' * 30}",
    "9" * 99, "9" * 101, f"0x{'f' * 60}", "1_000", "1:30", "2026-01-01", "0777",
    "[]", "[[]]", "[1, [2, {a: b}]]", "[bee, bee]", "[null]", "[true]", "[.nan]", "[1e400]", "{}", "{a: 1}",
    "{a: {b: [1]}}", "&a [1, 2]", "&a {b: *a}", "[&a 1, *a]", "*unknown", "!!binary aGk=", "!!set {a}", "!!int 'x'",
    "!other text", '"\\u0000"', '"\\ud800"', '"\\UFFFFFFFF"', "|\n  text", "{? [a] : b}", "<<", "<<: {a: 1}", "- a",
    "'", "{", "\t", "\u0085", "cuda:" + "9" * 400, "9" * 400 + "GB",
)  # fmt: skip


def paths(model: type[BaseModel] = Spec, before: str = "") -> Iterator[str]:
    """Every key of the schema, at any depth, sections too."""
    for key, field in _fields(model).items():
        yield f"{before}{key}"
        for section in _models_in(field.annotation):
            yield from paths(section, f"{before}{key}.")


@cache
def keys() -> tuple[str, ...]:
    return tuple(dict.fromkeys([*paths(), *ITEMS]))


def survives(text: str, *options: str) -> None:
    problems: tuple[ReportError, ...] = ()
    try:
        check_text(text, Path("spec.yaml"), options)
    except InputErrors as error:
        problems = error.problems()
    assert all(str(problem) and problem.exit_code == 2 for problem in problems)


def test_no_key_is_left_out() -> None:
    assert len(keys()) > 90
    assert {"preprocess.resize", "layers.most", "fidelity.thresholds.edges.against", "model.kwargs"} <= set(keys())


@pytest.mark.parametrize("value", VALUES)
def test_one_value_for_every_key_at_once(value: str) -> None:
    inner = [key for key in keys() if not any(other.startswith((f"{key}.", f"{key}[")) for other in keys())]
    survives(GOOD, *(f"{key}={value}" for key in inner))
    survives(RANGE, *(f"{key}={value}" for key in inner if not key.endswith("]")))


def test_one_key_at_a_time() -> None:
    every = list(product((GOOD, RANGE), keys(), VALUES))
    for text, key, value in random.Random(0).sample(every, 150):
        survives(text, f"{key}={value}")


@pytest.mark.slow
def test_every_value_for_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two texts is parsed once: that is what takes the time."""
    monkeypatch.setattr(load, "parse", parsed := cache(parse))
    for text, key, value in product((GOOD, RANGE), keys(), VALUES):
        survives(text, f"{key}={value}")
    assert all(parsed(text, "spec.yaml") == parse(text, "spec.yaml") for text in (GOOD, RANGE))


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("256px", "found '256px', expected a whole number or 'none'", "Pixels of the short side "),
        ("non", "found 'non', expected a whole number or 'none'", "did you mean 'none'?"),
        ("'256'", "found '256', expected a whole number or 'none'", "leave out the quotes"),
        (f"1{'0' * 30}", "found 100000000000000000000000000…, expected a number of at most 10000 or 'none'", "Pixels "),
        ("0", "found 0, expected a number of at least 1 or 'none'", "Pixels of the short side "),
        ("1.5", "found 1.5, expected a whole number or 'none'", "Pixels of the short side "),
    ],
)
def test_a_number_or_a_word(value: str, message: str, hint: str) -> None:
    with pytest.raises(InputErrors) as caught:
        check_text(GOOD, Path("spec.yaml"), [f"preprocess.resize={value}"])
    (problem,) = caught.value.problems()
    assert (problem.slug, problem.message) == ("spec-bad-value", message)
    assert problem.hint.startswith(hint)
