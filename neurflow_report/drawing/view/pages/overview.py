"""The overview: what was examined, what is doubtful, the headline figures, and a card for every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.circuit_drawing import LEVEL
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import (
    Cell,
    Citation,
    Column,
    Download,
    Figure,
    Mosaic,
    Notice,
    Page,
    Prose,
    Span,
    Table,
)
from neurflow_report.drawing.view.model.numbers import count, listing, mean, median, percent, percent_fine
from neurflow_report.drawing.view.pages import PageKind, retaining
from neurflow_report.drawing.view.pages.class_page import BACKGROUND, agreements, figures, selection, whose
from neurflow_report.drawing.view.pages.examined import accuracy_figure, doubts, given
from neurflow_report.drawing.view.pages.summary import dominant, near_ties
from neurflow_report.drawing.view.text import cautions, verdicts
from neurflow_report.drawing.view.text.card import report_markdown
from neurflow_report.drawing.view.text.citation import citations
from neurflow_report.drawing.view.text.glossary import terms
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import LayerResult, Manifest, Masking, PartAgreement, Run

MOST_TOLD = 6
"""Classes of whose pictures the first sentences tell."""
SHOWN = 3
"""Pictures that are named of those that could not be used for one reason."""


@dataclass(frozen=True, kw_only=True)
class ClassCard:
    """A class on the overview; `mosaics` are its weightiest groups', the weightiest first."""

    name: str
    href: str
    sentence: str
    mosaics: tuple[Mosaic, ...]
    figures: tuple[Figure, ...]
    cautions: str


@dataclass(frozen=True, kw_only=True)
class OverviewPage(Page):
    """The first page."""

    lead: Prose
    terms: tuple[Prose, ...]
    doubts: tuple[Notice, ...]
    figures: tuple[Figure, ...]
    cards: tuple[ClassCard, ...]
    facts: Table
    skipped: Table | None
    downloads: tuple[Download, ...]
    citations: tuple[Citation, ...]
    card_markdown: str


def overview_page(indices: Sequence[Index], manifest: Manifest, beside: Mapping[str, str]) -> OverviewPage:
    """The first page; `beside` are files that lie beside the site, label → address."""
    run = indices[0].run
    return OverviewPage(
        path=urls.OVERVIEW,
        title=run.title,
        description=f"How {run.model.name} decides: neuron groups, circuits and the evidence for them",
        crumbs=(),
        here="Overview",
        lead=_lead(indices),
        terms=terms(run, "logit", "patch", "core", "group", "masking"),
        doubts=_doubts(indices),
        figures=_figures(indices),
        cards=tuple(_card(i) for i in indices),
        facts=_facts(run),
        skipped=_skipped(run),
        downloads=_downloads(indices, beside),
        citations=citations(run, manifest),
        card_markdown=report_markdown(indices, manifest),
    )


def _when(run: Run) -> str:
    """On which pictures the circuits were found: the question must not say more than the choice of pictures does."""
    names = [c.name for c in run.classes]
    told = listing(names) if len(names) <= 6 else f"each of {count(len(names), 'class', 'classes')}"
    return {
        "predicted": f"when it predicts {told}",
        "correct": f"when it rightly predicts {told}",
        "labelled": f"on pictures of {told}",
    }.get(run.data.select, f"towards {told}, whatever the picture shows")


def _whose(indices: Sequence[Index]) -> str:
    """Whose the pictures are, where the choice does not say it; "" where it does."""
    if indices[0].run.data.select in {"predicted", "correct"}:
        return ""
    told = [f"{i.result.name}, {whose(i)}" if len(indices) > 1 else whose(i) for i in indices[:MOST_TOLD]]
    more = len(indices) - MOST_TOLD
    return f"The pictures: {'; '.join(told)}{f'; and those of {more} more' if more > 0 else ''}. "


def _lead(indices: Sequence[Index]) -> Prose:
    run = indices[0].run
    return (
        Span(text="Which groups of neurons drive the network "),
        Span(text=run.model.name, strong=True),
        Span(text=f" {_when(run)}? {_whose(indices)}"),
        Span(
            text=prose(f"""
                The circuits below were read off {len(run.layers)} layers with NeurFlow, from the logit down, and
                tested
            """)
            + " "
        ),
        Span(text="by taking neurons away." if run.settings.experiments else "in no experiment yet."),
    )


