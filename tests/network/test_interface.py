"""What a network takes and returns: anything but pictures in and logits out is told as what it is."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from neurflow_report.errors import InputError
from neurflow_report.network.cut import cut
from neurflow_report.network.interface import outputs_of

PICTURE = torch.rand((1, 3, 8, 8), generator=torch.Generator().manual_seed(0))
WRAP = "wrap it in the factory (docs/guide.md, A network of another form)"


class Net(nn.Module):
    """Three logits; its kinds below change what it takes and returns."""

    def __init__(self, outputs: int = 3, channels: int = 3) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(channels, 4, 3, padding=1), nn.Linear(4, outputs)

    def features(self, x: Tensor) -> Tensor:
        return self.conv(x).relu().mean((2, 3))

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.features(x))


class Both(NamedTuple):
    logits: Tensor
    features: Tensor


class Returning(Net):
    """Returns what a function makes of the logits."""

    def __init__(self, change: Any, outputs: int = 3) -> None:
        super().__init__(outputs)
        self.change = change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.fc(self.features(x)))


def problem(module: nn.Module, picture: Tensor = PICTURE) -> InputError:
    with pytest.raises(InputError) as caught:
        outputs_of(module.eval(), picture)
    assert caught.value.path == ("model", "name")
    return caught.value


def said(module: nn.Module, picture: Tensor = PICTURE) -> tuple[str, str, str]:
    error = problem(module, picture)
    return error.slug, re.sub(r"line \d+", "line N", error.message), error.hint


def test_how_many_outputs() -> None:
    assert outputs_of(Net(5).eval(), PICTURE) == 5
    assert outputs_of(Net(2).eval(), torch.rand(4, 3, 9, 9)) == 2


SHAPE = "the network's output has the shape"


@pytest.mark.parametrize(
    ("module", "message", "hint"),
    [
        (Returning(lambda z: (z, z.exp())), "the network returns a tuple ([0] (1, 3), [1] (1, 3)), and one tensor was "
         "expected", f"{WRAP}: let its forward return self.net(x)[0] or self.net(x)[1]"),
        (Returning(lambda z: {"logits": z, "loss": None}), "the network returns a dict (['logits'] (1, 3), ['loss'] "
         "NoneType), and one tensor was expected", f"{WRAP}: let its forward return self.net(x)['logits']"),
        (Returning(lambda z: Both(z, z[0])), "the network returns a Both (logits (1, 3), features (3)), and one tensor "
         "was expected", f"{WRAP}: let its forward return self.net(x).logits"),
        (Returning(lambda _: None), "the network returns a NoneType, and one tensor was expected",
         f"{WRAP}: let its forward return the one tensor with a number for each class"),
        (Returning(lambda z: z.argmax(1)), "the network returns numbers of the kind int64, and real numbers, one for "
         "each class, were expected", "let it return the values that it decides by, not the decision"),
        (Returning(lambda z: z * 1j), "the network returns numbers of the kind complex64, and real numbers, one for "
         "each class, were expected", "let it return the values that it decides by, not the decision"),
        (Returning(Tensor.to_sparse), "the network returns a tensor that is sparse (sparse_coo), and a plain one was "
         "expected", f"{WRAP}: let its forward return self.net(x).to_dense()"),
        (Returning(lambda z: z.to("meta")), "the network's output is on the device meta, and its input is on cpu",
         "let the tensors that it makes be where the pictures are: device=x.device"),
        (Returning(Tensor.squeeze), f"{SHAPE} (3,) for one picture and (2, 3) for two: with one picture it loses the "
         "axis of the pictures",
         "let it keep that axis: flatten(1), or squeeze(-1) with the axis named, where it squeezes"),
        (Returning(lambda z: z[:, :, None, None]), f"{SHAPE} (1, 3, 1, 1) for one picture and (2, 3, 1, 1) for two, "
         "and (pictures, outputs) was expected", f"{WRAP}: let its forward return self.net(x).flatten(1)"),
        (Returning(lambda z: z[:, :, None].repeat(1, 1, 7)), f"{SHAPE} (1, 3, 7) for one picture and (2, 3, 7) for "
         "two, and (pictures, outputs) was expected",
         f"only classifiers can be examined; where a mean of it is each class's value, {WRAP}"),
        (Returning(lambda z: z[:, :0]), f"{SHAPE} (1, 0) for one picture and (2, 0) for two, and (pictures, outputs) "
         "was expected", f"only classifiers can be examined; where a mean of it is each class's value, {WRAP}"),
        (Returning(lambda z: z.mean(0, keepdim=True)), f"{SHAPE} (1, 3) for one picture and (1, 3) for two, and a row "
         "for each picture was expected",
         "let its forward return one row for each picture of the batch, whatever their number"),
    ],
)  # fmt: skip
def test_what_is_no_row_of_logits(module: nn.Module, message: str, hint: str) -> None:
    assert said(module) == ("model-output", message, hint)


@pytest.mark.parametrize("change", [Tensor.sigmoid, lambda z: z, lambda z: z.squeeze(1), Tensor.squeeze])
def test_one_output(change: Any) -> None:
    assert said(Returning(change, outputs=1)) == (
        "model-output",
        "the network has one output, and a class is taken for the largest of several",
        "let the factory make two of it, for no and yes: with z = self.net(x).reshape(-1, 1), a logit, return "
        "torch.cat([-z, z], 1); with p, a probability, first z = torch.logit(p) - torch.logit(threshold) "
        "(docs/guide.md, A network of another form)",
    )


class TwoOfOne(nn.Module):
    """The guide's wrapper around a network with one output."""

    def __init__(self, net: nn.Module, *, probability: bool = False) -> None:
        super().__init__()
        self.net, self.probability = net, probability

    def forward(self, x: Tensor) -> Tensor:
        z = self.net(x).reshape(-1, 1)
        z = torch.logit(z, eps=1e-6) - torch.logit(torch.tensor(0.3)) if self.probability else z
        return torch.cat([-z, z], 1)


