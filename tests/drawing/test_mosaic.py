"""Pictures: kept as large as they are shown, and the right pixels of them in a sheet of patches."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from neurflow_report.drawing.figures import mosaic
from neurflow_report.drawing.figures.mosaic import LEAST, MOST, box_in, crop, sheet, stored
from neurflow_report.drawing.view.model.components import columns_of
from neurflow_report.drawing.view.model.graph import Tile
from neurflow_report.errors import InputError
from tests.sample_bundle import frozen_bundle

RED, GREEN, BLUE, GOLD = (200, 30, 30), (30, 160, 60), (40, 60, 200), (220, 180, 40)
QUADRANTS = ((0, 0, RED), (0, 0.5, GREEN), (0.5, 0, BLUE), (0.5, 0.5, GOLD))


def quadrants(side: int | tuple[int, int]) -> Image.Image:
    """Red, green over blue, gold."""
    width, height = side if isinstance(side, tuple) else (side, side)
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle([width // 2, 0, width, height // 2 - 1], fill=GREEN)
    draw.rectangle([0, height // 2, width // 2 - 1, height], fill=BLUE)
    draw.rectangle([width // 2, height // 2, width, height], fill=GOLD)
    return image


def tile(top: float, left: float, side: float = 0.5, image: int = 0) -> Tile:
    return Tile(index=0, slug="x", image=image, file="", href="", left=left, top=top, side=side)


def near(pixel: object, colour: tuple[int, int, int], tolerance: int = 14) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel[:3], colour, strict=True))


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("side", [64, 300, 17 * 2, (500, 320)])
def test_cells_hold_their_patches(side: int | tuple[int, int]) -> None:
    picture = quadrants(side)
    made = sheet(lambda _: picture, [tile(top, left) for top, left, _ in QUADRANTS], columns=3, cell=96)
    assert made.size == (2 * 96, 2 * 96)
    for i, (_, _, colour) in enumerate(QUADRANTS):
        at = (48 + 96 * (i % 2), 48 + 96 * (i // 2))
        assert near(made.getpixel(at), colour)


def test_pictures_are_asked_for_by_number() -> None:
    plain = {3: Image.new("RGB", (10, 10), RED), 5: Image.new("RGB", (99, 99), BLUE)}
    made = sheet(plain.__getitem__, [tile(0, 0, 1, 5), tile(0, 0, 0.25, 3)], columns=3, cell=40)
    assert made.size == (2 * 40, 40)
    assert near(made.getpixel((20, 20)), BLUE)
    assert near(made.getpixel((60, 20)), RED)


@pytest.mark.parametrize(
    ("side", "format", "kept"),
    [(64, "webp", 64), (64, "jpeg", LEAST), (1024, "webp", MOST), (1024, "jpeg", MOST), (300, "webp", 300)],
)
def test_a_picture_is_kept_as_large_as_is_shown(side: int, format: str, kept: int) -> None:
    image = opened(stored(quadrants(side), format))  # type: ignore[arg-type]
    assert (image.size, image.format) == ((kept, kept), format.upper())
    for top, left, colour in QUADRANTS:
        assert near(image.convert("RGB").getpixel((int((left + 0.25) * kept), int((top + 0.25) * kept))), colour)


def test_a_picture_of_another_shape_keeps_it() -> None:
    assert opened(stored(quadrants((800, 600)), "webp")).size == (384, 288)


@pytest.mark.parametrize(
    ("count", "columns", "across"),
    [
        (1, 3, 1),
        (2, 3, 2),
        (3, 3, 3),
        (4, 3, 2),
        (5, 3, 3),
        (6, 3, 3),
        (8, 4, 4),
        (9, 3, 3),
        (12, 6, 6),
        (10, 6, 5),
        (40, 6, 6),
    ],
)
def test_small_sets_make_small_grids(count: int, columns: int, across: int) -> None:
    assert columns_of(count, columns) == across


def test_grids_waste_less_than_a_row() -> None:
    for columns in range(1, 9):
        for count in range(1, 60):
            across = columns_of(count, columns)
            assert 1 <= across <= columns
            assert -count % across < across


def test_a_box_is_scaled_to_the_stored_picture_and_kept_inside() -> None:
    assert box_in(Image.new("RGB", (300, 150)), tile(0.25, 0.5)) == (150, 37.5, 300, 112.5)
    assert box_in(Image.new("RGB", (97, 97)), tile(0.5, 0.5, 0.6)) == (48.5, 48.5, 97, 97)


def test_a_grey_picture_with_a_palette_is_cropped_in_colour() -> None:
    grey = Image.new("L", (28, 28), 90)
    assert near(crop(grey, tile(0, 0, 1), 60).getpixel((30, 30)), (90, 90, 90), 1)
    assert near(crop(quadrants(64).convert("P"), tile(0, 0.5), 60).getpixel((30, 30)), GREEN, 40)


@pytest.mark.parametrize("format", ["webp", "jpeg"])
def test_the_same_picture_has_the_same_bytes(format: str) -> None:
    assert stored(quadrants(500), format) == stored(quadrants(500), format)  # type: ignore[arg-type]


def test_no_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="a sheet needs at least one patch"):
        sheet(lambda _: quadrants(8), [], columns=3, cell=50)


def test_a_picture_that_would_fill_the_memory_is_a_damaged_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = frozen_bundle(tmp_path)
    file = next(p.file for p in bundle.classes[0].pictures if p.file is not None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    with (
        pytest.raises(InputError, match="too many pixels, 4096 a side") as caught,
        mosaic.opened(bundle, file),
    ):
        pass
    assert caught.value.slug == "bundle-damaged"


def test_what_fails_later_is_not_the_bundle_s_fault(tmp_path: Path) -> None:
    bundle = frozen_bundle(tmp_path)
    file = next(p.file for p in bundle.classes[0].pictures if p.file is not None)
    with pytest.raises(OSError, match="no space left"), mosaic.opened(bundle, file):
        raise OSError("no space left")