def _doubts(indices: Sequence[Index]) -> tuple[Notice, ...]:
    weak = retaining.undecided([m for i in indices for m in i.masking])
    met = [(i.result.name, i.result.slug, i.result.cautions) for i in indices]
    return (
        *doubts(indices[0].run),
        *((weak,) if weak else ()),
        *cautions.untested(indices[0].run.settings.experiments),
        *cautions.over_classes(met),
    )


def _figures(indices: Sequence[Index]) -> tuple[Figure, ...]:
    run, found = indices[0].run, []
    if run.model.test_accuracy is not None:
        note = "on its own test set, as declared with the weights; not measured in this run"
        found.append(Figure(label="Model accuracy", value=f"{100 * run.model.test_accuracy:.1f}%", note=note))
    found += accuracy_figure(run)
    for mode, label in (("mask", "Accuracy without the core"), ("retain", "Accuracy with the core alone")):
        rows = [m for i in indices if (m := retaining.main_row(i, mode)) is not None]
        if rows:
            found.append(Figure(label=label, value=percent(median([m.accuracy for m in rows])), note=_null_note(rows)))
    return (*found, *_claims(indices), *_gap(indices), *_planted(indices))


def _claims(indices: Sequence[Index]) -> tuple[Figure, ...]:
    """Of how many tests the method's claims were supported, and where least."""
    tested = verdicts.tested([c for i in indices for c in i.claims])
    if not tested:
        return ()
    held, failed = (sum(c.verdict == verdict for c in tested) for verdict in ("supported", "not supported"))
    left = len(tested) - held - failed
    where = verdicts.weakest(tested, [layer.name for layer in indices[0].downward()])
    note = f"tests of the method's claims, over all classes and layers; {failed} not supported, {left} inconclusive"
    value = f"{held} of {len(tested)}"
    return (Figure(label="Claims supported", value=value, note=f"{note}. {where}" if where else note),)


def _null_note(rows: Sequence[Masking]) -> str:
    """Median and range over classes, the null, and in how many classes the test tells the core set apart."""
    told = sum(m.p_value <= LEVEL for m in rows)
    low, high = percent(min(m.accuracy for m in rows)), percent(max(m.accuracy for m in rows))
    return prose(f"""
            median of {count(len(rows), "class", "classes")} ({low} to {high}) at {rows[0].layer}; before
            {percent(median([m.baseline for m in rows]))}, random sets
            {percent(median([mean(m.null) for m in rows]))}; told apart from {len(rows[0].null)} random sets in {told}
            of {len(rows)} (p ≤ {LEVEL})
        """)


def _gap(indices: Sequence[Index]) -> tuple[Figure, ...]:
    known = [a for i in indices for layer in i.result.layers for a in layer.neurons if a.gap_mean is not None]
    if not known:
        return ()
    tolerance = indices[0].run.settings.tolerance
    over = sum((a.gap_max or 0) > tolerance for a in known)
    note = prose(f"""
            mean over {count(len(known), "neuron")}: how far attributions miss the activation they explain; {over}
            have a patch over the tolerance of {100 * tolerance:g}%
        """)
    figures = [Figure(label="Completeness gap", value=percent_fine(mean([a.gap_mean or 0 for a in known])), note=note)]
    errors = [a.error_mean for a in known if a.error_mean is not None]
    if errors:
        wrong = sum((a.error_max or 0) > tolerance for a in known)
        note = f"estimated, mean over {count(len(errors), 'neuron')}; {wrong} have a patch over the tolerance"
        figures.append(Figure(label="Error of the attributions", value=percent_fine(mean(errors)), note=note))
    return tuple(figures)


def _planted(indices: Sequence[Index]) -> tuple[Figure, ...]:
    known = [a for i in indices for _, _, a in agreements(i.result)]
    if not known:
        return ()
    beyond = [a for a in known if a.p_value <= LEVEL]
    parts = sum(a.part != BACKGROUND for a in beyond)
    note = prose(f"""
            neuron groups whose patches show one planted part more than random patches do (permutation p ≤ {LEVEL});
            {len(beyond) - parts} more match the background; {LEVEL * len(known):.1f} of all expected by chance
        """)
    return (Figure(label="Groups that match a part", value=f"{parts} of {len(known)}", note=note),)


