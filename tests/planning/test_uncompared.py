"""A plan for a network that is too slow to be tried out: what a run would fall back from, it falls back from, too."""

import pytest
import torch
from torch import nn

from neurflow_report.network import cut as cutting
from neurflow_report.network import inference
from neurflow_report.network.cut import cut
from neurflow_report.network.shapes import without_values
from neurflow_report.planning.plan import plan
from neurflow_report.progress import Silent
from neurflow_report.setup import preflight
from neurflow_report.spec.load import load_spec


@pytest.fixture
def hurried(monkeypatch):
    """Every network is too slow."""
    monkeypatch.setattr(preflight, "PASSES", 10**9)


def planned(spec):
    return plan(load_spec(spec), timed=True, progress=Silent())


def test_what_was_not_tried_is_no_measurement(hurried, write_spec):
    found = {stage.name: stage for stage in planned(write_spec()).stages}
    assert (found["check"].measured, found["load the network"].measured) == (False, True)
    assert found["check"].seconds > 100


def test_a_rewriting_that_fails_is_made_again_as_traced(monkeypatch):
    monkeypatch.setattr(cutting, "canonical", lambda _part: 1 / 0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval().requires_grad_(False)
    found = cut(net, ["0", "2"], torch.rand(1, 3, 8, 8), compared=False)
    assert [info.shape for info in found.layers] == [(4, 6, 6), (2,)]


def test_copies_that_fail_are_left_out(hurried, write_spec, monkeypatch):
    def broken(part, *, channels_last):
        graph = torch.fx.Graph()
        graph.output(graph.call_function(torch.reshape, (graph.placeholder("x"), (7,))))
        return torch.fx.GraphModule(part, graph)

    monkeypatch.setattr(inference, "_for_inference", broken)
    assert planned(write_spec()).seconds > 0


def test_attributes_that_hold_tensors_have_shapes_alone_too():
    class Holds(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.full((4, 1, 1), 2.0)

        def forward(self, x):
            return x * self.scale

    def work(module, pictures):
        return type(module.scale).__name__, type(pictures).__name__, tuple(module(pictures).shape)

    assert without_values(work, Holds(), torch.rand(1, 4, 3, 3)) == ("FakeTensor", "FakeTensor", (1, 4, 3, 3))


def test_what_cannot_be_followed_without_values_is_run():
    class Looks(nn.Module):
        def forward(self, x):
            return x if bool(x.sum() > -1) else x[:, :1]

    found = without_values(lambda module, pictures: module(pictures), Looks(), torch.ones(1, 4))
    assert found.tolist() == [[1.0] * 4]
    with pytest.raises(ZeroDivisionError):
        without_values(lambda _module, _pictures: 1 / 0, Looks(), torch.ones(1, 4))
