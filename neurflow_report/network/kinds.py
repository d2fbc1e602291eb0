"""Whether a module is what its class says."""

from __future__ import annotations

from torch import nn


def computes(module: nn.Module | None, *kinds: type[nn.Module]) -> bool:
    """Whether the module is of one of the classes, and computes what that class does."""
    names = ("forward", "_conv_forward")
    return any(
        isinstance(module, kind)
        and all(getattr(type(module), name, None) is getattr(kind, name, None) for name in names)
        for kind in kinds
    )
