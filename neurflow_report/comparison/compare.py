"""Two bundles compared: settings, classes, neurons, groups, edges, figures. It needs no torch, and SciPy only where
neurons are identified by what they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurflow_report.comparison.matching import Matched, OfClass, match_by_activations, of_class, similarity
from neurflow_report.comparison.overlap import expected_jaccard, jaccard, jaccard_of, ruzicka
from neurflow_report.comparison.patches import Shared, shared_patches
from neurflow_report.comparison.records import (
    Change,
    ClassDiff,
    Comparison,
    FlowChange,
    GroupPair,
    Key,
    LayerDiff,
    LayerMatch,
    Pair,
    Reading,
    Row,
    Side,
)
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.flow import Flow, flow_of, parts, with_shares
from neurflow_report.results.identity import identity
from neurflow_report.results.metrics import class_verdict
from neurflow_report.results.record import Record
from neurflow_report.results.records import Claim, ClassResult, LayerResult, Masking, Measure, Run

SAME = 0.999
"""The similarity from which two neurons are the same but for rounding."""
MOST_EDGES = 12
LONGEST = 200
_MEASURED = frozenset({"experiment", "size", "channels", "n", "unit", "verdict", "reason"})
"""Fields of a figure's record that are found, not chosen: all other text, whole numbers and flags tell which it is."""


@dataclass(frozen=True, kw_only=True)
class _One:
    """A class in both bundles."""

    then: ClassResult
    now: ClassResult
    shared: Shared
    flows: tuple[Flow, Flow]

    def layer(self, name: str) -> tuple[LayerResult, LayerResult]:
        """A layer in both."""
        found = [next(one for one in result.layers if one.name == name) for result in (self.then, self.now)]
        return found[0], found[1]


def compare(then: Bundle, now: Bundle, *, same_network: bool = False) -> Comparison:
    """What differs between two bundles.

    Args: same_network: neurons are the same by their channels, whatever the digests say (as after fine-tuning).
    """
    named = [_named(bundle.classes, _doubled(then, now)) for bundle in (then, now)]
    common = [_one(then.run, now.run, one, named[1][name]) for name, one in named[0].items() if name in named[1]]
    layers_now = {layer.name: layer for layer in now.run.layers}
    layers = [layer.name for layer in then.run.layers if layer.name in layers_now]
    same = same_network or then.run.model.digest == now.run.model.digest
    matched = {name: _matched(name, then.run, now.run, common, same) for name in layers}
    changes = tuple(_changes(then, now))
    pictures = [{k: v for k, v in one.manifest.files.items() if k.startswith("pictures/")} for one in (then, now)]
    same_results = then.classes == now.classes and pictures[0] == pictures[1]
    return Comparison(
        then=_side(then),
        now=_side(now),
        identical=same_results and then.run == now.run and not changes,
        same_results=same_results,
        same_network=same,
        lineage=_lineage(then.run, now.run, same_network),
        permuted=_permuted([one.match for one in matched.values()]),
        changes=changes,
        layers_lost=tuple(layer.name for layer in then.run.layers if layer.name not in layers_now),
        layers_new=tuple(name for name in layers_now if name not in layers),
        lost=tuple(one.name for name, one in named[0].items() if name not in named[1]),
        new=tuple(one.name for name, one in named[1].items() if name not in named[0]),
        accuracy=Row(key={"figure": "accuracy"}, then=_accuracy(then.run), now=_accuracy(now.run)),
        matches=tuple(one.match for one in matched.values()),
        classes=tuple(_class(then.run, now.run, one, matched) for one in common),
    )


def _doubled(then: Bundle, now: Bundle) -> frozenset[str]:
    """Names that several classes of a bundle have, as the two cranes of ImageNet."""
    counts = [Counter(one.name for one in bundle.classes) for bundle in (then, now)]
    return frozenset(name for count in counts for name, number in count.items() if number > 1)


