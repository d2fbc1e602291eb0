"""A circuit on pictures that it was not found on: patches and groups against a naive rewrite; a run says n of both."""

from __future__ import annotations

import numpy as np
import pytest

from neurflow_report.analysis.held_out import with_patches
from neurflow_report.analysis.run import analyze
from neurflow_report.errors import InputErrors, ReportError
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.records import LayerResult, Member, Neuron, NeuronGroup, SemanticGroup
from neurflow_report.spec.load import load_spec
from tests.sample_bundle import sample_bundle


def layer_of(random, phi):
    """A layer with two neurons: their 12 strongest patches in three groups as they come."""
    neurons = []
    for channel in (1, 3):
        concept = np.argsort(-phi[:, channel], kind="stable")[:12]
        groups = tuple(
            SemanticGroup(index=j + 1, patches=tuple(concept[j::3].tolist()), activation=1.0, edges=())
            for j in range(3)
        )
        neurons.append(
            Neuron(
                layer="b", channel=channel, concept=tuple(concept.tolist()), activations=(1.0,) * 12, core=(),
                gap_mean=None, gap_max=None, nodes=None, silhouette=None, groups=groups, dead=False,
            )
        )  # fmt: skip
    members = [Member(channel=c, semantic=j) for c in (1, 3) for j in (1, 2, 3)]
    groups = tuple(
        NeuronGroup(layer="b", index=g + 1, members=tuple(members[g::2]), patches=(0,), share=0.5) for g in range(2)
    )
    return LayerResult(name="b", channels=4, neurons=tuple(neurons), groups=groups, silhouette=None)


@pytest.mark.parametrize("seed", range(5))
def test_the_strongest_patches_go_to_the_nearest_group(seed):
    random = np.random.default_rng(seed)
    found_on = [random.normal(size=(40, 3)), random.normal(size=(40, 4))]
    held = [random.normal(size=(20, 3)), random.normal(size=(20, 4))]
    before = layer_of(random, found_on[1])
    after = with_patches(before, 1, found_on, held)
    for neuron, found in zip(before.neurons, after.neurons, strict=True):
        strongest = sorted(range(20), key=lambda p: (-held[1][p, neuron.channel], p))[:6]  # 12 · 20 / 40
        assert found.concept == tuple(strongest)
        assert found.activations == tuple(held[1][p, neuron.channel] for p in strongest)
        centres = {g.index: np.mean([found_on[0][p] for p in g.patches], axis=0) for g in neuron.groups}
        nearest = {
            p: min(centres, key=lambda j: sum((held[0][p][c] - centres[j][c]) ** 2 for c in range(3)))
            for p in strongest
        }
        expected = {j: tuple(p for p in strongest if nearest[p] == j) for j in centres}
        assert {g.index: g.patches for g in found.groups} == {j: some for j, some in expected.items() if some}
    kept = {(n.channel, g.index) for n in after.neurons for g in n.groups}
    for group, left in zip(before.groups, after.groups, strict=True):
        assert left.members == tuple(m for m in group.members if (m.channel, m.semantic) in kept)


@pytest.mark.slow
def test_a_run_says_n_of_both_and_measures_on_pictures_it_has_not_seen(write_spec):
    fidelity = {"experiments": ["masking", "edges", "stability"], "draws": 5, "taus": [3]}
    file = write_spec(data={"limit": 40}, classes=["firebell"], concept={"k": 12, "scales": [1.0]}, fidelity=fidelity)
    bundle = read_bundle(analyze(load_spec(file), progress=Silent()))
    (result,) = bundle.classes
    held = [p.held_out for p in result.pictures]
    assert held == [False] * 20 + [True] * 20
    assert len({p.sha256 for p in result.pictures}) == 40
    assert {m.n for m in result.masking} == {20}
    assert {(m.n, m.others) for m in result.two_sided} == {(20, 80)}
    assert len(result.others) == len(set(result.others)) == 80
    assert not set(result.others) & {p.name for p in result.pictures}
    assert result.candidates == 20
    assert {p.image for p in result.patches} <= set(range(20))
    assert all(p.file is None for p in result.pictures if p.held_out)
    assert {m.experiment for m in result.measures} == {"edges", "stability"}
    assert (bundle.run.data.holdout, bundle.run.data.others) == (0.5, 4)


@pytest.mark.slow
def test_without_a_holdout_all_pictures_serve_both(write_spec):
    file = write_spec(data={"limit": 40, "holdout": 0}, classes=["firebell"], concept={"k": 12, "scales": [1.0]})
    (result,) = read_bundle(analyze(load_spec(file), progress=Silent())).classes
    assert not any(p.held_out for p in result.pictures)
    assert {m.n for m in result.masking} == {40}
    assert result.candidates == 40


@pytest.mark.parametrize("share", [-0.1, 0.95, "half"])
def test_a_share_out_of_range(write_spec, share):
    with pytest.raises((ReportError, InputErrors), match=r"data\.holdout"):
        load_spec(write_spec(data={"holdout": share}))


@pytest.mark.slow
def test_too_few_patches_where_pictures_are_held_out(write_spec):
    file = write_spec(data={"limit": 40}, classes=["firebell"], concept={"k": 30, "scales": [1.0]})
    with pytest.raises(ReportError, match=r"has 20 patches from 20 pictures \(20 more are held out\), and a concept"):
        analyze(load_spec(file), progress=Silent())


def test_bundles_before_hold_nothing_out():
    run, results, *_ = sample_bundle()
    assert (run.data.holdout, run.data.others) == (0.0, 0)
    assert not any(p.held_out for one in results for p in one.pictures)
