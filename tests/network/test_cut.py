"""Segments equal the network, whatever its shape; what is no cut is named."""

import inspect
import operator
import re

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from neurflow_report.errors import InputError
from neurflow_report.network.cut import cut
from neurflow_report.network.layers import offers


def build(name: str, **kwargs: object) -> nn.Module:
    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None, num_classes=7, **kwargs).eval()
    for p in module.parameters():
        p.requires_grad_(False)
    return module


AUX_OFF: dict[str, object] = {"aux_logits": False, "init_weights": False}
CASES = {
    "resnet18": (["layer2.1", "layer3.0", "layer3.1", "fc"], 64, {}),
    "googlenet": (["inception4a", "inception4b", "inception5b", "output"], 64, AUX_OFF | {"transform_input": True}),
    "mobilenet_v2": (["features.8", "features.9", "features", "classifier"], 64, {}),
    "efficientnet_b0": (["features.4", "features.6.0", "classifier"], 64, {}),
    "densenet121": (["features.denseblock2", "features.transition2", "features.denseblock4", "classifier"], 64, {}),
    "vit_b_16": (["encoder.layers.encoder_layer_3", "encoder.layers.encoder_layer_9", "heads"], 32, {"image_size": 32}),
    "inception_v3": (["Mixed_5b", "Mixed_6e", "fc"], 96, AUX_OFF),
    "shufflenet_v2_x0_5": (["stage2", "stage3", "fc"], 64, {}),
    "regnet_y_400mf": (["trunk_output.block2", "trunk_output.block4", "fc"], 64, {}),
    "convnext_tiny": (["features.3", "features.5", "classifier"], 64, {}),
    "swin_t": (["features.0", "features.1", "features.5.1", "norm", "permute", "head"], 64, {}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "swin_t" else n for n in CASES])
def test_composition_is_the_network(name: str) -> None:
    layers, size, kwargs = CASES[name]
    module = build(name, **kwargs)
    pictures = torch.randn(2, 3, size, size)
    before = pictures.clone()
    whole = module(pictures)
    segments = cut(module, layers, pictures[:1])
    value = segments.stem(pictures)
    values = [value]
    for stage in segments.stages:
        copy = value.clone()
        result = stage(value)
        assert torch.equal(value, copy), "a segment changed its input"
        value = result
        values.append(value)
    assert torch.equal(value, whole)
    assert torch.equal(pictures, before)
    assert torch.equal(segments.between(0, len(layers) - 1)(values[0]), whole)
    assert segments.between(1, 1)(values[1]) is values[1]
    for i, (info, v) in enumerate(zip(segments.layers, values, strict=True)):
        assert (info.name, info.shape) == (layers[i], tuple(v.shape[1:]))
        assert v.shape[segments.feature_axis(i)] == info.channels
    assert segments.layers[-1].kind == "vector"
    assert segments.layers[0].kind == ("tokens" if name in {"vit_b_16", "swin_t"} else "spatial")
    assert torch.equal(module(pictures), whole), "the module was changed"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "swin_t"])
def test_without_comparing_nothing_is_computed_and_the_layers_are_the_same(name: str) -> None:
    layers, size, kwargs = CASES[name]
    module, pictures = build(name, **kwargs), torch.rand(2, 3, size, size)

    class NeverRun(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, x: Tensor) -> Tensor:
            if type(x) is Tensor:
                raise RuntimeError("it was run")
            out: Tensor = self.net(x)
            return out

    names = [layer if layer == "output" else f"net.{layer}" for layer in layers]
    with pytest.raises(InputError, match="it was run"):
        cut(NeverRun().eval(), names, pictures)
    found = cut(NeverRun().eval(), names, pictures, compared=False).layers
    expected = cut(module, layers, pictures).layers
    assert [(i.kind, i.channels, i.shape) for i in found] == [(i.kind, i.channels, i.shape) for i in expected]


def test_layers_hold_what_the_modules_return() -> None:
    module = build("resnet18")
    pictures = torch.randn(2, 3, 64, 64)
    seen: dict[str, Tensor] = {}
    names = ["layer1.0", "layer2.1", "layer4.1", "fc"]
    for name in names:
        module.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: seen.update({name: o.clone()}))
    module(pictures)
    segments = cut(module, names, pictures)
    value = pictures
    for name, part in zip(names, (segments.stem, *segments.stages), strict=True):
        value = part(value)
        assert torch.equal(value, seen[name])


