"""Names by hand: what a spec and a file beside a bundle may say, and what is said of every mistake."""

# ruff: noqa: E501 (the messages stand here word for word)

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.errors import InputError, InputErrors
from neurflow_report.results.given import LONGEST, odd_name
from neurflow_report.results.records import ClassResult, GivenName, Run
from neurflow_report.spec.load import check_text
from neurflow_report.spec.names import LARGEST, given_names, read_names, with_names
from tests.sample_bundle import sample_bundle

SPEC = """\
version: 1
title: A title
model: {source: demo, name: flowers}
data: {source: demo}
classes: [bee, no, 207]
layers: [block1, block2, fc]
names:
"""
FORM = "class (as in `classes`), layer, then `G3` for a group or `n12` for a neuron, and the name."


def test_names_are_a_part_of_the_spec() -> None:
    text = SPEC + "  bee: {block1: {G1: pink petals, n12: 'vertical edges'}}\n  '207': {fc: {n207: the logit}}\n"
    names = check_text(text, Path("spec.yaml")).spec.names
    assert given_names(names, {"bee": "bee", "207": "retriever"}) == (
        GivenName(slug="bee", layer="block1", code="G1", text="pink petals"),
        GivenName(slug="bee", layer="block1", code="n12", text="vertical edges"),
        GivenName(slug="retriever", layer="fc", code="n207", text="the logit"),
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  be: {block1: {G1: a}}", "8:3 names.be: there is no class 'be': did you mean 'bee'? [spec-bad-value]"),
        ("  wasp: {}", "8:3 names.wasp: there is no class 'wasp': there are bee, no, 207 [spec-bad-value]"),
        ("  bee: {block3: {}}", "8:9 names.bee.block3: there is no layer 'block3': did you mean 'block2' or 'block1'? [spec-bad-value]"),
        ("  bee: {fc: {g1: a}}", "8:14 names.bee.fc.g1: found 'g1', expected a neuron group, as G3, or a neuron, as n12 [spec-bad-value]"),
        ("  bee: {fc: {G01: a}}", "8:14 names.bee.fc.G01: found 'G01', expected a neuron group, as G3, or a neuron, as n12 [spec-bad-value]"),
        ("  bee: {fc: {G1: ' '}}", "8:18 names.bee.fc.G1: found nothing, expected a name [spec-bad-value]"),
        (f"  bee: {{fc: {{G1: {'x' * 61}}}}}", "8:18 names.bee.fc.G1: found 61 characters, expected 60 at most [spec-bad-value]"),
        ('  bee: {fc: {G1: "a\\nb"}}', "8:18 names.bee.fc.G1: found the character U+000A, which no name may hold [spec-bad-value]"),
        ('  bee: {fc: {G1: "a\\u202eb"}}', "8:18 names.bee.fc.G1: found the character U+202E, which no name may hold [spec-bad-value]"),
        ("  bee: {fc: {G1: 3}}", "8:18 names.bee.fc.G1: found 3, expected text [spec-wrong-type]"),
        ("  bee: {fc: [a]}", "8:13 names.bee.fc: found a list of 1, expected a mapping of keys to values [spec-wrong-type]"),
        ("  bee: {fc: {G1: a, G1: b}}", "8:21 names.bee.fc.G1: the key 'G1' stands twice, first in line 8 [spec-duplicate-key]"),
    ],
)  # fmt: skip
def test_one_mistake(line: str, expected: str) -> None:
    with pytest.raises(InputErrors) as caught:
        check_text(SPEC + line + "\n", Path("s"))
    (error,) = caught.value.errors
    assert str(error).splitlines()[0] == f"s:{expected}"
    assert error.hint.endswith(FORM) or "quotes" in error.hint or "remove" in error.hint


def test_classes_that_are_wrong_themselves_make_no_name_wrong() -> None:
    text = SPEC.replace("classes: [bee, no, 207]\n", "") + "  bee: {block9: {G1: a}}\n"
    with pytest.raises(InputErrors) as caught:
        check_text(text, Path("s"))
    assert [e.message for e in caught.value.errors] == [
        "the key 'classes' is missing",
        "there is no layer 'block9': did you mean 'block2' or 'block1'?",
    ]


def test_where_the_layers_are_not_known_they_are_not_judged() -> None:
    text = SPEC.replace("[block1, block2, fc]", "auto") + "  bee: {block9: {G1: a}}\n"
    assert check_text(text, Path("s")).spec.names == {"bee": {"block9": {"G1": "a"}}}


@given(st.text(max_size=80))
def test_a_name_is_a_line_of_text(text: str) -> None:
    if odd_name(text):
        assert not text.strip() or len(text) > LONGEST or "the character U+" in odd_name(text)
    else:
        assert len(text.splitlines()) == 1
        assert 0 < len(text.strip()) <= LONGEST


@pytest.fixture(scope="module")
def records() -> tuple[Run, tuple[ClassResult, ...]]:
    run, classes, _, _ = sample_bundle(pictures=2)
    return run, classes


