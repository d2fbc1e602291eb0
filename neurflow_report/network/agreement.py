"""How far what a copy gives is from what it stands for, and whether that is rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Module = Callable[[Tensor], Tensor]
_ROUNDING = {torch.float64: 1e-9}
_USUAL = 1e-4


def difference(found: object, expected: Tensor, least: float = 0.0) -> float:
    """The largest |found − expected| as a share of the largest |expected|, or of `least` where that is more; infinite
    where one is no number and the other is, or where they are of another shape or kind."""
    if not isinstance(found, Tensor) or found.shape != expected.shape:
        return math.inf
    finite = torch.isfinite(expected)
    if not torch.equal(torch.isfinite(found), finite):
        return math.inf
    a, b = (value.where(finite, 0).double() for value in (found, expected))
    off, scale = float((a - b).abs().max()) if a.numel() else 0.0, float(b.abs().max()) if b.numel() else 0.0
    scale = max(scale, least)
    return off / scale if scale else (math.inf if off else 0.0)


def rounding(dtype: torch.dtype) -> float:
    """The difference up to which two ways to compute the same layers in `dtype` agree."""
    return _ROUNDING.get(dtype, _USUAL)


def agree(found: object, expected: Tensor) -> bool:
    """Whether they are equal but for rounding: devices and batch sizes have algorithms of their own."""
    return difference(found, expected) <= rounding(expected.dtype)


@torch.no_grad()
def own_activations(module: nn.Module, layers: Sequence[str], pictures: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """What the named modules return when the network itself runs, as it is when they return it, and what the network
    returns. A name that is no module's, or that is not called, is left out."""
    found: dict[str, Tensor] = {}
    parts = dict(module.named_modules(remove_duplicate=False))

    def keep(name: str, out: object) -> None:
        if isinstance(out, Tensor):
            found.setdefault(name, out.detach().clone())

    hooks = [
        parts[name].register_forward_hook(lambda _module, _inputs, out, name=name: keep(name, out))
        for name in layers
        if name in parts
    ]
    try:
        whole = module(pictures.clone())
    finally:
        for hook in hooks:
            hook.remove()
    return found, whole


@torch.no_grad()
def first_difference(
    layers: Sequence[str], parts: Sequence[Module], module: nn.Module, pictures: Tensor
) -> tuple[str, float] | None:
    """The lowest layer at which the parts, one after another, give something else than the network itself, and how far
    off it is (see `difference`); None where all agree, for all pictures together and for the first alone.

    Args: layers: where each part ends, the last at the output.
    """
    expected, whole = own_activations(module, layers[:-1], pictures)
    for count in {len(pictures), 1}:
        value = pictures[:count].clone()
        for i, (name, part) in enumerate(zip(layers, parts, strict=True)):
            value = part(value)
            wanted = whole if i == len(parts) - 1 else expected.get(name)
            if isinstance(wanted, Tensor) and len(wanted) == len(pictures) and not agree(value, wanted[:count]):
                return name, difference(value, wanted[:count])
    return None
