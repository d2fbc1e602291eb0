"""Whether the records of a bundle fit together: what they name is there, numbers are in range, names stand once.

Digests show that files are as they were written; a bundle that somebody else wrote may still speak of things that it
does not have. What is drawn from one rests on what is checked here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from neurflow_report.errors import Path
from neurflow_report.results.catalogue import CLAIMS, EXPERIMENTS
from neurflow_report.results.causes import Debugged, LayerCauses
from neurflow_report.results.evidence import Masking, TwoSided
from neurflow_report.results.given import CODE, is_address, odd_name
from neurflow_report.results.records import ClassResult, Control, LayerInfo, LayerResult, Neuron, NeuronGroup, Run

SELECTS = frozenset({"predicted", "labelled", "correct", "any"})
SAMPLES = frozenset({"first", "random"})
FORMATS = frozenset({"html", "pdf", "single"})
THEMES = frozenset({"auto", "light", "dark"})
RULES = frozenset({"cells", "gauss"})
TILES = frozenset({"auto", "patch", "outlined"})
IMAGES = frozenset({"embed", "blur", "none"})
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
LARGEST, MAP, ADDING_UP = 5, 14, 1e-5
"""Groups that what-ifs are about, rows of a map, at most; how far parts may be from their sum, relative to their sizes
(figures are kept to 7 digits)."""
_DIGITS, _SHA256 = re.compile(r"[0-9]{1,14}"), re.compile(r"[0-9a-f]{64}")

Found = Iterator[tuple[Path, str]]
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NUMBER = re.compile(rb"-?\d{20,}|-?[\d.]+[eE]\+?0*(?:[4-9]\d|\d{3,})")
_LONG, _LARGE, _BEFORE = re.compile(rb"\d{20}"), re.compile(rb"[eE]\+?0*(?:[4-9]\d|\d{3,})"), 400
"""What such a number has in it, which is found in a fraction of the time, and how far before that it may begin."""
_CONTROL = re.compile(r"\\u00(?:[01][0-9a-f]|7f|[89][0-9a-f])|\\[bf]|[\x7f-\x9f\ufffe\uffff]|\\ufff[ef]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """What contradicts what, and where: `slug` of the class (None: of the run), `place` in its record."""

    slug: str | None
    place: Path
    message: str


def contradictions(run: Run, classes: Sequence[ClassResult]) -> Iterator[Contradiction]:
    """All that does not fit together, in the order of the records; what comes later may rest on what comes before."""
    for place, message in chain(_of_run(run), _of_debugging(run, classes)):
        yield Contradiction(slug=None, place=place, message=message)
    for result in classes:
        for place, message in chain(
            _of_class(run, result), _of_evidence((), result, run, result), _of_debugged(run, result)
        ):
            yield Contradiction(slug=result.slug, place=place, message=message)


def odd_text(data: bytes) -> str:
    """What in the text of a record no record of this program has, or "": a number that is no figure, a control
    character."""
    if b"\\" in data or b"\x7f" in data or not data.isascii():
        odd = _CONTROL.search(data.decode("utf-8", "replace").replace("\\\\", ""))
        if odd is not None:
            return f"a text holds a control character, {odd[0]!r}"
    bare = _STRINGS.sub(b'""', data)
    for suspect in (_LONG.search(bare), _LARGE.search(bare)):
        number = suspect and _NUMBER.search(bare, max(0, suspect.start() - _BEFORE))
        if number:
            return f"the number {number[0][:12].decode()}… is out of all bounds"
    return ""


def _of_run(run: Run) -> Found:
    yield from _known(("theme",), run.theme, THEMES)
    yield from _known(("tiles",), run.tiles, TILES)
    yield from _known(("images",), run.images, IMAGES)
    if run.url and not is_address(run.url):
        yield ("url",), f"{run.url!r} is no address of a site"
    if not run.formats:
        yield ("formats",), "nothing is to be drawn"
    for number, name in enumerate(run.formats):
        yield from _known(("formats", number), name, FORMATS)
    yield from _known(("data", "select"), run.data.select, SELECTS)
    yield from _known(("data", "sample"), run.data.sample, SAMPLES)
    yield from _known(("settings", "rule"), run.settings.rule, RULES)
    for number, name in enumerate(run.settings.experiments):
        yield from _known(("settings", "experiments", number), name, EXPERIMENTS)
    yield from _once(("settings", "thresholds"), [limit.claim for limit in run.settings.thresholds], "claim")
    for number, limit in enumerate(run.settings.thresholds):
        yield from _known(("settings", "thresholds", number, "claim"), limit.claim, CLAIMS)
    yield from _at_least(("model", "preprocess", "size"), run.model.preprocess.size, 1)
    yield from _at_least(("model", "outputs"), run.model.outputs, 1)
    yield from _within(("model", "test_accuracy"), run.model.test_accuracy, 0, 1)
    if len(run.layers) < 2:
        yield ("layers",), f"a circuit has two layers at least, and these are {len(run.layers)}"
    yield from _once(("layers",), [layer.name for layer in run.layers], "layer")
    for number, layer in enumerate(run.layers):
        yield from _at_least(("layers", number, "channels"), layer.channels, 1)
    if not run.classes:
        yield ("classes",), "there is no class"
    yield from _once(("classes",), [entry.slug for entry in run.classes], "class")
    yield from _once(("classes",), [entry.index for entry in run.classes], "logit")
    for number, entry in enumerate(run.classes):
        if not SLUG.fullmatch(entry.slug):
            yield ("classes", number, "slug"), f"{entry.slug!r} is no name of a folder: a-z, 0-9 and - alone are"
        yield from _index(("classes", number, "index"), entry.index, run.model.outputs, "logit")
    names = [layer.name for layer in run.layers]
    for number, rounding in enumerate(run.roundings):
        yield from _known(("roundings", number, "layer"), rounding.layer, names, "layer")
    for number, check in enumerate(run.cross_checks):
        yield from _known(("cross_checks", number, "layer"), check.layer, names, "layer")
        yield from _at_least(("cross_checks", number, "pairs"), check.pairs, 1)
        yield from _at_least(("cross_checks", number, "difference"), check.difference, 0)
    yield from _of_names(run, names)


def _of_names(run: Run, layers: Collection[str]) -> Found:
    slugs = [entry.slug for entry in run.classes]
    yield from _once(("names",), [(one.slug, one.layer, one.code) for one in run.names], "thing named")
    for number, one in enumerate(run.names):
        yield from _known(("names", number, "slug"), one.slug, slugs, "class")
        yield from _known(("names", number, "layer"), one.layer, layers, "layer")
        if not CODE.fullmatch(one.code):
            yield ("names", number, "code"), f"{one.code!r} is neither a group, as G3, nor a neuron, as n12"
        if odd := odd_name(one.text):
            yield ("names", number, "text"), odd


def _of_class(run: Run, result: ClassResult) -> Found:
    entry = next(one for one in run.classes if one.slug == result.slug)
    if result.name != entry.name:
        yield ("name",), f"the class is called {result.name!r} here and {entry.name!r} in run.json"
    yield from _of_pictures(result)
    yield from _of_patches(run, result)
    found, declared = [layer.name for layer in result.layers], [layer.name for layer in run.layers]
    if found != declared:
        yield ("layers",), f"the layers are {_told(found)}, and those of run.json {_told(declared)}"
        return
    patches = {patch.index for patch in result.patches}
    for number, (layer, info) in enumerate(zip(result.layers, run.layers, strict=True)):
        below = result.layers[number - 1] if number else None
        yield from _of_layer(("layers", number), layer, info, below, patches)
    top = result.layers[-1]
    if [neuron.channel for neuron in top.neurons] != [result.index]:
        yield ("layers", len(found) - 1, "neurons"), f"the last layer has one neuron, which is logit {result.index}"
    if not top.groups:
        yield ("layers", len(found) - 1, "groups"), "the logit is in no group"
    yield from _of_edges(result)


def _of_pictures(result: ClassResult) -> Found:
    if not result.pictures:
        yield ("pictures",), "there is no picture"
    yield from _once(("pictures",), [p.file for p in result.pictures if p.file is not None], "file")
    for number, picture in enumerate(result.pictures):
        yield from _at_least(("pictures", number, "width"), picture.width, 1)
        yield from _at_least(("pictures", number, "height"), picture.height, 1)
        region = picture.region
        if region.width <= 0 or region.height <= 0:
            yield ("pictures", number, "region"), "its width and height are more than 0"


def _of_patches(run: Run, result: ClassResult) -> Found:
    size = run.model.preprocess.size
    yield from _once(("patches",), [patch.index for patch in result.patches], "patch")
    for number, patch in enumerate(result.patches):
        place: Path = ("patches", number)
        yield from _index((*place, "index"), patch.index, result.candidates, "patch")
        yield from _index((*place, "image"), patch.image, len(result.pictures), "picture")
        if 0 <= patch.image < len(result.pictures) and result.pictures[patch.image].file is None:
            yield (*place, "image"), f"picture {patch.image} has no file, and a patch of it is shown"
        if 0 <= patch.image < len(result.pictures) and result.pictures[patch.image].held_out:
            yield (*place, "image"), f"picture {patch.image} is held out, and a patch of it is shown"
        fits = patch.side >= 1 and patch.top >= 0 and patch.left >= 0
        if not fits or patch.side + max(patch.top, patch.left) > size:
            yield place, f"the patch does not lie in the {size} × {size} pixels of a picture"


def _of_layer(place: Path, layer: LayerResult, info: LayerInfo, below: LayerResult | None, patches: set[int]) -> Found:
    if layer.channels != info.channels:
        yield (*place, "channels"), f"the layer has {layer.channels} channels here and {info.channels} in run.json"
    lower = frozenset(neuron.channel for neuron in below.neurons) if below is not None else frozenset[int]()
    yield from _once((*place, "neurons"), [neuron.channel for neuron in layer.neurons], "neuron")
    yield from _once((*place, "groups"), [group.index for group in layer.groups], "neuron group")
    for number, neuron in enumerate(layer.neurons):
        yield from _of_neuron((*place, "neurons", number), neuron, layer, lower, patches)
    semantic = {(neuron.channel, group.index): group.patches for neuron in layer.neurons for group in neuron.groups}
    members = [(m.channel, m.semantic) for group in layer.groups for m in group.members]
    yield from _once((*place, "groups"), members, "member")
    if set(members) != set(semantic) and set(members) <= set(semantic):
        yield (*place, "groups"), "a semantic group of one of its neurons is in no neuron group"
    for number, group in enumerate(layer.groups):
        yield from _of_group((*place, "groups", number), group, layer, semantic.keys(), patches)


def _of_neuron(place: Path, neuron: Neuron, layer: LayerResult, lower: Collection[int], patches: set[int]) -> Found:
    if neuron.layer != layer.name:
        yield (*place, "layer"), f"the neuron is of layer {neuron.layer!r}, and stands in {layer.name!r}"
    yield from _index((*place, "channel"), neuron.channel, layer.channels, "channel")
    if not neuron.concept or len(neuron.concept) != len(neuron.activations):
        yield (*place, "concept"), f"{len(neuron.concept)} patches have {len(neuron.activations)} activations"
    yield from _once((*place, "concept"), neuron.concept, "patch")
    yield from _all_known((*place, "concept"), neuron.concept, patches, "patch")
    core = [score.channel for score in neuron.core]
    yield from _once((*place, "core"), core, "channel")
    yield from _all_known((*place, "core"), core, lower, "neuron of the layer below")
    if not neuron.groups:
        yield (*place, "groups"), "the neuron has no semantic group"
    yield from _once((*place, "groups"), [group.index for group in neuron.groups], "semantic group")
    yield from _once((*place, "groups"), [p for group in neuron.groups for p in group.patches], "patch")
    for number, group in enumerate(neuron.groups):
        at: Path = (*place, "groups", number)
        yield from _at_least((*at, "index"), group.index, 1)
        if not group.patches:
            yield (*at, "patches"), "the semantic group has no patch"
        yield from _all_known((*at, "patches"), group.patches, frozenset(neuron.concept), "patch of the concept")
        edges = [edge.channel for edge in group.edges]
        yield from _once((*at, "edges"), edges, "channel")
        yield from _all_known((*at, "edges"), edges, frozenset(core), "core neuron")


def _of_group(
    place: Path,
    group: NeuronGroup,
    layer: LayerResult,
    semantic: Collection[tuple[int, int]],
    patches: set[int],
) -> Found:
    if group.layer != layer.name:
        yield (*place, "layer"), f"the group is of layer {group.layer!r}, and stands in {layer.name!r}"
    yield from _at_least((*place, "index"), group.index, 1)
    yield from _within((*place, "share"), group.share, 0, 1)
    if not group.members or not group.patches:
        yield place, f"the group has {len(group.members)} members and {len(group.patches)} patches"
    for number, member in enumerate(group.members):
        if (member.channel, member.semantic) not in semantic:
            told = f"there is no semantic group {member.semantic} of neuron {member.channel}"
            yield (*place, "members", number), told
    yield from _once((*place, "patches"), group.patches, "patch")
    yield from _all_known((*place, "patches"), group.patches, patches, "patch")
    if group.agreement is not None:
        for name in ("purity", "chance", "p_value"):
            yield from _within((*place, "agreement", name), getattr(group.agreement, name), 0, 1)


def _of_edges(result: ClassResult) -> Found:
    groups = {layer.name: {group.index for group in layer.groups} for layer in result.layers}
    neighbours = {(upper.name, lower.name) for lower, upper in pairwise(result.layers)}
    for field in ("edges", "edge_drops", "edge_effects"):
        found = [(e.upper_layer, e.upper, e.lower_layer, e.lower) for e in getattr(result, field)]
        yield from _once((field,), found, "edge")
        for number, (upper_layer, upper, lower_layer, lower) in enumerate(found):
            if (upper_layer, lower_layer) not in neighbours:
                yield (field, number), f"{lower_layer!r} is not the layer below {upper_layer!r}"
            elif upper not in groups[upper_layer] or lower not in groups[lower_layer]:
                yield (
                    (field, number),
                    f"there is no group {upper} of {upper_layer!r}, or none {lower} of {lower_layer!r}",
                )


def _of_evidence(place: Path, owner: ClassResult | Control, run: Run, result: ClassResult) -> Found:
    """What the experiments say of the class, or of a control's circuit, whose neurons the bundle does not hold."""
    layers = [layer.name for layer in run.layers]
    for number, row in enumerate(owner.masking):
        yield from _of_masking((*place, "masking", number), row, layers)
    for number, both in enumerate(owner.two_sided):
        yield from _of_two_sided((*place, "two_sided", number), both, layers)
    for number, measure in enumerate(owner.measures):
        at: Path = (*place, "measures", number)
        yield from _known((*at, "experiment"), measure.experiment, EXPERIMENTS)
        yield from _known((*at, "layer"), measure.layer, layers, "layer")
        yield from _at_least((*at, "n"), measure.n, 0)
        if measure.experiment == "methods" and measure.setting is None:
            yield (*at, "setting"), "the size of the sets is missing"
        yield from _within((*at, "p_value"), measure.p_value, 0, 1)
    for number, claim in enumerate(owner.claims):
        at = (*place, "claims", number)
        yield from _known((*at, "claim"), claim.claim, CLAIMS)
        yield from _known((*at, "experiment"), claim.experiment, EXPERIMENTS)
        yield from _known((*at, "layer"), claim.layer, ["", *layers], "layer")
        for name in ("p_value", "q_value"):
            yield from _within((*at, name), getattr(claim, name), 0, 1)
    for number, missing in enumerate(owner.not_run):
        yield from _known((*place, "not_run", number, "experiment"), missing.experiment, EXPERIMENTS)
        yield from _known((*place, "not_run", number, "layer"), missing.layer, ["", *layers], "layer")
    if isinstance(owner, ClassResult):
        yield from _of_cautions(result)
        yield from _of_census(result)
        yield from _of_effects(result)
        yield from _of_certificates(result)
        yield from _of_concepts(run, result)
        yield from _of_facets(run, result)
        yield from _of_labels(run, result)
        yield from _once(("controls",), [control.name for control in owner.controls], "control")
        for number, control in enumerate(owner.controls):
            yield from _index(("controls", number, "logit"), control.logit, run.model.outputs, "logit")
            yield from _of_evidence(("controls", number), control, run, result)


