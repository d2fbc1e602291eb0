"""What of a bundle follows from the rest of it, computed anew: a changed figure contradicts those that it led to.

Digests show that a file is as it was written; whoever changes a figure can renew them. What is left are the ties
between the records: weights that sum to 1, shares that are conserved, edges, intervals, p-values, the ledger. Figures
are compared as closely as a bundle keeps them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from math import floor, hypot, isclose, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from neurflow_report.errors import Path
from neurflow_report.results.contradictions import LARGEST, Contradiction
from neurflow_report.results.flow import flow_of, semantic_shares
from neurflow_report.results.records import (
    Caution,
    Certificate,
    Claim,
    ClassResult,
    Control,
    LayerCauses,
    LayerResult,
    Manifest,
    Masking,
    Neuron,
    OneTau,
    Picture,
    Preprocess,
    Run,
    TwoSided,
)
from neurflow_report.results.redact import without_paths

CONSERVED = 3
"""The first format whose shares are conserved, and whose experiments are computed as they are today."""
FAR = 1e-5
"""How far a figure may be from the same one computed of figures that were rounded to 7 digits."""
LABELS = 0.05
"""The corrected p up to which a label holds."""
IDLE = 0.45
"""What a one-sided p by draws is over where nothing is gained: half, less what 9,999 draws may be off."""
TWICE = 1e-4
"""How far the same margin may be from itself, computed in two batches, relative to the logits' differences."""
_OWN_FORM = frozenset({"thresholds", "experiments", "methods"})
"""Settings that a spec says in another form, or order."""
MADE = "the factory's"
"""The weights of a network that code made."""
MOST_PATCHES = 1_000_000
"""Patches of a picture, over which nobody made a report."""
Found = Iterator[tuple[Path, str]]
_Z95 = NormalDist().inv_cdf(0.975)
_NOT_DERIVED = frozenset({"silent"})
"""Cautions whose figure is of all channels, which a bundle does not hold."""
_ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, AssertionError)


def contradicted(run: Run, classes: Sequence[ClassResult], manifest: Manifest) -> Iterator[Contradiction]:
    """All that does not follow from the rest. What `results.contradictions` finds is to be mended before."""
    for place, message in chain(*(_kept(check, run, classes, manifest) for check in (_of_digest, _of_spec, _of_run))):
        yield Contradiction(slug=None, place=place, message=message)
    checks: list[Callable[..., Found]] = [_of_patches, _of_neurons, _of_cores, _of_groups]
    if manifest.format_version >= CONSERVED:
        checks += [
            _of_pictures,
            _of_shares,
            _of_edges,
            _of_masking,
            _of_two_sided,
            _of_agreement,
            _of_selection,
            _of_census,
            _of_not_run,
            _of_measures,
            _of_drops,
            _of_debugged,
            _of_concepts,
            _of_facets,
            _of_labels,
        ]
    for result in classes:
        for place, message in chain(*(_kept(check, run, result) for check in checks)):
            yield Contradiction(slug=result.slug, place=place, message=message)


def unjudged(run: Run, classes: Sequence[ClassResult]) -> Iterator[Contradiction]:
    """Rows of the ledger, cautions and certificates that do not follow from the figures by METHOD §§5–6.

    Raises: ModuleNotFoundError where SciPy or torch, which the ledger is computed with, is not installed.
    """
    from neurflow_report.fidelity import ledger  # noqa: F401 before anything is told

    for result in classes:
        owners: list[tuple[Path, ClassResult | Control]] = [((), result)]
        owners += [(("controls", n), control) for n, control in enumerate(result.controls)]
        for at, owner in owners:
            for place, message in _kept(_of_claims, run, owner):
                yield Contradiction(slug=result.slug, place=(*at, *place), message=message)
        for place, message in chain(_kept(_of_cautions, run, result), _kept(_of_certificates, run, result)):
            yield Contradiction(slug=result.slug, place=place, message=message)


def _kept(check: Callable[..., Found], *given: Any) -> Found:
    """What a check finds; records that it cannot follow are a finding, too."""
    try:
        yield from check(*given)
    except _ODD as error:
        what = check.__name__.removeprefix("_of_")
        yield (what,), f"they cannot be followed ({type(error).__name__}: {error})"


def _same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return isclose(found, expected, rel_tol=FAR, abs_tol=FAR)


def _equal(place: Path, found: float | None, expected: float | None, why: str) -> Found:
    if not _same(found, expected):
        yield place, f"it is {_told(found)}, and {why} {_told(expected)}"


