"""The evidence over all classes: the verdict on each, what holds at which layer, and masking class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Page, Plot, Span, Table
from neurflow_report.drawing.view.model.numbers import count, listing
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.pages.overview import row
from neurflow_report.drawing.view.pages.retaining import (
    masking_table,
    null_words,
    plot,
    two_sided_lead,
    two_sided_table,
    two_sided_words,
)
from neurflow_report.drawing.view.text import ledger, verdicts
from neurflow_report.results.catalogue import CLAIMS, prose
from neurflow_report.results.verdict import RULE


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many tests of a class say one thing; `look` is its colour, beside the number and its place."""

    words: str
    number: int
    look: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The verdict on a class: its mark and word, whether each layer's core is needed, and what its tests say."""

    name: str
    href: str
    mark: str
    word: str
    marks: tuple[ledger.Mark, ...]
    counts: tuple[Count, ...]
    order: float


@dataclass(frozen=True, kw_only=True)
class FidelityPage(Page):
    """The evidence over all classes. `standings`: the verdict on each class, by `rule`; `below`: the layers of their
    marks, from the logit down."""

    lead: str
    tested: str
    standings: tuple[Standing, ...]
    below: tuple[str, ...]
    rule: str
    words: tuple[str, ...]
    layers: Table | None
    matrix: Table | None
    not_run: str
    thresholds: Table | None
    classes: tuple[Span, ...]
    two_sided_lead: str
    two_sided: Table | None
    table: Table | None
    plots: tuple[Plot, ...]


def fidelity_page(indices: Sequence[Index]) -> FidelityPage:
    """The page of the experiments over all classes."""
    rows = [(i.result.name, i.result.slug, m) for i in indices for m in i.masking]
    run = indices[0].run
    taus = {i.result.slug: max((m.tau for m in i.two_sided), default=0) for i in indices}
    both = [
        (i.result.name, i.result.slug, m)
        for i in indices
        for m in i.two_sided
        if not m.cumulative and m.tau == taus[i.result.slug]
    ]
    return FidelityPage(
        path=urls.FIDELITY,
        title="Fidelity",
        description="How the circuits stand up to being tested on the network",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Fidelity",
        lead=_lead(indices),
        tested=_tested(indices),
        standings=tuple(map(_standing, indices)) if any(i.claims for i in indices) else (),
        below=tuple(layer.name for layer in indices[0].downward()[1:]),
        rule=RULE,
        words=(
            *_ledger_words(indices),
            *two_sided_words([m for _, _, m in both]),
            *null_words(run.settings.draws, [m for _, _, m in rows]),
        ),
        layers=verdicts.over_classes(indices),
        matrix=verdicts.by_class(indices),
        not_run=_not_run(indices),
        thresholds=ledger.thresholds(run.settings.thresholds, two_sided=bool(both))
        if any(i.result.claims for i in indices)
        else None,
        classes=tuple(Span(text=i.result.name, href=urls.class_fidelity(i.result.slug)) for i in indices),
        two_sided_lead=two_sided_lead([m for _, _, m in both], indices[0].below_top.name),
        two_sided=two_sided_table(
            both,
            download="data/two-sided.csv",
            caption="The core alone and the core removed, on pictures of the class and of other classes (F1)",
            brief=True,
        ),
        table=masking_table(
            rows,
            download="data/masking.csv",
            caption="Masking (F1) by class, layer and test; accuracies as percentages",
        )
        if rows
        else None,
        plots=tuple(p for i in indices if (p := plot(i)) is not None),
    )


def _standing(index: Index) -> Standing:
    found, shown, own = index.verdict, verdicts.standing(index.verdict), row(index)
    counts = (
        Count(words="support", number=found.supported, look="yes"),
        Count(words="contradict", number=found.refuted, look="no"),
        Count(words="inconclusive", number=found.open, look="open"),
        Count(words="too few draws", number=found.too_few, look="none"),
    )
    return Standing(
        name=index.result.name,
        href=urls.class_fidelity(index.result.slug),
        mark=shown.mark,
        word=shown.short,
        marks=own.marks,
        counts=tuple(one for one in counts if one.number),
        order=own.order,
    )


def _lead(indices: Sequence[Index]) -> str:
    """The verdicts counted, then the tests."""
    if not any(i.result.claims for i in indices):
        return "No ledger was kept in this run."
    words: list[str] = [i.verdict.word for i in indices]
    told = [f"{n} {'is' if n == 1 else 'are'} {word}" for word in verdicts.WORDS if (n := words.count(word))]
    claims = [c for i in indices for c in i.result.claims]
    few = {c for i in indices for c in i.too_few}
    where = verdicts.weakest(claims, [layer.name for layer in indices[0].downward()], few)
    return f"Of {count(len(indices), 'class', 'classes')}, {listing(told)}. {where}".rstrip()


def _not_run(indices: Sequence[Index]) -> str:
    """Which claims were left out altogether."""
    names = [CLAIMS[claim].statement for claim in verdicts.not_run(indices)]
    return f"Not run: {'; '.join(f'“{name}”' for name in names)}." if names else ""


def _tested(indices: Sequence[Index]) -> str:
    """What the tests ask, and how many said what."""
    claims = [c for i in indices for c in i.result.claims]
    if not claims:
        return ""
    few = {c for i in indices for c in i.too_few}
    return prose(f"""
            If a circuit is right, the network loses the class without its core neurons and keeps it with them alone.
            In all, {verdicts.summary(claims, few)}.
        """)


def _ledger_words(indices: Sequence[Index]) -> tuple[str, ...]:
    if not any(i.result.claims for i in indices):
        return ()
    return (
        prose("""
            A test supports its claim where the figure reaches the upper threshold, its 95% interval stays over the
            lower threshold, chance stays within its limit, and q is at most 0.05 (p corrected over all tests of the
            class, by Benjamini and Hochberg). It contradicts the claim where the figure is under the lower threshold
            and the whole interval under the upper, or where random sets do nearly as much. Otherwise
            it is inconclusive. Where no outcome with so few random sets could have supported the claim, the test has
            too few draws and does not count.
        """),
    )


PAGE = PageKind(
    name="fidelity",
    template="site/fidelity.html",
    build=lambda data: [fidelity_page(data.indices)],
    order=60,
    menu="Fidelity",
)
