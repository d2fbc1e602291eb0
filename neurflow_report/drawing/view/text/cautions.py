"""Cautions in words: what was seen, against which threshold, and what a reader should make of it (METHOD §6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.components import Notice, Prose, Span
from neurflow_report.drawing.view.model.numbers import (
    apart_from,
    correlation,
    count,
    figure,
    listing,
    percent,
    percent_fine,
    silhouette,
)
from neurflow_report.results.catalogue import CAUTIONS, EXPERIMENTS, STABILITY_NOISE, CautionKind, prose
from neurflow_report.results.records import Caution, Masking

MOST_PLACES = 12


def notices(cautions: Iterable[Caution], slug: str, *, masking: Sequence[Masking]) -> tuple[Notice, ...]:
    """The cautions of one class, those of one kind together, in the order given.

    Args: masking: the class's F1 rows, from which a caution on a core set learns its τ.
    """
    gathered: dict[tuple[str, bool], list[Caution]] = {}
    for caution in cautions:
        gathered.setdefault((caution.code, caution.channel is not None), []).append(caution)
    return tuple(_notice(code, met, slug, masking) for (code, _), met in gathered.items())


def of_layer(cautions: Iterable[Caution], layer: str) -> tuple[Caution, ...]:
    """The cautions on a layer as a whole."""
    return tuple(c for c in cautions if c.layer == layer and c.channel is None)


def of_neuron(cautions: Iterable[Caution], layer: str, channel: int) -> tuple[Caution, ...]:
    """The cautions on one neuron."""
    return tuple(c for c in cautions if c.layer == layer and c.channel == channel)


def own(cautions: Iterable[Caution]) -> tuple[Notice, ...]:
    """The cautions of one neuron, at that neuron: without its name."""
    kinds = [(c, _kind(c.code, True)) for c in cautions]
    return tuple(
        Notice(code=c.code, title=kind.title, text=f"{_capital(_measured(c))}. {kind.meaning}") for c, kind in kinds
    )


def _capital(text: str) -> str:
    """A sentence's beginning: a capital, unless it begins with a symbol ("r = 0.35")."""
    return text[:1].upper() + text[1:] if text[1:2].isalpha() else text


def over_classes(classes: Sequence[tuple[str, str, Sequence[Caution]]]) -> tuple[Notice, ...]:
    """One notice a kind of caution over all classes, given as (name, slug, cautions); most widespread first."""
    kinds: dict[tuple[str, bool], dict[str, tuple[str, list[Caution]]]] = {}
    for name, slug, cautions in classes:
        for c in cautions:
            kind = kinds.setdefault((c.code, c.channel is not None), {})
            kind.setdefault(slug, (name, []))[1].append(c)
    ranked = sorted(kinds.items(), key=lambda item: -len(item[1]))
    return tuple(_over(code, single, met, len(classes)) for (code, single), met in ranked)


def _over(code: str, single: bool, met: dict[str, tuple[str, list[Caution]]], classes: int) -> Notice:
    kind = _kind(code, single)
    found = [c for _, cautions in met.values() for c in cautions]
    amount = f"{count(len(found), 'neuron')} in " if single else ""
    where = _worst(found).layer
    seen = f"{_range(found)} (at {where})" if where else _range(found)
    text = f"{amount}{len(met)} of {count(classes, 'class', 'classes')}: {seen}. {kind.meaning}"
    spans = [
        Span(text=f"{name} ({len(cs)})" if single else name, href=f"{urls.class_page(slug)}#limits")
        for slug, (name, cs) in met.items()
    ]
    return Notice(code=code, title=kind.title, text=text, places=_separated("Classes: ", spans))


def _range(found: Sequence[Caution]) -> str:
    words = _measured(_worst(found))
    return f"at worst {words}" if len(found) > 1 else words


def _worst(found: Sequence[Caution]) -> Caution:
    return max(found, key=lambda c: abs(c.figure - c.threshold))


def _notice(code: str, met: Sequence[Caution], slug: str, masking: Sequence[Masking]) -> Notice:
    """One kind of caution: what was seen, layer by layer or over all neurons met, and what it means, said once."""
    single = met[0].channel is not None
    kind, layers = _kind(code, single), list(dict.fromkeys(c.layer for c in met))
    if single:
        seen = f"{count(len(met), 'neuron')} at {listing(layers)}: {_range(met)}"
    else:
        seen = "; ".join(_at_layer(layer, [c for c in met if c.layer == layer], masking) for layer in layers)
    spans = [
        Span(
            text=f"n{c.channel}" if len(layers) == 1 else f"{c.layer} n{c.channel}",
            href=urls.neuron(slug, c.layer, c.channel),
        )
        for c in met
        if c.channel is not None
    ]
    text = f"{_capital(seen) if not layers[0] else seen}. {kind.meaning}"
    return Notice(code=code, title=kind.title, text=text, places=_separated("Neurons: ", spans))