def _named(classes: Sequence[ClassResult], doubled: frozenset[str]) -> dict[tuple[str, int | None], ClassResult]:
    """The classes by their names, and where these are several, by their logits too."""
    return {(one.name, one.index if one.name in doubled else None): one for one in classes}


def _one(run_then: Run, run_now: Run, then: ClassResult, now: ClassResult) -> _One:
    flows = flow_of(then.layers), flow_of(now.layers)
    return _One(
        then=with_shares(then, flows[0]),
        now=with_shares(now, flows[1]),
        shared=shared_patches((run_then, run_now), (then, now)),
        flows=flows,
    )


def _side(bundle: Bundle) -> Side:
    model, provenance = bundle.run.model, bundle.manifest.provenance
    return Side(
        title=bundle.run.title,
        model=f"{model.name}, {model.weights}" if model.weights else model.name,
        state=model.digest,
        digest=identity(bundle.manifest),
        format=bundle.manifest.format_version,
        generator=provenance.generator,
        created=provenance.clock.created,
    )


def _lineage(then: Run, now: Run, declared: bool) -> str:
    if then.model.digest == now.model.digest:
        return "one network: the digests of its state are equal, and neurons are compared by their channel"
    if declared:
        return "declared one network: the digests of its state differ, and neurons are compared by their channel"
    return "two networks: the digests of their states differ, and neurons are matched by their activations"


def _accuracy(run: Run) -> Reading | None:
    found = run.accuracy
    if found is None:
        return None
    return Reading(value=found.right / found.pictures, low=found.low, high=found.high, null=found.chance)


def _matched(name: str, then: Run, now: Run, common: Sequence[_One], same: bool) -> Matched:
    """How the neurons of a layer are identified."""
    if name in {run.layers[-1].name for run in (then, now)}:
        pairs = tuple(Pair(then=one.then.index, now=one.now.index, similarity=None) for one in common)
        sizes = len(then.classes), len(now.classes)
        return Matched(
            match=LayerMatch(
                layer=name, how="class", reason="by the classes' names", pairs=pairs, then=sizes[0], now=sizes[1]
            )
        )
    sides = [of_class(one.shared, one.layer(name)[0].neurons, one.layer(name)[1].neurons) for one in common]
    infos = [next(layer for layer in run.layers if layer.name == name) for run in (then, now)]
    if same and infos[0].channels == infos[1].channels:
        return Matched(match=_by_index(name, sides))
    return match_by_activations(name, sides, [one.shared.reason for one in common if one.shared.reason])


def _by_index(name: str, sides: Sequence[OfClass]) -> LayerMatch:
    then, now = ({c for one in sides for c in (one.now if late else one.then)} for late in (False, True))
    pairs = tuple(Pair(then=c, now=c, similarity=similarity(sides, c, c)) for c in sorted(then & now))
    return LayerMatch(layer=name, how="index", reason="by their channel", then=len(then), now=len(now), pairs=pairs)


def _permuted(matches: Sequence[LayerMatch]) -> bool:
    """Whether all neurons that can be told have a counterpart that is the same, and some another number."""
    by_activations = [one for one in matches if one.how == "activations"]
    whole = all(
        len(one.pairs) == one.then - one.blank[0] and one.then == one.now and one.blank[0] == one.blank[1]
        for one in by_activations
    )
    pairs = [pair for one in by_activations for pair in one.pairs]
    same = all(pair.similarity is not None and pair.similarity >= SAME for pair in pairs)
    none = any(one.how == "none" for one in matches)
    return bool(pairs) and whole and same and not none and any(pair.then != pair.now for pair in pairs)