def _of_masking(place: Path, row: Masking, layers: Collection[str]) -> Found:
    yield from _known((*place, "layer"), row.layer, layers, "layer")
    yield from _at_least((*place, "n"), row.n, 1)
    yield from _at_least((*place, "tau"), row.tau, 0)
    yield from _index((*place, "size"), row.size, row.channels + 1, "set of a size of")
    for name in ("baseline", "accuracy", "low", "high", "p_value"):
        yield from _within((*place, name), getattr(row, name), 0, 1)
    odd = next((value for value in row.null if not -1e-6 <= value <= 1 + 1e-6), None)
    yield from _within((*place, "null"), odd, 0, 1)


def _of_two_sided(place: Path, row: TwoSided, layers: Collection[str]) -> Found:
    yield from _known((*place, "layer"), row.layer, layers, "layer")
    yield from _at_least((*place, "n"), row.n, 1)
    yield from _at_least((*place, "others"), row.others, 1)
    yield from _at_least((*place, "tau"), row.tau, 0)
    yield from _index((*place, "size"), row.size, row.channels + 1, "set of a size of")
    for name in ("tpr_before", "fpr_before", "tpr", "tpr_low", "tpr_high", "fpr", "fpr_low", "fpr_high", "p_value"):
        yield from _within((*place, name), getattr(row, name), 0, 1)
    yield from _within((*place, "j"), row.j, row.tpr - row.fpr, row.tpr - row.fpr)
    odd = next((value for value in row.null if not -1 - 1e-6 <= value <= 1 + 1e-6), None)
    yield from _within((*place, "null"), odd, -1, 1)


