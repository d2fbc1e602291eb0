"""F11, causal edges: does an edge's upper group lose more without its lower group than without neurons as active?
(METHOD §5)

For a drawn edge from U to L: the drop, the mean over (a, j) ∈ U of (φ̄ − φ̄ with L's neurons at their means) / |φ̄|,
where φ̄ is the mean of φ_a over patches of V_{a,j}, and a neuron's mean is that over the class's patches. The null: sets
with as many neurons of each block of neurons near in φ over the upper neurons' concepts, whichever way they work. All
edges of a class are judged together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import comb, log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.fidelity.draws import Sets, as_sets
from neurflow_report.fidelity.draws import sample as draw_some
from neurflow_report.fidelity.experiment import EdgeTest, LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.fidelity.intervals import wilson
from neurflow_report.results.flow import MOST_NODES, Edge, drawn_edges
from neurflow_report.results.records import EdgeEffect, LayerResult, Measure, NotRun

Floats = NDArray[np.floating]
Moved = Callable[[NDArray[np.bool_]], Callable[[int, NDArray[np.int64]], Tensor]]
"""φ (sets, patches) of a channel of the upper layer on patches, with each set (M, C) of the lower one at its means."""
MEMBERS, PATCHES = 8, 5
"""Semantic groups of an upper group, and patches of each, that are looked at, at most: drawn at random."""
NARROWEST = 6
"""Neurons near in φ, at least, of which one takes the place of a neuron."""
SPARE = 2
"""Times as many choices for each neuron as the sets wanted take: of few, too many sets hold the neuron itself."""
LEAST = 1e-6
"""Activation under which a member is left out: there is no share of nothing."""
LEVEL = 0.05
FEWEST = 19
"""Sets from which on an edge can count."""


def matched_sets(phi: Floats, members: Sequence[int], draws: int, random: np.random.Generator) -> Sets:
    """(n, C) bool: other sets that hold as many channels of each block of near ones as `members` does; no two alike.

    Had the members been drawn from their blocks, any of these sets could as well have been they, so that a p-value
    against them holds. (A neighbourhood of each member would not do: a channel at an end is a neighbour of few.) n is
    `draws`, or fewer where there are not so many sets. They may hold some of the members: were a strong neuron kept out
    of them, any set that has it would stand out.

    Args: phi: the mean φ of each channel where the sets are compared, (C,).
    """
    order, choices = np.argsort(-np.abs(phi), kind="stable"), SPARE * (1 + draws) ** (1 / len(members))
    parts = list(_blocks(order, np.asarray(members), choices))
    inside, found = set(members), dict[tuple[int, ...], None]()
    for _ in range(20 * draws):
        taken = {c for block, count in parts for c in random.permutation(block)[:count].tolist()}
        if taken != inside:
            found[tuple(sorted(taken))] = None
        if len(found) == draws:
            break
    return as_sets(list(found), len(phi))


def _blocks(
    channels: NDArray[np.int64], members: NDArray[np.int64], choices: float
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Channels in their order in blocks, each with how many members it has; none without any.

    A block is halved where a half that held all of its members would be twice as large as they, and leave as many
    `choices` for each. What decides is how many members it has, not which: sets with as many of each block have the
    same blocks.
    """
    count, half = int(np.isin(channels, members).sum()), len(channels) // 2
    if count and half >= max(2 * count, NARROWEST) and log(comb(half, count)) >= count * log(choices):
        yield from _blocks(channels[:half], members, choices)
        yield from _blocks(channels[half:], members, choices)
    elif count:
        yield channels, count


def edge_tests(
    upper: LayerResult, lower: LayerResult, edges: Sequence[Edge], moved: Moved, phi: Floats, draws: int,
    random: np.random.Generator,
) -> Iterator[EdgeTest]:  # fmt: skip
    """Each edge's drop, and that of the sets drawn for its lower group, which all its upper groups share; none of an
    edge for which there are fewer than `FEWEST` sets.

    Args: phi: the mean φ of the lower layer's channels on the upper neurons' concepts, (C,).
    """
    sets, rows = [np.zeros((1, lower.channels), dtype=bool)], dict[int, slice]()
    for group in lower.groups:
        channels = sorted({m.channel for m in group.members})
        if len(channels) < lower.channels and any(e.lower == group.index for e in edges):
            own = [as_sets([channels], lower.channels), matched_sets(phi, channels, draws, random)]
            start = sum(map(len, sets))
            rows[group.index] = slice(start, start + sum(map(len, own)))
            sets += own
    tested = [e for e in edges if e.lower in rows]
    members = {
        g.index: [(g.members[i].channel, g.members[i].semantic) for i in draw_some(len(g.members), MEMBERS, random)]
        for g in upper.groups
    }
    wanted = {member for e in tested for member in members[e.upper]}
    sample = {
        (n.channel, g.index): np.sort(random.permutation(g.patches)[:PATCHES])
        for n in upper.neurons
        for g in n.groups
        if (n.channel, g.index) in wanted
    }
    means = _group_means(moved, np.concatenate(sets), sample) if sample else {}
    for e in tested:
        mine = [means[member] for member in members[e.upper]]
        drops = [(own[0] - own[rows[e.lower]]) / abs(own[0]) for own in mine if abs(own[0]) > LEAST]
        if drops and len(drops[0]) > FEWEST:
            mean = np.mean(drops, axis=0)
            yield EdgeTest(edge=e, drop=float(mean[0]), null=mean[1:])


