"""What becomes of a checkpoint's numbers in a network whose own have another format: kept, rounded, or lost."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from neurflow_report.errors import InputError
from neurflow_report.network.checkpoint import listed


def casts(own: Mapping[str, object], state: Mapping[str, object], file: str) -> list[str]:
    """What is told of the entries of `state` that have other numbers than the network's.

    Raises: InputError weights-mismatch (path model.weights) where what they say would be lost.
    """
    changed: dict[str, int] = {}
    lost: list[str] = []
    for name, value in state.items():
        mine = own[name]
        if not isinstance(mine, Tensor) or not isinstance(value, Tensor) or value.dtype == mine.dtype:
            continue
        kinds = f"{_dtype(value)} in the file and {_dtype(mine)} in the model"
        outcome = _cast(value, mine.dtype)
        if outcome is None:
            lost.append(f"{name} ({kinds})")
        elif not name.endswith("num_batches_tracked"):
            changed[f"{kinds}{outcome}"] = changed.get(f"{kinds}{outcome}", 0) + 1
    if lost:
        message = f"the weights in {file!r} do not fit the model; {len(lost)} with other numbers: {listed(lost, 3)}"
        hint = "make the model with such numbers, or save a state with the model's"
        raise InputError("weights-mismatch", message, hint=hint, path=("model", "weights"))
    return [
        f"weights file {file!r}: {count} {'entry is' if count == 1 else 'entries are'} {what}"
        for what, count in changed.items()
    ]


def real_where(own: Mapping[str, object], state: Mapping[str, object]) -> dict[str, object]:
    """`state` with complex tensors real where the network's own are."""
    return {name: _real(value, own[name]) for name, value in state.items()}


def _real(value: object, mine: object) -> object:
    both = isinstance(value, Tensor) and isinstance(mine, Tensor)
    return value.real if both and value.is_complex() and not mine.is_complex() else value  # type: ignore[attr-defined]


def _cast(value: Tensor, dtype: torch.dtype) -> str | None:
    """What becomes of a tensor in another number format: "" for nothing, what to say of it, or None: it is lost."""
    if value.is_quantized or (value.is_complex() and not dtype.is_complex and bool(value.imag.any())):
        return None
    real = value.real if value.is_complex() and not dtype.is_complex else value
    cast = real.to(dtype)
    back = cast.to(real.dtype)
    if torch.equal(torch.nan_to_num(back), torch.nan_to_num(real)):
        return ""
    floating = dtype.is_floating_point or dtype.is_complex
    if not floating or not torch.equal(torch.isfinite(back), torch.isfinite(real)):
        return None
    return ", which rounds them"


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
