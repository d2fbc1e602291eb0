"""Logits under masks against hooks on the original network, one mask at a time."""

import pytest
import torch

from neurflow_report.ablation.ablation import ablations
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.masked_logits import masked_logits
from neurflow_report.ablation.split_ablation import SplitAblation
from neurflow_report.network import devices
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import AdaptiveBatch, activations
from tests.network.test_cut import build
from tests.oracles.networks import demo, demo_patches, pictures, resnet18

CASES = [
    (demo, ["block2", "block3", "block4", "fc"], 0, LinearMixAblation),
    (demo, ["block2", "block3", "block4", "fc"], 2, LinearMixAblation),
    (resnet18, ["layer3.1", "layer4.0", "layer4.1", "fc"], 0, SplitAblation),
    (resnet18, ["layer3.1", "layer4.0", "layer4.1", "fc"], 2, LinearMixAblation),
]


def naive(model, names, pixels, masks, axis=1):
    """Logits with, at each of the named layers, the channels outside mask m at 0: (M, N, outputs)."""
    modules, found = dict(model.named_modules()), []
    for m in range(len(masks[0])):
        handles = []
        for name, gone in zip(names, masks, strict=True):
            shape = [-1, 1, 1] if axis == 1 else [-1]
            stays = (~gone[m]).to(pixels.dtype).view(shape)
            handles.append(modules[name].register_forward_hook(lambda _m, _i, out, stays=stays: out * stays))
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
def test_masked_logits_of_tokens_agree_with_hooks():
    model, pixels, name = build("vit_b_16", image_size=32), torch.randn(2, 3, 32, 32), "encoder.layers.encoder_layer_5"
    segments = cut(model, [name, "output"], pixels)
    masks = drawn(segments, [0], 3, 1)
    full = activations(segments, 0, pixels)
    engine = ablations(segments.stages[0], full[:1], axis=-1, out_axis=1, rows=AdaptiveBatch(most=4))
    found, same = masked_logits(segments, 0, engine, full, masks, rows=8)
    assert torch.equal(found, same)
    torch.testing.assert_close(found, naive(model, [name], pixels, masks, axis=-1))


def test_masks_of_a_wrong_shape():
    model, pixels = demo(), demo_patches(1)
    segments = cut(model, ["block4", "fc"], pixels)
    full = activations(segments, 0, pixels)
    engine = ablations(segments.stages[0], full, axis=1, out_axis=1, rows=AdaptiveBatch(most=4))
    with pytest.raises(ValueError, match=r"masks of layer 'block4' must be bool \(M, 128\), not \(2, 5\)"):
        masked_logits(segments, 0, engine, full, [torch.ones(2, 5, dtype=torch.bool)], rows=4)