def _of_effects(result: ClassResult) -> Found:
    for number, row in enumerate(result.edge_effects):
        yield from _at_least(("edge_effects", number, "sets"), row.sets, 1)
        for name in ("p_value", "q_value"):
            yield from _within(("edge_effects", number, name), getattr(row, name), 0, 1)


def _of_certificates(result: ClassResult) -> Found:
    layers = [layer.name for layer in result.layers]
    yield from _once(("certificates",), [row.layer for row in result.certificates], "layer")
    for number, row in enumerate(result.certificates):
        place: Path = ("certificates", number)
        yield from _known((*place, "layer"), row.layer, layers, "layer")
        least = 1 if row.tried else 0
        yield from _at_least((*place, "n"), row.n, least)
        yield from _at_least((*place, "others"), row.others, least)
        if not row.tried and row.n and row.others:
            yield (*place, "tried"), "no τ was tried, and there are pictures to try it on"
        taus = [one.tau for one in row.tried]
        if row.tau is not None and row.tau not in taus:
            yield (*place, "tau"), f"τ = {row.tau} is certified, and was not tried"
        if taus != sorted(set(taus), reverse=True):
            yield (*place, "tried"), "τ is to fall"
        for at, one in enumerate(row.tried):
            for name in ("tpr", "tpr_low", "fpr", "fpr_high"):
                yield from _within((*place, "tried", at, name), getattr(one, name), 0, 1)


