"""Labels of a class's neuron groups: which text each gets, and whether it passes its tests (METHOD §8).

It comes after the classes are known, whether they were examined or found in the cache: of a class only its record is
needed, and its pictures. The texts are chosen on the pictures that the circuit was found on, the tests are done on
those held out, and on as many of other classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from neurflow_report.ablation.masked_logits import masked_logits
from neurflow_report.analysis.held_out import with_patches
from neurflow_report.errors import RunError
from neurflow_report.fidelity.draws import as_sets
from neurflow_report.fidelity.intervals import permutation_p
from neurflow_report.images.preprocess import region_picture
from neurflow_report.images.select import Chosen, load_pixels
from neurflow_report.images.taken import again
from neurflow_report.labels.annotations import Annotations
from neurflow_report.labels.asking import Asking
from neurflow_report.labels.association import average_precision, correlation, sample
from neurflow_report.labels.coherence import activity, coherences, held_patches, standardised
from neurflow_report.labels.effect import MOST, effect
from neurflow_report.labels.endpoint import Endpoint
from neurflow_report.labels.forced_choice import (
    FEWEST,
    LEVEL,
    NO_OTHER,
    choice,
    pairs,
    together,
    too_few,
)
from neurflow_report.labels.formulas import best_formula, overlap_null
from neurflow_report.labels.image_text import ImageText, embedded
from neurflow_report.labels.scores import best, probabilities, scores, with_name
from neurflow_report.network.forward import AdaptiveBatch, layer_means
from neurflow_report.progress import Progress, Step
from neurflow_report.results.cache import Kept
from neurflow_report.results.flow import memberships
from neurflow_report.results.records import ClassResult, GroupLabel, LabelReply, LayerResult
from neurflow_report.setup.preflight import Ready
from neurflow_report.setup.workspace import Workspace, patch_batches

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]
_SEED = 21
"""What the seeds of these draws have beside the run's."""
LOOKED_AT = 256
"""Pixels a side of what an endpoint is shown."""
NONE_HELD = "no picture of the class is held out"
ALIKE = "too few of the pictures that the network is tested on differ in how much they show it"


@dataclass(frozen=True, kw_only=True)
class Half:
    """Patches of some pictures, one a row.

    Attributes:
        phi: of each layer, (n, C).
        values: of each text, (n, T); those of the class's name are the last column where the source knows it.
        picture: of each patch, (n,).
    """

    phi: tuple[Floats, ...]
    values: Floats
    picture: Indices


