"""F1's passes against hooks on the network, a picture and a mask at a time, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurflow_report.analysis.masking_passes import MaskingPasses
from neurflow_report.errors import RunError
from neurflow_report.fidelity.masking import Pass
from neurflow_report.images.patches import PatchGrid
from neurflow_report.network import devices
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations
from neurflow_report.progress import SilentStep
from neurflow_report.setup.workspace import Workspace
from tests.ablation.test_masked_logits import naive
from tests.oracles.networks import demo, pictures

LAYERS = ["block2", "block3", "block4", "fc"]


@pytest.fixture(scope="module")
def network():
    return demo().double()


def passes(network, own, others, *, memory=10**9, target=0):
    pixels = torch.cat([own, others])
    workspace = Workspace.set_up(
        cut(network, LAYERS, pixels[:1]), PatchGrid(size=64, scales=(1.0,), stride=0.5), memory, pixels[:2]
    )
    return MaskingPasses(workspace, own, others, target, SilentStep()), workspace.segments


def drawn(segments, numbers, count, seed):
    random = torch.Generator().manual_seed(seed)
    return [torch.rand(count, segments.layers[n].channels, generator=random) >= 0.5 for n in numbers]


@pytest.mark.slow
@pytest.mark.parametrize("on_host", [True, False])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_who_is_predicted_as_the_class_under_each_mask(network, layer, kept, on_host, monkeypatch):
    monkeypatch.setattr(devices, "is_host", lambda _device: on_host)
    pixels = pictures(7, 64).double()
    found, segments = passes(network, pixels[:3], pixels[3:])
    found.target = int(network(pixels).argmax(dim=1).mode().values)
    found.kept.only(found.kept.layers if kept else ())
    numbers = list(range(layer, 3))
    masks = drawn(segments, numbers, 4, layer)
    means = [activations(segments, n, pixels).mean(dim=0, keepdim=True) for n in numbers]
    names = [LAYERS[n] for n in numbers]
    asked = [
        Pass(removed=masks, mean=False, own=True, others=False),
        Pass(removed=[m[:2] for m in masks], mean=False, own=False, others=True),
        Pass(removed=masks, mean=True, own=True, others=True),
    ]
    for one, (alone, upward) in zip(asked, found(layer, asked), strict=True):
        chosen = pixels[0 if one.own else 3 : 7 if one.others else 3]
        at = means if one.mean else [0.0] * len(numbers)
        for got, some in ((alone, 1), (upward, len(numbers))):
            expected = naive(network, names[:some], chosen, one.removed[:some], means=at[:some]).argmax(dim=2)
            assert np.array_equal(got, (expected == found.target).numpy())
    for mean, exact in zip(found.means[layer:], means, strict=True):
        torch.testing.assert_close(mean, exact, rtol=1e-12, atol=1e-12)


def test_the_pictures_go_up_once_however_many_layers_ask(network, monkeypatch):
    pixels = pictures(4, 64).double()
    found, segments = passes(network, pixels[:2], pixels[2:])
    calls, through = [], found._through
    monkeypatch.setattr(found, "_through", lambda *args: calls.append(args) or through(*args))
    monkeypatch.setattr(type(found.workspace.forward), "activations", lambda *_args: pytest.fail("made again"))
    for layer in (2, 1, 0):
        masks = drawn(segments, range(layer, 3), 3, layer)
        found(layer, [Pass(removed=masks, mean=mean, own=True, others=True) for mean in (False, True)])
    assert len(calls) == 1


def test_the_same_where_memory_runs_out_on_the_way(network, monkeypatch):
    pixels = pictures(6, 64).double()
    plain, segments = passes(network, pixels[:3], pixels[3:])
    masks = [Pass(removed=drawn(segments, [2], 3, 0), mean=True, own=True, others=True)]
    expected, ((alone, _),) = plain.means, plain(2, masks)
    short, _ = passes(network, pixels[:3], pixels[3:])
    through = short._through

    def scarce(first, end, n):
        if n > 2:
            raise torch.cuda.OutOfMemoryError
        return through(first, end, n)

    monkeypatch.setattr(short, "_through", scarce)
    short.rows.most = 4
    for one, other in zip(short.means, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert np.array_equal(short(2, masks)[0][0], alone)


def test_a_picture_of_another_class_that_is_no_number_is_an_error(network):
    pixels = pictures(4, 64).double()
    found, _ = passes(network, pixels[:2], pixels[2:])
    found.others[0, 0, 0, 0] = float("nan")
    with pytest.raises(RunError, match="the activation of layer 'block2' holds NaN"):
        _ = found.means