def _of_concepts(run: Run, result: ClassResult) -> Found:
    layers, concepts = [layer.name for layer in result.layers], [concept.name for concept in run.concepts]
    yield from _once(("concept_tests",), [(row.layer, row.concept) for row in result.concept_tests], "test")
    for number, row in enumerate(result.concept_tests):
        place: Path = ("concept_tests", number)
        yield from _known((*place, "layer"), row.layer, layers, "layer")
        yield from _known((*place, "concept"), row.concept, concepts, "concept")
        yield from _at_least((*place, "n"), row.n, 1)
        for name in ("value", "low", "high", "null", "null_low", "null_high", "p_value", "q_value"):
            yield from _within((*place, name), getattr(row, name), 0, 1)
            if (getattr(row, name) is None) != bool(row.reason):
                yield (*place, name), "there is either a figure or a reason for none"


def _of_facets(run: Run, result: ClassResult) -> Found:
    groups = {
        (layer.name, neuron.channel): [group.index for group in neuron.groups]
        for layer in result.layers[:-1]
        for neuron in layer.neurons
    }
    yield from _once(("facets",), [(one.layer, one.channel, one.group) for one in result.facets], "group")
    most, counts = (run.facets.groups if run.facets else 0), Counter(one.layer for one in result.facets)
    for layer, number in counts.items():
        if number > most:
            yield ("facets",), f"there are {number} of {layer!r}, and {most} were asked for"
    for number, one in enumerate(result.facets):
        place: Path = ("facets", number)
        if one.group not in groups.get((one.layer, one.channel), ()):
            yield (*place, "group"), f"there is no semantic group {one.group} of neuron {one.channel} of {one.layer!r}"
        for name in ("file", "start", "activation"):
            if (getattr(one, name) is None) != bool(one.reason):
                yield (*place, name), "there is either a picture or a reason for none"
        if not one.reason and one.natural <= 0:
            yield (
                (*place, "natural"),
                f"it is {one.natural:g}, and a neuron that is never above 0 has none",
            )
        if (one.tile is None) != (bool(one.reason) or run.images == "none"):
            yield (*place, "tile"), "there is one where pictures are kept, and a picture was made"
        if (one.distance is None) != (one.quantile is None):
            yield (*place, "quantile"), "a distance and its quantile go together"
        yield from _within((*place, "cosine"), one.cosine, -1, 1)
        yield from _within((*place, "quantile"), one.quantile, 0, 1)
        yield from _at_least((*place, "distance"), one.distance or 0.0, 0)


