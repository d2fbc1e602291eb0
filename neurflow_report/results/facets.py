"""Pictures that are made for semantic groups: their records (METHOD §9)."""

from __future__ import annotations

import hashlib
from typing import Literal

from neurflow_report.results.record import Record

UNLIKE = 0.95
"""The share of natural patches from which a facet is told to lie further out than they do."""


class Facets(Record):
    """How many pictures were to be made, and how.

    Attributes:
        groups: semantic groups of each layer of a class, those of the largest share.
        steps: of each ascent.
    """

    groups: int
    steps: int


class Facet(Record):
    """A picture made for a semantic group: what makes its neuron active as the group's patches do. Figures are of the
    picture as it is kept, and None where `reason` says why there is none.

    Attributes:
        layer, channel, group: the neuron, and the number of its semantic group.
        file: its name under pictures/, as in `Picture`, with what `origin` gives for the original's sha256.
        tile: that of the mean of the group's patches, as far as pictures are kept; None where they are not.
        start, activation: φ of the picture that the ascent started from, and of this one.
        natural: φ of the patch that is strongest in the neuron's concept.
        cosine: of its r to the mean of the group's.
        distance: of its r from those of the layer's patches, in standard deviations.
        quantile: the share of these patches that lie nearer.
        reason: why there is no picture, or nothing.
    """

    layer: str
    channel: int
    group: int
    file: str | None = None
    tile: str | None = None
    start: float | None = None
    activation: float | None = None
    natural: float
    cosine: float | None = None
    distance: float | None = None
    quantile: float | None = None
    reason: str = ""


def origin(kind: Literal["facet", "tile"], slug: str, facet: Facet) -> str:
    """What stands in the name of a picture that has no original, in place of its sha256: where it belongs."""
    return hashlib.sha256(f"{kind} {slug} {facet.layer} {facet.channel} {facet.group}".encode()).hexdigest()


def beyond(facet: Facet) -> bool:
    """Whether a picture makes its neuron more active than any natural patch does."""
    return facet.activation is not None and facet.activation > facet.natural


def far(facet: Facet) -> bool:
    """Whether it lies further from the natural patches than most of them, one layer below."""
    return facet.quantile is not None and facet.quantile >= UNLIKE
