"""A whole analysis by a device's ways, on a processor: large blocks, several patches at a time, TF32 tried first."""

import pytest

from neurflow_report.analysis.run import analyze
from neurflow_report.network import devices
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.setup import precision
from neurflow_report.spec.load import load_spec


def analysed(file, output):
    return read_bundle(analyze(load_spec(file, [f"output={output}"]), progress=Silent()).parent)


@pytest.mark.slow
def test_it_finds_the_same(write_spec, tmp_path, monkeypatch):
    file = write_spec(fidelity={"preset": "standard"})
    usual = analysed(file, tmp_path / "usual")
    monkeypatch.setattr(devices, "is_host", lambda _device: False)
    monkeypatch.setattr(precision, "has_tf32", lambda _device: True)
    found = analysed(file, tmp_path / "found")
    assert found.run.settings.precision == "tf32"
    assert {(r.error, r.core) for r in found.run.roundings} == {(0.0, 1.0)}  # a processor rounds as ever
    for mine, theirs in zip(found.classes, usual.classes, strict=True):
        assert cores(mine) == cores(theirs)
        assert [m.accuracy for m in mine.masking] == [m.accuracy for m in theirs.masking]
        assert [m.value for m in mine.measures] == pytest.approx([m.value for m in theirs.measures], abs=1e-5)
        assert [c.verdict for c in mine.claims] == [c.verdict for c in theirs.claims]


def cores(found):
    return [[{s.channel for s in n.core} for n in layer.neurons] for layer in found.layers]