_SHARES = (
    *("choice", "choice_low", "choice_high", "choice_p", "null", "baseline", "p_value", "q_value", "precision"),
    *("base_rate", "effect_p", "coherence", "coherence_low", "coherence_high", "overlap", "overlap_p"),
)
"""Figures of a label in 0..1."""


def _of_labels(run: Run, result: ClassResult) -> Found:
    groups = {layer.name: {group.index for group in layer.groups} for layer in result.layers}
    asked = run.labels is not None and run.labels.source == "endpoint"  # which is not asked for L3 where L1 fails
    yield from _once(("labels",), [(row.layer, row.group) for row in result.labels], "label")
    if run.labels is None and any(row.text or row.reason for row in result.labels):
        yield ("labels",), "there are labels, and no source of them"
    for number, row in enumerate(result.labels):
        place: Path = ("labels", number)
        yield from _known((*place, "layer"), row.layer, list(groups), "layer")
        if row.layer in groups and row.group not in groups[row.layer]:
            yield (*place, "group"), f"there is no neuron group {row.group} of {row.layer!r}"
        for name in ("pictures", "patches", "effect_pictures", "coherence_pictures"):
            yield from _at_least((*place, name), getattr(row, name), 0)
        for name in _SHARES:
            yield from _within((*place, name), getattr(row, name), 0, 1)
        yield from _within((*place, "correlation"), row.correlation, -1, 1)
        for test, told in (("choice", "L1"), ("effect", "L3")):
            for name in (f"{test}_low", f"{test}_high", f"{test}_p"):
                if (getattr(row, name) is None) != (getattr(row, test) is None):
                    yield (*place, name), f"{told} has all of its figures or none"
        for name in ("p_value", "q_value"):
            if (getattr(row, name) is None) != (row.choice is None or (row.effect is None and not asked)):
                yield (*place, name), "it is there where both tests are"
        if row.text and (row.p_value is None) != bool(row.reason):
            yield (*place, "reason"), "there is either a test or a reason for none"
        if row.holds and row.q_value is None:
            yield (*place, "holds"), "a label that was not tested cannot hold"
    for number, reply in enumerate(result.label_replies):
        if reply.group not in groups.get(reply.layer, ()):
            yield ("label_replies", number, "group"), f"there is no neuron group {reply.group} of {reply.layer!r}"


