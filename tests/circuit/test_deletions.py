"""What would be core on half of the pictures against the same chosen draw by draw, and where it is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.circuit.deletions import Deletions, chosen, strongest_left
from neurflow_report.circuit.top_patches import core_set

PER_PICTURE = 3


def naive(kept: np.ndarray, layers: list[tuple[np.ndarray, np.ndarray, np.ndarray]], tau: int) -> list[np.ndarray]:
    """In how many draws each channel is core, layer by layer from the logit down: T, the targets and their concepts."""
    counts = [np.zeros(values.shape[2], dtype=int) for values, _, _ in layers]
    for draw in kept:
        above = None
        for (values, core, wanted), count in zip(layers, counts, strict=True):
            now = set[int]()
            for target, channel in enumerate(core.tolist()):
                if above is not None and channel not in above:
                    continue
                k = max(1, round(wanted.shape[1] * float(draw.mean())))
                left = [j for j, p in enumerate(wanted[target]) if draw[p // PER_PICTURE]][:k]
                if left:
                    now |= set(core_set(np.abs(values[target, left]).mean(axis=0), tau).tolist())
            above = now
            count[sorted(now)] += 1
    return counts


def circuit(random: np.random.Generator, pictures: int, widths: list[int], tau: int, *, ties: bool):
    """T of a circuit from the logit down; whole numbers are summed exactly, so that ties are ties."""
    layers, core, k = [], np.array([0]), min(6, PER_PICTURE * pictures)
    for width in widths:
        wanted = np.stack([random.permutation(PER_PICTURE * pictures)[:k] for _ in core])
        shape = (len(core), k, width)
        values = random.integers(-2, 3, shape).astype(float) if ties else random.normal(size=shape)
        layers.append((values, core, wanted))
        core = np.unique(np.concatenate([core_set(np.abs(v).mean(axis=0), tau) for v in values]))
    return layers


@given(
    seed=st.integers(0, 10_000), pictures=st.integers(1, 8), tau=st.integers(1, 9), ties=st.booleans(),
    single=st.booleans(),
)  # fmt: skip
def test_as_many_draws_as_counted_one_by_one(seed: int, pictures: int, tau: int, ties: bool, single: bool) -> None:
    random = np.random.default_rng(seed)
    layers = circuit(random, pictures, [7, 5, 6], tau, ties=ties)
    found = Deletions(pictures=pictures, per_picture=PER_PICTURE, seed=(seed,), draws=40)
    for number, (values, core, wanted) in enumerate(layers):
        given_t = torch.from_numpy(values)
        if single and ties:
            given_t = given_t.float()
        found.descend(str(number), given_t, core, wanted, sorted({tau, 1}))
    for one in {tau, 1}:
        for number, counts in enumerate(naive(found.kept, layers, one)):
            assert found.found[str(number), one].core.tolist() == counts.tolist()


def test_in_parts_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = circuit(np.random.default_rng(3), 6, [9, 8], 3, ties=False)
    both = []
    for part in (2**24, 1):
        monkeypatch.setattr("neurflow_report.circuit.deletions.PART", part)
        found = Deletions(pictures=6, per_picture=PER_PICTURE, seed=(1,), draws=50)
        for number, (values, core, wanted) in enumerate(layers):
            found.descend(str(number), torch.from_numpy(values), core, wanted, [3])
        both.append([one.tolist() for f in found.found.values() for one in (f.core, f.shuffled)])
    assert both[0] == both[1]


def test_of_one_picture_nothing_is_sure() -> None:
    """Without it there is nothing to choose from: its core is core in half of the draws."""
    values, wanted = torch.rand(1, 3, 5, dtype=torch.float64), np.array([[2, 0, 1]])
    found = Deletions(pictures=1, per_picture=PER_PICTURE, seed=(0,))
    found.descend("a", values, np.array([0]), wanted, [2])
    assert sorted(found.found["a", 2].core.tolist(), reverse=True)[:3] == [found.kept.sum(), found.kept.sum(), 0]


def test_with_tau_over_the_channels_all_that_have_any_t_are_core_wherever_a_patch_is_left() -> None:
    values, wanted = torch.ones(1, 4, 5, dtype=torch.float64), np.array([[0, 3, 6, 9]])
    values[:, :, 2] = 0
    found = Deletions(pictures=4, per_picture=PER_PICTURE, seed=(0,), draws=200)
    found.descend("a", values, np.array([0]), wanted, [9])
    left = int(found.kept.any(axis=1).sum())
    assert found.found["a", 9].core.tolist() == [left, left, 0, left, left]


def test_channels_that_are_alike_in_everything_go_to_the_lower_index() -> None:
    scores, inside = torch.ones(1, 4, 6, dtype=torch.float64), torch.ones(1, 2, 4, dtype=torch.bool)
    assert chosen(scores, inside, 2)[0].nonzero()[:, 1].tolist() == [0, 1, 0, 1]


@given(seed=st.integers(0, 10_000), pictures=st.integers(1, 12), k=st.integers(1, 20))
def test_what_is_left_of_a_concept_is_the_strongest_of_the_pictures_left(seed: int, pictures: int, k: int) -> None:
    random = np.random.default_rng(seed)
    kept, picture = random.random((15, pictures)) < 0.5, random.integers(0, pictures, (2, k))
    found = strongest_left(kept, picture)
    assert found.shape == (2, 15, k)
    for target in range(2):
        for draw in range(15):
            most = max(1, round(k * float(kept[draw].mean())))
            due = [j for j in range(k) if kept[draw, picture[target, j]]][:most]
            assert np.flatnonzero(found[target, draw]).tolist() == due


def test_a_channel_above_all_others_on_every_picture_is_always_core_and_noise_is_not() -> None:
    random = np.random.default_rng(0)
    values = torch.from_numpy(random.lognormal(size=(1, 40, 60)))
    values[:, :, 7] += 50
    wanted = np.arange(0, 120, 3)[None]
    found = Deletions(pictures=40, per_picture=PER_PICTURE, seed=(0,))
    found.descend("a", values, np.array([0]), wanted, [4])
    inclusion = found.found["a", 4]
    assert inclusion.core[7] == inclusion.draws
    others = core_set(values[0].mean(dim=0).numpy(), 4)[1:]
    assert (inclusion.core[others] < inclusion.draws).all()
    assert len(inclusion.shuffled) == 4


def test_without_a_neuron_above_what_only_it_needs_is_not_core_either() -> None:
    """The upper neuron 1 is core on the first picture alone, and neuron 3 below is needed by it alone."""
    top = torch.tensor([[[5.0, 0.0], [5.0, 6.0]]], dtype=torch.float64)
    below = torch.tensor([[[9.0, 0, 0, 0]] * 2, [[0, 0, 0, 9.0]] * 2], dtype=torch.float64)
    found = Deletions(pictures=2, per_picture=PER_PICTURE, seed=(0,), draws=400)
    found.descend("b", top, np.array([0]), np.array([[0, 3]]), [1])
    found.descend("a", below, np.array([0, 1]), np.array([[0, 3], [0, 3]]), [1])
    assert found.found["a", 1].core[3] == found.found["b", 1].core[1]
    assert found.found["a", 1].core[0] == found.found["b", 1].core[0]
