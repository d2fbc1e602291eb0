"""F8, validity of the drawn edges: does a group lose what its edges say when the group below is taken away? (METHOD §5)

For an upper group U and a lower group L: W(U, L) against the drop, the mean over (a, j) ∈ U of
(φ̄ − φ̄ without L's neurons) / |φ̄|, where φ̄ is the mean of φ_a over V_{a,j}: the share of the activation that goes.
Pearson's r over all pairs of a pair of layers. Pairs that share a group are not independent: a lower group that much
rests on has large weights and large drops in all its pairs. So the null gives the groups other names, the upper ones
and the lower ones, instead of shuffling single pairs (the quadratic assignment test, L. Hubert 1987).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.fidelity.draws import as_sets
from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.fidelity.intervals import fisher, pearson, permutation_p
from neurflow_report.results.records import EdgeDrop, GroupEdge, LayerResult, Measure, NotRun

Floats = NDArray[np.floating]
Knocked = Callable[[NDArray[np.bool_], Sequence[int], Sequence[int]], Floats]
"""φ (sets, targets, patches) of the upper layer with each set (M, C) of the lower one knocked out."""
SHUFFLES = 999
LEAST = 1e-6
"""Activation under which a member is left out: there is no share of nothing."""


def edge_drops(
    upper: LayerResult, lower: LayerResult, edges: Sequence[GroupEdge], knocked: Knocked
) -> tuple[EdgeDrop, ...]:
    """W and the measured drop of every pair of an upper and a lower group."""
    if not upper.groups or not lower.groups:
        return ()
    sets = as_sets([sorted({m.channel for m in g.members}) for g in lower.groups], lower.channels)
    patches = sorted({p for n in upper.neurons for p in n.concept})
    at = {p: i for i, p in enumerate(patches)}
    channels = [n.channel for n in upper.neurons]
    none = np.zeros((1, lower.channels), dtype=bool)
    phi = np.asarray(knocked(np.concatenate([none, sets]), channels, patches), np.float64)
    parts = {
        (n.channel, g.index): phi[:, t][:, [at[p] for p in g.patches]].mean(axis=1)
        for t, n in enumerate(upper.neurons)
        for g in n.groups
    }
    weights = {
        (e.upper, e.lower): e.weight for e in edges if (e.upper_layer, e.lower_layer) == (upper.name, lower.name)
    }
    found = []
    for u in upper.groups:
        members = [parts[m.channel, m.semantic] for m in u.members]
        shares = [(mean[0] - mean[1:]) / abs(mean[0]) for mean in members if abs(mean[0]) > LEAST]
        if shares:
            drops = np.mean(shares, axis=0)
            found += [
                EdgeDrop(
                    upper_layer=upper.name,
                    upper=u.index,
                    lower_layer=lower.name,
                    lower=g.index,
                    weight=weights.get((u.index, g.index), 0.0),
                    drop=float(drop),
                )
                for g, drop in zip(lower.groups, drops, strict=True)
            ]
    return tuple(found)


def edge_validity(
    layer: str, drops: Sequence[EdgeDrop], *, seed: Sequence[int]
) -> tuple[tuple[Measure, ...], tuple[NotRun, ...]]:
    """F8 of the edges down from one layer: r, Fisher's interval, and where r stands when the groups are renamed.

    Args: drops: of every pair of an upper and a lower group, as `edge_drops` has them.
    """
    weights, measured = np.array([d.weight for d in drops]), np.array([d.drop for d in drops])
    r = pearson(weights, measured)
    if r is None:
        reason = f"{len(drops)} edges, or edges that do not differ, have no correlation"
        return (), (NotRun(experiment="edges", layer=layer, reason=reason),)
    random, grid = np.random.default_rng(seed), weights.reshape(len({d.upper for d in drops}), -1)
    null = np.array([pearson(renamed(grid, random), measured) or 0.0 for _ in range(SHUFFLES)])
    low, high = fisher(r, len(drops))
    null_low, null_high = np.quantile(null, [0.025, 0.975])
    measure = Measure(
        experiment="edges", layer=layer, value=r, low=low, high=high, n=len(drops), unit="edge",
        null=float(null.mean()),
        null_low=float(null_low), null_high=float(null_high), p_value=permutation_p(r, null, smaller=False),
    )  # fmt: skip
    return (measure,), ()


def renamed(grid: Floats, random: np.random.Generator) -> Floats:
    """The weights (upper, lower) with the rows and the columns in another order, pair by pair."""
    upper, lower = (random.permutation(n) for n in grid.shape)
    found: Floats = grid[np.ix_(upper, lower)].reshape(-1)
    return found


def _run(at: Subject) -> Results:
    """F8 of the edges from the layer down."""
    drops = edge_drops(at.layer, at.below, at.edges, at.phi)
    measures, missing = edge_validity(at.layer.name, drops, seed=at.seed)
    return Results(measures=measures, not_run=missing, edge_drops=drops)


def _work(at: LayerSize) -> Iterator[Work]:
    """Every group of the layer below is removed, and none, on all patches of the layer's concepts."""
    yield Work(part="knock-outs", times=1 + at.groups_below, rows=at.concepts)


EXPERIMENT = LayerExperiment(
    name="edges",
    stage="knock-outs for the edges at {layer}",
    unit="sets",
    run=_run,
    work=_work,
    lowest=False,
    ablates=True,
    held_out=True,
    place=0,
)
