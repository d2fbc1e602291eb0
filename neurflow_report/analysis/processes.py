"""The classes of a spec in several processes of one machine, a shard each (results/shard.py): a processor's cores are
used better by a class each than by one class on all of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

import torch

from neurflow_report.analysis.store import noted
from neurflow_report.errors import InputError, ReportError, RunError
from neurflow_report.network.devices import is_host
from neurflow_report.network.forward import memory_budget
from neurflow_report.network.load import choose_device
from neurflow_report.progress import Progress, Silent, SilentStep, Step
from neurflow_report.results.cache import folder as folder_of_cache
from neurflow_report.results.shard import Merged, Part, merged, read_shard
from neurflow_report.setup.provenance import spec_values
from neurflow_report.spec.load import LoadedSpec

ShardRun = Callable[..., Path]
"""`run.analyze_shard`."""


class Shards(Protocol):
    """Writes one shard after another."""

    def write(self, part: Part, place: Path) -> Path:
        """Examine a shard's classes. Returns: its file, in the folder `place`."""


_WAIT = 0.5
"""Seconds between two looks at whether a process still lives."""
TIDY = 10.0
"""Seconds that a process has to end by itself when its work is done."""


def check_jobs(loaded: LoadedSpec, jobs: int) -> int:
    """How many processes are of use: at most one a class.

    Raises: InputError command-line where the run is on a GPU.
    """
    most = min(jobs, len(loaded.spec.classes))
    if most > 1 and not is_host(choose_device(loaded.spec.runtime.device)):
        message = f"--jobs {jobs}: several processes are for a run on the processor, and this one is on a GPU"
        hint = "leave --jobs out; several GPUs take a shard each (docs/scale.md)"
        raise InputError("command-line", message, hint=hint)
    return most


def examined_in(
    loaded: LoadedSpec,
    jobs: int,
    folder: Path,
    run: ShardRun,
    *,
    progress: Progress,
    also: Sequence[ReportError] = (),
) -> Merged:
    """What `jobs` processes find of the spec's classes, together.

    Args:
        folder: for the shards, this run's alone.
        also: what the caller found wrong already.
    Raises: what a run raises, of the first process that fails; RunError process-ended where one ends by itself.
    """
    classes = len(loaded.spec.classes)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    own = with_its_memory(loaded, jobs)
    with progress.stage(f"examine the classes in {jobs} processes", classes) as step:
        context = multiprocessing.get_context("spawn")
        told: Queue[tuple[str, Any]] = context.Queue()
        started = [
            context.Process(
                target=_one,
                args=(run, own, Part(i=i, n=jobs), folder, max(1, cores // jobs), also if i == 1 else (), told),
                daemon=True,
            )
            for i in range(1, jobs + 1)
        ]
        kept = list[str]()
        with noted(lambda: len(kept) if folder_of_cache(loaded.spec.runtime.cache) else 0), _ended(started):
            for process in started:
                process.start()
            files = _heard(started, told, step, kept)
    found = merged([read_shard(file) for file in sorted(files)])
    values = found.provenance.model_copy(update={"spec_resolved": spec_values(loaded.spec)})
    return replace(found, provenance=values)


def with_its_memory(loaded: LoadedSpec, jobs: int) -> LoadedSpec:
    """The spec with a process's part of the memory."""
    return with_memory(loaded, memory_budget(loaded.spec.runtime.memory, torch.device("cpu")) // jobs)


def with_memory(loaded: LoadedSpec, count: int) -> LoadedSpec:
    """The spec with so many bytes, in whole MiB."""
    runtime = loaded.spec.runtime.model_copy(update={"memory": f"{max(1, count // 2**20)}MiB"})
    return replace(loaded, spec=loaded.spec.model_copy(update={"runtime": runtime}))


@contextmanager
def _ended(processes: Sequence[SpawnProcess]) -> Iterator[None]:
    """No process outlives the block."""
    try:
        yield
        for process in processes:  # ended while it puts away what is its own, it would leave some
            process.join(TIDY)
    finally:
        begun = [process for process in processes if process.pid is not None]
        for process in begun:
            process.terminate()
        for process in begun:
            process.join()


def _heard(processes: Sequence[SpawnProcess], told: Queue[tuple[str, Any]], step: Step, kept: list[str]) -> list[Path]:
    """The shards' files, when all processes are done; the names of the classes that are go to `kept` meanwhile."""
    files = list[Path]()
    while len(files) < len(processes):
        try:
            kind, value = told.get(timeout=_WAIT)
        except Empty:
            _alive(processes, told)
            continue
        if kind == "error":
            raise value
        if kind == "failed":
            raise RuntimeError(f"a process of the run failed:\n{value}")
        if kind == "note":
            step.note(value)
        elif kind == "class":
            kept.append(value)
            step.advance(1)
        else:
            files.append(value)
    return files


def _alive(processes: Sequence[SpawnProcess], told: Queue[tuple[str, Any]]) -> None:
    """Raises: RunError process-ended where one ended without a word."""
    for number, process in enumerate(processes, start=1):
        code = process.exitcode
        if code and told.empty():
            how = f"by signal {-code}" if code < 0 else f"with code {code}"
            message = f"process {number} of {len(processes)} ended by itself, {how}"
            hint = "it may have run out of memory: fewer --jobs, or a smaller runtime.memory"
            raise RunError("process-ended", message, hint=hint)


class _Relayed(Silent):
    """A progress whose notes are told to the process that waits."""

    def __init__(self, told: Queue[tuple[str, Any]], *, notes: bool) -> None:
        self.told, self.notes = told, notes

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:  # noqa: ARG002
        """Begin a stage of which the notes are told."""
        yield _RelayedStep(self) if self.notes else SilentStep()


class _RelayedStep(SilentStep):
    def __init__(self, progress: _Relayed) -> None:
        self.progress = progress

    def note(self, text: str) -> None:
        self.progress.told.put(("note", text))


def _one(
    run: ShardRun,
    loaded: LoadedSpec,
    part: Part,
    folder: Path,
    threads: int,
    also: Sequence[ReportError],
    told: Queue[tuple[str, Any]],
) -> None:
    """A process: one shard. Ctrl-C is heard by the one that waits, which ends this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    progress = _Relayed(told, notes=part.i == 1)
    try:
        file = run(
            loaded, part, progress=progress, folder=folder, also=also, on_class=lambda name: told.put(("class", name))
        )
        told.put(("done", file))
    except ReportError as error:
        told.put(("error", error))
    except BaseException:
        told.put(("failed", traceback.format_exc()))
