"""One channel of a segment alone is that channel of the segment, and its gradient the same."""

import pytest
import torch
from torch import fx, nn

from neurflow_report.fidelity.single_output import with_single_output
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations
from tests.oracles.networks import demo, demo_patches, googlenet, pictures, resnet18


class Twice(nn.Module):
    """A last layer that is used below as well."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(self.relu(self.conv(x))))


class Skip(nn.Module):
    """The input is added at the end: of it one channel would be needed, of a tensor that is not made here."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x) + x


class Gated(nn.Module):
    """The last layer's sum stands for the output and for something else."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.other = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x + self.other(x)


class Weighed(nn.Module):
    """One number a row, spread over the channels of the output."""

    def __init__(self):
        super().__init__()
        self.fc, self.gate = nn.Linear(4, 6), nn.Linear(4, 1)

    def forward(self, x):
        return self.fc(x) * torch.sigmoid(self.gate(x))


CASES = [
    (demo, ["block3", "block4", "fc"], 0, 2),
    (demo, ["block3", "block4", "fc"], 1, 1),
    (resnet18, ["layer3.1", "layer4.0", "fc"], 0, 4),
]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "layers", "stage", "changed"), CASES)
def test_the_channel_is_the_segment_s(make, layers, stage, changed):
    patches = demo_patches(3) if make is demo else pictures(3, 64)
    segments = cut(make(), layers, patches[:1])
    segment, x = segments.stages[stage], activations(segments, stage, patches).requires_grad_()
    weights = {name: value.clone() for name, value in segment.state_dict().items()}
    for channel in (0, 5):
        alone, number = with_single_output(segment, channel)
        assert number == 0
        whole, one = segment(x)[:, channel], alone(x)
        assert one.shape[1] == 1
        assert torch.allclose(one[:, 0], whole, rtol=1e-12, atol=1e-14)
        mine, theirs = (torch.autograd.grad(y.sum(), x)[0] for y in (one, whole))
        assert torch.allclose(mine, theirs, rtol=1e-10, atol=1e-12)
        assert (
            sum(v.shape != weights[k].shape for k, v in alone.state_dict().items() if k.endswith("weight")) == changed
        )
    assert all(torch.equal(value, weights[name]) for name, value in segment.state_dict().items())


@pytest.mark.parametrize(
    "model", [Twice(), Skip(), Gated(), Weighed(), nn.Sequential(nn.Conv2d(4, 4, 1, groups=4)), nn.ReLU()]
)
def test_segments_of_another_kind_stay_as_they_are(model):
    segment = fx.symbolic_trace(nn.Sequential(model).eval())
    assert with_single_output(segment, 2) == (segment, 2)


@pytest.mark.slow
def test_a_concatenation_at_the_end_stays():
    patches = pictures(2, 64)
    segments = cut(googlenet(), ["inception4e", "inception5a", "fc"], patches[:1])
    assert with_single_output(segments.stages[0], 3) == (segments.stages[0], 3)
