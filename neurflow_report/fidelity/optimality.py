"""F2, optimality: is the core set what a neuron's concept rests on, more than random sets are? (METHOD §5)

L(S, a) = |V_a ∩ V_a^{−S}| / k: the share of a's concept that is still among its k strongest patches when the set S of
the layer below is knocked out. V_a^{−S} ranks all patches of the class; ties go to the lower patch index. The smaller
L, the more the concept rests on S. A core set beats a random set of the same size where its L is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.intervals import mean_share, permutation_p, wilson
from neurflow_report.results.records import Measure

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
CHANCE = 0.5
"""Share of random sets that a random set beats, were there no ties."""


def kept_share(phi: Floats, concept: Indices) -> Floats:
    """L of each set, (M,) in 0..1.

    Args:
        phi: (M, P), φ_a on every patch under each set.
        concept: V_a, (k,).
    """
    k = len(concept)
    bar = np.partition(phi, phi.shape[1] - k, axis=1)[:, phi.shape[1] - k, None]
    above, level = phi > bar, phi == bar
    room = k - above.sum(axis=1)
    inside = above[:, concept].sum(axis=1) + level[:, concept].sum(axis=1)
    for row in np.flatnonzero(level.sum(axis=1) > room):
        first = np.flatnonzero(level[row])[: room[row]]
        inside[row] = above[row, concept].sum() + np.isin(first, concept).sum()
    shares: Floats = inside / k
    return shares


def estimated_share(phi: Floats, concept: Indices, sample: Indices, patches: int) -> Floats:
    """L of each set, (M,), with the ranks of V_a estimated from a random sample of the patches.

    A patch's rank among V_a is counted, that among the others is the sample's, scaled up. With all patches as the
    sample this is `kept_share`.

    Args:
        phi: (M, n), φ_a under each set on some patches, in their order.
        concept: the columns of V_a, (k,).
        sample: the columns of a random sample of all `patches`.
    """
    others = np.setdiff1d(sample, concept)
    scale = (patches - len(concept)) / max(1, len(others))
    rank = _over(phi, concept, concept) + scale * _over(phi, concept, others)
    shares: Floats = (rank < len(concept)).mean(axis=1)
    return shares


def _over(phi: Floats, columns: Indices, others: Indices) -> Floats:
    """How many of `others` stand over each of `columns`, (M, len(columns)); ties go to the lower column."""
    mine, theirs = phi[:, columns, None], phi[:, None, others]
    over: Floats = ((theirs > mine) | ((theirs == mine) & (others < columns[:, None]))).sum(axis=2)
    return over


def optimality(
    layer: str, channels: Sequence[int], core: Sequence[float], null: Sequence[Floats], *, k: int
) -> tuple[Measure, ...]:
    """F2 at one layer: for every neuron tested, then for the layer.

    Args:
        channels: the neurons.
        core: L of each one's core set.
        null: L of its random sets, (draws,) each, the same draws for all neurons with core sets of one size.
        k: patches in a concept.
    """
    rows = [_neuron(layer, c, own, others) for c, own, others in zip(channels, core, null, strict=True)]
    return (*rows, *_layer(layer, rows, core, null, k))


def _neuron(layer: str, channel: int, own: float, null: Floats) -> Measure:
    beaten = int((null > own).sum())
    low, high = wilson(beaten, len(null))
    return Measure(
        experiment="optimality",
        layer=layer,
        channel=channel,
        case="beaten",
        value=beaten / len(null),
        low=low,
        high=high,
        n=len(null),
        unit="random set",
        null=_chance(null),
        p_value=permutation_p(own, null, smaller=True),
    )


def _chance(null: Floats) -> float:
    """Share of the other random sets that a random set beats, on average: less than half where some leave the same."""
    if len(null) < 2:
        return CHANCE
    places = np.unique(null, return_counts=True)[1]
    pairs = len(null) * (len(null) - 1)
    return float((pairs - (places * (places - 1)).sum()) / 2 / pairs)


def _layer(
    layer: str,
    rows: Sequence[Measure],
    core: Sequence[float],
    null: Sequence[Floats],
    k: int,
) -> Iterator[Measure]:
    """The layer's two figures: the share of random sets beaten, and L itself.

    p: of the mean L over the neurons, against the same mean with each neuron's core set replaced by its d-th random
    set.
    """
    if not rows:
        return
    draws = min(len(x) for x in null)
    means = np.mean([x[:draws] for x in null], axis=0)
    p = permutation_p(float(np.mean(core)), means, smaller=True)
    beaten, spread = mean_share([row.value for row in rows], draws)
    chance = float(np.mean([row.null for row in rows if row.null is not None]))
    yield _of_layer(layer, "beaten", beaten, spread, len(rows), p, chance, (None, None))
    kept = float(np.mean(core))
    low, high = np.quantile(means, [0.025, 0.975])
    yield _of_layer(
        layer,
        "kept",
        kept,
        mean_share(core, k)[1],
        len(rows),
        p,
        float(means.mean()),
        (float(low), float(high)),
    )


def _of_layer(
    layer: str,
    case: str,
    value: float,
    interval: tuple[float, float],
    n: int,
    p: float,
    null: float,
    spread: tuple[float | None, float | None],
) -> Measure:
    return Measure(
        experiment="optimality",
        layer=layer,
        case=case,
        value=value,
        low=interval[0],
        high=interval[1],
        n=n,
        unit="neuron",
        null=null,
        null_low=spread[0],
        null_high=spread[1],
        p_value=p,
    )
