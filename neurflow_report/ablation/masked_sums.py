"""Sums over many sets of a table's rows, which is what knock-outs come to where channels add up."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

FEW = 8
"""Where a set leaves out fewer rows than 1/FEW of all, they are added up and taken off: a product multiplies all."""


class KeptSums:
    """The sums of the rows that each of M sets keeps, for one table after another."""

    def __init__(self, keep: Tensor) -> None:
        """Args: keep: (M, C) in the tables' type, 1 where a row stays, else 0."""
        left_out = keep == 0
        counts = left_out.sum(dim=1)
        self.few = counts * FEW < keep.shape[1]
        self.many = keep[~self.few]
        self.rows, some = left_out[self.few].nonzero()[:, 1], counts[self.few]
        self.starts = some.cumsum(0) - some

    def of(self, terms: Tensor) -> Tensor:
        """The sums of a table (C, N), (M, N): M·C·N multiplications, or as many additions as the sets leave out rows,
        times N, and C·N."""
        if not len(self.starts):
            return self.many @ terms
        if not len(self.many):
            return self._less(terms)
        found = terms.new_empty((len(self.few), terms.shape[1]))
        found[self.few], found[~self.few] = self._less(terms), self.many @ terms
        return found

    def _less(self, terms: Tensor) -> Tensor:
        """All rows without those left out; in float64, since a large row taken off a sum leaves its rounding."""
        precise = terms.double().contiguous()
        removed = F.embedding_bag(self.rows, precise, self.starts, mode="sum")
        return removed.neg_().add_(precise.sum(dim=0)).to(terms.dtype)
