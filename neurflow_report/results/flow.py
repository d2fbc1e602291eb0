"""How much of a class's logit goes through each neuron, neuron group and edge: shares that are conserved (METHOD §3).

A neuron lends each of its semantic groups the part of its concept that lies there, and hands its share down by |w|. So
a layer's shares sum to what the layer above hands down: to 1, less what ends in neurons without a core.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from neurflow_report.results.records import ClassResult, LayerResult, Member, Neuron, SemanticGroup

DIGITS = 6
"""Decimals to which a bundle's weights are kept: shares that differ by less are equal."""
Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Groups = Sequence[Sequence[Member]]


MOST_NODES = 5
"""Groups or neurons of a layer that a drawing has beside the stack of its others."""
KEPT = 0.95
"""Of the flow between two layers, what a drawing holds."""
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What goes from one neuron or neuron group of `upper_layer` to one of `lower_layer`, by channel or group number.

    `flow`: the share of the logit, 0..1; `signed`: the same sum with the weights' signs, |signed| ≤ flow.
    """

    upper_layer: str
    upper: int
    lower_layer: str
    lower: int
    flow: float
    signed: float


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The shares of one class's circuit; its layers from the logit down.

    Attributes:
        neurons: by layer and channel.
        groups: by layer and group number.
        edges, neuron_edges: between neuron groups, and between neurons; those of flow 0 are left out.
    """

    neurons: Mapping[str, Mapping[int, float]]
    groups: Mapping[str, Mapping[int, float]]
    edges: tuple[Edge, ...]
    neuron_edges: tuple[Edge, ...]


def parts(neuron: Neuron) -> dict[int, float]:
    """p(a, j): the part of a neuron's concept in each of its semantic groups; they sum to 1."""
    whole = sum(len(g.patches) for g in neuron.groups)
    return {g.index: len(g.patches) / whole for g in neuron.groups}


def effective(shares: Sequence[float]) -> float:
    """e^H of shares that sum to 1, H their entropy: as many equal shares would be as spread out."""
    return math.exp(-sum(p * math.log(p) for p in shares if p > 0))


def memberships(neurons: Sequence[Neuron], groups: Groups) -> Floats:
    """p(i, G), (neurons, groups): the part of each neuron's concept that lies in each neuron group."""
    row = {neuron.channel: n for n, neuron in enumerate(neurons)}
    part = [parts(neuron) for neuron in neurons]
    found = np.zeros((len(neurons), len(groups)))
    for g, members in enumerate(groups):
        for m in members:
            found[row[m.channel], g] += part[row[m.channel]][m.semantic]
    return found


@dataclass(frozen=True, kw_only=True)
class Between:
    """The edges between two layers' neurons, one an entry (E,), and the upper layer's semantic groups (S,).

    Attributes:
        owner, part: of each semantic group its neuron's place, and p(a, j).
        semantic, lower, weight: of each edge its semantic group, the place of the neuron below, and w.
    """

    owner: Places
    part: Floats
    semantic: Places
    lower: Places
    weight: Floats


def between(upper: Sequence[Neuron], lower: Sequence[Neuron]) -> Between:
    """The edges from `upper` neurons to `lower` ones."""
    column = {neuron.channel: n for n, neuron in enumerate(lower)}
    owner, part = list[int](), list[float]()
    semantic, below, weight = list[int](), list[int](), list[float]()
    for n, neuron in enumerate(upper):
        own = parts(neuron)
        for g in neuron.groups:
            semantic += [len(owner)] * len(g.edges)
            below += [column[e.channel] for e in g.edges]
            weight += [e.weight for e in g.edges]
            owner.append(n)
            part.append(own[g.index])
    return Between(
        owner=np.array(owner, np.int64),
        part=np.array(part, np.float64),
        semantic=np.array(semantic, np.int64),
        lower=np.array(below, np.int64),
        weight=np.array(weight, np.float64),
    )


def handed_down(edges: Between, shares: Floats, group_of: Places, groups: int, lower: int) -> tuple[Floats, Floats]:
    """What each upper group hands to each lower neuron, (groups, lower): by |w|, and with the weights' signs.

    Args:
        shares: the upper neurons', (upper,).
        group_of: of each semantic group the group that it counts in, (S,), or −1.
    """
    group = group_of[edges.semantic]
    inside = group >= 0
    at = group[inside] * lower + edges.lower[inside]
    through = ((shares[edges.owner] * edges.part)[edges.semantic] * edges.weight)[inside]
    size = groups * lower
    flow = np.bincount(at, np.abs(through), minlength=size).astype(np.float64)
    signed = np.bincount(at, through, minlength=size).astype(np.float64)
    return flow.reshape(groups, lower), signed.reshape(groups, lower)


def neuron_shares(upper: Sequence[Neuron], shares: Floats, lower: Sequence[Neuron]) -> Floats:
    """share(i) = Σ_a share(a) Σ_j p(a, j) |w(a, i, j)| of the lower layer's neurons, (lower,)."""
    edges = between(upper, lower)
    flow, _ = handed_down(edges, shares, np.zeros(len(edges.owner), np.int64), 1, len(lower))
    shared: Floats = flow.sum(axis=0)
    return shared


def top_shares(neurons: Sequence[Neuron]) -> Floats:
    """The shares at the logit's layer: 1 in all."""
    return np.full(len(neurons), 1 / max(1, len(neurons)))


