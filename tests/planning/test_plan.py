"""What a plan says, against what the run does: counts, bounds, errors; and that it writes nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.analysis.run import analyze
from neurflow_report.cli import main
from neurflow_report.commands.plan import seconds
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.network.count import multiply_adds
from neurflow_report.planning.calibrate import union_size
from neurflow_report.planning.plan import LEAST, MOST, WITHIN, measuring_seconds, plan
from neurflow_report.planning.records import Fit, Plan, PlannedClass, PlannedLayer, PlannedStage
from neurflow_report.planning.text import amount, lines, size
from neurflow_report.progress import Silent, duration
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.load import load_spec
from tests.network.test_count import by_hand


def planned(spec, *, timed=False):
    return plan(load_spec(spec), timed=timed, progress=Silent())


def stages(found):
    return {stage.name: stage for stage in found.stages}


@pytest.mark.slow
def test_multiply_adds_of_the_plain_passes_by_hand(write_spec):
    """2 classes × 4 pictures × 10 patches; masking: 2 τ, 13 masks on these, 3 on 16 of other classes, 7 on all 20."""
    found = stages(planned(write_spec()))
    network = NETWORKS["flowers"].build().eval()
    x = torch.zeros(1, 3, 64, 64)
    whole = by_hand(network, x)
    block4 = by_hand(network.block4, network.block3(network.block2(network.block1(x))))
    fc = network.fc.weight.numel()
    assert found["patches"].multiply_adds == 2 * 4 * 10 * whole
    assert found["choose pictures"].multiply_adds == found["choose pictures"].amount * whole
    passes = ((4, 13), (16, 3), (20, 7))
    lower = sum(n * (block4 + m * block4 / 9 + m * 2 * fc) for n, m in passes)  # the terms once, their sums, both ways
    upper = sum(n * (fc + m * fc) for n, m in passes)
    up_once = 20 * (whole - fc)
    assert found["masking"].multiply_adds == pytest.approx(2 * (up_once + 2 * (lower + upper)), rel=1e-9)
    assert found["masking"].amount == 2 * 2 * sum(n * m for n, m in passes) * 3


@pytest.mark.slow
def test_a_run_counts_what_the_plan_says(write_spec):
    loaded, runs = load_spec(write_spec()), []
    done = multiply_adds(lambda: runs.append(analyze(loaded, progress=Silent())))
    found = planned(loaded.file, timed=True)
    assert found.multiply_adds == pytest.approx(done, rel=0.3)
    assert found.seconds == pytest.approx(sum(stage.seconds for stage in found.stages))
    assert found.targets == "likely"
    bundle = read_bundle(runs[0])
    for i, layer in enumerate(found.layers):
        count = max(len(c.layers[i].neurons) for c in bundle.classes)
        assert count <= layer.targets_most
        assert layer.targets_likely == pytest.approx(count, rel=0.5)
    assert [layer.targets_most for layer in found.layers] == [9, 3, 1]
    assert stages(found)["choose pictures"].amount == bundle.run.data.pool


@pytest.mark.slow
def test_without_time_no_picture_is_opened_and_nothing_is_timed(write_spec, picture_folder):
    root = picture_folder(4)
    for file in root.rglob("*.png"):
        file.write_bytes(b"not a picture")
    spec = write_spec(data={"source": "folder", "root": str(root), "select": "labelled"})
    found = planned(spec)
    assert (found.seconds, found.targets) == (None, "most")
    assert all(stage.seconds is None for stage in found.stages)
    assert all(layer.targets_likely is None for layer in found.layers)
    assert [c.pictures for c in found.classes] == [4, 4]
    on_noise = planned(spec, timed=True)
    assert on_noise.seconds > 0
    assert (on_noise.targets, on_noise.layers[0].targets_likely) == ("most", None)


def test_a_class_with_fewer_pictures_than_the_limit(write_spec, picture_folder):
    spec = write_spec(data={"source": "folder", "root": str(picture_folder(3)), "limit": 9, "select": "labelled"})
    assert [(c.name, c.pictures, c.patches) for c in planned(spec).classes] == [
        ("firebell", 3, 30),
        ("snowstar", 3, 30),
    ]


@pytest.mark.parametrize("option", [["--no-time"], []])
def test_nothing_is_written(write_spec, tmp_path, monkeypatch, capsys, option):
    monkeypatch.chdir(tmp_path)
    spec = write_spec()
    before = sorted(tmp_path.rglob("*"))
    assert main(["plan", str(spec), "--quiet", "--json", *option]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["plan"]["title"] == "Small"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": ["block3", "blok4", "fc"]},
        {"layers": ["block4", "block3", "fc"]},
        {"classes": ["firebel"]},
        {"model": {"weights": "nowhere.safetensors"}},
        {"data": {"source": "folder", "root": "nowhere"}},
        {"data": {"limit": 1}, "concept": {"k": 50}},
        {"runtime": {"memory": "1KB"}},
        {"core": {"tau": 0}, "colour": "red"},
    ],
)
def test_the_errors_are_those_of_build(write_spec, capsys, changes):
    spec, said = str(write_spec(**changes)), []
    for command in ("build", "plan"):
        assert main([command, spec, "--quiet"]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1] != ""


def test_an_empty_class_is_told_as_build_tells_it(write_spec, picture_folder, capsys):
    (picture_folder(1) / "firebell" / "0.png").unlink()
    spec, said = str(write_spec(data={"source": "folder", "root": "pictures"})), []
    for command in ("build", "plan"):
        assert main([command, spec, "--quiet"]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert "[class-empty]" in said[0]


def test_the_union_of_core_sets_all_known_or_alike():
    a, b = frozenset({1, 2, 3}), frozenset({3, 4, 5})
    assert union_size([a, b], 2, 100) == 5
    assert union_size([a, a, a], 40, 100) == 3
    assert union_size([a], 10, 100) == 30
    assert union_size([a], 1000, 100) == 100
    assert union_size([frozenset()], 5, 100) == 0


@pytest.mark.parametrize(("channels", "tau", "total"), [(512, 16, 100), (128, 4, 30), (1024, 16, 400)])
def test_the_union_of_random_core_sets_is_estimated_from_twelve(channels, tau, total):
    random, ratios = np.random.default_rng(0), []
    for _ in range(30):
        weight = random.dirichlet(np.full(channels, 0.1))
        order = [weight.argsort()[::-1], random.permutation(channels)]
        pool = np.concatenate([order[0][: channels // 4], order[1][: channels // 8]])
        sets = [frozenset(random.choice(pool, tau, replace=False).tolist()) for _ in range(total)]
        truth = len(frozenset().union(*sets))
        ratios.append(union_size(sets[:12], total, channels) / truth)
    assert 0.75 < np.mean(ratios) < 1.25


@given(st.lists(st.frozensets(st.integers(0, 30), min_size=1, max_size=5), min_size=1, max_size=8), st.integers(1, 60))
def test_the_union_is_no_smaller_than_what_was_seen_and_no_larger_than_can_be(sets, total):
    seen, most = len(frozenset().union(*sets)), max(map(len, sets))
    found = union_size(sets, total, 31)
    assert found <= max(seen, min(31, total * most))
    assert found >= min(seen, total * most, 31)


SMALL = Plan(
    title="Small",
    device="cpu (x86_64)",
    precision="float32",
    k=50,
    tau=16,
    classes=(PlannedClass(name="bee", index=309, pictures=50, patches=2950),),
    layers=(
        PlannedLayer(
            name="layer4.2", channels=2048, shape=(2048, 7, 7), targets_most=16, targets_likely=16, rows=64
        ),
        PlannedLayer(name="fc", channels=1000, shape=(1000,), targets_most=1, targets_likely=1, rows=None),
    ),
    patches_per_picture=59,
    forward_rows=128,
    memory=6 * 2**30,
    peak=7_000_000_000,
    targets="likely",
    stages=(
        PlannedStage(name="patches", amount=2950, unit="patches", multiply_adds=12_065_000_000_000, seconds=250.0),
        PlannedStage(name="neurons of fc", amount=1, unit="targets", multiply_adds=3_000_000, seconds=0.04),
    ),
    multiply_adds=12_065_003_000_000,
    seconds=250.04,
    loading=3.2,
    measuring=14.4,
)  # fmt: skip


def test_the_text(snapshot):
    assert "\n".join(lines(SMALL)) == snapshot


def test_the_text_of_a_plan_without_time(snapshot):
    layers = tuple(replace(layer, targets_likely=None) for layer in SMALL.layers)
    bare = tuple(replace(stage, seconds=None) for stage in SMALL.stages)
    found = replace(SMALL, layers=layers, stages=bare, seconds=None, targets="most")
    assert "\n".join(lines(found)) == snapshot


def test_what_was_extrapolated_is_said():
    stages = (replace(SMALL.stages[0], measured=False), SMALL.stages[1])
    found = lines(replace(SMALL, stages=stages))
    assert next(line for line in found if line.startswith("patches")).endswith("  4 min *")
    assert found[-3:-1] == [
        "loaded in 3.2 s; timed for 14 s",
        "*: not all of it was timed, 100% of the time: extrapolated by multiply-adds from the rest",
    ]
    stages = (SMALL.stages[0], replace(SMALL.stages[1], measured=False))
    assert "*: not all of it was timed, under 1% of the time: extrapolated by multiply-adds from the rest" in lines(
        replace(SMALL, stages=stages)
    )
    bare = tuple(replace(stage, seconds=None, measured=False) for stage in SMALL.stages)
    assert "*: not all of it was counted: extrapolated by multiply-adds from the rest" in lines(
        replace(SMALL, stages=bare, seconds=None)
    )


FIT = Fit(
    within=600.0,
    fits=True,
    seconds=412.0,
    set=(("concept.k", 30), ("data.limit", 12), ("fidelity.preset", "quick"), ("fidelity.experiments", ["masking"])),
    larger=(),
    unable=("F2 (optimality) is not run: whether core sets matter more to a neuron than random sets is not tested",),
)


def test_the_text_of_sizes_that_fit():
    assert lines(replace(SMALL, fit=FIT))[-13:] == [
        "",
        "within 10 min: these sizes fit, about 7 min",
        "",
        "    concept: {k: 30}",
        "    data: {limit: 12}",
        "    fidelity:",
        "      preset: quick",
        "      experiments: [masking]",
        "",
        "or: --set concept.k=30 --set data.limit=12 --set fidelity.preset=quick --set 'fidelity.experiments=[masking]'",
        "",
        "what these sizes cannot show:",
        "- F2 (optimality) is not run: whether core sets matter more to a neuron than random sets is not tested",
    ]


def test_the_text_of_a_spec_that_fits_as_it_is_and_of_a_larger_preset():
    fit = replace(FIT, set=(), unable=(), larger=("standard",))
    assert lines(replace(SMALL, fit=fit))[-3:] == [
        "",
        "within 10 min: the spec fits as it is, about 7 min",
        "so would the preset standard: --set fidelity.preset=standard",
    ]


def test_the_text_where_nothing_fits():
    fit = replace(FIT, within=60.0, fits=False, set=(("data.limit", 2),), unable=())
    assert lines(replace(SMALL, fit=fit))[-5:] == [
        "within 60 s: nothing fits; the least takes about 7 min, and fewer classes or layers, or a smaller core.tau, "
        "would take less",
        "",
        "    data: {limit: 2}",
        "",
        "or: --set data.limit=2",
    ]


def test_amounts_sizes_and_durations():
    assert [amount(n) for n in (0, 999, 1000, 1.8e9, 12.3456e12, 5e18)] == [
        "0",
        "999",
        "1 k",
        "1.8 G",
        "12.3 T",
        "5,000 P",
    ]
    assert [size(n) for n in (1, 1024, 600 * 2**20, 2**31)] == ["1 bytes", "1 KiB", "600 MiB", "2.0 GiB"]
    seconds = (None, 0.04, 9.94, 12.3, 250, 7250)
    assert [duration(s) for s in seconds] == ["", "0.0 s", "9.9 s", "12 s", "4 min", "2 h 01 min"]


class SlowClock:
    """A clock that says that so many seconds have gone by at every look."""

    def __init__(self, step):
        self.step, self.now = step, 0.0

    def __call__(self):
        self.now += self.step
        return self.now


def test_a_plan_ends_within_its_time_on_a_slow_machine(write_spec):
    """Every look at the clock takes long: few parts are measured, all are predicted, and that is said."""
    loaded, clock = load_spec(write_spec(fidelity={"preset": "standard", "experiments": None})), SlowClock(1.0)
    found = plan(loaded, timed=True, progress=Silent(), clock=clock)
    assert found.measuring <= WITHIN
    extrapolated = [stage.name for stage in found.stages if not stage.measured]
    assert len(extrapolated) > 5
    assert all(stage.seconds > 0 for stage in found.stages)
    assert any(line.startswith("*: not all of it was timed, ") for line in lines(found))


@pytest.mark.parametrize(("checking", "seconds"), [(0.1, MOST), (10.0, 35.0), (44.0, LEAST), (500.0, LEAST)])
def test_what_the_checks_took_is_not_measured_with(checking, seconds):
    assert measuring_seconds(checking) == seconds
    assert checking + seconds <= WITHIN or seconds == LEAST


@pytest.mark.slow
def test_every_experiment_is_predicted(write_spec):
    least = {"draws": 2, "targets": 1, "optimality_draws": 2, "weight_draws": 4, "noise_draws": 1, "method_targets": 1}
    spec = write_spec(
        classes=["firebell"],
        fidelity={"preset": "standard", "experiments": None, "taus": None, "sizes": [1], "ks": [9, 20], **least},
    )
    ran = set(read_bundle(analyze(load_spec(spec), progress=Silent())).manifest.provenance.clock.seconds)
    names = {stage.name for stage in planned(spec, timed=True).stages}
    free = {"polysemanticity", "census", "deletions"}
    assert free <= ran
    assert ran - names == free
    assert names - ran == {"keep pictures"}


def test_sizes_that_fit_are_part_of_the_plan(write_spec, capsys):
    assert main(["plan", str(write_spec()), "--quiet", "--json", "--within", "100h"]) == 0
    fit = json.loads(capsys.readouterr().out)["plan"]["fit"]
    assert (fit["within"], fit["fits"], fit["set"], fit["larger"]) == (360000.0, True, [], ["standard", "paper"])


def test_a_time_within_which_nothing_fits_is_told(write_spec, capsys):
    assert main(["plan", str(write_spec(model={"weights": "none"})), "--json", "--within", "1s"]) == 0
    fit = json.loads(capsys.readouterr().out)["plan"]["fit"]
    settings = dict(map(tuple, fit["set"]))
    if not fit["fits"]:
        assert settings["fidelity.experiments"] == []
    assert fit["seconds"] > 0


@pytest.mark.parametrize("text", ["10", "m", "", "10 m", "0s", "1m1h", "ten", "1.5h", "٣m"])
def test_what_is_no_time_is_refused(write_spec, capsys, text):
    assert main(["plan", str(write_spec()), "--within", text]) == 2
    assert f"found {text!r}, expected a time such as 90s, 10m or 1h30m" in capsys.readouterr().err


def test_times():
    assert [seconds(text) for text in ("90s", "10m", "1h30m", "2h", "1h0m5s")] == [90, 600, 5400, 7200, 3605]


def test_a_time_to_fit_needs_times(write_spec, capsys):
    assert main(["plan", str(write_spec()), "--within", "10m", "--no-time"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: --within needs times, and --no-time measures none [command-line]",
        "  hint: leave one of them out",
    ]