def _class(run_then: Run, run_now: Run, one: _One, matched: Mapping[str, Matched]) -> ClassDiff:
    inner = [name for name, found in matched.items() if found.match.how != "class"]
    groups = {name: _groups(one, name, matched[name].match) for name in matched}
    verdicts = [class_verdict(run, result) for run, result in ((run_then, one.then), (run_now, one.now))]
    return ClassDiff(
        slug=one.then.slug,
        slug_now=one.now.slug,
        name=one.then.name,
        pictures=(len(one.then.pictures), len(one.now.pictures), one.shared.pictures),
        patches_reason=one.shared.reason,
        verdict=(verdicts[0].word, verdicts[1].word),
        supported=(
            (verdicts[0].supported, verdicts[0].deciding),
            (verdicts[1].supported, verdicts[1].deciding),
        ),
        cautions=(len(one.then.cautions), len(one.now.cautions)),
        layers=tuple(_layer(one, name, matched, groups[name]) for name in inner),
        edges=_edges(one, groups),
        masking=_rows(one.then.masking, one.now.masking),
        claims=_rows(one.then.claims, one.now.claims),
        measures=_rows(
            [m for m in one.then.measures if m.channel is None], [m for m in one.now.measures if m.channel is None]
        ),
    )


def _layer(one: _One, name: str, matched: Mapping[str, Matched], groups: tuple[GroupPair, ...]) -> LayerDiff:
    then, now = one.layer(name)
    found = matched[name]
    cores = {a.channel for a in then.neurons}, {a.channel for a in now.neurons}
    pairs = [pair for pair in found.match.pairs if pair.then in cores[0] and pair.now in cores[1]]
    known = found.match.how != "none"
    alike = [pair.similarity for pair in pairs if pair.similarity is not None]
    places = [
        {side[p] for a in layer.neurons for p in a.concept if p in side}
        for layer, side in ((then, one.shared.a), (now, one.shared.b))
    ]
    return LayerDiff(
        layer=name,
        then=len(cores[0]),
        now=len(cores[1]),
        common=len(pairs) if known else None,
        overlap=jaccard_of(len(pairs), len(cores[0]), len(cores[1])) if known else None,
        chance=_chance(found, cores, then.channels),
        similarity=sum(alike) / len(alike) if alike else None,
        groups=groups,
        moved=_moved(groups),
        flow=_flow(one, name, matched),
        shared_patches=len(places[0] & places[1]),
    )


def _chance(found: Matched, cores: tuple[set[int], set[int]], channels: int) -> float | None:
    """What the overlap would be by chance: of random core sets, or of counterparts under the null."""
    if found.match.how == "index":
        return expected_jaccard(len(cores[0]), len(cores[1]), channels)
    sizes = len(cores[0]), len(cores[1])
    overlaps = [jaccard_of(sum(a in cores[0] and b in cores[1] for a, b in pairs), *sizes) for pairs in found.by_chance]
    known = [value for value in overlaps if value is not None]
    return sum(known) / len(known) if known else None


def _groups(one: _One, name: str, match: LayerMatch) -> tuple[GroupPair, ...]:
    """The neuron groups of a layer, one to one, the most similar first; then those that have no counterpart."""
    then, now = one.layer(name)
    named = {pair.then: f"{pair.now}" for pair in match.pairs}
    members = _members(then, named, "then "), _members(now, {}, "")
    patches = [
        {g.index: {side[p] for p in g.patches if p in side} for g in layer.groups}
        for layer, side in ((then, one.shared.a), (now, one.shared.b))
    ]
    alike = {
        (a.index, b.index): (
            jaccard(patches[0][a.index], patches[1][b.index]),
            None if match.how == "none" else ruzicka(members[0][a.index], members[1][b.index]),
        )
        for a in then.groups
        for b in now.groups
    }
    shares = {g.index: g.share for g in then.groups}, {g.index: g.share for g in now.groups}
    left, found = (dict(shares[0]), dict(shares[1])), list[GroupPair]()
    for (a, b), measures in sorted(alike.items(), key=lambda item: (-_alike(*item[1]), item[0])):
        if a in left[0] and b in left[1] and _alike(*measures) > 0:
            shared = {"share_then": left[0].pop(a), "share_now": left[1].pop(b)}
            found.append(GroupPair(then=a, now=b, patches=measures[0], members=measures[1], **shared))
    found += [GroupPair(then=a, now=None, share_then=share, share_now=0.0) for a, share in left[0].items()]
    found += [GroupPair(then=None, now=b, share_then=0.0, share_now=share) for b, share in left[1].items()]
    return tuple(sorted(found, key=lambda g: (-max(g.share_then, g.share_now), g.then or 0, g.now or 0)))