def test_parameters_are_shared_and_inplace_flags_kept() -> None:
    module = build("resnet18")
    segments = cut(module, ["layer1", "fc"], torch.randn(1, 3, 32, 32))
    assert module.layer1[0].relu.inplace is True
    assert {p.data_ptr() for p in segments.stages[0].parameters()} <= {p.data_ptr() for p in module.parameters()}


class InPlace(nn.Module):
    """Changes tensors in place in every way, and reads them afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
        self.relu, self.norm, self.fc = nn.ReLU(inplace=True), nn.BatchNorm2d(4), nn.Linear(4, 5)
        nn.init.normal_(self.b.bias), nn.init.normal_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(self.a(x))
        self.relu(x)
        y = self.norm(x)
        y.mul_(2.0)
        F.relu(y, inplace=True)
        y += x
        y = operator.isub(y, 0.25)
        y = self.c(y)
        F.relu_(y)
        torch.sigmoid_(y)
        return self.fc(y.mean((2, 3)))


def test_in_place_operations_become_pure_and_later_reads_see_them() -> None:
    torch.manual_seed(1)
    module = InPlace().eval()
    x = torch.randn(3, 3, 9, 9)
    with torch.no_grad():
        whole = module(x)
        segments = cut(module, ["relu", "c", "fc"], x)
        low = segments.stem(x)
        assert torch.equal(low, torch.relu(module.b(module.a(x))))
        kept = low.clone()
        middle = segments.stages[0](low)
        assert torch.equal(low, kept)
        assert torch.equal(segments.stages[1](middle), whole)
    assert (middle < 0).any(), "c's own value, before relu_ and sigmoid_"


def test_a_layer_below_an_in_place_operation_keeps_its_own_value() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    segments = cut(module, ["0", "3"], torch.randn(2, 3, 8, 8))
    with torch.no_grad():
        assert (segments.stem(torch.randn(2, 3, 8, 8)) < 0).any()


class Hidden(nn.Module):
    """Changes a tensor through a view of it, which the graph cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.fc = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x.flatten(1))
        y[:, :2].add_(10.0)
        return self.fc(y)


def test_what_the_graph_cannot_say_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        cut(Hidden().eval(), ["a", "fc"], torch.randn(2, 6))
    assert caught.value.slug == "model-not-traceable"
    line = inspect.getsourcelines(Hidden.forward)[1] + 2
    assert re.fullmatch(
        "the network's graph does not give the network's own output: layer 'fc' is off by \\d+%; add_ in test_cut.py, "
        f"line {line} changes a tensor in place through a view of it, which a graph cannot follow",
        caught.value.message,
    )
    assert caught.value.hint == "make a new tensor there (without the underscore, or from a clone)"


class Branchy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Two(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            Branchy(),
            f"test_cut.py, line {inspect.getsourcelines(Branchy.forward)[1] + 1}: symbolically traced variables cannot "
            "be used as inputs to control flow",
        ),
        (Two(), "it returns a tuple, and one tensor of logits was expected"),
    ],
)
def test_not_traceable(module: nn.Module, text: str) -> None:
    with pytest.raises(InputError) as caught:
        cut(module, ["output"], torch.randn(1, 3, 4, 4))
    assert caught.value.slug == "model-not-traceable"
    assert text in caught.value.message


def problem(name: str, layers: list[str], **kwargs: object) -> InputError:
    with pytest.raises(InputError) as caught:
        cut(build(name, **kwargs), layers, torch.randn(1, 3, 32, 32))
    return caught.value


def test_misspelt_layer() -> None:
    error = problem("resnet18", ["layer2.0", "layer33.1", "fc"])
    assert (error.slug, error.path) == ("layer-unknown", ("layers", 1))
    assert error.message == "the network has no layer 'layer33.1'"
    assert error.hint == "did you mean 'layer3.1' or 'layer4.1' or 'layer3.0'?"


def test_layer_called_more_than_once() -> None:
    error = problem("resnet18", ["layer2.0.relu", "fc"])
    assert (error.slug, error.path) == ("layer-reused", ("layers", 0))
    assert error.message == "layer 'layer2.0.relu' is called 2 times in a pass, with different results"
    assert error.hint == "name the module that holds it, 'layer2.0', instead"