def flow_of(layers: Sequence[LayerResult]) -> Flow:
    """The shares and edges of a circuit; `layers` from the input to the logit."""
    down = list(reversed(layers))
    shares = [top_shares(down[0].neurons)]
    inside = [memberships(layer.neurons, [g.members for g in layer.groups]) for layer in down]
    edges, neuron_edges = list[Edge](), list[Edge]()
    for at, (upper, lower) in enumerate(pairwise(down)):
        named, some = (upper.name, lower.name), between(upper.neurons, lower.neurons)
        flow, signed = handed_down(some, shares[at], _group_of(upper), len(upper.groups), len(lower.neurons))
        ends = [g.index for g in upper.groups], [g.index for g in lower.groups]
        edges += _edges(named, ends, flow @ inside[at + 1], signed @ inside[at + 1])
        flow, signed = handed_down(some, shares[at], some.owner, len(upper.neurons), len(lower.neurons))
        ends = [a.channel for a in upper.neurons], [a.channel for a in lower.neurons]
        neuron_edges += _edges(named, ends, flow, signed)
        shares.append(flow.sum(axis=0))
    return Flow(
        neurons={
            layer.name: {a.channel: float(s) for a, s in zip(layer.neurons, share, strict=True)}
            for layer, share in zip(down, shares, strict=True)
        },
        groups={
            layer.name: {g.index: float(s) for g, s in zip(layer.groups, share @ inside[at], strict=True)}
            for at, (layer, share) in enumerate(zip(down, shares, strict=True))
        },
        edges=tuple(edges),
        neuron_edges=tuple(neuron_edges),
    )


def semantic_shares(result: ClassResult) -> dict[str, dict[tuple[int, int], float]]:
    """share(a) p(a, j) of every semantic group of each layer below the logit, from the top down, by channel and j."""
    shares = flow_of(result.layers).neurons
    return {
        layer.name: {
            (a.channel, j): shares[layer.name][a.channel] * part for a in layer.neurons for j, part in parts(a).items()
        }
        for layer in result.layers[-2::-1]
    }


def shared_most(result: ClassResult, groups: int) -> Iterator[tuple[str, Neuron, SemanticGroup]]:
    """So many semantic groups of each layer below the logit, from the top down: those of the largest share."""
    found = {layer.name: {a.channel: a for a in layer.neurons} for layer in result.layers}
    for layer, shares in semantic_shares(result).items():
        for channel, number in sorted(shares, key=lambda one: (-round(shares[one], DIGITS), one))[:groups]:
            neuron = found[layer][channel]
            yield layer, neuron, next(group for group in neuron.groups if group.index == number)


def most_drawn(every: int) -> int:
    """How many of a layer's nodes are drawn each: a stack stands for two or more."""
    return every if every <= MOST_NODES else min(MOST_NODES, every - 2)


def drawn_edges(layers: Sequence[LayerResult]) -> tuple[Edge, ...]:
    """The edges between groups that a class's drawing shows each: of every pair of layers the largest flows, until
    `KEPT` of the flow between these groups is there; `layers` from the input to the logit."""
    flow, found = flow_of(layers), list[Edge]()
    shown = {
        (layer.name, number)
        for layer in layers
        for number in sorted(flow.groups[layer.name], key=lambda g, own=flow.groups[layer.name]: (-own[g], g))[  # type: ignore[misc]
            : most_drawn(len(layer.groups))
        ]
    }
    for layer in layers[1:]:
        mine = [e for e in flow.edges if e.upper_layer == layer.name]
        mine = [e for e in mine if {(e.upper_layer, e.upper), (e.lower_layer, e.lower)} <= shown]
        whole, passed = sum(e.flow for e in mine), 0.0
        for e in sorted(mine, key=lambda e: (-e.flow, e.upper, e.lower)):
            if passed < (KEPT - ROUNDING) * whole:
                found.append(e)
            passed += e.flow
    return tuple(found)


def _group_of(layer: LayerResult) -> Places:
    """Of each semantic group of a layer's neurons, in their order, the place of its neuron group; −1 for none."""
    place = {(m.channel, m.semantic): n for n, g in enumerate(layer.groups) for m in g.members}
    return np.array([place.get((a.channel, g.index), -1) for a in layer.neurons for g in a.groups], np.int64)


def _edges(named: tuple[str, str], ends: tuple[list[int], list[int]], flow: Floats, signed: Floats) -> list[Edge]:
    return [
        Edge(
            upper_layer=named[0], upper=ends[0][u], lower_layer=named[1], lower=ends[1][low],
            flow=float(flow[u, low]), signed=float(signed[u, low]),
        )
        for u, low in np.argwhere(flow > 0).tolist()
    ]  # fmt: skip


def with_shares(result: ClassResult, flow: Flow) -> ClassResult:
    """`result` with the conserved shares in its groups, the largest first: older bundles hold others."""

    def shared(layer: LayerResult) -> LayerResult:
        found = flow.groups[layer.name]
        groups = [g.model_copy(update={"share": found[g.index]}) for g in layer.groups]
        return layer.model_copy(
            update={"groups": tuple(sorted(groups, key=lambda g: (-round(g.share, DIGITS), g.index)))}
        )

    return result.model_copy(update={"layers": tuple(map(shared, result.layers))})
