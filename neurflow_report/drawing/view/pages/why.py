"""Why these pictures? Those that are explained, and which groups mislead towards which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index, bare, debugged_file
from neurflow_report.drawing.view.model.components import Cell, Column, Page, Span, Table
from neurflow_report.drawing.view.model.numbers import correlation, count, listing, mean, percent, sign, signed
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.pages.why_picture import address
from neurflow_report.results.catalogue import prose
from neurflow_report.results.cause_figures import CauseFigures, Score, cause_figures
from neurflow_report.results.records import Debugged, Debugging

PRINTED = 8
"""Pictures that print names."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A picture that is explained: `said` what it is taken for, `because` which group carries most of that."""

    file: str
    name: str
    href: str
    said: str
    because: str


@dataclass(frozen=True, kw_only=True)
class WhyPage(Page):
    """The pictures that are explained, what misleads towards which class, and how far foretold effects hold."""

    lead: str
    finding: str
    brief: Table | None
    shown: tuple[Explained, ...]
    unexplained: Table | None
    by_class: tuple[Table, ...]
    by_class_words: str
    figures: Table | None
    figures_words: str


def why_page(indices: Sequence[Index], asked: Debugging) -> WhyPage:
    """The page of all pictures that are explained."""
    figures = cause_figures([index.result for index in indices])
    return WhyPage(
        path=urls.WHY,
        title="Why these pictures?",
        description="Pictures and why the network takes them for what it does",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Why these pictures?",
        lead=told(asked),
        finding=finding(figures),
        brief=_brief(indices),
        shown=tuple(
            _shown(index, number, one) for index in indices for number, one in enumerate(index.result.debugged)
        ),
        unexplained=_unexplained(asked),
        by_class=tuple(table for index in indices if (table := _by_class(index)) is not None),
        by_class_words=prose("""
            The mean attribution of each group to the margin, over the pictures that are taken for the class and held
            against each other one: what speaks for the class where it should not.
        """),
        figures=_figures(figures),
        figures_words=prose("""
            In each picture the groups are ranked by what is foretold, and by presence, the score of the paper's
            notebook. Rank correlation: with the measured falls of the margin, averaged over pictures with at least
            three groups. First: how often the group ranked first is the one whose loss lowers the margin most.
            Corrected: how often the picture is taken for its true class without the group ranked first. Random: the
            mean over all groups. Best possible: the group with the largest measured effect; for the last column, any.
        """),
    )


def _brief(indices: Sequence[Index]) -> Table | None:
    """The first pictures, a line each, for print."""
    every = [(index, one) for index in indices for one in index.result.debugged]
    if not every:
        return None
    more = f" of {len(every)}" if len(every) > PRINTED else ""
    return Table(
        caption=f"{count(min(len(every), PRINTED), 'picture')}{more} explained",
        columns=(Column(label="Picture"), Column(label="Taken for"), Column(label="What carries it")),
        rows=tuple(
            (Cell(text=bare(one.name)), Cell(text=_said(one)), Cell(text=because(index, one)))
            for index, one in every[:PRINTED]
        ),
    )


def _said(one: Debugged) -> str:
    return f"{one.predicted}, {'not' if one.contrast == 'truth' else 'then'} {one.against}"


def told(asked: Debugging) -> str:
    """Which pictures are explained, in a sentence or two."""
    explained = f"{count(asked.explained, 'picture')} {'is' if asked.explained == 1 else 'are'} explained here"
    if asked.images == "named":
        return f"{explained}, asked for by name."
    if not asked.labelled:
        return "No picture that the run looked at has a label, so that none can be called misclassified."
    looked = f"Of {count(asked.labelled, 'labelled picture')} that the run looked at, the network takes"
    if not asked.mistakes:
        return f"{looked} none for another class: there is nothing to explain."
    return f"{looked} {asked.mistakes} for another class. {explained[0].upper()}{explained[1:]}."


