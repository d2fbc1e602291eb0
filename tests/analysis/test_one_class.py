"""Data of one class alone: what cannot be told without pictures of others is said, and nothing takes its place."""

from __future__ import annotations

import pytest

from neurflow_report.analysis.run import analyze
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.load import load_spec


class Noting(Silent):
    """Keeps what is noted."""

    def __init__(self):
        self.notes = []

    def stage(self, *_args, **_options):
        notes = self.notes

        class Step(SilentStep):
            def note(self, text):
                notes.append(text)

        from contextlib import nullcontext

        return nullcontext(Step())


@pytest.mark.slow
def test_enough_is_not_tested_and_the_user_is_told(tmp_path, write_spec):
    folder = tmp_path / "pictures" / NETWORKS["flowers"].class_names[0]
    folder.mkdir(parents=True)
    for n in range(5):
        DATASET.draw(0, n)[0].save(folder / f"{n}.png")
    file = write_spec(
        data={"source": "folder", "root": str(tmp_path / "pictures"), "limit": 4},
        classes=[NETWORKS["flowers"].class_names[0]],
    )
    told = Noting()
    (result,) = read_bundle(analyze(load_spec(file), progress=told)).classes
    assert result.others == result.two_sided == ()
    assert result.masking
    verdicts = {c.claim: (c.verdict, c.reason) for c in result.claims if c.experiment == "masking"}
    unrun = ("not run", "no pictures of other classes")
    assert (verdicts["enough"], verdicts["enough_upward"]) == (unrun, unrun)
    assert verdicts["needed"][0] != "not run"
    note = "no pictures of other classes in the data, so whether the core alone is enough is not tested"
    assert f"{result.name}: {note}" in told.notes
