"""What a network takes and returns, tried on pictures before it is looked into: a batch of pictures alone, and one
number for each of several classes, a row a picture.

Whatever else it is has a named error that says what was found, and how a wrapper in the factory makes it right. Where
the network fails, other sizes and numbers of channels are tried: a hint names only what its shapes were found to allow.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from neurflow_report.errors import InputError
from neurflow_report.network.fence import TRY, as_it_was, fenced, first_line

SIDES = (32, 64, 224, 28, 96, 128, 160, 192, 240, 256, 288, 299, 320, 384, 512)
"""Sides that are tried where a network fails on pictures of the size that it is given."""
WRAP = "wrap it in the factory (docs/guide.md, A network of another form)"
_PATH = ("model", "name")
_BY_PLACE = (
    inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL,
)  # fmt: skip


def outputs_of(module: nn.Module, example: Tensor) -> int:
    """How many outputs `module` (eval mode) has, tried on one picture and on two.

    Args: example: a batch of at least one picture, (N, C, S, S).
    Raises (path model.name):
        InputError model-input where it takes something else than pictures alone.
        InputError model-fails where it fails on pictures.
        InputError model-output where it returns anything but (pictures, outputs) with two outputs or more.
    """
    _check_arguments(module)
    one = example[:1]
    first, second = _run(module, one), _run(module, torch.cat([one, one]))
    value = _single(first)
    _check_kind(value, one)
    _check_shape(tuple(value.shape), tuple(second.shape) if isinstance(second, Tensor) else ())
    return int(value.shape[1])


def _run(module: nn.Module, pictures: Tensor) -> Any:
    size = " × ".join(map(str, pictures.shape[1:]))
    what = f"a picture of {size}" if len(pictures) == 1 else f"{len(pictures)} pictures of {size}"

    def hint(error: BaseException) -> str:
        return _hint(module, pictures, error)

    with fenced(f"the network fails on {what}", path=_PATH, hint=hint, network=module), torch.no_grad():
        return module(pictures.clone())


def _check_arguments(module: nn.Module) -> None:
    """Raises model-input unless the network can be called with pictures alone."""
    try:
        found = list(inspect.signature(module.forward).parameters.values())
    except Exception:  # a forward without a signature: calling it tells
        return
    needed = [p.name for p in found if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not any(p.kind in _BY_PLACE for p in found):
        listed = ", ".join(p.name for p in found) or "nothing"
        message = f"the network's forward takes {listed}, and one batch of pictures by place was expected"
        call = f"self.net({found[0].name}=x)" if found else "self.net()"
        raise InputError("model-input", message, hint=f"{WRAP}: let its forward return {call}", path=_PATH)
    others = needed[1:] if found[0].kind is not found[0].VAR_POSITIONAL else needed
    if others:
        listed = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
        message = f"the network takes more than pictures: its forward({', '.join(needed)}) also needs {listed}"
        hint = f"{WRAP}: let its forward(self, x) return self.net(x, …) with fixed values for {listed}"
        raise InputError("model-input", message, hint=hint, path=_PATH)


def _hint(module: nn.Module, pictures: Tensor, error: BaseException) -> str:
    """What to do about a network that fails on pictures, as far as that was found."""
    said = first_line(error)
    elsewhere = pictures.device.type == "cpu" and ("NVIDIA" in said or "CUDA" in said)
    if elsewhere or "same device" in said:
        return "it moves tensors to a device of its own: let them stay where the pictures are, x.to(…, device=x.device)"
    if len(pictures) > 1:
        return "it runs on one picture and not on two: let its forward take a batch of any number of pictures"
    if _runs(module, pictures, (pictures.shape[1], pictures.shape[-1]), gradients=True):
        return "it runs only where gradients are recorded: let it ask `if y.requires_grad:` before it uses them"
    works = next((shape for shape in _others(pictures) if _runs(module, pictures, shape)), None)
    if works is None:
        return TRY
    channels, side = works
    if channels != pictures.shape[1]:
        if channels not in {1, 3}:
            return f"it runs on pictures of {channels} channels, and pictures here have 3 or 1: {WRAP}"
        return f"it runs on pictures of {channels} × {side} × {side}: set preprocess.channels: {channels}"
    return f"it runs on pictures of {side} × {side}: set preprocess.size: {side}"


def _others(pictures: Tensor) -> Iterator[tuple[int, int]]:
    """Other shapes of pictures, (channels, side), the likeliest first."""
    channels, side = pictures.shape[1], pictures.shape[-1]
    yield from ((c, side) for c in (1, 3, 4, 2, 6, 9) if c != channels)
    yield from ((channels, s) for s in SIDES if s != side)
    yield from ((c, s) for c in (1, 3) for s in SIDES if c != channels and s != side)


def _runs(module: nn.Module, pictures: Tensor, shape: tuple[int, int], *, gradients: bool = False) -> bool:
    """Whether the network runs on a picture of another shape, or with gradients on the pictures'. Other shapes are
    followed through it without computing anything: they may need more memory than there is."""
    other = pictures.new_zeros((1, shape[0], shape[1], shape[1])).requires_grad_(gradients)
    try:
        with as_it_was(), torch.set_grad_enabled(gradients):
            if gradients:
                module(other)
            else:
                with FakeTensorMode(allow_non_fake_inputs=True) as mode:
                    module(mode.from_tensor(other))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return False
    return True


def _single(found: Any) -> Tensor:
    """The one tensor that the network returned.

    Raises: InputError model-output with how the others could be left out.
    """
    if isinstance(found, Tensor):
        return found
    kind, parts = type(found).__name__, _parts(found)
    usable = [how for how, value in parts if isinstance(value, Tensor) and value.ndim == 2 and len(value) == 1]
    listed = ", ".join(f"{how.strip('.')} {_described(value)}" for how, value in parts[:6])
    more = f", … ({len(parts)} in all)" if len(parts) > 6 else ""
    message = f"the network returns a {kind}{f' ({listed}{more})' if parts else ''}, and one tensor was expected"
    which = " or ".join(f"self.net(x){how}" for how in usable[:3]) or "the one tensor with a number for each class"
    raise _wrong(message, f"{WRAP}: let its forward return {which}")


def _parts(found: Any) -> list[tuple[str, Any]]:
    """What a container holds: how it is had, and what it is."""
    if isinstance(found, Mapping):
        return [(f"[{key!r}]", value) for key, value in found.items()]
    if hasattr(found, "_fields"):
        return [(f".{name}", getattr(found, name)) for name in found._fields]
    if isinstance(found, Sequence) and not isinstance(found, str):
        return [(f"[{i}]", value) for i, value in enumerate(found)]
    return [(f".{name}", value) for name, value in getattr(found, "__dict__", {}).items() if isinstance(value, Tensor)]


def _described(value: Any) -> str:
    return f"({', '.join(map(str, value.shape))})" if isinstance(value, Tensor) else type(value).__name__


def _check_kind(value: Tensor, pictures: Tensor) -> None:
    """Raises model-output unless the tensor holds real numbers, one after the other, where the pictures are."""
    if value.is_nested or value.layout is not torch.strided:
        kind = "nested" if value.is_nested else f"sparse ({str(value.layout).removeprefix('torch.')})"
        how = "to_padded_tensor(0.0)" if value.is_nested else "to_dense()"
        message = f"the network returns a tensor that is {kind}, and a plain one was expected"
        raise _wrong(message, f"{WRAP}: let its forward return self.net(x).{how}")
    if not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        message = f"the network returns numbers of the kind {kind}, and real numbers, one for each class, were expected"
        raise _wrong(message, "let it return the values that it decides by, not the decision")
    if value.device != pictures.device:
        message = f"the network's output is on the device {value.device}, and its input is on {pictures.device}"
        raise _wrong(message, "let the tensors that it makes be where the pictures are: device=x.device")


def _check_shape(one: tuple[int, ...], two: tuple[int, ...]) -> None:
    """Raises model-output unless the shapes for one picture and for two are (1, outputs) and (2, outputs)."""
    if len(one) == 2 and one[0] == 1 and two == (2, one[1]) and one[1] > 1:
        return
    if (one in {(1, 1), (1,)} and two in {(2, 1), (2,)}) or (one == () and two in {(2,), (2, 1)}):
        raise _one_output()
    shapes = f"{_spelt(one)} for one picture and {_spelt(two)} for two"
    if len(two) == 2 and two[0] == 2 and one == two[1:]:
        message = f"the network's output has the shape {shapes}: with one picture it loses the axis of the pictures"
        raise _wrong(
            message, "let it keep that axis: flatten(1), or squeeze(-1) with the axis named, where it squeezes"
        )
    if len(one) == 4 and one[0] == 1 and one[2:] == (1, 1):
        message = f"the network's output has the shape {shapes}, and (pictures, outputs) was expected"
        raise _wrong(message, f"{WRAP}: let its forward return self.net(x).flatten(1)")
    if one[:1] == (1,) and two[:1] == (2,) and one[1:] == two[1:]:
        message = f"the network's output has the shape {shapes}, and (pictures, outputs) was expected"
        raise _wrong(message, f"only classifiers can be examined; where a mean of it is each class's value, {WRAP}")
    message = f"the network's output has the shape {shapes}, and a row for each picture was expected"
    raise _wrong(message, "let its forward return one row for each picture of the batch, whatever their number")


def _one_output() -> InputError:
    message = "the network has one output, and a class is taken for the largest of several"
    hint = (
        "let the factory make two of it, for no and yes: with z = self.net(x).reshape(-1, 1), a logit, return "
        "torch.cat([-z, z], 1); with p, a probability, first z = torch.logit(p) - torch.logit(threshold) "
        "(docs/guide.md, A network of another form)"
    )
    return _wrong(message, hint)


def _spelt(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _wrong(message: str, hint: str) -> InputError:
    return InputError("model-output", message, hint=hint, path=_PATH)
