"""Knock-outs against hooks on the original network, from the picture on, one set at a time, in float64."""

from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from neurflow_report.ablation.ablation import PlainAblation, ablations
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.split_ablation import SplitAblation
from neurflow_report.network import devices
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import AdaptiveBatch, activations, spatial_mean
from tests.network.test_cut import build
from tests.oracles.method import hooked
from tests.oracles.networks import Planted, calibrated, demo, demo_patches, googlenet, pictures, resnet18


class Odd(nn.Module):
    """What a mixing layer may have around it: strides, dilation, padding, a bias, norms late, pools on both sides."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.low = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
        self.mid = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(6, 5, 3, stride=2, padding=2, dilation=2), nn.SiLU(), nn.BatchNorm2d(5),
            nn.ReLU(), nn.AvgPool2d(2),
        )  # fmt: skip
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(5 * 9, 4), nn.ReLU())
        self.double().eval().requires_grad_(False)
        self.mid[3].running_mean.uniform_(-1, 1)
        self.mid[3].running_var.uniform_(0.5, 2)

    def forward(self, x):
        return self.fc(self.mid(self.low(x)))


def naive(model, layer, below, patches, removed, axis):
    """The layer's activation under every set, (M, n, …), by hooks on the network, from the picture on."""
    found = []
    with torch.no_grad():
        for gone in removed:
            full = hooked(model, below, patches).clone()
            full.movedim(axis, -1)[..., gone] = 0
            found.append(hooked(model, layer, patches, replace=(below, full)))
    return torch.stack(found)


def squeezed():
    """Depthwise convolutions, squeeze-and-excitation, hard-swish."""
    torch.manual_seed(2)
    return calibrated(torchvision.models.mobilenet_v3_small(weights=None), 64)


def tokens():
    """A small vision transformer."""
    return build("vit_b_16", image_size=32).double()


SLOW = pytest.mark.slow
CASES = [
    (demo, ["block3", "block4", "fc"], 0, LinearMixAblation),
    (demo, ["block3", "block4", "fc"], 1, LinearMixAblation),
    (Odd, ["low", "mid", "fc"], 0, LinearMixAblation),
    (Odd, ["low", "mid", "fc"], 1, LinearMixAblation),
    (Planted, ["low", "mid", "fc"], 0, LinearMixAblation),
    pytest.param(resnet18, ["layer3.1", "layer4.0", "fc"], 0, SplitAblation, marks=SLOW),
    pytest.param(resnet18, ["layer4.0", "layer4.1", "fc"], 1, LinearMixAblation, marks=SLOW),
    pytest.param(googlenet, ["inception4e", "inception5a", "fc"], 0, SplitAblation, marks=SLOW),
    (squeezed, ["features.4", "features.5", "classifier"], 0, SplitAblation),
    pytest.param(
        tokens,
        ["encoder.layers.encoder_layer_3", "encoder.layers.encoder_layer_4", "output"],
        0,
        PlainAblation,
        marks=SLOW,
    ),
]


def segments_of(make, layers):
    """(segments, the layers' channel axes, five patches) of a network."""
    model = make()
    size = 28 if make in (Odd, Planted) else 32 if make is tokens else 64
    patches = demo_patches(5) if make is demo else pictures(5, size)
    return model, cut(model, layers, patches[:1]), patches


def sets(channels):
    removed = torch.rand(7, channels, generator=torch.Generator().manual_seed(1)) <= 0.3
    removed[0], removed[1] = False, True
    return removed


@pytest.mark.slow
@pytest.mark.parametrize(("make", "layers", "stage", "engine"), CASES)
def test_as_the_network_does_it(make, layers, stage, engine, monkeypatch):
    """One patch at a time as on a processor, then several as on a device."""
    model, segments, patches = segments_of(make, layers)
    full = activations(segments, stage, patches)
    removed, targets = sets(segments.layers[stage].channels), [3, 0, 1]
    axis, out_axis = segments.feature_axis(stage), segments.feature_axis(stage + 1)
    expected = naive(model, layers[stage + 1], layers[stage], patches, removed, axis)
    mean = spatial_mean(expected.flatten(0, 1), out_axis).view(*expected.shape[:2], -1)[:, :, targets].transpose(1, 2)
    options = {"axis": axis, "out_axis": out_axis}
    for on_host, rows in ((True, 8), (False, 24), (False, 4)):
        monkeypatch.setattr(devices, "is_host", lambda _device, on_host=on_host: on_host)
        found = ablations(segments.stages[stage], full[:1], **options, rows=AdaptiveBatch(most=rows))
        assert type(found) is engine
        for one in (found, PlainAblation(segments.stages[stage], **options, rows=AdaptiveBatch(most=rows))):
            torch.testing.assert_close(one.full(full, removed), expected, rtol=1e-9, atol=1e-10)
            torch.testing.assert_close(one.phi(full, removed, targets), mean, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["TABLE", "rows"])
