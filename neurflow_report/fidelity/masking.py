"""F1, masking and retaining: does the class survive without its core neurons, or with them alone? (METHOD §5)

1. The activation of a layer on the pictures, those of the class and some of other classes, is computed once.
2. The core set of the layer, and random sets of the same size, are set to 0 (mask), or everything else is (retain).
3. The rest of the network runs under all these masks in one pass; accuracy is the share still predicted as
   the class.
4. Cumulatively, from a layer up: the same is done at every layer above as well, up to the logits, with their core sets
   and with their random sets.
5. On pictures of other classes the share predicted as the class is a false one: J = TPR − FPR. It is taken with the
   core set at 0, and, on all pictures, with channels at their mean; random sets are retained at their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import (
    crossed_drop,
    crossed_share,
    difference_interval,
    drop_interval,
    permutation_p,
    wilson,
)
from neurflow_report.results.records import Masking, Neuron, NotRun, TwoSided

Hits = NDArray[np.bool_]
NO_OTHERS = "no pictures of other classes"


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Masks of a layer, and of each that follows it, and the pictures that they run on.

    Attributes:
        removed: bool (M, C) a layer, the lowest first, True where a channel is removed.
        mean: whether removed channels are set to their mean over all pictures, not to 0.
        own, others: whether it runs on the class's pictures, and on those of other classes after them.
    """

    removed: Sequence[torch.Tensor]
    mean: bool
    own: bool
    others: bool

    def only(self, rows: Sequence[int]) -> Pass:
        """The same with these of the masks."""
        return replace(self, removed=[one[list(rows)] for one in self.removed])


Predictions = Callable[[int, Sequence[Pass]], Sequence[tuple[Hits, Hits]]]
"""Which pictures are predicted as the class, given a layer's number and the passes there: of each pass (M, N), first
where channels are removed at that layer alone, then at it and at all above."""


@dataclass(frozen=True, kw_only=True)
class Masked:
    """What F1 found: `masking` on the class's own pictures alone, with channels at 0, as in the paper; `two_sided` with
    pictures of other classes."""

    masking: tuple[Masking, ...] = ()
    two_sided: tuple[TwoSided, ...] = ()
    not_run: tuple[NotRun, ...] = ()


def core_sets(neurons: Sequence[Sequence[Neuron]], tau: int) -> tuple[tuple[int, ...], ...]:
    """The core neurons of each layer, input → output, had the search been run with this τ: of the layer's neurons, the
    union of the core sets of the neurons above.

    Exact for any τ up to the search's own: the recursion visits fewer targets, and each target's core set is the
    head of its longer one. Channels ascend; the last layer holds the logit.
    """
    sets = [{n.channel for n in neurons[-1]}]
    for layer in reversed(neurons[1:]):
        sets.append({s.channel for n in layer if n.channel in sets[-1] for s in n.core[:tau]})
    return tuple(tuple(sorted(s)) for s in reversed(sets))


def masking(
    *,
    layers: Sequence[str],
    neurons: Sequence[Sequence[Neuron]],
    channels: Sequence[int],
    target: int,
    taus: Sequence[int],
    draws: int,
    seed: int,
    predictions: Predictions,
    others: int = 0,
) -> Masked:
    """F1 at every layer below the logits, for every τ: masking, then retaining; then both from the layer up.

    Layers whose core set is empty are left out. At the layer below the logits, from the layer up is the layer alone,
    and stands once.

    Args:
        layers, neurons, channels: input → output.
        target: the class's logit.
        draws: random sets in each null.
        predictions: see `Predictions`.
        others: how many pictures of other classes there are.
    """
    rows, both = list[Masking](), list[TwoSided]()
    for tau in taus:
        sets, removed = core_sets(neurons, tau), list[torch.Tensor]()
        for number in range(len(layers) - 2, -1, -1):
            if not sets[number]:
                break
            random = np.random.default_rng([seed, target, number, tau])
            removed.insert(0, _removed(sets[number], channels[number], draws, random))
            own, *more = predictions(number, _passes(removed, draws, others))
            at = _At(layer=layers[number], tau=tau, size=len(sets[number]), channels=channels[number])
            for upward in (False, True)[: len(removed)]:
                rows += [m.model_copy(update={"cumulative": upward}) for m in _results(at, own[upward])]
                if more:
                    zero, mean = (part[upward] for part in more)
                    both += _two_sided(at, own[upward], zero, mean, cumulative=upward)
    missing = (NotRun(experiment="masking", case="enough", reason=NO_OTHERS),) if rows and not others else ()
    return Masked(masking=tuple(rows), two_sided=tuple(both), not_run=missing)


def _removed(core: Sequence[int], channels: int, draws: int, random: np.random.Generator) -> torch.Tensor:
    """Which channels are set to 0, (1 + 2(1 + draws), C) bool: none; then each set; then all but each set.

    The sets are the core set, then the random ones, each drawn from all of the layer's channels.
    """
    sets = torch.zeros((1 + draws, channels), dtype=torch.bool)
    sets[0, list(core)] = True
    for draw in range(1, 1 + draws):
        sets[draw, torch.from_numpy(random.choice(channels, size=len(core), replace=False))] = True
    return torch.cat([torch.zeros((1, channels), dtype=torch.bool), sets, ~sets])


