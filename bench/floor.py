"""The floor of the attribution engine: what neither factoring nor slicing takes out of the integral, at full speed.

That is the nonlinear part's arithmetic at the nodes of the path, as the engine does it: its values, once for all
targets of a patch, and the backward pass of each target. Multiply-adds are counted as torch counts them, the rest
element by element, and each kind is priced at the best rate that this machine reaches: a large matrix product, and a
product of tensors that lie in the cache. The backward pass through the affine part, and all overhead, count for
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode

from neurflow_report.attribution.affine_split import split_segment, values_at_input
from neurflow_report.attribution.backward import Batch, to_frontier
from neurflow_report.attribution.nonlinear_part import NonlinearPart, gauss, target_groups
from neurflow_report.network.count import multiply_adds

ELEMENTWISE = {"mul", "mul_", "add", "add_", "sub", "div", "div_", "addcmul", "where", "sum", "gt", "abs_",
               "relu", "relu_", "threshold_backward", "hardtanh", "hardtanh_", "hardtanh_backward"}  # fmt: skip


class _Elements(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the results of element-by-element operations."""

    count: int = 0

    def __torch_dispatch__(self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket.__name__ in ELEMENTWISE:
            self.count += out.numel()
        return out


def floor(segment: fx.GraphModule, patch: Tensor, targets: Sequence[int], nodes: int) -> float:
    """Seconds for one target on one patch, (1, C, …), at `nodes` Gauss nodes."""
    split = split_segment(segment, patch, 1, 1)
    if split.is_affine:
        return 0.0
    rows = torch.zeros(1, dtype=torch.long, device=patch.device)
    at_input = values_at_input(split, patch, 1)

    @torch.no_grad()
    def work() -> None:
        nonlinear = NonlinearPart(split, at_input, rows, gauss(nodes))
        for group, members in target_groups(split, targets, patch.device):
            places = torch.arange(len(members), device=patch.device)
            nonlinear.phi(group)
            slopes = nonlinear.slopes(group, coarse=False)
            to_frontier(nonlinear, slopes, Batch(group=group, rows=0 * places, targets=places))

    elements = _Elements()  # type: ignore[no-untyped-call]
    with elements:
        work()
    products, passes = rates(patch.device)
    return (multiply_adds(work) / products + elements.count / passes) / len(targets)


def rates(device: torch.device) -> tuple[float, float]:
    """Multiply-adds, and products element by element, a second: the best of some tries, in float32."""
    a, b = (torch.randn(2048, 2048, device=device) for _ in range(2))
    x, y = (torch.randn(2**20 if device.type == "cpu" else 2**26, device=device) for _ in range(2))
    out = torch.empty_like(x)
    product = min(_seconds(device, lambda: a @ b, 3) for _ in range(3))
    element = min(_seconds(device, lambda: torch.mul(x, y, out=out), 20) for _ in range(5))
    return 2048**3 / product, x.numel() / element


def _seconds(device: torch.device, call: Callable[[], object], times: int) -> float:
    """Seconds of one call, the mean of some."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begun = time.perf_counter()
    for _ in range(times):
        call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) / times
