"""What is made of a network's segments, made wrong by 1%: it is seen on the pictures, told, and not used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from neurflow_report.ablation import ablation, linear_mix
from neurflow_report.attribution import affine_split, integrated_gradients
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.images.patches import PatchGrid
from neurflow_report.network import canonize, copies, cut, inference
from neurflow_report.network.forward import activations
from neurflow_report.setup.workspace import Workspace
from tests.oracles.odd import pruned, small

LAYERS = ["low", "mid", "high", "output"]
BIG = 2**28


class Mixed(nn.Module):
    """A segment of one convolution, one of two, one that ends in a linear layer: one for each kind of knock-out."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.mid = (
            nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()),
        )
        self.high = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.high(self.mid(self.low(x))).mean((2, 3)))


def mixed():
    torch.manual_seed(3)
    return Mixed().eval().requires_grad_(False)


@pytest.fixture
def x():
    return torch.randn((4, 3, 16, 16), generator=torch.Generator().manual_seed(1))


def workspace(model, x) -> Workspace:
    model = model.to(x.dtype).requires_grad_(False)
    return Workspace.set_up(cut.cut(model, LAYERS, x), PatchGrid(size=16, scales=(1.0,), stride=0.5), BIG, x)


def test_nothing_is_said_where_all_agree(x):
    for model in (mixed(), small()):
        found = workspace(model, x)
        assert found.notes == ()
        assert not found.trust.attributions | found.trust.ablations


def wrong(function, by=1.01):
    """A function whose result is off by 1%."""

    def off(*args, **kwargs):
        found = function(*args, **kwargs)
        return found * by

    return off


def test_a_fold_that_is_wrong(x, monkeypatch):
    def fold(*weights):
        weight, bias = torch.nn.utils.fusion.fuse_conv_bn_weights(*weights)
        return nn.Parameter(weight * 1.01, requires_grad=False), bias

    monkeypatch.setattr(inference, "fuse_conv_bn_weights", fold)
    found = workspace(small(), x)
    assert len(found.notes) == 6
    said = found.notes[1].split(" is off by ")
    assert said[0] == "forward passes up to 'low' are slower than they could be: a copy with batch norms folded"
    assert said[1].endswith("% on the pictures")
    for layer in range(4):
        assert torch.equal(found.forward.activations(layer, x), activations(found.segments, layer, x))


class Viewed(nn.Module):
    """Kept whole, since it branches; its view needs memory that lies as usual."""

    def forward(self, x):
        if x.sum() > 1e9:
            return x
        return nn.functional.relu(x).view(len(x), 2, -1).view(x.shape)


class WithView(nn.Module):
    def __init__(self):
        super().__init__()
        self.low, self.view = nn.Conv2d(3, 6, 3, 2, 1), Viewed()
        self.mid, self.high, self.head = nn.Conv2d(6, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.high(self.mid(self.view(self.low(x))).relu()).relu().mean((2, 3)))


class Before(nn.Module):
    """A convolution and the view in one segment."""

    def __init__(self):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), Viewed())
        self.mid, self.high, self.head = nn.Conv2d(6, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.high(self.mid(self.low(x)).relu()).relu().mean((2, 3)))


@pytest.mark.parametrize("model", [WithView, Before])
def test_a_view_that_channels_last_does_not_allow(model, x):
    torch.manual_seed(0)
    found = workspace(model().eval(), x)
    said = "forward passes up to 'low' are slower than they could be: a copy with channels last fails (view size is not"
    assert [note[: len(said)] for note in found.notes] == ([said] if model is Before else [])
    for layer in range(4):
        assert torch.allclose(found.forward.activations(layer, x), activations(found.segments, layer, x), atol=1e-5)


def t(found: Workspace, x, stage: int, *, whole: bool):
    A, layer_pair = activations(found.segments, stage, x), found.layer_pairs()[stage]
    pairs = Pairs(rows=torch.arange(len(A)).repeat(4), channels=torch.arange(4).repeat_interleave(len(A)))
    rule = Quadrature(rule="gauss", nodes=8, max_nodes=8)
    return attribute(
        layer_pair.segment, A, pairs, axis=1, out_axis=1, quadrature=rule, rows=64, whole=whole or layer_pair.whole
    ).values


@pytest.mark.parametrize(
    ("where", "name"), [(integrated_gradients, "attributed"), (integrated_gradients, "values_at_input")]
)
def test_a_split_that_is_wrong(where, name, x, monkeypatch):
    real = getattr(where, name)

    def off(*args, **kwargs):
        found = real(*args, **kwargs)
        return {n: v * 1.01 for n, v in found.items()} if isinstance(found, dict) else found * 1.01

    monkeypatch.setattr(where, name, off)
    found = workspace(mixed(), x)
    assert found.trust.attributions == {0, 1, 2}
    said = [note.split(" is off by ")[0] for note in found.notes]
    assert said == [f"attributions at {n!r} are slower than they could be: the split segment" for n in LAYERS[1:]]
    for stage in range(3):
        assert torch.equal(t(found, x, stage, whole=False), t(found, x, stage, whole=True))


