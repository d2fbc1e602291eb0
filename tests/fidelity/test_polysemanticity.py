"""F9 against the same figure written out pair by pair, and what it says of neurons whose groups are known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from neurflow_report.fidelity.polysemanticity import apart, polysemanticity, resampled, split_at_random
from neurflow_report.results.flow import effective
from neurflow_report.results.records import Neuron, SemanticGroup

K = 24


def neuron(groups: list[list[int]], channel: int = 3) -> Neuron:
    semantic = tuple(
        SemanticGroup(index=i, patches=tuple(rows), activation=1.0, edges=()) for i, rows in enumerate(groups, start=1)
    )
    return Neuron(
        layer="a", channel=channel, concept=tuple(p for rows in groups for p in rows), activations=(1.0,) * K, core=(),
        gap_mean=None, gap_max=None, nodes=None, silhouette=0.5, groups=semantic, dead=False,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_the_figure_is_the_oracle_s(seed: int) -> None:
    random = np.random.default_rng(seed)
    r, order = random.uniform(0, 2, size=(60, 9)), random.permutation(60)[:K].tolist()
    groups = [order[:5], order[5:9], order[9:]]
    means = [r[rows].mean(axis=0) for rows in groups]
    expected = 1 - np.mean([1 - cosine(a, b) for a, b in combinations(means, 2)])
    whole, own = polysemanticity("a", [neuron(groups)], r, (0, seed))
    assert own.value == pytest.approx(1 - (1 - expected), abs=1e-12)
    assert (whole.value, whole.n, own.channel, own.n) == (own.value, 1, 3, K)
    assert own.low <= own.value <= own.high


def test_a_random_split_is_the_oracle_s_split() -> None:
    """Every split takes each row once, in parts of the sizes asked for: told from a table whose rows are apart."""
    r = np.eye(6) + 0.01
    found = split_at_random(r, [1, 2, 3], 50, np.random.default_rng(0))
    means = [r[rows].mean(axis=0) for rows in ([0], [1, 2], [3, 4, 5])]
    expected = np.mean([cosine(a, b) for a, b in combinations(means, 2)])
    assert found == pytest.approx(np.full(50, expected), abs=1e-9)  # by symmetry the same for every split


def test_resampling_stays_within_the_groups() -> None:
    r = np.repeat([[1.0, 0.0], [0.0, 1.0]], [4, 6], axis=0)
    assert resampled(r, [4, 6], 20, np.random.default_rng(0)) == pytest.approx(np.ones(20))


def test_two_things_are_far_apart_and_one_thing_is_as_far_as_chance() -> None:
    random = np.random.default_rng(2)
    two = np.concatenate([random.normal([5, 0, 0], 0.3, (12, 3)), random.normal([0, 5, 0], 0.3, (12, 3))])
    own = polysemanticity("a", [neuron([list(range(12)), list(range(12, 24))])], two, (1,))[1]
    assert own.value > 0.9
    assert own.null is not None
    assert own.null < 0.1 < own.low
    over = 0
    for seed in range(200):
        one = np.random.default_rng(seed).normal(3, 1, (K, 8))
        own = polysemanticity("a", [neuron([list(range(8)), list(range(8, 24))])], one, (seed,))[1]
        over += own.value > (own.null_high or 0)
    assert over <= 15  # 2.5% of 200 are 5, and 15 of them have p < 0.0002


def test_silent_rows_are_no_error() -> None:
    assert apart(np.zeros((2, 4))) == 1.0


def test_the_effective_number_of_equal_groups_is_their_number() -> None:
    assert effective([0.25] * 4) == pytest.approx(4)
    assert effective([1.0]) == 1
    assert effective([0.9, 0.1]) == pytest.approx(np.exp(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1))))
