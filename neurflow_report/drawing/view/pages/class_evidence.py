"""The evidence of one class: what holds at which layer, what cannot be trusted, and every experiment (METHOD §5)."""

from __future__ import annotations

from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Notice, Page, Plot, Prose, Span, Table
from neurflow_report.drawing.view.model.numbers import listing
from neurflow_report.drawing.view.pages import PageKind, one_each
from neurflow_report.drawing.view.pages.certified import certificate_table, certificate_words
from neurflow_report.drawing.view.pages.concept_tests import concept_table, concept_words
from neurflow_report.drawing.view.pages.experiments import ExperimentView, experiments
from neurflow_report.drawing.view.pages.labels import label_head, label_table, label_words
from neurflow_report.drawing.view.pages.retaining import (
    masking_table,
    null_words,
    plot,
    two_sided_table,
    two_sided_words,
)
from neurflow_report.drawing.view.text import ledger, limits, verdicts
from neurflow_report.drawing.view.text.limits import held_out
from neurflow_report.drawing.view.text.verdicts import Standing
from neurflow_report.results.catalogue import prose
from neurflow_report.results.verdict import undecidable

UPWARD = "From a layer up to the logits, with pictures of other classes"


@dataclass(frozen=True, kw_only=True)
class ClassFidelityPage(Page):
    """The evidence of one class: its verdict, what holds at which layer, then F1, then F2 to F14, then its ledger.

    `limits`: the class's, as everywhere; `masking_lines`: what F1 says of its claims,
    `masking_claims`: the same in a table; `two_sided`: with pictures of
    other classes, one layer at a time and from a layer up; `certified`, `certificates`: what an automatic τ was chosen
    by; `concept_words`, `concepts`: the tests of the user's own concepts; `label_head`, `label_words`, `labels`:
    those of labels of neuron groups, or their coherence alone; `neighbours`: the circuit, and the evidence of the next
    classes.
    """

    heading: str
    verdict: Standing
    lead: str
    neighbours: tuple[Span, ...]
    limits: tuple[Notice, ...]
    layers: Table | None
    ledger: Table | None
    control_words: tuple[str, ...]
    masking_lines: tuple[Prose, ...]
    masking_claims: Table | None
    certified: tuple[str, ...]
    certificates: Table | None
    words: tuple[str, ...]
    plot: Plot | None
    two_sided: tuple[Table, ...]
    masking: Table | None
    upward: Table | None
    experiments: tuple[ExperimentView, ...]
    concept_words: tuple[str, ...]
    concepts: Table | None
    label_head: str
    label_words: tuple[str, ...]
    labels: Table | None


def class_fidelity_page(index: Index) -> ClassFidelityPage:
    """The evidence of one class."""
    result, slug = index.result, index.result.slug
    single, upward = ([("", slug, m) for m in rows] for rows in (index.masking, index.masking_upward))
    download = urls.data(slug, "masking.csv")
    both = [("", slug, m) for m in index.two_sided]
    return ClassFidelityPage(
        path=urls.class_fidelity(slug),
        title=f"Fidelity: {result.name}",
        description=f"What the experiments say of the circuit of {result.name}",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW), Span(text="Fidelity", href=urls.FIDELITY)),
        here=result.name,
        heading=f"The evidence for {result.name}",
        verdict=verdicts.standing(index.verdict),
        lead=_lead(index),
        neighbours=_neighbours(index),
        limits=limits.of_class(index),
        layers=verdicts.by_layer(index),
        ledger=ledger.ledger_table(index),
        control_words=_control_words(index),
        masking_lines=verdicts.lines([c for c in index.claims if c.experiment == "masking"], index.too_few),
        masking_claims=verdicts.reasons(index, "masking"),
        certified=tuple(certificate_words(index)),
        certificates=certificate_table(index),
        words=(
            *filter(None, [held_out(index)]),
            *two_sided_words(index.two_sided),
            *null_words(index.run.settings.draws, index.masking),
        ),
        plot=plot(index),
        two_sided=tuple(
            table
            for upward, caption in ((False, "One layer at a time, with pictures of other classes"), (True, UPWARD))
            if (
                table := two_sided_table(
                    [row for row in both if row[2].cumulative == upward],
                    download=urls.data(slug, "two-sided.csv"),
                    caption=f"{caption} (F1), {result.name}",
                )
            )
        ),
        masking=masking_table(single, download=download, caption=f"One layer at a time (F1), {result.name}")
        if single
        else None,
        upward=masking_table(upward, download=download, caption=f"From a layer up to the logits (F1), {result.name}")
        if upward
        else None,
        experiments=experiments(index),
        concept_words=tuple(concept_words(index)),
        concepts=concept_table(index),
        label_head=label_head(index),
        label_words=tuple(label_words(index)),
        labels=label_table(index),
    )


def _lead(index: Index) -> str:
    """The count behind the verdict, and whether the core is needed."""
    claims, v = index.claims, index.verdict
    if not claims:
        return "No ledger was kept in this run."
    told = verdicts.summary(claims, index.too_few)
    needed = f" The core is needed at {listing(v.needed)}" if v.needed else ""
    if v.not_needed:
        fails = " and fails that test at" if needed else " The core fails the test of being needed at"
        needed += f"{fails} {listing(v.not_needed)}"
    return f"{told[0].upper()}{told[1:]}.{needed}{'.' if needed else ''}"


def _neighbours(index: Index) -> tuple[Span, ...]:
    """The circuit itself, and the evidence of the classes before and after."""
    entries, slug = index.run.classes, index.result.slug
    at = [entry.slug for entry in entries].index(slug)
    near = [("←", entries[i]) for i in (at - 1,) if i >= 0] + [("→", entry) for entry in entries[at + 1 : at + 2]]
    beside = [Span(text=f"{arrow} {entry.name}", href=urls.class_fidelity(entry.slug)) for arrow, entry in near]
    return (Span(text=f"The circuit of {index.result.name}", href=urls.class_page(slug)), *beside)


def _control_words(index: Index) -> tuple[str, ...]:
    return tuple(
        prose(f"""
            {ledger.control_name(c.name)}: everything was done again on the same network with random weights,
            over the same pictures. It calls most of them {c.logit_name}, so its circuit is that logit's. There,
            {verdicts.summary(c.claims, undecidable(c, index.most_beaten))}. What holds there too is no evidence of what
            the network has learnt.
        """)
        for c in index.result.controls
    )


PAGE = PageKind(
    name="evidence",
    template="site/evidence.html",
    build=lambda data: map(class_fidelity_page, data.own),
    order=70,
    by_class=one_each,
)
