"""F9, polysemanticity: how far apart are the semantic groups of a neuron? (METHOD §5)

1 − the mean cosine, over pairs of its groups, of their mean r: 0 where all its groups look alike to the layer below,
near 1 where they have nothing in common. Chance: V_a split at random into parts of the same sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.fidelity.intervals import student
from neurflow_report.results.records import Measure, Neuron, NotRun

Floats = NDArray[np.floating]
SPLITS = 100
"""Random splits of a concept, and resamplings of its groups."""
_LEAST = 1e-12


def apart(means: Floats) -> Floats:
    """1 − the mean cosine over all pairs of rows, for each of several tables (…, J, m): (…,); J ≥ 2.

    A row of zeros has cosine 0 with every other.
    """
    unit = means / np.maximum(np.linalg.norm(means, axis=-1, keepdims=True), _LEAST)
    cosines, count = unit @ np.swapaxes(unit, -1, -2), means.shape[-2]
    whole, own = cosines.sum(axis=(-1, -2)), np.einsum("...jj->...", cosines)
    found: Floats = 1 - (whole - own) / (count * (count - 1))
    return found


def split_at_random(r: Floats, sizes: Sequence[int], draws: int, random: np.random.Generator) -> Floats:
    """`apart` for each of `draws` random splits of the rows of r, (k, m), into parts of these sizes."""
    order = random.random((draws, len(r))).argsort(axis=1)
    part = np.repeat(np.arange(len(sizes)), sizes)[order]  # (draws, k): where each row goes
    return apart(_means(part[:, None] == np.arange(len(sizes))[:, None], r))


def resampled(r: Floats, sizes: Sequence[int], draws: int, random: np.random.Generator) -> Floats:
    """`apart` for `draws` resamplings, with replacement, of each part; r's rows stand part by part."""
    counts = [random.multinomial(size, np.full(size, 1 / size), size=draws) for size in sizes]
    weight = np.zeros((draws, len(sizes), len(r)))
    start = 0
    for place, (size, own) in enumerate(zip(sizes, counts, strict=True)):
        weight[:, place, start : start + size] = own
        start += size
    return apart(_means(weight, r))


def _means(weight: NDArray[np.generic], r: Floats) -> Floats:
    """The weighted means of the rows of r, (draws, J, m)."""
    share = weight / weight.sum(axis=-1, keepdims=True)
    found: Floats = share @ r
    return found


def polysemanticity(layer: str, neurons: Sequence[Neuron], r: Floats, seed: Sequence[int]) -> tuple[Measure, ...]:
    """F9 of each neuron with more than one semantic group, and their mean.

    Args: r: (P, m), the activations that the groups were made from.
    """
    random, found = np.random.default_rng(seed), []
    for neuron in neurons:
        sizes = [len(g.patches) for g in neuron.groups]
        own = r[[p for g in neuron.groups for p in g.patches]].astype(np.float64)
        value = float(apart(_means(np.repeat(np.eye(len(sizes)), sizes, axis=1), own)))
        null, again = (draw(own, sizes, SPLITS, random) for draw in (split_at_random, resampled))
        low, high = np.quantile(again, [0.025, 0.975])
        null_low, null_high = np.quantile(null, [0.025, 0.975])
        found.append(
            Measure(
                experiment="polysemanticity", layer=layer, channel=neuron.channel, value=value,
                low=min(value, float(low)), high=max(value, float(high)), n=len(own), unit="patch",
                null=float(null.mean()), null_low=float(null_low), null_high=float(null_high),
            )
        )  # fmt: skip
    values, middle = [m.value for m in found], float(np.mean([m.value for m in found]))
    low, high = student(values) or (float(np.mean([m.low for m in found])), float(np.mean([m.high for m in found])))
    whole = Measure(
        experiment="polysemanticity", layer=layer, value=middle, low=max(0.0, low), high=high, n=len(found),
        unit="neuron", null=float(np.mean([m.null for m in found])),
    )  # fmt: skip
    return (whole, *found)


def _run(at: Subject) -> Results:
    parted = [n for n in at.layer.neurons if len(n.groups) > 1]
    if not parted:
        reason = "no neuron has more than one semantic group"
        return Results(not_run=(NotRun(experiment="polysemanticity", layer=at.layer.name, reason=reason),))
    return Results(measures=polysemanticity(at.layer.name, parted, at.means[max(at.number - 1, 0)], at.seed))


def _work(_at: LayerSize) -> tuple[Work, ...]:
    return ()


EXPERIMENT = LayerExperiment(
    name="polysemanticity", stage="polysemanticity", unit="neurons", run=_run, work=_work, top=False
)