def _of_census(result: ClassResult) -> Found:
    channels = {layer.name: layer.channels for layer in result.layers}
    yield from _once(("census",), [row.layer for row in result.census], "layer")
    for number, row in enumerate(result.census):
        place: Path = ("census", number)
        yield from _known((*place, "layer"), row.layer, channels, "layer")
        for name in ("silent", "saturated"):
            yield from _all_known((*place, name), getattr(row, name), range(channels.get(row.layer, 0)), "channel")


def _of_cautions(result: ClassResult) -> Found:
    neurons = {layer.name: {neuron.channel for neuron in layer.neurons} for layer in result.layers}
    for number, caution in enumerate(result.cautions):
        place: Path = ("cautions", number)
        yield from _known((*place, "layer"), caution.layer, ["", *neurons], "layer")
        if caution.channel is not None and caution.channel not in neurons.get(caution.layer, ()):
            yield (*place, "channel"), f"there is no neuron {caution.channel} of {caution.layer!r}"


def _of_debugging(run: Run, classes: Sequence[ClassResult]) -> Found:
    found, asked = sum(len(result.debugged) for result in classes), run.debugging
    if asked is None:
        if found:
            yield ("debugging",), f"{found} pictures are explained, and none was asked for"
        return
    if found != asked.explained:
        yield ("debugging", "explained"), f"it is {asked.explained}, and {found} pictures are explained"
    every = [(one.sha256[:12], one.q) for result in classes for one in result.debugged]
    yield from _once(("debugging",), every, "picture")
    for name in ("labelled", "mistakes"):
        yield from _at_least(("debugging", name), getattr(asked, name), 0)
    if asked.mistakes > asked.labelled:
        yield ("debugging", "mistakes"), f"{asked.mistakes} of {asked.labelled} pictures are none"