def test_few_sets_or_few_terms_at_once_are_the_same(limit, monkeypatch):
    _, segments, patches = segments_of(resnet18, ["layer3.1", "layer4.0", "fc"])
    full, removed = activations(segments, 0, patches), sets(256)
    engine = ablations(segments.stages[0], full[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=64))
    whole = engine.phi(full, removed, [1, 2, 3]), engine.full(full, removed)
    engine.rows = AdaptiveBatch(most=5 if limit == "rows" else 64)
    if limit == "TABLE":
        monkeypatch.setattr("neurflow_report.ablation.split_ablation.TABLE", 1)
    parts = engine.phi(full, removed, [1, 2, 3]), engine.full(full, removed)
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(whole, parts, strict=True))


def test_blocks_change_nothing(monkeypatch):
    model, patches = demo(), demo_patches(5)
    segments = cut(model, ["block3", "block4", "fc"], patches[:1])
    full = activations(segments, 0, patches)
    removed = torch.rand(9, 128) <= 0.2
    engine = ablations(segments.stages[0], full[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    whole = engine.phi(full, removed, [1, 2, 3])
    monkeypatch.setattr("neurflow_report.ablation.linear_mix.COLUMNS", 1)
    monkeypatch.setattr("neurflow_report.ablation.linear_mix.BLOCK", 100)
    assert torch.allclose(engine.phi(full, removed, [1, 2, 3]), whole, rtol=1e-12, atol=1e-14)


class Shifted(nn.Module):
    """What looks like a chain and is none: the pool before the mixing layer adds something to a channel at 0."""

    def __init__(self):
        super().__init__()
        self.low, self.act, self.mid, self.head = nn.Conv2d(3, 4, 1), nn.Sigmoid(), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)
        self.up = nn.Sequential(self.act, self.mid)
        self.double().eval().requires_grad_(False)

    def forward(self, x):
        return self.head(self.up(self.low(x)).mean((2, 3)))


def test_an_operation_that_does_not_keep_0_is_run_whole():
    model, patches = Shifted(), pictures(3, 8)
    segments = cut(model, ["low", "up", "head"], patches[:1])
    full = activations(segments, 0, patches)
    removed = torch.tensor([[False, True, False, False], [True, True, True, True]])
    engine = ablations(segments.stages[0], full[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=4))
    assert type(engine) is SplitAblation
    assert torch.allclose(engine.full(full, removed), naive(model, "up", "low", patches, removed, 1))


@pytest.mark.slow
def test_where_memory_runs_out_fewer_rows_run_at_once_and_the_same_is_found(monkeypatch):
    model, patches = resnet18().double(), pictures(2, 32)
    segments = cut(model, ["layer4.0", "layer4.1", "fc"], patches[:1])
    full = activations(segments, 0, patches)
    removed = torch.rand(3, 512, generator=torch.Generator().manual_seed(0)) <= 0.5
    told, forward = [], nn.Conv2d.forward
    plain = partial(PlainAblation, segments.stages[0], axis=1, out_axis=1)
    plenty = plain(rows=AdaptiveBatch(most=8)).phi(full, removed, [3])

    def bounded(self, x):
        if len(x) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", bounded)
    engine = plain(rows=AdaptiveBatch(most=8, note=told.append))
    assert torch.allclose(engine.phi(full, removed, [3]), plenty, rtol=1e-12)
    assert told == [
        "out of memory with 8 rows at once: going on with 4",
        "out of memory with 4 rows at once: going on with 2",
    ]


class Biased(nn.Module):
    """What is not 0 at A = 0: a norm's shift, read by a convolution of many taps with a bias, or by a ReLU."""

    def __init__(self, after_the_norm):
        super().__init__()
        torch.manual_seed(4)
        self.low = nn.Conv2d(3, 6, 3)
        self.up = nn.Sequential(nn.BatchNorm2d(6), *after_the_norm, nn.ReLU(), nn.Conv2d(7, 5, 3), nn.ReLU())
        self.head = nn.Linear(5, 3)
        self.double().eval().requires_grad_(False)
        self.up[0].running_mean.uniform_(-1, 1)

    def forward(self, x):
        return self.head(self.up(self.low(x)).mean((2, 3)))


@pytest.mark.parametrize("after", [[nn.Conv2d(6, 7, 3, padding=1)], [nn.ReLU(), nn.Conv2d(6, 7, 1)]])
def test_what_is_not_0_without_the_channels_stays(after):
    model, patches = Biased(after), pictures(3, 12)
    segments = cut(model, ["low", "up", "head"], patches[:1])
    full, removed = activations(segments, 0, patches), sets(6)
    engine = ablations(segments.stages[0], full[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=8))
    assert type(engine) is SplitAblation
    assert torch.allclose(engine.full(full, removed), naive(model, "up", "low", patches, removed, 1))
