"""What was found, in a few sentences: of the report, and of one class. Few figures, and failures first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Prose, Span
from neurflow_report.drawing.view.model.numbers import count, listing, mean, percent
from neurflow_report.drawing.view.text import ledger, limits, verdicts
from neurflow_report.results.catalogue import CLAIMS
from neurflow_report.results.records import Claim, LayerResult, Masking, NeuronGroup
from neurflow_report.results.verdict import Verdict

MOST_NAMED = 3
ALIKE = "where random neurons do much the same"
ENOUGH = 0.8
"""The share from which the groups or neurons named are said to carry the class."""
UNTESTED = "Nothing was tested in this run: what follows are attributions, not what the classes were shown to need."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The results of a test as a reader asks for them.

    Attributes:
        marks: of the layers at which it was made, from the logit down.
        figure: at the first of them.
        href: leads to the tests.
    """

    question: str
    marks: tuple[ledger.Mark, ...]
    figure: str
    href: str


def of_report(indices: Sequence[Index]) -> str:
    """The report's verdict in two sentences, failures first."""
    if not any(i.claims for i in indices):
        return UNTESTED
    if len(indices) == 1:
        return f"{needed(indices)} {verdict_sentence(indices[0])}"
    return f"{needed(indices)} {_verdicts(indices)}"


def needed(indices: Sequence[Index]) -> str:
    """How often the core turned out not to be needed."""
    rows = [(i, c) for i in indices for c in i.claims if c.claim == "needed" and c.verdict != "not run"]
    failed = [(i, c) for i in indices for c in ledger.fails(i, "needed")]
    classes = len({i.result.slug for i, _ in failed})
    if not rows:
        return "Whether the classes need their core was not tested."
    if not failed:
        open_ = sum(c.verdict == "inconclusive" for _, c in rows)
        if open_ == len(rows):
            return f"Whether the classes need their core is left open by all {count(len(rows), 'test')}."
        alike = sum(c.verdict == "not supported" for _, c in rows)
        ways = ((open_, "inconclusive"), (alike, ALIKE))
        told = [f"{n} of {count(len(rows), 'test')} {what}" for n, what in ways if n]
        return "No class survives without its core at any layer" + (f" ({'; '.join(told)})." if told else ".")
    if len(indices) == 1:
        where = listing([c.layer for _, c in failed])
        name = indices[0].result.name
        return f"{name} survives without its core at {where}: it does not need what the circuit shows there."
    at = [f"{times} at {layer}" for layer, times in Counter(c.layer for _, c in failed).most_common(MOST_NAMED)]
    their = "survives without its" if classes == 1 else "survive without their"
    return f"{classes} of {len(indices)} classes {their} core neurons at one layer or more: {listing(at)}."


def _verdicts(indices: Sequence[Index]) -> str:
    """ "At block4, 6 of 8 classes are lost without their core. 1 circuit is well supported, 4 partly, 3 weakly." """
    words = Counter(i.verdict.word for i in indices)
    known = [(word, words[word]) for word in verdicts.WORDS if words[word]]
    first = f"{count(known[0][1], 'circuit is', 'circuits are')} {known[0][0]}"
    told = ", ".join([first, *(f"{number} {word.split()[0]}" for word, number in known[1:])])
    held = Counter(c.layer for i in indices for c in i.claims if c.claim == "needed" and c.verdict == "supported")
    best = max(held, key=lambda layer: held[layer], default=None)
    if best is None:
        return f"{told}."
    some, one = count(len(indices), "class", "classes"), held[best] == 1
    every = "both classes" if len(indices) == 2 else f"all {some}"
    who = every if held[best] == len(indices) > 1 else f"{held[best]} of {some}"
    lost = f"{who} {'is' if one else 'are'} lost without {'its' if one else 'their'} core"
    return f"At {best}, {lost}. {told}."


def verdict_sentence(index: Index) -> str:
    """ "Partly supported: 24 of 30 tests support the circuit, 1 contradicts it and 5 are inconclusive."""
    word, rest = verdict_words(index)
    return f"{word}: {rest}" if rest else word