def test_wrong_order() -> None:
    error = problem("resnet18", ["layer1", "layer3.1", "layer3.0", "fc"])
    assert (error.slug, error.path) == ("layers-order", ("layers", 2))
    assert error.message == "layer 'layer3.0' comes before 'layer3.1' in the network"
    assert error.hint == "from input to output the order is: layer1, layer3.0, layer3.1, fc"


def test_one_output_under_two_names() -> None:
    error = problem("resnet18", ["layer3", "layer3.1", "fc"])
    assert (error.slug, error.path) == ("layers-order", ("layers", 1))
    assert error.message == "layers 'layer3' and 'layer3.1' are the same output"


def test_top_is_not_the_output() -> None:
    error = problem("resnet18", ["layer3", "layer4"])
    assert (error.slug, error.path) == ("layers-top", ("layers", 1))
    assert error.message == "the last layer, 'layer4', is not the network's output"
    assert error.hint == "let the list end with 'fc' (or 'output')"


@pytest.mark.slow
def test_dense_block_is_no_cut() -> None:
    error = problem("densenet121", ["features.denseblock1.denselayer3", "classifier"])
    assert (error.slug, error.path) == ("layers-not-a-cut", ("layers", 0))
    assert error.message == (
        "another tensor crosses beside layer 'features.denseblock1.denselayer3', between "
        "'features.denseblock1.denselayer3' and 'classifier': features_pool0 (1, 64, 8, 8; from module "
        "'features.pool0'), features_denseblock1_denselayer1_conv2 (1, 32, 8, 8; from module "
        "'features.denseblock1.denselayer1'), features_denseblock1_denselayer2_conv2 (1, 32, 8, 8; from module "
        "'features.denseblock1.denselayer2')"
    )
    assert error.hint == "layers that can be cut: nearest below 'features.pool0', nearest above 'features.denseblock1'"


@pytest.mark.slow
def test_residual_branch_is_no_cut() -> None:
    error = problem("resnet18", ["layer1", "layer2.0.conv2", "fc"])
    assert (error.slug, error.path) == ("layers-not-a-cut", ("layers", 1))
    assert "layer1_1_relu_1 (1, 64, 8, 8; from module 'layer1')" in error.message
    assert error.hint == "layers that can be cut: nearest below 'layer1', nearest above 'layer2.0'"


def test_channels_that_are_neither_second_nor_last_are_refused() -> None:
    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.permute(0, 2, 1, 3)

    module = nn.Sequential(nn.Conv2d(3, 4, 1), Turned(), nn.Flatten(), nn.Linear(256, 2)).eval()
    with pytest.raises(InputError) as caught:
        cut(module, ["1", "3"], torch.randn(1, 3, 8, 8))
    assert (caught.value.slug, caught.value.path) == ("layer-shape", ("layers", 0))
    assert caught.value.message == (
        "layer '1' has an output of shape (1, 8, 4, 8) for 1 picture(s), with channels in axis 2"
    )


def test_module_that_returns_a_tuple() -> None:
    error = problem("vit_b_16", ["encoder.layers.encoder_layer_0.self_attention", "heads"], image_size=32)
    assert error.slug in {"layer-shape", "layers-not-a-cut"}


def test_output_must_be_logits() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    with pytest.raises(InputError) as caught:
        cut(module, ["0", "1"], torch.randn(1, 3, 8, 8))
    assert caught.value.message == "the network's output has shape (4, 6, 6) a picture, and (outputs,) was expected"


@pytest.mark.slow
def test_legal_layers_are_exactly_what_can_be_cut() -> None:
    module = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=7).eval()
    legal = [name for offer in offers(module, torch.randn(1, 3, 32, 32)) for name in offer.names]
    example = torch.randn(1, 3, 32, 32)
    assert legal[:4] == ["conv1", "bn1", "relu", "maxpool"]
    assert legal[-1] == "fc"
    assert "layer3.0.conv1" not in legal
    tried = [n for n, _ in module.named_modules() if n and n not in {"fc"}]
    works = []
    for name in tried:
        try:
            cut(module, [name, "fc"], example)
            works.append(name)
        except InputError:
            pass
    assert set(works) == set(legal) - {"fc"}