def _told(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"


def _of_digest(run: Run, classes: Sequence[ClassResult], manifest: Manifest) -> Found:
    digests = [picture.sha256 for result in classes for picture in result.pictures]
    digests += [result.others_digest for result in classes if result.others]
    found = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    if manifest.format_version >= CONSERVED and found != run.data.digest:
        yield ("data", "digest"), _other_digest(classes, manifest)


def _other_digest(classes: Sequence[ClassResult], manifest: Manifest) -> str:
    """Why the digest of the data is another: builds before `others_digest` was kept made it of what no record has."""
    if any("others_digest" in result.model_fields_set for result in classes):
        return "it is not that of the pictures' digests, in their order"
    p = manifest.provenance
    return (
        f"it cannot be checked: {p.generator} wrote this bundle on {p.clock.created[:10]} in a development build, in "
        "which it did not follow from the records; `neurflow-report analyze` and the spec make the bundle again"
    )


def _of_spec(run: Run, _classes: Sequence[ClassResult], manifest: Manifest) -> Found:
    """What the run took over from its spec as it stands there."""
    spec = manifest.provenance.spec_resolved
    same: list[tuple[Path, object, Path]] = [
        (("title",), run.title, ("title",)),
        (("settings", "seed"), run.settings.seed, ("runtime", "seed")),
    ]
    same += [((name,), getattr(run, name), ("report", name)) for name in ("theme", "tiles", "images", "formats")]
    same += [
        (("data", name), getattr(run.data, name), ("data", name)) for name in ("select", "limit", "sample", "holdout")
    ]
    same += [(("model", "source"), run.model.source, ("model", "source"))]
    for section in ("concept", "attribution", "core", "groups", "fidelity"):
        known = spec.get(section)
        names = [name for name in run.settings.__class__.model_fields if isinstance(known, dict) and name in known]
        same += [(("settings", n), getattr(run.settings, n), (section, n)) for n in names if n not in _OWN_FORM]
    if _at(spec, ("core", "tau")) == "auto":
        same = [(p, value, ("core", "largest") if p == ("settings", "tau") else key) for p, value, key in same]
    for place, value, key in same:
        asked = _at(spec, key)
        found = list(value) if isinstance(value, tuple) else without_paths(value) if isinstance(value, str) else value
        if asked is not None and asked != found:
            yield place, f"it is {found!r}, and the spec in manifest.json says {asked!r}"
    asked = _at(spec, ("fidelity", "experiments"))
    if isinstance(asked, list) and set(asked) != set(run.settings.experiments):
        told = f"they are {sorted(run.settings.experiments)}, and the spec in manifest.json says {sorted(asked)}"
        yield ("settings", "experiments"), told
    yield from _of_network(run, spec)


def _of_network(run: Run, spec: dict[str, object]) -> Found:
    """That the network goes by the name, and has the weights, that the spec asked for."""
    name, factory, weights = (_at(spec, ("model", key)) for key in ("name", "factory", "weights"))
    asked = name or (factory.rpartition(":")[2] if isinstance(factory, str) else None)
    if asked and asked != without_paths(run.model.name):
        yield ("model", "name"), f"it is {run.model.name!r}, and the spec in manifest.json says {asked!r}"
    if isinstance(weights, str):
        due = {weights, re.split(r"[/\\]", weights)[-1]} | ({MADE} if run.model.source == "python" else set())
        if run.model.weights not in due:
            yield (
                ("model", "weights"),
                f"they are {run.model.weights!r}, and the spec in manifest.json says {weights!r}",
            )


def _at(value: object, key: Path) -> object:
    for step in key:
        value = value.get(str(step)) if isinstance(value, dict) else None
    return value


def _of_run(run: Run, classes: Sequence[ClassResult], manifest: Manifest) -> Found:
    top = run.layers[-1]
    used = {name for result in classes for name in (*(picture.name for picture in result.pictures), *result.others)}
    if manifest.format_version >= CONSERVED and len(used) > run.data.pool:
        yield ("data", "pool"), f"it is {run.data.pool}, and the classes have {len(used)} pictures"
    if top.channels != run.model.outputs:
        yield ("model", "outputs"), f"it is {run.model.outputs}, and {top.name!r} has {top.channels} channels"
    if (found := run.accuracy) is not None:
        if found.pictures > run.data.pool:
            yield ("accuracy", "pictures"), f"it is {found.pictures}, and {run.data.pool} were looked at"
        if not 0 <= found.right <= found.pictures:
            yield ("accuracy", "right"), f"{found.right} of {found.pictures} pictures are right"
            return
        low, high = _wilson(found.right, found.pictures)
        yield from _equal(("accuracy", "low"), found.low, low, "Wilson's interval begins at")
        yield from _equal(("accuracy", "high"), found.high, high, "Wilson's interval ends at")


def _wilson(right: float, n: int) -> tuple[float, float]:
    share, z2 = right / n, _Z95**2 / n
    centre, half = share + z2 / 2, _Z95 * sqrt(share * (1 - share) / n + z2 / (4 * n))
    low, high = (centre - half) / (1 + z2), (centre + half) / (1 + z2)
    return (0.0 if share < FAR / 10 else max(0.0, low)), (1.0 if share > 1 - FAR / 10 else min(1.0, high))


def _of_pictures(run: Run, result: ClassResult) -> Found:
    shown = {patch.image for patch in result.patches}
    if len(result.pictures) > run.data.limit:
        yield ("pictures",), f"there are {len(result.pictures)}, and {run.data.limit} at most were asked for"
    for number, picture in enumerate(result.pictures):
        place: Path = ("pictures", number)
        if (picture.file is not None) != (number in shown):
            yield (*place, "file"), "a picture has a file where a patch of it is named, and only there"
        for name, value in zip(("left", "top", "width", "height"), _region(picture, run.model.preprocess), strict=True):
            why = "by the size of the picture and the preprocessing it is"
            yield from _equal((*place, "region", name), getattr(picture.region, name), value, why)


def _of_selection(run: Run, result: ClassResult) -> Found:
    """That the pictures are those that the selection and the pool allow."""
    names = {picture.name for picture in result.pictures}
    if run.data.select in {"predicted", "correct"}:
        for number, picture in enumerate(result.pictures):
            if picture.predicted != result.name:
                told = f"it is {picture.predicted!r}, and the class has what is predicted as {result.name!r}"
                yield ("pictures", number, "predicted"), told
                break
    for number, name in enumerate(result.others):
        if name in names:
            yield ("others", number), f"{name!r} is a picture of the class itself"


def _of_census(_run: Run, result: ClassResult) -> Found:
    """That a layer's silent channels are silent, and are its channels."""
    layers = {layer.name: layer for layer in result.layers}
    for number, row in enumerate(result.census):
        place, layer = ("census", number), layers[row.layer]
        if row.channels != layer.channels:
            yield (*place, "channels"), f"it is {row.channels}, and the layer has {layer.channels}"
        listed = (*row.silent, *row.saturated)
        if len(set(listed)) < len(listed) or any(not 0 <= channel < layer.channels for channel in listed):
            yield place, "a channel is there twice, or is none of the layer's"
        loud = {neuron.channel for neuron in layer.neurons if max(neuron.activations) > FAR}
        if odd := loud & set(row.silent):
            yield (*place, "silent"), f"neuron {min(odd)} is, and its concept has an activation over 0"


def _of_not_run(_run: Run, result: ClassResult) -> Found:
    """That what was not run at all has no figures."""
    there = {measure.experiment for measure in result.measures} | ({"masking"} if result.masking else set())
    for number, row in enumerate(result.not_run):
        whole = not row.layer and not row.case and row.experiment in there
        if whole or ((row.experiment, row.case) == ("masking", "enough") and result.two_sided):
            yield ("not_run", number), f"{row.experiment} is said not to have run, and its figures are there"


def _region(picture: Picture, preprocess: Preprocess) -> tuple[float, ...]:
    """What the model sees of a picture: left, top, width, height in its pixels."""
    size, resize, crop = (picture.width, picture.height), preprocess.resize, preprocess.size
    scaled = size
    if resize is not None:
        short = min(size)
        scaled = (
            (resize, resize)
            if preprocess.squash
            else tuple(  # type: ignore[assignment]
                resize if side == short else int(resize * side / short) for side in size
            )
        )
    start = [-((crop - side) // 2) if side < crop else round((side - crop) / 2.0) for side in scaled]
    places = [start[axis] * size[axis] / scaled[axis] for axis in (0, 1)]
    return (*places, *(crop * size[axis] / scaled[axis] for axis in (0, 1)))


def _of_patches(run: Run, result: ClassResult) -> Found:
    boxes = _boxes(run)
    found_on = sum(not picture.held_out for picture in result.pictures)
    if result.candidates != found_on * len(boxes):
        told = f"{found_on} pictures of {len(boxes)} patches"
        yield ("candidates",), f"it is {result.candidates}, and there are {told}"
        return
    for number, patch in enumerate(result.patches):
        image, window = divmod(patch.index, len(boxes))
        if (patch.image, patch.top, patch.left, patch.side) != (image, *boxes[window]):
            top, left, side = boxes[window]
            told = f"picture {image}, top {top}, left {left}, side {side}"
            yield ("patches", number), f"patch {patch.index} of the scales and the stride is {told}"
    used = {p for layer in result.layers for neuron in layer.neurons for p in neuron.concept}
    if odd := {patch.index for patch in result.patches} - used:
        yield ("patches",), f"patch {min(odd)} is in no concept"


def _boxes(run: Run) -> list[tuple[int, int, int]]:
    """The windows of a picture: top, left, side."""
    size, found = run.model.preprocess.size, list[tuple[int, int, int]]()
    for scale in run.settings.scales:
        side = floor(Fraction(str(scale)) * size)
        if not 1 <= side <= size:
            raise ValueError(f"a scale of {scale} has no patch")
        step = max(1, min(floor(Fraction(str(run.settings.stride)) * side), size - side))
        starts = range(0, size - side + 1, step)
        if len(found) + len(starts) ** 2 > MOST_PATCHES:
            raise ValueError(f"a picture has over {MOST_PATCHES:,} patches")
        found += [(top, left, side) for top in starts for left in starts]
    return found


def _of_neurons(run: Run, result: ClassResult) -> Found:
    for number, layer in enumerate(result.layers):
        for n, neuron in enumerate(layer.neurons):
            yield from _of_neuron(("layers", number, "neurons", n), neuron, run, result.candidates, lowest=number == 0)


def _of_neuron(place: Path, neuron: Neuron, run: Run, candidates: int, *, lowest: bool) -> Found:
    if len(neuron.concept) != min(run.settings.k, candidates):
        yield (*place, "concept"), f"it has {len(neuron.concept)} patches, and k is {run.settings.k}"
    if any(one < other - FAR * abs(other) for one, other in pairwise(neuron.activations)):
        yield (*place, "activations"), "they rise, and the concept has its best patch first"
    grouped = {p for group in neuron.groups for p in group.patches}
    if odd := set(neuron.concept) - grouped:
        yield (*place, "groups"), f"patch {min(odd)} of the concept is in no semantic group"
    if [group.index for group in neuron.groups] != list(range(1, len(neuron.groups) + 1)):
        yield (*place, "groups"), "the semantic groups are not numbered from 1"
    if len(neuron.groups) > run.settings.max_semantic:
        yield (*place, "groups"), f"there are {len(neuron.groups)}, and {run.settings.max_semantic} at most are made"
    if len(neuron.core) > run.settings.tau:
        yield (*place, "core"), f"it has {len(neuron.core)} neurons, and τ is {run.settings.tau}"
    if lowest and neuron.core:
        yield (*place, "core"), "there is no layer below the lowest"
    scores = [score.score for score in neuron.core]
    if any(one < other - FAR * abs(other) for one, other in pairwise(scores)) or min(scores, default=0) < 0:
        yield (*place, "core"), "the scores are to fall, to 0 at the least"
    activation = dict(zip(neuron.concept, neuron.activations, strict=True))
    far = FAR * max(map(abs, neuron.activations))
    for number, group in enumerate(neuron.groups):
        at: Path = (*place, "groups", number)
        mean = sum(activation[p] for p in group.patches) / len(group.patches)
        if abs(group.activation - mean) > far:
            told = f"it is {group.activation:.6g}, and the mean over its patches {mean:.6g}"
            yield (*at, "activation"), told
        whole = sum(abs(edge.weight) for edge in group.edges)
        if group.edges and not _same(whole, 1.0) and whole:
            yield (*at, "edges"), f"Σ|w| is {whole:.6g}, and it is 1"
        if {edge.channel for edge in group.edges} != {score.channel for score in neuron.core}:
            yield (*at, "edges"), "they do not lead to the neuron's core"
    for ends in (("gap_mean", "gap_max"), ("error_mean", "error_max")):
        mean_, most = (getattr(neuron, name) for name in ends)
        if mean_ is not None and most is not None and not 0 <= mean_ <= most + FAR * most:
            yield (*place, ends[0]), f"it is {mean_:.6g}, and {ends[1]} {most:.6g}"


def _of_cores(_run: Run, result: ClassResult) -> Found:
    """A layer's neurons are those in the cores above."""
    for number, (lower, upper) in enumerate(pairwise(result.layers)):
        wanted = {score.channel for neuron in upper.neurons for score in neuron.core}
        found = {neuron.channel for neuron in lower.neurons}
        if odd := wanted ^ found:
            why = "is in a core of the layer above, and not here" if min(odd) in wanted else "is in no core above"
            yield ("layers", number, "neurons"), f"neuron {min(odd)} {why}"


def _of_groups(_run: Run, result: ClassResult) -> Found:
    for number, layer in enumerate(result.layers):
        patches = {(a.channel, g.index): g.patches for a in layer.neurons for g in a.groups}
        if sorted(group.index for group in layer.groups) != list(range(1, len(layer.groups) + 1)):
            yield ("layers", number, "groups"), "the neuron groups are not numbered from 1"
        for n, group in enumerate(layer.groups):
            own = {p for member in group.members for p in patches[member.channel, member.semantic]}
            if odd := own ^ set(group.patches):
                what = "is of a member, and not here" if min(odd) in own else "is of no member"
                yield ("layers", number, "groups", n, "patches"), f"patch {min(odd)} {what}"


def _of_shares(_run: Run, result: ClassResult) -> Found:
    flow = flow_of(result.layers)
    for number, layer in enumerate(result.layers):
        for n, group in enumerate(layer.groups):
            place: Path = ("layers", number, "groups", n, "share")
            yield from _equal(place, group.share, flow.groups[layer.name][group.index], "the weights give")
        shares = [group.share for group in sorted(layer.groups, key=lambda group: group.index)]
        if any(one < other - FAR for one, other in pairwise(shares)):
            yield ("layers", number, "groups"), "they are to be numbered by falling share"


def _of_edges(_run: Run, result: ClassResult) -> Found:
    """W(U, L), by METHOD §3: the mean over U's members of the weights that lead into L."""
    found = {(e.upper_layer, e.upper, e.lower_layer, e.lower): (n, e.weight) for n, e in enumerate(result.edges)}
    for lower, upper in pairwise(result.layers):
        for ends, weight in _between(lower, upper):
            number, kept = found.pop((upper.name, ends[0], lower.name, ends[1]), (-1, 0.0))
            if not _same(kept, weight):
                what = f"the edge from group {ends[0]} of {upper.name!r} to {ends[1]} of {lower.name!r}"
                at: Path = ("edges",) if number < 0 else ("edges", number, "weight")
                yield at, f"{what} is {kept:.6g}, and the neurons' weights give {weight:.6g}"
    for number, weight in found.values():
        if abs(weight) > FAR:
            yield ("edges", number), "no neuron's weight leads along this edge"


def _between(lower: LayerResult, upper: LayerResult) -> Iterator[tuple[tuple[int, int], float]]:
    neurons = {neuron.channel: {g.index: g.edges for g in neuron.groups} for neuron in upper.neurons}
    inside = {group.index: {member.channel for member in group.members} for group in lower.groups}
    into: dict[int, list[int]] = {}
    for index, channels in inside.items():
        for channel in channels:
            into.setdefault(channel, []).append(index)
    for group in upper.groups:
        sums: dict[int, float] = {}
        for member in group.members:
            for edge in neurons[member.channel][member.semantic]:
                for index in into.get(edge.channel, ()):
                    sums[index] = sums.get(index, 0.0) + edge.weight
        for index, weight in sums.items():
            yield (group.index, index), weight / len(group.members)


def _of_drops(_run: Run, result: ClassResult) -> Found:
    weights = {(e.upper_layer, e.upper, e.lower_layer, e.lower): e.weight for e in result.edges}
    for number, drop in enumerate(result.edge_drops):
        ends = (drop.upper_layer, drop.upper, drop.lower_layer, drop.lower)
        yield from _equal(("edge_drops", number, "weight"), drop.weight, weights.get(ends, 0.0), "the edge has")


def _of_debugged(_run: Run, result: ClassResult) -> Found:
    """Of each explained picture: the order of its groups, what their single knock-outs say twice, their p-values."""
    for number, one in enumerate(result.debugged):
        for at, layer in enumerate(one.layers):
            place: Path = ("debugged", number, "layers", at)
            sizes = [abs(cause.foretold) for cause in layer.causes]
            if sizes != sorted(sizes, reverse=True):
                yield (*place, "causes"), "the group with the largest |foretold| does not come first"
            if layer.largest != tuple(c.group for c in layer.causes[:LARGEST] if c.foretold):
                yield (*place, "largest"), "they are not the groups with the largest |foretold|"
            whole = layer.what_ifs[0].margin
            alone = {what_if.removed[0]: what_if for what_if in layer.what_ifs if len(what_if.removed) == 1}
            for n, cause in enumerate(layer.causes):
                if cause.group in alone:
                    due = whole - alone[cause.group].margin
                    if abs(cause.measured - due) > TWICE * (1 + abs(whole) + abs(due)):
                        yield (
                            (*place, "causes", n, "measured"),
                            f"it is {_told(cause.measured)}, and the what-ifs give {_told(due)}",
                        )
            yield from _of_tests(place, layer)
            if layer.flip is not None and layer.flip.predicted == one.predicted:
                yield (*place, "flip"), "the picture is taken for the same class without these groups"


def _of_tests(place: Path, layer: LayerCauses) -> Found:
    for n, cause in enumerate(layer.causes):
        if (cause.p_value is None) != (cause.q_value is None):
            yield (*place, "causes", n, "q_value"), "one of the two p-values is missing"
        elif cause.p_value is not None and cause.q_value is not None and cause.q_value < cause.p_value - FAR:
            yield (*place, "causes", n, "q_value"), f"it is under the p-value alone, {_told(cause.p_value)}"


def _of_concepts(_run: Run, result: ClassResult) -> Found:
    """Of the tests of concepts: Wilson's intervals, Holm's p-values."""
    rows = result.concept_tests
    for n, row in enumerate(rows):
        if row.value is not None:
            for name, due in zip(("low", "high"), _wilson(row.value * row.n, row.n), strict=True):
                yield from _equal(("concept_tests", n, name), getattr(row, name), due, "Wilson's interval gives")
    tested = sorted((row.p_value, n) for n, row in enumerate(rows) if row.p_value is not None)
    most = 0.0
    for rank, (p, n) in enumerate(tested):
        most = max(most, min(1.0, (len(tested) - rank) * p))
        yield from _equal(("concept_tests", n, "q_value"), rows[n].q_value, most, "Holm's procedure gives")


def _of_facets(run: Run, result: ClassResult) -> Found:
    """Of the pictures made for semantic groups: which groups have one, and what their neurons do on natural patches."""
    neurons = {(layer.name, a.channel): a for layer in result.layers for a in layer.neurons}
    for number, one in enumerate(result.facets):
        most = max(neurons[one.layer, one.channel].activations)
        yield from _equal(("facets", number, "natural"), one.natural, most, "the neuron's strongest patch has")
        if one.activation is not None and one.activation <= 0:
            yield ("facets", number, "activation"), f"it is {_told(one.activation)}, and such a picture is not kept"
    for layer, shares in semantic_shares(result).items() if run.facets else ():
        own = {(one.channel, one.group) for one in result.facets if one.layer == layer}
        if run.facets and len(own) != min(run.facets.groups, len(shares)):
            yield ("facets",), f"there are {len(own)} of {layer!r}"
        elif any(shares[one] > min((shares[mine] for mine in own), default=1.0) + FAR for one in shares.keys() - own):
            yield ("facets",), f"those of {layer!r} are not of its largest shares"


def _of_labels(_run: Run, result: ClassResult) -> Found:
    """Of labels: Wilson's intervals, what cannot have a small p-value, the larger of both, Benjamini and Hochberg's,
    and which hold."""
    rows = result.labels
    for n, row in enumerate(rows):
        for name, pictures in (("choice", row.pictures), ("coherence", row.coherence_pictures)):
            share = getattr(row, name)
            if share is not None:
                for end, due in zip(("low", "high"), _wilson(share * pictures, pictures), strict=True):
                    place: Path = ("labels", n, f"{name}_{end}")
                    yield from _equal(place, getattr(row, f"{name}_{end}"), due, "Wilson's interval gives")
        answers = [
            reply.right
            for reply in result.label_replies
            if (reply.layer, reply.group, reply.question) == (row.layer, row.group, "choice")
            and reply.right is not None
        ]
        if answers:
            yield from _equal(("labels", n, "choice"), row.choice, sum(answers) / len(answers), "the answers give")
        least = 0.5 if row.baseline is None else max(0.5, row.baseline)
        for name, p, value, beaten in (
            ("choice_p", row.choice_p, row.choice, least - FAR),
            ("effect_p", row.effect_p, row.effect, 0.0),
        ):
            if p is not None and p < IDLE and value is not None and value < beaten:
                yield ("labels", n, name), f"it is {_told(p)}, and {_told(value)} is under {_told(beaten)}"
        unasked = 1.0 if answers else None  # a model that is asked is not asked for L3 where L1 is not passed
        both = unasked if row.effect_p is None else None if row.choice_p is None else max(row.choice_p, row.effect_p)
        yield from _equal(("labels", n, "p_value"), row.p_value, both, "the larger of both tests is")
    tested = sorted(((row.p_value, n) for n, row in enumerate(rows) if row.p_value is not None), reverse=True)
    least = 1.0
    for rank, (p, n) in enumerate(tested):
        least = min(least, p * len(tested) / (len(tested) - rank))
        yield from _equal(("labels", n, "q_value"), rows[n].q_value, least, "Benjamini and Hochberg's procedure gives")
        if rows[n].holds != (least <= LABELS) and abs(least - LABELS) > FAR:
            yield ("labels", n, "holds"), f"it is {rows[n].holds}, and the corrected p is {_told(least)}"


def _of_masking(run: Run, result: ClassResult) -> Found:
    owners: list[tuple[Path, ClassResult | Control]] = [((), result)]
    owners += [(("controls", number), control) for number, control in enumerate(result.controls)]
    channels = {layer.name: layer.channels for layer in result.layers}
    sets: dict[int, dict[str, int]] = {}
    measured = sum(picture.held_out for picture in result.pictures) or len(result.pictures)
    for at, owner in owners:
        for number, row in enumerate(owner.masking):
            place: Path = (*at, "masking", number)
            yield from _of_row(place, row, measured, run.settings.draws)
            if row.channels != channels[row.layer]:
                yield (*place, "channels"), f"it is {row.channels}, and the layer has {channels[row.layer]}"
            if owner is result:
                size = sets.setdefault(row.tau, _core_sizes(result, row.tau))[row.layer]
                if row.size != size:
                    yield (*place, "size"), f"it is {row.size}, and the core at τ = {row.tau} has {size} neurons"
        whole = {row.baseline for row in owner.masking}
        if len(whole) > 1 and max(whole) - min(whole) > FAR:
            yield (*at, "masking"), f"the baselines differ: {min(whole):.6g} and {max(whole):.6g}"


def _of_row(place: Path, row: Masking, pictures: int, draws: int) -> Found:
    if len(row.null) != draws:
        yield (*place, "null"), f"it has {len(row.null)} random sets, and {draws} were asked for"
    if row.n != pictures:
        yield (*place, "n"), f"it is {row.n}, and F1 has {pictures} pictures of the class"
    named: list[tuple[str, float]] = [("baseline", row.baseline), ("accuracy", row.accuracy)]
    for name, value in [*named, *(("null", value) for value in row.null)]:
        if not isclose(value * row.n, round(value * row.n), abs_tol=FAR * max(1, row.n)):
            yield (*place, name), f"{value:.6g} is no share of {row.n} pictures"
            break
    low, high = _wilson(round(row.accuracy * row.n), row.n)
    yield from _equal((*place, "low"), row.low, low, "Wilson's interval begins at")
    yield from _equal((*place, "high"), row.high, high, "Wilson's interval ends at")
    smaller = row.mode == "mask"
    extreme = sum(v <= row.accuracy + FAR / 10 if smaller else v >= row.accuracy - FAR / 10 for v in row.null)
    yield from _equal((*place, "p_value"), row.p_value, (1 + extreme) / (1 + len(row.null)), "the null gives")
    drop, mean = row.baseline - row.accuracy, sum(row.null) / max(1, len(row.null))
    for ends, value in (
        (("drop_low", "drop_high"), drop),
        (("null_low", "null_high"), mean),
        (("null_drop_low", "null_drop_high"), row.baseline - mean),
    ):
        yield from _around(place, ends, row, value, bounded=True)


def _of_two_sided(run: Run, result: ClassResult) -> Found:
    """F1 with pictures of other classes: shares, Wilson's and Newcombe's intervals; with channels at 0 the class's own
    pictures are those of F1."""
    owners: list[tuple[Path, ClassResult | Control]] = [((), result)]
    owners += [(("controls", number), control) for number, control in enumerate(result.controls)]
    for at, owner in owners:
        rows = {(row.mode, row.layer, row.tau, row.cumulative): row for row in owner.masking}
        for number, row in enumerate(owner.two_sided):
            place: Path = (*at, "two_sided", number)
            yield from _of_two(place, row, run.settings.draws)
            if owner is result and row.others != len(result.others):
                yield (*place, "others"), f"it is {row.others}, and the class has {len(result.others)}"
            same = rows.get((row.mode, row.layer, row.tau, row.cumulative))
            if same is None:
                yield place, "F1 has no such masks on the class's own pictures"
                continue
            for name in ("size", "channels", "n"):
                if getattr(row, name) != getattr(same, name):
                    yield (*place, name), f"it is {getattr(row, name)}, and F1 has {getattr(same, name)}"
            yield from _equal((*place, "tpr_before"), row.tpr_before, same.baseline, "F1 has a baseline of")
            if row.ablation == "zero":
                yield from _equal((*place, "tpr"), row.tpr, same.accuracy, "F1 has an accuracy of")
        before = {row.fpr_before for row in owner.two_sided}
        if before and max(before) - min(before) > FAR:
            yield (*at, "two_sided"), f"fpr_before differs: {min(before):.6g} and {max(before):.6g}"


def _of_two(place: Path, row: TwoSided, draws: int) -> Found:
    for name, n in (("tpr_before", row.n), ("fpr_before", row.others), ("tpr", row.n), ("fpr", row.others)):
        value = getattr(row, name)
        if not isclose(value * n, round(value * n), abs_tol=FAR * max(1, n)):
            yield (*place, name), f"{value:.6g} is no share of {n} pictures"
            return
    own, others = (_wilson(round(share * n), n) for share, n in ((row.tpr, row.n), (row.fpr, row.others)))
    for name, due in zip(("tpr_low", "tpr_high", "fpr_low", "fpr_high"), (*own, *others), strict=True):
        yield from _equal((*place, name), getattr(row, name), due, "Wilson's interval gives")
    j = row.tpr - row.fpr
    yield from _equal((*place, "j"), row.j, j, "TPR − FPR is")
    low = j - hypot(row.tpr - own[0], others[1] - row.fpr)
    high = j + hypot(own[1] - row.tpr, row.fpr - others[0])
    yield from _equal((*place, "j_low"), row.j_low, low, "Newcombe's interval begins at")
    yield from _equal((*place, "j_high"), row.j_high, high, "Newcombe's interval ends at")
    if (row.mode, row.ablation) != ("retain", "mean"):
        if row.null or row.p_value is not None:
            yield (*place, "null"), "it is there, and only what is kept with all else at its mean has one"
        return
    if len(row.null) != draws:
        yield (*place, "null"), f"it has {len(row.null)} random sets, and {draws} were asked for"
    extreme = sum(value >= row.j - FAR / 10 for value in row.null)
    yield from _equal((*place, "p_value"), row.p_value, (1 + extreme) / (1 + len(row.null)), "the null gives")
    yield from _around(place, ("null_low", "null_high"), row, sum(row.null) / max(1, len(row.null)), bounded=True)


def _of_agreement(_run: Run, result: ClassResult) -> Found:
    """That a group's part has the share that the commonest parts give, and that they fall."""
    for number, layer in enumerate(result.layers):
        for n, group in enumerate(layer.groups):
            if (found := group.agreement) is None:
                continue
            place: Path = ("layers", number, "groups", n, "agreement")
            if found.n != len(group.patches):
                yield (*place, "n"), f"it is {found.n}, and the group has {len(group.patches)} patches"
            known = found.commonest or ()
            shares = [share for _, share, _ in known]
            if shares != sorted(shares, reverse=True):
                yield (*place, "commonest"), "the commonest part does not come first"
            named = next(((share, chance) for part, share, chance in known if part == found.part), None)
            if named is not None:
                yield from _equal((*place, "purity"), found.purity, named[0], f"{found.part!r} has a share of")
                yield from _equal((*place, "chance"), found.chance, named[1], f"{found.part!r} has by chance")
            elif shares and found.purity > shares[-1] + FAR:
                yield (*place, "purity"), f"it is {_told(found.purity)}, and {known[-1][0]!r} is as common, and named"
            excess = found.purity - found.chance
            if any(share - chance > excess + FAR for _, share, chance in known):
                yield (*place, "part"), "another part is further over its chance"


def _around(place: Path, ends: tuple[str, str], row: object, value: float, *, bounded: bool = False) -> Found:
    """That an interval, where it is there, holds its figure."""
    low, high = (getattr(row, name) for name in ends)
    for name, end in zip(ends, (low, high), strict=True):
        if bounded and end is not None and abs(end) > 1 + FAR:
            yield (*place, name), f"it is {end:.6g}, and between accuracies there is at most 1"
    if low is not None and low > value + FAR:
        yield (*place, ends[0]), f"it is {low:.6g}, over the figure, {value:.6g}"
    if high is not None and high < value - FAR:
        yield (*place, ends[1]), f"it is {high:.6g}, under the figure, {value:.6g}"


def _core_sizes(result: ClassResult, tau: int) -> dict[str, int]:
    sets = [{neuron.channel for neuron in result.layers[-1].neurons}]
    for layer in reversed(result.layers[1:]):
        sets.append({s.channel for a in layer.neurons if a.channel in sets[-1] for s in a.core[:tau]})
    return {layer.name: len(one) for layer, one in zip(reversed(result.layers), sets, strict=True)}


def _of_measures(_run: Run, result: ClassResult) -> Found:
    neurons = {layer.name: {neuron.channel for neuron in layer.neurons} for layer in result.layers}
    owners: list[tuple[Path, ClassResult | Control]] = [((), result)]
    owners += [(("controls", number), control) for number, control in enumerate(result.controls)]
    for at, owner in owners:
        for number, measure in enumerate(owner.measures):
            place: Path = (*at, "measures", number)
            yield from _around(place, ("low", "high"), measure, measure.value)
            channel = measure.channel
            if owner is result and channel is not None and channel not in neurons[measure.layer]:
                yield (*place, "channel"), f"there is no neuron {channel} of {measure.layer!r}"


def _of_cautions(run: Run, result: ClassResult) -> Found:
    from neurflow_report.fidelity.cautions import cautions

    silent = {c.layer: c.figure for c in result.cautions if c.code in _NOT_DERIVED}
    expected = cautions(
        result.layers,
        result.masking,
        pictures=len(result.pictures),
        limit=run.data.limit,
        crowded=run.settings.k / result.candidates,
        tolerance=run.settings.tolerance,
        silent=silent,
        measures=result.measures,
    )
    found: dict[tuple[object, ...], list[tuple[int, Caution]]] = {}
    for number, caution in enumerate(result.cautions):
        found.setdefault((caution.code, caution.layer, caution.channel), []).append((number, caution))
    for due in expected:
        same = found.get((due.code, due.layer, due.channel), [])
        at = next((n for n, (_, kept) in enumerate(same) if _same(kept.figure, due.figure)), 0)
        if same:
            number, kept = same.pop(at)
            yield from _equal(("cautions", number, "figure"), kept.figure, due.figure, "the records say")
            yield from _equal(("cautions", number, "threshold"), kept.threshold, due.threshold, "it is held against")
        elif not _same(due.figure, due.threshold):
            told = f"{due.code} is not raised, and {_told(due.figure)} is past {_told(due.threshold)}"
            yield ("cautions",), _where(due, told)
    for number, caution in (one for same in found.values() for one in same):
        if not _same(caution.figure, caution.threshold):
            yield ("cautions", number), _where(caution, f"{caution.code} is raised, and nothing in the records does so")


def _of_certificates(run: Run, result: ClassResult) -> Found:
    """That each is what its counts give, that the counts are of the core and the pictures, and that the class has the τ
    that they lead to."""
    if not run.settings.automatic:
        if result.certificates:
            yield ("certificates",), "there are some, and τ was given"
        return
    from neurflow_report.fidelity.certificates import chosen_tau

    chosen = chosen_tau(result.certificates, run.settings.tau)
    longest = max((len(neuron.core) for layer in result.layers for neuron in layer.neurons), default=0)
    if longest > chosen:
        yield ("certificates",), f"they lead to τ = {chosen}, and a core has {longest} neurons"
    if result.masking and (largest := max(row.tau for row in result.masking)) != chosen:
        yield ("certificates",), f"they lead to τ = {chosen}, and F1 was done at {largest}"
    known = {row.layer for row in result.certificates}
    if odd := next((x.name for x in result.layers[:-1] if x.neurons and x.name not in known), None):
        yield ("certificates",), f"there is none of {odd!r}"
    for number, row in enumerate(result.certificates):
        yield from _of_certificate(("certificates", number), row, run, result, chosen)


def _of_certificate(place: Path, row: Certificate, run: Run, result: ClassResult, chosen: int) -> Found:
    from neurflow_report.fidelity.certificates import certificate, one_tau

    channels = next(layer.channels for layer in result.layers if layer.name == row.layer)
    pictures = sum(picture.held_out for picture in result.pictures)
    for name, count in (("channels", channels), ("n", pictures), ("others", len(result.others))):
        if getattr(row, name) != count:
            yield (*place, name), f"it is {getattr(row, name)}, and the class has {count}"
            return
    asked, again = run.settings, list[OneTau]()
    for number, one in enumerate(row.tried):
        at: Path = (*place, "tried", number)
        for name, value, n in (("tpr", one.tpr, row.n), ("fpr", one.fpr, row.others)):
            if not isclose(value * n, round(value * n), abs_tol=FAR * max(1, n)):
                yield (*at, name), f"{value:.6g} is no share of {n} pictures"
                return
        hits = (np.arange(n) < round(value * n) for value, n in ((one.tpr, row.n), (one.fpr, row.others)))
        again.append(one_tau(one.tau, one.size, *hits))
        for name in ("tpr_low", "fpr_high"):
            yield from _equal((*at, name), getattr(one, name), getattr(again[-1], name), "Clopper and Pearson's is")
        yield from _of_tried(at, one, row, result, chosen)
    due = certificate(
        layer=row.layer, channels=channels, each=again, n=row.n, others=row.others, enough=asked.enough,
        false_alarms=asked.false_alarms,
    )  # fmt: skip
    taus, every = [one.tau for one in row.tried], range(asked.tau, 0, -1) if row.n and row.others else range(0)
    ended = len(taus) == len(every) or due.tau != taus[-1] if taus else not every
    if taus != list(every[: len(taus)]) or len(due.tried) != len(taus) or not ended:
        yield (*place, "tried"), f"from τ = {asked.tau} down as far as the first that fails, it is to be tried"
        return
    for name in ("tau", "needed_n", "needed_others"):
        yield from _equal((*place, name), getattr(row, name), getattr(due, name), "what was tried leads to")


def _of_tried(place: Path, one: OneTau, row: Certificate, result: ClassResult, chosen: int) -> Found:
    """That a core is the class's own, where the class has it still, and that F1 gives the same of it but for a picture
    of each kind."""
    size = _core_sizes(result, min(one.tau, chosen))[row.layer]
    if one.size < size or (one.tau <= chosen and one.size > size) or one.size > row.channels:
        yield (*place, "size"), f"it is {one.size}, and the core at τ = {min(one.tau, chosen)} has {size} neurons"
    for same in result.two_sided:
        if (same.layer, same.tau, same.mode, same.ablation, same.cumulative) == (
            row.layer, one.tau, "retain", "mean", False,
        ):  # fmt: skip
            for name, n in (("tpr", row.n), ("fpr", row.others)):
                if abs(getattr(one, name) - getattr(same, name)) > 1 / n + FAR:
                    yield (*place, name), f"it is {getattr(one, name):.6g}, and F1 has {getattr(same, name):.6g}"


def _where(caution: Caution, told: str) -> str:
    neuron = "" if caution.channel is None else f" n{caution.channel}"
    return f"{caution.layer}{neuron}: {told}" if caution.layer else told


def _of_claims(run: Run, owner: ClassResult | Control) -> Found:
    """Rows as the ledger gives them. Where a figure lies on a threshold but for rounding, either verdict is right."""
    from neurflow_report.fidelity.ledger import ledger

    if not run.settings.thresholds:
        return
    ways = []
    for nudge in (0.0, FAR, -FAR):
        moved = [
            limit.model_copy(
                update={
                    name: value + nudge
                    for name in ("supported", "against", "null_most")
                    if (value := getattr(limit, name)) is not None
                }
            )
            for limit in run.settings.thresholds
        ]
        given = (owner.masking, owner.measures, owner.not_run)
        ways.append(ledger(*given, two_sided=owner.two_sided, experiments=run.settings.experiments, thresholds=moved))
    if len(ways[0]) != len(owner.claims):
        yield ("claims",), f"there are {len(owner.claims)} rows, and the figures give {len(ways[0])}"
        return
    for number, (row, *expected) in enumerate(zip(owner.claims, *ways, strict=True)):
        if _is_tie(row, expected[0], owner):
            continue
        for name in (name for name in type(row).model_fields if name not in {"verdict", "reason"}):
            kept, due = getattr(row, name), getattr(expected[0], name)
            same = _same(kept, due) if isinstance(due, float) or isinstance(kept, float) else kept == due
            if not same:
                yield ("claims", number, name), f"it is {kept!r}, and the figures give {due!r}"
        if row.verdict not in {one.verdict for one in expected}:
            why = f" ({expected[0].reason})" if expected[0].reason else ""
            yield (
                ("claims", number, "verdict"),
                f"it is {row.verdict!r}, and the figures give {expected[0].verdict!r}{why}",
            )
        elif (row.verdict, row.reason) not in {(one.verdict, one.reason) for one in expected}:
            yield ("claims", number, "reason"), f"it is {row.reason!r}, and the figures give {expected[0].reason!r}"


def _is_tie(row: Claim, due: Claim, owner: ClassResult | Control) -> bool:
    """Whether two rows are of the same claim at the same layer, against other cases whose figures are equal as a bundle
    keeps them: then either may be the best, or the worst."""
    if row.case == due.case or (row.claim, row.layer) != (due.claim, due.layer):
        return False
    names = [one.case.removeprefix("against ").removeprefix("k = ") for one in (row, due)]
    by = {
        str(m.setting) if row.claim == "robust" else m.case: m.value
        for m in owner.measures
        if (m.experiment, m.layer, m.channel) == (row.experiment, row.layer, None)
        and (row.claim == "robust" or m.setting == 1)
    }
    return all(name in by for name in names) and _same(by[names[0]], by[names[1]])