def _passes(removed: Sequence[torch.Tensor], draws: int, others: int) -> list[Pass]:
    """All masks at 0 on the class's pictures; on those of other classes the core's alone, with none; and at the mean on
    all pictures the core's, then the random sets kept alone, which J is judged by."""
    every, retain = Pass(removed=removed, mean=False, own=True, others=False), 2 + draws
    if not others:
        return [every]
    core = replace(every, own=False, others=True).only([0, 1, retain])
    kept = range(retain, retain + 1 + draws)
    return [every, core, replace(every, mean=True, others=True).only([1, *kept])]


@dataclass(frozen=True, kw_only=True)
class _At:
    """Where masks are tested; `size` of the core set."""

    layer: str
    tau: int
    size: int
    channels: int


def _two_sided(at: _At, own: Hits, zero: Hits, mean: Hits, *, cumulative: bool) -> list[TwoSided]:
    """The records of one layer.

    Args:
        own: of the class's pictures under all masks at 0, as `_removed` orders them.
        zero: of the others without any, with the core masked, and retained.
        mean: of all pictures at the mean with the core masked, then retained, then with each random set retained.
    """
    n, retain = own.shape[1], 1 + (len(own) - 1) // 2
    found = []
    for ablation, mode, hits, false, random in (
        ("zero", "mask", own[1], zero[1], None),
        ("zero", "retain", own[retain], zero[2], None),
        ("mean", "mask", mean[0, :n], mean[0, n:], None),
        ("mean", "retain", mean[1, :n], mean[1, n:], mean[2:]),
    ):
        (tpr, tpr_range), (fpr, fpr_range) = _share(hits), _share(false)
        low, high = difference_interval(tpr, tpr_range, fpr, fpr_range)
        found.append(
            TwoSided(
                mode=mode, ablation=ablation, layer=at.layer, tau=at.tau, cumulative=cumulative, size=at.size,
                channels=at.channels, n=n, others=len(false), tpr_before=float(own[0].mean()),
                fpr_before=float(zero[0].mean()), tpr=tpr, tpr_low=tpr_range[0], tpr_high=tpr_range[1], fpr=fpr,
                fpr_low=fpr_range[0], fpr_high=fpr_range[1], j=tpr - fpr, j_low=low, j_high=high,
                **({} if random is None else _null(tpr - fpr, random, n)),
            )
        )  # fmt: skip
    return found


def _share(hits: Hits) -> tuple[float, tuple[float, float]]:
    return float(hits.mean()), wilson(int(hits.sum()), len(hits))


def _null(j: float, random: Hits, n: int) -> dict[str, Any]:
    """J of the random sets: the fields of the record.

    The interval of its mean takes the sets' TPR and FPR as independent: where a set that keeps more of the class lets
    more of the others pass, it is wider than it need be.
    """
    own, others = random[:, :n], random[:, n:]
    null = own.mean(axis=1) - others.mean(axis=1)
    low, high = difference_interval(float(own.mean()), crossed_share(own), float(others.mean()), crossed_share(others))
    return {
        "null": tuple(map(float, null)), "null_low": low, "null_high": high,
        "p_value": permutation_p(j, null, smaller=False),
    }  # fmt: skip


def _results(at: _At, right: Hits) -> list[Masking]:
    """The two records of one layer from who was still right under each mask, (masks, N) as `_removed` orders them."""
    n = right.shape[1]
    share = right.mean(axis=1)
    # Row 0: none removed; 1: the core set; up to half: random sets; 1 + half: all but the core set; then all but those.
    half = (len(right) - 1) // 2
    results = []
    for mode, first in (("mask", 1), ("retain", 1 + half)):
        null = tuple(float(x) for x in share[first + 1 : first + half])
        low, high = wilson(int(right[first].sum()), n)
        lost, gained = int((right[0] & ~right[first]).sum()), int((~right[0] & right[first]).sum())
        drop_low, drop_high = drop_interval(lost, gained, n - int(right[0].sum()), n)
        random = right[first + 1 : first + half]
        (null_low, null_high), (null_drop_low, null_drop_high) = crossed_share(random), crossed_drop(right[0], random)
        results.append(
            Masking(
                mode=mode,
                layer=at.layer,
                tau=at.tau,
                size=at.size,
                channels=at.channels,
                n=n,
                baseline=float(share[0]),
                accuracy=float(share[first]),
                low=low,
                high=high,
                drop_low=drop_low,
                drop_high=drop_high,
                null=null,
                null_low=null_low,
                null_high=null_high,
                null_drop_low=null_drop_low,
                null_drop_high=null_drop_high,
                p_value=permutation_p(float(share[first]), null, smaller=mode == "mask"),
            )
        )
    return results
