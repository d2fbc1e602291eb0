"""Shares that are conserved (METHOD §3), against a naive rewrite, on circuits drawn at random."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurflow_report.results.flow import flow_of, parts, with_shares
from neurflow_report.results.records import (
    ClassResult,
    CoreScore,
    LayerResult,
    Member,
    Neuron,
    NeuronEdge,
    NeuronGroup,
    SemanticGroup,
)
from tests.sample_bundle import frozen_bundle


def neuron(layer: str, channel: int, groups: list[tuple[tuple[int, ...], dict[int, float]]]) -> Neuron:
    """`groups`: (patches, weight by lower channel)."""
    lower = {c for _, edges in groups for c in edges}
    return Neuron(
        layer=layer, channel=channel, concept=tuple(p for patches, _ in groups for p in patches), activations=(),
        core=tuple(CoreScore(channel=c, score=1.0) for c in sorted(lower)), gap_mean=None, gap_max=None, nodes=None,
        silhouette=None, dead=False,
        groups=tuple(
            SemanticGroup(
                index=j, patches=patches, activation=1.0,
                edges=tuple(NeuronEdge(channel=c, weight=w) for c, w in edges.items()),
            )
            for j, (patches, edges) in enumerate(groups, 1)
        ),
    )  # fmt: skip


def layer(name: str, neurons: list[Neuron], groups: list[list[tuple[int, int]]]) -> LayerResult:
    return LayerResult(
        name=name, channels=99, neurons=tuple(neurons), silhouette=None,
        groups=tuple(
            NeuronGroup(
                layer=name, index=g, members=tuple(Member(channel=c, semantic=j) for c, j in members), patches=(0,),
                share=0.5,
            )
            for g, members in enumerate(groups, 1)
        ),
    )  # fmt: skip


@st.composite
def circuits(draw: st.DrawFn) -> list[LayerResult]:
    """Two to four layers, input to logit, of one to five neurons with one to three semantic groups each."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    widths = [draw(st.integers(1, 5)) for _ in range(draw(st.integers(1, 3)))] + [1]
    made: list[LayerResult] = []
    for level, width in enumerate(widths):
        neurons = []
        for c in range(width):
            groups = []
            for _ in range(rng.integers(1, 4)):
                raw = rng.normal(size=widths[level - 1]) if level else np.zeros(0)
                weights = raw / max(np.abs(raw).sum(), 1e-12)
                groups.append((tuple(range(int(rng.integers(1, 9)))), dict(enumerate(weights.tolist()))))
            neurons.append(neuron(f"l{level}", c, groups))
        every = [(a.channel, g.index) for a in neurons for g in a.groups]
        count = 1 if level == len(widths) - 1 else int(rng.integers(1, len(every) + 1))
        at = rng.permutation(len(every)) % count
        made.append(
            layer(f"l{level}", neurons, [[m for m, n in zip(every, at, strict=True) if n == g] for g in range(count)])
        )
    return made


@settings(max_examples=60, deadline=None)
@given(circuits())
def test_shares_and_flows_are_conserved_at_every_layer(layers: list[LayerResult]) -> None:
    flow = flow_of(layers)
    for one in layers:
        assert sum(flow.neurons[one.name].values()) == pytest.approx(1)
        assert sum(flow.groups[one.name].values()) == pytest.approx(1)
    for lower, upper in pairwise(layers):
        mine = [e for e in flow.edges if e.lower_layer == lower.name]
        for g in upper.groups:
            assert sum(e.flow for e in mine if e.upper == g.index) == pytest.approx(flow.groups[upper.name][g.index])
        for g in lower.groups:
            assert sum(e.flow for e in mine if e.lower == g.index) == pytest.approx(flow.groups[lower.name][g.index])
        assert all(abs(e.signed) <= e.flow + 1e-12 for e in mine)
        neurons = [e for e in flow.neuron_edges if e.lower_layer == lower.name]
        for a in upper.neurons:
            assert sum(e.flow for e in neurons if e.upper == a.channel) == pytest.approx(
                flow.neurons[upper.name][a.channel]
            )


