"""Ground truth: areas against a naive loop, the rule of the shown part by hand, agreement on planted groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurflow_report.demo.truth import agreement, part_areas, shown_part, stack_masks, usual_areas

PARTS = ("petals", "centre", "pot", "background")


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), side=st.integers(3, 12), images=st.integers(1, 3))
def test_areas_equal_a_naive_loop(seed: int, side: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    masks = rng.random((images, 4, side, side)) < 0.4
    boxes = []
    for _ in range(20):
        length = int(rng.integers(1, side + 1))
        boxes.append([rng.integers(images), *rng.integers(0, side - length + 1, 2), length])
    expected = [[masks[i, p, t : t + s, x : x + s].sum() for p in range(4)] for i, t, x, s in boxes]
    assert part_areas(masks, np.array(boxes)).tolist() == expected


def test_stacking_leaves_absent_parts_empty() -> None:
    ones, none = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    stacked = stack_masks([{"pot": ones, "background": none}], PARTS)
    assert stacked.sum(axis=(2, 3)).tolist() == [[0, 0, 4, 0]]


def test_usual_area_is_the_mean_over_the_pictures_that_show_the_part() -> None:
    masks = np.zeros((3, 2, 4, 4), bool)
    masks[0, 0, 0, :2] = masks[1, 0, :2, :2] = True
    assert usual_areas(masks).tolist() == [3.0, 0.0]


@pytest.mark.parametrize(
    ("areas", "shown"),
    [
        ([0, 0, 0, 100], "background"),
        ([9, 0, 0, 91], "background"),
        ([12, 0, 0, 88], "petals"),
        ([60, 40, 0, 0], "centre"),  # 60/√400 = 3 < 40/√100 = 4
        ([90, 10, 0, 0], "petals"),
        ([0, 0, 0, 0], "background"),
        ([20, 10, 0, 70], "petals"),  # 1 : 1, the lower index
    ],
)
def test_the_shown_part(areas: list[int], shown: str) -> None:
    usual = np.array([400.0, 100.0, 900.0, 3000.0])
    assert PARTS[shown_part(np.array([areas]), np.array([10]), usual)[0]] == shown


def test_a_part_that_no_picture_shows_is_never_named() -> None:
    assert shown_part(np.array([[0, 5, 0, 0]]), np.array([4]), np.array([0.0, 9.0, 0.0, 9.0])).tolist() == [1]


def test_a_group_of_one_part_agrees_wholly() -> None:
    shown = np.repeat(np.arange(4), [20, 30, 50, 900])
    found = agreement(np.arange(20, 45), shown, PARTS, seed=0)
    assert (found.part, found.purity, found.chance, found.n) == ("centre", 1.0, 0.03, 25)
    assert found.p_value == 1 / 1001


def test_the_part_named_is_the_one_furthest_above_chance_not_the_most_frequent() -> None:
    shown = np.repeat(np.arange(4), [10, 30, 60, 900])
    found = agreement(np.array([0, 1, 2, 990, 991, 992, 993]), shown, PARTS, seed=0)
    assert (found.part, found.purity) == ("petals", 3 / 7)


def test_random_groups_have_p_values_spread_over_the_unit_interval() -> None:
    shown = np.repeat(np.arange(4), [1000, 3000, 3000, 13000])
    rng = np.random.default_rng(1)
    groups = [rng.choice(len(shown), 900, replace=False) for _ in range(400)]
    p = np.array([agreement(group, shown, PARTS, draws=200, seed=s).p_value for s, group in enumerate(groups)])
    assert abs(p.mean() - 0.5) < 0.06  # sd of the mean: 0.014; ties push it up a little
    for level in (0.05, 0.2, 0.5, 0.8):
        assert abs((p <= level).mean() - level) < 0.09


def test_agreement_is_the_same_for_the_same_seed_and_refuses_an_empty_group() -> None:
    shown = np.repeat(np.arange(4), 10)
    group = np.array([0, 1, 10, 20])
    assert agreement(group, shown, PARTS, seed=3) == agreement(group, shown, PARTS, seed=3)
    with pytest.raises(ValueError, match="a group without patches has no purity"):
        agreement(np.array([], int), shown, PARTS, seed=0)
