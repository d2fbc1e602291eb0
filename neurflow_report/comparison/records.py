"""What differs between two bundles, as frozen values: the first is the earlier one (then), the second the later (now).

Neurons of both are identified by pairs of channels (`LayerMatch`). What that leaves unknown is None, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

How = Literal["index", "activations", "class", "none"]
Key = Mapping[str, str | int | bool]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two bundles: what it is of, its digest (without the clock), its format, and when it was made."""

    title: str
    model: str
    state: str
    digest: str
    format: int
    generator: str
    created: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """A setting that differs, by its place; None: it is not there. `lost`, `new`: what a list has then alone, now
    alone."""

    place: str
    then: str | None
    now: str | None
    lost: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A neuron of the first bundle, its counterpart in the second, and how alike their concepts are, 0..1 (None where
    they share no patch)."""

    then: int
    now: int
    similarity: float | None


@dataclass(frozen=True, kw_only=True)
class LayerMatch:
    """How the neurons of a layer are identified, over all classes that both bundles have.

    Attributes:
        how: by their channel; by their activations; as the classes' logits; or not at all.
        reason: what that rests on, or why it cannot be done.
        then, now: how many neurons the bundles have at the layer.
        blank: how many of them cannot be told: they are never active, or have no shared patch.
        pairs: of neurons that count as the same.
        similarity: the mean of the optimal assignment, 0..1; None where it was not done.
        null: the same where the pictures of one bundle are re-labelled at random: its mean, and its 95% range.
        threshold: the similarity that a pair must be above to count: that of 95% of the null's pairs, and √½ at least.
        chance: the share of neurons that have a counterpart under the null, on average.
    """

    layer: str
    how: How
    reason: str
    then: int = 0
    now: int = 0
    blank: tuple[int, int] = (0, 0)
    pairs: tuple[Pair, ...] = ()
    similarity: float | None = None
    null: tuple[float, float, float] | None = None
    threshold: float | None = None
    chance: float | None = None


@dataclass(frozen=True, kw_only=True)
class GroupPair:
    """A neuron group and its counterpart: numbers and shares of the logit, then and now (None: it has none there).

    `patches`, `members`: how alike they are by the patches that both bundles have, and by their neurons; 0..1, None
    where that is not known.
    """

    then: int | None
    now: int | None
    share_then: float
    share_now: float
    patches: float | None = None
    members: float | None = None


@dataclass(frozen=True, kw_only=True)
class FlowChange:
    """An edge between matched neuron groups, by their numbers then, and its flow then and now."""

    upper_layer: str
    upper: int
    lower_layer: str
    lower: int
    then: float
    now: float


@dataclass(frozen=True, kw_only=True)
class LayerDiff:
    """A layer of one class.

    Attributes:
        then, now, common: the sizes of the core sets, and of what they have in common.
        overlap: Jaccard's measure; None where neurons cannot be identified.
        chance: what random sets would have; None where that is not known.
        similarity: the mean of the common neurons' similarity.
        moved: the share of the logit that goes through other groups, 0..1.
        flow: how much of the flow into the layer goes along the same edges between neurons, 0..1.
        shared_patches: patches in a concept of the layer's that both bundles have.
    """

    layer: str
    then: int
    now: int
    common: int | None
    overlap: float | None
    chance: float | None
    similarity: float | None
    groups: tuple[GroupPair, ...]
    moved: float | None
    flow: float | None
    shared_patches: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A figure with its interval, its null and what was said of it; each None where it has none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    null: float | None = None
    verdict: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure of both bundles; `key` tells which, in the records' own fields. None: that bundle has no such row."""

    key: Key
    then: Reading | None
    now: Reading | None


@dataclass(frozen=True, kw_only=True)
class ClassDiff:
    """One class, by its name.

    Attributes:
        slug: that of the first bundle; `slug_now`: that of the second.
        pictures: how many pictures then, now, and in both.
        verdict: the word then and now.
        supported: tests that support their claim, of those that could decide, then and now.
        cautions: how many then and now.
        layers: those that both bundles have, but for the logits, from the input on.
        edges: the flows between matched groups that changed most.
        masking, claims, measures: figures of F1, rows of the ledger, figures of the other experiments.
    """

    slug: str
    slug_now: str
    name: str
    pictures: tuple[int, int, int]
    patches_reason: str
    verdict: tuple[str, str]
    supported: tuple[tuple[int, int], tuple[int, int]]
    cautions: tuple[int, int]
    layers: tuple[LayerDiff, ...]
    edges: tuple[FlowChange, ...]
    masking: tuple[Row, ...]
    claims: tuple[Row, ...]
    measures: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that differs between two bundles.

    Attributes:
        identical: nothing does, the clock aside; `same_results`: all records and pictures of the classes are the same.
        lineage: whether it is one network, and what that rests on.
        permuted: every neuron has a counterpart that is as active on the same patches, under another number.
        lost, new: classes of one bundle alone; `layers_lost`, `layers_new`: layers.
        accuracy: of the network on the labelled pictures, where it was measured.
    """

    then: Side
    now: Side
    identical: bool
    same_results: bool
    same_network: bool
    lineage: str
    permuted: bool
    changes: tuple[Change, ...]
    layers_lost: tuple[str, ...]
    layers_new: tuple[str, ...]
    lost: tuple[str, ...]
    new: tuple[str, ...]
    accuracy: Row
    matches: tuple[LayerMatch, ...]
    classes: tuple[ClassDiff, ...]
