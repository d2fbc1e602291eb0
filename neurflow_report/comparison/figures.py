"""A comparison as numbers under flat names, each with the place it is of: what conditions and other programs read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from neurflow_report.comparison.records import ClassDiff, Comparison, LayerMatch, Row

Scope = Literal["bundle", "layer", "class", "class/layer"]
RANKS = {"weakly supported": 0, "partly supported": 1, "well supported": 2}
"""Verdicts in their order; the others are none."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure's name, what it is of, and what it means."""

    name: str
    scope: Scope
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a value is of: nothing for the bundles as a whole."""

    slug: str = ""
    layer: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.slug, self.layer) if part)


Values = Mapping[str, Mapping[Place, float]]


def _figures(scope: Scope, **meanings: str) -> tuple[Figure, ...]:
    return tuple(Figure(name=name, scope=scope, meaning=meaning) for name, meaning in meanings.items())


FIGURES = {
    figure.name: figure
    for figure in (
        *_figures(
            "bundle",
            identical="1 where nothing differs but the clock, else 0",
            same_results="1 where all that was found of the classes is the same, else 0",
            same_network="1 where neurons are the same by their channels, else 0",
            settings_changed="settings, names and versions that differ",
            classes_lost="classes of the first bundle that the second lacks",
            classes_new="classes of the second bundle that the first lacks",
            layers_lost="layers of the first bundle that the second lacks",
            layers_new="layers of the second bundle that the first lacks",
            accuracy_then="accuracy on the labelled pictures, first bundle",
            accuracy_now="the same, second bundle",
            accuracy_change="now − then",
        ),
        *_figures(
            "layer",
            matched="share of the neurons that can be told, of the bundle with fewer, that have a counterpart",
            match_similarity="mean similarity of the optimal assignment (two networks alone)",
            match_null="the same by chance: the null's mean",
            match_excess="match_similarity less the upper end of the null's 95% range",
        ),
        *_figures(
            "class",
            verdict_change="steps of the verdict, now − then: weakly 0, partly 1, well supported 2",
            supported_change="share of the deciding tests that support their claim, now − then",
            claims_lost="claims that were supported and are not any more",
            claims_gained="claims that are supported and were not",
            pictures_shared="share of the pictures, of the bundle with fewer, that both have",
            cautions_change="cautions, now − then",
        ),
        *_figures(
            "class/layer",
            core_overlap="core neurons in common, as a share of those in either (Jaccard)",
            core_overlap_chance="the same by chance",
            core_overlap_excess="core_overlap − core_overlap_chance",
            core_size_change="core neurons, now − then",
            similarity="mean similarity of the core neurons in common",
            groups_matched="share of the logit then that goes through groups with a counterpart",
            group_overlap="how alike matched groups are, mean by their shares",
            share_moved="share of the logit that goes through other groups",
            flow_overlap="share of the flow into the layer along the same edges between neurons",
            without_core_change="accuracy with the core masked, now − then (the largest τ of both)",
            core_alone_change="accuracy with the core alone, now − then (the largest τ of both)",
        ),
    )
}


def figures(found: Comparison) -> Values:
    """Every figure that has a value, by its name and place."""
    values: dict[str, dict[Place, float]] = {name: {} for name in FIGURES}
    for name, place, value in _all(found):
        if value is not None:
            values[name][place] = float(f"{value:.7g}") + 0.0
    return values


def flat(values: Values) -> dict[str, float]:
    """The same under names such as `core_overlap[bee/layer3]`, as conditions call them."""
    return {
        f"{name}[{place}]" if str(place) else name: value
        for name, places in values.items()
        for place, value in places.items()
    }


def missing(found: Comparison) -> tuple[str, ...]:
    """Where core sets cannot be compared, and why."""
    return tuple(f"{match.layer}: {match.reason}" for match in found.matches if match.how == "none")


_Value = tuple[str, Place, float | None]


def _all(found: Comparison) -> Iterator[_Value]:
    whole, then, now = Place(), found.accuracy.then, found.accuracy.now
    yield "identical", whole, float(found.identical)
    yield "same_results", whole, float(found.same_results)
    yield "same_network", whole, float(found.same_network)
    yield "settings_changed", whole, len(found.changes)
    yield "classes_lost", whole, len(found.lost)
    yield "classes_new", whole, len(found.new)
    yield "layers_lost", whole, len(found.layers_lost)
    yield "layers_new", whole, len(found.layers_new)
    yield "accuracy_then", whole, then.value if then else None
    yield "accuracy_now", whole, now.value if now else None
    yield "accuracy_change", whole, change(found.accuracy)
    for match in found.matches:
        yield from _of_match(match)
    for one in found.classes:
        yield from _of_class(one)


def _of_match(match: LayerMatch) -> Iterator[_Value]:
    place, fewest = Place(layer=match.layer), told_of(match)
    if match.how in ("index", "activations") and fewest:
        yield "matched", place, len(match.pairs) / fewest
    yield "match_similarity", place, match.similarity
    if match.null is not None and match.similarity is not None:
        yield "match_null", place, match.null[0]
        yield "match_excess", place, match.similarity - match.null[2]


def told_of(match: LayerMatch) -> int:
    """Neurons that may have a counterpart, of the bundle with fewer."""
    return min(match.then - match.blank[0], match.now - match.blank[1])


def _of_class(one: ClassDiff) -> Iterator[_Value]:
    place, (then, now, both) = Place(slug=one.slug), one.pictures
    ranks = [RANKS.get(word) for word in one.verdict]
    yield "verdict_change", place, ranks[1] - ranks[0] if ranks[0] is not None and ranks[1] is not None else None
    parts = [share / whole if whole else None for share, whole in one.supported]
    yield "supported_change", place, parts[1] - parts[0] if parts[0] is not None and parts[1] is not None else None
    yield "claims_lost", place, len(claims_turned(one, lost=True))
    yield "claims_gained", place, len(claims_turned(one, lost=False))
    yield "pictures_shared", place, both / min(then, now) if min(then, now) else None
    yield "cautions_change", place, one.cautions[1] - one.cautions[0]
    for layer in one.layers:
        place = Place(slug=one.slug, layer=layer.layer)
        yield "core_overlap", place, layer.overlap
        yield "core_overlap_chance", place, layer.chance
        if layer.overlap is not None and layer.chance is not None:
            yield "core_overlap_excess", place, layer.overlap - layer.chance
        yield "core_size_change", place, layer.now - layer.then
        yield "similarity", place, layer.similarity
        matched = [g for g in layer.groups if g.then is not None and g.now is not None]
        if layer.moved is not None:
            yield "groups_matched", place, min(1.0, sum(g.share_then for g in matched))
        weights = [(g.share_then + g.share_now, _alike(g.patches, g.members)) for g in matched]
        if whole := sum(weight for weight, _ in weights):
            yield "group_overlap", place, sum(weight * alike for weight, alike in weights) / whole
        yield "share_moved", place, layer.moved
        yield "flow_overlap", place, layer.flow
        for name, mode in (("without_core_change", "mask"), ("core_alone_change", "retain")):
            row = main_row(one, layer.layer, mode)
            yield name, place, change(row) if row else None


def _alike(*measures: float | None) -> float:
    known = [value for value in measures if value is not None]
    return fmean(known) if known else 0.0


def main_row(one: ClassDiff, layer: str, mode: str) -> Row | None:
    """F1 at one layer by itself, at the largest τ that both bundles have; None where they have none in common."""
    rows = [
        row
        for row in one.masking
        if row.key.get("layer") == layer and row.key.get("mode") == mode and not row.key.get("cumulative")
        and row.then is not None and row.now is not None
    ]  # fmt: skip
    return max(rows, key=lambda row: int(row.key["tau"]), default=None)


def change(row: Row) -> float | None:
    """Now − then, where both are known."""
    if row.then is None or row.now is None or row.then.value is None or row.now.value is None:
        return None
    return row.now.value - row.then.value


def claims_turned(one: ClassDiff, *, lost: bool) -> tuple[Row, ...]:
    """The claims that were tested in both bundles and are supported in one alone."""
    told = []
    for row in one.claims:
        words = [side.verdict if side else "not run" for side in (row.then, row.now)]
        if "not run" not in words and words[0 if lost else 1] == "supported" != words[1 if lost else 0]:
            told.append(row)
    return tuple(told)
