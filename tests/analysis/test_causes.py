"""What margins rest on, against a naive rewrite in float64 and Captum, on the demo's network."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from neurflow_report.analysis import causes as passes
from neurflow_report.analysis.causes import Margins, explain
from neurflow_report.analysis.class_circuit import find_circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.attribution.integrated_gradients import Quadrature
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.errors import RunError
from neurflow_report.images.patches import PatchGrid, crops
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.records import ClassResult, Member
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec
from tests.oracles.networks import demo

pytestmark = pytest.mark.slow
LAYERS = ["block2", "block3", "block4", "fc"]
NAMES = DATASET.class_names
CLASS = NAMES.index("emberwort")
SPEC = Spec.model_validate(
    {
        "version": 1, "title": "t", "model": {"source": "demo", "name": "flowers"}, "data": {"source": "demo"},
        "classes": [CLASS], "layers": LAYERS, "concept": {"k": 10, "scales": (1.0, 0.5)}, "core": {"tau": 3},
    }
)  # fmt: skip
FINE = Quadrature(nodes=8, max_nodes=64, tolerance=1e-4)


def inputs(*pictures):
    return torch.stack([to_input(one, NETWORKS["flowers"].preprocess)[0] for one in pictures]).double()


@pytest.fixture(scope="module")
def workspace():
    pixels = inputs(*(DATASET.draw(CLASS, n)[0] for n in range(2)))
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    return Workspace.set_up(cut(demo(), LAYERS, pixels), grid, 500_000_000, pixels)


@pytest.fixture(scope="module")
def result(workspace):
    pixels = inputs(*(DATASET.draw(CLASS, n)[0] for n in range(5)))
    run = ClassRun.of(workspace, SPEC, pixels, logit=CLASS, name="x", progress=Silent())
    return ClassResult.model_construct(index=CLASS, layers=find_circuit(run).layers)


@pytest.fixture(scope="module")
def margins():
    """Three pictures of other classes against their truth, one of its own against another."""
    wrong = [DATASET.draw(c, 7)[0] for c in (0, 2, 9)]
    pixels = inputs(*wrong, DATASET.draw(CLASS, 8)[0])
    return Margins(pixels=pixels, p=[CLASS] * 4, q=[0, 2, 9, 0], seeds=[1, 2, 3, 4])


def explained(workspace, result, margins, quadrature=FINE):
    return explain(workspace, result, margins, quadrature=quadrature, names=NAMES, seed=0, step=SilentStep())


@pytest.fixture(scope="module")
def found(workspace, result, margins):
    return explained(workspace, result, margins)


def above(workspace, number):
    return workspace.segments.between(number, len(LAYERS) - 1)


def below(workspace, number, pixels):
    value = workspace.segments.stem(pixels)
    for stage in workspace.segments.stages[:number]:
        value = stage(value)
    return value


def parts(neuron, group):
    """p(i, G), counted."""
    own = {m.semantic for m in group.members if m.channel == neuron.channel}
    inside = sum(len(g.patches) for g in neuron.groups if g.index in own)
    return inside / sum(len(g.patches) for g in neuron.groups)


def test_the_parts_add_up_to_the_margin(found):
    for margin, layers in found:
        for layer in layers:
            total = sum(c.foretold for c in layer.causes) + layer.outside + layer.baseline
            assert total == pytest.approx(margin, rel=1e-5)
            assert layer.rest == pytest.approx(0, abs=1e-9)


def test_s_is_the_margin_s_integrated_gradients_by_captum(found, workspace, result, margins):
    one_hot = partial(torch.nn.functional.one_hot, num_classes=len(NAMES))
    signs = (one_hot(torch.tensor(margins.p)) - one_hot(torch.tensor(margins.q))).double()
    for at, number in enumerate((2, 1, 0)):
        full = below(workspace, number, margins.pixels)
        network = above(workspace, number)
        method = IntegratedGradients(lambda x, signs, network=network: (network(x) * signs).sum(dim=1))
        t = method.attribute(full, additional_forward_args=signs, n_steps=400, method="gausslegendre").detach()
        t = t.sum(dim=(2, 3))
        layer = result.layers[number]
        for n, (_, layers) in enumerate(found):
            size = float(t[n].abs().sum())
            for cause in layers[at].causes:
                group = next(g for g in layer.groups if g.index == cause.group)
                naive = sum(float(t[n, a.channel]) * parts(a, group) for a in layer.neurons)
                assert cause.foretold == pytest.approx(naive, abs=2e-3 * size)


@torch.no_grad()
def knocked_out(workspace, number, full, channels):
    full = full.clone()
    full[:, sorted(channels)] = 0
    return above(workspace, number)(full)[0].numpy()


def test_knock_outs_what_ifs_and_flips_are_those_done_one_by_one(found, workspace, result, margins):
    for at, number in enumerate((2, 1, 0)):
        members = {g.index: {m.channel for m in g.members} for g in result.layers[number].groups}
        for n, (margin, layers) in enumerate(found):
            full, p, q = below(workspace, number, margins.pixels[n : n + 1]), margins.p[n], margins.q[n]

            def without(*groups, full=full, number=number, members=members):
                return knocked_out(workspace, number, full, set().union(*(members[g] for g in groups)))

            for cause in layers[at].causes:
                z = without(cause.group)
                assert cause.measured == pytest.approx(margin - (z[p] - z[q]), abs=1e-8)
                assert cause.without == NAMES[z.argmax()]
            for bits, what_if in enumerate(layers[at].what_ifs):
                removed = [g for place, g in enumerate(layers[at].largest) if bits >> place & 1]
                z = without(*removed)
                assert what_if.removed == tuple(removed)
                assert what_if.predicted == NAMES[z.argmax()]
                assert what_if.margin == pytest.approx(z[p] - z[q], abs=1e-8)
            naive = greedy(layers[at], without, p)
            flip = layers[at].flip
            assert (None if flip is None else list(flip.removed)) == naive
            if flip is not None:
                assert flip.predicted == NAMES[without(*naive).argmax()] != NAMES[p]


def greedy(layer, without, p):
    """Take away the group that leaves p the least ahead, until it is not ahead."""
    tried = [c.group for c in sorted(layer.causes, key=lambda c: -c.foretold) if c.foretold > 0][:12]
    taken = []
    while tried and len(taken) < 6:
        ahead = {}
        for g in tried:
            z = without(*taken, g)
            ahead[g] = z[p] - max(np.delete(z, p))
        best = min(tried, key=ahead.get)
        taken.append(best)
        tried.remove(best)
        if ahead[best] < 0:
            return taken
    return None


def test_presence_is_that_of_the_crops(found, workspace, result, margins):
    grid = workspace.grid
    for at, number in enumerate((2, 1, 0)):
        layer = result.layers[number]
        usual = {a.channel: np.mean(a.activations) for a in layer.neurons}
        for n, (_, layers) in enumerate(found):
            patches = crops(margins.pixels[n : n + 1], np.arange(grid.per_image), grid)
            phi = below(workspace, number, patches).mean(dim=(2, 3)).numpy()
            for cause in layers[at].causes:
                group = next(g for g in layer.groups if g.index == cause.group)
                own = [c for c in {m.channel for m in group.members} if usual[c] > 0]
                ratios = [[max(row[c] / usual[c], 1e-6) for c in own] for row in phi]
                naive = max(np.prod(row) ** (1 / len(own)) for row in ratios)
                assert cause.presence == pytest.approx(naive, rel=1e-5)


def test_tests_stand_beside_all_groups_that_foretell_something(found):
    for _, layers in found:
        for layer in layers:
            tested = {c.group for c in layer.causes if c.p_value is not None}
            assert tested <= {c.group for c in layer.causes if c.foretold}
            for cause in layer.causes:
                if cause.group in tested:
                    assert cause.sets >= 19
                    assert cause.null_low <= cause.null <= cause.null_high
                    assert cause.p_value <= cause.q_value <= 1
                    assert 1 / (1 + cause.sets) <= cause.p_value


def test_a_picture_s_figures_do_not_depend_on_those_beside_it(found, workspace, result, margins):
    alone = replace(margins, pixels=margins.pixels[1:2], p=margins.p[1:2], q=margins.q[1:2], seeds=margins.seeds[1:2])
    ((margin, layers),) = explained(workspace, result, alone)
    assert margin == pytest.approx(found[1][0], abs=1e-9)
    for one, other in zip(layers, found[1][1], strict=True):
        assert [c.foretold for c in one.causes] == pytest.approx([c.foretold for c in other.causes], abs=1e-9)
        assert [c.p_value for c in one.causes] == [c.p_value for c in other.causes]
        assert (one.flip and one.flip.removed) == (other.flip and other.flip.removed)


def test_pictures_one_after_the_other_have_the_same_figures(found, workspace, result, margins, monkeypatch):
    monkeypatch.setattr(passes, "AT_ONCE", 1)
    for (_, one), (_, other) in zip(explained(workspace, result, margins), found, strict=True):
        for a, b in zip(one, other, strict=True):
            assert [c.measured for c in a.causes] == pytest.approx([c.measured for c in b.causes], abs=1e-9)
            assert [c.q_value for c in a.causes] == [c.q_value for c in b.causes]


def test_a_segment_that_cannot_be_split_gives_the_same(found, workspace, result, margins, monkeypatch):
    monkeypatch.setattr(passes, "why_not_split", lambda *a, **k: "is off")
    rough = explained(workspace, result, margins, replace(FINE, rule="gauss", nodes=64, max_nodes=64))
    for (_, one), (_, other) in zip(rough, found, strict=True):
        for a, b in zip(one, other, strict=True):
            mine, due = ({c.group: c.foretold for c in x.causes} for x in (a, b))
            size = sum(map(abs, due.values())) + abs(b.outside)
            assert mine == pytest.approx(due, abs=0.01 * size)


def test_a_grey_picture_and_one_without_activations_are_explained(workspace, result):
    pixels = torch.zeros((2, 3, 64, 64), dtype=torch.float64)
    pixels[1] -= 50.0
    found = explained(workspace, result, Margins(pixels=pixels, p=[CLASS, 1], q=[0, 3], seeds=[1, 2]))
    for margin, layers in found:
        for layer in layers:
            total = sum(c.foretold for c in layer.causes) + layer.outside + layer.baseline + layer.rest
            assert total == pytest.approx(margin, abs=1e-8)


def test_a_circuit_that_ended_above_has_all_of_the_margin_outside(workspace, result, margins):
    bare = [layer.model_copy(update={"neurons": (), "groups": ()}) for layer in result.layers[:1]]
    cut_off = ClassResult.model_construct(index=CLASS, layers=(*bare, *result.layers[1:]))
    for margin, layers in explained(workspace, cut_off, margins):
        lowest = layers[-1]
        assert (lowest.causes, lowest.largest, lowest.flip) == ((), (), None)
        assert [w.removed for w in lowest.what_ifs] == [()]
        assert lowest.outside + lowest.baseline == pytest.approx(margin, rel=1e-5)


def test_dead_neurons_and_groups_of_them_carry_nothing(result, margins):
    """Of a neuron that is never active nothing is foretold, nothing measured, and no set is drawn for it."""
    model = demo()
    norm = model.get_submodule("block4")[1]
    norm.weight.data[5], norm.bias.data[5] = 0.0, -1.0
    grid = PatchGrid(size=64, scales=(1.0, 0.5), stride=0.5)
    workspace = Workspace.set_up(cut(model, LAYERS, margins.pixels[:1]), grid, 500_000_000, margins.pixels[:1])
    layer = result.layers[2]
    neuron = layer.neurons[0].model_copy(update={"channel": 5, "activations": (0.0,) * 10})
    members = tuple(Member(channel=5, semantic=g.index) for g in neuron.groups)
    group = layer.groups[0].model_copy(update={"members": members})
    odd = layer.model_copy(update={"neurons": (neuron,), "groups": (group,)})
    other = ClassResult.model_construct(index=CLASS, layers=(*result.layers[:2], odd, *result.layers[3:]))
    for _, layers in explained(workspace, other, margins):
        (cause,) = layers[0].causes
        assert (cause.foretold, cause.measured, cause.presence, cause.p_value) == (0.0, 0.0, None, None)
        assert layers[0].largest == ()


def test_nan_names_the_layer(workspace, result, margins):
    broken = replace(margins, pixels=margins.pixels * torch.nan)
    with pytest.raises(RunError, match="'fc' holds NaN"):
        explained(workspace, result, broken)
