"""Choose the pictures that count for each class (METHOD §1): those predicted as it, labelled as it, both, or any.

A class's eligible pictures are its own first, then all others, both in the source's order or shuffled by a seed; its
pictures are the first `limit` of them that count. What is chosen for a class so never depends on which other classes
are examined.

Pictures of other classes come from a draw of all labelled pictures by the seed, the same for every class, so that few
more are looked at: one of each class in turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, zip_longest
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.errors import Gathered, InputError, ReportError, RunError, did_you_mean
from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.names import matches
from neurflow_report.images.oddities import Look, look_at, odd
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import region_of, to_input
from neurflow_report.images.sources import Item, Source
from neurflow_report.images.taken import again, take
from neurflow_report.results.records import Preprocess, Region, Skipped

Predict = Callable[[Tensor], NDArray[np.int64]]
"""(N, C, S, S) float32 → the class with the largest logit, (N,)."""


BATCH = 64
"""Pictures that are looked at together."""
_OTHERS = 1
"""What the seed of the draw of other classes' pictures has beside the run's."""
_SYSTEM = "cannot be read: "
"""How the reason begins where not the picture is wrong, but the file cannot be had."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A picture of a class. `predicted` is a logit, `label` a class of the source; `size` (width, height) in pixels;
    `sha256` is that of `taken.Taken`, from the reading that was predicted."""

    item: Item
    label: int | None
    predicted: int
    size: tuple[int, int]
    region: Region
    sha256: str
    look: Look | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The pictures of each class, in the order of the targets; how many pictures were looked at, and those that could
    not be used, in the source's order; `predicted`: the logits of all others that were looked at, by item number.

    `others`: for each target, pictures of other classes."""

    classes: tuple[tuple[Chosen, ...], ...]
    pool: int
    skipped: tuple[Skipped, ...]
    predicted: Mapping[int, int] = field(default_factory=dict)
    others: tuple[tuple[Chosen, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What was predicted for a picture, and which picture it was: its size (width, height), its digest, its look."""

    predicted: int
    size: tuple[int, int]
    sha256: str
    look: Look


@dataclass(kw_only=True)
class _Looker:
    """Predicts pictures in batches, each only once. `seen` holds what was predicted, or why nothing was, per item;
    where it is `lenient`, a picture of which the network makes nothing finite is one of the latter."""

    source: Source
    predict: Predict
    preprocess: Preprocess
    batch: int
    on_batch: Callable[[int], None]
    lenient: bool = False
    seen: dict[int, _Seen | Skipped] = field(default_factory=dict)

    def predictions(self, numbers: Sequence[int]) -> Iterator[tuple[int, _Seen]]:
        """(item number, what was seen) in the order of `numbers`, unusable ones left out; a batch ahead at most."""
        for start in range(0, len(numbers), self.batch):
            some = numbers[start : start + self.batch]
            self._look([n for n in some if n not in self.seen])
            for number in some:
                seen = self.seen[number]
                if isinstance(seen, _Seen):
                    yield number, seen

    def predicted(self) -> dict[int, int]:
        """The logits of all that could be looked at."""
        return {number: seen.predicted for number, seen in sorted(self.seen.items()) if isinstance(seen, _Seen)}

    def _look(self, numbers: Sequence[int]) -> None:
        inputs: dict[int, Tensor] = {}
        known: dict[int, tuple[tuple[int, int], str, Look]] = {}
        for number in numbers:
            item = self.source.items[number]
            try:
                taken = take(item)
                inputs[number] = to_input(taken.picture, self.preprocess)[0]
                known[number] = (taken.picture.size, taken.sha256, look_at(taken.picture))
            except PictureError as error:
                self.seen[number] = Skipped(name=item.name, reason=str(error))
        if inputs:
            for number, logit in self._predicted(inputs).items():
                size, sha256, seen = known[number]
                self.seen[number] = _Seen(predicted=logit, size=size, sha256=sha256, look=seen)
        if numbers:
            self.on_batch(len(numbers))

    def _predicted(self, inputs: Mapping[int, Tensor]) -> dict[int, int]:
        """What is predicted of pictures, by item number."""
        try:
            return dict(zip(inputs, map(int, self.predict(torch.stack(list(inputs.values())))), strict=True))
        except RunError as error:
            if not self.lenient or error.slug != "not-finite":
                raise
            if len(inputs) > 1:
                alone = [self._predicted({number: one}) for number, one in inputs.items()]
                return {number: logit for one in alone for number, logit in one.items()}
            for number in inputs:
                self.seen[number] = Skipped(name=self.source.items[number].name, reason=error.message)
            return {}


def _unheard(_rows: int) -> None:
    """Nobody follows the progress."""


def choose(
    source: Source,
    targets: Sequence[ClassTarget],
    predict: Predict,
    preprocess: Preprocess,
    *,
    select: Literal["predicted", "labelled", "correct", "any"] = "predicted",
    limit: int = 50,
    pool: Literal["all", "class"] = "all",
    sample: Literal["first", "random"] = "first",
    seed: int = 0,
    others: Callable[[int], int] = lambda _pictures: 0,
    batch: int = BATCH,
    on_batch: Callable[[int], None] = _unheard,
    on_looked: Callable[[Mapping[int, int]], None] = lambda _predicted: None,
    leave: Callable[[int, ReportError], None] | None = None,
) -> Choice:
    """The first `limit` pictures that count for each target (METHOD §1); looking stops as soon as a class has enough.

    Args:
        select: what counts.
        pool: whether predicted pictures are also looked for outside the class's own.
        sample: the first in the source's order, or a draw by `seed`.
        others: how many pictures of other classes are wanted beside so many of a class.
        batch: pictures a call of `predict`.
        on_batch: told how many pictures were looked at, after each batch.
        on_looked: told at the end what was predicted, by item number, before what is wrong is raised.
        leave: told of a target, by its number, what is wrong with it: the others go on, unless there are none.
    Raises (of all targets at once):
        InputError class-empty (path data.root) where the data has the class but no picture of it, or pictures of its
            own are needed and the data does not have the class (path ("classes", i)).
        InputError too-few-images (the same path) where none counts, with how many were looked at.
    """
    looker = _Looker(
        source=source,
        predict=predict,
        preprocess=preprocess,
        batch=batch,
        on_batch=on_batch,
        lenient=leave is not None,
    )

    def chosen_for(i: int, target: ClassTarget) -> tuple[Chosen, ...]:
        eligible = eligible_pictures(source, target, i, select=select, pool=pool, sample=sample, seed=seed)
        found = _first(looker, eligible, target, select, limit)
        if not found:
            raise _none(target, select, [looker.seen[n] for n in eligible if n in looker.seen], i)
        return tuple(_chosen(source.items[n], seen, preprocess) for n, seen in found)

    each = [Gathered() for _ in targets]
    chosen = [
        one.attempt(partial(chosen_for, i, target)) for i, (one, target) in enumerate(zip(each, targets, strict=True))
    ]
    beside = tuple(
        tuple(
            _chosen(source.items[n], seen, preprocess)
            for n, seen in _others(looker, target, select, seed, {c.sha256 for c in own}, others(len(own)))
        )
        for target, own in zip(targets, chosen, strict=True)
        if own is not None
    )
    on_looked(looker.predicted())
    if leave is None or not any(chosen):
        Gathered([error for one in each for error in one.errors]).tell()
    elif leave is not None:
        for i, one in enumerate(each):
            for error in one.errors:
                leave(i, error)
    skipped = tuple(s for _, s in sorted(looker.seen.items()) if isinstance(s, Skipped))
    return Choice(
        classes=tuple(c for c in chosen if c is not None),
        pool=len(looker.seen),
        skipped=skipped,
        predicted=looker.predicted(),
        others=beside,
    )


def look(
    source: Source,
    numbers: Sequence[int],
    predict: Predict,
    preprocess: Preprocess,
    *,
    batch: int = BATCH,
    on_batch: Callable[[int], None] = _unheard,
) -> tuple[dict[int, int], tuple[Skipped, ...]]:
    """What is predicted for these pictures of the source, by item number; and those that cannot be used."""
    looker = _Looker(source=source, predict=predict, preprocess=preprocess, batch=batch, on_batch=on_batch)
    for _ in looker.predictions(numbers):
        pass
    return looker.predicted(), tuple(seen for seen in looker.seen.values() if isinstance(seen, Skipped))


def eligible_pictures(
    source: Source, target: ClassTarget, i: int, *, select: str, pool: str, sample: str = "first", seed: int = 0
) -> list[int]:
    """The numbers of the pictures that may count for target number `i`, in the order in which they are looked at.

    Args: sample: `first`, the source's order, or `random`, drawn from `seed` and the target's logit alone.
    Raises: InputError class-empty, as `choose` tells it.
    """
    own = [n for n, item in enumerate(source.items) if target.label is not None and item.label == target.label]
    others = select in {"predicted", "any"} and pool == "all"
    empty = [source.empty[n] for n in matches(target.name, source.empty)]
    if not own and (target.label is not None or empty or not others):
        raise _empty(source, target, empty, i)
    rest = sorted(set(range(len(source.items))) - set(own)) if others else []
    if sample == "random":
        draw = np.random.default_rng([seed, target.index])
        return [*draw.permutation(own).tolist(), *draw.permutation(rest).tolist()]
    return [*own, *rest]


def _first(
    looker: _Looker, eligible: Sequence[int], target: ClassTarget, select: str, limit: int
) -> list[tuple[int, _Seen]]:
    """The first `limit` eligible pictures that count, with what was predicted for them."""
    found: list[tuple[int, _Seen]] = []
    for number, seen in looker.predictions(eligible):
        if select in {"labelled", "any"} or seen.predicted == target.index:
            found.append((number, seen))
            if len(found) == limit:
                break
    return found


def of_other_classes(source: Source, target: ClassTarget, *, select: str, seed: int) -> list[int]:
    """The numbers of the pictures that may count as of another class than the target's, in the order in which they are
    looked at: a draw by the seed, the same for every target, one of each class of the data in turn. Those without a
    label are a class of their own, where the network's word counts."""
    random, by_class = np.random.default_rng([seed, _OTHERS]), dict[int, list[int]]()
    for number, item in enumerate(source.items):
        by_class.setdefault(-1 if item.label is None else item.label, []).append(number)
    classes = [(label, random.permutation(by_class[label]).tolist()) for label in sorted(by_class)]
    classes = [classes[i] for i in random.permutation(len(classes))]
    left = [some for label, some in classes if (select == "predicted" if label < 0 else label != target.label)]
    return [number for turn in zip_longest(*left) for number in turn if number is not None]


def _others(
    looker: _Looker, target: ClassTarget, select: str, seed: int, own: Collection[str], most: int
) -> list[tuple[int, _Seen]]:
    """The first `most` pictures of other classes, but for those that count for this one.

    Args: own: the digests of the class's pictures.
    """
    eligible = of_other_classes(looker.source, target, select=select, seed=seed) if most else []
    found: list[tuple[int, _Seen]] = []
    for number, seen in looker.predictions(eligible):
        if seen.sha256 not in own and (select != "predicted" or seen.predicted != target.index):
            found.append((number, seen))
            if len(found) == most:
                break
    return found


def _empty(source: Source, target: ClassTarget, empty: Sequence[str], i: int) -> InputError:
    if target.label is not None or empty:
        folder = empty[0] if target.label is None else source.class_names[target.label]
        message = f"class {target.name!r} has no picture: {folder!r} in {source.name!r} holds none that is read"
        hint = "add pictures of the class, or take it out of `classes`"
        return InputError("class-empty", message, hint=hint, path=("data", "root"))
    message = f"class {target.name!r} (logit {target.index}) has no picture: {source.name!r} has no such class"
    hint = "use select: predicted with pool: all, or a data set that has the class"
    close = did_you_mean(target.name, source.class_names)
    hint = f"{close} Or {hint}" if close else hint
    return InputError("class-empty", message, hint=hint, path=("classes", i))


def _none(target: ClassTarget, select: str, seen: Sequence[_Seen | Skipped], i: int) -> InputError:
    reasons = [s.reason for s in seen if isinstance(s, Skipped)]
    reason = max(reasons, key=reasons.count, default="")
    rest = f" ({len(reasons)} could not be read: {reason.removeprefix(_SYSTEM)})" if reasons else ""
    how = {"predicted": "predicted as it", "correct": "labelled and predicted as it"}.get(select, "usable")
    message = f"class {target.name!r} (logit {target.index}): of {len(seen)} pictures looked at, 0 are {how}{rest}"
    hint = "check the weights, the preprocessing and the order of the classes, or use select: labelled"
    if len(reasons) == len(seen):
        hint = "give pictures that can be read; docs/guide.md says which formats"
        hint = "are the files there, and may you read them?" if reason.startswith(_SYSTEM) else hint
    return InputError("too-few-images", message, hint=hint, path=("classes", i))


def _chosen(item: Item, seen: _Seen, preprocess: Preprocess) -> Chosen:
    return Chosen(
        item=item,
        label=item.label,
        predicted=seen.predicted,
        size=seen.size,
        region=region_of(seen.size, preprocess),
        sha256=seen.sha256,
        look=seen.look,
    )


def load_pixels(chosen: Sequence[Chosen], preprocess: Preprocess) -> Tensor:
    """The inputs of the chosen pictures, (I, C, S, S) float32, on the CPU.

    Raises: RunError data-changed.
    """
    return torch.stack([to_input(again(c.item, c.sha256), preprocess)[0] for c in chosen])


def oddities(choice: Choice, targets: Sequence[ClassTarget]) -> tuple[str, ...]:
    """What should be known of the pictures chosen, a line each."""
    return odd(
        [
            (target.name, [(c.item.name, c.sha256, c.look) for c in chosen if c.look is not None])
            for target, chosen in zip(targets, choice.classes, strict=True)
        ]
    )


def digest_of(digests: Iterable[str]) -> str:
    """sha256, in hex, over the digests of pictures, in order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def choice_digest(choice: Choice) -> str:
    """That of all pictures chosen, in order; then of those of other classes, class by class."""
    own = [picture.sha256 for picture in chain.from_iterable(choice.classes)]
    return digest_of([*own, *(digest_of(p.sha256 for p in some) for some in choice.others if some)])
