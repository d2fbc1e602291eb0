"""Copies of a user's network: the same function in objects that may be changed.

1. `copied`: a deep copy. Tensors that autograd made, which torch will not copy, are copied without their history. Hooks
   that are functions see the copy where they saw the original in variables around them.
2. `settle`: weights that are computed at every pass (parametrizations, weight and spectral norm by hooks, masks of
   pruning) become stored ones, so that the module is what its class says (kinds.py).

Whether a copy does what the original does is not known here: it is compared on real pictures (agreement.py).
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from neurflow_report.network.copying import duplicate

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_SOURCES = ("_orig", "_g", "_v", "_u", "_mask")
"""How the names end of what a hook computes a weight from."""


def copied(module: nn.Module, *, share: bool) -> nn.Module:
    """A deep copy of `module`; with `share`, of its parameters and buffers there is only the one, in both."""
    memo: dict[int, Any] = {id(t): t.detach() for t in _made_by_autograd(module)}
    if share:
        memo |= {id(t): t for t in (*module.parameters(), *module.buffers())}
    found = duplicate(module, memo)
    for part in found.modules():
        for name, value in vars(part).items():
            if isinstance(value, types.FunctionType):
                vars(part)[name] = _rebound(value, memo)
        for hooks in (vars(part).get(name) or {} for name in _HOOKS):
            for key, hook in hooks.items():
                hooks[key] = _rebound(hook, memo)
    return found


def _made_by_autograd(module: nn.Module) -> Iterator[Tensor]:
    """Tensors among the modules' attributes that have a history: weights that hooks computed, kept activations."""
    waiting: list[Any] = [vars(part) for part in module.modules()]
    seen = set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            if value.grad_fn is not None:
                yield value
        elif id(value) not in seen and isinstance(value, (Mapping, list, tuple, set)):
            seen.add(id(value))
            waiting += value.values() if isinstance(value, Mapping) else value


def _rebound(function: Any, memo: Mapping[int, Any], around: tuple[Any, ...] = ()) -> Any:
    """A function whose closure and defaults hold the copies of what they held; any other value as it is.

    Args: around: the functions in whose closures it was found.
    """
    if isinstance(function, types.MethodType) and id(function.__self__) in memo:
        return types.MethodType(function.__func__, memo[id(function.__self__)])
    if not isinstance(function, types.FunctionType) or any(function is one for one in around):
        return function

    def new(value: Any) -> Any:
        return memo[id(value)] if id(value) in memo else _rebound(value, memo, (*around, function))

    cells, named = function.__closure__ or (), function.__kwdefaults__ or {}
    held = [_content(cell) for cell in cells]
    fresh, defaults = [new(value) for value in held], tuple(map(new, function.__defaults__ or ()))
    named_fresh = {name: new(value) for name, value in named.items()}
    before = (*held, *(function.__defaults__ or ()), *named.values())
    if all(a is b for a, b in zip(before, (*fresh, *defaults, *named_fresh.values()), strict=True)):
        return function
    closure = tuple(
        cell if old is now else types.CellType(now) for cell, old, now in zip(cells, held, fresh, strict=True)
    )
    made = types.FunctionType(function.__code__, function.__globals__, function.__name__, defaults or None, closure)
    made.__kwdefaults__, made.__dict__ = named_fresh or None, dict(function.__dict__)
    return made


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


@torch.no_grad()
def settle(module: nn.Module) -> None:
    """Store the weights that are computed at every pass, in place. Weights of a module in training mode, and those that
    differ from one computation to the next, stay computed."""
    for part in module.modules():
        if not part.training:
            _settle_parametrized(part)
            _settle_hooked(part)


def _settle_parametrized(part: nn.Module) -> None:
    held = part._modules.get("parametrizations")
    if not parametrize.is_parametrized(part) or not isinstance(held, nn.ModuleDict):
        return
    names = list(held)
    first, second = ([getattr(part, name).detach().clone() for name in names] for _ in range(2))
    if not all(map(torch.equal, first, second)):
        return
    kept = [any(True for _ in held[name].parameters(recurse=False)) for name in names]
    del part._modules["parametrizations"]
    part.__class__ = type(part).__bases__[0]  # what parametrize derived its own from; both copies share that one
    for name, value, is_parameter in zip(names, first, kept, strict=True):
        _store(part, name, value, is_parameter=is_parameter)


def _settle_hooked(part: nn.Module) -> None:
    hooks = {key: hook for key, hook in part._forward_pre_hooks.items() if computed_name(hook)}
    names = [str(computed_name(hook)) for hook in hooks.values()]
    if not names or len(set(names)) < len(names):
        return

    def computed() -> list[Tensor]:
        for hook in hooks.values():
            hook(part, ())
        return [getattr(part, name).detach().clone() for name in names]

    first, second = computed(), computed()
    if not all(map(torch.equal, first, second)):
        return
    for key in hooks:
        del part._forward_pre_hooks[key]
        part._forward_pre_hooks_with_kwargs.pop(key, None)
    for name, value in zip(names, first, strict=True):
        for ending in _SOURCES:
            part._parameters.pop(name + ending, None)
            part._buffers.pop(name + ending, None)
        vars(part).pop(name, None)
        _store(part, name, value, is_parameter=True)


def computed_name(hook: object) -> str | None:
    """The name of the weight that one of torch's own hooks computes before every pass, None for any other hook."""
    if isinstance(hook, BasePruningMethod):
        return str(hook._tensor_name)
    return str(hook.name) if isinstance(hook, (WeightNorm, SpectralNorm)) else None


def _store(part: nn.Module, name: str, value: Tensor, *, is_parameter: bool) -> None:
    if is_parameter:
        part.register_parameter(name, nn.Parameter(value, requires_grad=False))
    else:
        part.register_buffer(name, value)
