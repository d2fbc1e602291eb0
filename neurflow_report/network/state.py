"""The state of a network as it was made: whether there is any, and its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from neurflow_report.errors import InputError
from neurflow_report.network.fence import TRY, fenced


def check_state(module: nn.Module, factory: str) -> None:
    """Raises InputError factory-failed (path model.factory) where a parameter or a buffer has no values, or the network
    is one that cannot be looked into."""
    path = ("model", "factory")
    scripted = next((name for name, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)), None)
    if scripted is not None:
        what = f"in which {scripted!r} is" if scripted else "which is"
        message = f"{factory!r} returned a network {what} compiled to TorchScript, and so has no Python to look into"
        hint = "let the factory return the module from before torch.jit.script or torch.jit.trace"
        raise InputError("factory-failed", message, hint=hint, path=path)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(value):
            message = f"{factory!r} returned a network whose {name!r} is lazy: it has no shape yet"
            hint = "let the factory run the network on one batch of pictures before it returns it"
            raise InputError("factory-failed", message, hint=hint, path=path)
        if value.is_meta:
            message = f"{factory!r} returned a network whose {name!r} is on the device meta: it has no values"
            hint = "let the factory make the network on a device with memory: leave torch.device('meta') out"
            raise InputError("factory-failed", message, hint=hint, path=path)


def state_digest(module: nn.Module) -> str:
    """sha256, in hex, over the sorted state: each name, number format, shape and bytes; of what is no tensor, its text.

    Raises: InputError model-fails where the network cannot tell its state.
    """
    with fenced("reading the network's state (state_dict)", hint=TRY, network=module):
        state = sorted(module.state_dict().items())
    digest = hashlib.sha256()
    for name, value in state:
        for part in _bytes(name, value):
            digest.update(part)
    return digest.hexdigest()


def _bytes(name: str, value: Any) -> Iterator[bytes]:
    if isinstance(value, Tensor):
        yield f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode()
        yield _values(value)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _bytes(f"{name}\0{key}", one)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for number, one in enumerate(value):
            yield from _bytes(f"{name}\0{number}", one)
    else:
        plain = value is None or isinstance(value, (bool, int, float, complex, str, bytes, torch.dtype))
        yield f"{name}\0{type(value).__name__}\0{value if plain else ''}\0".encode()


def _values(value: Tensor) -> bytes:
    """The bytes of a tensor, one number after the other."""
    value = value.detach().cpu()
    if value.is_quantized:
        value = value.dequantize()
    if value.layout is not torch.strided:
        value = value.to_dense()
    data: bytes = value.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return data
