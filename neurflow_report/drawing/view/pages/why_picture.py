"""Why a picture is taken for a class: what its margin rests on at each layer, and what the network says without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions
from neurflow_report.drawing.view.model.class_index import Index, bare, debugged_file
from neurflow_report.drawing.view.model.components import (
    Captions,
    Cell,
    Column,
    Mosaic,
    Page,
    Prose,
    Span,
    Table,
)
from neurflow_report.drawing.view.model.numbers import count, listing, p_value, sign, signed
from neurflow_report.drawing.view.model.spotlight import Cover, cover
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Cause, Debugged, LayerCauses, WhatIf

SEEN = {
    "embed": "",
    "blur": "The picture is blurred, as report.images asks.",
    "none": "The picture is left out, as report.images asks.",
}
"""What is to be said of the picture where it is not as the model saw it."""
LEVEL = 0.05
STRIP = 5
"""Patches of a group beside its bars."""
LITTLE = 0.01
"""The part of the margin's parts under which what the integral leaves is not told."""


@dataclass(frozen=True, kw_only=True)
class Beam:
    """A figure as a bar from the middle: where it begins and how wide it is, in per cent of the whole width."""

    text: str
    sign: str
    start: str
    width: str


@dataclass(frozen=True, kw_only=True)
class CauseView:
    """One of the largest groups of a layer, in a picture.

    Attributes:
        called: "pink petals · G1".
        cover: where it lies, None where the layer has no space.
        null: where 95% of the random sets lie, None where the group is not tested.
        verdict: how sure its effect is, in words.
        bears: whether the effect stands out from random neurons.
    """

    called: str
    href: str
    cover: Cover | None
    strip: Mosaic
    foretold: Beam
    measured: Beam
    null: Beam | None
    verdict: str
    bears: bool


@dataclass(frozen=True, kw_only=True)
class Switches:
    """The what-ifs, for a script: the groups' names, and by number of the choice (bit n: the n-th group is removed) the
    class that the picture is taken for and the margin."""

    groups: tuple[str, ...]
    predicted: tuple[str, ...]
    margins: tuple[str, ...]
    usual: str


@dataclass(frozen=True, kw_only=True)
class CausesView:
    """A layer of a picture's page; `glimpse`: what it says in short where it is folded."""

    name: str
    anchor: str
    glimpse: str
    sentences: tuple[str, ...]
    causes: tuple[CauseView, ...]
    switches: Switches | None
    what_ifs: Table | None
    every: Table | None


@dataclass(frozen=True, kw_only=True)
class WhyPicturePage(Page):
    """Why one picture is taken for a class."""

    heading: str
    kicker: str
    file: str
    alt: str
    caption: str
    lead: tuple[Prose, ...]
    note: str
    layers: tuple[CausesView, ...]
    before: Span | None
    after: Span | None
    pictures: Captions


def address(one: Debugged) -> str:
    """The page of a picture."""
    return urls.debugged(one.name, one.sha256, one.q)


def why_pictures(indices: Sequence[Index]) -> list[WhyPicturePage]:
    """A page for each picture that is explained, in the order of the classes."""
    every = [(index, number, one) for index in indices for number, one in enumerate(index.result.debugged)]
    links = [Span(text=bare(one.name), href=address(one)) for _, _, one in every]
    return [
        _page(index, number, one, links[n - 1] if n else None, links[n + 1] if n + 1 < len(links) else None)
        for n, (index, number, one) in enumerate(every)
    ]


def _page(index: Index, number: int, one: Debugged, before: Span | None, after: Span | None) -> WhyPicturePage:
    return WhyPicturePage(
        path=address(one),
        title=f"Why {bare(one.name)}?",
        description=f"Why {bare(one.name)} is taken for {one.predicted}: what its margin over {one.against} rests on",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW), Span(text="Why these pictures?", href=urls.WHY)),
        here=bare(one.name),
        heading=f"Taken for {one.predicted}",
        kicker=f"Why this picture? {bare(one.name)}",
        file=debugged_file(index.result, number),
        alt=bare(one.name),
        caption=" ".join(filter(None, [_labelled(one), _seen(one, index), SEEN[index.run.images]])),
        lead=tuple(_lead(index, one)),
        note=_units(one),
        layers=tuple(_layer(index, one, layer) for layer in one.layers),
        before=before,
        after=after,
        pictures=captions(index),
    )


def _labelled(one: Debugged) -> str:
    label = "Its label is not known" if one.label is None else f"Labelled {one.label}"
    return f"{label}, taken for {one.predicted}."


def _seen(one: Debugged, index: Index) -> str:
    return f"The circuit of {index.result.name} was found on this picture, among others." if one.found_on else ""


