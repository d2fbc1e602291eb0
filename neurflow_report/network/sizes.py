"""While a network is traced, sizes that depend on the number of pictures may stand where torch takes plain numbers:
`rows.expand(b, 1, h, w)` of a tensor that the network makes itself, `torch.zeros(b, 1, d)`; and einops' functions may
be called on what is traced."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx

_METHODS = ("expand", "view", "reshape", "repeat", "new_zeros", "new_ones", "new_full", "new_empty")
_FUNCTIONS = ("zeros", "ones", "full", "empty", "arange", "rand", "randn", "linspace", "eye")
_EINOPS = ("rearrange", "repeat", "reduce", "einsum")


@contextmanager
def traced_sizes() -> Iterator[None]:
    """Inside, such calls become nodes of the graph."""
    own: list[tuple[Any, str, Any]] = [(Tensor, name, vars(Tensor).get(name)) for name in _METHODS]
    own += [(torch, name, getattr(torch, name)) for name in _FUNCTIONS]
    for owner, name, _ in own:
        setattr(owner, name, _noted(getattr(owner, name), "call_method" if owner is Tensor else "call_function"))
    try:
        yield
    finally:
        for owner, name, before in own:
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


def functions_of_einops() -> tuple[Callable[..., Any], ...]:
    """Its functions, where a network uses it."""
    einops = sys.modules.get("einops")
    return tuple(getattr(einops, name) for name in _EINOPS if hasattr(einops, name))


def _noted(function: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """The function, or a node of it where a size among its arguments is traced."""

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        found: list[fx.Proxy] = []
        if not (arguments and isinstance(arguments[0], fx.Proxy) and kind == "call_method"):
            fx.node.map_aggregate((arguments, named), lambda v: found.append(v) if isinstance(v, fx.Proxy) else None)
        if not found:
            return function(*arguments, **named)
        target = function.__name__ if kind == "call_method" else function
        return found[0].tracer.create_proxy(kind, target, arguments, named)

    return called
