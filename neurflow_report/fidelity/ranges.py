"""F14, range masking: is the class lost where its core neurons are put out only in the range that it gives them?
(NeuronLens, arXiv 2502.06809; METHOD §5)

A neuron's range is within 2.5 standard deviations of its mean over the class's pictures and all places. Where its
activation lies in the range it is set to 0, on pictures of the class and of other classes. The null: other classes'
ranges of the same neurons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.fidelity.intervals import Range, difference_interval, drop_interval, permutation_p, wilson
from neurflow_report.network import devices
from neurflow_report.results.catalogue import RANGE
from neurflow_report.results.records import Measure, NotRun

CLASSES, FEWEST = 10, 3
"""Other classes whose ranges are the null, at most, and the pictures of each, at least."""
NO_OTHERS = "no pictures of other classes"
OWN, ALIEN = "the class, its ranges", "others, its ranges"
"""The cases that are shares of one kind of picture; the others are differences of two."""
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """Between which activations neurons are put out, both included, (neurons,) each; on the activations' device."""

    low: Tensor
    high: Tensor


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What putting neurons out does: of the class's pictures the share no longer taken for it, less those newly so; of
    the others the share taken for something else than before. Each with its 95% interval."""

    own: float
    own_range: Range
    others: float
    others_range: Range
    n: int
    alien: int

    @property
    def more(self) -> float:
        """How much more of the class is lost than of the others."""
        return self.own - self.others


def ranges_of(parts: Iterable[Tensor], channels: Sequence[int], axis: int) -> Ranges:
    """The ranges of some channels over pictures and places.

    Args: parts: activations, (n, …), some pictures at a time; axis: which of theirs the channels are.
    """
    count, found = 0, list[Tensor]()  # the first mean, then sums around it: their squares keep their digits
    for part in parts:
        value = _of(part, channels, axis).to(devices.with_float64(part.device)).double()
        first = found[0] if found else value.mean(dim=0)
        off, count, like = value - first, count + len(value), part
        sums = [off.sum(dim=0), (off**2).sum(dim=0)]
        found = [first, *(a + b for a, b in zip(found[1:], sums, strict=True))] if found else [first, *sums]
    first, off, squares = found[0], found[1] / count, found[2] / count
    reach = RANGE * (squares - off**2).clamp(min=0).sqrt()
    return Ranges(low=(first + off - reach).to(like), high=(first + off + reach).to(like))


def _of(activation: Tensor, channels: Sequence[int], axis: int) -> Tensor:
    """The activations of some channels, (pictures × places, channels)."""
    return activation.movedim(axis, -1)[..., list(channels)].flatten(0, -2)


def put_out(activation: Tensor, channels: Sequence[int], axis: int, ranges: Ranges) -> Tensor:
    """The activation with the channels at 0 wherever they are within their ranges."""
    found = activation.movedim(axis, -1).clone()
    own = found[..., list(channels)]
    found[..., list(channels)] = own.masked_fill((own >= ranges.low) & (own <= ranges.high), 0)
    return found.movedim(-1, axis)


def lost(logit: int, before: tuple[Indices, Indices], after: tuple[Indices, Indices]) -> Lost:
    """What is lost, from the classes predicted for the class's pictures and for the others, before and after."""
    was, now = (one[0] == logit for one in (before, after))
    gone, won = int((was & ~now).sum()), int((~was & now).sum())
    changed, alien = int((before[1] != after[1]).sum()), len(before[1])
    return Lost(
        own=(gone - won) / len(was), own_range=drop_interval(gone, won, int((~was).sum()), len(was)),
        others=changed / alien if alien else 0.0, others_range=wilson(changed, alien), n=len(was), alien=alien,
    )  # fmt: skip


def measures(layer: str, own: Lost, whole: Lost, null: Sequence[float]) -> tuple[Measure, ...]:
    """The figures of a layer, from what is lost in the class's ranges, with all of the neurons, and what of the class
    is lost in the ranges of other classes."""
    found = list[tuple[str, float, float, float, int, dict[str, float]]]()
    for case, one in (("more of the class, its ranges", own), ("more of the class, whole neurons", whole)):
        low, high = difference_interval(one.own, one.own_range, one.others, one.others_range)
        found.append((case, one.more, low, high, one.n + one.alien, {}))
    chance = dict[str, float]()
    if null:
        low, high = np.quantile(null, [0.025, 0.975]).tolist()
        p_value = permutation_p(own.own, null, smaller=False)
        chance = {"null": float(np.mean(null)), "null_low": low, "null_high": high, "p_value": p_value}
    found.append((OWN, own.own, *own.own_range, own.n, chance))
    found.append((ALIEN, own.others, *own.others_range, own.alien, {}))
    return tuple(
        Measure(
            experiment="ranges", layer=layer, case=case, value=value, low=low, high=high, n=n, unit="picture", **more
        )
        for case, value, low, high, n, more in found
    )


def _run(at: Subject) -> Results:
    core = [n.channel for n in at.layer.neurons]
    if not core:
        return Results()

    def predicted(ranges: Ranges | None) -> tuple[Indices, Indices]:
        """For the pictures measured, and for the others."""
        return (_predicted(at, core, at.measured(), ranges), _predicted(at, core, at.others(), ranges))

    before = predicted(None)
    if not len(before[1]):
        return Results(not_run=(NotRun(experiment="ranges", layer=at.layer.name, reason=NO_OTHERS),))
    like = torch.zeros(len(core), device=next(at.pictures()).device)
    whole = Ranges(low=torch.full_like(like, -torch.inf), high=torch.full_like(like, torch.inf))
    own = lost(at.logit, before, predicted(ranges_of(at.pictures(), core, at.axis)))
    null = []
    for name in _classes(before[1], at.logit):
        theirs = ranges_of(_some(at.others(), np.flatnonzero(before[1] == name)), core, at.axis)
        after = _predicted(at, core, at.measured(), theirs)
        null.append(float((before[0] == at.logit).mean() - (after == at.logit).mean()))
    return Results(measures=measures(at.layer.name, own, lost(at.logit, before, predicted(whole)), null))


def _classes(predicted: Indices, logit: int) -> list[int]:
    """The classes that most of the other pictures are taken for."""
    names, counts = np.unique(predicted[predicted != logit], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:CLASSES]
    return [int(names[i]) for i in order if counts[i] >= FEWEST]


def _some(parts: Iterator[Tensor], wanted: Indices) -> Iterator[Tensor]:
    """Those rows of the parts, counted through all of them, that are wanted."""
    first = 0
    for part in parts:
        mine = wanted[(wanted >= first) & (wanted < first + len(part))] - first
        first += len(part)
        if len(mine):
            yield part[torch.from_numpy(mine).to(part.device)]


@torch.no_grad()
def _predicted(at: Subject, core: Sequence[int], parts: Iterator[Tensor], ranges: Ranges | None) -> Indices:
    """Which class is predicted for each picture, with the core put out in ranges (None: as it is)."""
    found = [at.above(part if ranges is None else put_out(part, core, at.axis, ranges)).argmax(dim=1) for part in parts]
    every: Indices = torch.cat(found).cpu().numpy() if found else np.zeros(0, np.int64)
    return every


def _work(at: LayerSize) -> Iterator[Work]:
    """Passes from the layer up, each at about a third of one with its gradient."""
    yield Work(part="marginal contributions", rows=(3 * 5 + CLASSES) * at.pictures / 3)


EXPERIMENT = LayerExperiment(name="ranges", stage="range masking", unit="layers", run=_run, work=_work, top=False)
