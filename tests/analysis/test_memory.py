"""The memory budget holds from the first batch on."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from neurflow_report.analysis.run import analyze
from neurflow_report.network.forward import activations
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.load import load_spec


@pytest.mark.slow
def test_predicting_keeps_to_the_budget_and_looks_at_the_same_pictures(write_spec, monkeypatch):
    seen = []

    def watched(segments, layer, pixels):
        seen.append(len(pixels))
        return activations(segments, layer, pixels)

    monkeypatch.setattr("neurflow_report.network.inference.activations", watched)
    found = {}
    for memory, most in (("5MB", 2), ("500MB", 64)):
        seen.clear()
        spec = load_spec(write_spec(runtime={"memory": memory}, classes=["firebell"], fidelity={"experiments": []}))
        found[memory] = read_bundle(analyze(spec, progress=Silent())).run.data
        assert max(seen) == most
    assert found["5MB"] == found["500MB"]


class Noting:
    """A progress that keeps the notes of each stage."""

    def __init__(self):
        self.said = {}

    @contextmanager
    def stage(self, name, _total):
        step = SilentStep()
        step.note = lambda text: self.said.setdefault(name.rpartition(": ")[2], []).append(text)
        yield step


@pytest.mark.slow
def test_where_memory_runs_out_the_batch_is_halved_and_the_same_is_found(write_spec, monkeypatch):
    spec = write_spec(classes=["firebell"], layers=["block2", "block3", "block4", "fc"])
    plenty = read_bundle(analyze(load_spec(spec), progress=Silent())).classes[0]
    forward, progress = nn.Conv2d.forward, Noting()

    def bounded(self, x):
        if isinstance(x.shape[0], int) and x.shape[0] > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", bounded)
    little = read_bundle(analyze(load_spec(spec), progress=progress)).classes[0]
    assert {"choose pictures", "patches", "neurons of block4", "masking"} <= set(progress.said)
    assert progress.said["patches"][-1] == "out of memory with 10 rows at once: going on with 5"
    assert [m.accuracy for m in plenty.masking] == [m.accuracy for m in little.masking]
    for a, b in zip(plenty.layers, little.layers, strict=True):
        assert [(n.channel, n.concept) for n in a.neurons] == [(n.channel, n.concept) for n in b.neurons]
