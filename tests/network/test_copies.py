"""Copies of networks whose modules are not what their classes say: the same function, and nothing of theirs changed."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from neurflow_report.network.copies import copied, settle
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations
from neurflow_report.network.inference import for_inference
from neurflow_report.network.kinds import computes
from neurflow_report.network.reinitialise import reinitialised
from tests.oracles.odd import ODD, Small, small

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
LAYERS = ["low", "mid", "high", "output"]


def pair(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd, plain = ODD[name]()
    return odd.requires_grad_(False), plain.requires_grad_(False)


@pytest.fixture
def x():
    return torch.randn((3, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", ODD)
def test_its_segments_and_their_swift_copies_give_what_it_gives(name, x):
    odd, plain = pair(name)
    state = {k: v.clone() for k, v in odd.state_dict().items()}
    segments = cut(odd, LAYERS, x[:1])
    ready = for_inference(segments)
    expected, value = [], x
    for part in (plain.low, plain.mid, plain.high):
        value = part(value)
        expected.append(value)
    expected.append(plain(x))
    assert torch.allclose(odd(x), expected[-1], rtol=1e-10)
    for layer in range(4):
        for found in (activations(segments, layer, x), activations(ready, layer, x)):
            assert torch.allclose(found, expected[layer], rtol=1e-9, atol=1e-12), LAYERS[layer]
    assert all(torch.equal(v, state[k]) for k, v in odd.state_dict().items())
    assert torch.allclose(odd(x), expected[-1], rtol=1e-10)


@pytest.mark.parametrize("name", [
    "parametrized", "new_weight_norm", "new_spectral_norm", "old_weight_norm", "old_spectral_norm", "pruned",
    "pruned_twice",
])  # fmt: skip
def test_weights_that_are_computed_become_stored_ones(name, x):
    odd, _ = pair(name)
    copy = copied(odd, share=True)
    assert not computes(copy.mid[0], nn.Conv2d)
    settle(copy)
    assert computes(copy.mid[0], nn.Conv2d)
    assert torch.allclose(copy(x), odd(x), rtol=1e-12)
    assert not computes(odd.mid[0], nn.Conv2d)


def test_weights_that_are_drawn_anew_stay_computed(x):
    from torch.nn.utils import parametrize

    class Noisy(nn.Module):
        def forward(self, weight):
            return weight + torch.randn_like(weight)

    odd = small()
    parametrize.register_parametrization(odd.mid[0], "weight", Noisy())
    copy = copied(odd, share=True)
    settle(copy)
    assert parametrize.is_parametrized(copy.mid[0])


def test_a_copy_that_shares_has_the_same_parameters_and_one_that_does_not_has_its_own():
    model = small()
    shared, own = copied(model, share=True), copied(model, share=False)
    assert all(a is b for a, b in zip(model.parameters(), shared.parameters(), strict=True))
    assert not any(a is b for a, b in zip(model.parameters(), own.parameters(), strict=True))


@pytest.mark.parametrize("name", ODD)
def test_the_control_has_nothing_of_what_was_learnt(name, x):
    odd, _ = pair(name)
    state = {k: v.clone() for k, v in odd.state_dict().items()}
    fresh = reinitialised(odd, seed=0)
    before = {round(v, 12) for p in odd.parameters() for v in p.flatten().tolist()} - {0.0, 1.0}
    for part in (fresh.low, fresh.mid, fresh.high, fresh.head):
        for parameter in part.parameters():
            assert not {round(v, 12) for v in parameter.flatten().tolist()} & before
    assert torch.isfinite(fresh(x)).all()
    assert all(torch.equal(v, state[k]) for k, v in odd.state_dict().items())


def test_what_was_pruned_stays_pruned_in_the_control():
    odd = small()
    prune.l1_unstructured(odd.mid[0], "weight", 0.4)
    fresh = reinitialised(odd, seed=0)
    assert torch.equal(fresh.mid[0].weight != 0, odd.mid[0].weight_mask == 1)


class Half(Small):
    """It resets its head alone, and by what the head was."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.arange(1.0, 9.0))

    def reset_parameters(self):
        with torch.no_grad():
            self.scale.mul_(2)

    def forward(self, x):
        return self.head(self.high(self.mid(self.low(x))).mean((2, 3)) * self.scale)


def test_a_reset_that_leaves_something_of_a_parameter_is_none():
    fresh = reinitialised(Half(), seed=0)
    assert fresh.scale.tolist() != list(range(1, 9))
    assert sorted(fresh.scale.tolist()) == list(range(1, 9))
