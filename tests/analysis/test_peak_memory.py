"""The memory of a stage: what is taken and given back within it is seen, and nothing goes on looking after it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from neurflow_report.analysis.peak_memory import ALLOCATED, RESIDENT, TICK, Allocated, Resident, gauges
from neurflow_report.progress import Silent, Timed
from neurflow_report.results.records import Clock
from neurflow_report.setup.provenance import clock

MB = 1_000_000


def looking() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "peak memory"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell it")
def test_memory_that_is_given_back_is_seen() -> None:
    timed = Timed(Silent(), gauges={RESIDENT: Resident()})
    with timed.stage("large", None):
        taken = np.ones(20_000_000)  # 160 MB
        time.sleep(5 * TICK)
        del taken
    assert looking() == []
    with timed.stage("small", None):
        assert looking() == ["peak memory"]
        with timed.stage("inner", None):
            assert looking() == ["peak memory"]
    assert looking() == []
    found = timed.peaks[RESIDENT]
    assert found["large"] > found["small"] + 100 * MB
    assert 10 * MB < found["small"] < 100_000 * MB


def test_without_a_gpu_there_is_none() -> None:
    assert (ALLOCATED in gauges()) == torch.cuda.is_available()
    if not torch.cuda.is_available():
        assert Allocated().peak() == 0


def test_with_a_fixed_clock_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {RESIDENT: {"patches": 5}, ALLOCATED: {}}
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    found = clock({"patches": 1.234}, peaks)
    assert (found.seconds, found.resident, found.allocated) == ({"patches": 1.23}, {"patches": 5}, None)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert clock({"patches": 1.234}, peaks) == Clock(created="2023-11-14T22:13:20Z", seconds=None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_what_tensors_take_on_a_gpu_is_seen() -> None:
    timed = Timed(Silent(), gauges={ALLOCATED: Allocated()})
    torch.zeros(1, device="cuda")
    with timed.stage("large", None):
        torch.zeros(100 * MB, dtype=torch.uint8, device="cuda")
    with timed.stage("small", None):
        torch.zeros(1, device="cuda")
    found = timed.peaks[ALLOCATED]
    assert found["large"] >= 100 * MB > found["small"]
