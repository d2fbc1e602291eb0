"""F14 on a neuron of two Gaussians, whose drops are known, and its ranges against numpy's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from neurflow_report.fidelity.ranges import EXPERIMENT, Ranges, lost, put_out, ranges_of

N, OTHERS = 2000, 8000
Figures = dict[str, float]


def above(x: Tensor) -> Tensor:
    """Logits of three classes: the first where neuron 0 is over 3, the second from 1 to 3, the third under that."""
    level = x[:, 0]
    return torch.stack([level > 3, (level > 1) & (level <= 3), level <= 1], dim=1).double()


def subject(own: Tensor, others: Tensor, *, core: tuple[int, ...] = (0,), parts: int = 3) -> Any:
    def given(x: Tensor) -> Any:
        return lambda: iter(torch.chunk(x, parts) if len(x) else ())

    layer = SimpleNamespace(name="a", neurons=[SimpleNamespace(channel=c) for c in core])
    return SimpleNamespace(
        layer=layer, logit=0, axis=1, above=above, pictures=given(own), measured=given(own), others=given(others)
    )


def gaussians(seed: int = 0) -> tuple[Tensor, Tensor]:
    """The neuron at 10 ± 1 for the class, at 2 ± 0.2 for the others."""
    random = np.random.default_rng(seed)
    own = np.stack([random.normal(10, 1, N), random.normal(0, 1, N)], axis=1)
    others = np.stack([random.normal(2, 0.2, OTHERS), random.normal(0, 1, OTHERS)], axis=1)
    return torch.from_numpy(own), torch.from_numpy(others)


def test_of_two_gaussians_the_class_is_lost_in_its_range_and_the_others_stay() -> None:
    own, others = gaussians()
    found = {m.case: m for m in EXPERIMENT.run(subject(own, others)).measures}
    level = own[:, 0].numpy()
    inside = np.abs(level - level.mean()) <= 2.5 * level.std()
    assert found["the class, its ranges"].value == inside.mean()
    assert inside.mean() == pytest.approx(norm.cdf(2.5) - norm.cdf(-2.5), abs=0.01)
    assert found["others, its ranges"].value == 0.0
    assert found["more of the class, its ranges"].value == inside.mean()
    its = found["the class, its ranges"]
    assert (its.null, its.p_value) == (0.0, 0.5)  # in the range of the others nothing of the class lies
    whole = found["more of the class, whole neurons"]
    assert whole.value == pytest.approx(1.0 - 1.0)  # at 0 altogether, the others go as well


def test_a_neuron_that_does_not_tell_them_apart_loses_no_more_of_the_class() -> None:
    """The class is told by neuron 0, and neuron 1 alone is put out."""
    own, others = gaussians(1)
    found = {m.case: m.value for m in EXPERIMENT.run(subject(own, others, core=(1,))).measures}
    assert set(found.values()) == {0.0}


@pytest.mark.parametrize("axis", [1, 2])
def test_ranges_are_over_pictures_and_places_and_in_parts_the_same(axis: int) -> None:
    random = np.random.default_rng(2)
    x = random.normal(100, 0.01, size=(7, 5, 4)) if axis == 2 else random.normal(100, 0.01, size=(7, 4, 5, 3))
    found = ranges_of(torch.chunk(torch.from_numpy(x), 3), [3, 1], axis)
    flat = np.moveaxis(x, axis, -1)[..., [3, 1]].reshape(-1, 2)
    assert found.low.numpy() == pytest.approx(flat.mean(axis=0) - 2.5 * flat.std(axis=0), abs=1e-10)
    assert found.high.numpy() == pytest.approx(flat.mean(axis=0) + 2.5 * flat.std(axis=0), abs=1e-10)


def test_only_what_lies_in_the_range_is_put_out_and_the_rest_is_as_it_was() -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    found = put_out(x, [1], 1, Ranges(low=torch.tensor([4.0]), high=torch.tensor([5.5])))
    assert found.tolist() == [[[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]]]
    assert x[0, 1].tolist() == [4.0, 5.0, 6.0]


def test_what_is_lost_is_counted_both_ways() -> None:
    before = (np.array([0, 0, 0, 1]), np.array([1, 2, 2, 1]))
    after = (np.array([0, 1, 1, 0]), np.array([1, 2, 0, 2]))
    found = lost(0, before, after)
    assert (found.own, found.others, found.more) == (0.25, 0.5, -0.25)


def test_without_pictures_of_other_classes_it_is_not_run() -> None:
    own, others = gaussians()
    (missing,) = EXPERIMENT.run(subject(own, others[:0])).not_run
    assert missing.reason == "no pictures of other classes"
