"""The evidence over all classes: what holds at which layer and for which class, and masking class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Notice, Page, Plot, Prose, Span, Table
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.pages.retaining import masking_table, null_words, plot, undecided
from neurflow_report.drawing.view.text import cautions, ledger, verdicts
from neurflow_report.drawing.view.text.glossary import terms
from neurflow_report.results.catalogue import prose


@dataclass(frozen=True, kw_only=True)
class FidelityPage(Page):
    """The evidence over all classes."""

    lead: str
    terms: tuple[Prose, ...]
    doubts: tuple[Notice, ...]
    words: tuple[str, ...]
    layers: Table | None
    matrix: Table | None
    thresholds: Table | None
    classes: tuple[Span, ...]
    table: Table | None
    plots: tuple[Plot, ...]


def fidelity_page(indices: Sequence[Index]) -> FidelityPage:
    """The page of the experiments over all classes."""
    rows = [(i.result.name, i.result.slug, m) for i in indices for m in i.masking]
    run = indices[0].run
    known = ("core", "masking", "tau", *(("knockout", "ledger") if any(i.result.claims for i in indices) else ()))
    weak = undecided([m for _, _, m in rows])
    doubts = (*((weak,) if weak else ()), *cautions.untested(run.settings.experiments), *_faults(indices))
    return FidelityPage(
        path=urls.FIDELITY,
        title="Fidelity",
        description="How the circuits stand up to being tested on the network",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Fidelity",
        lead=_lead(indices),
        terms=terms(run, *known),
        doubts=doubts,
        words=(*_ledger_words(indices), *null_words(run.settings.draws, [m for _, _, m in rows])),
        layers=verdicts.over_classes(indices),
        matrix=verdicts.by_class(indices),
        thresholds=ledger.thresholds(run.settings.thresholds) if any(i.result.claims for i in indices) else None,
        classes=tuple(Span(text=i.result.name, href=urls.class_fidelity(i.result.slug)) for i in indices),
        table=masking_table(
            rows,
            download="data/masking.csv",
            caption="Masking (F1) by class, layer and test; accuracies as percentages",
        )
        if rows
        else None,
        plots=tuple(p for i in indices if (p := plot(i)) is not None),
    )


def _lead(indices: Sequence[Index]) -> str:
    claims = [c for i in indices for c in i.result.claims]
    begun = prose("""
            If a circuit is right, the network should lose a class without its core neurons and keep it with them
            alone, weights should say what a knock-out does, and groups should not be an accident.
        """)
    if not claims:
        return f"{begun} No ledger was kept in this run."
    where = verdicts.weakest(claims, [layer.name for layer in indices[0].downward()])
    return f"{begun} Over all classes, {verdicts.summary(claims)}. {where}".rstrip()


def _ledger_words(indices: Sequence[Index]) -> tuple[str, ...]:
    if not any(i.result.claims for i in indices):
        return ()
    return (
        prose("""
            The ledger: a claim is supported at a layer where its figure reaches the threshold, the 95% interval stays
            over the lower threshold, chance stays under its own, and the test, where there is one, holds at a false
            discovery rate of 5% over all the tests of the class (q, Benjamini and Hochberg). It is not supported
            where the figure is under the lower threshold and the whole interval under the upper one, or where chance
            has too much of the effect. Otherwise it is inconclusive.
        """),
    )


def _faults(indices: Sequence[Index]) -> tuple[Notice, ...]:
    return cautions.over_classes(
        [
            (i.result.name, i.result.slug, [c for c in i.result.cautions if c.code in cautions.OF_EVIDENCE])
            for i in indices
        ]
    )


PAGE = PageKind(
    name="fidelity",
    template="site/fidelity.html",
    build=lambda data: [fidelity_page(data.indices)],
    order=60,
    menu="Fidelity",
)
