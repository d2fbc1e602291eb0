"""How often the network is right on the labelled pictures that a run looks at: the first sign of a wrong preprocessing,
of wrong weights, and of classes that were tied to the wrong outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from neurflow_report.errors import InputError
from neurflow_report.fidelity.intervals import wilson
from neurflow_report.images.oddities import unusable
from neurflow_report.images.select import Predict, look
from neurflow_report.network.forward import AdaptiveBatch, batch_rows, check_finite
from neurflow_report.network.inference import Forward
from neurflow_report.progress import Progress, Step
from neurflow_report.results.records import Accuracy, Skipped
from neurflow_report.setup.networks import example_input
from neurflow_report.setup.preflight import Ready

A_CLASS, IN_ALL = 8, 160
"""Pictures that are looked at for the accuracy alone: of each class, and in all."""
REORDERED = 0.7
"""Share of pictures that are right in another order of the classes, from which that order is what is wrong."""
UNKNOWN = "the accuracy cannot be measured: no picture that was looked at has a label that belongs to an output"
UNREAD = "the accuracy cannot be measured: no picture that was looked at can be read"
_CHECK = "check the preprocessing, the weights, and which class is which output"


def forward_of(ready: Ready) -> Forward:
    """What pictures are predicted on: as many at a time as fit the memory, of which nothing else is taken yet."""
    segments = ready.workspace.segments
    example = example_input(ready.network, segments.device, segments.dtype)
    return ready.workspace.forward.allowing(batch_rows(segments, ready.workspace.memory, example))


def predictor(ready: Ready, step: Step) -> Predict:
    """Pictures to the class with the largest logit, as many at a time as fit the memory."""
    segments, forward = ready.workspace.segments, forward_of(ready)
    top = len(segments.layers) - 1
    rows = AdaptiveBatch(most=forward.rows, note=step.note)

    @torch.no_grad()
    def predict(batch: Tensor) -> np.ndarray:
        inputs = batch.to(segments.device, segments.dtype)
        logits = rows.attempt(lambda n: torch.cat([forward.activations(top, part) for part in torch.split(inputs, n)]))
        check_finite(logits, segments.layers[-1].name)
        found: np.ndarray = logits.argmax(dim=1).cpu().numpy()
        return found

    return predict


def measure(ready: Ready, progress: Progress) -> str:
    """What is to be said of the accuracy on a few pictures of each class.

    Raises: InputError too-few-images where none of them can be read.
    """
    numbers = few(ready)
    with progress.stage("measure the accuracy", None) as step:
        predicted, skipped = look(
            ready.source, numbers, predictor(ready, step), ready.network.preprocess, on_batch=lambda n: step.advance(n)
        )
        if numbers and not predicted:
            raise _none_read(len(numbers), skipped)
        note = words(accuracy(predicted, ready))
        for line in unusable([(s.name, s.reason) for s in skipped]):
            step.note(line)
        step.note(note)
    return note


def _none_read(count: int, skipped: Sequence[Skipped]) -> InputError:
    """The error for pictures of which none can be read, as `build` would come to it."""
    reasons = [s.reason for s in skipped]
    reason = max(reasons, key=reasons.count)
    message = f"of {count} pictures looked at, none can be read: {reason}"
    hint = "give pictures that can be read; docs/guide.md says which formats, and what data.white is for"
    return InputError("too-few-images", message, hint=hint, path=("data", "root"))


def few(ready: Ready) -> list[int]:
    """Pictures of the classes to examine, and of others as far as they fit, spread over each class's."""
    logits, items = ready.logits, ready.source.items
    own = [target.label for target in ready.targets if target.label is not None]
    labels = list(dict.fromkeys([*own, *(label for label, logit in enumerate(logits) if logit is not None)]))
    of: dict[int, list[int]] = {}
    for number, item in enumerate(items):
        if item.label is not None:
            of.setdefault(item.label, []).append(number)
    spread = [_spread(of.get(label, []), A_CLASS) for label in labels]
    return sorted([number for numbers in spread for number in numbers][:IN_ALL])


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    places = np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int)
    return [numbers[place] for place in places]


def accuracy(predicted: Mapping[int, int], ready: Ready) -> Accuracy | None:
    """The accuracy of predictions by item number; None where none of the pictures has a label with an output."""
    logits, items = ready.logits, ready.source.items
    pairs = [
        (predicted[number], logit)
        for number in predicted
        if (label := items[number].label) is not None and (logit := logits[label]) is not None
    ]
    if not pairs:
        return None
    right, count = sum(said == logit for said, logit in pairs), len(pairs)
    low, high = wilson(right, count)
    return Accuracy(
        pictures=count,
        classes=len({logit for _, logit in pairs}),
        right=right,
        low=low,
        high=high,
        chance=chance(pairs, ready.workspace.segments.layers[-1].channels),
        reordered=reordered(pairs),
    )


def reordered(pairs: Sequence[tuple[int, int]]) -> float | None:
    """The share that would be right, of pairs (predicted, true), if the classes stood for other outputs, each for one;
    None where that is not much more than with those that they stand for."""
    from scipy.optimize import linear_sum_assignment

    logits = sorted({logit for pair in pairs for logit in pair})
    counts = np.zeros((len(logits), len(logits)))
    for said, true in pairs:
        counts[logits.index(said), logits.index(true)] += 1
    best = float(counts[linear_sum_assignment(counts, maximize=True)].sum()) / len(pairs)
    several = len({true for _, true in pairs}) > 2
    return (
        best if several and best >= REORDERED and best - float(np.trace(counts)) / len(pairs) > REORDERED / 2 else None
    )


def chance(pairs: Sequence[tuple[int, int]], outputs: int) -> float:
    """What the same predictions would get right by chance, of pairs (predicted, true); at least 1 / outputs. Where all
    pictures are of one class, no dealing of the labels tells anything."""
    said, true = Counter(p for p, _ in pairs), Counter(t for _, t in pairs)
    dealt = sum(said[logit] * true[logit] for logit in true) / len(pairs) ** 2 if len(true) > 1 else 0.0
    return max(1 / outputs, dealt)


def words(found: Accuracy | None, looked: int = 1) -> str:
    """The accuracy as it is told, with what to do where it is no better than chance, or low.

    Args: looked: how many pictures could be read.
    """
    if found is None:
        return UNKNOWN if looked else UNREAD
    share = found.right / found.pictures
    told = (
        f"accuracy {share:.0%}: {found.right} of {found.pictures} labelled pictures of {found.classes} "
        f"{'class' if found.classes == 1 else 'classes'} (95% interval {found.low:.0%} to {found.high:.0%}, chance "
        f"{_percent(found.chance)})"
    )
    if found.reordered is not None:
        return (
            f"{told}. With the classes in another order {found.reordered:.0%} would be right: the data's classes are "
            "tied to the wrong outputs, so name the outputs in their order (model.class_names)"
        )
    if found.low <= found.chance:
        return f"{told}. That is no better than chance, as far as so many pictures tell: {_CHECK}"
    return f"{told}. The network is wrong on most of them: {_CHECK}" if found.high < 0.5 else told


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{100 * share:.2g}%"
