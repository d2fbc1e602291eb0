"""The memory budget holds from the first batch on."""

from neurflow_report.demo.cnn import SmallCnn
from neurflow_report.pipeline.progress import Silent
from neurflow_report.pipeline.stages import analyze
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.load import load_spec


def test_predicting_keeps_to_the_budget_and_looks_at_the_same_pictures(write_spec, monkeypatch):
    seen, forward = [], SmallCnn.forward

    def watched(self, x):
        if isinstance(x.shape[0], int):  # while it is traced, there is no number
            seen.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(SmallCnn, "forward", watched)
    found = {}
    for memory, most in (("5MB", 2), ("500MB", 64)):
        seen.clear()
        spec = load_spec(write_spec(runtime={"memory": memory}, classes=["firebell"], fidelity={"experiments": []}))
        found[memory] = read_bundle(analyze(spec, progress=Silent())).run.data
        assert max(seen) == most
    assert found["5MB"] == found["500MB"]