def _units(one: Debugged) -> str:
    return prose(f"""
        Figures are logits: a bar to the right speaks for {one.predicted}, one to the left for {one.against}. Foretold
        is the group's attribution; measured is how much the margin falls when its neurons are set to 0; the thin line
        shows where 95% of random sets of as many similarly active neurons lie.
    """)


def _lead(index: Index, one: Debugged) -> list[Prose]:
    """The picture's case: what it is taken for, what carries that, and what it would take to change the answer."""
    held = "its true class" if one.contrast == "truth" else "the runner-up"
    found: list[Prose] = [
        (Span(text=f"Its logit for {one.predicted} is {_ahead(one.margin)} that for {one.against}, {held}."),)
    ]
    if index.result.index != one.p:
        words = f"""
            {one.predicted} is not among the classes examined. What follows is told by the circuit of
            {index.result.name}: which of its groups held out against the answer.
        """
        found.append((Span(text=prose(words)),))
    strongest = _strongest(index, one)
    if strongest is not None:
        found.append(strongest)
    found.append(_flips(index, one))
    return found


def _ahead(margin: float) -> str:
    return f"{abs(margin):.2f} {'above' if margin >= 0 else 'below'}"


def _strongest(index: Index, one: Debugged) -> Prose | None:
    """The group whose measured effect is the largest of those that stand out, at the highest layer that has one."""
    for layer in one.layers:
        sure = [c for c in layer.causes if c.q_value is not None and c.q_value <= LEVEL and c.foretold * c.measured > 0]
        if sure:
            best = max(sure, key=lambda c: abs(c.measured))
            way = "falls" if best.measured > 0 else "rises"
            said = prose(f"""
                the margin {way} by {abs(best.measured):.2f}: hardly any of {best.sets} random sets of as many similarly
                active neurons do as much.
            """)
            return Span(text="Without "), _named(index, layer.layer, best.group), Span(text=f" {said}")
    if any(c.p_value is not None for layer in one.layers for c in layer.causes):
        return (Span(text="At no layer does a group's effect on the margin stand out from that of random neurons."),)
    return None


def _flips(index: Index, one: Debugged) -> Prose:
    """The fewest groups without which the answer is another, at the highest of the layers where so few do."""
    found = [(layer, layer.flip) for layer in one.layers if layer.flip is not None]
    if not found:
        return (Span(text=f"No set of groups was found without which it is not taken for {one.predicted}."),)
    layer, flip = min(found, key=lambda pair: len(pair[1].removed))
    names = [_named(index, layer.layer, group) for group in flip.removed]
    parts: list[Span] = [Span(text="Without ")]
    for n, name in enumerate(names):
        parts += [Span(text=" and " if n + 1 == len(names) else ", ")] if n else []
        parts.append(name)
    true = ", its true class" if one.contrast == "truth" and flip.predicted == one.against else ""
    parts.append(Span(text=f" it is taken for {flip.predicted}{true}."))
    return tuple(parts)


def _called(index: Index, layer: str, group: int) -> str:
    text = index.name(layer, index.groups[layer, group]).text
    return f"{text} · G{group}" if text else f"G{group}"


def _named(index: Index, layer: str, group: int) -> Span:
    called = index.called(layer, index.groups[layer, group])
    return Span(text=called, href=urls.group(index.result.slug, layer, group))


def _layer(index: Index, one: Debugged, layer: LayerCauses) -> CausesView:
    largest = {group: n for n, group in enumerate(layer.largest)}
    shown = [c for c in layer.causes if c.group in largest]
    reach = max(
        [abs(v) for c in shown for v in (c.foretold, c.measured, c.null_low or 0.0, c.null_high or 0.0)], default=1.0
    )
    first = layer.causes[0] if layer.causes else None
    return CausesView(
        name=layer.layer,
        anchor=urls.folder_name(layer.layer),
        glimpse="" if first is None else f"{_called(index, layer.layer, first.group)} {signed(first.measured)}",
        sentences=tuple(_sentences(index, one, layer)),
        causes=tuple(_cause(index, layer.layer, c, reach or 1.0) for c in shown),
        switches=_switches(index, one, layer) if layer.largest else None,
        what_ifs=_what_ifs(index, one, layer) if layer.largest else None,
        every=_every(index, one, layer) if layer.causes else None,
    )


def _sentences(index: Index, one: Debugged, layer: LayerCauses) -> list[str]:
    if not layer.causes:
        return [f"The circuit of {index.result.name} has no groups at {layer.layer}."]
    foretold = sum(c.foretold for c in layer.causes)
    found = [
        prose(f"""
            Of the margin of {signed(one.margin)}, the groups' neurons carry {signed(foretold)} and the layer's other
            neurons {signed(layer.outside)}; {signed(layer.baseline)} is there with the whole layer at 0.
        """)
    ]
    size = sum(abs(c.foretold) for c in layer.causes) + abs(layer.outside) + abs(layer.baseline)
    if abs(layer.rest) > LITTLE * size:
        found.append(f"The error of the integral leaves {signed(layer.rest)}.")
    if abs(layer.outside) > abs(foretold):
        found.append("More of it goes past the circuit than through it.")
    if layer.flip is not None:
        names = listing([_called(index, layer.layer, group) for group in layer.flip.removed])
        found.append(f"Without {names} it is taken for {layer.flip.predicted}.")
    return found


