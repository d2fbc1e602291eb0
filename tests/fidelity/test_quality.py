"""F12 against Captum's metrics and against what is written, and what it is where attributions are exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor, fx, nn

from neurflow_report.ablation.ablation import ablations
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.fidelity.draws import random_sets
from neurflow_report.fidelity.experiment import Part
from neurflow_report.fidelity.quality import Looked, looked_at
from neurflow_report.network.forward import AdaptiveBatch
from neurflow_report.network.reinitialise import reinitialised
from neurflow_report.results.catalogue import QUALITY_DRAWS, QUALITY_NOISE

C, PATCHES, TARGET = 8, 5, 2


class Plain(nn.Module):
    """Two convolutions and, unless it is to be affine, a bend between them."""

    def __init__(self, *, affine: bool) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(C, C, 3, padding=1), nn.Conv2d(C, 4, 1)
        self.bend: nn.Module = nn.Identity() if affine else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.bend(self.one(x)))


@pytest.fixture(params=[0, 1, 2])
def seed(request: pytest.FixtureRequest) -> int:
    torch.manual_seed(request.param)
    return int(request.param)


def part_of(segment: fx.GraphModule, activations: Tensor) -> Part:
    def attributed(full: Tensor, channel: int) -> Tensor:
        pairs = Pairs(rows=np.arange(len(full)), channels=np.full(len(full), channel))
        how = {"axis": 1, "out_axis": 1, "quadrature": Quadrature(), "rows": 64}
        return attribute(segment, full, pairs, **how).values

    engine = ablations(segment, activations[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=64, note=print))
    return Part(
        activations=lambda patches: activations[patches],
        attributed=attributed,
        ablated=lambda full, sets, channel: engine.phi(full, torch.from_numpy(sets), [channel])[:, 0],
    )


def setting(seed: int, *, affine: bool) -> tuple[fx.GraphModule, Tensor, np.ndarray]:
    segment = fx.symbolic_trace(Plain(affine=affine).double().eval())
    sets = random_sets(C, 3, 40, np.random.default_rng(seed))
    return segment, torch.rand(PATCHES, C, 5, 5, dtype=torch.float64), sets


def phi(segment: nn.Module, x: Tensor) -> Tensor:
    return segment(x)[:, TARGET].mean(dim=(1, 2))


def test_on_an_affine_segment_infidelity_is_0(seed: int) -> None:
    segment, activations, sets = setting(seed, affine=True)
    found = looked_at(part_of(segment, activations), TARGET, np.arange(PATCHES), sets, seed)
    assert found.infidelity(np.arange(PATCHES)) == pytest.approx(0, abs=1e-20)
    assert found.sensitivity(np.arange(PATCHES)) > 0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_infidelity_is_captum_s(seed: int) -> None:
    """Captum's perturbation is A on the set, its attribution T spread over A: their product sums to Σ_{i∈Z} T_i."""
    segment, activations, sets = setting(seed, affine=False)
    part = part_of(segment, activations)
    own = looked_at(part, TARGET, np.arange(PATCHES), sets, seed)
    t = part.attributed(activations, TARGET)
    spread_out = (t[:, :, None, None] / (activations.sum(dim=(2, 3), keepdim=True))).expand_as(activations)
    for patch in range(PATCHES):
        drawn = iter(sets)

        def perturb(x: Tensor, drawn=drawn) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
            gone = torch.zeros_like(x)
            for row in range(len(x)):
                members = torch.from_numpy(next(drawn))
                gone[row, members] = x[row, members]
            return gone, x - gone

        one = activations[patch : patch + 1]
        theirs = infidelity(
            lambda x: phi(segment, x), perturb, one, spread_out[patch : patch + 1], n_perturb_samples=len(sets)
        )
        assert own.wrong[patch] == pytest.approx(float(theirs), rel=1e-9)
    lost = [
        [float(phi(segment, a[None]) - phi(segment, a[None].masked_fill(torch.from_numpy(z)[None, :, None, None], 0)))
         for a in activations]
        for z in sets
    ]  # fmt: skip
    assert own.spread == pytest.approx(np.var(lost, axis=0))
    rows = np.array([0, 3, 3])
    assert own.infidelity(rows) == pytest.approx(own.wrong[rows].sum() / own.spread[rows].sum())


def test_max_sensitivity_is_captum_s(seed: int) -> None:
    segment, activations, sets = setting(seed, affine=False)
    part = part_of(segment, activations)
    own = looked_at(part, TARGET, np.arange(PATCHES), sets, seed)
    random, noisy = torch.Generator().manual_seed(seed), []
    for _ in range(QUALITY_DRAWS):
        noise = torch.rand(activations.shape, generator=random, dtype=torch.float64) * 2 - 1
        noisy.append(activations * (1 + QUALITY_NOISE * noise))
    for patch in range(PATCHES):
        drawn = torch.stack([some[patch] for some in noisy])
        theirs = sensitivity_max(
            lambda x: (part.attributed(x[0] if isinstance(x, tuple) else x, TARGET),),
            activations[patch : patch + 1],
            perturb_func=lambda _x, _radius, drawn=drawn: drawn,  # type: ignore[misc]
            n_perturb_samples=QUALITY_DRAWS,
            norm_ord="fro",
        )
        assert own.change[patch] == pytest.approx(float(theirs), rel=1e-6)


def test_weights_drawn_anew_are_others_and_the_segment_keeps_its_own(seed: int) -> None:
    segment, activations, _ = setting(seed, affine=False)
    before = [p.clone() for p in segment.parameters()]
    other = reinitialised(segment, seed=seed)
    assert not torch.allclose(phi(segment, activations), phi(other, activations))
    assert all(torch.equal(a, b) for a, b in zip(before, segment.parameters(), strict=True))


def test_what_never_changes_has_no_figure() -> None:
    still = Looked.of(np.zeros((2, 3)), np.zeros((4, 2, 3)), np.ones((5, 3), dtype=bool), np.zeros((5, 2)))
    assert np.isnan(still.infidelity(np.arange(2)))
    assert np.isnan(still.sensitivity(np.arange(2)))
