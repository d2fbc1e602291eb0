"""Counts of a run, as pure functions, against what a small run really does: every call is counted where it is made."""

import numpy as np
import pytest

from neurflow_report.analysis import layer_tests, masking_passes
from neurflow_report.analysis.run import analyze
from neurflow_report.fidelity import critical, edges, methods, stability
from neurflow_report.planning import workload
from neurflow_report.planning.calibrate import ExpectedLayer
from neurflow_report.planning.records import PlannedClass
from neurflow_report.planning.tasks import Place, Tasks, used
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.setup.preflight import preflight
from neurflow_report.spec.load import load_spec

FIDELITY = {
    "experiments": ["masking", "optimality", "weights", "methods", "critical", "concepts", "stability", "edges"],
    "taus": [1, 3], "draws": 5, "targets": 2, "optimality_draws": 6, "weight_draws": 7, "sizes": [1, 4], "ks": [8, 20],
    "methods": ["saliency", "SmoothGrad"], "method_targets": 1, "noise_draws": 2, "patches": 0,
}  # fmt: skip


class Counts:
    """What the run does, counted as it is called."""

    def __init__(self, monkeypatch):
        self.of = dict[object, float]()
        self._wrap(monkeypatch, masking_passes, "masked_logits", self._masked)
        self._wrap(monkeypatch, layer_tests.LayerTests, "ablate", self._knocked)
        self._wrap(monkeypatch, edges, "edge_drops", self._edges)
        self._wrap(monkeypatch, layer_tests, "attributions", self._attributed)
        self._wrap(monkeypatch, methods, "scores", self._scored)
        self._wrap(monkeypatch, stability, "partition", lambda *_args: self.add("clusterings", 1))
        self._wrap(monkeypatch, stability, "partitions", lambda sets, _most: self.add("clusterings", len(sets)))
        self._wrap(monkeypatch, critical, "marginal_contributions", lambda _above, x, *_: self.add("marginal", len(x)))
        self._wrap(monkeypatch, critical, "neucept", self._knockoffs)

    def _wrap(self, monkeypatch, owner, name, counted):
        original = getattr(owner, name)

        def called(*args, **options):
            counted(*args)
            return original(*args, **options)

        monkeypatch.setattr(owner, name, called)

    def add(self, what, count):
        self.of[what] = self.of.get(what, 0) + count

    def _masked(self, segments, layer, _engine, activation, keep):
        self.add("masked", len(activation) * len(keep[0]) * (2 if len(keep) > 1 else 1))

    def _knocked(self, tests, _step):
        self.add("knocked", len(tests.plan.sets) * len(tests.rows) * len(tests.channels))

    def _edges(self, upper, lower, *_):
        patches = {p for n in upper.neurons for p in n.concept}
        self.add("edges", (1 + len(lower.groups)) * len(patches) * len(upper.neurons))

    def _attributed(self, _quadrature, _hop, below, _core, wanted, *_):
        self.add(("attributed", below), wanted.size)

    def _scored(self, method, _segment, activations, *_):
        self.add(method, len(activations))

    def _knockoffs(self, _layer, _core, activations, *_):
        self.add("knockoffs", min(len(activations), 2000))


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """(spec, place, bundle, counts) of a small run with every experiment."""
    import yaml

    from tests.small_spec import SMALL, merged

    folder = tmp_path_factory.mktemp("run")
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump(merged(SMALL, {"output": str(folder / "out"), "fidelity": FIDELITY})))
    loaded = load_spec(file)
    with pytest.MonkeyPatch.context() as patched:
        counts = Counts(patched)
        bundle = read_bundle(analyze(loaded, progress=Silent()))
    workspace = preflight(load_spec(file, (f"output={folder / 'other'}",)), progress=Silent()).workspace
    place = Place(
        segments=workspace.segments, keep=workspace.keep, tables=workspace.tables, forward_rows=workspace.forward_rows
    )
    return loaded.spec, place, bundle, counts.of


