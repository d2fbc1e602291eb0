"""F11 against T on an affine segment and against channels set to their means by hand, and what it says of no effect."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from neurflow_report.ablation.ablation import ablations
from neurflow_report.ablation.shifted import counted_from
from neurflow_report.fidelity.causal import Moved, edge_tests, judged, matched_sets
from neurflow_report.fidelity.experiment import EdgeTest
from neurflow_report.fidelity.ledger import ledger, limits
from neurflow_report.network.forward import AdaptiveBatch
from neurflow_report.results.flow import Edge
from neurflow_report.results.records import LayerResult, Member, Neuron, NeuronGroup, SemanticGroup

C, P = 30, 12


def layer(name: str, channels: int, groups: list[list[int]], patches: list[int]) -> LayerResult:
    """A layer whose neurons have one semantic group each, of all `patches`."""
    semantic = (SemanticGroup(index=1, patches=tuple(patches), activation=1.0, edges=()),)
    neurons = tuple(
        Neuron(
            layer=name, channel=c, concept=tuple(patches), activations=(1.0,) * len(patches), core=(), gap_mean=None,
            gap_max=None, nodes=None, silhouette=None, groups=semantic, dead=False,
        )
        for c in sorted({c for g in groups for c in g})
    )  # fmt: skip
    found = tuple(
        NeuronGroup(
            layer=name, index=i, members=tuple(Member(channel=c, semantic=1) for c in g), patches=tuple(patches),
            share=0.5,
        )
        for i, g in enumerate(groups, start=1)
    )  # fmt: skip
    return LayerResult(name=name, channels=channels, neurons=neurons, groups=found, silhouette=0.5)


def edge(upper: int = 1, lower: int = 1, signed: float = 0.3) -> Edge:
    return Edge(upper_layer="b", upper=upper, lower_layer="a", lower=lower, flow=abs(signed), signed=signed)


def by_hand(segment: Callable[[Tensor], Tensor], activations: Tensor) -> Moved:
    """φ with channels set to their means over all patches."""
    mean = activations.flatten(2).mean(dim=(0, 2)) if activations.ndim > 2 else activations.mean(dim=0)

    def phi_of(sets: np.ndarray, target: int, patches: np.ndarray) -> Tensor:
        found = []
        for row in torch.from_numpy(sets):
            x = activations[torch.from_numpy(patches)].clone()
            x[:, row] = mean[row].view(-1, *[1] * (x.ndim - 2)).to(x)
            out = segment(x)
            found.append((out.flatten(2).mean(dim=2) if out.ndim > 2 else out)[:, target])
        return torch.stack(found)

    return lambda sets: partial(phi_of, sets)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
def test_on_an_affine_segment_the_drop_is_the_sum_of_t(seed: int) -> None:
    torch.manual_seed(seed)
    segment = nn.Conv2d(C, 4, 3, padding=1).double()
    activations = torch.rand(P, C, 5, 5, dtype=torch.float64)
    mean = activations.mean(dim=(0, 2, 3), keepdim=True)
    lower, patches = [3, 8, 9], [0, 2, 5, 7]
    edges, below = [edge()], layer("a", C, [lower], patches)
    upper = layer("b", 4, [[0, 2]], patches)
    phi = np.asarray(mean).reshape(-1)
    test = next(edge_tests(upper, below, edges, by_hand(segment, activations), phi, 20, np.random.default_rng(seed)))
    expected = []
    for target in (0, 2):
        with torch.enable_grad():
            x = activations[patches].clone().requires_grad_()
            gradient = torch.autograd.grad(segment(x)[:, target].mean(dim=(1, 2)).sum(), x)[0]
        t = ((activations[patches] - mean) * gradient).sum(dim=(2, 3))  # (patches, C): T from the means
        whole = segment(activations[patches])[:, target].mean()
        expected.append(float(t[:, lower].sum(dim=1).mean() / whole.abs()))
    assert test.drop == pytest.approx(np.mean(expected), abs=1e-9)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.two(torch.relu(self.norm(self.one(x)))))


@torch.no_grad()
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("segment", [Block(), nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())])
def test_what_is_counted_from_the_means_has_them_where_channels_are_removed(segment: nn.Module, whole: bool) -> None:
    segment = segment.double().eval()
    activations = torch.rand(P, 8, 6, 6, dtype=torch.float64)
    mean = activations.mean(dim=(0, 2, 3), keepdim=True)
    traced = fx.symbolic_trace(segment)
    graph = str(traced.graph)
    row = activations[:1] - mean
    moved = counted_from(traced if not whole else segment, mean)
    engine = ablations(moved, row, axis=1, out_axis=1, rows=AdaptiveBatch(most=64, note=print), whole=whole)
    sets = np.random.default_rng(0).random((9, 8)) < 0.4
    found = engine.phi(activations - mean, torch.from_numpy(sets), [1, 6])
    for place, target in enumerate((1, 6)):
        expected = by_hand(segment, activations)(sets)(target, np.arange(P))
        assert torch.allclose(found[:, place], expected, atol=1e-12, rtol=0)
    assert str(traced.graph) == graph


def test_sets_are_as_large_and_as_active_and_none_is_twice_or_the_group() -> None:
    random = np.random.default_rng(0)
    phi = np.exp(random.normal(0, 2, size=200))
    group = random.choice(200, size=12, replace=False).tolist()
    sets = matched_sets(phi, group, 100, random)
    assert sets.shape == (100, 200)
    assert len(np.unique(sets, axis=0)) == 100
    assert (sets.sum(axis=1) == 12).all()
    assert sets[:, group].mean() < 0.4  # near neurons take their places, and themselves now and then
    level = np.log(phi)
    off = [abs(np.sort(level[row]) - np.sort(level[group])).mean() for row in sets]
    assert np.mean(off) < 0.25
    assert (
        np.mean([abs(np.sort(level[random.choice(200, 12)]) - np.sort(level[group])).mean() for _ in range(50)]) > 0.5
    )


@pytest.mark.parametrize(("channels", "size", "most"), [(4, 1, 3), (4, 3, 3), (6, 3, 19), (2, 1, 1)])
def test_of_a_small_layer_there_are_as_many_sets_as_there_can_be(channels: int, size: int, most: int) -> None:
    sets = matched_sets(np.ones(channels), list(range(size)), 100, np.random.default_rng(0))
    assert len(np.unique(sets, axis=0)) == len(sets) == most


def linear_run(
    seed: int, weight: Callable[[np.random.Generator], np.ndarray], lower: list[list[int]], channels: int = C
) -> list[EdgeTest]:
    """The edges of two upper neurons over groups of a linear layer whose activations are drawn."""
    random = np.random.default_rng(seed)
    w = torch.from_numpy(weight(random))
    activations = torch.from_numpy(
        random.lognormal(0, 0.8, size=(40, channels)) * random.lognormal(0, 0.6, size=channels)
    )
    moved = by_hand(lambda x: x @ w.T, activations)
    edges = [edge(u, v) for u in (1, 2) for v in range(1, 1 + len(lower))]
    strong = torch.argsort(-(activations @ w.T).sum(dim=1))[:10].tolist()  # as in a concept
    phi = activations[strong].mean(dim=0).numpy()
    tests = edge_tests(
        layer("b", 2, [[0], [1]], strong), layer("a", channels, lower, strong), edges, moved, phi, 100, random
    )
    return list(tests)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_edge_of_weight_0_never_counts(sign: int) -> None:
    """Whatever the other neurons do: all of them may lower what this one leaves as it is."""

    def weight(random: np.random.Generator) -> np.ndarray:
        w = sign * np.abs(random.normal(size=(2, C)))
        w[:, :2] = 0
        return w

    for seed in range(30):
        effects = judged(linear_run(seed, weight, [[0, 1], [4, 5]])).edge_effects
        assert all(e.q_value > 0.05 for e in effects if e.lower == 1)


WEIGHTS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "either way": lambda r: r.normal(size=(2, C)) + 0.3,
    "raising": lambda r: np.abs(r.normal(size=(2, C))),
}


@pytest.mark.slow
@pytest.mark.parametrize("weights", WEIGHTS)
def test_groups_that_are_like_others_count_in_5_of_100_runs_at_most(weights: str) -> None:
    """Their weights are drawn like everybody's: the upper groups lose no more without them than without others."""
    any_counts, supported = 0, 0
    for seed in range(200):
        random = np.random.default_rng([seed, 9])
        lower = [random.choice(C, size=size, replace=False).tolist() for size in (1, 2, 4)]
        found = judged(linear_run(seed, WEIGHTS[weights], lower))
        any_counts += any(e.q_value <= 0.05 for e in found.edge_effects)
        claims = ledger((), found.measures, (), experiments=("causal",), thresholds=limits({}))
        supported += any(c.verdict == "supported" for c in claims)
    assert any_counts <= 10
    assert supported <= 10


