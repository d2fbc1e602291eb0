"""The layers that networks offer, and which of them `auto` and a range take."""

from collections import OrderedDict
from functools import partial

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from neurflow_report.errors import InputError
from neurflow_report.network.layers import AUTO_MOST, choose_layers, multiply_adds, offers
from neurflow_report.network.trace import trace
from tests.oracles import cifar

PICTURE = torch.randn(1, 3, 64, 64)


def build(name: str, **kwargs: object) -> nn.Module:
    torch.manual_seed(0)
    if name == "cifar":
        return cifar.resnet().eval()
    if name.startswith("timm:"):
        return timm.create_model(name.removeprefix("timm:"), num_classes=7, **kwargs).eval()
    return torchvision.models.get_model(name, weights=None, num_classes=7, **kwargs).eval()


AUTO = {
    "resnet18": "layer1.1 layer2.0 layer2.1 layer3.0 layer3.1 layer4.0 layer4.1 fc",
    "vgg11": "features.9 features.12 features.14 features.17 features.19 classifier.1 classifier.4 classifier",
    "densenet121": "features.denseblock1 features.transition1 features.denseblock2 features.transition2 "
    "features.denseblock3 features.transition3 features.denseblock4 classifier",
    "efficientnet_b0": "features.2 features.3 features.4 features.5 features.6 features.7 features.8 classifier",
    "swin_t": "features.1 features.2 features.3 features.4 features.5 features.6 features.7 head",
    "cifar": "layer1 layer2 layer3 linear",
    "timm:vit_tiny_patch16_224": "blocks.5 blocks.6 blocks.7 blocks.8 blocks.9 blocks.10 blocks.11 head",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "densenet121" else n for n in AUTO])
def test_auto_takes_the_blocks_at_the_top(name: str) -> None:
    picture = torch.randn(1, 3, 224, 224) if name.startswith("timm:vit") else PICTURE
    assert " ".join(choose_layers(build(name), picture, most=AUTO_MOST)) == AUTO[name]


class Padded(nn.Conv2d):
    """A convolution that holds its padding, as those that keep the size do in other frameworks."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__(before, width, 3)
        self.padding_before = nn.ZeroPad2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.padding_before(x))


def test_a_convolution_that_holds_its_padding_is_no_block() -> None:
    block = partial(nn.Sequential, Padded(4, 4), nn.BatchNorm2d(4), nn.ReLU())
    parts = {
        "stem": nn.Conv2d(3, 4, 1),
        "one": block(),
        "two": block(),
        "head": Padded(4, 4),
        "norm": nn.BatchNorm2d(4),
    }
    tail = {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(4, 7)}
    model = nn.Sequential(OrderedDict(parts | tail)).eval()
    assert choose_layers(model, PICTURE) == ("one", "two", "fc")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"lowest": "layer3.0"}, "layer3.0 layer3.1 layer4.0 layer4.1 fc"),
        ({"lowest": "layer3.0", "highest": "fc"}, "layer3.0 layer3.1 layer4.0 layer4.1 fc"),
        ({"lowest": "layer3.0", "highest": "layer3.1"}, "layer3.0 layer3.1 fc"),
        ({"lowest": "layer2"}, "layer2 layer3 layer4 fc"),
        ({"depth": 1}, "layer1 layer2 layer3 layer4 fc"),
        ({"depth": 1, "most": 3}, "layer3 layer4 fc"),
        ({"lowest": "maxpool", "depth": 1}, "maxpool layer1 layer2 layer3 layer4 fc"),
        ({"lowest": "avgpool", "highest": "output"}, "avgpool fc"),
    ],
)
def test_ranges(wanted: dict[str, object], names: str) -> None:
    assert " ".join(choose_layers(build("resnet18"), PICTURE, **wanted)) == names  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "slug", "path", "message"),
    [
        ({"lowest": "layer9"}, "layer-unknown", ("layers", "from"), "the network has no layer 'layer9'"),
        ({"highest": "layer3.0.conv1"}, "layer-unknown", ("layers", "to"),
         "the network cannot be cut at 'layer3.0.conv1'"),
        ({"lowest": "layer3.0", "highest": "layer2.0"}, "layers-order", ("layers", "from"),
         "layer 'layer3.0' comes after 'layer2.0' in the network"),
    ],
)  # fmt: skip
def test_ranges_that_are_wrong(wanted: dict[str, object], slug: str, path: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_layers(build("resnet18"), PICTURE, **wanted)  # type: ignore[arg-type]
    assert (caught.value.slug, caught.value.path, caught.value.message) == (slug, path, message)
    assert caught.value.hint


def test_a_network_without_a_cut() -> None:
    with pytest.raises(InputError) as caught:
        choose_layers(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2))[1:].eval(), torch.randn(1, 3 * 64 * 64))
    assert (caught.value.slug, caught.value.path) == ("too-few-layers", ("layers",))


@pytest.mark.slow
def test_offers_tell_shape_kind_and_all_names() -> None:
    found = {offer.names[0]: offer for offer in offers(build("swin_t"), PICTURE)}
    assert (found["features.1"].kind, found["features.1"].shape, found["features.1"].channels) == (
        "tokens", (16, 16, 96), 96,
    )  # fmt: skip
    assert found["features.1"].names == ("features.1", "features.1.1")
    assert found["permute"].kind == "spatial"
    assert found["head"].auto == "head"
    assert found["norm"].auto is None


def test_multiply_adds_by_hand() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(nn.Flatten(), nn.Linear(4 * 64, 5))).eval()
    counts = multiply_adds(module, torch.randn(2, 3, 8, 8))
    assert (counts["0"], counts["1"], counts["1.1"]) == (64 * 4 * 3 * 9, 4 * 64 * 5, 4 * 64 * 5)
    assert counts[""] == 64 * 4 * 3 * 9 + 4 * 64 * 5


class Sizes(nn.Module):
    """Branches on sizes, reads the number of pictures, and grows a token: all of it usual, none of it plain fx's."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6)
        self.block, self.fc = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), nn.Linear(6, 3)
        self.token = nn.Parameter(torch.randn(1, 1, 6))

    def forward(self, x: Tensor) -> Tensor:
        rows, _, height, width = x.shape
        if height % 4 or width % 4:
            x = F.pad(x, (0, -width % 4, 0, -height % 4))
        x = self.stem(x)
        x = x.permute(0, 2, 3, 1)
        x = self.mix(x)
        x = x.reshape(rows, -1, 6) if x.ndim == 4 else x
        x = torch.cat([self.token.expand(rows, -1, -1), x], dim=1)
        x = self.block(x)
        assert x.shape[0] == rows
        return self.fc(x[:, 0])


