"""τ by certificate through the whole path: what is certified is what F1 measures, and the circuit has this τ."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from neurflow_report.analysis.certify import certify
from neurflow_report.analysis.run import analyze
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.pages.certified import certificate_table, certificate_words
from neurflow_report.fidelity.certificates import chosen_tau
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.contradictions import contradictions
from neurflow_report.spec.load import load_spec
from neurflow_report.verification.derived import contradicted, unjudged
from tests.small_spec import SMALL, merged


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certified")
    changes = {
        "data": {"limit": 40},
        "classes": ["firebell"],
        "layers": ["block4", "fc"],
        "core": {"tau": "auto", "largest": 3, "enough": 0.5, "false_alarms": 0.5},
        "fidelity": {"experiments": ["masking", "deletions"], "taus": [1, 2, 3]},
        "output": str(folder / "out"),
    }
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump(merged(SMALL, changes)), encoding="utf-8")
    return analyze(load_spec(file), progress=Silent())


@pytest.mark.slow
def test_what_is_certified_is_what_is_measured_and_the_circuit_has_its_tau(bundle: Path) -> None:
    found = read_bundle(bundle)
    run, (result,) = found.run, found.classes
    tau = chosen_tau(result.certificates, 3)
    assert run.settings.automatic
    assert run.settings.tau == 3
    assert [c.layer for c in result.certificates] == ["block4"]
    assert max(len(n.core) for layer in result.layers for n in layer.neurons) == tau
    assert max(m.tau for m in result.two_sided) == tau
    rows = {
        (m.layer, m.tau): m
        for m in result.two_sided
        if m.mode == "retain" and m.ablation == "mean" and not m.cumulative
    }
    compared = 0
    for c in result.certificates:
        for one in c.tried:
            if (row := rows.get((c.layer, one.tau))) is not None:
                assert (one.size, one.tpr, one.fpr) == (row.size, pytest.approx(row.tpr), pytest.approx(row.fpr))
                assert (c.n, c.others) == (row.n, row.others)
                compared += 1
    assert compared
    neurons = {(layer.name, n.channel) for layer in result.layers[:-1] for n in layer.neurons}
    assert {(m.layer, m.channel) for m in result.measures if m.channel is not None} == neurons
    index = Index(run, result)
    words = " ".join(certificate_words(index))
    assert words.startswith("τ is automatic. The core of a layer alone")
    table = certificate_table(index)
    assert table is not None
    assert [row[0].text for row in table.rows] == ["block4"]


@pytest.mark.slow
def test_a_bundle_of_it_is_in_order(bundle: Path) -> None:
    found = read_bundle(bundle)
    given = (found.run, found.classes, found.manifest)
    assert list(contradictions(*given[:2])) == []
    assert [(c.place, c.message) for c in (*contradicted(*given), *unjudged(*given[:2]))] == []


def test_on_the_pictures_that_the_core_was_found_on_nothing_is_certified() -> None:
    class Layer:
        name, channels, neurons = "block4", 8, ("n",)

    class Found:
        held, measured, of_others = None, torch.zeros(16, 3, 8, 8), torch.zeros(9, 3, 8, 8)

    circuit = SimpleNamespace(layers=[Layer(), Layer()])
    (one,) = certify(Found(), circuit)  # type: ignore[arg-type]
    assert (one.tau, one.n, one.others, one.tried) == (None, 0, 9, ())