def _alike(patches: float | None, members: float | None) -> float:
    known = [value for value in (patches, members) if value is not None]
    return sum(known) / len(known) if known else 0.0


def _members(layer: LayerResult, named: Mapping[int, str], lead: str) -> dict[int, dict[str, float]]:
    """Of each group p(i, G), the part of each neuron's concept that lies in it; neurons by one name in both bundles."""
    own = {a.channel: parts(a) for a in layer.neurons}
    found: dict[int, dict[str, float]] = {g.index: {} for g in layer.groups}
    for group in layer.groups:
        inside = found[group.index]
        for member in group.members:
            name = named.get(member.channel, f"{lead}{member.channel}")
            inside[name] = inside.get(name, 0.0) + own[member.channel][member.semantic]
    return found


def _moved(groups: Sequence[GroupPair]) -> float | None:
    """Half of Σ |share then − share now|, where some groups have a counterpart."""
    if not any(g.then is not None and g.now is not None for g in groups):
        return None
    return min(1.0, sum(abs(g.share_then - g.share_now) for g in groups) / 2)


def _flow(one: _One, name: str, matched: Mapping[str, Matched]) -> float | None:
    """How much of the flow into a layer goes along the same edges between neurons."""
    uppers = [next((e.upper_layer for e in flow.neuron_edges if e.lower_layer == name), "") for flow in one.flows]
    if uppers[0] != uppers[1] or uppers[0] not in matched:
        return None
    ends = [matched[layer].match for layer in (uppers[0], name)]
    if any(match.how == "none" for match in ends):
        return None
    named = [{pair.then: f"{pair.now}" for pair in match.pairs} for match in ends]
    return ruzicka(
        {
            (named[0].get(e.upper, f"then {e.upper}"), named[1].get(e.lower, f"then {e.lower}")): e.flow
            for e in one.flows[0].neuron_edges
            if e.lower_layer == name
        },
        {(f"{e.upper}", f"{e.lower}"): e.flow for e in one.flows[1].neuron_edges if e.lower_layer == name},
    )


def _edges(one: _One, groups: Mapping[str, tuple[GroupPair, ...]]) -> tuple[FlowChange, ...]:
    """The flows between matched groups that changed most."""
    pairs = {
        name: {g.then: g.now for g in found if g.then is not None and g.now is not None}
        for name, found in groups.items()
    }
    flows = [{(e.upper_layer, e.upper, e.lower_layer, e.lower): e.flow for e in flow.edges} for flow in one.flows]
    back = {name: {now: then for then, now in found.items()} for name, found in pairs.items()}
    then = {k: v for k, v in flows[0].items() if k[1] in pairs.get(k[0], {}) and k[3] in pairs.get(k[2], {})}
    now = {
        (k[0], back[k[0]][k[1]], k[2], back[k[2]][k[3]]): v
        for k, v in flows[1].items()
        if k[1] in back.get(k[0], {}) and k[3] in back.get(k[2], {})
    }
    changed = [
        FlowChange(
            upper_layer=k[0], upper=k[1], lower_layer=k[2], lower=k[3], then=then.get(k, 0.0), now=now.get(k, 0.0)
        )
        for k in sorted(then.keys() | now.keys())
    ]  # fmt: skip
    told = [edge for edge in changed if abs(edge.then - edge.now) >= 0.005]
    return tuple(sorted(told, key=lambda e: (-abs(e.then - e.now), e.upper_layer, e.upper, e.lower))[:MOST_EDGES])


