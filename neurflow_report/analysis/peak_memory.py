"""The most memory that a run takes during a stage: of the process, and of what torch allocates on a GPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from neurflow_report.progress import Gauge

RESIDENT, ALLOCATED = "resident", "allocated"
TICK = 0.02
"""Seconds between two looks at the process."""
_STATM = Path("/proc/self/statm")


def gauges() -> Mapping[str, Gauge]:
    """What can be measured here."""
    found: dict[str, Gauge] = {RESIDENT: Resident()} if _STATM.exists() else {}
    return found | ({ALLOCATED: Allocated()} if torch.cuda.is_available() else {})


class Resident:
    """The process's resident memory. The kernel keeps a maximum, but of all the time since it began, and who resets it
    spoils what `time -v` tells; so another thread looks every `TICK`."""

    def __init__(self, now: Callable[[], int] | None = None) -> None:
        self._now, self._most = now or _resident, 0
        self._stop, self._thread = threading.Event(), None

    _thread: threading.Thread | None

    def begin(self) -> None:
        """Forget what was."""
        self._most = self._now()
        if self._thread is None:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._watch, args=(self._stop,), name="peak memory", daemon=True)
            self._thread.start()

    def peak(self) -> int:
        """Bytes, at most since `begin`."""
        self._most = max(self._most, self._now())
        return self._most

    def rest(self) -> None:
        """Look no more until `begin`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(TICK):
            self._most = max(self._most, self._now())


class Allocated:
    """What tensors take on the GPUs, by torch's own count, where any is in use."""

    def begin(self) -> None:
        """Forget what was."""
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            for device in range(torch.cuda.device_count()):
                torch.cuda.reset_peak_memory_stats(device)

    def peak(self) -> int:
        """Bytes on the GPU that has most, at most since `begin`; 0 where none is in use."""
        if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            return 0
        return max(int(torch.cuda.max_memory_allocated(device)) for device in range(torch.cuda.device_count()))

    def rest(self) -> None:
        """Nothing is to be done: torch counts by itself."""


def _resident() -> int:
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
