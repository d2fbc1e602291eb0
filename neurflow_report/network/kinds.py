"""Whether a module is what its class says: that a call gives what the class computes from the weights it stores."""

from __future__ import annotations

import sys
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as _calls

_CALLED = ("__call__", "_call_impl", "_wrapped_call_impl", "forward", "_conv_forward")
"""What a call runs through: the class's own, and no other on the instance."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_STORED = ("weight", "bias", "running_mean", "running_var")
_OWN = {nn.Parameter, nn.Buffer, Tensor}
"""Weights of a class of their own (quantised ones) compute in their own way."""


def _methods(kind: type) -> tuple[object, ...]:
    return tuple(getattr(kind, name, None) for name in _CALLED)


_GENUINE = {kind: _methods(kind) for kind in vars(nn).values() if isinstance(kind, type)}
"""Torch's classes as they came: a user's code may put other methods into the class itself."""


def of_torchvision(*names: str) -> tuple[Any, ...]:
    """The operations of torchvision of these names; none where it was not imported: no network holds any then, and its
    import takes longer than torch's."""
    ops = sys.modules.get("torchvision.ops")
    return () if ops is None else tuple(getattr(ops, name) for name in names)


def computes(module: nn.Module | None, *kinds: type[nn.Module]) -> bool:
    """Whether the module is of one of the classes, and computes what that class does: no method that a call runs
    through is another's, no hook is called before or after, and its weights are stored, not computed from others."""
    return any(isinstance(module, kind) and _is_of(module, kind) for kind in kinds) and is_bare(module)


def _is_of(module: nn.Module | None, kind: type[nn.Module]) -> bool:
    return _methods(type(module)) == (_GENUINE.get(kind) or _methods(kind))


def is_bare(module: nn.Module | None) -> bool:
    """Whether nothing was put around a module: no hook, no method of the instance's own, no computed weight."""
    if module is None or _calls._has_any_global_hook():  # type: ignore[no-untyped-call]
        return False
    held = vars(module)
    if any(held.get(name) for name in _HOOKS) or not held.keys().isdisjoint(_CALLED):
        return False
    return all(_is_stored(module, name) for name in _STORED)


def _is_stored(module: nn.Module, name: str) -> bool:
    """Whether an attribute is a parameter or a buffer of real numbers, none, or not there at all."""
    for held in (module._parameters, module._buffers):
        if name in held:
            value = held[name]
            return value is None or (type(value) in _OWN and value.is_floating_point())
    return name not in vars(module) and not hasattr(type(module), name)
