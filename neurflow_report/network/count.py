"""Multiply-adds of a piece of work, counted while it runs: convolutions, linear layers and matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def multiply_adds(work: Callable[[], object]) -> int:
    """Multiply-adds of `work`, ways back included; what is done element by element is not counted. Runs it once."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into the fused attention
    try:
        with _Counter() as counter:
            work()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return int(counter.operations) // 2


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up torch's own figures. (Its FlopCounterMode also follows modules, and with that breaks autograd.grad.)"""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: int = 0

    def __torch_dispatch__(self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if (known := flop_registry.get(func._overloadpacket)) is not None:
            self.operations += int(known(*args, **(kwargs or {}), out_val=out))
        return out