def verdict_words(index: Index) -> tuple[str, str]:
    """The verdict's word, and what it rests on."""
    found: Verdict = index.verdict
    if found.word == "not tested":
        return "Nothing was tested for this class.", ""
    few = f"; {found.too_few} more had too few random draws to count" if found.too_few else ""
    number = count(found.deciding, "test")
    ways = [f"{found.supported} of {number} {'supports' if found.supported == 1 else 'support'} the circuit"]
    ways += [f"{found.refuted} {'contradicts' if found.refuted == 1 else 'contradict'} it"] if found.refuted else []
    ways += [f"{found.open} {'is' if found.open == 1 else 'are'} inconclusive"] if found.open else []
    word = f"{found.word[0].upper()}{found.word[1:]}"
    return word, f"{listing(ways)}{few}."


def of_class(index: Index) -> tuple[Prose, ...]:
    """What drives the class, which neurons carry it, and what happens without them: a sentence each."""
    layer = index.below_top
    if not layer.groups:
        return ((Span(text=f"No neuron of {layer.name} has any weight for {index.result.name}."),),)
    found = [_drives(index, layer), _carried(index, layer)]
    row = _row(index, "mask")
    return (*found, (Span(text=_without(row)),)) if row is not None else tuple(found)


def _drives(index: Index, layer: LayerResult) -> Prose:
    """The groups under the logit that carry most of it, with their signs."""
    signs = {e.lower: e.signed for e in index.flow.edges if e.lower_layer == layer.name}
    named, carried = list[NeuronGroup](), 0.0
    for g in layer.groups[:MOST_NAMED]:
        if carried < ENOUGH:
            named.append(g)
            carried += g.share
    up = [g for g in named if signs.get(g.index, 0) >= 0]
    down = [g for g in named if signs.get(g.index, 0) < 0]
    spans: list[Span] = [Span(text=index.result.name, strong=True)]
    for verb, groups in ((" rests on ", up), (" is held down by ", down)):
        if groups:
            spans += [Span(text=f"{' and' if len(spans) > 1 else ''}{verb}"), *_listed(index, layer, groups)]
    return (*spans, Span(text="."))


def _listed(index: Index, layer: LayerResult, groups: Sequence[NeuronGroup]) -> list[Span]:
    spans: list[Span] = []
    alike: dict[frozenset[str], list[NeuronGroup]] = {}
    for g in groups:
        name = index.name(layer.name, g).text
        alike.setdefault(frozenset(name.split(" / ") if name else [f"G{g.index}"]), []).append(g)
    for at, same in enumerate(alike.values()):
        spans += [Span(text=" and " if at == len(alike) - 1 else ", ")] if at else []
        links = [urls.group_on_class(index.result.slug, layer.name, g.index) for g in same]
        text = index.name(layer.name, same[0]).text.replace(" / ", " with ") or f"G{same[0].index} of {layer.name}"
        if len(same) == 1:
            spans += [Span(text=text, href=links[0], strong=True), Span(text=f" ({percent(same[0].share)})")]
            continue
        spans += [Span(text=text, strong=True), Span(text=f" ({percent(sum(g.share for g in same))}: ")]
        for number, (g, link) in enumerate(zip(same, links, strict=True)):
            between = "" if not number else " and " if number == len(same) - 1 else ", "
            spans += [Span(text=between)] if between else []
            spans.append(Span(text=f"G{g.index}", href=link))
        spans.append(Span(text=")"))
    return spans


def carriers(index: Index, layer: str, most: int = MOST_NAMED) -> list[tuple[int, float]]:
    """The neurons of a layer that carry most of the class: (channel, share), the largest first, until `ENOUGH`."""
    ranked = sorted(index.flow.neurons[layer].items(), key=lambda item: (-item[1], item[0]))
    found, carried = list[tuple[int, float]](), 0.0
    for channel, share in ranked[:most]:
        if carried < ENOUGH:
            found.append((channel, share))
            carried += share
    return found


