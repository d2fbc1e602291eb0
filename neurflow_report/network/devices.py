"""What is done otherwise on a processor than on a device that the host only tells what to compute."""

from __future__ import annotations

import torch


def is_host(device: torch.device) -> bool:
    """Whether the processor computes itself: then a look at a value costs nothing, and small blocks stay in its cache.

    Elsewhere whatever the host waits for leaves the device without work, and each of its orders costs the same however
    little it says: blocks are as large as fit.
    """
    return device.type == "cpu"


def with_float64(device: torch.device) -> torch.device:
    """Where what a device holds is taken to float64: there, or on the host where the device has no such numbers."""
    return torch.device("cpu") if device.type == "mps" else device


def rounding(values: torch.Tensor) -> float:
    """The relative rounding of a product whose result has the format of `values`: that of the format, or TF32's."""
    if values.device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32 and values.dtype == torch.float32:
        return 2.0**-10
    return float(torch.finfo(values.dtype).eps)


def numbers(device: torch.device, in_cache: int) -> int:
    """How many numbers a block holds: what fits into a processor's cache; on a device what keeps all of it at work."""
    return in_cache if is_host(device) else 2**24


def most_rows(device: torch.device, *, gradients: bool) -> int:
    """The most rows of a batch, whatever the memory: of a segment, with `gradients` or knocked out, else of the
    network."""
    if is_host(device):
        return 256
    return 16384 if gradients else 1024
