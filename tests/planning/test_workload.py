"""Counts of a run as pure functions, against naive ones."""

import numpy as np
import pytest

from neurflow_report.analysis.layer_tests import _Plan
from neurflow_report.planning import workload
from neurflow_report.results.records import CoreScore, Neuron
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.load import load_spec


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
@pytest.mark.parametrize("width", [3, 12, 300])
def test_as_many_sets_are_counted_as_the_run_draws_where_all_core_sets_are_full(write_spec, preset, width):
    spec = load_spec(write_spec(fidelity={"preset": preset}), ()).spec
    tau = min(spec.core.tau, width - 1)
    core = tuple(CoreScore(channel=c, score=1.0) for c in range(tau))
    neurons = [Neuron.model_construct(channel=c, core=core) for c in range(5)]
    sets = _Plan.draw(sizes(spec.fidelity), neurons, width, np.random.default_rng(0)).sets
    counted = workload.removals(sizes(spec.fidelity), spec.core.tau, width, len(neurons))
    assert len(sets) <= len(counted)
    assert set(sets.sum(axis=1)) == set(counted)


@pytest.mark.parametrize(("patches", "k", "targets"), [(1000, 50, 1), (1000, 50, 20), (1000, 50, 400), (60, 50, 3)])
def test_how_many_patches_concepts_hold_that_are_drawn_at_random(patches, k, targets):
    random, found = np.random.default_rng(0), []
    for _ in range(20):
        drawn = [random.choice(patches, k, replace=False) for _ in range(targets)]
        found.append(len(np.unique(np.concatenate(drawn))))
    assert workload.distinct(patches, k, targets) == pytest.approx(np.mean(found), rel=0.05)


def test_how_many_patches_concepts_hold_of_which_the_share_is_known():
    assert workload.distinct(1000, 50, 10, 0.4) == 200
    assert workload.distinct(1000, 50, 10, 0.01) == 50
    assert workload.distinct(100, 50, 10, 0.9) == 100
    assert workload.distinct(1000, 50, 0) == 0


def test_an_explained_picture_takes_its_groups_their_sets_and_what_ifs_and_the_search():
    assert workload.explained_rows(0) == 2 + 1 + workload.ATTRIBUTED
    assert workload.explained_rows(7) == 2 + 7 + 32 + 7 * 100 + 7 * 6 + workload.ATTRIBUTED
    assert workload.explained_rows(50) == 2 + 50 + 32 + 50 * 100 + 12 * 6 + workload.ATTRIBUTED
