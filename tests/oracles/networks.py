"""Networks for the oracles: random weights from a seed, batch-norm statistics calibrated on some pictures."""

from __future__ import annotations

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.images.patches import PatchGrid, crops
from neurflow_report.images.preprocess import to_input


def pictures(count, size, *, seed=0, channels=3):
    """Smooth random pictures (count, channels, size, size) in float64, unlike each other."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, channels, 6, 6, generator=generator, dtype=torch.float64)
    fine = torch.randn(count, channels, size, size, generator=generator, dtype=torch.float64)
    return nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False) + 0.3 * fine


def calibrated(model, size):
    """`model` in float64 and eval mode, its batch norms' statistics those of some pictures."""
    model = model.double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    model.train()
    with torch.no_grad():
        model(pictures(16, size, seed=9))
    return model.eval().requires_grad_(False)


def resnet18(size=64):
    torch.manual_seed(1)
    return calibrated(torchvision.models.resnet18(weights=None, num_classes=10), size)


def googlenet(size=64):
    torch.manual_seed(2)
    model = torchvision.models.googlenet(weights=None, num_classes=10, aux_logits=False, init_weights=False)
    return calibrated(model, size)


def demo(_size=64):
    """The demo's own network, with its trained weights."""
    network = NETWORKS["flowers"]
    model = network.build()
    model.load_state_dict(load_file(network.weights))
    return model.double().eval().requires_grad_(False)


def demo_patches(count):
    """The demo's pictures of one class as the network sees them, at several scales."""
    preprocess, grid = NETWORKS["flowers"].preprocess, PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    inputs = torch.stack([to_input(DATASET.draw(1, n)[0], preprocess)[0] for n in range(-(-count // grid.per_image))])
    return crops(inputs, np.arange(count), grid).double()


class Planted(nn.Module):
    """A network whose circuit is known: logit c rests on channels 2c and 2c+1 of `mid`, these on `low`'s own twins."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.low = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU())
        self.mid = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 4)
        with torch.no_grad():
            self.mid[0].weight.copy_(torch.eye(8)[:, :, None, None] * torch.linspace(1, 2, 8)[:, None, None, None])
            self.mid[0].bias.zero_()
            self.fc.weight.zero_()
            for c in range(4):
                self.fc.weight[c, 2 * c], self.fc.weight[c, 2 * c + 1] = 1.0, -0.5
            self.fc.bias.zero_()
        self.double().eval().requires_grad_(False)

    def forward(self, x):
        return self.fc(self.pool(self.mid(self.low(x))).flatten(1))
