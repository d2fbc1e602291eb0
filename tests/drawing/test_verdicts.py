"""What holds at which layer, word for word, from claims made up here."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Prose, Table
from neurflow_report.drawing.view.model.numbers import p_value
from neurflow_report.drawing.view.pages.experiments import missing_lines
from neurflow_report.drawing.view.text import ledger, limits, verdicts
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.records import Claim, NotRun, Threshold
from neurflow_report.results.verdict import Verdict

HELD, FAILED, OPEN, UNRUN, FEW = "supported", "not supported", "inconclusive", "not run", "too few draws"


def claim(claim: str, layer: str, verdict: str, figure: float | None = 0.5, case: str = "", reason: str = "") -> Claim:
    return Claim(
        claim=claim, experiment="weights", layer=layer, case=case, figure=figure, verdict=verdict, reason=reason
    )  # type: ignore[arg-type]


def index(bundle: Bundle, *claims: Claim, number: int = 0) -> Index:
    return Index(bundle.run, bundle.classes[number].model_copy(update={"claims": claims}))


def texts(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[c.label for c in table.columns], *([cell.text for cell in row] for row in table.rows)]


def told(lines: tuple[Prose, ...]) -> list[str]:
    return ["".join(span.text for span in line) for line in lines]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((HELD, HELD, FAILED, OPEN, UNRUN),
         "of 4 tests, 2 support the circuit, 1 contradicts it and 1 is inconclusive; 1 was not run"),
        ((HELD, FAILED, FAILED), "of 3 tests, 1 supports the circuit and 2 contradict it"),
        ((FAILED, OPEN), "of 2 tests, 1 contradicts the circuit and 1 is inconclusive"),
        ((OPEN, OPEN), "of 2 tests, 2 are inconclusive"),
        ((HELD, FEW, FEW), "of 1 test, 1 supports the circuit; 2 more had too few draws"),
        ((FEW, FEW, UNRUN, UNRUN), "no test could decide; 2 had too few draws and 2 were not run"),
        ((UNRUN,), "nothing was tested"),
        ((), "nothing was tested"),
    ],
)  # fmt: skip
def test_a_summary_counts_the_tests(kinds: tuple[str, ...], expected: str) -> None:
    claims = [claim("faithful", "fc", OPEN if kind == FEW else kind, reason=kind) for kind in kinds]
    assert verdicts.summary(claims, [c for c in claims if c.reason == FEW]) == expected


def test_the_weakest_layer_is_the_one_with_most_against_it_then_least_for_it() -> None:
    claims = [claim("faithful", "a", HELD), claim("stable", "a", OPEN), claim("faithful", "b", OPEN)]
    claims += [claim("stable", "c", HELD), claim("edges", "d", UNRUN)]
    against = [claim("faithful", "c", HELD), claim("edges", "c", FAILED), claim("edges", "e", HELD)]
    told = "The circuit is contradicted most often at c: of 3 tests there, 1 contradicts it and 2 support it."
    assert verdicts.weakest([*claims, *against], "abcde") == told
    told = "The circuit is contradicted most often at f: of 1 test there, 1 contradicts it and none supports it."
    assert verdicts.weakest([*claims, *against, claim("edges", "f", FAILED)], "abcdef") == told
    told = "The evidence is weakest at b: of 1 test there, none supports the circuit."
    assert verdicts.weakest(claims, "abcd") == told
    assert verdicts.weakest(claims[-2:], "abcd") == ""
    assert verdicts.weakest([claim("faithful", name, HELD) for name in "ab"], "ab") == ""


def test_claims_stand_against_layers_from_the_logit_down(bundle: Bundle) -> None:
    rows = (
        claim("needed", "layer2.0", FAILED, 0.04), claim("needed", "layer3", HELD, 0.82),
        claim("found_by_others", "layer3", OPEN, 0.5, "NeuCEPT"), claim("found_by_others", "layer3", HELD, 1.0, "MCT"),
        claim("faithful", "fc", HELD, -0.111), claim("robust", "layer3", FAILED, 0.2, "k = 30"),
        claim("robust", "fc", HELD, 0.9, "k = 70"), claim("edges", "", UNRUN, None),
    )  # fmt: skip
    table = verdicts.by_layer(index(bundle, *rows))
    assert texts(table) == [
        ["Claim", "fc", "layer3", "layer2.0", "Figure"],
        ["The class needs the core of the layer", "", "✓ 82%", "✕ 4%", "drop in accuracy"],
        ["Other methods find the same neurons (NeuCEPT)", "", "? 50%", "", "share of the core set"],
        ["Other methods find the same neurons (MCT)", "", "✓ 100%", "", "share of the core set"],
        ["Scores predict what a knock-out does", "✓ −0.11", "", "", "correlation r"],
        ["Core neurons stay the same when k changes", "✓ 90%", "✕ 20%", "", "overlap at the worst k"],
        ["Supported, of those that could decide", "2 of 2", "2 of 4", "0 of 1", ""],
    ]
    assert table is not None
    cells = table.rows[0]
    assert [c.sign for c in cells] == ["", "", "positive", "negative", ""]
    assert {c.href for row in table.rows for c in row} == {"", "fidelity/bee-co/index.html#weights"}


def test_over_classes_and_by_class_count_the_same_tests(bundle: Bundle) -> None:
    first = index(bundle, claim("needed", "layer3", HELD), claim("needed", "fc", FAILED), claim("edges", "", UNRUN))
    second = index(bundle, claim("needed", "layer3", OPEN), number=1)
    assert texts(verdicts.over_classes((first, second))) == [
        ["Claim", "fc", "layer3"],
        ["The class needs the core of the layer", "0 of 1", "1 of 2"],
        ["Supported, of those that could decide", "0 of 1", "1 of 2"],
    ]
    assert texts(verdicts.by_class((first, second))) == [
        ["Claim", "bee & <co>", "Ångström 3"],
        ["The class needs the core of the layer", "1 of 2", "0 of 1"],
        ["Supported, of those that could decide", "1 of 2", "0 of 1"],
    ]
    assert verdicts.not_run((first, second)) == ["edges"]
    bare = index(bundle)
    assert (verdicts.by_layer(bare), verdicts.over_classes((bare,)), verdicts.by_class((bare,))) == (None, None, None)


def test_a_sentence_says_where_a_claim_holds() -> None:
    claims = [claim("faithful", "fc", HELD), claim("faithful", "b", FAILED), claim("faithful", "a", FAILED)]
    claims += [claim("stable", "fc", HELD, case="semantic groups"), claim("stable", "fc", OPEN, case="neuron groups")]
    claims += [claim("edges", "", UNRUN, None, reason="this experiment was not asked for")]
    assert told(verdicts.lines(claims, {})) == [
        "Scores predict what a knock-out does: supported at fc; not supported at b and a.",
        "Groups stay the same under a little noise (semantic groups): supported at fc.",
        "Groups stay the same under a little noise (neuron groups): inconclusive at fc.",
        "Edge weights predict what a knock-out takes away: not run (this experiment was not asked for).",
    ]


def test_a_layer_says_what_was_tested_there(bundle: Bundle) -> None:
    one = index(bundle, claim("needed", "layer3", HELD), claim("needed", "fc", FAILED))
    assert told((verdicts.of_layer(one, "layer3"),)) == ["Here, of 1 test, 1 supports the circuit. See the evidence."]
    assert verdicts.of_layer(one, "layer1") == ()


def test_what_was_not_measured_is_told_once_a_reason() -> None:
    def gone(layer: str, case: str, reason: str) -> NotRun:
        return NotRun(experiment="methods", layer=layer, case=case, reason=reason)

    many = [gone(layer, case, "too few channels") for layer in ("fc", "b") for case in "wxyz"]
    assert missing_lines([*many, gone("b", "LRP", "no rule"), gone("", "", "no package")]) == (
        "fc and b, 4 methods: too few channels",
        "b, LRP: no rule",
        "no package",
    )


def test_marks_of_the_page_are_explained_there(site: Path) -> None:
    page = (site / "fidelity/bee-co/index.html").read_text(encoding="utf-8")
    for mark, word in (("✓", "supported"), ("✕", "not supported"), ("?", "inconclusive"), ("…", "too few draws")):
        assert f"{mark} {word}" in page


def test_tests_with_too_few_draws_are_told_apart_with_what_would_decide_them(bundle: Bundle) -> None:
    open_, few = claim("optimal", "layer3", OPEN, 1.0), claim("optimal", "fc", OPEN, 1.0)
    one = index(bundle, open_, few, claim("faithful", "fc", HELD))
    vars(one)["too_few"] = {few: "fidelity.optimality_draws: 73"}
    rows = texts(verdicts.by_layer(one))
    assert rows[1][1:3] == ["… 100%", "? 100%"]
    assert rows[-1][1:3] == ["1 of 1", "0 of 1"]
    rows = texts(ledger.ledger_table(one))
    at = [rows[0].index(name) for name in ("Layer", "Verdict", "Why")]
    assert [[row[i] for i in at] for row in rows[1:3]] == [
        ["fc", "… too few draws", "fidelity.optimality_draws: 73 would decide it"],
        ["layer3", "? inconclusive", ""],
    ]
    assert told(verdicts.lines(one.claims[:2], one.too_few)) == [
        "Core sets matter more than random sets: inconclusive at layer3; too few draws at fc "
        "(fidelity.optimality_draws: 73 would decide it)."
    ]


def test_random_neurons_that_do_as_well_are_counted_by_the_ledgers_own_standard(bundle: Bundle) -> None:
    def tested(layer: str, q: float) -> Claim:
        return needed(layer, OPEN, 0.9, 0.77, 0.96, (0.1, 0.1, 0.1)).model_copy(update={"p_value": q, "q_value": q})

    one = index(bundle, tested("layer3", 0.01), tested("layer3", 0.3), tested("layer1", 0.06))
    vars(one)["too_few"] = {}
    (notice,) = [n for n in limits.of_class(one) if n.code == "not-told-apart"]
    assert notice.title == "In 2 of 3 masking tests, the core does not clearly stand out from random neurons"
    assert notice.text.startswith("1 of 2 at layer3, 1 of 1 at layer1. ")
    level = index(bundle, tested("layer3", 0.05))
    assert not [n for n in limits.of_class(level) if n.code == "not-told-apart"]


def test_a_class_stands_with_a_mark_and_a_word() -> None:
    assert len({verdicts.standing(Verdict(word=word)).mark for word in verdicts.WORDS}) == 5


def limited(bundle: Bundle, *claims: Claim) -> Index:
    ends = Threshold(claim="needed", supported=0.5, against=0.5, null_most=0.1, source="here")
    settings = bundle.run.settings.model_copy(update={"thresholds": (ends,)})
    run = bundle.run.model_copy(update={"settings": settings})
    return Index(run, bundle.classes[0].model_copy(update={"claims": claims}))


def needed(layer: str, verdict: str, figure: float, low: float, high: float, null: tuple[float, float, float]) -> Claim:
    return Claim(
        claim="needed", experiment="masking", layer=layer, figure=figure, low=low, high=high, null=null[0],
        null_low=null[1], null_high=null[2], verdict=verdict, n=40, unit="picture",
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_claim_falls_by_its_figure_or_by_what_random_sets_do_and_the_words_say_which(bundle: Bundle) -> None:
    hardly = needed("layer1", FAILED, 0.12, 0.05, 0.26, (0.02, 0.01, 0.04))
    as_well = needed("layer2.0", FAILED, 0.9, 0.77, 0.96, (0.31, 0.25, 0.38))
    undecided = needed("layer3", OPEN, 0.9, 0.77, 0.96, (0.1025, 0.06, 0.15))
    one = limited(bundle, hardly, as_well, undecided)
    unmasked = Index(one.run, one.result.model_copy(update={"masking": ()}))
    assert [(n.code, n.title, n.text) for n in ledger.refuted(unmasked)] == [
        (
            "claim-needed",
            "The class survives without the core",
            "Drop in accuracy: 12% at layer1 (95% interval 5 to 26%), random sets 2% (1 to 4%). The claim needs 50%.",
        ),
        (
            "claim-needed-null",
            "At layer2.0, random neurons do too much of what the core does",
            "Drop in accuracy: 90% at layer2.0 (95% interval 77 to 96%), random sets 31% (25 to 38%). "
            "The claim allows random sets at most 10%.",
        ),
    ]
    assert [s.text for s in ledger.refuted(one)[1].places] == ["See ", "layer2.0"]
    first = limits.of_class(one)[0]
    assert first.text.startswith(
        "Without the core, 1 of 6 pictures is still recognised at layer1 (random neurons: 88%)"
    )


def test_no_figure_is_rounded_onto_a_threshold_that_it_misses(bundle: Bundle) -> None:
    claims = (
        needed("layer1", FAILED, 0.4987, 0.35, 0.4999, (0.1, 0.1, 0.1)),
        needed("layer2.0", OPEN, 0.9, 0.5, 1.0, (0.1025, 0.0996, 0.2)),
    )
    table = texts(ledger.ledger_table(limited(bundle, *claims)))
    at = [table[0].index(name) for name in ("Figure (95% interval)", "Chance")]
    assert [[row[i] for i in at] for row in table[1:]] == [
        ["90% (50 to 100%)", "10.2% (9.96 to 20%)"],
        ["49.9% (35 to 49.99%)", "10% (10 to 10%)"],
    ]
    assert texts(verdicts.by_layer(limited(bundle, *claims)))[1][1:3] == ["? 90%", "✕ 49.9%"]


@given(st.floats(-1, 1), st.sampled_from(["needed", "faithful"]))
def test_a_figure_reads_like_a_threshold_only_where_it_is_one(figure: float, name: str) -> None:
    limit = Threshold(claim=name, supported=0.6, against=0.4, null_most=0.1, source="here")
    same = [end for end in (0.6, 0.4, 0.1) if ledger.told(name, figure, limit) == ledger.told(name, end)]
    assert all(abs(figure - end) < 1e-8 for end in same)


def test_a_p_value_just_over_its_level_reads_so() -> None:
    assert [p_value(p) for p in (0.05, 0.0502, 0.04996, 0.5)] == ["0.050", "0.0502", "0.04996", "0.500"]


def test_what_decides_nothing_says_why_layer_by_layer(bundle: Bundle) -> None:
    claims = (
        claim("faithful", "layer3", OPEN, reason="between the two thresholds"),
        claim("faithful", "layer2.0", OPEN, reason="the interval contains the threshold"),
        claim("faithful", "layer1", OPEN, reason="the interval contains the threshold"),
    )
    assert told(verdicts.lines(claims, {})) == [
        "Scores predict what a knock-out does: inconclusive at layer3 (between the two thresholds) and at "
        "layer2.0 and layer1 (the interval contains the threshold)."
    ]
