"""What is sent on of a report: the cards that stand for it and its classes, and the lines for a model card."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Card, CardColumn
from neurflow_report.drawing.view.model.graph import Tile
from neurflow_report.drawing.view.model.numbers import count, listing, percent
from neurflow_report.results.identity import identity
from neurflow_report.results.records import Manifest, NeuronGroup, Run
from neurflow_report.results.verdict import Verdict

GROUPS, CLASSES, PATCHES = 3, 4, 6
"""Neuron groups on a class's card, classes on a report's, and patches of each."""
MOST = 20
"""Classes in a model card, each with two lines."""
FEW = 2
"""Layers that are named."""
DIGITS = 12
"""Digits of the results' digest on a card and in a drawing."""


def foot(index: Index, manifest: Manifest) -> str:
    """What a drawing or a card that is met alone comes from: the model, the day, the program, the results' digest."""
    p = manifest.provenance
    made = (index.run.model.name, p.clock.created[:10], p.generator, f"results {identity(manifest)[:DIGITS]}")
    return " · ".join(made)


def strongest(index: Index, most: int = GROUPS) -> tuple[tuple[str, NeuronGroup], ...]:
    """The neuron groups of the largest share right below the logit; where there are few, then those below."""
    found: list[tuple[str, NeuronGroup]] = []
    for layer in index.downward()[1:]:
        found += [(layer.name, group) for group in layer.groups[: most - len(found)]]
    return tuple(found)


def verdict_words(verdict: Verdict) -> str:
    """How many tests say what, and where the core is not needed."""
    if not verdict.deciding:
        return "no test of this run could decide"
    told, layers = f"{verdict.supported} of {verdict.deciding} tests that could decide support it", verdict.not_needed
    if not layers:
        return told
    return f"{told}; “core needed” fails at {listing(layers) if len(layers) <= FEW else count(len(layers), 'layer')}"


def class_card(index: Index, manifest: Manifest) -> Card:
    """The card of a class: its strongest neuron groups and its verdict."""
    columns = []
    for layer, group in strongest(index):
        name = index.name(layer, group).text
        code, share = f"{layer} G{group.index}", percent(group.share)
        note = f"{share} · {code}" if name else share
        columns.append(CardColumn(name=name or code, note=note, tiles=_tiles(index, layer, group)))
    return Card(
        file=urls.card(index.result.slug),
        kicker=f"{index.run.title} · class",
        title=index.result.name,
        word=index.verdict.word,
        said=verdict_words(index.verdict),
        columns=tuple(columns),
        foot=foot(index, manifest),
    )


def report_card(indices: Sequence[Index], manifest: Manifest) -> Card:
    """The card of the report: its first classes by their strongest neuron group."""
    columns = []
    for index in indices[:CLASSES]:
        first = strongest(index, 1)
        note, tiles = "no neuron group", tuple[Tile, ...]()
        if first:
            layer, group = first[0]
            name = index.name(layer, group).text or f"{layer} G{group.index}"
            note, tiles = f"{name}, {percent(group.share)}", _tiles(index, layer, group)
        columns.append(CardColumn(name=index.result.name, note=note, tiles=tiles, word=index.verdict.word))
    return Card(
        file=urls.card(),
        kicker=f"NeurFlow report · {indices[0].run.model.name}",
        title=indices[0].run.title,
        word="",
        said=_classes_words(indices),
        columns=tuple(columns),
        foot=foot(indices[0], manifest),
    )


def cards(indices: Sequence[Index], manifest: Manifest) -> tuple[Card, ...]:
    """The report's card, then the classes'."""
    return (report_card(indices, manifest), *(class_card(index, manifest) for index in indices))


def _tiles(index: Index, layer: str, group: NeuronGroup) -> tuple[Tile, ...]:
    return index.strip(layer, group, PATCHES).tiles


