"""F1 with pictures of other classes on the pages: the words of new bundles, and those of bundles before."""

from __future__ import annotations

import dataclasses

import pytest

from neurflow_report.drawing.figures.plots import masking_plot
from neurflow_report.drawing.view import site_view
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.numbers import percent
from neurflow_report.drawing.view.pages.method import method_page
from neurflow_report.drawing.view.pages.retaining import plot, two_sided_lead, two_sided_table
from neurflow_report.drawing.view.text import findings, ledger, limits
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.catalogue import TWO_SIDED
from neurflow_report.results.records import Claim, NotRun


def enough(verdict: str, case: str = TWO_SIDED, **more: object) -> Claim:
    return Claim(
        claim="enough", experiment="masking", layer="layer3", case=case, figure=0.3, low=0.1, high=0.45, null=0.02,
        verdict=verdict, **more,
    )  # type: ignore[arg-type]  # fmt: skip


def changed(bundle: Bundle, **change: object) -> Index:
    return Index(bundle.run, bundle.classes[0].model_copy(update=change))


@pytest.fixture
def old(bundle: Bundle) -> Bundle:
    """The bundle as it was before pictures of other classes were measured."""
    classes = tuple(
        c.model_copy(update={"two_sided": (), "claims": (enough("not supported", case=""),)}) for c in bundle.classes
    )
    return dataclasses.replace(bundle, classes=classes)


def test_the_table_has_both_shares_of_the_core_alone_and_of_what_is_left_without_it(bundle: Bundle) -> None:
    index = Index(bundle.run, bundle.classes[0])
    table = two_sided_table([("", "bee-co", m) for m in index.two_sided], download="x.csv", caption="x")
    assert table is not None
    labels = [c.label for c in table.columns]
    assert labels == [
        "Layer", "τ", "Removed, set to", "Core alone: TPR", "FPR", "J (95% interval)", "Random sets: J", "p",
        "Without it: TPR", "Its FPR", "Its J (95% interval)",
    ]  # fmt: skip
    assert len(table.rows) == len(index.two_sided) / 2
    first = [cell.text for cell in table.rows[0]]
    row = next(m for m in index.two_sided if (m.layer, m.tau, m.ablation, m.mode) == ("layer3", 2, "mean", "retain"))
    assert first[:4] == ["layer3", "2", "their mean", f"{100 * row.tpr:.0f}%"]
    assert first[5].startswith(f"{100 * row.j:.0f}% (")


def test_the_figure_of_enough_is_named_by_what_the_bundle_has(bundle: Bundle, old: Bundle) -> None:
    new = "J: own pictures kept minus others taken"
    assert ledger.measured(enough("supported")) == new
    assert ledger.measured(enough("supported", case="")) == "accuracy left"
    for some, expected in ((bundle, new), (old, "accuracy left")):
        table = site_view(some).fidelity.thresholds
        assert table is not None
        assert {row[1].text for row in table.rows if row[0].text.startswith("The core of the layer alone")} == {
            expected
        }


def test_a_bundle_before_draws_with_the_old_words(old: Bundle) -> None:
    view = site_view(old)
    assert view.fidelity.two_sided is None
    assert view.evidence[0].two_sided == ()
    assert not any("FPR" in text for text in (*view.fidelity.words, *view.evidence[0].words))
    (notice,) = (n for n in view.evidence[0].limits if n.code == "claim-enough")
    assert "recognised at layer3" in notice.text
    assert not any("other classes" in part for step in method_page(old.run).steps for part in step.text)


def test_the_fidelity_page_says_first_what_the_core_alone_lets_pass(bundle: Bundle) -> None:
    page, rows = site_view(bundle).fidelity, bundle.classes[0].two_sided
    at = {m.ablation: m for m in rows if (m.layer, m.mode, m.tau) == ("layer3", "retain", 4)}
    assert page.two_sided_lead == (
        f"At layer3 the core alone keeps {percent(at['mean'].tpr)} of a class's pictures and takes "
        f"{percent(at['mean'].fpr)} of other classes' for it, with all other channels at their mean. "
        f"With these at 0 it takes {percent(at['zero'].fpr)} of them."
    )
    assert two_sided_lead([], "layer3") == ""
    assert page.two_sided is not None
    assert [row[-1].text for row in page.two_sided.rows if "(" in row[-1].text] == []