def test_an_operation_taken_for_another(x, monkeypatch):
    """A sigmoid taken for affine: the engine's rules themselves are compared, too."""
    monkeypatch.setattr(affine_split.ops, "is_affine_operation", lambda node, depends_on_input: True)
    found = workspace(mixed(), x)
    assert 1 in found.trust.attributions


def test_knock_outs_that_are_wrong(x, monkeypatch):
    monkeypatch.setattr(linear_mix.MaskedSums, "of", wrong(linear_mix.MaskedSums.of))
    found = workspace(mixed(), x)
    assert found.trust.ablations == {0, 1}
    assert all("knock-outs at" in note and "the quick way is off by" in note for note in found.notes)
    removed = torch.tensor([[False] * 6, [False, True] * 3])
    A = activations(found.segments, 0, x)
    engine = found.ablations(0, A[:1], lambda _text: None)
    assert type(engine) is ablation.PlainAblation
    gone = A.clone()
    gone[:, 1::2] = 0
    assert torch.allclose(engine.full(A, removed)[1], found.segments.stages[0](gone), atol=1e-5)


def test_bounds_that_are_wrong(x, monkeypatch):
    from neurflow_report.ablation import topk_bounds

    monkeypatch.setattr(topk_bounds, "_excess", lambda terms, z, size: terms.mul_(0).sub_(1))
    found = workspace(mixed(), x)
    assert 0 in found.trust.ablations


def test_computed_weights_stored_wrong(x, monkeypatch):
    def settled(part, name, value, *, is_parameter):
        part.register_parameter(name, nn.Parameter(value * 1.01, requires_grad=False))

    monkeypatch.setattr(copies, "_store", settled)
    model, _ = pruned()
    found = workspace(model, x)
    assert found.notes == (
        "the network's segments run as they were traced, which is slower: with computed weights stored, or in other "
        "words for the same operations, they gave something else on the pictures",
    )
    with torch.no_grad():
        assert torch.allclose(activations(found.segments, 3, x), model(x), rtol=1e-4)
        assert torch.allclose(found.forward.activations(3, x), model(x), rtol=1e-4)


def test_other_words_that_are_wrong(x, monkeypatch):
    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.low, self.mid, self.high, self.head = small().low, small().mid, small().high, nn.Linear(8, 4)

        def forward(self, x):
            x = self.high(self.mid(self.low(x))).mean((2, 3))
            return nn.functional.linear(x, self.head.weight, self.head.bias)

    def linear(weight, bias=None):
        made = nn.Linear(8, 4)
        made.weight, made.bias = nn.Parameter(weight * 1.01), nn.Parameter(bias)
        return made

    monkeypatch.setitem(canonize._KNOWN, nn.functional.linear, (("input", "weight", "bias"), linear))
    model = Called().eval()
    found = workspace(model, x)
    assert found.notes == (cut.AS_TRACED,)
    with torch.no_grad():
        assert torch.allclose(activations(found.segments, 3, x), model(x), rtol=1e-4, atol=1e-6)


def test_the_control_is_compared_as_well(x, monkeypatch):
    from neurflow_report.network.reinitialise import reinitialised

    model = mixed()
    found = workspace(model, x)
    other = cut.cut(reinitialised(model, seed=0), LAYERS, x)
    assert found.of(other, x).notes == ()
    monkeypatch.setattr(linear_mix.MaskedSums, "of", wrong(linear_mix.MaskedSums.of))
    assert found.of(other, x).trust.ablations


@pytest.mark.slow
def test_what_was_seen_on_the_pictures_is_told_and_stands_in_the_report(write_spec, monkeypatch, capsys, tmp_path):
    from neurflow_report.cli import main

    monkeypatch.setattr(integrated_gradients, "attributed", wrong(integrated_gradients.attributed))
    spec = str(write_spec(classes=["firebell"], report={"formats": ["html"]}))
    assert main(["build", spec, "--quiet"]) == 0
    told = (
        "attributions at &#39;block4&#39; are slower than they could be: the split segment is off by 1% on the pictures"
    )
    assert told in (tmp_path / "out" / "site" / "provenance" / "index.html").read_text()
    capsys.readouterr()
    assert main(["validate", "--deep", spec]) == 0
    said = capsys.readouterr().err
    assert (
        "attributions at 'block4' are slower than they could be: the split segment is off by 1% on the pictures" in said
    )


def test_few_inputs_are_the_data_s_own_pictures(picture_folder):
    from neurflow_report.images.preprocess import to_input
    from neurflow_report.images.sources import open_source
    from neurflow_report.results.records import Preprocess
    from neurflow_report.setup.stored_pictures import few_inputs

    source = open_source(source="folder", name=None, root=picture_folder(2))
    preprocess = Preprocess(resize=32, size=32)
    found = few_inputs(source, preprocess)
    assert found.shape == (4, 3, 32, 32)
    own = [to_input(item.open(), preprocess)[0] for item in source.items]
    assert all(any(torch.equal(row, one) for one in own) for row in found[:2])
    assert len({source.items[np.argmax([torch.equal(r, o) for o in own])].label for r in found[:2]}) == 2
