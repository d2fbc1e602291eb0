"""The ascent of a facet: its basis against a sum by hand, what it comes to where that is known, and what fails."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
import torch
from torch import Tensor

from neurflow_report.circuit.facet import (
    BROKEN,
    FLAT,
    ascended,
    distances,
    falling,
    from_bytes,
    in_bytes,
    painted,
)

LIKE = torch.zeros((), dtype=torch.float64)
SIZE = 16


def by_hand(spectrum: np.ndarray, size: int) -> np.ndarray:
    """Colours of a spectrum, summed frequency by frequency: the left half stands for the right one, too."""
    found = np.zeros((len(spectrum), size, size))
    for c, u, v in np.ndindex(spectrum.shape[:3]):
        down, across = min(u, size - u) / size, v / size
        scale = 1 / max((down**2 + across**2) ** 0.5, 1 / size)
        weight = 1 if v in {0, size / 2} else 2
        value = complex(*spectrum[c, u, v]) * scale * weight / size
        for y, x in np.ndindex(size, size):
            found[c, y, x] += (value * cmath.exp(2j * cmath.pi * (u * y + v * x) / size)).real
    return 1 / (1 + np.exp(-found / 4))


@pytest.mark.parametrize("size", [5, 6])
def test_the_basis_is_what_a_sum_by_hand_gives(size: int) -> None:
    spectrum = np.random.default_rng(0).standard_normal((2, size, size // 2 + 1, 2))
    found = painted(torch.from_numpy(spectrum), falling(size))
    assert found.shape == (1, 2, size, size)
    assert np.allclose(found[0].numpy(), by_hand(spectrum, size), atol=1e-12)


def test_frequencies_fall_as_1_over_f() -> None:
    scale = falling(8)
    assert scale.shape == (8, 5)
    assert [scale[0, 0].item(), scale[0, 1].item(), scale[1, 0].item(), scale[-1, 0].item()] == [8, 8, 8, 8]
    assert (scale[0, 2].item(), scale[0, 4].item()) == (4, 2)
    assert scale[2, 2].item() == pytest.approx(8 / 8**0.5)


def smooth() -> Tensor:
    """A filter of few periods, (3, S, S), of mean 0."""
    at = torch.arange(SIZE, dtype=torch.float64) * (2 * torch.pi / SIZE)
    waves = [
        torch.sin(at)[:, None] + torch.cos(at),
        torch.cos(2 * at)[:, None] * torch.sin(at),
        -torch.sin(at)[:, None] + 0 * at,
    ]
    return torch.stack(waves)


def linear(colours: Tensor) -> Tensor:
    return (colours[0] * smooth()).sum()


def made(objective, seed=(1,), steps=128):
    return ascended(objective, channels=3, size=SIZE, steps=steps, seed=seed, like=LIKE)


def test_of_a_linear_filter_the_picture_is_the_filter() -> None:
    found = made(linear)
    values = found.picture.astype(float) - 127.5
    of_filter, of_another = (
        np.corrcoef(values.ravel(), w.numpy().ravel())[0, 1] for w in (smooth(), smooth().transpose(1, 2))
    )
    assert of_filter > 0.7  # of 1: the jitter blurs, and colours end at 0 and 1
    assert abs(of_another) < 0.4
    first, last = (float(linear(from_bytes(p, LIKE))) for p in (found.start, found.picture))
    assert last > first + 100
    assert found.reason == ""


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    one, two, other = made(linear, (1,)), made(linear, (1,)), made(linear, (2,))
    assert one.picture.tobytes() == two.picture.tobytes()
    assert one.picture.tobytes() != other.picture.tobytes()


def test_a_start_that_activates_nothing_is_passed_over() -> None:
    """A unit that opens where the picture is clearly not grey: the weakest noise has no gradient."""

    def opens(colours: Tensor) -> Tensor:
        return torch.relu(colours.std() - 0.1)

    found = made(opens)
    assert found.reason == ""
    assert opens(from_bytes(found.picture, LIKE)) > opens(from_bytes(found.start, LIKE)) > 0


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        (lambda c: 0 * c.sum(), FLAT),
        (lambda c: torch.relu(c.sum() - 1e9), FLAT),
        (lambda c: c.detach().sum(), FLAT),
        (lambda c: torch.log(c.sum() - 1e9), BROKEN),
        (lambda c: c.sum() / (0 * c.sum()), BROKEN),
        (lambda c: torch.where(c.mean() > 0.6, torch.nan * c.sum(), c.sum()), BROKEN),  # on its way up
    ],
)
def test_what_cannot_be_ascended_is_told(objective, reason: str) -> None:
    found = made(objective)
    assert (found.picture, found.start, found.reason) == (None, None, reason)


def test_a_picture_is_kept_to_a_256th() -> None:
    colours = painted(torch.from_numpy(np.random.default_rng(3).standard_normal((3, 8, 5, 2))), falling(8))
    again = from_bytes(in_bytes(colours), LIKE)
    assert again.shape == colours.shape
    assert (again - colours).abs().max() <= 0.5 / 255 + 1e-12


def test_distances_are_in_standard_deviations_and_count_silent_channels_a_little() -> None:
    natural = np.array([[0.0, 1.0, 5.0], [2.0, 3.0, 5.0]])  # deviations 1, 1, 0; the mean of them 2/3
    found = distances(np.array([[1.0, 2.0, 5.0], [2.0, 2.0, 5.0], [1.0, 2.0, 6.0]]), natural)
    assert found == pytest.approx([0, (1 / 3) ** 0.5, (15**2 / 3) ** 0.5])
    assert distances(natural, natural[:1]) is None