def test_what_the_core_alone_lets_pass_is_told(bundle: Bundle) -> None:
    index = changed(bundle, claims=(enough("not supported"),))
    (notice,) = (n for n in limits.of_class(index) if n.code == "claim-enough")
    m = limits.two_sided_of(index, index.claims[0])
    assert m is not None
    own, others = round(m.tpr * m.n), round(m.fpr * m.others)
    assert f"{own} of its 6 pictures are taken for it at layer3, and so" in notice.text
    assert f"{others or 'none'} of 24 of other classes" in notice.text
    answer = next(a for a in findings.answers(index) if a.question == "Is the core enough?")
    assert answer.figure == f"layer3, the rest at its mean: {own} of 6 recognised, and {others or 'none'} of 24 others"


def test_a_core_that_is_needed_against_0_alone_is_a_limit(bundle: Bundle) -> None:
    held = Claim(claim="needed", experiment="masking", layer="layer3", figure=0.9, verdict="supported")
    rows = [m for m in bundle.classes[0].two_sided if (m.layer, m.mode, m.ablation) == ("layer3", "mask", "mean")]
    kept = tuple(m.model_copy(update={"tpr": 2 / 3, "n": 6}) for m in rows)
    index = changed(bundle, claims=(held,), two_sided=kept)
    (notice,) = (n for n in limits.of_class(index) if n.code == "needed-at-zero")
    assert notice.title == "The core is needed against 0, but not against its mean, at layer3"
    assert notice.text == (
        "Set to 0, the class is lost. Set to its mean over pictures of all classes, 4 of 6 at layer3 are recognised."
    )
    (over,) = (n for n in limits.over_classes([index]) if n.code == "needed-at-zero")
    assert over.title == "The core is needed against 0, but not against its mean, in 1 of 1 passed test"
    lost = changed(bundle, claims=(held,), two_sided=tuple(m.model_copy(update={"tpr": 0.4}) for m in rows))
    assert not any(n.code == "needed-at-zero" for n in limits.of_class(lost))


def test_the_plot_shows_the_figure_that_decides(bundle: Bundle, old: Bundle) -> None:
    index = changed(bundle)
    drawn = plot(index)
    assert drawn is not None
    kept = [row for row in drawn.rows if row.mode == "retain"]
    assert kept == [m for m in index.two_sided if (m.mode, m.ablation, m.cumulative) == ("retain", "mean", False)]
    assert "J with the core alone, the others at their mean" in masking_plot(drawn.rows, title="t", id_prefix="p")
    before = plot(Index(old.run, old.classes[0]))
    assert before is not None
    assert "Accuracy with the core alone, the others at 0" in masking_plot(before.rows, title="t", id_prefix="p")


def test_why_a_test_was_judged_so_is_told_in_todays_words() -> None:
    few = "not told apart from chance after correction, as it must with 3 random sets (fidelity.draws)"
    assert ledger.why_of(enough("inconclusive", reason=few)) == (
        "not distinguishable from chance after correction, as it must with 3 random sets (fidelity.draws)"
    )
    assert ledger.why_of(enough("inconclusive", reason="another")) == "another"


def test_what_was_not_tested_for_want_of_other_pictures_is_told_first(bundle: Bundle) -> None:
    reason = "no pictures of other classes"
    missing = NotRun(experiment="masking", case="enough", reason=reason)
    unrun = Claim(claim="enough", experiment="masking", layer="", verdict="not run", reason=reason)
    index = changed(bundle, claims=(unrun,), two_sided=(), not_run=(missing,))
    (notice,) = (n for n in limits.of_class(index) if n.code == "one-sided")
    assert notice.title == "Whether the core alone is enough was not tested: no pictures of other classes"
    (over,) = (n for n in limits.over_classes([index, Index(bundle.run, bundle.classes[1])]) if n.code == "one-sided")
    assert [span.text for span in over.places][:2] == ["Classes: ", "bee & <co> (1)"]


def test_n_of_both_halves_is_told(bundle: Bundle) -> None:
    own = bundle.classes[0].pictures
    held = tuple(p.model_copy(update={"held_out": True, "file": None, "name": f"held {n}"}) for n, p in enumerate(own))
    pictures = (*own, *held[:2])
    index = changed(bundle, pictures=pictures)
    told = "The circuit was found on 6 pictures; masking (F1) and edges (F8) were measured on the other 2."
    assert limits.held_out(index) == told
    view = site_view(dataclasses.replace(bundle, classes=(index.result, *bundle.classes[1:])))
    assert view.evidence[0].words[0] == told
    assert told in view.pictures[0].lead
    edges = next(e for e in view.evidence[0].experiments if e.id == "edges")
    assert edges.words.endswith(told)
    assert limits.held_out(Index(bundle.run, bundle.classes[0])) == ""
