"""Timed: the seconds of each kind of stage, and the most that a gauge told during one, stages inside of it included."""

from __future__ import annotations

from neurflow_report.progress import Silent, Timed


class Planned:
    """A gauge whose reading is set by hand; it keeps the most since it was told to begin, as a real one does."""

    def __init__(self) -> None:
        self.now, self.most, self.resting = 0, 0, True

    def set(self, value: int) -> None:
        self.now, self.most = value, max(self.most, value)

    def begin(self) -> None:
        self.most, self.resting = self.now, False

    def peak(self) -> int:
        return self.most

    def rest(self) -> None:
        self.resting = True


def test_the_most_of_each_stage() -> None:
    gauge = Planned()
    timed = Timed(Silent(), gauges={"memory": gauge})
    gauge.set(100)  # before any stage: it counts for none
    gauge.set(10)
    with timed.stage("bee: patches", None):
        gauge.set(30)
        with timed.stage("bee: inner", None):
            gauge.set(20)
            gauge.set(50)
            gauge.set(5)
        gauge.set(40)
        assert not gauge.resting
    assert gauge.resting
    gauge.set(5)
    with timed.stage("masking", None):
        gauge.set(6)
    assert timed.peaks == {"memory": {"inner": 50, "patches": 50, "masking": 6}}
    with timed.stage("wasp: patches", None):
        gauge.set(7)
    assert timed.peaks["memory"]["patches"] == 50
    assert list(timed.seconds) == ["inner", "patches", "masking"]


def test_a_gauge_that_tells_nothing_leaves_no_figure() -> None:
    timed = Timed(Silent(), gauges={"memory": Planned()})
    with timed.stage("patches", None):
        pass
    assert timed.peaks == {"memory": {}}


def test_what_fails_is_counted_too() -> None:
    gauge = Planned()
    timed = Timed(Silent(), gauges={"memory": gauge})
    try:
        with timed.stage("patches", None):
            gauge.set(9)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert timed.peaks == {"memory": {"patches": 9}}
    assert gauge.resting