def test_two_of_one_output_decide_as_the_one_does() -> None:
    pictures = torch.rand((16, 3, 8, 8), generator=torch.Generator().manual_seed(1)) * 4 - 2
    for change, limit in ((lambda z: z.squeeze(1), 0.0), (lambda z: z.sigmoid(), 0.3)):
        torch.manual_seed(0)
        net = Returning(change, outputs=1)
        wrapped = TwoOfOne(net, probability=limit > 0).eval()
        assert outputs_of(wrapped, pictures) == 2
        with torch.no_grad():
            assert torch.equal(wrapped(pictures).argmax(1) == 1, net(pictures).reshape(-1) > limit)
    assert [layer.channels for layer in cut(wrapped, ["net.conv", "output"], pictures).layers] == [4, 2]


class WithMore(Net):
    def forward(self, x: Tensor, meta: Tensor, age: Tensor, scale: float = 1.0) -> Tensor:
        return super().forward(x) + meta + age


class ByName(Net):
    def forward(self, *, images: Tensor) -> Tensor:
        return super().forward(images)


class KeywordOnly(Net):
    def forward(self, x: Tensor, *, temperature: float) -> Tensor:
        return super().forward(x) / temperature


class Anything(Net):
    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return super().forward(*args, **kwargs)


@pytest.mark.parametrize(
    ("module", "message", "hint"),
    [
        (WithMore(), "the network takes more than pictures: its forward(x, meta, age) also needs meta and age",
         f"{WRAP}: let its forward(self, x) return self.net(x, …) with fixed values for meta and age"),
        (KeywordOnly(), "the network takes more than pictures: its forward(x, temperature) also needs temperature",
         f"{WRAP}: let its forward(self, x) return self.net(x, …) with fixed values for temperature"),
        (ByName(), "the network's forward takes images, and one batch of pictures by place was expected",
         f"{WRAP}: let its forward return self.net(images=x)"),
    ],
)  # fmt: skip
def test_what_takes_more_than_pictures(module: nn.Module, message: str, hint: str) -> None:
    assert said(module) == ("model-input", message, hint)


def test_arguments_of_any_number_are_no_more() -> None:
    assert outputs_of(Anything().eval(), PICTURE) == 3


