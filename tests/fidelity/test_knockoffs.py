"""Knockoffs against knockpy's frozen figures and against what makes them knockoffs; the edges of what can be judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from neurflow_report.fidelity.knockoffs import NoKnockoffsError, coefficient_differences, gaussian_knockoffs

FROZEN = json.loads((Path(__file__).parent / "knockpy.json").read_text(encoding="utf-8"))


def layer(rows: int, channels: int, *, seed: int, dead: tuple[int, ...] = (), tied: tuple[int, ...] = ()):
    """(φ, logits) like a layer's: rectified mixtures of six causes, and a logit that follows every fifth channel.

    `dead`: channels that are 0.1 throughout; `tied`: channels equal to the one before. The older generator, whose
    draws are the same in every version of numpy.
    """
    random = np.random.RandomState(seed)
    causes = random.standard_normal((rows, 6)) @ random.standard_normal((6, channels))
    phi = np.maximum(causes + random.standard_normal((rows, channels)), 0)
    for channel in tied:
        phi[:, channel] = phi[:, channel - 1]
    phi[:, list(dead)] = 0.1
    strength = np.where(np.arange(channels) % 5 == 0, random.uniform(1, 3, channels), 0)
    return phi, phi @ strength + 2 * random.standard_normal(rows)


LAYERS = {
    "more patches than channels": layer(300, 16, seed=1),
    "fewer patches than channels": layer(40, 60, seed=2),
    "dead and tied channels": layer(200, 20, seed=3, dead=(0, 7), tied=(6, 11)),
    "one channel": layer(60, 1, seed=4),
    "a logit that follows nothing": (layer(100, 12, seed=5)[0], np.random.RandomState(6).standard_normal(100)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_figures_are_knockpy_s(name):
    for seed, expected in FROZEN["figures"][name].items():
        found = coefficient_differences(*LAYERS[name], seed=int(seed))
        assert found == pytest.approx(expected, abs=1e-7)


def test_every_case_is_frozen_and_most_find_something():
    assert set(FROZEN["figures"]) == set(LAYERS)
    found = [max(map(abs, figures)) > 1 for case in FROZEN["figures"].values() for figures in case.values()]
    assert sum(found) == len(found) - len(FROZEN["figures"]["a logit that follows nothing"])


def test_a_knockoff_keeps_every_covariance_but_that_with_its_own_channel():
    random = np.random.default_rng(0)
    x = random.standard_normal((40_000, 5)) @ random.standard_normal((5, 5))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    made = gaussian_knockoffs(x, random.standard_normal(x.shape))
    both = np.cov(np.hstack([x, made]).T)
    own, theirs, between = both[:5, :5], both[5:, 5:], both[:5, 5:]
    assert theirs == pytest.approx(own, abs=0.03)
    apart = own - between
    assert apart - np.diag(np.diag(apart)) == pytest.approx(np.zeros((5, 5)), abs=0.03)
    least = np.linalg.eigvalsh(own)[0]
    assert np.diag(apart) == pytest.approx(np.full(5, min(1, 2 * least)), abs=0.03)


def test_the_same_seed_gives_the_same_figures_and_numpy_s_own_generator_is_left_alone():
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    first, again, other = (coefficient_differences(*layer(300, 16, seed=1), seed=seed) for seed in (8, 8, 9))
    assert np.random.get_state()[1].tolist() == before
    assert again.tolist() == first.tolist() != other.tolist()


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-3, 1e6 / 3])
def test_a_channel_that_never_varies_has_no_score_and_changes_none(value):
    """The mean of equal numbers is not that number, but for luck."""
    phi, logits = layer(301, 9, seed=7)
    alone = coefficient_differences(phi, logits, seed=1)
    dead = coefficient_differences(np.insert(phi, 4, value, axis=1), logits, seed=1)
    assert dead[4] == 0
    assert np.delete(dead, 4).tolist() == alone.tolist()


def test_where_nothing_varies_nothing_stands_out():
    phi, logits = layer(50, 6, seed=8)
    assert coefficient_differences(np.full_like(phi, 0.1), logits, seed=1).tolist() == [0.0] * 6
    assert coefficient_differences(phi, np.full_like(logits, 0.1), seed=1).tolist() == [0.0] * 6


def test_a_logit_with_two_values_is_regressed_like_any_other():
    phi, logits = layer(300, 16, seed=1)
    found = coefficient_differences(phi, (logits > np.median(logits)).astype(float), seed=1)
    assert (found > 0).any()


@pytest.mark.parametrize(
    ("phi", "reason"),
    [
        (layer(4, 3, seed=1)[0], "knockoffs are judged by 5-fold cross-validation, and there are 4 patches"),
        (np.where(np.arange(90).reshape(30, 3) == 40, np.nan, 1.0), "an activation is not finite"),
        (np.where(np.arange(90).reshape(30, 3) == 40, np.inf, 1.0), "an activation is not finite"),
        (
            np.tile([[1.0], [-1.0]], (20, 3)),
            "the channels determine one another: no knockoff differs from its channel",
        ),
    ],
)
def test_what_cannot_be_judged_is_told(phi, reason):
    with pytest.raises(NoKnockoffsError) as raised:
        coefficient_differences(phi, np.arange(len(phi), dtype=float), seed=1)
    assert str(raised.value) == reason