def _group_means(
    moved: Moved, sets: NDArray[np.bool_], sample: dict[tuple[int, int], NDArray[np.int64]]
) -> dict[tuple[int, int], Floats]:
    """φ̄ of each (a, j) under each set, (sets,): neuron by neuron on its own patches; asked for once of the device."""
    found, phi_of = list[Tensor](), moved(sets)
    for channel, own in groupby(sample.items(), key=lambda item: item[0][0]):
        wanted = [patches for _, patches in own]
        phi = phi_of(channel, np.concatenate(wanted))
        found += [part.double().mean(dim=1) for part in torch.split(phi, [len(patches) for patches in wanted], dim=1)]
    return dict(zip(sample, torch.stack(found).cpu().numpy(), strict=True))


def judged(tests: Sequence[EdgeTest]) -> Results:
    """The edges of a class with their p-values, alone and together, and how many of each layer's carry an effect."""
    if not tests:
        return Results()
    alone, together = step_down(
        [t.way * t.drop for t in tests], [np.abs(t.null) for t in tests], [t.edge.lower for t in tests]
    )
    effects = tuple(_effect(t, p, q) for t, p, q in zip(tests, alone, together, strict=True))
    return Results(edge_effects=effects, measures=tuple(_shares(effects)))


def step_down(own: Sequence[float], nulls: Sequence[Floats], turns: Sequence[int]) -> tuple[list[float], list[float]]:
    """The p-values of tests, alone and together.

    Together: the step-down of P. Westfall and S. Young (1993), Holm's with the sets themselves in the place of
    Bonferroni's bound. Each test's effects, its own with those of its sets, are put in units of their deviation; a test
    is held against the largest of the tests that are no larger than it, set by set.

    Args:
        own: each test's effect, in the direction that is expected of it.
        nulls: how large those of its sets are.
        turns: equal for tests that share their sets.
    """
    draws = max(map(len, nulls), default=0)
    every = np.stack([_padded(*one, draws) for one in zip(own, nulls, turns, strict=True)])  # (tests, 1 + draws)
    deviation = every.std(axis=1, keepdims=True)
    z = np.divide(every - every.mean(axis=1, keepdims=True), deviation, out=np.zeros_like(every), where=deviation > 0)
    alone = [_p(*one) for one in zip(own, nulls, strict=True)]
    order = np.argsort(-z[:, 0], kind="stable")
    largest = np.maximum.accumulate(z[order][::-1], axis=0)[::-1]  # over those that are no larger
    together, most = [0.0] * len(alone), 0.0
    for row, place in enumerate(order.tolist()):
        most = max(most, alone[place], _p(float(largest[row, 0]), largest[row, 1:]))
        together[place] = most
    return alone, together


def _padded(own: float, null: Floats, turn: int, draws: int) -> Floats:
    """A test's own effect, and those of its sets.

    Where there are fewer sets than of other tests, the rest is those again and the test's own: of so few, it is the
    largest by chance in one of them. Tests that share their sets have the same ones in the same places.
    """
    again = np.roll(np.append(null, own), 7 * turn)
    found: Floats = np.concatenate([[own], null, np.resize(again, draws - len(null))])
    return found


def _p(own: float, null: Floats) -> float:
    return float((1 + np.sum(null >= own - 1e-9)) / (1 + len(null)))


def _effect(test: EdgeTest, alone: float, together: float) -> EdgeEffect:
    e, (low, high) = test.edge, np.quantile(test.null, [0.025, 0.975])
    return EdgeEffect(
        upper_layer=e.upper_layer, upper=e.upper, lower_layer=e.lower_layer, lower=e.lower, drop=test.drop,
        null=float(test.null.mean()), null_low=float(low), null_high=float(high), sets=len(test.null), p_value=alone,
        q_value=together,
    )  # fmt: skip


def _shares(effects: Sequence[EdgeEffect]) -> Iterator[Measure]:
    """Of each layer's edges down the share that carries an effect."""
    for layer in dict.fromkeys(e.upper_layer for e in effects):
        mine = [e.q_value <= LEVEL for e in effects if e.upper_layer == layer]
        low, high = wilson(sum(mine), len(mine))
        yield Measure(
            experiment="causal", layer=layer, value=sum(mine) / len(mine), low=low, high=high, n=len(mine), unit="edge"
        )


def _run(at: Subject) -> Results:
    edges = [e for e in drawn_edges(at.layers) if e.upper_layer == at.layer.name]
    patches = sorted({p for n in at.layer.neurons for p in n.concept})
    level = at.means[at.number - 1][patches].mean(axis=0, dtype=np.float64)
    random = np.random.default_rng(at.seed)
    tests = tuple(edge_tests(at.layer, at.below, edges, at.from_means, level, at.sizes.edge_draws, random))
    if not tests:
        reason = (
            f"no edge has {FEWEST} sets to be held against, as many as it takes for one to count (fidelity.edge_draws)"
        )
        return Results(not_run=(NotRun(experiment="causal", layer=at.layer.name, reason=reason),))
    return Results(edge_tests=tests)


def _work(at: LayerSize) -> Iterator[Work]:
    """None, and each lower group that is drawn with its sets, on some patches of each neuron's own."""
    groups = min(at.groups_below, MOST_NODES)
    rows = float(min(at.semantic, MOST_NODES * MEMBERS) * min(PATCHES, at.k))
    yield Work(part="knock-outs", times=1 + groups * (1 + at.sizes.edge_draws), rows=rows, neurons=1)


EXPERIMENT = LayerExperiment(
    name="causal", stage="means for the edges at {layer}", unit="sets", run=_run, work=_work, lowest=False,
    ablates=True, place=0,
)  # fmt: skip