def finding(figures: Sequence[CauseFigures]) -> str:
    """How far what is foretold held when it was measured, at the layer below the logits."""
    known = [one for one in figures if one.foretold.first is not None]
    if not known:
        return ""
    one = known[0]
    first, chance = one.foretold.first or 0.0, one.random.first or 0.0
    agree = "" if one.foretold.spearman is None else f" (rank correlation {correlation(one.foretold.spearman)})"
    return prose(f"""
        At {one.layer}, the group with the largest foretold effect is the one with the largest measured effect in
        {percent(first)} of {count(one.pictures, "picture")}{agree}; a group drawn at random would be in
        {percent(chance)}.
    """)


def _shown(index: Index, number: int, one: Debugged) -> Explained:
    return Explained(
        file=debugged_file(index.result, number),
        name=bare(one.name),
        href=address(one),
        said=_said(one),
        because=because(index, one),
    )


def because(index: Index, one: Debugged) -> str:
    """The group that carries most of a picture's margin at the highest layer with groups, or holds out most against it
    where the circuit is that of the other class; with what is measured."""
    own = one.p == index.result.index
    for layer in one.layers:
        if layer.causes:
            best = max(layer.causes, key=lambda c: c.foretold if own else -c.foretold)
            called = index.called(layer.layer, index.groups[layer.layer, best.group])
            against = "" if own else "against it, "
            return f"{against}{called}: {signed(best.foretold)} foretold, {signed(best.measured)} measured"
    return ""


def _unexplained(asked: Debugging) -> Table | None:
    if not asked.unexplained:
        return None
    return Table(
        caption=f"{count(len(asked.unexplained), 'picture')} without an explanation",
        columns=(Column(label="Picture"), Column(label="Why not")),
        rows=tuple((Cell(text=one.name), Cell(text=one.reason)) for one in asked.unexplained),
    )


def _by_class(index: Index) -> Table | None:
    """Of the pictures taken for a class: its groups below the logit, by the class that they are held against."""
    pictures = [one for one in index.result.debugged if one.p == index.result.index and one.contrast == "truth"]
    layer = index.below_top
    if not pictures or not layer.groups:
        return None
    against = list(dict.fromkeys(one.against for one in sorted(pictures, key=lambda o: o.q)))
    of = {name: [one for one in pictures if one.against == name] for name in against}

    def figure(group: int, name: str) -> float:
        return mean([c.foretold for one in of[name] for c in one.layers[0].causes if c.group == group])

    return Table(
        caption=f"Taken for {index.result.name}: {layer.name}'s groups by true class",
        columns=(
            Column(label="Group"),
            *(Column(label=f"{name} ({len(of[name])})", numeric=True) for name in against),
        ),
        rows=tuple(
            (
                Cell(
                    text=index.called(layer.name, group),
                    href=urls.group(index.result.slug, layer.name, group.index),
                ),
                *(
                    Cell(text=signed(value), sign=sign(value))
                    for value in (figure(group.index, name) for name in against)
                ),
            )
            for group in layer.groups
        ),
    )


def _figures(figures: Sequence[CauseFigures]) -> Table | None:
    if not figures:
        return None

    def cells(of: Score, *, ranked: bool = True) -> tuple[str, ...]:
        rank = "–" if of.spearman is None or not ranked else correlation(of.spearman)
        shares = ("–" if v is None else percent(v) for v in (of.first, of.corrected))
        return rank, *shares

    pictures = sorted({one.pictures for one in figures})
    return Table(
        caption=f"Foretold and measured, over {listing([f'{n:,}' for n in pictures])} pictures",
        columns=(
            Column(label="Layer"),
            Column(label="Groups"),
            Column(label="By"),
            Column(label="Rank correlation", numeric=True),
            Column(label="First", numeric=True),
            Column(label="Corrected", numeric=True),
        ),
        rows=tuple(
            (
                Cell(text=one.layer),
                Cell(text=f"{one.groups:g}"),
                Cell(text=name),
                *(Cell(text=text) for text in cells(score, ranked=name != "best possible")),
            )
            for one in figures
            for name, score in (
                ("foretold", one.foretold), ("presence", one.presence), ("random", one.random),
                ("best possible", one.best),
            )
        ),
    )  # fmt: skip


PAGE = PageKind(
    name="why",
    template="site/why.html",
    build=lambda data: [
        why_page(data.indices, asked) for asked in [data.indices[0].run.debugging] if asked is not None
    ],
    order=56,
    menu="Why these pictures?",
)
