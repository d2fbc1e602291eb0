"""All experiments in one small run: what is recorded, that it is the same twice, and what is said of what cannot be
run."""

from __future__ import annotations

import pytest
import torch

from neurflow_report.analysis.run import analyze
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.network.reinitialise import reinitialised
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.catalogue import CLAIMS
from neurflow_report.results.flow import drawn_edges
from neurflow_report.spec.load import load_spec

pytestmark = pytest.mark.slow
ALL = [
    "masking", "optimality", "weights", "methods", "critical", "concepts", "stability", "edges", "polysemanticity",
    "channels", "causal", "quality", "deletions", "ranges",
]  # fmt: skip
SIZES = {
    "experiments": ALL, "taus": [3], "draws": 4, "targets": 2, "optimality_draws": 6, "weight_draws": 10,
    "patches": 20, "sizes": [1, 5, 500], "methods": ["saliency", "LRP"], "method_targets": 1, "ks": [8, 14, 900],
    "noise_draws": 2, "edge_draws": 25, "quality_targets": 2,
    "controls": ["random_weights"], "thresholds": {"edges": {"supported": 0.99}},
}  # fmt: skip


def run(write_spec, name="spec.yaml", **changes):
    file = write_spec(name, fidelity=SIZES | changes, classes=["firebell"])
    return read_bundle(analyze(load_spec(file), progress=Silent()))


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """`write_spec` of conftest, for a bundle that all tests of this file share."""
    import yaml

    from tests.small_spec import SMALL, merged

    def write_spec(name="spec.yaml", **changes):
        folder = tmp_path_factory.mktemp("evidence")
        spec = merged(SMALL | {"output": str(folder / "out")}, changes)
        (folder / name).write_text(yaml.safe_dump(spec, sort_keys=False))
        return folder / name

    return write_spec


@pytest.fixture(scope="module")
def found(write):
    return run(write)


def test_every_experiment_has_figures_with_interval_n_and_unit(found):
    (result,) = found.classes
    kinds = {m.experiment for m in result.measures}
    assert kinds == set(ALL) - {"masking"}
    for m in result.measures:
        assert m.low <= m.value + 1e-9, m
        assert m.value <= m.high + 1e-9, m
        assert m.n > 0
        assert m.unit
        assert -1 <= m.low <= m.high
        assert m.high <= 1 or m.experiment == "quality"  # infidelity has no upper end
    assert {m.case for m in result.measures if m.experiment == "critical"} == {"NeuronMCT", "NeuCEPT"}
    assert {m.case for m in result.measures if m.experiment == "methods"} == {
        "integrated gradients", "saliency", "LRP",
    }  # fmt: skip
    assert {m.setting for m in result.measures if m.experiment == "weights"} == {1, 5}
    assert {m.setting for m in result.measures if m.experiment == "concepts"} == {8, 14}
    assert all(-10 < d.drop <= 10 for d in result.edge_drops)
    assert result.edge_drops
    drawn = {(e.upper_layer, e.upper, e.lower_layer, e.lower) for e in drawn_edges(result.layers)}
    assert {(e.upper_layer, e.upper, e.lower_layer, e.lower) for e in result.edge_effects} <= drawn
    assert all(e.p_value <= e.q_value <= 1 and 19 <= e.sets <= 25 for e in result.edge_effects)
    assert result.edge_effects
    assert [(row.layer, row.channels) for row in result.census] == [("block3", 128), ("block4", 128)]


def test_what_does_not_fit_is_told(found):
    told = {(n.experiment, n.reason) for n in found.classes[0].not_run}
    assert ("weights", "sets of 500: the layer below has 128 channels") in told
    assert ("concepts", "k over 40, the number of the class's patches") in told


def test_every_claim_has_a_verdict_and_the_spec_s_threshold(found):
    (result,) = found.classes
    assert {c.claim for c in result.claims} == set(CLAIMS)
    limit = next(t for t in found.run.settings.thresholds if t.claim == "edges")
    assert (limit.supported, limit.against, limit.source) == (0.99, 0.99, "set in the spec")
    for c in result.claims:
        assert c.verdict == "not run" or c.figure is not None
        assert c.q_value is None or c.q_value >= c.p_value


def test_the_control_is_of_the_same_shape_on_another_network(found):
    (result,) = found.classes
    (control,) = result.controls
    assert control.name == "random_weights"
    assert control.logit_name in NETWORKS["flowers"].class_names
    assert {m.experiment for m in control.measures} <= {m.experiment for m in result.measures}
    assert control.masking[0].baseline >= 1 / 4
    assert control.masking != result.masking
    assert control.claims


@pytest.mark.slow
def test_the_same_spec_gives_the_same_evidence(found, write):
    again = run(write)
    assert again.classes[0].measures == found.classes[0].measures
    assert again.classes == found.classes


@pytest.mark.slow
def test_missing_packages_are_no_failure(write, monkeypatch):
    monkeypatch.setattr("neurflow_report.fidelity.methods.find_spec", lambda _name: None)
    lean = run(write, experiments=["methods", "weights"], controls=[])
    reasons = {n.case: n.reason for n in lean.classes[0].not_run if n.case == "saliency"}
    assert reasons == {
        "saliency": "needs the Python package captum: pip install 'neurflow-report[run]'",
    }
    rows = {(c.claim, c.case): c for c in lean.classes[0].claims}
    assert rows["best_method", ""].verdict == "not run"


def test_reinitialising_leaves_the_network_alone_and_undoes_the_training():
    network = NETWORKS["flowers"].build()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    fresh, again = (reinitialised(network, seed=3) for _ in range(2))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not torch.equal(fresh.block1[0].weight, network.block1[0].weight)
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), again.parameters(), strict=True))
    assert not fresh.training


def test_a_bare_parameter_is_shuffled():
    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.arange(50.0))

    fresh = reinitialised(Bare(), seed=0)
    assert sorted(fresh.scale.tolist()) == list(range(50))
    assert fresh.scale.tolist() != list(range(50))