def test_sizes_are_known_while_tracing() -> None:
    from neurflow_report.network.cut import cut

    torch.manual_seed(0)
    module = Sizes().eval().requires_grad_(False)
    pictures = torch.randn(5, 3, 30, 30)
    segments = cut(module, ["stem", "mix", "block", "fc"], pictures[:1])
    assert [info.shape for info in segments.layers] == [(6, 8, 8), (8, 8, 6), (65, 6), (3,)]
    assert [info.kind for info in segments.layers] == ["spatial", "tokens", "tokens", "vector"]
    value = segments.stem(pictures)
    for stage in segments.stages:
        value = stage(value)
    torch.testing.assert_close(value, module(pictures))


class ByValue(nn.Module):
    """Branches on what it sees."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class ByCount(nn.Module):
    """Branches on how many pictures there are."""

    def forward(self, x: Tensor) -> Tensor:
        return x if len(x) == 1 else x + 1


@pytest.mark.parametrize("inner", [ByValue, ByCount])
def test_a_part_that_cannot_be_traced_is_kept_whole(inner: type[nn.Module]) -> None:
    from neurflow_report.network.cut import cut

    torch.manual_seed(0)
    odd = nn.Sequential(nn.Conv2d(4, 4, 1), inner(), nn.ReLU())
    module = nn.Sequential(nn.Conv2d(3, 4, 1), odd, nn.Flatten(), nn.Linear(256, 3)).eval().requires_grad_(False)
    pictures = torch.randn(4, 3, 8, 8)
    segments = cut(module, ["0", "1", "3"], pictures[:1])
    for some in (pictures, -pictures, pictures[:1]):
        value = segments.stem(some)
        for stage in segments.stages:
            value = stage(value)
        assert torch.equal(value, module(some))
    assert set(trace(module, pictures[:1]).whole) == {"1.1"}


def test_a_network_that_fails_by_itself() -> None:
    from neurflow_report.network.cut import cut

    with pytest.raises(InputError) as caught:
        cut(timm.create_model("vit_tiny_patch16_224").eval(), ["output"], torch.randn(1, 3, 64, 64))
    assert caught.value.slug == "model-fails"
    assert caught.value.message.startswith("the network fails on a picture of 3 × 64 × 64 in patch_embed.py, line ")
    assert ": AssertionError: Input height (64) doesn't match model (224)." in caught.value.message
