"""Which pictures are explained, by which class's circuit, and their records (METHOD §7).

It comes after the classes are known, whether they were examined or found in the cache: of a class only its record is
needed, and its pictures, to say which of them its circuit was found on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest

import numpy as np
import torch

from neurflow_report.analysis.causes import Margins, explain
from neurflow_report.errors import ReportError
from neurflow_report.images.preprocess import region_of, to_input
from neurflow_report.images.select import Chosen, load_pixels
from neurflow_report.images.sources import Item
from neurflow_report.images.taken import take
from neurflow_report.network.forward import AdaptiveBatch, check_finite
from neurflow_report.progress import Progress
from neurflow_report.results.cache import Kept
from neurflow_report.results.records import ClassResult, Debugged, Debugging, Unexplained
from neurflow_report.results.redact import without_paths
from neurflow_report.setup.preflight import Ready
from neurflow_report.setup.settings import RunSettings
from neurflow_report.setup.stored_pictures import Images, region_bytes
from neurflow_report.spec.schema import Debug

TOGETHER = 64
"""Pictures of a circuit that are explained together."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A picture that is to be explained.

    Attributes:
        contrast: what q is.
        number: that of the class, among those examined, by whose circuit.
    """

    chosen: Chosen
    p: int
    q: int
    contrast: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Questions:
    """All pictures that are to be explained, and what the run says of them."""

    asked: tuple[Asked, ...]
    record: Debugging | None

    def of(self, number: int) -> tuple[Asked, ...]:
        """Those for the circuit of a class."""
        return tuple(one for one in self.asked if one.number == number)


def questions(
    debug: Debug, ready: Ready, predicted: Mapping[int, int], progress: Progress, *, keep_going: bool = False
) -> Questions:
    """Which pictures are to be explained.

    Args:
        predicted: the logits of the pictures that the run looked at, by item number.
        keep_going: a picture whose logits are not finite is not explained, and ends nothing.
    """
    if debug.images == "none":
        return Questions(asked=(), record=None)
    items, labelled, mistakes = ready.debugged, 0, 0
    if debug.images == "misclassified":
        known = _labelled(ready, predicted)
        wrong = [(n, said, true) for n, said, true in known if said != true]
        labelled, mistakes = len(known), len(wrong)
        items = tuple(ready.source.items[n] for n in _in_turn(wrong, ready)[: debug.limit])
    with progress.stage("choose pictures to explain", None):
        logits = [target.index for target in ready.targets]
        asked, unexplained = asked_of(items, ready, debug.contrast, logits, keep_going=keep_going)
    record = Debugging(
        images="misclassified" if debug.images == "misclassified" else "named",
        limit=debug.limit,
        contrast=debug.contrast,
        labelled=labelled,
        mistakes=mistakes,
        explained=len(asked),
        unexplained=unexplained,
    )
    return Questions(asked=asked, record=record)


def _labelled(ready: Ready, predicted: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """Of the pictures with a label that has an output: the item's number, what is said of it, and what is true."""
    found = []
    for number, said in sorted(predicted.items()):
        label = ready.source.items[number].label
        true = None if label is None else ready.logits[label]
        if true is not None:
            found.append((number, said, true))
    return found


def _in_turn(wrong: Sequence[tuple[int, int, int]], ready: Ready) -> list[int]:
    """The misclassified pictures that a circuit explains: of each class in turn, those taken for it before its own."""
    targets = {target.index: n for n, target in enumerate(ready.targets)}
    said: list[list[int]] = [[] for _ in targets]
    true: list[list[int]] = [[] for _ in targets]
    for number, p, q in wrong:
        if p in targets:
            said[targets[p]].append(number)
        elif q in targets:
            true[targets[q]].append(number)
    return [n for own in (said, true) for turn in zip_longest(*own) for n in turn if n is not None]


def asked_of(
    items: Sequence[Item], ready: Ready, contrast: str, circuits: Sequence[int], *, keep_going: bool = False
) -> tuple[tuple[Asked, ...], tuple[Unexplained, ...]]:
    """What there is to be asked of pictures; those that no circuit explains, and why.

    Args:
        contrast: as the spec's.
        circuits: the logits of the classes that have one.
        keep_going: as `questions` has it.
    Raises: RunError not-finite; what reading a picture raises.
    """
    asked, unexplained = dict[tuple[str, int], Asked](), list[Unexplained]()
    for first in range(0, len(items), TOGETHER):
        for one in _looked_at(items[first : first + TOGETHER], ready, contrast, circuits, keep_going):
            if isinstance(one, Unexplained):
                unexplained.append(one)
            else:
                asked.setdefault((one.chosen.sha256, one.q), one)
    return tuple(asked.values()), tuple(unexplained)


