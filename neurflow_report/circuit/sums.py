"""Sums over many sets of a table's rows, which is what knock-outs come to where channels add up."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

FEW = 8
"""Where a set leaves out fewer rows than 1/FEW of all, they are added up and taken off: a product multiplies all."""


def kept_sums(keep: Tensor, terms: Tensor) -> Tensor:
    """The sum of the rows that each set keeps, (M, N). Args: keep: (M, C), 1 where a row stays, else 0; terms: (C, N).

    M·C·N multiplications, or as many additions as the sets leave out rows, times N, and C·N.
    """
    left_out = keep == 0
    few = left_out.sum(dim=1) * FEW < keep.shape[1]
    if not bool(few.any()):
        return keep @ terms
    if bool(few.all()):
        return _less(left_out, terms)
    found = terms.new_empty((len(keep), terms.shape[1]))
    found[few], found[~few] = _less(left_out[few], terms), keep[~few] @ terms
    return found


def _less(left_out: Tensor, terms: Tensor) -> Tensor:
    """The sum of all rows without those left out; in float64, since a large row taken off a sum leaves its rounding."""
    counts, precise = left_out.sum(dim=1), terms.double().contiguous()
    removed = F.embedding_bag(left_out.nonzero()[:, 1], precise, counts.cumsum(0) - counts, mode="sum")
    return removed.neg_().add_(precise.sum(dim=0)).to(terms.dtype)
