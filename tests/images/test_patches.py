"""Boxes follow METHOD §1; crops equal cutting and resizing one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from neurflow_report.errors import InputError
from neurflow_report.images.patches import PatchGrid, crops

DEFAULT = (1.0, 0.5, 0.25)


def naive_boxes(size: int, scales: tuple[int, ...], stride: tuple[int, int]) -> list[tuple[int, int, int]]:
    """METHOD §1 in integers: scales in hundredths, stride as a fraction."""
    boxes = []
    for hundredths in scales:
        side = hundredths * size // 100
        step = max(1, min(side * stride[0] // stride[1], size - side))
        top = 0
        while top + side <= size:
            left = 0
            while left + side <= size:
                boxes.append((top, left, side))
                left += step
            top += step
    return boxes


def test_fifty_nine_at_the_defaults() -> None:
    grid = PatchGrid(size=224, scales=DEFAULT, stride=0.5)
    assert grid.sides == (224, 112, 56)
    assert grid.per_image == 59
    assert grid.boxes()[:4].tolist() == [[0, 0, 224], [0, 0, 112], [0, 56, 112], [0, 112, 112]]
    assert grid.boxes()[-1].tolist() == [168, 168, 56]
    patch = grid.box(59 * 3 + 2)
    assert (patch.index, patch.image, patch.top, patch.left, patch.side) == (179, 3, 0, 56, 112)
    assert PatchGrid(size=64, scales=DEFAULT, stride=0.5).per_image == 59


@given(
    st.integers(1, 40),
    st.lists(st.integers(1, 100), min_size=1, max_size=3),
    st.sampled_from([(1, 2), (1, 4), (1, 1), (3, 10), (1, 100)]),
)
@settings(max_examples=150)
def test_boxes_against_integers(size: int, scales: list[int], stride: tuple[int, int]) -> None:
    values = tuple(s / 100 for s in scales)
    if min(scales) * size < 100:
        with pytest.raises(InputError) as caught:
            PatchGrid(size=size, scales=values, stride=stride[0] / stride[1])
        assert caught.value.path == ("concept", "scales", next(i for i, s in enumerate(scales) if s * size < 100))
        return
    grid = PatchGrid(size=size, scales=values, stride=stride[0] / stride[1])
    assert [tuple(b) for b in grid.boxes().tolist()] == naive_boxes(size, tuple(scales), stride)


def test_scales_are_the_decimals_written() -> None:
    assert PatchGrid(size=100, scales=(0.29,), stride=0.5).sides == (29,)


def test_three_pixel_input() -> None:
    grid = PatchGrid(size=3, scales=(1.0, 0.5), stride=0.5)
    assert grid.sides == (3, 1)
    assert grid.per_image == 1 + 9
    with pytest.raises(InputError) as caught:
        PatchGrid(size=3, scales=DEFAULT, stride=0.5)
    assert caught.value.slug == "spec-bad-value"
    assert caught.value.message == "at scale 0.25 a patch of the 3-pixel input has 0 pixels a side"
    assert caught.value.hint == "scales run from 0.333 to 1 here"
    assert caught.value.path == ("concept", "scales", 2)


@pytest.mark.parametrize(
    ("size", "scales", "stride"), [(16, DEFAULT, 0.5), (9, (0.6, 1.0, 0.25), 0.3), (3, (1.0, 0.4), 1.0)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_crops_equal_one_by_one(size: int, scales: tuple[float, ...], stride: float, channels: int) -> None:
    torch.manual_seed(0)
    grid = PatchGrid(size=size, scales=scales, stride=stride)
    images = torch.randn(3, channels, size, size, dtype=torch.float64)
    before = images.clone()
    indices = np.random.default_rng(0).integers(0, 3 * grid.per_image, 70)
    result = crops(images, indices, grid)
    assert torch.equal(images, before)
    for i, index in enumerate(indices):
        patch = grid.box(index)
        window = images[
            patch.image : patch.image + 1, :, patch.top : patch.top + patch.side, patch.left : patch.left + patch.side
        ]
        expected = F.interpolate(window, size=(size, size), mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(result[i], expected, rtol=1e-12, atol=1e-12)
        if patch.side == size:
            assert torch.equal(result[i], images[patch.image])


def test_crops_of_nothing_and_out_of_range() -> None:
    grid = PatchGrid(size=8, scales=DEFAULT, stride=0.5)
    images = torch.zeros(2, 3, 8, 8)
    assert crops(images, [], grid).shape == (0, 3, 8, 8)
    for wrong in (-1, 2 * grid.per_image):
        with pytest.raises(IndexError, match="2 pictures have 118 patches"):
            crops(images, [wrong], grid)