def _classes_words(indices: Sequence[Index]) -> str:
    """Of how many classes the circuits are how well supported."""
    words = Counter(index.verdict.word for index in indices)
    told = listing([f"{number} {word}" for word, number in words.items()])
    return f"{count(len(indices), 'class', 'classes')}: {told}"


def class_markdown(index: Index, manifest: Manifest) -> str:
    """A class for a model card: its picture and three lines, as Markdown."""
    card = class_card(index, manifest)
    alt = f"The strongest neuron groups of {index.result.name}: {_columns(card)}"
    lines = [*_class_lines(index), _source(index.run, manifest, urls.class_page(index.result.slug))]
    return _markdown(index.run.url, alt, card.file, lines)


def report_markdown(indices: Sequence[Index], manifest: Manifest) -> str:
    """The report for a model card: its picture and three lines, as Markdown."""
    card, run = report_card(indices, manifest), indices[0].run
    return _markdown(run.url, f"{card.title}: {_columns(card)}", card.file, _report_lines(indices, manifest, card))


def section_markdown(
    indices: Sequence[Index], manifest: Manifest, *, limits: Sequence[tuple[str, str]], found: str, pictured: bool
) -> str:
    """All that a model card says of the report: `report_markdown`, the classes' lines, the limits.

    Args:
        limits: their titles and texts, the gravest first.
        found: the report's verdict.
        pictured: whether the picture can be had at its address.
    """
    card = report_card(indices, manifest)
    head = report_markdown(indices, manifest)
    if not pictured:
        head = "  \n".join(_report_lines(indices, manifest, card)) + "\n"
    classes = "\n".join(f"- {first}  \n  {second}" for first, second in map(_class_lines, indices[:MOST]))
    classes += f"\n- and {count(len(indices) - MOST, 'more class', 'more classes')}." if len(indices) > MOST else ""
    bounds = "\n".join(f"- {_plain(title)}  \n  {_plain(text)}" for title, text in limits) or "- None was found."
    return f"{head}\n{_plain(found)}\n\n{classes}\n\nLimits of these findings:\n\n{bounds}\n"


def _class_lines(index: Index) -> list[str]:
    named = [_called(index, layer, group) for layer, group in strongest(index)]
    name, model, verdict = index.result.name, index.run.model.name, index.verdict
    return [
        f"**{_plain(name)}** in {_plain(model)}: {verdict.word} ({_plain(verdict_words(verdict))}).",
        f"Strongest neuron groups: {', '.join(named)}." if named else "No neuron group was found.",
    ]


def _report_lines(indices: Sequence[Index], manifest: Manifest, card: Card) -> list[str]:
    run = indices[0].run
    told = [
        f"{_plain(one.result.name)}: {_called(one, *first[0])}"
        for one in indices[:CLASSES]
        if (first := strongest(one, 1))
    ]
    more = f", and {len(indices) - CLASSES} more" if len(indices) > CLASSES else ""
    return [
        f"**{_plain(run.title)}**: circuits of {_plain(run.model.name)}. {_plain(card.said)}.",
        f"Strongest neuron groups: {'; '.join(told)}{more}." if told else "No neuron group was found.",
        _source(run, manifest, urls.OVERVIEW),
    ]


def _columns(card: Card) -> str:
    return "; ".join(f"{column.name}, {column.note}" for column in card.columns)


def _called(index: Index, layer: str, group: NeuronGroup) -> str:
    return f"{_plain(index.called(layer, group))} ({percent(group.share)})"


def _source(run: Run, manifest: Manifest, page: str) -> str:
    p = manifest.provenance
    report = f"[Report]({run.url}{page})" if run.url else "Report"
    return f"{report} of {p.clock.created[:10]} by {p.generator}, results `{identity(manifest)[:DIGITS]}`."


def _markdown(url: str, alt: str, file: str, lines: Sequence[str]) -> str:
    return f"![{_plain(alt)}]({url}{file})\n\n" + "  \n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text in which nothing has a meaning to Markdown or HTML, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", " ".join(text.split()))
