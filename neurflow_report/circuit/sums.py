"""Sums over many sets of a table's rows, which is what knock-outs come to where channels add up."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

FEW = 8
"""Where the rows left out are fewer than 1/FEW of all, they are added up and taken off: a product multiplies all."""


def kept_sums(keep: Tensor, terms: Tensor) -> Tensor:
    """The sum of the rows that each set keeps, (M, N). Args: keep: (M, C), 1 where a row stays, else 0; terms: (C, N).

    M·C·N multiplications, or as many additions as the sets leave out rows, times N, and C·N.
    """
    left_out = keep == 0
    counts = left_out.sum(dim=1)
    if int(counts.sum()) * FEW >= keep.numel():
        return keep @ terms
    rows = left_out.nonzero()[:, 1]
    found = F.embedding_bag(rows, terms.contiguous(), counts.cumsum(0) - counts, mode="sum")
    return found.neg_().add_(terms.sum(dim=0))