def _at_layer(layer: str, met: Sequence[Caution], masking: Sequence[Masking]) -> str:
    return f"{layer}{_taus(met, masking)}: {_range(met)}" if layer else _range(met)


def _taus(met: Sequence[Caution], masking: Sequence[Masking]) -> str:
    """At which τ the core sets met lost the class, where several were tried."""
    lost = {(c.layer, c.figure) for c in met if c.code == "retain-loses"}
    taus = sorted({m.tau for m in masking if m.mode == "retain" and (m.layer, m.accuracy) in lost})
    return f" with τ {listing([str(tau) for tau in taus])}" if taus and len({m.tau for m in masking}) > 1 else ""


def _separated(name: str, spans: Sequence[Span]) -> Prose:
    """What they are, and the spans with commas between; the rest counted past `MOST_PLACES`. Nothing for none."""
    if not spans:
        return ()
    shown = [part for span in spans[:MOST_PLACES] for part in (Span(text=", "), span)]
    shown[0] = Span(text=name)
    rest = len(spans) - MOST_PLACES
    return (*shown, Span(text=f" and {rest} more")) if rest > 0 else tuple(shown)


def _measured(c: Caution) -> str:
    """The figure with its unit beside its threshold."""
    match c.code:
        case "few-images":
            return f"{count(int(c.figure), 'picture')} of the {c.threshold:.0f} asked for"
        case "few-patches":
            return f"concepts of {_beside(percent, c)} of the class's patches, over {percent(c.threshold)}"
        case "silhouette":
            return f"silhouette {_beside(silhouette, c)}, under {silhouette(c.threshold)}"
        case "completeness":
            return f"completeness gap {_beside(percent_fine, c)}, over the tolerance of {percent_fine(c.threshold)}"
        case "integration":
            return f"estimated error {_beside(percent_fine, c)}, over the tolerance of {percent_fine(c.threshold)}"
        case "saturation":
            return f"{_beside(percent, c)} of the layer's neurons are core neurons, over {percent(c.threshold)}"
        case "retain-loses":
            return f"{_beside(percent, c)} accuracy with only the core set kept, under {percent(c.threshold)}"
        case "silent":
            return f"{percent(c.figure)} of the layer's neurons are silent on every patch of the class"
        case "low-baseline":
            return f"{_beside(percent, c)} accuracy before anything is masked, under {percent(c.threshold)}"
        case "weak-weights":
            return f"r = {_beside(correlation, c)} between scores and measured losses, under {correlation(c.threshold)}"
        case "weak-edges":
            return f"r = {_beside(correlation, c)} between edges and measured drops, under {correlation(c.threshold)}"
        case "unstable":
            index = f"adjusted Rand index {_beside(correlation, c)} with {STABILITY_NOISE:.0%} noise"
            return f"{index}, under {correlation(c.threshold)}"
        case "no-core":
            return "no core concept neuron below"
        case "dead-neuron":
            return f"largest activation {figure(c.figure)}"
        case "single-group":
            return "one group by default"
        case _:
            return f"{figure(c.figure)} against {figure(c.threshold)}"


def _beside(spelt: Callable[[float, int], str], c: Caution) -> str:
    """The figure as `spelt`, never rounded onto the threshold that it missed."""
    return apart_from(spelt, c.figure, (c.threshold,))


def _kind(code: str, single: bool) -> CautionKind:
    known = CAUTIONS.get((code, single)) or CAUTIONS.get((code, not single))
    return known or CautionKind(code=code, title=code.replace("-", " ").capitalize(), meaning="See the method's page.")


def untested(experiments: Sequence[str]) -> tuple[Notice, ...]:
    """What this run did not test, said plainly; nothing where all of METHOD §5 was run."""
    missing = [e.tests for name, e in EXPERIMENTS.items() if name not in experiments]
    if not missing:
        return ()
    told = "No experiment was run. Not tested" if not experiments else "Not tested in this run"
    notice = Notice(
        code="untested",
        title="What was not tested",
        text=prose(f"""
            {told}: {listing(missing)}. Weights, edges and shares are attributions, not measured effects.
        """),
    )
    return (notice,)