def test_edges_that_carry_all_count() -> None:
    def weight(random: np.random.Generator) -> np.ndarray:
        w = 0.05 * random.normal(size=(2, 150))
        w[0, :2] = w[1, 4:6] = 3
        return w

    effects = judged(linear_run(0, weight, [[0, 1], [4, 5]], channels=150)).edge_effects
    assert {(e.upper, e.lower) for e in effects if e.q_value <= 0.05} == {(1, 1), (2, 2)}


def test_an_edge_with_fewer_than_19_sets_is_not_judged() -> None:
    """Four neurons leave three others to hold one against: it could never count, whatever it does."""
    activations = torch.rand(P, 4, dtype=torch.float64)
    moved = by_hand(lambda x: x @ torch.ones(4, 1, dtype=torch.float64), activations)
    upper, below, random = layer("b", 1, [[0]], [0, 1, 2]), layer("a", 4, [[1]], [0, 1, 2]), np.random.default_rng(0)
    assert list(edge_tests(upper, below, [edge()], moved, np.ones(4), 100, random)) == []
    assert judged([]).measures == ()


def naive_step_down(own: np.ndarray, null: np.ndarray) -> list[float]:
    """Westfall and Young's algorithm 4.1 as it is written, for statistics in one unit: own (E,), null (E, D)."""
    order, found, last = np.argsort(-own), [0.0] * len(own), 0.0
    for at, place in enumerate(order):
        largest = [max(null[other, d] for other in order[at:]) for d in range(null.shape[1])]
        last = max(last, (1 + sum(v >= own[place] for v in largest)) / (1 + null.shape[1]))
        found[place] = last
    return found


