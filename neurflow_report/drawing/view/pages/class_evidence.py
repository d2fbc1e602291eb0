"""The evidence of one class: what holds at which layer, what cannot be trusted, and every experiment (METHOD §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Figure, Notice, Page, Plot, Prose, Span, Table
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.pages.experiments import ExperimentView, experiments
from neurflow_report.drawing.view.pages.retaining import masking_table, null_words, plot
from neurflow_report.drawing.view.text import cautions, ledger, verdicts
from neurflow_report.drawing.view.text.glossary import terms
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Claim

_NOTES = {
    "supported": "the figure and its interval reach the threshold, and chance does not",
    "not supported": "under the threshold, or no more than chance",
    "inconclusive": "the evidence does not decide",
    "not run": "not asked for, or not possible here",
}


@dataclass(frozen=True, kw_only=True)
class ClassFidelityPage(Page):
    """The evidence of one class: what holds at which layer, then F1, then F2 to F8, then its ledger.

    `refuted`: the claims that do not hold; `distrust`: those, then the cautions that none of them has told already;
    `masking_lines`: what F1 says of its claims; `neighbours`: the circuit, and the evidence of the next classes.
    """

    heading: str
    lead: str
    neighbours: tuple[Span, ...]
    terms: tuple[Prose, ...]
    verdicts: tuple[Figure, ...]
    refuted: tuple[Notice, ...]
    distrust: tuple[Notice, ...]
    layers: Table | None
    ledger: Table | None
    control_words: tuple[str, ...]
    masking_lines: tuple[Prose, ...]
    words: tuple[str, ...]
    plot: Plot | None
    masking: Table | None
    upward: Table | None
    experiments: tuple[ExperimentView, ...]


def class_fidelity_page(index: Index) -> ClassFidelityPage:
    """The evidence of one class."""
    result, slug = index.result, index.result.slug
    single, upward = ([("", slug, m) for m in rows] for rows in (index.masking, index.masking_upward))
    download, refuted = urls.data(slug, "masking.csv"), ledger.refuted(index)
    return ClassFidelityPage(
        path=urls.class_fidelity(slug),
        title=f"Fidelity: {result.name}",
        description=f"What the experiments say of the circuit of {result.name}",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW), Span(text="Fidelity", href=urls.FIDELITY)),
        here=result.name,
        heading=f"The evidence for {result.name}",
        lead=_lead(index),
        neighbours=_neighbours(index),
        terms=terms(index.run, *_known(index)),
        verdicts=_counts(result.claims),
        refuted=refuted,
        distrust=(*refuted, *_weak(index, {notice.title for notice in refuted})),
        layers=verdicts.by_layer(index),
        ledger=ledger.ledger_table(index),
        control_words=_control_words(index),
        masking_lines=verdicts.lines([c for c in index.claims if c.experiment == "masking"]),
        words=null_words(index.run.settings.draws, index.masking),
        plot=plot(index),
        masking=masking_table(single, download=download, caption=f"One layer at a time (F1), {result.name}")
        if single
        else None,
        upward=masking_table(upward, download=download, caption=f"From a layer up to the logits (F1), {result.name}")
        if upward
        else None,
        experiments=experiments(index),
    )


def _lead(index: Index) -> str:
    claims, begun = index.claims, f"Does the circuit of {index.result.name} hold on the network?"
    if not claims:
        return f"{begun} No ledger was kept in this run."
    where = verdicts.weakest(claims, [layer.name for layer in index.downward()])
    told = verdicts.summary(claims)
    return f"{begun} {told[0].upper()}{told[1:]}. {where}".rstrip()


def _weak(index: Index, told: set[str]) -> tuple[Notice, ...]:
    """The cautions on the evidence, but for those of a title already `told`."""
    found = [c for c in index.result.cautions if c.code in cautions.OF_EVIDENCE]
    notices = cautions.notices(found, index.result.slug, masking=index.result.masking)
    return tuple(notice for notice in notices if notice.title not in told)


def _neighbours(index: Index) -> tuple[Span, ...]:
    """The circuit itself, and the evidence of the classes before and after."""
    entries, slug = index.run.classes, index.result.slug
    at = [entry.slug for entry in entries].index(slug)
    near = [("←", entries[i]) for i in (at - 1,) if i >= 0] + [("→", entry) for entry in entries[at + 1 : at + 2]]
    beside = [Span(text=f"{arrow} {entry.name}", href=urls.class_fidelity(entry.slug)) for arrow, entry in near]
    return (Span(text=f"The circuit of {index.result.name}", href=urls.class_page(slug)), *beside)


def _known(index: Index) -> tuple[str, ...]:
    """The terms to explain."""
    controls = ("control",) if index.result.controls else ()
    tested = ("knockout", "chance", "ledger", *controls) if index.claims else ()
    return ("core", "masking", *tested)


def _counts(claims: Sequence[Claim]) -> tuple[Figure, ...]:
    return tuple(
        Figure(label=verdict[0].upper() + verdict[1:], value=str(n), note=_NOTES[verdict])
        for verdict, n in ledger.counts(claims).items()
        if claims
    )


def _control_words(index: Index) -> tuple[str, ...]:
    return tuple(
        prose(f"""
            {ledger.control_name(c.name)}: everything was done again on the same network with its training undone,
            over the same pictures. It calls most of them {c.logit_name}, so its circuit is that logit's. There,
            {verdicts.summary(c.claims)}. What is supported there as well does not come from what the network has
            learnt.
        """)
        for c in index.result.controls
    )


PAGE = PageKind(
    name="evidence",
    template="site/evidence.html",
    build=lambda data: map(class_fidelity_page, data.indices),
    order=70,
)