def read(
    folder: Path, text: str | bytes, records: tuple[Run, tuple[ClassResult, ...]], *, strict: bool = True
) -> tuple[tuple[GivenName, ...], tuple[str, ...]]:
    file = folder / "names.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_names(file, *records, strict=strict)


def told(folder: Path, text: str | bytes, records: tuple[Run, tuple[ClassResult, ...]], strict: bool) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(folder, text, records, strict=strict)
    assert caught.value.exit_code == 2
    assert all(one.hint for one in caught.value.problems())
    return [str(one).splitlines()[0].removeprefix(f"{folder}/") for one in caught.value.problems()]


def test_a_file_names_classes_by_name_folder_or_logit(
    tmp_path: Path, records: tuple[Run, tuple[ClassResult, ...]]
) -> None:
    text = "bee & <co>: {layer3: {G1: pink <b>petals</b>}}\nangstrom-3: {layer3: {G2: blue}}\n2: {fc: {n2: logit}}\n"
    assert read(tmp_path, text, records) == (
        (
            GivenName(slug="bee-co", layer="layer3", code="G1", text="pink <b>petals</b>"),
            GivenName(slug="angstrom-3", layer="layer3", code="G2", text="blue"),
            GivenName(slug="bee-co", layer="fc", code="n2", text="logit"),
        ),
        (),
    )


def test_what_is_not_there_is_an_error_in_a_file_that_was_named_and_else_told(
    tmp_path: Path, records: tuple[Run, tuple[ClassResult, ...]]
) -> None:
    text = "wasp: {layer3: {G1: a}}\nbee-co:\n  layer9: {G1: a}\n  layer3: {G99: a, n999: b, G1: good}\n"
    groups = ", ".join(f"G{g.index}" for g in records[1][0].layers[2].groups)
    messages = told(tmp_path, text, records, True)
    assert messages[:2] == [
        "names.yaml:1:1: there is no class 'wasp': there are bee & <co>, Ångström 3 [names-file]",
        "names.yaml:3:3: there is no layer 'layer9': did you mean 'layer3' or 'layer1' or 'layer2.0'? [names-file]",
    ]
    assert messages[2] == f"names.yaml:4:12: bee-co has no neuron group G99 at layer3: there are {groups} [names-file]"
    assert messages[3].startswith("names.yaml:4:20: bee-co has no core neuron n999 at layer3: there are n")
    names, notes = read(tmp_path, text, records, strict=False)
    assert names == (GivenName(slug="bee-co", layer="layer3", code="G1", text="good"),)
    assert len(notes) == 4
    assert all(note.startswith("names.yaml: ") for note in notes)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "names.yaml: there is nothing in it [names-file]"),
        ("[a, b]\n", "names.yaml:1:1: found a list, expected a mapping of classes [names-file]"),
        ("bee-co: pink\n", "names.yaml:1:9: found 'pink', expected a mapping of layers [names-file]"),
        ("bee-co: {layer3: }\n", "names.yaml:1:17: found nothing, expected a mapping of codes to names [names-file]"),
        ("bee-co: {layer3: {G1: 3}}\n", "names.yaml:1:23: found 3, expected text [names-file]"),
        ("bee-co: {layer3: {G1: [a]}}\n", "names.yaml:1:23: found a list, expected text [names-file]"),
        ("bee-co: {layer3: {X1: a}}\n", "names.yaml:1:19: found 'X1', expected a neuron group, as G3, or a neuron, as n12 [names-file]"),
        ("bee-co: {layer3: {G1: a, G1: b}}\n", "names.yaml:1:26: the key 'G1' stands twice, first in line 1 [names-file]"),
        ("a: b: c\n", "names.yaml:1:5: mapping values are not allowed here [names-file]"),
        ("a: !!python/object/apply:os.system ['false']\n", "names.yaml:1:4: the tag !!python/object/apply:os.system is not allowed [names-file]"),
        (b"a: \xff\n", "names.yaml: byte 3 (in line 1) is not UTF-8 [names-file]"),
        ("a: " + "x" * LARGEST, "names.yaml: the file has 0.3 MB, and 256 KiB are read at most [names-file]"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"{chr(99 + n)}: &{chr(99 + n)} [{', '.join([f'*{chr(98 + n)}'] * 9)}]\n" for n in range(8)),
         "names.yaml"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used(
    tmp_path: Path, records: tuple[Run, tuple[ClassResult, ...]], text: str | bytes, expected: str, strict: bool
) -> None:
    (message,) = told(tmp_path, text, records, strict)
    assert message.startswith(expected)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, records: tuple[Run, tuple[ClassResult, ...]]) -> None:
    os.mkfifo(tmp_path / "names.yaml")
    with pytest.raises(InputError, match="it is a named pipe"):
        read_names(tmp_path / "names.yaml", *records, strict=True)
    with pytest.raises(InputError, match="No such file"):
        read_names(tmp_path / "none.yaml", *records, strict=True)


def test_a_file_counts_before_the_spec() -> None:
    one = GivenName(slug="bee", layer="fc", code="G1", text="old")
    other = GivenName(slug="bee", layer="fc", code="G2", text="kept")
    new = one.model_copy(update={"text": "new"})
    assert with_names((one, other), (new,)) == (new, other)
