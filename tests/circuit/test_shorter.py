"""A circuit cut to a smaller τ is the circuit that a search at that τ finds."""

from __future__ import annotations

import pytest
import torch

from neurflow_report.circuit.shorter import with_tau
from tests.circuit.test_discovery import search
from tests.oracles import networks


@pytest.mark.parametrize("tau", [1, 2, 3])
def test_it_is_what_a_search_at_this_tau_finds(tau: int) -> None:
    layers = ["low", "mid", "fc"]

    def found(tau: int):  # type: ignore[no-untyped-def]
        patches = networks.pictures(40, 12)
        return search(networks.Planted(), layers, patches, 1, k=8, tau=tau, dtype=torch.float64)[0]

    for cut, direct in zip(with_tau(found(4), tau), found(tau), strict=True):
        assert [n.channel for n in cut] == [n.channel for n in direct]
        for one, other in zip(cut, direct, strict=True):
            assert one.core == other.core
            assert one.concept == other.concept
            for group, same in zip(one.groups, other.groups, strict=True):
                assert group.patches == same.patches
                assert [e.channel for e in group.edges] == [e.channel for e in same.edges]
                assert [e.weight for e in group.edges] == pytest.approx([e.weight for e in same.edges], abs=1e-12)