def tasks_of(spec, place, one):
    """The tasks of one class of a bundle: what was found is known."""
    found = [
        ExpectedLayer(
            targets=len(layer.neurons),
            groups=np.mean([len(n.groups) for n in layer.neurons]),
            parted=np.mean([len(n.groups) > 1 for n in layer.neurons]),
            distinct=len({p for n in layer.neurons for p in n.concept}) / (spec.concept.k * len(layer.neurons)),
            seen=True,
        )
        for layer in one.layers
    ]
    classes = (
        PlannedClass(
            name=one.name, index=one.index, pictures=len(one.pictures), patches=one.candidates, others=len(one.others)
        ),
    )  # fmt: skip
    return Tasks(place=place, spec=spec, found=found, classes=classes)


def total(small_run, of):
    spec, place, bundle, _ = small_run
    return sum(of(tasks_of(spec, place, one), one) for one in bundle.classes)


def features(kind, case=""):
    def of(tasks, _one):
        every = used(tasks.all(0))
        return sum(some[-1] for (k, _, c), some in every.items() if k == kind and c == case)

    return of


def test_masked_pictures(small_run):
    def of(tasks, one):
        return workload.masked_pictures(5, len(one.pictures), 2, tasks.place.top, len(one.others))

    assert small_run[3]["masked"] == total(small_run, of)
    assert sum(task.amount for one in small_run[2].classes for task in tasks_of(*small_run[:2], one).all(0)
               if task.name == "masking") == small_run[3]["masked"]  # fmt: skip


def test_knock_outs(small_run):
    """Sets that were drawn twice are run once: a little less than counted."""

    def of(tasks, _one):
        passes = [tasks.knocking(number, tasks.classes[0]) for number in (1, 2)]
        return sum(len(p.removed) * p.ranked * p.tested for p in passes)

    assert 0.85 * total(small_run, of) <= small_run[3]["knocked"] <= total(small_run, of)


def test_knock_outs_of_the_edges(small_run):
    """How many groups a layer has only the run knows; the patches and the targets are exact."""

    def of(tasks, one):
        found = 0.0
        for number in (1, 2):
            layer, groups = tasks.found[number], len(one.layers[number - 1].groups)
            patches = workload.distinct(one.candidates, tasks.spec.concept.k, layer.targets, layer.distinct)
            found += (1 + groups) * patches * layer.targets
        return found

    assert small_run[3]["edges"] == pytest.approx(total(small_run, of))


def test_edges_use_the_knock_outs_of_their_layer(small_run):
    spec, place, bundle, _ = small_run
    tasks = tasks_of(spec, place, bundle.classes[0])
    edges = {task.name: task for task in tasks.all(0)}["knock-outs for the edges at block4"]
    ((key, (batches, _, sets, pairs)),) = edges.uses
    assert key == ("knock-outs", 1, "")
    assert sets == (1 + tasks.neuron_groups(0)) * batches
    assert pairs == sets * tasks.found[1].targets


def test_attributions(small_run):
    for number in (1, 2):

        def of(tasks, one, number=number):
            tested = min(len(one.layers[number].neurons), 2)
            return tested * workload.depth(tasks.size, tasks.spec.concept.k, one.candidates)

        assert small_run[3]["attributed", number - 1] == total(small_run, of)


def test_attribution_methods(small_run):
    for name in ("saliency", "SmoothGrad"):
        assert small_run[3][name] == total(small_run, features("methods", name))


def test_clusterings(small_run):
    def of(tasks, _one):
        return next(task.amount for task in tasks.all(0) if task.name == "stability")

    assert small_run[3]["clusterings"] == pytest.approx(total(small_run, of), abs=4)


def test_critical_neurons(small_run):
    assert small_run[3]["marginal"] == total(small_run, features("marginal contributions"))
    assert small_run[3]["knockoffs"] == total(small_run, features("knockoffs"))
