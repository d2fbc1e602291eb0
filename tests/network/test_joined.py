"""Segments joined are what they are one after another, and can be split for attributions."""

import numpy as np
import pytest
import torch

from neurflow_report.attribution.affine_split import split_segment
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.network.cut import cut
from neurflow_report.network.joined import joined
from tests.oracles.networks import demo, googlenet, pictures, resnet18

NETWORKS = {
    "demo": (demo, ["block2", "block3", "block4", "fc"]),
    "resnet18": (resnet18, ["layer2.0", "layer3.1", "layer4.0", "fc"]),
    "googlenet": (googlenet, ["inception3a", "inception4a", "fc"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_one_graph_gives_what_its_parts_give(name):
    build, layers = NETWORKS[name]
    segments = cut(build(), layers, pictures(2, 64))
    value = segments.stem(pictures(3, 64, seed=2))
    whole = joined(segments.stages)
    assert torch.equal(whole(value), segments.between(0, len(layers) - 1)(value))
    split_segment(whole, value[:1], 1, 1)
    pairs = Pairs(rows=np.arange(3), channels=np.array([0, 1, 2]))
    found = attribute(whole, value, pairs, axis=1, out_axis=1, quadrature=Quadrature(), rows=64)
    rise = whole(value)[range(3), range(3)] - whole(torch.zeros_like(value[:1]))[0, :3]
    off = (found.values.sum(dim=1) - rise).abs() / rise.abs()
    assert torch.allclose(off, found.gap, atol=1e-6)  # with max pooling they do not add up, and that is told
    assert name == "googlenet" or float(off.max()) < 0.02


def test_one_segment_is_itself():
    segments = cut(demo(), ["block4", "fc"], pictures(2, 64))
    assert joined(segments.stages) is segments.stages[0]