def _looked_at(
    items: Sequence[Item], ready: Ready, contrast: str, circuits: Sequence[int], keep_going: bool
) -> Iterator[Asked | Unexplained]:
    segments, forward, preprocess = ready.workspace.segments, ready.workspace.forward, ready.network.preprocess
    taken = [take(item) for item in items]
    pixels = torch.stack([to_input(one.picture, preprocess)[0] for one in taken])
    top = len(segments.layers) - 1
    rows = AdaptiveBatch(most=forward.rows)
    with torch.no_grad():
        logits = rows.attempt(
            lambda n: torch.cat(
                [forward.activations(top, part.to(segments.device, segments.dtype)) for part in torch.split(pixels, n)]
            )
        )
    finite = logits.isfinite().all(dim=1).tolist()
    if not keep_going:
        check_finite(logits, segments.layers[top].name)
    order = np.argsort(-logits.double().cpu().numpy(), axis=1, kind="stable")
    targets = {logit: n for n, logit in enumerate(circuits)}
    for item, one, best, sound in zip(items, taken, order[:, :2].tolist(), finite, strict=True):
        if not sound:
            yield Unexplained(name=item.name, reason="its logits are not finite")
            continue
        true = None if item.label is None else ready.logits[item.label]
        p, runner_up = best
        of_truth = contrast == "truth" and true is not None and true != p
        q = true if of_truth and true is not None else runner_up
        number = targets.get(p, targets.get(q))
        if number is None:
            said, against = ready.names[p], ready.names[q]
            reason = f"it is taken for {said} and held against {against}, and neither is among the classes examined"
            yield Unexplained(name=item.name, reason=reason)
            continue
        size = one.picture.size
        chosen = Chosen(
            item=item, label=item.label, predicted=p, size=size, region=region_of(size, preprocess), sha256=one.sha256
        )
        yield Asked(chosen=chosen, p=p, q=q, contrast="truth" if of_truth else "runner_up", number=number)


def explained(
    asked: Sequence[Asked],
    result: ClassResult,
    ready: Ready,
    settings: RunSettings,
    *,
    images: Images,
    progress: Progress,
) -> tuple[tuple[Debugged, ...], dict[str, bytes]]:
    """The records of pictures by the circuit of a class, and the pictures that the bundle keeps.

    Raises: RunError not-finite.
    """
    found, files = list[Debugged](), dict[str, bytes]()
    if not asked:
        return (), {}
    found_on = {p.sha256 for p in result.pictures if not p.held_out}
    workspace, layers = ready.workspace, len(result.layers) - 1
    with progress.stage(f"{result.name}: why these pictures", layers * -(-len(asked) // TOGETHER)) as step:
        for first in range(0, len(asked), TOGETHER):
            some = asked[first : first + TOGETHER]
            pixels = load_pixels([one.chosen for one in some], ready.network.preprocess)
            margins = Margins(
                pixels=pixels.to(workspace.segments.device, workspace.segments.dtype),
                p=[one.p for one in some],
                q=[one.q for one in some],
                seeds=[int(one.chosen.sha256[:8], 16) for one in some],
            )
            causes = explain(
                workspace, result, margins, quadrature=settings.quadrature, names=ready.names, seed=settings.seed,
                step=step,
            )  # fmt: skip
            for one, (margin, per_layer) in zip(some, causes, strict=True):
                file, data = region_bytes(one.chosen, images)
                files[file] = data
                label = one.chosen.label
                found.append(
                    Debugged(
                        name=one.chosen.item.name,
                        sha256=one.chosen.sha256,
                        label=None if label is None else ready.label_names[label],
                        file=file,
                        found_on=one.chosen.sha256 in found_on,
                        p=one.p,
                        predicted=ready.names[one.p],
                        q=one.q,
                        against=ready.names[one.q],
                        contrast="truth" if one.contrast == "truth" else "runner_up",
                        margin=margin,
                        layers=per_layer,
                    )
                )
    return tuple(found), files


def with_explained(
    kept: Kept,
    asked: Sequence[Asked],
    ready: Ready,
    settings: RunSettings,
    *,
    images: Images,
    progress: Progress,
    leave: Callable[[Unexplained], None] | None = None,
) -> Kept:
    """A class with the pictures that its circuit explains.

    Args: leave: takes a picture that fails, which is left out; None: it ends the run.
    """
    if not asked:
        return kept
    one = partial(explained, result=kept.result, ready=ready, settings=settings, images=images, progress=progress)
    try:
        found, files = one(asked)
    except ReportError:
        if leave is None:
            raise
        found, files = (), {}
        for picture in asked:
            try:
                more, file = one([picture])
            except ReportError as error:
                leave(Unexplained(name=picture.chosen.item.name, reason=without_paths(error.message)))
            else:
                found, files = found + more, files | file
    result = kept.result.model_copy(update={"debugged": found})
    return replace(kept, result=result, pictures={**kept.pictures, **files})