def _carried(index: Index, layer: LayerResult) -> Prose:
    found = carriers(index, layer.name)
    links = [Span(text=f"n{channel}", href=urls.neuron(index.result.slug, layer.name, channel)) for channel, _ in found]
    if len(found) == 1:
        return (
            Span(text=f"One {layer.name} neuron, "),
            links[0],
            Span(text=f", carries {percent(found[0][1])} of the class."),
        )  # fmt: skip
    named = [part for link in links for part in (Span(text=", "), link)][1:]
    if len(links) > 1:
        named[-2] = Span(text=" and ")
    carried = percent(sum(share for _, share in found))
    whole, some = len(layer.neurons), _number(len(found))
    which = f"{some} of its {whole}" if whole > len(found) else f"Its {some.lower()}"
    return (
        Span(text=f"{which} core neurons at {layer.name} ("),
        *named,
        Span(text=f") carry {carried} of the class."),
    )  # fmt: skip


def _number(n: int) -> str:
    return {2: "Two", 3: "Three"}.get(n, str(n))


def _row(index: Index, mode: str) -> Masking | None:
    rows = [m for m in index.masking if m.layer == index.below_top.name and m.mode == mode]
    return max(rows, key=lambda m: m.tau, default=None)


def _without(m: Masking) -> str:
    """ "Without its 4 core neurons there the network recognises 0 of 40 pictures; without random ones, 99%."""
    random = f"; with {m.size} random ones masked, {percent(mean(m.null))} of them" if m.null else ""
    kept = round(m.accuracy * m.n)
    core = "the core neuron" if m.size == 1 else f"the {m.size} core neurons"
    return f"With {core} of {m.layer} masked, the network recognises {kept or 'none'} of the {m.n} pictures{random}."


QUESTIONS = {
    "needed": "Does it need its core?",
    "enough": "Is the core enough?",
    "faithful": "Do scores predict knock-outs?",
}
"""The three results that matter most, as a reader would ask."""


def answers(index: Index) -> tuple[Answer, ...]:
    """The answers at every layer where the claim was tested, with the figure nearest to the logit."""
    found = []
    for claim, question in QUESTIONS.items():
        ran = {c.layer: c for c in index.claims if c.claim == claim and c.verdict != "not run"}
        layers = [layer.name for layer in index.downward() if layer.name in ran]
        if layers:
            row = ran.get(index.below_top.name, ran[layers[0]])
            found.append(
                Answer(
                    question=question,
                    marks=tuple(ledger.mark(index, claim, layer) for layer in layers),
                    figure=_answer_figure(index, row),
                    href=f"{urls.class_fidelity(index.result.slug)}#{row.experiment}",
                )
            )
    return tuple(found)


def _answer_figure(index: Index, claim: Claim) -> str:
    """The figure that decides, and why it does not where the test is inconclusive."""
    decided = claim.verdict != "inconclusive" or claim in index.too_few
    why = "" if decided else ledger.why_of(claim).partition(",")[0]
    return f"{_figure(index, claim)}{f'; {why}' if why else ''}"


def _figure(index: Index, claim: Claim) -> str:
    if (both := limits.two_sided_of(index, claim)) is not None:
        own, others = round(both.tpr * both.n), round(both.fpr * both.others)
        return (
            f"{claim.layer}, the rest at its mean: {own} of {both.n} recognised, and {others or 'none'} of "
            f"{both.others} others"
        )
    m = limits.row_of(index, claim) if claim.experiment == "masking" else None
    if m is not None:
        random = f" ({percent(mean(m.null))} with random neurons masked)" if m.null else ""
        return f"{claim.layer}, core set to 0: {round(m.accuracy * m.n)} of {m.n} recognised{random}"
    value = "" if claim.figure is None else f"{claim.figure:.2f}".replace("-", "−")
    return f"{claim.layer}: {CLAIMS[claim.claim].measured} {value}".replace("correlation r", "r =")
