"""The pictures made for a layer's semantic groups, each beside the mean of the group's patches (METHOD §9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Prose, Span
from neurflow_report.drawing.view.model.numbers import figure, percent
from neurflow_report.results.catalogue import prose
from neurflow_report.results.facets import beyond, far
from neurflow_report.results.records import Facet


@dataclass(frozen=True, kw_only=True)
class FacetView:
    """A semantic group's pictures: the one made for it, and the mean of its patches ("" where there is none); what is
    said of them, and how they are unlike natural ones, or why there is none."""

    heading: Prose
    name: str
    file: str
    tile: str
    text: str
    warning: str


def facets_words(index: Index, layer: str) -> str:
    """What the pictures are; nothing where there are none at this layer."""
    asked = index.run.facets
    if asked is None or not any(one.layer == layer for one in index.result.facets):
        return ""
    return prose(f"""
        Made, not found: each is what {asked.steps} steps of gradient ascent came to, from noise, on the neuron's
        activation times the cosine to the mean of the semantic group's patches one layer below. It shows what the
        neuron can react to in this way, not what is in any picture. Beside it is the mean of the group's patches.
    """)


def facets(index: Index, layer: str) -> Iterator[FacetView]:
    """Those of a layer, the largest share first."""
    slug = index.result.slug
    for number, one in enumerate(index.result.facets):
        if one.layer == layer:
            made = not one.reason
            name = f"n{one.channel}, semantic group {one.group}"
            yield FacetView(
                heading=_heading(index, one),
                name=name,
                file=urls.facet_file(slug, number) if made else "",
                tile=urls.facet_file(slug, number, tile=True) if one.tile is not None else "",
                text=_text(one) if made else f"There is no picture: {one.reason}.",
                warning=_warning(one),
            )


def _heading(index: Index, one: Facet) -> Prose:
    """ "n12, semantic group 1, in G2"."""
    slug, number = index.result.slug, index.memberships.get((one.layer, one.channel), {}).get(one.group)
    link = Span(text=f"n{one.channel}", href=urls.neuron(slug, one.layer, one.channel))
    found = (link, Span(text=f", semantic group {one.group}"))
    if not number:
        return found
    return (*found, Span(text=", in "), Span(text=f"G{number}", href=urls.group(slug, one.layer, number)))


def _text(one: Facet) -> str:
    if one.activation is None or one.start is None:
        return ""
    told = f"Activation {figure(one.activation)}; the strongest natural patch has {figure(one.natural)}"
    near = "" if one.cosine is None else f". Cosine to the group's mean {one.cosine:.2f}"
    return f"{told}, the noise that it began as {figure(one.start)}{near}."


def _warning(one: Facet) -> str:
    """How it is unlike natural patches."""
    told = []
    if beyond(one) and one.activation is not None:
        told.append(f"{one.activation / one.natural:.1f} times the activation of any patch")
    if far(one) and one.distance is not None and one.quantile is not None:
        share = "all of them" if one.quantile == 1 else f"{percent(one.quantile)} of them"
        told.append(f"one layer below it lies further from the patches' mean ({figure(one.distance)} sd) than {share}")
    return f"Unlike natural patches: {'; '.join(told)}." if told else ""
