"""What rounded products would change: T with the factors of products and convolutions rounded, against full float32.

    python bench/rounding.py [--bits 10 --bits 7]

10 bits after the point are TF32's, 7 bfloat16's. The rounding is done here before every product, on any device; it says
nothing of speed. The segments of attribution.py, 4 patches, 8 targets spread over the layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from attribution import SEGMENTS, network, overlap
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations

PATCHES, TARGETS = 4, 8
PRODUCTS = {"convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm"}
LINE = "{:42} {:>4} {:>8} {:>7} {:>15}"


def rounded(value: Any, bits: int) -> Any:
    """A float32 tensor of two axes or more with so many bits after the point; anything else as it is."""
    if not isinstance(value, Tensor) or value.dtype != torch.float32 or value.ndim < 2:
        return value
    drop = 23 - bits
    return ((value.contiguous().view(torch.int32) + (1 << (drop - 1))) & -(1 << drop)).view(torch.float32)


class Rounding(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, the factors of products are rounded."""

    def __init__(self, bits: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bits = bits

    def __torch_dispatch__(self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None) -> Any:
        if func._overloadpacket.__name__ in PRODUCTS:
            args = tuple(rounded(value, self.bits) for value in args)
        return func(*args, **(kwargs or {}))


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, action="append", help="bits after the point; default 10 and 7")
    bits = parser.parse_args(argv).bits or [10, 7]
    print(LINE.format("segment", "bits", "error", "top-16", "steps (float32)"))
    rows = torch.arange(PATCHES).repeat(TARGETS)
    for name, lower, upper, top in SEGMENTS[:-1]:
        pictures = torch.randn(PATCHES, 3, 224, 224, generator=torch.Generator().manual_seed(1))
        segments = cut(network(name, torch.device("cpu")), [lower, upper, str(top)], pictures[:1])
        count, full = segments.layers[1].channels, activations(segments, 0, pictures)
        targets = torch.tensor([int((i + 0.5) * count / TARGETS) for i in range(TARGETS)])
        pairs = Pairs(rows=rows, channels=targets.repeat_interleave(PATCHES))
        options = {"axis": 1, "out_axis": 1, "quadrature": Quadrature(), "rows": 1024}
        exact = attribute(segments.stages[0], full, pairs, **options)
        for each in bits:
            with Rounding(each):
                found = attribute(segments.stages[0], full, pairs, **options)
            error = float((found.values - exact.values).norm() / exact.values.norm())
            same = overlap(*(x.values.view(TARGETS, PATCHES, -1) for x in (found, exact)))
            steps = f"{found.n_steps.float().mean():.1f} ({exact.n_steps.float().mean():.1f})"
            print(LINE.format(f"{name} {lower} → {upper}", each, f"{error:.0e}", f"{same:.1%}", steps), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
