"""F1, masking and retaining: does the class survive without its core neurons, or with them alone? (METHOD §5)

1. The activation of a layer on the class's pictures is computed once.
2. The core set of the layer, and random sets of the same size, are set to 0 (mask), or everything else is (retain).
3. The rest of the network runs under all these masks in one pass; accuracy is the share still predicted as
   the class.
4. Cumulatively, from a layer up: the same is done at every layer above as well, up to the logits, with their core sets
   and with their random sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import crossed_drop, crossed_share, drop_interval, permutation_p, wilson
from neurflow_report.results.records import Masking, Neuron

Predictions = Callable[[int, Sequence[torch.Tensor]], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""The class predicted for each picture, (M, N), given a layer's number and which channels are removed, bool (M, C), of
it and of each layer that follows: first where they are removed at that layer alone, then at all of them."""


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
) -> tuple[Masking, ...]:
    """F1 at every layer below the logits, for every τ: masking, then retaining; then both from the layer up.

    Layers whose core set is empty are left out. At the layer below the logits, from the layer up is the layer alone,
    and stands once.

    Args:
        layers, neurons, channels: input → output.
        target: the class's logit.
        draws: random sets in each null.
        predictions: see `Predictions`.
    """
    results: list[Masking] = []
    for tau in taus:
        sets, removed = core_sets(neurons, tau), list[torch.Tensor]()
        for number in range(len(layers) - 2, -1, -1):
            if not sets[number]:
                break
            random = np.random.default_rng([seed, target, number, tau])
            removed.insert(0, _removed(sets[number], channels[number], draws, random))
            alone, upward = predictions(number, removed)
            for cumulative, predicted in ((False, alone), (True, upward))[: len(removed)]:
                row = _results(layers[number], channels[number], tau, len(sets[number]), predicted == target)
                results += [m.model_copy(update={"cumulative": cumulative}) for m in row]
    return tuple(results)


def _removed(core: Sequence[int], channels: int, draws: int, random: np.random.Generator) -> torch.Tensor:
    """Which channels are set to 0, (1 + 2(1 + draws), C) bool: none; then each set; then all but each set.

    The sets are the core set, then the random ones, each drawn from all of the layer's channels.
    """
    sets = torch.zeros((1 + draws, channels), dtype=torch.bool)
    sets[0, list(core)] = True
    for draw in range(1, 1 + draws):
        sets[draw, torch.from_numpy(random.choice(channels, size=len(core), replace=False))] = True
    return torch.cat([torch.zeros((1, channels), dtype=torch.bool), sets, ~sets])


def _results(layer: str, channels: int, tau: int, size: int, right: NDArray[np.bool_]) -> list[Masking]:
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
                layer=layer,
                tau=tau,
                size=size,
                channels=channels,
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
