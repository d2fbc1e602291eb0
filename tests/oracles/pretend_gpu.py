"""A GPU that is not there: tensors that say they lie on "cuda:0", computed by the processor.

What a GPU refuses is refused: an operation on tensors of both places, a look at numbers without a copy. A run that goes
through has put no tensor into the wrong place. Every wait of the host for a value is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

GPU = torch.device("cuda:0")
MEMORY = 8 * 2**30
PLACE = {Tensor.device.__get__: GPU, Tensor.is_cuda.__get__: True, Tensor.is_cpu.__get__: False}
MIXES = {Tensor.copy_, Tensor.__getitem__, torch._has_compatible_shallow_copy_type}
"""What takes tensors of both places: copies, and indices that the host holds."""
REFUSED = {Tensor.numpy, Tensor.__array__}
LOOKS = {
    Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__float__, Tensor.__int__, Tensor.__index__,
    Tensor.nonzero, torch.nonzero, torch.masked_select, Tensor.masked_select, torch.equal, Tensor.equal, torch.unique,
    Tensor.unique, torch.bincount, Tensor.bincount, torch.allclose, Tensor.allclose,
}  # fmt: skip
MOVES = {Tensor.to, Tensor.cpu, Tensor.cuda, Tensor.type}


class OnGpu(Tensor):
    """A tensor of the device."""

    waits: ClassVar[Counter[str]] = Counter()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        fresh = _here(self).detach().clone().as_subclass(OnGpu)
        made = nn.Parameter(fresh, self.requires_grad) if isinstance(self, nn.Parameter) else fresh
        return memo.setdefault(id(self), made.requires_grad_(self.requires_grad))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in PLACE:
            return PLACE[func]
        if func in REFUSED:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        if func in MOVES:
            return cls._moved(func, args, kwargs)
        if func not in MIXES:
            _check(func, args, kwargs)
        if func in LOOKS or (func is Tensor.__getitem__ and _is_mask(args[1])):
            cls.waits[func.__name__] += 1
        asked = kwargs.get("device")
        if asked is None:
            return super().__torch_function__(func, types, args, kwargs)
        found = super().__torch_function__(func, types, args, kwargs | {"device": "cpu"})
        return found if torch.device(asked).type == "cuda" else _here(found)

    @classmethod
    def _moved(cls, func: Any, args: Any, kwargs: Any) -> Any:
        given, options = tree_map(_place, (args[1:], kwargs))
        found = super().__torch_function__(func, (), (args[0], *given), options)
        if func is Tensor.cpu or any(_is_device(v, "cpu") for v in (*args[1:], *kwargs.values())):
            cls.waits["copy to the host"] += 1
            return _here(found).clone()
        if any(isinstance(v, Tensor) and not isinstance(v, OnGpu) for v in args[1:]):
            cls.waits["copy to the host"] += 1
            return _here(found).clone()
        return found


class HostGenerator(torch.Generator):
    """A generator of the processor, whatever device it is asked for."""

    def __new__(cls, *_: Any) -> HostGenerator:
        return super().__new__(cls)


class Gpu(TorchFunctionMode):
    """While it is entered, tensors can be made on the device, and moved to it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        flat, _ = tree_flatten((args, kwargs))
        if any(isinstance(value, OnGpu) for value in flat) and not (func in MOVES and not isinstance(args[0], OnGpu)):
            return func(*args, **kwargs)
        there = any(_is_device(value, "cuda") for value in (*args[1:], *kwargs.values()))
        there |= func in MOVES and any(isinstance(value, OnGpu) for value in args[1:])
        there |= func is Tensor.cuda
        if not there:
            return func(*args, **kwargs)
        given, options = tree_map(_place, (args, kwargs))
        found = (Tensor.cpu if func is Tensor.cuda else func)(*given, **options)
        return (found.clone() if found is args[0] else found).as_subclass(OnGpu)


def _check(func: Any, args: Any, kwargs: Any) -> None:
    flat, _ = tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, Tensor)]
    if any(not isinstance(value, OnGpu) and value.ndim for value in tensors):
        name = getattr(func, "__name__", func)
        raise RuntimeError(f"{name}: Expected all tensors to be on the same device, but found cuda:0 and cpu")


def _is_mask(index: Any) -> bool:
    """Whether how many are chosen must be looked up."""
    flat, _ = tree_flatten(index)
    return any(isinstance(one, OnGpu) and one.dtype == torch.bool for one in flat)


def _is_device(value: Any, kind: str) -> bool:
    return (isinstance(value, torch.device) and value.type == kind) or (
        isinstance(value, str) and value.partition(":")[0] == kind
    )


def _place(value: Any) -> Any:
    """Where the numbers lie in truth."""
    if _is_device(value, "cuda"):
        return torch.device("cpu")
    return _here(value)


def _here(value: Any) -> Any:
    return value.as_subclass(Tensor) if isinstance(value, OnGpu) else value


@contextmanager
def pretend_gpu() -> Iterator[Counter[str]]:
    """Inside, torch has one GPU of 8 GiB; → how often the host waited for it so far, by what it asked for."""
    answers: Mapping[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "synchronize": lambda *_: None,
        "get_device_name": lambda *_: "Pretended H100",
        "get_device_capability": lambda *_: (9, 0),
        "get_device_properties": lambda *_: "Pretended H100",
        "mem_get_info": lambda *_: (MEMORY, MEMORY),
        "max_memory_allocated": lambda *_: 2**20,
        "reset_peak_memory_stats": lambda *_: None,
        "empty_cache": lambda: None,
    }
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, Gpu():
        for name, answer in answers.items():
            patch.setattr(torch.cuda, name, answer)
        patch.setattr(torch, "Generator", HostGenerator)
        patch.setattr(OnGpu, "waits", Counter())
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # else a parameter keeps its class
        try:
            yield OnGpu.waits
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(before)
