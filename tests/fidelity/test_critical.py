"""F5: contributions against autograd picture by picture, chance by counting sets, knockoffs on planted effects."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from neurflow_report.fidelity.critical import (
    EXPERIMENT,
    _overlap,
    knockoff_scores,
    logit_attributions,
    marginal_contributions,
    neucept,
    neuron_mct,
)
from neurflow_report.fidelity.experiment import LayerSize, Subject
from neurflow_report.fidelity.intervals import wilson
from neurflow_report.results.catalogue import PRESETS
from neurflow_report.results.records import LayerResult
from tests.fidelity.test_masking import neuron

SEED = (0, 1)


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray]:
    """(φ, logits): 400 patches of 12 correlated channels; channels 1, 4 and 9 make the logit, 7 never varies."""
    random = np.random.default_rng(2)
    phi = random.normal(size=(400, 12)) + 0.5 * random.normal(size=(400, 1))
    phi[:, 7] = 3.0
    return phi, 3 * phi[:, 1] - 2 * phi[:, 4] + 2 * phi[:, 9] + random.normal(size=400)


def test_contributions_are_activation_times_gradient_picture_by_picture():
    torch.manual_seed(0)
    above = nn.Sequential(nn.Conv2d(4, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 9, 6)).double()
    activation = torch.randn(3, 4, 5, 5, dtype=torch.float64)
    found = marginal_contributions(above, activation, 2, 1)
    for picture, row in zip(activation, found, strict=True):
        x = picture[None].clone().requires_grad_()
        above(x)[0, 2].backward()
        pairs = [zip(picture[c].flatten().tolist(), x.grad[0, c].flatten().tolist(), strict=True) for c in range(4)]
        naive = [abs(sum(a * g for a, g in pair)) for pair in pairs]
        assert row.tolist() == pytest.approx(naive)


def test_the_paper_s_scores_are_integrated_gradients_of_the_logit_picture_by_picture():
    """Against Captum's sum over as many nodes, whose nodes have fewer digits; and against completeness, to rounding."""
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    above = nn.Sequential(nn.Conv2d(4, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 9, 6)).double()
    activation = torch.randn(3, 4, 5, 5, dtype=torch.float64)
    found = logit_attributions(above, activation, 2, 1)
    theirs = captum.IntegratedGradients(above).attribute(activation, target=2, n_steps=50).sum(dim=(2, 3)).abs()
    torch.testing.assert_close(found, theirs, rtol=1e-7, atol=1e-9)
    one = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Softplus()).double()
    single = torch.randn(2, 1, 3, 4, dtype=torch.float64)
    gap = (one(single) - one(torch.zeros_like(single)))[:, 1].abs()
    torch.testing.assert_close(logit_attributions(one, single, 1, 1)[:, 0], gap, rtol=1e-9, atol=1e-12)


def unasked(*_, **__):
    """What this experiment does not ask for."""
    raise AssertionError


@pytest.mark.parametrize("asked", ["methods", "paper"])
def test_the_paper_s_scores_stand_beside_the_others_where_asked_for(asked):
    torch.manual_seed(1)
    above = nn.Linear(8, 3).double()
    activation = torch.rand(30, 8, dtype=torch.float64)
    neurons = tuple(neuron("b", c) for c in (1, 4))
    layer = LayerResult(name="b", channels=8, neurons=neurons, groups=(), silhouette=None)
    subject = Subject(
        number=0, layers=(layer, layer), edges=(), means=(activation.numpy(), above(activation).detach().numpy()),
        logit=2, max_semantic=5, max_neuron=5, sizes=replace(PRESETS["quick"], critical=asked), seed=SEED,
        phi=lambda *_: np.zeros(0), pictures=lambda: iter(torch.split(activation, 16)), above=above, axis=1,
        measured=unasked, others=unasked,
        from_means=unasked, part=unasked,
    )  # fmt: skip
    found = {m.case: m for m in EXPERIMENT.run(subject).measures}
    assert ("IG of the logit" in found) == (asked == "paper")
    if asked == "paper":
        # A linear layer: its integral is the weight times the activation.
        scores = (activation * above.weight[2].detach()).abs().mean(dim=0)
        strongest = set(scores.topk(2).indices.tolist())
        assert found["IG of the logit"].value == len(strongest & {1, 4}) / 2
        assert found["IG of the logit"].setting == 2
    size = LayerSize(
        number=0, top=1, pictures=30, patches=30, neurons=2, parted=1, semantic=2, groups_below=0, k=5, concepts=5.0,
        sizes=subject.sizes,
    )  # fmt: skip
    rows = sum(w.rows for w in EXPERIMENT.work(size) if w.part == "marginal contributions")
    assert rows == 30 * (51 if asked == "paper" else 1)


