"""Sums of the rows that sets keep, as products and as what they leave out."""

import pytest
import torch

from neurflow_report.ablation.masked_sums import MaskedSums


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_sums_are_the_rows_kept(share):
    generator = torch.Generator().manual_seed(2)
    keep = torch.rand(9, 40, generator=generator) >= share
    terms = torch.randn(40, 30, generator=generator, dtype=torch.float64).T.contiguous().T
    expected = torch.stack([terms[row].sum(dim=0) for row in keep])
    assert torch.allclose(MaskedSums(keep.double()).of(terms), expected, rtol=1e-12, atol=1e-12)


def test_a_small_set_takes_no_product(monkeypatch):
    keep = torch.ones(3, 40, dtype=torch.float64)
    keep[0, 1] = keep[1, 2] = keep[1, 3] = 0
    terms = torch.arange(40.0, dtype=torch.float64)[:, None]
    monkeypatch.setattr(torch.Tensor, "__matmul__", None)
    assert MaskedSums(keep).of(terms).flatten().tolist() == [779.0, 775.0, 780.0]


def test_a_large_row_leaves_no_rounding_behind():
    keep, terms = torch.ones(2, 64), torch.rand(64, 5, generator=torch.Generator().manual_seed(0))
    keep[0, 0] = keep[1, 3] = 0
    terms[0] = 1e6
    expected = (keep.double() @ terms.double())[0]
    assert torch.allclose(MaskedSums(keep).of(terms)[0].double(), expected, rtol=1e-6, atol=0)


def test_a_set_is_the_same_beside_others():
    generator = torch.Generator().manual_seed(1)
    small, large = (torch.rand(4, 40, generator=generator) >= share for share in (0.03, 0.5))
    terms = torch.randn(40, 30, generator=generator)
    together = MaskedSums(torch.cat([small, large]).float()).of(terms)
    assert torch.equal(together[:4], MaskedSums(small.float()).of(terms))
    assert torch.allclose(together[4:], large.float() @ terms, rtol=1e-5, atol=1e-5)
