"""Random networks of blocks that people use: every quick way gives what the network itself gives, by its own hooks."""

from itertools import pairwise

import pytest
import torch

from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.errors import InputError
from neurflow_report.images.patches import PatchGrid
from neurflow_report.network.conduct import check_conduct
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations
from neurflow_report.setup.workspace import Workspace
from tests.oracles.blocks import above, network, own, own_t
from tests.oracles.networks import pictures

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
NODES = 4
SEEDS = range(12)


def check(seed: int) -> tuple[str, ...]:
    """Compare the quick ways with the network's own; → the notes on what was not used. Raises where they differ."""
    model, layers, _ = network(seed)
    x = pictures(4, 16, seed=seed)
    check_conduct(model, x)
    workspace = Workspace.set_up(cut(model, layers, x), PatchGrid(size=16, scales=(1.0,), stride=0.5), 2**28, x)
    other = pictures(3, 16, seed=seed + 1000)
    for number, layer in enumerate(layers):
        expected = own(model, layer, other)
        for found in (activations(workspace.segments, number, other), workspace.forward.activations(number, other)):
            close(found, expected, f"the activation of {layer}")
    for number, (lower, upper) in enumerate(pairwise(layers)):
        _check_hop(workspace, model, number, lower, upper, own(model, lower, other))
    return workspace.notes


def _check_hop(workspace, model, number, lower, upper, A):
    layer_pair, targets = workspace.layer_pairs()[number], [0, 3]
    pairs = Pairs(rows=torch.arange(len(A)).repeat(2), channels=torch.tensor(targets).repeat_interleave(len(A)))
    rule = Quadrature(rule="gauss", nodes=NODES, max_nodes=NODES)
    found = attribute(
        layer_pair.segment, A, pairs, axis=1, out_axis=1, quadrature=rule, rows=64, whole=layer_pair.whole
    ).values.view(2, len(A), -1)  # fmt: skip
    for i, target in enumerate(targets):
        close(found[i], own_t(model, lower, upper, A, target, NODES), f"T of {upper}")
    removed = torch.rand(4, A.shape[1], generator=torch.Generator().manual_seed(number)) <= 0.4
    engine = workspace.ablations(number, A[:1], lambda _text: None)
    phi, full = engine.phi(A, removed, targets), engine.full(A, removed)
    for m, gone in enumerate(removed):
        with torch.no_grad():
            expected = above(model, lower, upper, A * (~gone).view(1, -1, 1, 1))
        close(full[m], expected, f"knock-outs at {upper}")
        means = expected.flatten(2).mean(2) if expected.ndim > 2 else expected
        close(phi[m], means[:, targets].T, f"φ under knock-outs at {upper}")


def close(found: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    """Within what float64 loses on the way, and a little more where steep functions are in it."""
    off = (found - expected).abs().max() / expected.abs().max().clamp_min(1e-9)
    assert off <= 1e-6, f"{what}: {float(off):.2g}"


@pytest.mark.parametrize("seed", SEEDS)
def test_every_quick_way_gives_what_the_network_gives(seed):
    try:
        assert check(seed) == ()
    except InputError as error:
        pytest.fail(f"{network(seed)[2]}: {error}")
