"""The time left of a whole run: never negative, nothing before something is known, corrected by what is done."""

import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.planning.calibrate_forward import row_work as counted_work
from neurflow_report.planning.expected import expected, row_work
from neurflow_report.planning.records import PlannedClass
from neurflow_report.progress import Expecting, Silent, Timed
from neurflow_report.setup.preflight import preflight
from neurflow_report.spec.load import load_spec
from neurflow_report.terminal import Lines, Live, time_left
from neurflow_report.time_left import KNOWN, Done, Expected, TimeLeft, seconds_left

KINDS = ["patches", "neurons of", "masking", "draw the site"]
STAGES = st.lists(
    st.builds(
        Expected,
        name=st.sampled_from([f"{who}: {kind}" for who in "abc" for kind in KINDS]),
        kind=st.sampled_from(KINDS),
        work=st.floats(0, 1e15),
        times=st.integers(1, 5),
        usual=st.sampled_from([None, 1e-11]),
    ),
    max_size=12,
    unique_by=lambda stage: stage.name,
)
DONE = st.dictionaries(
    st.sampled_from([f"{who}: {kind}" for who in "abc" for kind in KINDS]),
    st.builds(Done, share=st.floats(0, 1), seconds=st.floats(0, 1e6)),
)


def stage(name, work, kind="", **more):
    return Expected(name=name, kind=kind or name, work=work, **more)


@given(STAGES, DONE)
def test_it_is_never_negative(stages, done):
    left = seconds_left(stages, done)
    assert left is None or left >= 0


@given(STAGES)
def test_nothing_is_said_before_anything_is_done(stages):
    assert seconds_left(stages, {}) is None
    assert seconds_left(stages, {s.name: Done(share=0.01, seconds=9.0) for s in stages}) is None


@given(STAGES, st.floats(1e-12, 1e-6), st.data())
def test_it_is_right_where_the_kinds_take_what_they_took(stages, rate, data):
    """Every kind has a pace of its own, and some of every kind is done."""
    pace = {kind: rate * (n + 1) for n, kind in enumerate(KINDS)}
    shares = {s.name: data.draw(st.sampled_from([0.25, 0.5, 1.0])) for s in stages}
    done = {s.name: Done(share=shares[s.name], seconds=s.work * shares[s.name] * pace[s.kind]) for s in stages}
    left = seconds_left(stages, done)
    if left is not None:
        true = sum(s.work * (1 - shares[s.name]) * pace[s.kind] for s in stages)
        assert left == pytest.approx(true, rel=1e-6, abs=1e-6)


def test_a_kind_that_is_not_known_takes_what_all_did_or_what_is_usual():
    stages = [stage("a", 100.0), stage("b", 300.0)]
    assert seconds_left(stages, {"a": Done(share=1.0, seconds=50.0)}) == 150.0
    stages = [stage("a", 100.0), stage("b", 300.0, usual=0.01)]
    assert seconds_left(stages, {"a": Done(share=1.0, seconds=50.0)}) == 3.0


def test_the_first_small_stage_of_a_kind_does_not_speak_for_the_others():
    stages = [stage("patches", 1000.0), stage("top", 1.0, "neurons of"), stage("low", 999.0, "neurons of")]
    done = {"patches": Done(share=1.0, seconds=100.0), "top": Done(share=1.0, seconds=10.0)}
    trust, usual = 1.0 / 100, 110 / 1001
    assert seconds_left(stages, done) == pytest.approx(999 * (trust * 10 + (1 - trust) * usual))
    done["low"] = Done(share=0.5, seconds=40.0)
    assert seconds_left(stages, done) == pytest.approx(499.5 * 50 / 500.5)


