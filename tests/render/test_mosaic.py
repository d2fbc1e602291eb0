"""Mosaics: the right pixels from the original picture, whatever its size."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image, ImageDraw

from neurflow_report.render.mosaic import GUTTER, box_in, columns_of, crop, mosaic, place
from neurflow_report.results.records import Patch

RED, GREEN, BLUE, GOLD = (200, 30, 30), (30, 160, 60), (40, 60, 200), (220, 180, 40)
QUADRANTS = ((0, 0, RED), (0, 32, GREEN), (32, 0, BLUE), (32, 32, GOLD))


def quadrants(side: int | tuple[int, int]) -> Image.Image:
    """Red, green over blue, gold."""
    width, height = side if isinstance(side, tuple) else (side, side)
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle([width // 2, 0, width, height // 2 - 1], fill=GREEN)
    draw.rectangle([0, height // 2, width // 2 - 1, height], fill=BLUE)
    draw.rectangle([width // 2, height // 2, width, height], fill=GOLD)
    return image


def patch(top: int, left: int, side: int = 32, image: int = 0) -> Patch:
    return Patch(index=0, image=image, top=top, left=left, side=side)


def near(pixel: object, colour: tuple[int, int, int], tolerance: int = 14) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel[:3], colour, strict=True))


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("side", [64, 300, 17 * 2, (500, 320)])
@pytest.mark.parametrize("format", ["webp", "jpeg"])
def test_cells_hold_their_patches(side: int | tuple[int, int], format: str) -> None:
    picture = quadrants(side)
    patches = [patch(top, left) for top, left, _ in QUADRANTS]
    sheet = opened(mosaic(lambda _: picture, patches, size=64, columns=3, cell=48, format=format, least=48))  # type: ignore[arg-type]
    assert sheet.size == (2 * 48 + GUTTER, 2 * 48 + GUTTER)
    assert sheet.format == format.upper()
    for i, (_, _, colour) in enumerate(QUADRANTS):
        at = (24 + (48 + GUTTER) * (i % 2), 24 + (48 + GUTTER) * (i // 2))
        assert near(sheet.getpixel(at), colour)


def test_pictures_are_asked_for_by_number() -> None:
    plain = {3: Image.new("RGB", (10, 10), RED), 5: Image.new("RGB", (99, 99), BLUE)}
    data = mosaic(
        plain.__getitem__, [patch(0, 0, 64, 5), patch(0, 0, 16, 3)], size=64, columns=3, cell=40, format="jpeg"
    )
    sheet = opened(data)
    assert sheet.size == (2 * 40 + GUTTER, 40)
    assert near(sheet.getpixel((20, 20)), BLUE)
    assert near(sheet.getpixel((63, 20)), RED)


@pytest.mark.parametrize(
    ("stored", "sides", "cell"),
    [(64, (16, 16), 32), (64, (16, 48), 48), (64, (64, 16), 64), (640, (16, 16), 96), (128, (32, 16), 64)],
    ids=["enlarged to the least", "the largest patch's pixels", "all there are", "as asked", "stored larger than seen"],
)
def test_a_cell_has_no_more_pixels_than_its_patches(stored: int, sides: tuple[int, ...], cell: int) -> None:
    two = [patch(0, 0, side) for side in sides]
    sheet = opened(mosaic(lambda _: quadrants(stored), two, size=64, columns=2, cell=96, format="webp"))
    assert sheet.size == (2 * cell + max(1, round(GUTTER * cell / 96)), cell)


def test_print_may_ask_for_more_pixels_at_least() -> None:
    data = mosaic(lambda _: quadrants(64), [patch(0, 0, 16)], size=64, columns=2, cell=96, format="jpeg", least=64)
    assert opened(data).size == (64, 64)


def test_gutters_are_clear_on_screen_and_white_in_print() -> None:
    two = [patch(0, 0), patch(0, 0)]
    screen = opened(mosaic(lambda _: quadrants(64), two, size=64, columns=2, cell=32, format="webp"))
    paper = opened(mosaic(lambda _: quadrants(64), two, size=64, columns=2, cell=32, format="jpeg"))
    assert screen.convert("RGBA").getpixel((33, 16))[3] == 0  # type: ignore[index]
    assert near(paper.getpixel((33, 16)), (255, 255, 255), 40)


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
    assert box_in(Image.new("RGB", (300, 150)), patch(16, 32, 32), size=64) == (150, 37.5, 300, 112.5)
    assert box_in(Image.new("RGB", (97, 97)), patch(0, 0, 224), size=224) == (0, 0, 97, 97)


def test_a_grey_picture_with_a_palette_is_cropped_in_colour() -> None:
    grey = Image.new("L", (28, 28), 90)
    assert near(crop(grey, patch(0, 0, 28), size=28, cell=60).getpixel((30, 30)), (90, 90, 90), 1)
    assert near(crop(quadrants(64).convert("P"), patch(0, 32), size=64, cell=60).getpixel((30, 30)), GREEN, 40)


def test_the_same_mosaic_has_the_same_bytes() -> None:
    def draw(format: str) -> bytes:
        return mosaic(lambda _: quadrants(97), [patch(3, 5, 31)] * 5, size=64, columns=3, cell=50, format=format)  # type: ignore[arg-type]

    assert draw("webp") == draw("webp")
    assert draw("jpeg") == draw("jpeg")


def test_no_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="a mosaic needs at least one patch"):
        mosaic(lambda _: quadrants(8), [], size=64, columns=3, cell=50, format="webp")


def test_a_place_shows_the_whole_picture_and_the_box() -> None:
    shown = opened(place(quadrants(128), patch(0, 32), size=64, side=200)).convert("RGB")
    assert shown.size == (200, 200)
    assert near(shown.getpixel((50, 50)), RED)
    assert near(shown.getpixel((150, 50)), GREEN)
    assert near(shown.getpixel((150, 150)), GOLD)
    assert min(shown.getpixel((102, 50))) > 150  # type: ignore[type-var, arg-type]
