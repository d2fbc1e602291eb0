"""Activations of one layer after another, within a budget."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurflow_report.circuit.masked_core import SplitKnockouts
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.images.patches import PatchGrid, crops
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import Kept, activations, kept_bytes, layers_to_keep, row_bytes
from neurflow_report.pipeline.activity import Activity, staying
from neurflow_report.pipeline.examine import SETS, Bench
from neurflow_report.pipeline.tasks import Place
from tests.oracles.networks import demo, pictures, resnet18


@pytest.mark.parametrize(
    ("kept", "layer", "most", "left"),
    [
        ({2, 3}, 1, 100, {2, 3}),
        ({2, 3}, 1, 60, {3}),
        ({2, 3}, 1, 50, {3}),
        ({2, 3}, 1, 49, set()),
        ({2, 3}, 3, 100, set()),
        ({0, 3}, 1, 100, {3}),
        ((), 0, 100, set()),
    ],
)
def test_the_highest_layers_stay_beside_the_one_that_is_held(kept, layer, most, left):
    assert staying(kept, layer, [40, 40, 20, 10], most) == left


LAYERS = ["block1", "block2", "block3", "block4", "fc"]
PATCHES = 20


@pytest.fixture(scope="module")
def setting():
    """(bench, pixels, the truth of each layer): two pictures, ten patches each, seven at a time."""
    preprocess = NETWORKS["flowers"].preprocess
    pixels = torch.stack([to_input(DATASET.draw(0, n)[0], preprocess)[0] for n in range(2)]).double()
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    segments = cut(demo(), LAYERS, pixels[:1])
    bench = replace(Bench.set_up(segments, grid, 500_000_000, pixels[:1]), forward_rows=7)
    patches = crops(pixels, np.arange(PATCHES), grid)
    return bench, pixels, [activations(segments, n, patches) for n in range(len(LAYERS))]


def held(activity):
    """Bytes of all activations that are held."""
    kept = [activity.kept.get(n, np.arange(PATCHES)) for n in activity.kept.layers]
    return sum(x.numel() * x.element_size() for x in (*kept, *activity.held.values.values()))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0, 1.3, 2.0, 9.0], ids="{}×".format)
def test_activations_are_the_same_whatever_is_held_and_never_more_than_the_budget(setting, share):
    bench, pixels, truth = setting
    sizes = [kept_bytes(bench.segments, n, PATCHES) for n in range(len(LAYERS))]
    bench = replace(bench, keep=int(share * sizes[0]))
    kept = Kept(layers_to_keep(bench.segments, PATCHES, bench.keep), PATCHES)
    for part in np.array_split(np.arange(PATCHES), 3):
        kept.put({n: truth[n][part] for n in kept.layers}, len(part))
    activity, draw = Activity(bench, pixels, kept), np.random.default_rng(0)
    for layer in range(len(LAYERS) - 1):
        for patches in (draw.permutation(PATCHES)[:9], np.array([19, 0, 19]), np.arange(PATCHES)):
            assert torch.allclose(activity.some(layer, patches), truth[layer][patches], rtol=1e-9, atol=1e-9)
            assert held(activity) <= bench.keep
            assert bench.tables <= activity.room(layer) <= max(bench.tables, bench.keep - held(activity))
        assert torch.allclose(torch.cat(list(activity.chunks(layer))), truth[layer], rtol=1e-9, atol=1e-9)
        assert activity.holds(layer) == (sizes[layer] <= bench.keep)


def test_what_is_held_is_made_once_and_then_of_the_layer_below(setting, monkeypatch):
    bench, pixels, _ = setting
    passed = []

    def counted(bench, pixels, layer, patches):
        passed.append((layer, len(patches)))
        return activations(bench.segments, layer, crops(pixels, patches, bench.grid))

    monkeypatch.setattr(Bench, "activations", counted)
    activity = Activity(replace(bench, keep=kept_bytes(bench.segments, 0, PATCHES)), pixels)
    for layer in range(len(LAYERS) - 1):
        for _ in range(3):
            list(activity.chunks(layer))
    assert {layer for layer, _ in passed} == {0}
    assert sum(count for _, count in passed) == PATCHES


def test_a_plan_knows_what_is_held(setting):
    bench, pixels, _ = setting
    sizes = [kept_bytes(bench.segments, n, PATCHES) for n in range(len(LAYERS))]
    for share in (0.3, 0.5, 1.0, 1.3, 2.0, 9.0):
        bench = replace(bench, keep=int(share * sizes[0]))
        kept = Kept(layers_to_keep(bench.segments, PATCHES, bench.keep), PATCHES)
        kept.put({n: torch.zeros(PATCHES, *bench.segments.layers[n].shape).double() for n in kept.layers}, PATCHES)
        activity = Activity(bench, pixels, kept)
        place = Place(segments=bench.segments, keep=bench.keep, tables=bench.tables, forward_rows=bench.forward_rows)
        for layer, planned in enumerate(place.held(PATCHES)):
            list(activity.chunks(layer))
            assert planned.bytes == held(activity)


@pytest.mark.parametrize("memory", [1, 10**5, 10**6, 3 * 10**6, 10**7, 10**8, 10**10])
def test_knock_outs_run_as_many_rows_as_their_half_of_the_memory_holds(setting, memory):
    bench = replace(setting[0], memory=memory)
    for stage, value in zip(bench.forward.segments.stages, setting[2], strict=False):
        rows, need = bench.knockout_rows(stage, value[:1]), row_bytes(stage, value[:1], kept=True) * 5 / 4
        assert 1 <= rows <= SETS
        assert rows == 1 or rows * need <= memory // 2 - bench.tables
        assert rows == SETS or 2 * rows * need > memory // 2 - bench.tables


def test_a_little_more_or_less_memory_changes_no_rows(setting):
    stage, row = setting[0].forward.segments.stages[0], setting[2][0][:1]
    found = {replace(setting[0], memory=m).knockout_rows(stage, row) for m in range(10**7, 2 * 10**7, 10**5)}
    assert len(found) <= 4


def test_the_engine_runs_so_many(setting):
    example = pictures(1, 64)
    bench = Bench.set_up(cut(resnet18(64), ["layer3.1", "layer4.0", "fc"], example), setting[0].grid, 10**8, example)
    row = bench.forward.activations(0, example)
    engine = bench.knockouts(0, row, print)
    assert isinstance(engine, SplitKnockouts)
    assert 1 < engine.rows.most == bench.knockout_rows(bench.forward.segments.stages[0], row) < SETS
