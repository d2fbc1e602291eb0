"""Sums of a table's rows over many sets: what knock-outs are where channels add up (METHOD §5)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from neurflow_report.network import devices

FEW = 8
"""Where a set leaves out fewer rows than 1/FEW of all, these are summed and subtracted: a product multiplies all."""


class MaskedSums:
    """The sums of the rows that each of M sets keeps, for one table after another."""

    def __init__(self, keep: Tensor) -> None:
        """Args: keep: (M, C) in the tables' type, 1 where a row stays, else 0."""
        if not devices.is_host(keep.device):  # a product is what a device does best, and needs no look at the sets
            self.many, self.starts = keep, keep.new_empty(0)
            return
        left_out = keep == 0
        counts = left_out.sum(dim=1)
        self.few = counts * FEW < keep.shape[1]
        self.many = keep[~self.few]
        # The rows that the sets leave out, one set after the other, and where each set's begin: embedding_bag's form.
        self.rows, some = left_out[self.few].nonzero()[:, 1], counts[self.few]
        self.starts = some.cumsum(0) - some

    def of(self, terms: Tensor) -> Tensor:
        """The sums of a table (C, N): (M, N).

        M·C·N multiplications, or N additions for each row that a set leaves out and C·N for all rows.
        """
        if not len(self.starts):
            return self.many @ terms
        if not len(self.many):
            return self._less(terms)
        found = terms.new_empty((len(self.few), terms.shape[1]))
        found[self.few], found[~self.few] = self._less(terms), self.many @ terms
        return found

    def _less(self, terms: Tensor) -> Tensor:
        """The sum of all rows less those left out, in float64: a large row subtracted leaves its rounding."""
        precise = terms.double().contiguous()
        removed = F.embedding_bag(self.rows, precise, self.starts, mode="sum")
        return removed.neg_().add_(precise.sum(dim=0)).to(terms.dtype)
