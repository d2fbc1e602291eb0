"""Where channels stand, followed through permutations and reshapes, against permuted channels themselves."""

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from neurflow_report.network.axes import channel_axes
from neurflow_report.network.trace import trace


class Steps(nn.Module):
    def __init__(self, steps: object) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(x)  # type: ignore[operator]


CASES = [
    (lambda x: F.relu(x), 1),
    (lambda x: x.permute(0, 2, 3, 1), 3),
    (lambda x: torch.permute(x, (0, 2, 1, 3)), 2),
    (lambda x: x.transpose(1, -1), 3),
    (lambda x: x.flatten(2), 1),
    (lambda x: x.flatten(2).transpose(1, 2), 2),
    (lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 5), 2),
    (lambda x: x.permute(0, 2, 3, 1).flatten(1, 2).reshape(x.shape[0], 4, 6, 5).permute(0, 3, 1, 2), 1),
    (lambda x: x.mean((2, 3)), 1),
    (lambda x: x.mean((2, 3), keepdim=True) * x, 1),
    (lambda x: x.permute(0, 2, 3, 1).mean((1, 2)), 1),
    (lambda x: torch.cat([x, 2 * x], dim=2), 1),
    (lambda x: x.permute(0, 2, 3, 1).unsqueeze(1).squeeze(1) + 1.0, 3),
    (lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (5,)), 3),
    (lambda x: F.avg_pool2d(x, 2), 1),
]


@pytest.mark.parametrize(("steps", "axis"), CASES)
def test_the_axis_is_where_a_change_of_the_channels_shows(steps: object, axis: int) -> None:
    module = Steps(steps).eval()
    x = torch.randn(1, 5, 4, 6)
    traced = trace(module, x)
    found = channel_axes(traced.graph, traced.root, traced.shapes)[traced.output]
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(module(x[:, order]), module(x).index_select(axis, order))
    assert found == axis


def test_modules_that_work_on_one_axis() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(2), nn.Linear(36, 7), nn.LayerNorm(7))
    traced = trace(module.eval(), torch.randn(1, 3, 6, 6))
    axes = channel_axes(traced.graph, traced.root, traced.shapes)
    found = {str(n.target): axes[n] for n in traced.graph.nodes if isinstance(n, fx.Node) and n.op == "call_module"}
    assert found == {"0": 1, "1": 1, "2": 2, "3": 2}
