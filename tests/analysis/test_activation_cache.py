"""Activations of one layer after another, within a budget."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurflow_report.ablation.split_ablation import SplitAblation
from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.images.patches import PatchGrid, crops
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import KeptActivations, activations, kept_bytes, layers_to_keep, row_bytes, staying
from neurflow_report.planning.tasks import Place
from neurflow_report.setup.workspace import SETS, Workspace
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
    """(workspace, pixels, the truth of each layer): two pictures, ten patches each, seven at a time."""
    preprocess = NETWORKS["flowers"].preprocess
    pixels = torch.stack([to_input(DATASET.draw(0, n)[0], preprocess)[0] for n in range(2)]).double()
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    segments = cut(demo(), LAYERS, pixels[:1])
    workspace = replace(Workspace.set_up(segments, grid, 500_000_000, pixels[:1]), forward_rows=7)
    patches = crops(pixels, np.arange(PATCHES), grid)
    return workspace, pixels, [activations(segments, n, patches) for n in range(len(LAYERS))]


def held(cache):
    """Bytes of all activations that are held."""
    kept = [cache.kept.get(n, np.arange(PATCHES)) for n in cache.kept.layers]
    return sum(x.numel() * x.element_size() for x in (*kept, *cache.held.values.values()))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0, 1.3, 2.0, 9.0], ids="{}×".format)
def test_activations_are_the_same_whatever_is_held_and_never_more_than_the_budget(setting, share):
    workspace, pixels, truth = setting
    sizes = [kept_bytes(workspace.segments, n, PATCHES) for n in range(len(LAYERS))]
    workspace = replace(workspace, keep=int(share * sizes[0]))
    kept = KeptActivations(layers_to_keep(workspace.segments, PATCHES, workspace.keep), PATCHES)
    for part in np.array_split(np.arange(PATCHES), 3):
        kept.put({n: truth[n][part] for n in kept.layers}, len(part))
    cache, draw = ActivationCache(workspace, pixels, kept, upward=True), np.random.default_rng(0)
    for layer in range(len(LAYERS) - 1):
        for patches in (draw.permutation(PATCHES)[:9], np.array([19, 0, 19]), np.arange(PATCHES)):
            assert torch.allclose(cache.activations(layer, patches), truth[layer][patches], rtol=1e-9, atol=1e-9)
            assert held(cache) <= workspace.keep
            assert workspace.tables <= cache.room(layer) <= max(workspace.tables, workspace.keep - held(cache))
        assert torch.allclose(torch.cat(list(cache.chunks(layer))), truth[layer], rtol=1e-9, atol=1e-9)
        assert cache.holds(layer) == (sizes[layer] <= workspace.keep)


def test_what_is_held_is_made_once_and_then_of_the_layer_below(setting, monkeypatch):
    workspace, pixels, _ = setting
    passed = []

    def counted(workspace, pixels, layer, patches):
        passed.append((layer, len(patches)))
        return activations(workspace.segments, layer, crops(pixels, patches, workspace.grid))

    monkeypatch.setattr(Workspace, "activations", counted)
    cache = ActivationCache(replace(workspace, keep=kept_bytes(workspace.segments, 0, PATCHES)), pixels, upward=True)
    for layer in range(len(LAYERS) - 1):
        for _ in range(3):
            list(cache.chunks(layer))
    assert {layer for layer, _ in passed} == {0}
    assert sum(count for _, count in passed) == PATCHES


def test_a_plan_knows_what_is_held(setting):
    workspace, pixels, _ = setting
    sizes = [kept_bytes(workspace.segments, n, PATCHES) for n in range(len(LAYERS))]
    for share in (0.3, 0.5, 1.0, 1.3, 2.0, 9.0):
        workspace = replace(workspace, keep=int(share * sizes[0]))
        kept = KeptActivations(layers_to_keep(workspace.segments, PATCHES, workspace.keep), PATCHES)
        kept.put({n: torch.zeros(PATCHES, *workspace.segments.layers[n].shape).double() for n in kept.layers}, PATCHES)
        cache = ActivationCache(workspace, pixels, kept, upward=True)
        place = Place(
            segments=workspace.segments,
            keep=workspace.keep,
            tables=workspace.tables,
            forward_rows=workspace.forward_rows,
        )
        for layer, planned in enumerate(place.held(PATCHES)):
            list(cache.chunks(layer))
            assert planned.bytes == held(cache)


@pytest.mark.parametrize("memory", [1, 10**5, 10**6, 3 * 10**6, 10**7, 10**8, 10**10])
def test_knock_outs_run_as_many_rows_as_their_half_of_the_memory_holds(setting, memory):
    workspace = replace(setting[0], memory=memory)
    for stage, value in zip(workspace.forward.segments.stages, setting[2], strict=False):
        rows, need = workspace.ablation_rows(stage, value[:1]), row_bytes(stage, value[:1], kept=True) * 5 / 4
        assert 1 <= rows <= SETS
        assert rows == 1 or rows * need <= memory // 2 - workspace.tables
        assert rows == SETS or 2 * rows * need > memory // 2 - workspace.tables


def test_a_little_more_or_less_memory_changes_no_rows(setting):
    stage, row = setting[0].forward.segments.stages[0], setting[2][0][:1]
    found = {replace(setting[0], memory=m).ablation_rows(stage, row) for m in range(10**7, 2 * 10**7, 10**5)}
    assert len(found) <= 4


@pytest.mark.slow
def test_the_engine_runs_so_many(setting):
    example = pictures(1, 64)
    workspace = Workspace.set_up(
        cut(resnet18(64), ["layer3.1", "layer4.0", "fc"], example), setting[0].grid, 10**8, example
    )
    row = workspace.forward.activations(0, example)
    engine = workspace.ablations(0, row, print)
    assert isinstance(engine, SplitAblation)
    assert 1 < engine.rows.most == workspace.ablation_rows(workspace.forward.segments.stages[0], row) < SETS


def test_before_it_goes_up_it_holds_nothing_and_lets_nothing_go(setting):
    """The search goes down: what the pass has kept stays, all else is made each time it is asked for."""
    workspace, pixels, truth = setting
    sizes = [kept_bytes(workspace.segments, n, PATCHES) for n in range(len(LAYERS))]
    workspace = replace(workspace, keep=sum(sizes))  # a layer that is not kept would fit
    kept = KeptActivations({2, 3}, PATCHES)
    kept.put({n: truth[n] for n in kept.layers}, PATCHES)
    cache = ActivationCache(workspace, pixels, kept)
    for layer in range(len(LAYERS) - 2, -1, -1):
        assert torch.allclose(cache.activations(layer, np.arange(PATCHES)), truth[layer], rtol=1e-9, atol=1e-9)
        assert cache.holds(layer) == (layer in {2, 3})
        assert cache.room(layer) == max(workspace.tables, workspace.keep - sizes[2] - sizes[3])
    assert (cache.kept.layers, cache.held.values, cache.layer) == ({2, 3}, {}, -1)
    assert cache.going_up().kept is cache.kept


def test_where_memory_runs_out_fewer_patches_go_through_at_once_from_then_on_and_that_is_told(setting, monkeypatch):
    workspace, pixels, truth = setting
    told, made = list[str](), Workspace.activations

    def small(workspace, pixels, layer, patches):
        if len(patches) > 3:
            raise torch.OutOfMemoryError("no more")
        return made(workspace, pixels, layer, patches)

    monkeypatch.setattr(Workspace, "activations", small)
    cache = ActivationCache(replace(workspace, keep=0), pixels)
    cache.batch.note = told.append
    assert torch.allclose(cache.activations(0, np.arange(PATCHES)), truth[0], rtol=1e-9, atol=1e-9)
    assert told == ["out of memory with 7 rows at once: going on with 3"]
    up = cache.going_up()
    assert up.batch.most == 3
    up.ablations(0, print)
    assert up.batch.note is print