@dataclass(frozen=True, kw_only=True)
class Third:
    """The pictures of L3.

    Attributes:
        pixels: None where there is none.
        values: of each, the largest of each text over its patches, (T,), or which labels hold on each, (patches, T).
    """

    pixels: Tensor | None
    values: Sequence[Floats]


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A label on offer for a group: its text, its score, its value on each patch held out and on each picture of L3; of
    a formula its overlap, and how often formulas do as well with the annotations of other pictures."""

    text: str
    score: float
    held: Floats
    pictures: Floats
    overlap: float | None = None
    overlap_p: float | None = None


@dataclass(frozen=True, kw_only=True)
class OneLayer:
    """A layer of a class, on both halves.

    Attributes:
        record: with the patches that the circuit was found on.
        own, held: of each group its patches, rows of the halves.
        found_on, phi: φ of the layer on both halves, (n, C).
        picture: of each patch held out.
        class_name: the values of the class's name on the patches held out.
        inside: whether a picture of L3 is the class's own, (pictures,).
    """

    record: LayerResult
    own: tuple[Indices, ...]
    held: tuple[Indices, ...]
    found_on: Floats
    phi: Floats
    picture: Indices
    class_name: Floats | None
    inside: Bools


def layer_labels(
    layer: OneLayer, offered: Sequence[Offered], drops: Floats, seed: Sequence[int]
) -> tuple[GroupLabel, ...]:
    """The labels of a layer's groups with their figures, not yet corrected for other layers' groups.

    Args: drops: by how much the class's logit falls without each group on each picture of L3, (G, pictures).
    """
    standard = standardised(layer.found_on, layer.phi)
    channels = [neuron.channel for neuron in layer.record.neurons]
    active = activity(layer.record, standard)
    inside = memberships(layer.record.neurons, [group.members for group in layer.record.groups])
    found = list[GroupLabel]()
    for place, one in enumerate(coherences(layer.record, layer.held, layer.found_on, layer.phi, layer.picture)):
        part = inside[:, place] / max(inside[:, place].sum(), 1e-12)
        activation = standard[:, channels] @ part
        found.append(_tested(one, place, layer, offered, drops[place], active, activation, (*seed, one.group)))
    return tuple(found)


def _tested(
    one: GroupLabel,
    place: int,
    layer: OneLayer,
    offered: Sequence[Offered],
    drops: Floats,
    activity: Floats,
    activation: Floats,
    seed: Sequence[int],
) -> GroupLabel:
    """A label with L1 to L3. Groups of one label are on one side: what they share is no mistake."""
    label, mine = offered[place], layer.held[place]
    others = [n for n in range(len(offered)) if offered[n].text != label.text]
    same = np.concatenate([layer.held[n] for n in range(len(offered)) if n not in others])
    beside = np.unique(np.concatenate(layer.held))
    given = pairs(mine, beside, layer.picture, activity, without=same)
    known: dict[str, object] = {
        "text": label.text, "score": label.score, "pictures": given.pictures,
        "overlap": label.overlap, "overlap_p": label.overlap_p,
    }  # fmt: skip
    known |= _second(label, mine, activation, seed)
    moved = effect(drops, label.pictures, layer.inside, np.random.default_rng((*seed, 3)))
    if moved is not None:
        known |= moved.figures()
    reason = NO_OTHER if not others else too_few(given.pictures) if given.pictures < FEWEST else ""
    if reason:
        return one.model_copy(update=known | {"reason": reason})
    if moved is None:
        known["reason"] = ALIKE
    made = choice(given, label.held, [offered[n].held for n in others], layer.class_name, seed)
    return one.model_copy(
        update=known
        | {
            "patches": made.patches,
            "choice": made.value,
            "choice_low": made.low,
            "choice_high": made.high,
            "null": made.null,
            "baseline": made.baseline,
            "choice_p": made.p_value,
            "p_value": None if moved is None else max(made.p_value, moved.p_value),
        }
    )


def _second(label: Offered, mine: Indices, activation: Floats, seed: Sequence[int]) -> dict[str, object]:
    """L2."""
    some = sample(activation, np.random.default_rng((*seed, 2)))
    own = np.isin(some.patches, mine)
    pure = average_precision(label.held[some.patches], own, some.weights)
    found: dict[str, object] = {
        "correlation": correlation(activation[some.patches], label.held[some.patches], some.weights)
    }
    if pure is not None:
        found |= {"precision": pure[0], "base_rate": pure[1]}
    return found


def _by_formula(
    source: Annotations,
    place: int,
    own: Sequence[Indices],
    on: Floats,
    off: Floats,
    third: Sequence[Floats],
    per_image: int,
    seed: Sequence[int],
) -> Offered:
    """The best formula for a group: its value is whether it holds."""
    truth, mine = on.astype(bool), np.zeros(len(on), dtype=bool)
    mine[own[place]] = True
    formula = best_formula(mine, truth, source.terms)
    assert formula is not None  # noqa: S101 a group has patches, and the file labels
    null = overlap_null(mine, truth, len(on) // per_image, source.terms, np.random.default_rng((*seed, 1)))
    holds = formula.holds(truth).astype(np.float64)[:, None]
    return Offered(
        text=formula.text(source.vocabulary),
        score=float(scores(holds, own)[place, 0]),
        held=formula.holds(off.astype(bool)).astype(np.float64),
        pictures=np.array([formula.holds(one.astype(bool)).mean() for one in third]),
        overlap=formula.overlap,
        overlap_p=permutation_p(formula.overlap, null, smaller=False),
    )


def _plain(values: Floats) -> Floats:
    found: Floats = values.astype(np.float64)
    return found


def corrected(found: Sequence[GroupLabel]) -> tuple[GroupLabel, ...]:
    """All labels of a class, with whether each holds."""
    q_values = together({(one.layer, one.group): one.p_value for one in found if one.p_value is not None})
    return tuple(
        one
        if one.p_value is None
        else one.model_copy(
            update={"q_value": q_values[one.layer, one.group], "holds": q_values[one.layer, one.group] <= LEVEL}
        )
        for one in found
    )


class Labelling:
    """The stage: what all classes share, and the passes of one."""

    def __init__(self, source: ImageText | Annotations | Endpoint, ready: Ready, seed: int, progress: Progress) -> None:
        self.source, self.ready, self.seed, self.progress = source, ready, seed, progress
        self.workspace: Workspace = ready.workspace

    def __call__(self, kept: Kept, first: Sequence[Chosen], held: Sequence[Chosen], others: Sequence[Chosen]) -> Kept:
        """A class with its labels.

        Args:
            first, held: its pictures, those that the circuit was found on, and those held out.
            others: pictures of other classes.
        Raises: RunError not-finite.
        """
        result = kept.result
        layers = range(len(result.layers) - 2, -1, -1)
        if not held:
            labels = tuple(
                GroupLabel(layer=result.layers[n].name, group=group.index, reason=NONE_HELD)
                for n in layers
                for group in result.layers[n].groups
            )
            return replace(kept, result=result.model_copy(update={"labels": labels}))
        own, others = ([one for one in some if self._annotated(one)][:MOST] for some in (held, others))
        beside, inside = (*own, *others), np.arange(len(own) + len(others)) < len(own)
        with self.progress.stage(f"{result.name}: labels", len(first) + len(held) + len(beside) + len(layers)) as step:
            on, off = self._half(result, first, step), self._half(result, held, step)
            third = self._third(result, beside, step)
            found, replies = list[GroupLabel](), list[LabelReply]()
            for number in layers:
                if result.layers[number].groups:
                    layer = self._layer(result, number, on, off, inside)
                    seed = (self.seed, _SEED, result.index, number)
                    drops = partial(self._drops, result, number, third.pixels, step)
                    if isinstance(self.source, Endpoint):
                        asking = Asking(
                            source=self.source, patch=self._patch, first=first, held=held, beside=beside, inside=inside,
                            per_image=self.workspace.grid.per_image, replies=replies,
                        )  # fmt: skip
                        rows = coherences(layer.record, layer.held, layer.found_on, layer.phi, layer.picture)
                        active = activity(layer.record, standardised(layer.found_on, layer.phi))
                        labels = tuple(asking.layer(rows, layer.record, layer.held, active, drops, seed))
                    else:
                        offered = self._offered(self.source, layer.own, on.values, off.values, third.values, seed)
                        labels = layer_labels(layer, offered, drops(), seed)
                    found += labels
                step.advance()
        update = {"labels": corrected(found), "label_replies": tuple(replies)}
        return replace(kept, result=result.model_copy(update=update))

    def _layer(self, result: ClassResult, number: int, on: Half, off: Half, inside: Bools) -> OneLayer:
        record = result.layers[number]
        there = with_patches(record, number, on.phi, off.phi)
        own = tuple(np.array(group.patches, dtype=np.int64) for group in record.groups)
        return OneLayer(
            record=record,
            own=own,
            held=held_patches(record, there),
            found_on=on.phi[number],
            phi=off.phi[number],
            picture=off.picture,
            class_name=_plain(off.values[:, -1]) if off.values.shape[1] > len(self.source.vocabulary) else None,
            inside=inside,
        )

    def _offered(
        self, source: ImageText | Annotations, own: Sequence[Indices], on: Floats, off: Floats,
        third: Sequence[Floats], seed: tuple[int, ...],
    ) -> list[Offered]:  # fmt: skip
        """The label on offer for each group, chosen on the pictures that the circuit was found on."""
        if isinstance(source, Annotations):
            return [
                _by_formula(source, place, own, on, off, third, self.workspace.grid.per_image, (*seed, place))
                for place in range(len(own))
            ]
        return [
            Offered(
                text=source.vocabulary[text],
                score=score,
                held=_plain(off[:, text]),
                pictures=np.array([one[text] for one in third]),
            )
            for text, score in best(on[:, : len(source.vocabulary)], own)
        ]

    def _half(self, result: ClassResult, chosen: Sequence[Chosen], step: Step) -> Half:
        pixels, per_image = self._pixels(chosen), self.workspace.grid.per_image
        phi = layer_means(
            self.workspace.forward.segments,
            patch_batches(self.workspace, pixels),
            total=len(chosen) * per_image,
            most=self.workspace.forward.rows,
            note=step.note,
        )
        return Half(
            phi=phi,
            values=np.concatenate(list(self._values(result, chosen, step))),
            picture=np.repeat(np.arange(len(chosen)), per_image),
        )

    def _third(self, result: ClassResult, chosen: Sequence[Chosen], step: Step) -> Third:
        texts = isinstance(self.source, ImageText)
        values = [one.max(axis=0) if texts else one for one in self._values(result, chosen, step)]
        return Third(pixels=self._pixels(chosen) if chosen else None, values=values)

    def _annotated(self, one: Chosen) -> bool:
        """Whether anything is known of a picture: one that a file does not name may show any label."""
        return not isinstance(self.source, Annotations) or self.source.names(one)

    def _values(self, result: ClassResult, chosen: Sequence[Chosen], step: Step) -> Iterator[Floats]:
        """Of each picture how likely each text is on its patches, with the class's name in the last column; or whether
        each label holds, (patches, T)."""
        source = self.source
        if isinstance(source, Endpoint):
            for _ in chosen:
                yield np.zeros((self.workspace.grid.per_image, 0), dtype=np.float32)
                step.advance()
            return
        if isinstance(source, Annotations):
            for one in chosen:
                yield source.truth([one], self.workspace.grid).astype(np.float32)
                step.advance()
            return
        texts, as_values = source.vectors, probabilities
        if source.knows(result.name):
            texts, as_values = np.concatenate([texts, embedded(source.texts, [result.name])]), with_name
        for one in chosen:
            cosines = embedded(source.pictures, self._crops(one, source.side)) @ texts.T
            if not np.isfinite(cosines).all():
                message = "an embedding of a patch by the model that labels groups holds NaN or Inf"
                raise RunError("not-finite", message, hint="take another model for labels, or labels.source: none")
            yield as_values(cosines, source.scale).astype(np.float32)  # of 50,000 texts all patches are kept
            step.advance()

    def _crops(self, chosen: Chosen, side: int) -> list[Image.Image]:
        """The patches of a picture, cut from the original."""
        whole = region_picture(again(chosen.item, chosen.sha256), chosen.region)
        scale = whole.width / self.workspace.grid.size
        return [
            whole.resize(
                (side, side),
                Image.Resampling.BICUBIC if length * scale > side else Image.Resampling.BILINEAR,
                box=(left * scale, top * scale, (left + length) * scale, (top + length) * scale),
            )
            for top, left, length in self.workspace.grid.table.tolist()
        ]

    def _patch(self, chosen: Chosen, window: int | None) -> Image.Image:
        """A patch of a picture, or the whole."""
        whole = region_picture(again(chosen.item, chosen.sha256), chosen.region)
        if window is None:
            return whole.resize((LOOKED_AT, LOOKED_AT), Image.Resampling.BICUBIC)
        scale = whole.width / self.workspace.grid.size
        top, left, length = self.workspace.grid.table[window].tolist()
        return whole.resize(
            (LOOKED_AT, LOOKED_AT),
            Image.Resampling.BICUBIC,
            box=(left * scale, top * scale, (left + length) * scale, (top + length) * scale),
        )

    def _pixels(self, chosen: Sequence[Chosen]) -> Tensor:
        segments = self.workspace.segments
        return load_pixels(chosen, self.ready.network.preprocess).to(segments.device, segments.dtype)

    def _drops(self, result: ClassResult, number: int, pixels: Tensor | None, step: Step) -> Floats:
        """By how much the class's logit falls on each picture with each group's neurons at 0, (G, pictures)."""
        record, workspace = result.layers[number], self.workspace
        if pixels is None:
            return np.zeros((len(record.groups), 0))
        sets = as_sets([tuple(sorted({m.channel for m in g.members})) for g in record.groups], record.channels)
        none = np.zeros((1, record.channels), dtype=bool)
        rows = AdaptiveBatch(most=workspace.forward_rows, note=step.note)
        with torch.no_grad():
            full = workspace.forward.activations(number, pixels)

            def run(most: int) -> Tensor:
                engine = workspace.ablations(number, full[:1], step.note)
                removed = [torch.from_numpy(np.concatenate([none, sets]))]
                return masked_logits(workspace.forward.segments, number, engine, full, removed, rows=most)[0]

            logits = rows.attempt(run)[:, :, result.index].double().cpu().numpy()
        found: Floats = logits[0] - logits[1:]
        return found