@settings(max_examples=30, deadline=None)
@given(circuits())
def test_it_is_what_a_naive_rewrite_finds(layers: list[LayerResult]) -> None:
    flow = flow_of(layers)
    share = {a.channel: 1.0 for a in layers[-1].neurons}
    for lower, upper in reversed(list(pairwise(layers))):
        part = {(a.channel, j): p for a in (*upper.neurons, *lower.neurons) for j, p in parts(a).items()}
        lent = {(i.channel, g.index): 0.0 for i in lower.neurons for g in lower.groups}
        for g in lower.groups:
            for m in g.members:
                own = next(a for a in lower.neurons if a.channel == m.channel)
                lent[m.channel, g.index] += parts(own)[m.semantic]
        below = dict.fromkeys((i.channel for i in lower.neurons), 0.0)
        edges: dict[tuple[int, int], float] = {}
        signed: dict[tuple[int, int], float] = {}
        for u in upper.groups:
            for m in u.members:
                a = next(a for a in upper.neurons if a.channel == m.channel)
                for edge in next(g for g in a.groups if g.index == m.semantic).edges:
                    through = share[a.channel] * parts(a)[m.semantic] * edge.weight
                    below[edge.channel] += abs(through)
                    for g in lower.groups:
                        key = (u.index, g.index)
                        edges[key] = edges.get(key, 0.0) + abs(through) * lent[edge.channel, g.index]
                        signed[key] = signed.get(key, 0.0) + through * lent[edge.channel, g.index]
        assert flow.neurons[lower.name] == pytest.approx(below)
        found = {(e.upper, e.lower): e for e in flow.edges if e.lower_layer == lower.name}
        assert {key: e.flow for key, e in found.items()} == pytest.approx({k: v for k, v in edges.items() if v > 0})
        assert {key: e.signed for key, e in found.items()} == pytest.approx({k: signed[k] for k in found})
        share, part = below, part


def test_a_neuron_with_47_of_50_patches_in_one_group_lends_it_94_per_cent() -> None:
    low = neuron("low", 3, [(tuple(range(47)), {}), (tuple(range(47, 50)), {})])
    top = neuron("top", 0, [(tuple(range(50)), {3: -1.0})])
    flow = flow_of([layer("low", [low], [[(3, 1)], [(3, 2)]]), layer("top", [top], [[(0, 1)]])])
    assert flow.groups["low"] == {1: pytest.approx(0.94), 2: pytest.approx(0.06)}
    assert [(e.lower, e.flow, e.signed) for e in flow.edges] == [
        (1, pytest.approx(0.94), pytest.approx(-0.94)), (2, pytest.approx(0.06), pytest.approx(-0.06)),
    ]  # fmt: skip


def test_what_ends_in_a_neuron_without_a_core_is_not_handed_down() -> None:
    low = [neuron("low", 0, [((0,), {})])]
    middle = [neuron("mid", 0, [((0,), {0: 1.0})]), neuron("mid", 1, [((0,), {})])]
    top = neuron("top", 0, [((0,), {0: 0.25, 1: 0.75})])
    layers = [
        layer("low", low, [[(0, 1)]]),
        layer("mid", middle, [[(0, 1)], [(1, 1)]]),
        layer("top", [top], [[(0, 1)]]),
    ]
    assert flow_of(layers).groups == {"top": {1: 1.0}, "mid": {1: 0.25, 2: 0.75}, "low": {1: 0.25}}


def test_a_layer_without_neurons_has_no_shares() -> None:
    flow = flow_of([layer("low", [], []), layer("top", [neuron("top", 0, [((0,), {})])], [[(0, 1)]])])
    assert (flow.groups["low"], flow.neurons["low"], flow.edges) == ({}, {}, ())


def test_the_shares_of_an_older_bundle_are_computed_anew(tmp_path: Path) -> None:
    result: ClassResult = frozen_bundle(tmp_path).classes[0]
    found = with_shares(result, flow_of(result.layers))
    for before, after in zip(result.layers, found.layers, strict=True):
        shares = [g.share for g in after.groups]
        assert [round(s, 6) for s in shares] == sorted((round(s, 6) for s in shares), reverse=True)
        assert {g.index for g in after.groups} == {g.index for g in before.groups}
        assert math.isclose(sum(shares), 1, rel_tol=1e-6)
    assert [g.share for g in found.layers[1].groups] != [g.share for g in result.layers[1].groups]