def test_together_they_are_judged_as_it_is_written() -> None:
    random = np.random.default_rng(5)
    null = np.abs(random.normal(size=(6, 50)))
    own = np.array([0.1, 1.0, 2.2, 3.0, 3.6, 4.5])
    tests = [EdgeTest(edge=edge(1 + i), drop=float(own[i]), null=null[i]) for i in range(6)]
    every = np.concatenate([own[:, None], null], axis=1)
    z = (every - every.mean(axis=1, keepdims=True)) / every.std(axis=1, keepdims=True)
    found = judged(tests)
    alone = [(1 + (null[i] >= own[i]).sum()) / 51 for i in range(6)]
    assert [e.p_value for e in found.edge_effects] == pytest.approx(alone)
    assert [e.q_value for e in found.edge_effects] == pytest.approx(naive_step_down(z[:, 0], z[:, 1:]))
    lowers = [EdgeTest(edge=edge(signed=-0.2), drop=0.9, null=null[0]), EdgeTest(edge=edge(2), drop=9, null=null[1])]
    assert judged(lowers).edge_effects[0].p_value == 1.0  # a drop where the edge is drawn to lower


def test_sets_for_a_thousand_channels_of_a_wide_layer_are_drawn():
    """The choices are compared as logarithms: as numbers they would overflow."""
    random = np.random.default_rng(0)
    members = random.permutation(8192)[:1100].tolist()
    found = matched_sets(random.normal(size=8192), members, 3, random)
    assert found.sum(axis=1).tolist() == [1100] * 3
