"""The labels of a class's neuron groups and their tests, as a table and sentences (METHOD §8)."""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Table
from neurflow_report.drawing.view.model.numbers import (
    correlation,
    count,
    figure,
    interval,
    p_value,
    percent,
    signed,
)
from neurflow_report.drawing.view.text.labels import SOURCES, coherence
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import GroupLabel

HEADS = (
    "Told apart (L1)",
    "Other labels",
    "Class's name",
    "Precision, by chance (L2)",
    "r (L2)",
    "Effect (L3)",
    "Corrected p",
    "Coherence",
)


LABELLED, UNLABELLED = "Do the groups have labels?", "Is each group one thing to the network?"


def label_head(index: Index) -> str:
    """What the section asks."""
    return UNLABELLED if index.run.labels is None else LABELLED


def label_words(index: Index) -> Iterator[str]:
    """Who offered labels, how many hold, and what the columns are; where none were asked for, what coherence is."""
    source, labels = index.run.labels, index.result.labels
    if not labels:
        return
    if source is None:
        known = [one for one in labels if one.coherence_low is not None]
        over = sum(one.coherence_low > 0.5 for one in known if one.coherence_low is not None)
        yield prose(f"""
            Coherence: of two patches of a picture held out, one of the group and one of another group of the layer, how
            often the network's own activations at the layer tell which is which, with its interval; 50% is chance. Of
            {count(len(known), "group")} {over} {"has its" if over == 1 else "have their"} whole interval over it.
            What a group shows it does not say: that takes labels.
        """)
        return
    held, tested = sum(one.holds for one in labels), sum(one.p_value is not None for one in labels)
    yield prose(f"""
        Labels come from {SOURCES[source.source]} ({source.name}), {
        f"{count(len(source.vocabulary), 'text')} to choose from" if source.vocabulary else "in its own words"
    }. Each is chosen on the pictures that the circuit was found on, and tested on those held out: of
        {count(len(labels), "group")} {tested} could be tested, and {held} {"has" if held == 1 else "have"} a label that
        holds. The others have no label.
    """)
    yield prose("""
        L1: of two patches of a picture, one of the group and one of another group of the layer, how often the label
        tells which is which; beside it the labels of the layer's other groups, which tend to be under 50% since they
        were chosen for those patches, and the class's name. L2: average precision over all patches held out, and
        Pearson's r with the group's activation. L3: by how much more the class's logit falls without the group on
        pictures that show what the label says, among the class's pictures and among others apart. A label holds where
        L1 beats chance, and the class's name where that is known, and L3 is over 0, corrected over the class's groups.
        Coherence
        needs no label: how often the network's own activations at the layer tell the two patches apart.
    """)


def label_table(index: Index) -> Table | None:
    """A row for each neuron group, from the logit down; those whose label holds first within a layer. Where no labels
    were asked for, coherence is all there is."""
    labels, slug = index.result.labels, index.result.slug
    if not labels:
        return None
    order = {name: at for at, name in enumerate(dict.fromkeys(one.layer for one in labels))}
    rows = sorted(labels, key=lambda one: (order[one.layer], not one.holds, one.group))
    plain = index.run.labels is None
    return Table(
        caption=f"{'Coherence' if plain else 'Labels'} of neuron groups, {index.result.name}",
        columns=(
            Column(label="Layer"),
            Column(label="Group"),
            *(() if plain else (Column(label="Label"),)),
            *(Column(label=label, numeric=True) for label in (("Coherence", "Pictures held out") if plain else HEADS)),
        ),
        rows=tuple(
            (
                Cell(text=one.layer, href=urls.layer_page(slug, one.layer)),
                Cell(text=f"G{one.group}", href=urls.group(slug, one.layer, one.group)),
                *(() if plain else (Cell(text=_label(one)),)),
                *(Cell(text=text) for text in (_bare(one) if plain else _figures(one))),
            )
            for one in rows
        ),
        download=urls.data(slug, "labels.csv"),
    )


def _bare(one: GroupLabel) -> tuple[str, ...]:
    return coherence(one), str(one.coherence_pictures)


def _label(one: GroupLabel) -> str:
    if one.holds:
        return one.text
    return f"no label (nearest: {one.text})" if one.text else "no label"


def _figures(one: GroupLabel) -> tuple[str, ...]:
    chosen = "–"
    if one.choice is not None and one.choice_low is not None and one.choice_high is not None:
        chosen = f"{percent(one.choice)} ({interval(one.choice_low, one.choice_high)})"
    moved = "–"
    if one.effect is not None and one.effect_low is not None and one.effect_high is not None:
        moved = f"{signed(one.effect)} ({figure(one.effect_low)} to {figure(one.effect_high)})"
    return (
        chosen,
        *("–" if value is None else percent(value) for value in (one.null, one.baseline)),
        "–"
        if one.precision is None or one.base_rate is None
        else f"{percent(one.precision)}, {percent(one.base_rate)}",
        "–" if one.correlation is None else correlation(one.correlation),
        moved,
        "–" if one.q_value is None else p_value(one.q_value),
        coherence(one),
    )