def test_nothing_is_said_where_what_is_known_is_next_to_nothing():
    done = {"a": Done(share=1.0, seconds=50.0)}
    assert seconds_left([stage("a", KNOWN * 99), stage("b", 100.0)], done) is None
    assert seconds_left([stage("a", 99 * KNOWN / (1 - KNOWN) + 9), stage("b", 100.0)], done) is not None
    alike = [stage("a", 5.0, "k"), stage("b", 20.0, "k"), stage("c", 80.0)]
    assert seconds_left(alike, done) == 1000.0


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_run_is_followed_and_stages_that_come_back_count_by_their_times():
    clock = Clock()
    run = TimeLeft(clock)
    run.begin("load")
    run.expect([stage("a", 100.0), stage("b", 100.0, times=2)])
    clock.now = 3.0
    run.end("load")
    assert run.seconds() is None
    run.begin("a")
    clock.now += 10
    run.reach("a", 0.5)
    assert run.seconds() == pytest.approx(30.0)
    clock.now += 10
    run.end("a")
    run.begin("b")
    clock.now += 30
    run.end("b")
    assert run.seconds() == pytest.approx(30.0)
    run.begin("b")
    clock.now += 30
    run.end("b")
    assert run.seconds() == 0.0


def test_the_lines_tell_one_time_for_the_whole_run():
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock=clock, every=5)
    with lines.stage("check", None):
        clock.now += 1
    lines.expect([stage("x: patches", 1000.0, "patches"), stage("y: patches", 3000.0, "patches"), stage("z", 8000.0)])
    with lines.stage("x: patches", 100) as step:
        for _ in range(2):
            clock.now += 10
            step.advance(50)
    with lines.stage("y: patches", None):
        clock.now += 120
    with lines.stage("z", None):
        clock.now += 1
    assert stream.getvalue().splitlines() == [
        "check: done in 1.0 s",
        "x: patches: 50/100, 5 a second; about 4 min left in all",
        "x: patches: 100/100 in 20 s; about 4 min left in all",
        "y: patches: done in 2 min 00 s; about 5 min left in all",
        "z: done in 1.0 s",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bars_tell_it_too():
    stream = Terminal()
    live = Live(stream)
    live.run.clock = clock = Clock()
    live.expect([stage("a", 100.0), stage("b", 300.0)])
    with live.stage("a", 4) as step:
        clock.now += 60
        step.advance(2)
        live.bars.refresh()
    assert "about 7 min left in all" in stream.getvalue()


def test_who_does_not_ask_is_not_told():
    assert isinstance(Lines(io.StringIO()), Expecting)
    assert not isinstance(Silent(), Expecting)
    Timed(Silent()).expect([stage("a", 1.0)])
    assert (Timed(Silent()).expecting, Timed(Lines(io.StringIO())).expecting) == (False, True)


def test_times_left():
    told = {None: "", 0.0: "", 2.0: "", 3.0: "about 5 s left in all", 57.0: "about 55 s left in all",
            58.0: "about 1 min left in all", 1000.0: "about 17 min left in all",
            3570.0: "about 1 h 00 min left in all", 7300.0: "about 2 h 02 min left in all"}  # fmt: skip
    assert {seconds: time_left(seconds) for seconds in told} == told


def test_what_is_expected_of_a_run_has_its_stages_and_does_not_run_the_network(write_spec, monkeypatch):
    fidelity = {"preset": "standard", "experiments": None, "controls": ["random_weights"]}
    loaded = load_spec(write_spec(fidelity=fidelity))
    workspace = preflight(loaded, progress=Silent()).workspace
    monkeypatch.setattr(torch.nn.Module, "__call__", pytest.fail)
    bee = PlannedClass(name="bee", index=0, pictures=4, patches=40)
    found = {stage.name: stage for stage in expected(workspace, loaded.spec, (bee,), ("html", "pdf"))}
    for who in ("bee", "bee, random_weights"):
        for name in ("patches", "neurons of block4", "neuron groups", "masking", "knock-outs for block4", "stability",
                     "knock-outs for the edges at fc", "critical neurons", "attribution by LRP"):  # fmt: skip
            assert found[f"{who}: {name}"].work > 0
    assert (found["bee: stability"].times, found["bee: critical neurons"].times) == (3, 2)
    assert list(found)[-2:] == ["draw the site", "draw the PDF"]


def test_the_work_of_a_row_is_near_what_is_counted(write_spec):
    workspace = preflight(load_spec(write_spec()), progress=Silent()).workspace
    counted = counted_work(workspace, torch.zeros(1, 3, 64, 64))
    for mine, theirs in zip(row_work(workspace.segments), counted, strict=True):
        assert theirs / 5 < mine < 5 * theirs
