"""The input equals torchvision's own preset; the region is the rectangle that was seen."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import region_of, region_picture, resized_size, to_input
from neurflow_report.results.records import Preprocess, Region

SIZES = [(300, 200), (200, 300), (64, 64), (501, 333), (10, 300), (3, 3), (1, 1), (224, 224), (225, 257)]


def picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b3", "regnet_y_16gf"])
def test_input_is_the_presets(name: str, size: tuple[int, int]) -> None:
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    record = Preprocess(
        resize=transform.resize_size[0],
        size=transform.crop_size[0],
        interpolation=transform.interpolation.value,
        antialias=transform.antialias,
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )
    values, _ = to_input(picture(size), record)
    assert values.dtype == torch.float32
    assert torch.equal(values, transform(picture(size)))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [s for s in SIZES if min(s) > 1])
def test_without_smoothing_it_is_what_torchvision_makes_of_a_tensor(
    size: tuple[int, int], interpolation: str, mode: str
) -> None:
    channels = 1 if mode == "L" else 3
    record = Preprocess(resize=20, size=20, interpolation=interpolation, antialias=False, channels=channels,
                        mean=(0.0,) * channels, std=(1.0,) * channels)  # fmt: skip
    values, _ = to_input(picture(size, mode), record)
    transforms = torchvision.transforms.functional
    way = torchvision.transforms.InterpolationMode(interpolation)
    resized = transforms.resize(transforms.pil_to_tensor(picture(size, mode)), [20], way, antialias=False)
    theirs = transforms.center_crop(resized, [20]) / 255
    if interpolation == "nearest":  # of the pixels Pillow takes the one at the middle, torch one beside it
        resized = picture(size, mode).resize(resized_size(size, record), Image.Resampling.NEAREST)
        theirs = transforms.center_crop(transforms.pil_to_tensor(resized), [20]) / 255
    assert torch.equal(values, theirs)
    if interpolation != "nearest" and min(size) > 20:
        smooth, _ = to_input(picture(size, mode), record.model_copy(update={"antialias": True}))
        assert float((values - smooth).abs().max()) > 0.1


@pytest.mark.parametrize("size", SIZES)
def test_crop_larger_than_resize_is_padded_like_the_preset(size: tuple[int, int]) -> None:
    preset = torchvision.transforms._presets.ImageClassification(crop_size=33, resize_size=20)
    values, region = to_input(picture(size), Preprocess(resize=20, size=33))
    assert torch.equal(values, preset(picture(size)))
    assert region.width == 33 * size[0] / (20 if size[0] <= size[1] else int(20 * size[0] / size[1]))


@pytest.mark.parametrize("size", SIZES)
def test_squashed_both_sides_are_resized(size: tuple[int, int]) -> None:
    record = Preprocess(resize=40, size=32, squash=True)
    transforms = torchvision.transforms
    theirs = transforms.Compose([transforms.Resize((40, 40)), transforms.CenterCrop(32), transforms.ToTensor(),
                                 transforms.Normalize(record.mean, record.std)])  # fmt: skip
    values, region = to_input(picture(size), record)
    torch.testing.assert_close(values, theirs(picture(size)), rtol=0, atol=1e-6)
    left, top, width, height = (x / 40 for x in (4 * size[0], 4 * size[1], 32 * size[0], 32 * size[1]))
    assert region == Region(left=left, top=top, width=width, height=height)
    shown = region_picture(picture(size), region)
    assert shown.width == shown.height == max(1, round(max(width, height)))


def test_no_resize_and_grey() -> None:
    record = Preprocess(resize=None, size=8, mean=(0.5,), std=(0.25,), channels=1)
    source = picture((8, 8), "L")
    values, region = to_input(source, record)
    assert values.shape == (1, 8, 8)
    np.testing.assert_allclose(values[0].numpy(), (np.asarray(source) / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-6)
    assert region == Region(left=0, top=0, width=8, height=8)
    assert to_input(picture((8, 8)), record)[0].shape == (1, 8, 8)
    assert to_input(source, Preprocess(resize=None, size=8))[0].shape == (3, 8, 8)


def test_regions() -> None:
    assert region_of((600, 300), Preprocess(resize=100, size=80)) == Region(left=180, top=30, width=240, height=240)
    assert region_of((4, 4), Preprocess(resize=None, size=8)) == Region(left=-2, top=-2, width=8, height=8)
    assert region_of((5, 5), Preprocess(resize=None, size=8)) == Region(left=-1, top=-1, width=8, height=8)


@pytest.mark.parametrize("size", [(4, 4), (5, 5), (5, 9), (8, 3), (12, 11)])
def test_region_picture_is_what_the_network_saw(size: tuple[int, int]) -> None:
    record = Preprocess(resize=None, size=8, mean=(0, 0, 0), std=(1, 1, 1))
    source = picture(size)
    values, region = to_input(source, record)
    shown = np.asarray(region_picture(source, region))
    np.testing.assert_array_equal(shown, (values * 255).round().byte().permute(1, 2, 0).numpy())


def test_region_picture_is_made_smaller_but_never_larger() -> None:
    source = picture((500, 400))
    record = Preprocess(resize=100, size=100)
    region = region_of(source.size, record)
    assert region_picture(source, region).size == (400, 400)
    assert region_picture(source, region, most=50).size == (50, 50)
    assert region_picture(picture((3, 3), "L"), region_of((3, 3), record)).mode == "RGB"


def test_an_elongated_picture_is_refused() -> None:
    with pytest.raises(PictureError, match="40000×1 pixels, too elongated to resize"):
        to_input(picture((40000, 1)), Preprocess(resize=256, size=224))
