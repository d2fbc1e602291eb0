"""Planted causes: petals of a class painted into pictures of another are what speaks for that class there."""

import pytest
import torch

from neurflow_report.analysis.causes import Margins, explain
from neurflow_report.attribution.integrated_gradients import Quadrature
from neurflow_report.demo.flowers import CLASSES, FlowerData
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.progress import SilentStep
from neurflow_report.report import analyze
from neurflow_report.results.bundle import read_bundle
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.load import load_spec
from tests.oracles.networks import demo

pytestmark = pytest.mark.slow
NAMES, PICTURES = list(CLASSES), 4


@pytest.fixture
def bundle(write_spec):
    quick = {"experiments": [], "taus": None, "draws": None}
    return read_bundle(
        analyze(load_spec(write_spec(data={"limit": 20}, concept={"k": 50, "scales": None}, fidelity=quick)))
    )


def painted(parts):
    data = FlowerData(seed=77, per_class=PICTURES, class_parts={"x": tuple(parts)})
    inputs = [to_input(data.draw(0, n)[0], NETWORKS["flowers"].preprocess)[0] for n in range(PICTURES)]
    return torch.stack(inputs)


def test_the_petals_planted_come_first(bundle):
    """In nine of ten pictures the group that speaks most for the class shows its petals, at both layers."""
    layers = [layer.name for layer in bundle.run.layers]
    example = painted(CLASSES["firebell"])[:2]
    grid = PatchGrid(size=64, scales=(1.0, 0.5, 0.25), stride=0.5)
    workspace = Workspace.set_up(cut(demo().float(), layers, example), grid, 500_000_000, example)
    hits = []
    for result in bundle.classes:
        own = CLASSES[result.name]
        others = [
            a
            for a in NAMES
            if CLASSES[a][0] != own[0] and sum(x != y for x, y in zip(CLASSES[a], own, strict=True)) < 4
        ]
        for other in others[:3]:
            pixels = painted([own[0], *CLASSES[other][1:]])
            margins = Margins(
                pixels=pixels, p=[result.index] * PICTURES, q=[NAMES.index(other)] * PICTURES, seeds=range(PICTURES)
            )
            found = explain(workspace, result, margins, quadrature=Quadrature(), names=NAMES, seed=0, step=SilentStep())
            for _, per_layer in found:
                for at, causes in enumerate(per_layer):
                    best = max(causes.causes, key=lambda c: c.foretold)
                    group = next(g for g in result.layers[-2 - at].groups if g.index == best.group)
                    hits.append(own[0] in {part for part, *_ in group.agreement.commonest})
    assert len(hits) >= 40
    assert sum(hits) >= 0.9 * len(hits)