def _card(index: Index) -> ClassCard:
    layer, result = index.below_top, index.result
    groups = layer.groups[:3]
    first = (
        f"G1 of {layer.name} carries {percent(groups[0].share)} of the weight{_tied(layer)}"
        if groups
        else f"No group at {layer.name}"
    )
    weak = retaining.undecided(index.masking)
    kinds = len({(c.code, c.channel is None) for c in result.cautions}) + (weak is not None)
    return ClassCard(
        name=result.name,
        href=urls.class_page(result.slug),
        sentence=f"{first}{_shows(groups[0].agreement if groups else None)}.{_alone(index)}",
        mosaics=tuple(index.card(layer.name, g) for g in groups),
        figures=figures(index),
        cautions=f"{count(kinds, 'kind')} of caution" if kinds else "No caution",
    )


def _alone(index: Index) -> str:
    """The single neuron that carries most of the weight, if there is one."""
    found = dominant(index, index.below_top)
    return f" One neuron, n{found[0]}, carries {percent(found[1])} by itself." if found else ""


def _tied(layer: LayerResult) -> str:
    """The groups that carry nearly as much as the first."""
    tied = near_ties(layer)
    if not tied:
        return ""
    named = listing([f"G{g.index} ({percent(g.share)})" for g in tied[:2]]) if len(tied) <= 2 else f"{len(tied)} others"
    return f", {named} nearly as much"


def _shows(a: PartAgreement | None) -> str:
    """The part that a group's patches show, where the test allows to name one, and how many of them do."""
    return f"; {percent(a.purity)} of G1's patches show the {a.part}" if a is not None and a.p_value <= LEVEL else ""


def _facts(run: Run) -> Table:
    m, d = run.model, run.data
    weights = {"none": "random weights", "demo": "the embedded demo weights"}.get(m.weights, m.weights)
    rows = {
        "Model": f"{m.name} ({m.source}), {weights}; {m.parameters:,} parameters, {m.outputs:,} outputs",
        **given(run),
        "Layers": ", ".join(layer.name for layer in run.layers),
        "Data": f"{d.name}, {d.pool:,} pictures looked at; source: {d.source}",
        "Pictures of a class": selection(run),
        **({"Labels": d.labels} if d.labels else {}),
        **({"Of the pictures": "; ".join(d.notes)} if d.notes else {}),
        "Could not be read": count(len(d.skipped), "picture"),
    }
    return _pairs("What was examined", rows)


def _pairs(caption: str, rows: Mapping[str, str]) -> Table:
    return Table(
        caption=caption,
        columns=(Column(label="What"), Column(label="Value")),
        rows=tuple((Cell(text=key), Cell(text=value)) for key, value in rows.items()),
    )


def _skipped(run: Run) -> Table | None:
    """By reason: the pictures that could not be used, then what was found and is no picture of a class."""
    reasons: dict[str, list[str]] = {}
    for skipped in run.data.skipped:
        reasons.setdefault(skipped.reason, []).append(skipped.name)
    rows = [(reason, len(names), names[:SHOWN]) for reason, names in reasons.items()]
    rows += [(left.reason, left.count, list(left.names)) for left in run.data.left_out]
    if not rows:
        return None
    return Table(
        caption="What could not be used, or was left out",
        columns=(Column(label="Why"), Column(label="How many", numeric=True), Column(label="Which")),
        rows=tuple(
            (Cell(text=why), Cell(text=f"{n:,}"), Cell(text=", ".join(names) + (", …" if n > len(names) else "")))
            for why, n, names in rows
        ),
    )


def _downloads(indices: Sequence[Index], beside: Mapping[str, str]) -> tuple[Download, ...]:
    tables: tuple[Download, ...] = (
        Download(label="masking.csv", href="data/masking.csv", note="masking and retaining, all classes"),
        Download(label="groups.csv", href="data/groups.csv", note="neuron groups, all classes"),
    )
    if any(i.claims for i in indices):
        tables += (
            Download(label="ledger.csv", href="data/ledger.csv", note="every claim at every layer, all classes"),
        )
    return (*(Download(label=label, href=href, note="") for label, href in beside.items()), *tables)


PAGE = PageKind(
    name="overview",
    template="site/overview.html",
    build=lambda data: [overview_page(data.indices, data.manifest, data.beside)],
    order=10,
    menu="Overview",
)