def _cause(index: Index, layer: str, cause: Cause, reach: float) -> CauseView:
    bears = cause.q_value is not None and cause.q_value <= LEVEL
    return CauseView(
        called=_called(index, layer, cause.group),
        href=urls.group(index.result.slug, layer, cause.group),
        cover=cover(cause.map),
        strip=index.strip(layer, index.groups[layer, cause.group], STRIP),
        foretold=_beam(cause.foretold, reach),
        measured=_beam(cause.measured, reach),
        null=_range(cause, reach),
        verdict=_verdict(cause, bears),
        bears=bears,
    )


def _verdict(cause: Cause, bears: bool) -> str:
    if cause.p_value is None or cause.q_value is None:
        return "not tested: too few sets of similarly active neurons"
    how = f"p {p_value(cause.p_value)}, {p_value(cause.q_value)} corrected"
    return f"stands out from random neurons ({how})" if bears else f"random neurons do as much ({how})"


def _beam(value: float, reach: float) -> Beam:
    half = 50 * min(1.0, abs(value) / reach)
    return Beam(
        text=signed(value), sign=sign(value), start=f"{50 - half if value < 0 else 50:.1f}", width=f"{half:.1f}"
    )


def _range(cause: Cause, reach: float) -> Beam | None:
    if cause.null_low is None or cause.null_high is None:
        return None
    low, high = (50 + 50 * max(-1.0, min(1.0, v / reach)) for v in (cause.null_low, cause.null_high))
    text = f"{signed(cause.null_low)} to {signed(cause.null_high)}"
    return Beam(text=text, sign="", start=f"{low:.1f}", width=f"{max(0.5, high - low):.1f}")


def _switches(index: Index, one: Debugged, layer: LayerCauses) -> Switches:
    return Switches(
        groups=tuple(_called(index, layer.layer, group) for group in layer.largest),
        predicted=tuple(w.predicted for w in layer.what_ifs),
        margins=tuple(signed(w.margin) for w in layer.what_ifs),
        usual=one.predicted,
    )


def _what_ifs(index: Index, one: Debugged, layer: LayerCauses) -> Table:
    rows = sorted(layer.what_ifs, key=lambda w: len(w.removed))
    return Table(
        caption=f"{one.predicted} without some of {layer.layer}'s largest groups",
        columns=(
            Column(label="Without"),
            Column(label="Taken for"),
            Column(label=f"Margin over {one.against}", numeric=True),
        ),
        rows=tuple(
            (
                Cell(text=_removed(index, layer.layer, w)),
                Cell(text=f"→ {w.predicted}" if w.predicted != one.predicted else w.predicted),
                Cell(text=signed(w.margin), sign=sign(w.margin)),
            )
            for w in rows
        ),
    )


def _removed(index: Index, layer: str, what_if: WhatIf) -> str:
    return listing([_called(index, layer, group) for group in what_if.removed]) or "nothing: as it is"


def _every(index: Index, one: Debugged, layer: LayerCauses) -> Table:
    return Table(
        caption=f"{count(len(layer.causes), 'group')} of {layer.layer}",
        columns=(
            Column(label="Group"),
            Column(label="Foretold", numeric=True),
            Column(label="Measured", numeric=True),
            Column(label="Random sets, 95%", numeric=True),
            Column(label="p", numeric=True),
            Column(label="p, corrected", numeric=True),
            Column(label="Presence", numeric=True),
            Column(label="Taken for without it"),
        ),
        rows=tuple(
            (
                Cell(
                    text=_called(index, layer.layer, c.group),
                    href=urls.group(index.result.slug, layer.layer, c.group),
                ),
                Cell(text=signed(c.foretold), sign=sign(c.foretold)),
                Cell(text=signed(c.measured), sign=sign(c.measured)),
                Cell(text="–" if c.null_low is None else f"{signed(c.null_low)} to {signed(c.null_high or 0.0)}"),
                Cell(text="–" if c.p_value is None else p_value(c.p_value)),
                Cell(text="–" if c.q_value is None else p_value(c.q_value)),
                Cell(text="–" if c.presence is None else f"{c.presence:.2f}"),
                Cell(text=f"→ {c.without}" if c.without != one.predicted else c.without),
            )
            for c in layer.causes
        ),
    )


PAGE = PageKind(
    name="why-picture",
    template="site/why_picture.html",
    build=lambda data: why_pictures(data.indices),
    order=57,
)
