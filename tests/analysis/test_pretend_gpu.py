"""Whole runs on a GPU that is not there (tests/oracles/pretend_gpu.py): no tensor in the wrong place, and the same is
found as on a processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from neurflow_report.analysis.run import analyze
from neurflow_report.network import kinds
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.results.records import ClassResult
from neurflow_report.spec.load import load_spec
from tests.oracles.pretend_gpu import OnGpu, pretend_gpu

RUNS: dict[str, dict[str, Any]] = {
    "every experiment of standard": {"fidelity": {"preset": "standard", "draws": 5}},
    "explained pictures and facets": {
        "fidelity": {"preset": "quick", "draws": 5}, "facets": {"groups": 1, "steps": 16},
        "debug": {"images": "misclassified"},
    },
    "labels": {"fidelity": {"experiments": ["masking"]}, "labels": {"source": "demo"}, "data": {"limit": 40}},
    "an automatic τ, and random weights": {
        "fidelity": {"experiments": ["masking"], "controls": ["random_weights"]},
        "core": {"tau": "auto", "largest": 4, "enough": 0.3}, "data": {"limit": 40},
    },
}  # fmt: skip


def analysed(file: Path, *changes: str) -> Bundle:
    return read_bundle(analyze(load_spec(file, changes), progress=Silent()).parent)


@pytest.mark.slow
@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_a_run_goes_through_and_finds_the_same(
    write_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(kinds, "_OWN", kinds._OWN | {OnGpu})  # to torch a parameter there is one as ever
    usual = {"experiments": None, "taus": None} | changes["fidelity"]
    spec = {**changes, "fidelity": usual, "classes": ["firebell"], "runtime": {"cache": str(tmp_path / "cache")}}
    file = write_spec(**spec)
    with pretend_gpu():
        there = analysed(file, f"output={tmp_path / 'there'}", "runtime.device=cuda")
    here = analysed(file, f"output={tmp_path / 'here'}")
    assert there.run.settings.device.startswith("cuda")
    for mine, theirs in zip(there.classes, here.classes, strict=True):
        assert cores(mine) == cores(theirs)
        assert [m.accuracy for m in mine.masking] == [m.accuracy for m in theirs.masking]
        assert verdicts(mine) == verdicts(theirs)
        assert values(mine) == pytest.approx(values(theirs), abs=1e-4)
        assert [(one.layer, one.group, one.text) for one in mine.labels] == [
            (one.layer, one.group, one.text) for one in theirs.labels
        ]
        assert [(f.layer, f.channel, f.group) for f in mine.facets] == [
            (f.layer, f.channel, f.group) for f in theirs.facets
        ]


def cores(found: ClassResult) -> list[list[set[int]]]:
    return [[{s.channel for s in n.core} for n in layer.neurons] for layer in found.layers]


UNSTEADY = "NeuCEPT"
"""Which of its neurons a lasso over four pictures chooses, hangs on the last digit."""


def verdicts(found: ClassResult) -> dict[Any, str]:
    """By claim, layer and case; of methods that do equally well any is the second best."""
    kept = [c for c in found.claims if c.case != UNSTEADY]
    return {(c.claim, c.layer, "" if c.claim == "best_method" else c.case): c.verdict for c in kept}


def values(found: ClassResult) -> dict[Any, float]:
    return {
        (m.experiment, m.layer, m.channel, m.case, m.setting): m.value for m in found.measures if m.case != UNSTEADY
    }


def test_what_a_gpu_refuses_is_refused() -> None:
    with pretend_gpu() as waits:
        there, here = torch.arange(4, device="cuda").float(), torch.ones(4)
        assert (there.device.type, (there * 2).device.type, (there.cpu() + here).device.type) == ("cuda", "cuda", "cpu")
        for wrong in (
            lambda: there + here,
            lambda: torch.stack([there, here]),
            lambda: nn.functional.linear(there, torch.ones(2, 4)),
            lambda: there.add_(here),
        ):
            with pytest.raises(RuntimeError, match="same device"):
                wrong()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        before = waits.total()
        assert there.sum().item() == 6
        assert waits.total() == before + 1
        assert nn.Linear(4, 2).to("cuda")(there).device.type == "cuda"
