"""Logits under masks against hooks on the original network, one mask at a time."""

import pytest
import torch

from neurflow_report.ablation.ablation import ablations
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.masked_logits import masked_logits
from neurflow_report.ablation.split_ablation import SplitAblation
from neurflow_report.network import devices
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import AdaptiveBatch, activations, spatial_mean
from tests.network.test_cut import build
from tests.oracles.networks import demo, demo_patches, pictures, resnet18

CASES = [
    (demo, ["block2", "block3", "block4", "fc"], 0, LinearMixAblation),
    (demo, ["block2", "block3", "block4", "fc"], 2, LinearMixAblation),
    (resnet18, ["layer3.1", "layer4.0", "layer4.1", "fc"], 0, SplitAblation),
    (resnet18, ["layer3.1", "layer4.0", "layer4.1", "fc"], 2, LinearMixAblation),
]


def naive(model, names, pixels, masks, axis=1, means=None):
    """Logits with, at each of the named layers, the channels of mask m at 0 or at `means`: (M, N, outputs)."""
    modules, found = dict(model.named_modules()), []
    for m in range(len(masks[0])):
        handles = []
        for name, gone, mean in zip(names, masks, means or [0.0] * len(names), strict=True):
            shape = [-1, 1, 1] if axis == 1 else [-1]
            stays = (~gone[m]).to(pixels.dtype).view(shape)

            def hook(_m, _i, out, stays=stays, mean=mean):
                return out * stays + mean * (1 - stays)

            handles.append(modules[name].register_forward_hook(hook))
        with torch.no_grad():
            found.append(model(pixels))
        for handle in handles:
            handle.remove()
    return torch.stack(found)


def drawn(segments, layers, count, seed):
    random = torch.Generator().manual_seed(seed)
    masks = [torch.rand(count, segments.layers[i].channels, generator=random) >= 0.6 for i in layers]
    for mask in masks:
        mask[0], mask[1] = False, True
    return masks


@pytest.mark.slow
@pytest.mark.parametrize(("make", "layers", "layer", "engine"), CASES)
@pytest.mark.parametrize(("rows", "on_host"), [(2, True), (64, True), (12, False)])
def test_masked_logits_agree_with_hooks(make, layers, layer, engine, rows, on_host, monkeypatch):
    monkeypatch.setattr(devices, "is_host", lambda _device: on_host)
    model = make()
    pixels = demo_patches(3) if make is demo else pictures(3, 64)
    segments = cut(model, layers, pixels[:1])
    numbers = list(range(layer, len(layers) - 1))
    masks = drawn(segments, numbers, 5, layer)
    full = activations(segments, layer, pixels)
    before = full.clone()
    used = ablations(segments.stages[layer], full[:1], axis=1, out_axis=1, rows=AdaptiveBatch(most=4))
    assert type(used) is engine
    alone, upward = masked_logits(segments, layer, used, full, masks, rows=rows)
    torch.testing.assert_close(alone, naive(model, [layers[layer]], pixels, masks[:1]))
    torch.testing.assert_close(upward, naive(model, [layers[i] for i in numbers], pixels, masks))
    assert torch.equal(full, before)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "layers", "layer", "engine"), CASES)
@pytest.mark.parametrize("whole", [False, True])
def test_mean_ablation_agrees_with_hooks_in_float64(make, layers, layer, engine, whole):
    model = make().double()
    pixels = (demo_patches(4) if make is demo else pictures(4, 64)).double()
    segments = cut(model, layers, pixels[:1])
    numbers = list(range(layer, len(layers) - 1))
    masks = drawn(segments, numbers, 5, layer)
    means = [activations(segments, n, pixels).mean(dim=0, keepdim=True) for n in numbers]
    full, rows = activations(segments, layer, pixels[:2]), AdaptiveBatch(most=4)
    used = ablations(segments.stages[layer], full[:1], axis=1, out_axis=1, rows=rows, whole=whole, baseline=means[0])
    assert whole or type(used) is engine
    alone, upward = masked_logits(segments, layer, used, full, masks, rows=8, means=means[1:])
    exact = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(alone, naive(model, [layers[layer]], pixels[:2], masks[:1], means=means[:1]), **exact)
    every = naive(model, [layers[i] for i in numbers], pixels[:2], masks, means=means)
    torch.testing.assert_close(upward, every, **exact)
    phi = used.phi(full, masks[0], [0, 2])
    torch.testing.assert_close(
        phi, spatial_mean(used.full(full, masks[0]).flatten(0, 1), 1)[:, [0, 2]].view(5, 2, 2).mT
    )


@pytest.mark.slow
def test_masked_logits_of_tokens_agree_with_hooks():
    model, pixels, name = build("vit_b_16", image_size=32), torch.randn(2, 3, 32, 32), "encoder.layers.encoder_layer_5"
    segments = cut(model, [name, "output"], pixels)
    masks = drawn(segments, [0], 3, 1)
    full = activations(segments, 0, pixels)
    engine = ablations(segments.stages[0], full[:1], axis=-1, out_axis=1, rows=AdaptiveBatch(most=4))
    found, same = masked_logits(segments, 0, engine, full, masks, rows=8)
    assert torch.equal(found, same)
    torch.testing.assert_close(found, naive(model, [name], pixels, masks, axis=-1))
    mean, rows = full.mean(dim=0, keepdim=True), AdaptiveBatch(most=4)
    at_mean = ablations(segments.stages[0], full[:1], axis=-1, out_axis=1, rows=rows, baseline=mean)
    found, _ = masked_logits(segments, 0, at_mean, full, masks, rows=8)
    torch.testing.assert_close(found, naive(model, [name], pixels, masks, axis=-1, means=[mean]))


def test_masks_of_a_wrong_shape():
    model, pixels = demo(), demo_patches(1)
    segments = cut(model, ["block4", "fc"], pixels)
    full = activations(segments, 0, pixels)
    engine = ablations(segments.stages[0], full, axis=1, out_axis=1, rows=AdaptiveBatch(most=4))
    with pytest.raises(ValueError, match=r"masks of layer 'block4' must be bool \(M, 128\), not \(2, 5\)"):
        masked_logits(segments, 0, engine, full, [torch.ones(2, 5, dtype=torch.bool)], rows=4)
