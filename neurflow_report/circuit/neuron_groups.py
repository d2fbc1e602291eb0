"""Neuron groups, the edges between them, and how much of the logit flows through each (METHOD §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.circuit.clustering import closest_first, partition
from neurflow_report.results.flow import memberships, neuron_shares, top_shares
from neurflow_report.results.records import GroupEdge, LayerResult, Member, Neuron, NeuronGroup

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
Members = tuple[Member, ...]


def group_neurons(
    layers: Sequence[str], neurons: Sequence[Sequence[Neuron]], means: Sequence[Floats], max_neuron: int
) -> tuple[tuple[LayerResult, ...], tuple[GroupEdge, ...]]:
    """Neuron groups of each layer and the edges W(U, L) between neighbouring layers' groups (METHOD §3).

    The logit's semantic groups form one neuron group: the circuit's root. Groups are numbered by falling share.

    Args:
        layers: names, input → output.
        neurons: of each layer.
        means: φ of all patches, (P, C) for each layer.
        max_neuron: the most neuron groups of a layer.
    """
    clustered = [
        _cluster(neurons[i], means[max(i - 1, 0)], max_neuron if i < len(layers) - 1 else 1) for i in range(len(layers))
    ]
    inside = [memberships(own, groups) for own, (groups, _) in zip(neurons, clustered, strict=True)]
    passing = top_shares(neurons[-1])
    flows: list[NDArray[np.float64]] = [passing @ inside[-1]]
    weights: list[Floats] = []
    order: list[Indices] = [np.zeros(len(clustered[-1][0]), np.int64)]
    for i in range(len(layers) - 1, 0, -1):
        # The upper layer's groups are in their final order; the lower layer's get theirs from the shares handed down.
        upper = [clustered[i][0][g] for g in order[-1]]
        raw = group_edges(upper, clustered[i - 1][0], {n.channel: n for n in neurons[i]})
        passing = neuron_shares(neurons[i], passing, neurons[i - 1])
        flow = passing @ inside[i - 1]
        rank = np.argsort(-flow, kind="stable")
        order.append(rank)
        flows.append(flow[rank])
        weights.append(raw[:, rank])  # (U, L)
    results, edges = [], []
    for i, (rank, flow) in enumerate(zip(reversed(order), reversed(flows), strict=True)):
        groups = [clustered[i][0][g] for g in rank]
        results.append(_layer(layers[i], neurons[i], groups, flow, means, i, clustered[i][1]))
    for i, raw in zip(range(len(layers) - 1, 0, -1), weights, strict=True):
        edges += _edges(layers[i], layers[i - 1], raw)
    return tuple(results), tuple(edges)


def _cluster(neurons: Sequence[Neuron], r: Floats, most: int) -> tuple[list[Members], float | None]:
    """The semantic groups of a layer's neurons in clusters of their mean vectors r; all in one where `most` is 1."""
    members = [Member(channel=n.channel, semantic=g.index) for n in neurons for g in n.groups]
    if most < 2 or not members:
        return [tuple(members)] if members else [], None
    patches = [g.patches for n in neurons for g in n.groups]
    sums = np.stack([np.add.reduce(r[list(one)], axis=0) for one in patches])
    split = partition(sums / np.array([[len(one)] for one in patches], dtype=r.dtype), most)
    sets: list[list[Member]] = [[] for _ in range(split.count)]
    for member, label in zip(members, split.labels.tolist(), strict=True):
        sets[label].append(member)
    return [tuple(one) for one in sets], split.silhouette


def group_edges(upper: Sequence[Members], lower: Sequence[Members], neurons: Mapping[int, Neuron]) -> Floats:
    """W (U, L): mean over (a, j) ∈ U of Σ w(a, i, j) over i ∈ S_a with a semantic group in L (METHOD §3).

    A neuron of the lower layer counts once per group, however many of its semantic groups are there.

    Args:
        upper, lower: groups of neighbouring layers.
        neurons: the upper layer's, by channel.
    """
    channels = sorted({m.channel for group in lower for m in group})
    row = {c: i for i, c in enumerate(channels)}
    inside = np.zeros((len(channels) + 1, len(lower)))  # the last row: a channel that is in none of the groups
    for number, group in enumerate(lower):
        inside[[row[m.channel] for m in group], number] = 1
    edges = [neurons[m.channel].groups[m.semantic - 1].edges for group in upper for m in group]
    shape = (len(edges), max(map(len, edges), default=0))
    rows, own = np.full(shape, -1), np.zeros(shape)
    for i, one in enumerate(edges):
        rows[i, : len(one)] = [row.get(e.channel, -1) for e in one]
        own[i, : len(one)] = [e.weight for e in one]
    totals = np.zeros((len(edges), len(lower)))  # of each member
    for edge in range(shape[1]):
        totals += own[:, edge, None] * inside[rows[:, edge]]
    weights, first = np.zeros((len(upper), len(lower))), 0
    for u, group in enumerate(upper):
        weights[u] = totals[first : first + len(group)].cumsum(axis=0)[-1] / len(group)  # one after the other
        first += len(group)
    return weights


def _layer(
    name: str,
    neurons: Sequence[Neuron],
    groups: Sequence[Members],
    flow: Floats,
    means: Sequence[Floats],
    number: int,
    silhouette: float | None,
) -> LayerResult:
    r, by_channel = means[max(number - 1, 0)], {n.channel: n for n in neurons}
    return LayerResult(
        name=name,
        channels=means[number].shape[1],
        neurons=tuple(neurons),
        groups=tuple(
            NeuronGroup(layer=name, index=g + 1, members=m, patches=_patches(m, by_channel, r), share=float(flow[g]))
            for g, m in enumerate(groups)
        ),
        silhouette=silhouette,
    )


def _patches(members: Members, neurons: Mapping[int, Neuron], r: Floats) -> tuple[int, ...]:
    """The group's patches, each once, closest to the group's centre first."""
    used = np.unique([p for m in members for p in neurons[m.channel].groups[m.semantic - 1].patches])
    return tuple(used[closest_first(r[used])].tolist())


def _edges(upper: str, lower: str, weights: Floats) -> list[GroupEdge]:
    """The edges of one pair of layers whose weight is not 0, from U to L by their numbers."""
    return [
        GroupEdge(upper_layer=upper, upper=u + 1, lower_layer=lower, lower=g + 1, weight=float(weights[u, g]))
        for u, g in np.argwhere(weights != 0).tolist()
    ]
