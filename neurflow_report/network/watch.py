"""What a network does while it runs on pictures: the operation, its module, and the line of the user's code, that draws
at random, computes in a lower precision, or changes a tensor in place through a view of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from neurflow_report.network.agreement import agree

_OURS, _TORCH = str(Path(__file__).parents[1]), str(Path(torch.__file__).parent)
Is = Callable[[Any, Sequence[Any], Any], bool]
"""Whether an operation, its arguments and its result are what is looked for."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An operation: its `name` (as the user's code calls it, where that is known), the innermost module that it ran in
    (its name, and the module), the `place` of the user's line ("" where no line of theirs called it), and whether
    autocast was on."""

    name: str
    module_name: str
    module: nn.Module
    place: str
    autocast: bool

    def __str__(self) -> str:
        """F.dropout in nets.py, line 41"""
        if self.place:
            return f"{self.name} in {self.place}"
        return f"{self.name} in {spelt(self.module_name, self.module)}"


def spelt(name: str, module: nn.Module) -> str:
    """A module in words: 'mid.0' (Conv2d)."""
    return f"{name!r} ({type(module).__name__})" if name else f"the network's own forward ({type(module).__name__})"


def draws(operation: Any, _args: Sequence[Any], _out: Any) -> bool:
    """Whether an operation takes random numbers."""
    return torch.Tag.nondeterministic_seeded in operation.tags


def lowers(dtype: torch.dtype) -> Is:
    """Whether an operation, more than a change of format, puts out numbers of fewer bits than `dtype`."""

    def found(operation: Any, _args: Sequence[Any], out: Any) -> bool:
        if operation._overloadpacket is torch.ops.aten._to_copy:
            return False
        return isinstance(out, Tensor) and out.is_floating_point() and out.dtype.itemsize < dtype.itemsize

    return found


def writes_through_a_view(operation: Any, args: Sequence[Any], _out: Any) -> bool:
    """Whether an operation changes its first argument, which is a view of another tensor."""
    mutates = operation._schema.is_mutable and bool(args) and isinstance(args[0], Tensor)
    return bool(mutates and args[0]._is_view())


def watched(module: nn.Module, pictures: Tensor, *looked_for: Is) -> list[Seen | None]:
    """The first operation of each kind that is looked for, None where there is none, in one pass over the pictures."""
    found: list[Seen | None] = [None] * len(looked_for)
    stack: list[tuple[nn.Module, bool]] = [(module, False)]

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            for i, is_it in enumerate(looked_for):
                if found[i] is None and is_it(func, args, out):
                    found[i] = _seen(func, names, *stack[-1])
            return out

    names = {id(part): name for name, part in module.named_modules()}
    with torch.no_grad(), _stacked(stack), Watch():  # type: ignore[no-untyped-call]
        module(pictures.clone())
    return found


@contextmanager
def _stacked(stack: list[tuple[nn.Module, bool]]) -> Iterator[None]:
    """Inside, `stack` ends with the module that is running, and whether autocast is on there. (Inside an operation
    torch has switched it off.)"""
    kinds = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    before = register_module_forward_pre_hook(
        lambda module, _inputs: stack.append((module, any(map(torch.is_autocast_enabled, kinds))))
    )
    after = register_module_forward_hook(lambda _m, _i, _o: (stack.pop(), None)[1], always_call=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()


def _seen(operation: Any, names: dict[int, str], module: nn.Module, autocast: bool) -> Seen:
    name, place = str(operation._schema.name).rpartition("::")[2], ""
    frame = sys._getframe(2)
    while frame is not None and not place:
        file = frame.f_code.co_filename
        if file.startswith(_OURS):
            if not file.startswith(__file__):
                break
        elif file.startswith(_TORCH):
            if file.endswith("nn/functional.py"):
                name = f"F.{frame.f_code.co_name}"
        elif not file.startswith("<"):
            place = f"{Path(file).name}, line {frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return Seen(name=name, module_name=names.get(id(module), ""), module=module, place=place, autocast=autocast)


@torch.no_grad()
def first_to_differ(module: nn.Module, pictures: Tensor, again: Tensor) -> tuple[str, nn.Module] | None:
    """The first module to finish whose output on the pictures is not the one it has in a second pass, over as many or
    fewer of them, `again`; None where none differs."""
    names = {id(part): name for name, part in module.named_modules()}
    kept = list[Tensor | None]()
    differing = list[tuple[str, nn.Module]]()

    def keep(_part: nn.Module, _inputs: object, out: Any) -> None:
        rows = isinstance(out, Tensor) and out.ndim and len(out) == len(pictures)
        kept.append(out[: len(again)].clone() if rows else None)

    def compare(part: nn.Module, _inputs: object, out: object) -> None:
        expected = kept.pop(0) if kept else None
        if expected is not None and not differing and not agree(out, expected):
            differing.append((names.get(id(part), ""), part))

    for hook, some in ((keep, pictures), (compare, again)):
        handles = [part.register_forward_hook(hook) for part in module.modules()]  # after those that it has itself
        try:
            module(some.clone())
        finally:
            for handle in handles:
                handle.remove()
    return differing[0] if differing else None