def _rows(then: Sequence[Masking | Claim | Measure], now: Sequence[Masking | Claim | Measure]) -> tuple[Row, ...]:
    """The same figures of both, by what of their fields tells which they are."""
    keys = dict[tuple[tuple[str, str | int | bool], ...], list[Reading | None]]()
    for side, records in enumerate((then, now)):
        for record in records:
            found = keys.setdefault(tuple(_key(record).items()), [None, None])
            found[side] = found[side] or _reading(record)
    return tuple(Row(key=dict(key), then=found[0], now=found[1]) for key, found in keys.items())


def _key(record: Record) -> Key:
    found = {name: getattr(record, name) for name in type(record).model_fields if name not in _MEASURED}
    return {name: value for name, value in found.items() if isinstance(value, str | int | bool)}


def _reading(record: Masking | Claim | Measure) -> Reading:
    if isinstance(record, Claim):
        return Reading(value=record.figure, low=record.low, high=record.high, null=record.null, verdict=record.verdict)
    if isinstance(record, Masking):
        null = sum(record.null) / len(record.null) if record.null else None
        return Reading(value=record.accuracy, low=record.low, high=record.high, null=null)
    return Reading(value=record.value, low=record.low, high=record.high, null=record.null)


def _changes(then: Bundle, now: Bundle) -> Iterator[Change]:
    """Every setting that differs, by its place. One that a bundle does not have, since an earlier version wrote it, is
    compared by its default, and told as not there."""
    sides = [dict(_flat(_settings(bundle))) for bundle in (then, now)]
    there = [dict(_flat(_settings(bundle, given=True))) for bundle in (then, now)]
    for place in dict.fromkeys((*sides[0], *sides[1])):
        a, b = sides[0].get(place), sides[1].get(place)
        if a != b:
            told = [_text(side[place]) if place in side else None for side in there]
            lost, new = _apart(a, b) if None not in told else ((), ())
            yield Change(place=place, then=told[0], now=told[1], lost=lost, new=new)


def _apart(then: object, now: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of two lists of plain values stands in one alone."""
    if not isinstance(then, tuple) or not isinstance(now, tuple):
        return (), ()
    a, b = Counter(then), Counter(now)
    return tuple((a - b).elements()), tuple((b - a).elements())


def _settings(bundle: Bundle, *, given: bool = False) -> dict[str, Any]:
    """What was chosen. `given`: that alone which stands in the bundle, without the defaults of what does not."""
    run = bundle.run.model_dump(mode="json", exclude_unset=given)
    provenance = bundle.manifest.provenance.model_dump(mode="json")
    kept = {name: value for name, value in run.items() if name not in {"accuracy", "roundings", "cross_checks"}}
    program = {name: provenance[name] for name in ("generator", "versions", "device", "determinism")}
    format_version = bundle.manifest.format_version
    spec = {name: value for name, value in provenance["spec_resolved"].items() if name != "output"}
    taus = {one.name: max((c.tau for c in one.certificates if c.tau is not None), default=run["settings"]["tau"])
            for one in bundle.classes if one.certificates}  # fmt: skip
    chosen = {"tau of": taus} if taus else {}
    return {**kept, **chosen, "program": {**program, "format": format_version}, "spec": spec}


def _flat(value: object, place: str = "") -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """The values of a tree by their place; lists of plain values as one, other lists by their items' names."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for name, item in zip(_item_names(value), value, strict=True):
            yield from _flat(item, f"{place}[{name}]")
    else:
        yield place, tuple(map(str, value)) if isinstance(value, list) else str(value)


def _item_names(items: Sequence[object]) -> list[str]:
    """What tells the items of a list apart: their names, else their numbers."""
    names = [str(item.get("name", item.get("claim", ""))) for item in items if isinstance(item, Mapping)]
    return names if all(names) and len(set(names)) == len(items) else [str(number) for number in range(len(items))]


def _text(value: str | tuple[str, ...]) -> str:
    told = ", ".join(value) if isinstance(value, tuple) else value
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"