def _of_debugged(run: Run, result: ClassResult) -> Found:
    below = [layer.name for layer in reversed(run.layers[:-1])]
    groups = {layer.name: [group.index for group in layer.groups] for layer in result.layers}
    for number, one in enumerate(result.debugged):
        place: Path = ("debugged", number)
        if not _SHA256.fullmatch(one.sha256):
            yield (*place, "sha256"), f"{one.sha256[:80]!r} is no sha256"
        for name in ("p", "q"):
            yield from _index((*place, name), getattr(one, name), run.model.outputs, "logit")
        if one.p == one.q or result.index not in {one.p, one.q}:
            yield (*place, "p"), f"logit {one.p} against {one.q} is nothing that the circuit of {result.index} explains"
        if [layer.layer for layer in one.layers] != below:
            yield (*place, "layers"), f"the layers are {_told([x.layer for x in one.layers])}, not {_told(below)}"
            continue
        for at, causes in enumerate(one.layers):
            yield from _of_causes((*place, "layers", at), causes, one, groups[causes.layer])


def _of_causes(place: Path, causes: LayerCauses, of: Debugged, groups: Sequence[int]) -> Found:
    found = [cause.group for cause in causes.causes]
    if sorted(found) != sorted(groups):
        yield (*place, "causes"), f"the groups are {sorted(found)}, and those of the layer {sorted(groups)}"
    terms = [*(c.foretold for c in causes.causes), causes.outside, causes.baseline, causes.rest]
    if abs(sum(terms) - of.margin) > ADDING_UP * (sum(map(abs, terms)) + abs(of.margin)):
        yield place, f"its parts add up to {sum(terms):.6g}, and the margin is {of.margin:.6g}"
    for number, cause in enumerate(causes.causes):
        at: Path = (*place, "causes", number)
        for name in ("p_value", "q_value"):
            yield from _within((*at, name), getattr(cause, name), 0, 1)
        yield from _at_least((*at, "sets"), cause.sets, 0)
        yield from _at_least((*at, "presence"), cause.presence or 0.0, 0)
        rows = cause.map
        if len(rows) > MAP or any(len(row) != len(rows[0]) or not _DIGITS.fullmatch(row) for row in rows):
            yield (*at, "map"), f"it is no rows of equally many digits, {MAP} at most"
    yield from _once((*place, "largest"), causes.largest, "group")
    yield from _all_known((*place, "largest"), causes.largest, frozenset(found), "group")
    if len(causes.largest) > LARGEST or len(causes.what_ifs) != 2 ** len(causes.largest):
        yield (*place, "what_ifs"), f"{len(causes.largest)} groups have {len(causes.what_ifs)} what-ifs"
        return
    for bits, one in enumerate(causes.what_ifs):
        due = [group for n, group in enumerate(causes.largest) if bits >> n & 1]
        if list(one.removed) != due:
            yield (*place, "what_ifs", bits), f"the groups removed are {list(one.removed)}, and {due} were due"
    if causes.flip is not None:
        yield from _all_known((*place, "flip", "removed"), causes.flip.removed, frozenset(found), "group")


def _known(place: Path, value: str, known: Collection[str], what: str = "") -> Found:
    if value not in known:
        yield place, f"there is no {what} {value!r}" if what else f"{value!r} is none of {_told(sorted(known))}"


def _all_known(place: Path, values: Iterable[int], known: Collection[int], what: str) -> Found:
    odd = next((value for value in values if value not in known), None)
    if odd is not None:
        yield place, f"there is no {what} {odd}"


def _once(place: Path, values: Sequence[Hashable], what: str) -> Found:
    if len(set(values)) < len(values):
        twice = next(value for number, value in enumerate(values) if value in values[:number])
        yield place, f"the {what} {twice!r} stands there twice"


def _at_least(place: Path, value: float, least: float) -> Found:
    if value < least:
        yield place, f"it is {value}, and at least {least} is possible"


def _within(place: Path, value: float | None, least: float, most: float) -> Found:
    if value is not None and not least - 1e-6 <= value <= most + 1e-6:
        yield place, f"it is {value:g}, which is not in {least:g}..{most:g}"


def _index(place: Path, value: int, count: int, what: str) -> Found:
    if not 0 <= value < count:
        yield place, f"there is no {what} {value}: there are {count}"


def _told(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "") or "none"
