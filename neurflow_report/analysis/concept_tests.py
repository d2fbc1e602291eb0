"""The user's own concepts, tested at each layer below the logits for each class (METHOD §5).

The directions follow from the concepts and the run's pictures alone, so that all classes share them. They are found
after the classes, whether these were examined or found in the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.attribution.affine_backward import spatial_sum
from neurflow_report.errors import RunError
from neurflow_report.fidelity.concept_tests import (
    A_CONCEPT,
    FEWEST_OTHERS,
    NO_DIRECTION,
    NO_OTHERS,
    OTHERS,
    Vectors,
    corrected,
    draws,
    one_test,
    vectors,
)
from neurflow_report.images.concepts import Concept
from neurflow_report.images.preprocess import to_input
from neurflow_report.images.select import Choice
from neurflow_report.images.sources import Item
from neurflow_report.images.taken import again
from neurflow_report.network.forward import AdaptiveBatch, layer_means
from neurflow_report.progress import Progress, Step
from neurflow_report.results.cache import Kept
from neurflow_report.results.records import ConceptTest, Preprocess
from neurflow_report.setup.preflight import Ready
from neurflow_report.setup.workspace import Workspace

Floats = NDArray[np.floating]
BATCH = 64
"""Pictures that are opened together."""
_SEED = 20
"""What the seeds of these draws have beside the run's."""
Picture = tuple[str, Item]
"""Its digest, and where it is read."""


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Of each concept its directions at each layer below the logits, or why there are none."""

    concepts: tuple[str, ...]
    found: tuple[tuple[Vectors | str, ...], ...]


def directions(concepts: Sequence[Concept], choice: Choice, ready: Ready, seed: int, progress: Progress) -> Directions:
    """The directions of all concepts.

    Args: choice: all of the run's pictures, of which the others are.
    Raises: RunError not-finite, data-changed.
    """
    layers = [layer.name for layer in ready.workspace.segments.layers[:-1]]
    every = {one.sha256: one.item for one in chain(*choice.classes, *choice.others)}
    others = _some(sorted(every.items(), key=lambda one: one[0]), OTHERS, (seed, _SEED))
    own = [_some(tuple(zip(c.digests, c.items, strict=True)), A_CONCEPT, _seeds(seed, c)) for c in concepts]
    pictures = dict(chain(others, *own))
    sets = draws(len(concepts) * len(layers))
    with progress.stage("concepts", len(pictures) + len(concepts) * len(layers)) as step:
        phi = _means(ready.workspace, pictures.items(), ready.network.preprocess, step)
        place = {digest: number for number, digest in enumerate(pictures)}
        found = list[tuple[Vectors | str, ...]]()
        for concept, mine in zip(concepts, own, strict=True):
            known = [place[digest] for digest, _ in mine]
            theirs = set(concept.digests)
            beside = [place[digest] for digest, _ in others if digest not in theirs]
            found.append(
                tuple(_at_layer(phi[n], known, beside, sets, _seeds(seed, concept), step) for n in range(len(layers)))
            )
    return Directions(concepts=tuple(c.name for c in concepts), found=tuple(found))


def _at_layer(
    phi: Floats, own: Sequence[int], others: Sequence[int], sets: int, seed: Sequence[int], step: Step
) -> Vectors | str:
    step.advance()
    if len(others) < FEWEST_OTHERS:
        return NO_OTHERS
    return vectors(phi[[*own, *others]], len(own), sets, seed=seed) or NO_DIRECTION


def _seeds(seed: int, concept: Concept) -> tuple[int, ...]:
    """A concept's own: what is found of it follows from its pictures, whatever others there are."""
    return seed, _SEED, int(concept.record.digest[:8], 16)


def _some(pictures: Sequence[Picture], most: int, seed: Sequence[int]) -> tuple[Picture, ...]:
    """All of them, or a draw, in their order."""
    if len(pictures) <= most:
        return tuple(pictures)
    chosen = np.random.default_rng(seed).permutation(len(pictures))[:most]
    return tuple(pictures[n] for n in sorted(chosen.tolist()))


def _means(workspace: Workspace, pictures: Iterable[Picture], preprocess: Preprocess, step: Step) -> tuple[Floats, ...]:
    """φ of each layer on whole pictures, (pictures, C) each."""
    every = list(pictures)

    def batches() -> Iterator[Tensor]:
        for first in range(0, len(every), BATCH):
            some = every[first : first + BATCH]
            yield torch.stack([to_input(again(item, digest), preprocess)[0] for digest, item in some])

    return layer_means(
        workspace.segments, batches(), total=len(every), most=workspace.forward_rows, on_batch=step.advance,
        note=step.note,
    )  # fmt: skip


def gradients(workspace: Workspace, number: int, pixels: Tensor, logit: int, rows: AdaptiveBatch) -> Floats:
    """The derivative of the logit to φ of each channel of a layer, moved alike at all places, (n, C).

    The host waits once, for all pictures.

    Raises: RunError not-finite.
    """
    top, axis = len(workspace.segments.layers) - 1, workspace.segments.feature_axis(number)
    above = workspace.segments.between(number, top)

    def of(part: Tensor) -> Tensor:
        value = workspace.forward.activations(number, part).detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(above(value)[:, logit].sum(), value)
        return spatial_sum(gradient, axis)

    every = rows.attempt(lambda n: torch.cat([of(part) for part in torch.split(pixels, n)]))
    found: Floats = every.cpu().double().numpy()
    if not np.isfinite(found).all():
        message = f"a gradient of the logit to layer {workspace.segments.layers[number].name!r} is NaN or Inf"
        raise RunError("not-finite", message, hint="with float32, try runtime.precision: float64")
    return found


def concept_tests(
    workspace: Workspace, pixels: Tensor, logit: int, given: Directions, step: Step
) -> tuple[ConceptTest, ...]:
    """The tests of a class, layer by layer from the logits down.

    Args: pixels: the class's pictures as inputs, on the workspace's device.
    """
    found = list[ConceptTest]()
    for number in range(len(workspace.segments.layers) - 2, -1, -1):
        rows = AdaptiveBatch(most=min(workspace.pair_rows[number:]), note=step.note)
        layer, slopes = workspace.segments.layers[number].name, gradients(workspace, number, pixels, logit, rows)
        for concept, along in zip(given.concepts, given.found, strict=True):
            at = along[number]
            if isinstance(at, str):
                found.append(ConceptTest(layer=layer, concept=concept, n=len(pixels), reason=at))
            else:
                found.append(one_test(layer, concept, slopes, at))
        step.advance()
    return corrected(found)


def with_concepts(kept: Kept, pixels: Tensor, given: Directions, workspace: Workspace, progress: Progress) -> Kept:
    """A class with its tests of the concepts."""
    result = kept.result
    with progress.stage(f"{result.name}: concepts", len(workspace.segments.layers) - 1) as step:
        tests = concept_tests(workspace, pixels, result.index, given, step)
    return replace(kept, result=result.model_copy(update={"concept_tests": tests}))
