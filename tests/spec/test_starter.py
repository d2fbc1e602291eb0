"""The text of a spec to begin with: it reads back as what was put in, whatever names there are."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neurflow_report.spec.load import check_text
from neurflow_report.spec.nodes import parse
from neurflow_report.spec.schema import Spec
from neurflow_report.spec.starter import Starter, model_named, scalar, starter_text

STARTER = Starter(
    file="birds.yaml",
    title="resnet50 on birds",
    model={"source": "torchvision", "name": "resnet50", "weights": "best.pth", "outputs": 12},
    data={"source": "folder", "root": "birds/val"},
    classes=["bee-eater", 7],
    known=["bee-eater", "no", "007"],
    layers=["layer4.2", "fc"],
    others=18,
    select="predicted",
    output="output/birds",
)
TEXT = """\
# Every key, its range and its default: docs/spec.md, or `neurflow-report schema`.
#
#   neurflow-report validate --deep birds.yaml
#   neurflow-report plan birds.yaml
#   neurflow-report build birds.yaml
version: 1
title: resnet50 on birds

model:
  source: torchvision            # torchvision, timm, python or demo
  name: resnet50
  weights: best.pth              # a name, a checkpoint relative to this file, or none
  outputs: 12                    # number of logits
  # class_names: classes.txt     # names of the outputs, one a line, in their order

data:
  source: folder                 # a sub-folder per class
  root: birds/val
  select: predicted              # predicted, labelled, correct or any
  limit: 50                      # pictures a class, at most
  sample: first                  # or random: a draw by runtime.seed

# Names, or numbers of logits counted from 0. The data has:
# bee-eater, no, 007
classes:
  - bee-eater
  - 7

# From input to output; the last gives the logits. Or `auto`, or a range: {from: …, to: …, most: 4}.
# 18 others that the network offers: neurflow-report layers birds.yaml
layers:
  - layer4.2
  - fc

concept:
  k: 50                          # patches that make a neuron's concept

core:
  tau: 16                        # core neurons of each target; well under half of a layer

fidelity:
  preset: quick                  # quick, standard or paper: which experiments test the circuit

report:
  formats: [html, pdf]           # and single: the whole site as one file

output: output/birds

runtime:
  device: auto                   # a GPU where there is one; or cpu, cuda, cuda:N, mps
  memory: auto                   # for activations: half of what is free; or a size such as 6GiB
  seed: 0                        # of everything random
"""


def test_the_text_word_for_word() -> None:
    assert starter_text(STARTER) == TEXT


def test_what_it_does_not_say_otherwise_is_the_default() -> None:
    found = check_text(TEXT, Path("birds.yaml")).spec
    plain = Spec.model_validate_json(
        '{"version": 1, "title": "resnet50 on birds", "model": {"source": "torchvision", "name": "resnet50", "weights":'
        ' "best.pth", "outputs": 12}, "data": {"source": "folder", "root": "birds/val"}, "classes": ["bee-eater", 7],'
        ' "layers": ["layer4.2", "fc"], "output": "output/birds"}'
    )
    assert found == plain


def test_many_names_are_cut_short_and_broken_into_lines() -> None:
    text = starter_text(replace(STARTER, known=[f"n{i:08d} a-long-name" for i in range(30)]))
    lines = text[text.index("The data has:\n") :].split("\n")[1:4]
    assert lines[0].startswith("# n00000000 a-long-name, n00000001 a-long-name, ")
    assert max(map(len, lines)) <= 120
    assert lines[-1].endswith("n00000011 a-long-name, … (30 in all)")


def test_a_network_that_could_not_be_looked_at() -> None:
    made = replace(STARTER, layers=(), others=None, known=())
    text = starter_text(made)
    assert "\nlayers: auto\n" in text
    assert "# What the network offers: neurflow-report layers birds.yaml\n" in text
    assert "# Numbers of logits, counted from 0, or names of the network's classes.\nclasses:\n" in text
    assert check_text(text, Path("birds.yaml")).spec.layers == "auto"


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20).filter(
    lambda s: s == s.strip() and s
)


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(NAMES, min_size=1, max_size=3, unique=True), NAMES)
@example(["no", "~", "null", "1e3", "- a", "a: b", "a #b", "...", "a\x85b", "a\u2028b", "\ufeff", "😀", "犬"], "true")
def test_any_name_reads_back(names: list[str], title: str) -> None:
    made = replace(STARTER, classes=names, known=names * 5, title=title, output=names[0])
    spec = check_text(starter_text(made), Path("birds.yaml")).spec
    assert (list(spec.classes), spec.title, spec.output) == (names, title, names[0])


@pytest.mark.parametrize(
    ("value", "written"),
    [("bee", "bee"), ("a b", "a b"), ("no", "no"), ("true", '"true"'), ("7", '"7"'), (7, "7"), ("007", "007"),
     ("../x", '"../x"'), ("/a/b c.pth", "/a/b c.pth"), ("x ", '"x "'), ("bee\u2028", '"bee\\u2028"'), ("犬", "犬"),
     ("\U000e0001", '"\\U000e0001"'), ('say "x"', '"say \\"x\\""')],
)  # fmt: skip
def test_scalars(value: str | int, written: str) -> None:
    assert scalar(value) == written
    assert parse(written, "").value == value


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [("resnet50", "torchvision", "resnet50"), ("timm:convnext_atto", "timm", "convnext_atto"),
     ("python:a.b:c", "python", "a.b:c"), ("demo:flowers", "demo", "flowers"), ("other:x", "torchvision", "other:x"),
     ("timm", "torchvision", "timm")],
)  # fmt: skip
def test_models_by_one_word(text: str, source: str, name: str) -> None:
    assert model_named(text) == (source, name)