def test_the_overlap_and_what_chance_would_give():
    contributions = np.array([[5.0, 1.0, 4.0, 0.0, 3.0, 2.0], [5.0, 2.0, 4.0, 0.0, 1.0, 3.0]])
    core = (0, 2, 3)
    found = neuron_mct("layer", core, contributions)
    shared = [len(set(core) & set(other)) / 3 for other in combinations(range(6), 3)]
    assert found.value == pytest.approx(2 / 3)
    assert found.null == pytest.approx(np.mean(shared))
    assert found.p_value == pytest.approx(np.mean([s >= 2 / 3 for s in shared]))
    assert (found.null_low, found.null_high) == pytest.approx(
        np.quantile(shared, [0.025, 0.975], method="inverted_cdf")
    )
    assert (found.n, found.unit, found.setting) == (3, "core neuron", 3)
    assert (found.low, found.high) == pytest.approx(wilson(2, 3))


def test_of_channels_that_tie_for_the_last_places_none_comes_first():
    """One channel is found, five have no score: three of these fill the places, in each of the ten ways alike."""
    scores, core = np.array([0.0, 0.0, 7.0, 0.0, 0.0, 0.0]), (0, 1, 2, 3)
    ways = [len({2, *other} & set(core)) / 4 for other in combinations((0, 1, 3, 4, 5), 3)]
    assert _overlap(core, scores) == pytest.approx(np.mean(ways))
    moved = np.array([2, 4, 5, 1, 0, 3])
    assert _overlap(np.argsort(moved)[list(core)], scores[moved]) == pytest.approx(np.mean(ways))
    found = neuron_mct("layer", core, scores[None].repeat(3, axis=0))
    assert found.value == pytest.approx(0.7)
    shared = [len(set(core) & set(other)) for other in combinations(range(6), 4)]
    assert found.p_value == pytest.approx(np.mean([s >= 2 for s in shared]))


def test_one_picture_and_one_core_neuron_prove_nothing():
    found = neuron_mct("layer", (2,), np.array([[0.0, 1.0, 5.0, 0.0]]))
    assert (found.value, found.n) == (1.0, 1)
    assert found.low < 0.25


def test_knockoffs_find_what_was_planted_and_nothing_in_what_never_varies(planted):
    scores = knockoff_scores(*planted, seed=SEED)
    assert set(np.argsort(-scores)[:3].tolist()) == {1, 4, 9}
    assert scores[7] == 0
    assert min(scores[[1, 4, 9]]) > 3 * max(abs(scores[i]) for i in range(12) if i not in {1, 4, 9})


def test_neucept_s_overlap_is_of_the_planted_set(planted):
    found, missing = neucept("layer", (1, 4, 5), *planted, seed=SEED)
    assert missing is None
    assert found.value == pytest.approx(2 / 3)
    assert (found.null, found.n, found.unit) == (3 / 12, 3, "core neuron")


def test_the_seed_decides(planted):
    first, again, other = (knockoff_scores(*planted, seed=seed) for seed in (SEED, SEED, (0, 2)))
    assert again.tolist() == first.tolist() != other.tolist()


def test_of_many_patches_some_are_taken():
    random = np.random.default_rng(3)
    phi = random.normal(size=(2500, 3))
    scores = knockoff_scores(phi, phi[:, 0] * 2, seed=SEED)
    assert scores.argmax() == 0
    rows = np.sort(np.random.default_rng(SEED).permutation(2500)[:2000])
    left = np.setdiff1d(np.arange(2500), rows)
    phi[left] = np.nan  # what is not taken is not looked at
    assert knockoff_scores(phi, phi[:, 0] * 2, seed=SEED).tolist() == scores.tolist()


def test_what_knockoffs_cannot_judge_is_told_with_its_reason():
    found, missing = neucept("layer", (0,), np.eye(3), np.arange(3.0), seed=SEED)
    assert found is None
    assert (missing.experiment, missing.layer, missing.case) == ("critical", "layer", "NeuCEPT")
    assert missing.reason == "knockoffs are judged by 5-fold cross-validation, and there are 3 patches"


def test_a_logit_that_follows_nothing_is_told(planted):
    found, missing = neucept("layer", (1, 4, 9), planted[0], np.zeros(400), seed=SEED)
    assert found is None
    assert (missing.experiment, missing.layer, missing.case) == ("critical", "layer", "NeuCEPT")
    assert missing.reason == "no channel stands out from its knockoff"