class Raising(Net):
    """Raises an error where its features are made."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


class Sized(Net):
    """Takes pictures of 28 pixels alone."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[2:] == (28, 28), "28 pixels alone"
        return super().forward(x)


class Hooked(Net):
    """Asks for the gradient of a tensor that may have none."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y.register_hook(lambda g: g)
        return self.fc(y.mean((2, 3)))


class OneAtATime(Net):
    def forward(self, x: Tensor) -> Tensor:
        assert len(x) == 1, "one at a time"
        return super().forward(x)


class UntoldError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


TRY = "try it in Python first: import the callable, call it, and pass it a batch of pictures"
FAILS = "the network fails on a picture of 3 × 8 × 8"
HERE = "in test_interface.py, line N"


@pytest.mark.parametrize(
    ("module", "message", "hint"),
    [
        (Net(channels=1), f"{FAILS} in module 'conv' (test_interface.py, line N): RuntimeError: Given groups=1, weight "
         "of size [4, 1, 3, 3], expected input[1, 3, 8, 8] to have 1 channels, but got 3 channels instead",
         "it runs on pictures of 1 × 8 × 8: set preprocess.channels: 1"),
        (Net(channels=4), f"{FAILS} in module 'conv' (test_interface.py, line N): RuntimeError: Given groups=1, weight "
         "of size [4, 4, 3, 3], expected input[1, 3, 8, 8] to have 4 channels, but got 3 channels instead",
         f"it runs on pictures of 4 channels, and pictures here have 3 or 1: {WRAP}"),
        (Sized(), f"{FAILS} {HERE}: AssertionError: 28 pixels alone",
         "it runs on pictures of 28 × 28: set preprocess.size: 28"),
        (Hooked(), f"{FAILS} {HERE}: RuntimeError: cannot register a hook on a tensor that doesn't require gradient",
         "it runs only where gradients are recorded: let it ask `if y.requires_grad:` before it uses them"),
        (OneAtATime(), f"the network fails on 2 pictures of 3 × 8 × 8 {HERE}: AssertionError: one at a time",
         "it runs on one picture and not on two: let its forward take a batch of any number of pictures"),
        (Raising(SystemExit(3)), f"{FAILS} {HERE}: SystemExit: 3", TRY),
        (Raising(StopIteration()), f"{FAILS} {HERE}: StopIteration", TRY),
        (Raising(RecursionError("too deep")), f"{FAILS} {HERE}: RecursionError: too deep", TRY),
        (Raising(MemoryError()), f"{FAILS} {HERE}: MemoryError", TRY),
        (Raising(AssertionError("Torch not compiled with CUDA enabled")), f"{FAILS} {HERE}: AssertionError: Torch not "
         "compiled with CUDA enabled",
         "it moves tensors to a device of its own: let them stay where the pictures are, x.to(…, device=x.device)"),
        (Raising(ValueError("first\nsecond")), f"{FAILS} {HERE}: ValueError: first", TRY),
        (Raising(UntoldError()), f"{FAILS} {HERE}: UntoldError", TRY),
    ],
)  # fmt: skip
def test_a_network_that_fails(module: nn.Module, message: str, hint: str) -> None:
    assert said(module) == ("model-fails", message, hint)


class Everywhere(Net):
    """Attention over all places: at 512 pixels it would take 275 GB. Fails, but for its shapes, always."""

    def forward(self, x: Tensor) -> Tensor:
        places = self.conv(x).flatten(2)
        weights = (places.transpose(1, 2) @ places).softmax(-1)
        if x.shape[-1] < 500:
            raise LookupError("too small")
        return self.fc((places @ weights).mean(2))


def test_other_sizes_are_tried_without_memory() -> None:
    message = "the network fails on a picture of 3 × 8 × 8 in test_interface.py, line N: LookupError: too small"
    assert said(Everywhere()) == ("model-fails", message, "it runs on pictures of 512 × 512: set preprocess.size: 512")


def test_an_interrupt_and_memory_pass() -> None:
    for error in (KeyboardInterrupt(), torch.OutOfMemoryError("CUDA out of memory")):
        with pytest.raises(type(error)):
            outputs_of(Raising(error).eval(), PICTURE)
