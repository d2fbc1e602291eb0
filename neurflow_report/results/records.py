"""What a run found, as frozen records: the one vocabulary between the method and the report (METHOD.md §1).

Layers stand in the order of the spec, input → output; the last layer holds the class logit.
Patches are named by their index in the class's fixed patch order; `ClassResult.patches` says where each lies.
All activations are spatial means in the model's own activation units; weights and shares have no unit.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from neurflow_report.results.causes import Cause as Cause
from neurflow_report.results.causes import Debugged as Debugged
from neurflow_report.results.causes import Debugging as Debugging
from neurflow_report.results.causes import LayerCauses as LayerCauses
from neurflow_report.results.causes import Unexplained as Unexplained
from neurflow_report.results.causes import WhatIf as WhatIf
from neurflow_report.results.concept_tests import ConceptTest as ConceptTest
from neurflow_report.results.evidence import Caution as Caution
from neurflow_report.results.evidence import Census as Census
from neurflow_report.results.evidence import Certificate as Certificate
from neurflow_report.results.evidence import Claim as Claim
from neurflow_report.results.evidence import Control as Control
from neurflow_report.results.evidence import EdgeDrop as EdgeDrop
from neurflow_report.results.evidence import EdgeEffect as EdgeEffect
from neurflow_report.results.evidence import Masking as Masking
from neurflow_report.results.evidence import Measure as Measure
from neurflow_report.results.evidence import NotRun as NotRun
from neurflow_report.results.evidence import OneTau as OneTau
from neurflow_report.results.evidence import Threshold as Threshold
from neurflow_report.results.evidence import TwoSided as TwoSided
from neurflow_report.results.facets import Facet as Facet
from neurflow_report.results.facets import Facets as Facets
from neurflow_report.results.labels import GroupLabel as GroupLabel
from neurflow_report.results.labels import LabelReply as LabelReply
from neurflow_report.results.labels import LabelSource as LabelSource
from neurflow_report.results.record import Record as Record

_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T")


class Skipped(Record):
    """A picture that could not be used, by its name within the data set, and why.

    Attributes:
        name: within the data set.
        reason: why it could not be used.
    """

    name: str
    reason: str


class LeftOut(Record):
    """What was found in the data and is no picture of a class, for one reason: how much, and the first names.

    Attributes:
        reason: why these are no pictures of a class.
        count: how many.
        names: the first of them.
    """

    reason: str
    count: int
    names: tuple[str, ...]


class LayerInfo(Record):
    """A declared layer. `shape` is one picture's activation without the batch: (C, H, W), (T, D) or (C,).

    Attributes:
        name: as the spec calls it.
        channels: C, or D of tokens.
        kind: what an activation is: a map, tokens, or a vector.
        shape: as above.
    """

    name: str
    channels: int
    kind: Literal["spatial", "tokens", "vector"]
    shape: tuple[int, ...]


class Preprocess(Record):
    """From an original picture to the model's input.

    Resize the short side to `resize` pixels, or with `squash` both sides; cut the centre `size`×`size`, scale to 0..1,
    then (x − mean) / std.

    Attributes:
        size: S, the side of the model's input.
        interpolation: of the resize.
        antialias: whether the resize smooths first.
        squash: resize both sides to `resize`, whatever the shape.
        resize: None: no resize; a picture smaller than the crop is padded.
        mean, std: one entry a channel.
        channels: 3 (RGB) or 1 (grey).
    """

    resize: int | None
    size: int
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    antialias: bool = True
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: Literal[1, 3] = 3
    squash: bool = False


class ModelInfo(Record):
    """The network examined.

    Attributes:
        source, name, weights: as in the spec.
        parameters, outputs: how many.
        test_accuracy: 0..1, where it is known of the weights.
        digest: the sha256 of its state.
        preprocess: its `size` is S of METHOD.md §1.
        notes: what was done with a checkpoint that the spec does not say.
        input_notes: what of the preprocessing was assumed, and what it does to pictures of the size that they have.
    """

    source: str
    name: str
    weights: str
    parameters: int
    outputs: int
    digest: str
    preprocess: Preprocess
    test_accuracy: float | None = None
    notes: tuple[str, ...] = ()
    input_notes: tuple[str, ...] = ()


class Accuracy(Record):
    """How many of the labelled pictures that a run looked at the network got right.

    Attributes:
        right: pictures that the network got right.
        reordered: the share that would be right if logits were tied to the classes in another order, where that is
            telling.
        pictures, classes: how many they are, and of how many classes.
        low, high: Wilson's 95% interval of the share that is right.
        chance: 1 / outputs, or where it is more the share that the same predictions would get right if the labels were
            dealt out anew.
    """

    pictures: int
    classes: int
    right: int
    low: float
    high: float
    chance: float
    reordered: float | None = None


class DataInfo(Record):
    """The pictures offered.

    Attributes:
        source, name: as in the spec.
        select: which pictures count for a class: predicted, labelled, correct, any.
        limit: pictures asked for, a class.
        sample: first, or random by the run's seed.
        labels: what to know of how classes were tied to logits, or nothing.
        pool: how many were looked at.
        skipped: those that could not be read.
        left_out: what was found and is no picture of a class.
        notes: what else to know of the pictures.
        digest: over the pictures used.
        holdout: the share of a class's pictures that its circuit is not found on, where it has enough.
        others: pictures of other classes for each of a class, at most; 0 where none are looked at.
    """

    source: str
    name: str
    select: str
    limit: int
    sample: str = "first"
    labels: str = ""
    pool: int
    skipped: tuple[Skipped, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    digest: str
    holdout: float = 0.0
    others: int = 0


class Settings(Record):
    """The values this run used, under the names of the spec (see docs/spec.md).

    The fields after `precision` size F2 to F14 and came with format 2.

    Attributes:
        k: patches in a concept.
        scales, stride: sides of the patches as shares of S, and steps as shares of a side.
        nodes, max_nodes: steps of the integral, to begin with and at most.
        tolerance: the largest error of the integral, relative.
        rule: how the integral is taken.
        tau: τ, core neurons of a neuron at most.
        automatic: whether each class has a τ of its own, up to `tau`.
        enough, false_alarms: what it is then certified for: the TPR over the one, the FPR under the other.
        max_semantic, max_neuron: semantic groups of a neuron, and neuron groups of a layer, at most.
        taus: the τ at which F1 is done.
        draws: random sets of F1.
        experiments: those that were asked for.
        seed: of all that is drawn.
        device, precision: where and in which arithmetic the network ran.
        preset: which sizes the experiments had by default.
        targets: F2, F3, F6: the most neurons tested at a layer.
        optimality_draws, weight_draws: random sets of F2, and of each size of F3.
        patches: F2, F3: those that the ranks after a knock-out are estimated from; 0: all.
        sizes: of the sets in F3 and F4.
        methods, method_targets: the other methods of F4, and the most neurons at a layer.
        ks: F6: the sizes of a concept that `k` is compared with.
        noise_draws: of F7.
        critical: F5: by which scores core neurons are found beside the circuit's: `methods`, or `paper` as well.
        edge_draws: F11: random sets of an edge.
        quality_targets: F12: the most neurons at a layer.
        controls: networks that the pipeline was run on as well.
        thresholds: when each claim holds.
    """

    k: int
    scales: tuple[float, ...]
    stride: float
    nodes: int
    max_nodes: int
    tolerance: float
    tau: int
    max_semantic: int
    max_neuron: int
    taus: tuple[int, ...]
    draws: int
    experiments: tuple[str, ...]
    seed: int
    device: str
    precision: str
    rule: str = "gauss"
    preset: str = ""
    targets: int = 0
    optimality_draws: int = 0
    weight_draws: int = 0
    patches: int = 0
    sizes: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    method_targets: int = 0
    ks: tuple[int, ...] = ()
    noise_draws: int = 0
    critical: str = ""
    edge_draws: int = 0
    quality_targets: int = 0
    automatic: bool = False
    enough: float = 0.0
    false_alarms: float = 0.0
    controls: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()


class Rounding(Record):
    """What TF32 changed of T on a few patches and targets of a layer: ‖T − T in float32‖ / ‖T in float32‖, and the
    share of core neurons that are the same, 0..1.

    Attributes:
        layer: its name.
        error: as above, 0 is exact.
        core: the share of core neurons that are the same.
    """

    layer: str
    error: float
    core: float


class CrossCheck(Record):
    """T of a few `pairs` of a neuron and a patch at a layer, computed again by Captum's IntegratedGradients in `steps`
    Gauss–Legendre steps: ‖T − Captum's‖ / ‖Captum's‖ over all of them.

    Attributes:
        layer: its name.
        pairs, steps: how many.
        difference: as above, 0 is the same.
    """

    layer: str
    pairs: int
    steps: int
    difference: float


class ClassEntry(Record):
    """A class of the report: `index` is its logit, `slug` its folder in the bundle and in the site.

    Attributes:
        index: its logit.
        name: as the model or the spec calls it.
        slug: of its file and its page.
    """

    index: int
    name: str
    slug: str


class FailedClass(Record):
    """A class that was to be examined, and could not be (`--keep-going`).

    Attributes:
        name: as the spec or the model calls it.
        kind: of the error, a slug of docs/errors.md.
        reason: why, in a sentence.
        slug: where it would stand in the bundle; "" where it failed before that was known.
    """

    name: str
    kind: str
    reason: str
    slug: str = ""


class ConceptPictures(Record):
    """A concept of the user's own, and the pictures that show it.

    Attributes:
        name: of its subfolder.
        pictures: how many there are, each counted once.
        digest: the sha256 over their digests, in the order of their names.
        skipped: those that could not be read.
    """

    name: str
    pictures: int
    digest: str
    skipped: tuple[Skipped, ...] = ()


class GivenName(Record):
    """A name by hand: `code` is G3, a neuron group, or n12, a neuron, of a layer of the class `slug`. That layer may
    have no such group.

    Attributes:
        slug, layer: where it is.
        code: what it names.
        text: the name.
    """

    slug: str
    layer: str
    code: str
    text: str


class Run(Record):
    """All of a bundle that is not about one class.

    Attributes:
        title, theme, formats: as in the spec.
        model, data, settings: what was examined, on what, how.
        layers: from the input to the logit.
        classes: in the order of the report.
        parts: the planted parts that the data names (demo only).
        names: by hand, for groups and neurons.
        tiles: how patches are shown: auto, patch or outlined.
        url: where the site will stand, or nothing.
        images: what is kept of the pictures: embed (what the model saw), blur, or none (grey squares).
        roundings: of the layers but the lowest, where TF32 was used.
        accuracy: None where no picture that was looked at has a label, and in bundles that did not measure it.
        fallbacks: which quick ways through the network were not taken, since they gave something else than the network
            itself on the pictures.
        cross_checks: of the layers but the lowest, where Captum was there, on the first class.
        debugging: which pictures were to be explained; None where none were.
        failed: classes that are missing, since they could not be examined.
        concepts: the user's own that were tested.
        facets: for how many semantic groups pictures were to be made; None where for none.
        labels: where labels of neuron groups come from; None where none were asked for.
    """

    title: str
    theme: str
    formats: tuple[str, ...]
    model: ModelInfo
    data: DataInfo
    settings: Settings
    layers: tuple[LayerInfo, ...]
    classes: tuple[ClassEntry, ...]
    parts: tuple[str, ...] = ()
    roundings: tuple[Rounding, ...] = ()
    accuracy: Accuracy | None = None
    fallbacks: tuple[str, ...] = ()
    cross_checks: tuple[CrossCheck, ...] = ()
    names: tuple[GivenName, ...] = ()
    tiles: str = "auto"
    url: str = ""
    images: str = "embed"
    debugging: Debugging | None = None
    failed: tuple[FailedClass, ...] = ()
    concepts: tuple[ConceptPictures, ...] = ()
    facets: Facets | None = None
    labels: LabelSource | None = None


class Region(Record):
    """The rectangle of the original picture that the model saw, in the original's pixels.

    Attributes:
        left, top, width, height: in pixels, not always whole.
    """

    left: float
    top: float
    width: float
    height: float


class Picture(Record):
    """A picture of the class. `file` is its region in the bundle (None when no patch of it is shown).

    Attributes:
        name: within the data set.
        label: the data's class, where it has one.
        predicted: the network's class.
        width, height: of the original.
        region: what of it the model saw.
        sha256: of the original's bytes, or of its mode, size and pixels where it is no file.
        file: its name under pictures/: 16 digits of the sha256 over its bytes and the `sha256` above, and its kind.
        held_out: the circuit is not found on it, and F1 and F8 are measured on it; such pictures come last.
    """

    name: str
    label: str | None
    predicted: str
    width: int
    height: int
    region: Region
    sha256: str
    file: str | None
    held_out: bool = False


class Patch(Record):
    """A square window of picture number `image`, in pixels of the model's input (0 ≤ top, left; side ≤ S).

    Attributes:
        index: its number among the class's candidates.
        image: the picture's place in `ClassResult.pictures`, from 0.
        top, left, side: its place and size.
    """

    index: int
    image: int
    top: int
    left: int
    side: int


class CoreScore(Record):
    """A core concept neuron of the layer below and its score: mean |T| over the concept (METHOD.md §2).

    Attributes:
        channel: of the layer below.
        score: mean |T|, the largest first.
    """

    channel: int
    score: float


class NeuronEdge(Record):
    """w(a, i, j) for i = `channel` of the layer below; signed, Σ|w| = 1 over the core set (METHOD.md §3).

    Attributes:
        channel: i.
        weight: w(a, i, j).
    """

    channel: int
    weight: float


class SemanticGroup(Record):
    """V_{a,j}: patch indices in the order of closeness to the group's centre; `index` counts from 1.

    Attributes:
        index: j.
        patches: its part of the concept.
        activation: the neuron's, mean over these patches.
        edges: to the core neurons; none at the lowest layer.
    """

    index: int
    patches: tuple[int, ...]
    activation: float
    edges: tuple[NeuronEdge, ...]


class Neuron(Record):
    """One core concept neuron (or the logit) and its concept V_a, best patch first.

    Gaps, errors and `nodes` are over the concept's patches; None at the lowest layer.

    Attributes:
        layer, channel: which it is.
        concept: V_a, patch indices.
        activations: of the concept's patches, in its order.
        groups: the semantic groups, a partition of the concept.
        dead: whether it is never above 0 on the concept.
        core: empty at the lowest layer.
        gap_mean, gap_max: the completeness gap, relative, 0 is exact.
        nodes: the most steps that a patch needed.
        silhouette: None where the concept is one group by default (all its vectors equal).
        error_mean, error_max: the estimated error of the integration, relative, 0 is exact.
    """

    layer: str
    channel: int
    concept: tuple[int, ...]
    activations: tuple[float, ...]
    core: tuple[CoreScore, ...]
    gap_mean: float | None
    gap_max: float | None
    nodes: int | None
    silhouette: float | None
    groups: tuple[SemanticGroup, ...]
    dead: bool
    error_mean: float | None = None
    error_max: float | None = None


class Member(Record):
    """A semantic group as the member of a neuron group.

    Attributes:
        channel: the neuron's.
        semantic: the `index` of its semantic group.
    """

    channel: int
    semantic: int


class PartAgreement(Record):
    """How well a group's patches agree with one planted part (demo only).

    Attributes:
        part: the planted part that the group's patches show most.
        n: patches.
        purity: share of the group's `n` patches that show `part` most.
        chance: that share over all the class's patches.
        p_value: permutation p of the best part's excess over chance, against random patch sets of the same size.
        commonest: the parts that most of the patches show, the commonest first, each with its share of the patches and
            its share by chance; two at most. None in bundles that did not count them.
    """

    part: str
    purity: float
    chance: float
    p_value: float
    n: int
    commonest: tuple[tuple[str, float, float], ...] | None = None


class NeuronGroup(Record):
    """G: a cluster of semantic groups at one layer.

    Attributes:
        layer: its name.
        members: its semantic groups; each is in one neuron group of the layer.
        agreement: with planted parts (demo only).
        index: counts from 1 by falling `share`.
        patches: in the order of closeness to the group's centre.
        share: the part of the logit's absolute weight that goes through the group (METHOD §3).
    """

    layer: str
    index: int
    members: tuple[Member, ...]
    patches: tuple[int, ...]
    share: float
    agreement: PartAgreement | None = None


class GroupEdge(Record):
    """W(U, L) between neuron groups of two neighbouring layers (METHOD.md §3).

    Attributes:
        upper_layer, upper: U.
        lower_layer, lower: L.
        weight: W, signed; those of 0 are left out.
    """

    upper_layer: str
    upper: int
    lower_layer: str
    lower: int
    weight: float


class LayerResult(Record):
    """The core neurons of one layer for one class, and their groups. `silhouette` None: one group by default.

    Attributes:
        name, channels: as in `LayerInfo`.
        neurons: by channel.
        groups: by number.
        silhouette: of the clustering into groups.
    """

    name: str
    channels: int
    neurons: tuple[Neuron, ...]
    groups: tuple[NeuronGroup, ...]
    silhouette: float | None


class ClassResult(Record):
    """Everything found about one class. `candidates` counts its patches (59 a picture at the default scales).

    Attributes:
        index, name, slug: as in `ClassEntry`.
        pictures: in the order chosen.
        candidates: patches looked at.
        patches: those that something names.
        layers: from the input to the logit.
        edges: between neuron groups, from the logit down.
        masking: F1.
        two_sided: F1 with pictures of other classes; none in bundles before these were measured.
        others, others_digest: the names of these pictures, and the sha256 over their digests, in their order.
        cautions: from the logit down.
        measures: the figures of F2 to F14.
        edge_drops: F8, edge by edge.
        census, edge_effects: F10, layer by layer, and F11, edge by edge.
        certificates: layer by layer what τ was chosen by, where it was.
        not_run: what was asked for and could not be measured.
        claims: the ledger.
        controls: the same on other networks.
        debugged: pictures that are explained by this class's circuit.
        concept_tests: of the user's own concepts, layer by layer; none where none were given.
        facets: pictures made for semantic groups, from the logit down; none where none were asked for.
        labels: of neuron groups, layer by layer from the logit down, with their tests; only their coherence where no
            labels were asked for, and none where no picture is held out, too.
        label_replies: of a model that was asked for labels, in the order of the questions.
    """

    index: int
    name: str
    slug: str
    pictures: tuple[Picture, ...]
    candidates: int
    patches: tuple[Patch, ...]
    layers: tuple[LayerResult, ...]
    edges: tuple[GroupEdge, ...]
    masking: tuple[Masking, ...]
    cautions: tuple[Caution, ...]
    measures: tuple[Measure, ...] = ()
    edge_drops: tuple[EdgeDrop, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    claims: tuple[Claim, ...] = ()
    controls: tuple[Control, ...] = ()
    two_sided: tuple[TwoSided, ...] = ()
    others: tuple[str, ...] = ()
    others_digest: str = ""
    census: tuple[Census, ...] = ()
    edge_effects: tuple[EdgeEffect, ...] = ()
    debugged: tuple[Debugged, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    concept_tests: tuple[ConceptTest, ...] = ()
    facets: tuple[Facet, ...] = ()
    labels: tuple[GroupLabel, ...] = ()
    label_replies: tuple[LabelReply, ...] = ()


class Clock(Record):
    """The only part of a bundle that two equal runs differ in. With SOURCE_DATE_EPOCH: its time, and nothing else.

    Attributes:
        created: ISO 8601, UTC.
        seconds: by stage.
        resident: the most memory that the process had during a stage, in bytes, looked at 50 times a second; of several
            processes that of the largest. None where the system does not tell it.
        allocated: the most that tensors took on a GPU during a stage, in bytes; None where none was used.
    """

    created: str
    seconds: dict[str, float] | None
    resident: dict[str, int] | None = None
    allocated: dict[str, int] | None = None

    @field_validator("created")
    @classmethod
    def _is_time(cls, value: str) -> str:
        try:
            if _DAY.match(value) and datetime.fromisoformat(value).tzinfo is not None:
                return value
        except ValueError:
            pass
        told = {"value": repr(value[:60])}
        raise PydanticCustomError("no_time", "{value} is no time of ISO 8601 with its zone", told)


class Provenance(Record):
    """Where a bundle comes from. Holds no absolute path, user or host name.

    Attributes:
        generator: the program and its version.
        spec_text: as it was written, without paths.
        spec_resolved: with all defaults and changes.
        versions: of the packages that the run used.
        device: as its maker calls it.
        determinism: what was set so that two runs are equal.
        clock: when, and how long.
    """

    generator: str
    spec_text: str
    spec_resolved: dict[str, object]
    versions: dict[str, str]
    device: str
    determinism: dict[str, str]
    clock: Clock


class Manifest(Record):
    """manifest.json: the format's number, the provenance, and the sha256 of every other file of the bundle.

    Attributes:
        format_version: the bundle's format.
        provenance: where it comes from.
        files: the sha256, in hex, of each other file but manifest.sha256, by its name.
    """

    format_version: int
    provenance: Provenance
    files: dict[str, str]
