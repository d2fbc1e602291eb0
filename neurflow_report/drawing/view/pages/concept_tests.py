"""The tests of the user's own concepts as a table and sentences (METHOD §5)."""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Table
from neurflow_report.drawing.view.model.numbers import count, interval, listing, p_value, percent, signed
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import ConceptTest

LEVEL = 0.05
"""A corrected p up to which a concept stands out."""


def concept_words(index: Index) -> Iterator[str]:
    """What was tested, and what came out; nothing where no concept was given."""
    tests, name = index.result.concept_tests, index.result.name
    if not tests:
        return
    given = [f"{c.name} ({count(c.pictures, 'picture')})" for c in index.run.concepts]
    known = [t for t in tests if t.q_value is not None]
    yield prose(f"""
        Concepts of your own: {listing(given)}. At each layer a concept has a direction, the normal of a logistic
        regression that tells its pictures from others of the run (TCAV, Kim et al. 2018). The figure is the share of
        the class's pictures whose logit rises along it, beside sets of as many pictures drawn at random from both
        together. Near the logits most directions raise it for all pictures or for none: there the mean derivative, per
        standard deviation of the channels, says more. That the logit follows a direction does not say that the network
        uses the concept.
    """)
    for way, rises in (("rises", True), ("falls", False)):
        found = [t for t in known if _counts(t) and _rises(t) == rises]
        for concept in dict.fromkeys(t.concept for t in found):
            layers = [t.layer for t in found if t.concept == concept]
            yield f"The logit of {name} {way} along {concept} at {listing(layers)}, more than along random sets."
    if known and not any(map(_counts, known)):
        yield "No concept stands out from random sets after correction."
    if known and len(known) * 2 / (1 + min(t.sets for t in known)) > LEVEL:
        yield f"With {len(known)} tests and {known[0].sets} random sets each, none can: give fewer concepts."
    for t in tests:
        if t.reason:
            yield f"{t.concept} was not tested at {t.layer}: {t.reason}."


def concept_table(index: Index) -> Table | None:
    """A row for each concept and layer, from the logit down."""
    tests, slug = index.result.concept_tests, index.result.slug
    if not tests:
        return None
    heads = ("Logit rises", "95% interval", "Random sets", "Mean derivative", "p", "Corrected p")
    return Table(
        caption=f"Concepts of your own, {index.result.name}",
        columns=(
            Column(label="Concept"),
            Column(label="Layer"),
            *(Column(label=label, numeric=True) for label in heads),
        ),
        rows=tuple(
            (
                Cell(text=t.concept),
                Cell(text=t.layer, href=urls.layer_page(slug, t.layer)),
                *(Cell(text=text) for text in _figures(t)),
            )
            for concept in index.run.concepts
            for t in tests
            if t.concept == concept.name
        ),
        download=urls.data(slug, "concepts.csv"),
    )


def _counts(t: ConceptTest) -> bool:
    return t.q_value is not None and t.q_value <= LEVEL


def _rises(t: ConceptTest) -> bool:
    """Whether the share is over that of random sets; where they are alike, whether the logit rises on the mean."""
    if t.value is None or t.null is None or t.slope is None:
        return False
    return t.value > t.null if t.value != t.null else t.slope > 0


def _figures(t: ConceptTest) -> tuple[str, ...]:
    if (
        t.value is None or t.low is None or t.high is None or t.slope is None or t.p_value is None or t.q_value is None
        or t.null is None or t.null_low is None or t.null_high is None
    ):  # fmt: skip
        return ("–",) * 6
    null = f"{percent(t.null)} ({interval(t.null_low, t.null_high)})"
    figures = (percent(t.value), interval(t.low, t.high), null, signed(t.slope))
    return (*figures, p_value(t.p_value), p_value(t.q_value))
