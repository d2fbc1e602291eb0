"""Conditions: what is read is what was written; what cannot be read is told with its place, what is met with where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.comparison.conditions import OPERATORS, OVER, met, parse
from neurflow_report.comparison.figures import FIGURES, Place, Values, figures
from neurflow_report.errors import InputError

DOCS = Path(__file__).parents[2] / "docs" / "diff.md"
CLASSES = {"bee-co": "bee & <co>", "wasp": "wasp"}
VALUES: Values = {name: {} for name in FIGURES} | {
    "core_overlap": {
        Place(slug="bee-co", layer="layer1"): 0.9,
        Place(slug="bee-co", layer="layer2.0"): 0.5,
        Place(slug="wasp", layer="layer1"): 0.7,
    },
    "verdict_change": {Place(slug="bee-co"): -1, Place(slug="wasp"): 0},
    "matched": {Place(layer="layer1"): 0.25},
    "classes_lost": {Place(): 2},
}
spaces = st.sampled_from(["", " ", "  ", "\t"])
selectors = {
    "bundle": st.none(),
    "layer": st.sampled_from([None, "layer1", "layer2.0"]),
    "class": st.sampled_from([None, "bee", "bee & <co>"]),
    "class/layer": st.sampled_from([None, "bee", "bee/layer2.0", "*/layer1"]),
}


@given(st.data())
def test_what_is_written_is_read_however_it_is_spaced(data: st.DataObject) -> None:
    figure = data.draw(st.sampled_from(sorted(FIGURES)))
    selector = data.draw(selectors[FIGURES[figure].scope])
    over = data.draw(st.sampled_from(["", *OVER]))
    op = data.draw(st.sampled_from(sorted(OPERATORS)))
    number = data.draw(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e99, max_value=1e99))
    parts = [figure, *(() if selector is None else (f"[{selector}]",))]
    words = [over, "(", *parts, ")", op, repr(number)] if over else [*parts, op, repr(number)]
    text = "".join(word + data.draw(spaces) for word in words)
    found = parse(text)
    assert (found.figure, found.selector, found.over, found.op, found.number) == (figure, selector, over, op, number)
    again = parse(str(found))
    assert (str(again), again.number) == (str(found), number)


def read_or_told(text: str) -> str:
    """How a condition reads, or the message of its error."""
    try:
        return str(parse(text))
    except InputError as error:
        return f"{error.slug}: {error.message}"


@given(st.text(max_size=40))
def test_any_text_is_read_or_told(text: str) -> None:
    found = read_or_told(text)
    assert found.startswith("condition-bad: the condition ") or parse(found)


@given(
    st.sampled_from(["core_overlap < 0.8", "min(core_overlap[bee/layer3]) >= -1e3"]),
    st.integers(0, 40),
    st.text(max_size=2),
)
def test_a_condition_with_something_in_it_is_read_or_told(text: str, at: int, more: str) -> None:
    found = read_or_told(text[:at] + more + text[at:])
    assert ", character " in found or parse(found)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the condition '', character 1: found the end, expected a figure", "write <figure> <op> <number>"),
        (
            "core_overlp < 0.8",
            "the condition 'core_overlp < 0.8', character 1: there is no figure 'core_overlp'",
            "did you mean 'core_overlap'",
        ),
        (
            "min(core_overlap < 1",
            "the condition 'min(core_overlap < 1', character 18: found '< 1', expected a closing bracket",
            "write <figure>",
        ),
        (
            "sum(core_overlap) < 1",
            "the condition 'sum(core_overlap) < 1', character 1: found 'sum(core_overlap) <', expected min, mean or "
            "max before the bracket",
            "write <figure>",
        ),
        (
            "core_overlap = 1",
            "the condition 'core_overlap = 1', character 14: found '= 1', expected one of <= >= == != < >",
            "did you mean '=='? write <figure> <op> <number>",
        ),
        (
            "Core-Overlap < 0.8",
            "the condition 'Core-Overlap < 0.8', character 1: there is no figure 'Core-Overlap'",
            "did you mean 'core_overlap' or 'core_overlap_excess' or 'core_overlap_chance'? `diff --figures` lists "
            "all, with what they mean",
        ),
        (
            "men(core_overlap) < 1",
            "the condition 'men(core_overlap) < 1', character 1: found 'men(core_overlap) <', expected min, mean or "
            "max before the bracket",
            "did you mean 'mean' or 'min'? write <figure>",
        ),
        (
            "0.8 > core_overlap",
            "the condition '0.8 > core_overlap', character 1: found '0.8 > core_overlap', expected a figure",
            "the figure comes first: core_overlap < 0.8",
        ),
        (
            "core_overlap < 80%",
            "the condition 'core_overlap < 80%', character 18: found '%', expected nothing more",
            "shares are numbers from 0 to 1: 0.8 is 80%",
        ),
        (
            "core_overlap < core_overlap_chance",
            "the condition 'core_overlap < core_overlap_chance', character 16: found 'core_overlap_chance', expected a "
            "number",
            "a figure is compared with a number, not with another figure: there are core_overlap_excess, match_excess "
            "and such",
        ),
        ("core_overlap < x", "the condition 'core_overlap < x', character 16: found 'x', expected a number", "write"),
        (
            "core_overlap < 1 or 2",
            "the condition 'core_overlap < 1 or 2', character 18: found 'or 2', expected nothing more",
            "give --fail-if once for each condition",
        ),
        (
            "classes_lost[bee] > 0",
            "the condition 'classes_lost[bee] > 0', character 13: found [bee], which this figure cannot have",
            "it is of the whole, and takes no [ ]",
        ),
        (
            "verdict_change[bee/layer1] < 0",
            "the condition 'verdict_change[bee/layer1] < 0', character 15: found [bee/layer1], which this figure "
            "cannot have",
            "it is of a class: [bee]",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place_and_what_exists(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_an_unknown_figure_is_told_with_all_there_are() -> None:
    with pytest.raises(InputError) as caught:
        parse("nothing_like_it < 0.8")
    assert caught.value.hint == f"the figures are {', '.join(FIGURES)}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("core_overlap < 0.8", "core_overlap < 0.8: 0.5 at bee-co/layer2.0, 0.7 at wasp/layer1"),
        ("core_overlap[*/layer1] < 0.8", "core_overlap[*/layer1] < 0.8: 0.7 at wasp/layer1"),
        ("core_overlap[bee & <co>] > 0.8", "core_overlap[bee & <co>] > 0.8: 0.9 at bee-co/layer1"),
        ("core_overlap[bee-co/layer2.0] <= 0.5", "core_overlap[bee-co/layer2.0] <= 0.5: 0.5 at bee-co/layer2.0"),
        ("mean(core_overlap) < 0.8", "mean(core_overlap) < 0.8: it is 0.7 over 3 values"),
        ("max(core_overlap[wasp]) < 0.8", "max(core_overlap[wasp]) < 0.8: it is 0.7 over 1 value"),
        ("classes_lost != 0", "classes_lost != 0: it is 2"),
        ("matched[layer1] < 0.5", "matched[layer1] < 0.5: 0.25 at layer1"),
        ("verdict_change < 0", "verdict_change < 0: -1 at bee-co"),
        ("core_overlap < 0.5", None),
        ("min(core_overlap) == 0.6", None),
        ("classes_lost > 2", None),
    ],
)
def test_what_is_met_is_told_with_where(text: str, told: str | None) -> None:
    found = met(parse(text), VALUES, CLASSES)
    assert (None if found is None else found.message) == told
    assert found is None or (found.slug, found.exit_code) == ("condition-met", 3)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "core_overlap[moth] < 0.8",
            "the condition 'core_overlap[moth] < 0.8', character 13: core_overlap has no value at [moth] in this "
            "comparison",
            "there are core_overlap[bee-co/layer1], core_overlap[bee-co/layer2.0], core_overlap[wasp/layer1]",
        ),
        (
            "core_overlap[wsp/layer1] < 0.8",
            "the condition 'core_overlap[wsp/layer1] < 0.8', character 13: core_overlap has no value at [wsp/layer1] "
            "in this comparison",
            "did you mean 'wasp/layer1' or '*/layer1' or 'bee-co/layer1'? there are core_overlap[bee-co/layer1], "
            "core_overlap[bee-co/layer2.0], core_overlap[wasp/layer1]",
        ),
        (
            "matched[layer11] < 0.8",
            "the condition 'matched[layer11] < 0.8', character 8: matched has no value at [layer11] in this comparison",
            "did you mean 'layer1'? there are matched[layer1]",
        ),
        (
            "flow_overlap < 0.8",
            "the condition 'flow_overlap < 0.8', character 1: flow_overlap has no value in this comparison",
            "`diff` says what could not be compared, and why",
        ),
    ],
)
def test_a_condition_on_nothing_is_an_error(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        met(parse(text), VALUES, CLASSES)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_every_figure_stands_in_the_docs() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = [f"| `{f.name}` | {f.scope} | {f.meaning} |" for f in FIGURES.values()]
    assert [row for row in rows if row not in text] == []


def test_the_conditions_in_the_docs_can_be_read() -> None:
    import re

    found = re.findall(r"--fail-if '([^']+)'", DOCS.read_text(encoding="utf-8"))
    assert len(found) >= 4
    for text in found:
        parse(text)
    assert callable(figures)
