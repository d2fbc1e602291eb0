"""The demo's network compared with itself at another τ, and with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from neurflow_report import analyze, load_spec
from neurflow_report.comparison.compare import compare
from neurflow_report.comparison.figures import figures
from neurflow_report.comparison.told import findings
from neurflow_report.results.bundle import Bundle, read_bundle
from tests.small_spec import SMALL, merged

WANTED = {
    "data": {"limit": 10, "select": "labelled"},
    "concept": {"scales": [1.0, 0.5, 0.25]},
    "fidelity": {"taus": [1, 2]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    made: dict[str, Bundle] = {}

    def found(name: str, **changes: object) -> Bundle:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            spec = merged(merged(SMALL | {"output": str(folder / "out")}, WANTED), changes)
            (folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
            made[name] = read_bundle(analyze(load_spec(folder / "spec.yaml")))
        return made[name]

    return found


@pytest.mark.slow
def test_two_runs_of_one_spec_are_identical(run: Callable[..., Bundle]) -> None:
    assert compare(run("real"), run("again")).identical


@pytest.mark.slow
def test_at_another_tau_the_core_neurons_that_are_left_are_the_same(run: Callable[..., Bundle]) -> None:
    found = compare(run("real"), run("fewer", core={"tau": 2}))
    places = {c.place: (c.then, c.now) for c in found.changes}
    assert places == {"settings.tau": ("3", "2"), "spec.core.tau": ("3", "2")}
    for one in found.classes:
        for layer in one.layers:
            assert layer.common == layer.now <= layer.then
            assert layer.similarity == pytest.approx(1)
        assert one.layers[-1].overlap == pytest.approx(2 / 3)
    assert findings(found)[-1].text.endswith("among them settings.tau 3 → 2.")


@pytest.mark.slow
def test_random_weights_have_hardly_a_counterpart(run: Callable[..., Bundle]) -> None:
    """Both prefer some of the same pictures, so the mean similarity may be above the null's; hardly a pair counts."""
    found = compare(run("real"), run("random", model={"weights": "none"}))
    values = figures(found)
    assert not found.same_network
    assert all(share <= 0.1 for share in values["matched"].values())
    assert all(overlap <= 0.1 for overlap in values["core_overlap"].values())
    told = [one for one in findings(found) if "have a counterpart" in one.text]
    assert len(told) == 2
    assert all(one.kind == "unknown" for one in told)


@pytest.mark.slow
def test_the_same_weights_are_found_without_their_digest(run: Callable[..., Bundle], tmp_path: Path) -> None:
    real = run("real")
    model = real.run.model.model_copy(update={"digest": "0" * 64})
    other = Bundle(
        root=real.root, run=real.run.model_copy(update={"model": model}), classes=real.classes, manifest=real.manifest
    )
    for match in compare(real, other).matches[:-1]:
        assert match.how == "activations"
        assert match.null is not None
        assert match.null[2] < 0.71
        assert all(pair.then == pair.now for pair in match.pairs)
        assert len(match.pairs) == match.then
