"""The patches that bounds leave are enough: L of every set is that of all patches' φ."""

import numpy as np
import pytest
import torch

from neurflow_report.ablation.ablation import ablations
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.topk_bounds import ChannelTerms, candidates
from neurflow_report.fidelity.optimality import kept_share
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import AdaptiveBatch, activations
from tests.oracles.networks import Planted, demo, demo_patches, pictures

K = 5


def shares(channel_terms, removed, concept):
    """L of every set, and how many values of φ it took."""
    found, evaluated = np.full(len(removed), np.nan), 0
    for one in candidates(channel_terms, removed, concept):
        columns = torch.searchsorted(one.patches, concept).numpy()
        assert np.isnan(found[one.sets.numpy()]).all()
        found[one.sets.numpy()] = kept_share(one.phi.numpy(), columns)
        evaluated += int(torch.isfinite(one.phi).sum())
    return found, evaluated


def naive(channel_terms, removed):
    """φ of every set on every patch, (M, n), by the definition."""
    found = []
    for gone in removed:
        z = channel_terms.terms[:, ~gone].sum(dim=1) + channel_terms.bias
        found.append(z.clamp(min=0).mean(dim=1))
    return torch.stack(found)


def drawn(sizes, channels, seed):
    generator = torch.Generator().manual_seed(seed)
    removed = torch.zeros(len(sizes), channels, dtype=torch.bool)
    for row, size in zip(removed, sizes, strict=True):
        row[torch.randperm(channels, generator=generator)[:size]] = True
    return removed


def offers(kind, seed):
    generator = torch.Generator().manual_seed(seed)
    terms = torch.randn(90, 24, 9, generator=generator, dtype=torch.float64)
    if kind == "varied":
        terms *= torch.rand(90, 1, 1, generator=generator, dtype=torch.float64) * 3
    if kind == "ties":
        terms = (terms * 2).round() * (torch.arange(90) % 3 > 0).view(-1, 1, 1)
    if kind == "negative":
        terms = -terms.abs()
    return ChannelTerms(terms=terms, bias=torch.tensor(-1.0 if kind == "varied" else 0.5, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["even", "varied", "ties", "negative"])
def test_l_is_that_of_all_patches(kind, seed):
    channel_terms, removed = offers(kind, seed), drawn([0, 1, 1, 2, 3, 5, 8, 12, 23, 24, 4, 4], 24, seed)
    clean = channel_terms.terms.sum(dim=1).add(channel_terms.bias).clamp(min=0).mean(dim=1)
    concept = torch.from_numpy(np.argsort(-clean.numpy(), kind="stable")[:K].copy())
    found, _ = shares(channel_terms, removed, concept)
    assert (found == kept_share(naive(channel_terms, removed).numpy(), concept.numpy())).all()


def test_the_bounds_leave_most_patches_out():
    channel_terms, removed = offers("varied", 0), drawn([1] * 24, 24, 1)
    concept = naive(channel_terms, torch.zeros(1, 24, dtype=torch.bool))[0].topk(K).indices
    _, evaluated = shares(channel_terms, removed, concept)
    assert 24 * K <= evaluated < 24 * 3 * K


@pytest.mark.parametrize(("make", "layers"), [(demo, ["block3", "block4", "fc"]), (Planted, ["low", "mid", "fc"])])
def test_what_a_segment_offers_is_what_its_knock_outs_add_up(make, layers):
    model = make()
    patches = demo_patches(5) if make is demo else pictures(5, 28)
    segments = cut(model, layers, patches[:1])
    full = activations(segments, 0, patches)
    engine = ablations(segments.stages[0], full[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    assert isinstance(engine, LinearMixAblation)
    assert engine.bounded
    removed = drawn([0, 1, 2, full.shape[1]], full.shape[1], 3)
    for target in (0, 2):
        channel_terms = engine.channel_terms(full.split(2), target, patches=len(full))
        assert torch.allclose(
            naive(channel_terms, removed), engine.phi(full, removed, [target])[:, 0], rtol=1e-9, atol=1e-12
        )


def test_without_a_relu_at_the_end_there_are_no_bounds():
    model, patches = demo(), demo_patches(2)
    segments = cut(model, ["block3", "block4", "fc"], patches[:1])
    full = activations(segments, 1, patches)
    engine = ablations(segments.stages[1], full[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    assert isinstance(engine, LinearMixAblation)
    assert not engine.bounded
