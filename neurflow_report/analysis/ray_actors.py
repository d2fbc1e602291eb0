"""The classes of a spec in actors of a Ray cluster, or of Ray on this machine: each class a shard of its own
(results/shard.py), which Ray gives to whichever actor is free, and to another where one dies."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from neurflow_report.analysis.processes import Shards, with_its_memory
from neurflow_report.errors import InputError, ReportError, RunError
from neurflow_report.progress import Progress, Silent, SilentStep, Step
from neurflow_report.results.shard import Merged, Part, merged, read_shard
from neurflow_report.setup.provenance import spec_values
from neurflow_report.spec.load import LoadedSpec

LOCAL = "local"
RESTARTS = 3
"""How often an actor that died is started again, with the class that it had."""
BeginShards = Callable[..., Shards]
"""`run.ShardByShard`."""


def examined_by_ray(
    loaded: LoadedSpec,
    jobs: int,
    folder: Path,
    begin: BeginShards,
    *,
    progress: Progress,
    also: Sequence[ReportError] = (),
) -> Merged:
    """What actors find of the spec's classes, together.

    Args:
        jobs: actors, where the run is on processors; on GPUs there is one for each.
        folder: for the shards, this run's alone.
        begin: makes what examines shards, in an actor.
        also: what the caller found wrong already.
    Raises: what a run raises, of the first class that fails; InputError missing-package without Ray, device-unavailable
        without a GPU that is asked for, ray-unreachable; RunError process-ended where an actor dies again and again.
    """
    classes = len(loaded.spec.classes)
    with _connected(loaded, jobs) as ray:
        gpu = _on_gpu(loaded, ray)
        actors = min(classes, int(ray.cluster_resources().get("GPU", 0)) if gpu else jobs)
        cores = max(1, _cores() // actors)
        own = loaded if gpu or loaded.spec.runtime.address != LOCAL else with_its_memory(loaded, actors)
        options = {"num_gpus": 1} if gpu else {"num_cpus": 1}
        actor = ray.remote(_Actor).options(max_restarts=RESTARTS, max_task_retries=RESTARTS, **options)
        kind = "on a GPU each" if gpu else "on processors"
        with progress.stage(f"examine the classes in {actors} Ray actors {kind}", classes) as step:
            pool = ray.util.ActorPool(
                [actor.remote(begin, own, also if not i else (), cores, str(Path.cwd()), not i) for i in range(actors)]
            )
            parts = [Part(i=number, n=classes) for number in range(1, classes + 1)]
            files = [_put(folder, told, step) for told in _told(ray, pool, parts)]
    found = merged([read_shard(file) for file in files])
    values = found.provenance.model_copy(update={"spec_resolved": spec_values(loaded.spec)})
    return replace(found, provenance=values)


def _told(ray: Any, pool: Any, parts: Sequence[Part]) -> Iterator[tuple[str, Any]]:
    """What the actors tell of each class, as they come to it.

    Raises: RunError process-ended.
    """
    try:
        yield from pool.map_unordered(lambda one, part: one.shard.remote(part), parts)
    except ray.exceptions.RayActorError as error:
        message = f"a Ray actor died, {RESTARTS} times again after it was started anew"
        hint = "it may have run out of memory: fewer --jobs, or a smaller runtime.memory; `ray logs` tells more"
        raise RunError("process-ended", message, hint=hint) from error


def _put(folder: Path, told: tuple[str, Any], step: Step) -> Path:
    """Write a shard that an actor gave. Raises: what it raised."""
    kind, value = told
    if kind == "error":
        raise value
    part, data, notes = value
    for note in notes:
        step.note(note)
    (folder / part.file).write_bytes(data)
    step.advance(1)
    return folder / str(part.file)


class _Noting(Silent):
    """A progress that collects the notes."""

    def __init__(self) -> None:
        self.notes = list[str]()

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:  # noqa: ARG002
        """Begin a stage of which the notes are collected."""
        yield _NotingStep(self.notes)


class _NotingStep(SilentStep):
    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def note(self, text: str) -> None:
        """Collect it."""
        self.notes.append(text)


class _Actor:
    """Examines one class after another: what they share is done once. An error of the run is told, not raised, so that
    it comes over as it is."""

    def __init__(
        self, begin: BeginShards, loaded: LoadedSpec, also: Sequence[ReportError], threads: int, place: str, notes: bool
    ) -> None:
        with suppress(OSError):  # on another machine it may not be there
            os.chdir(place)
        with suppress(ValueError):  # Ctrl-C is heard by the one that waits
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        torch.set_num_threads(threads)
        self.progress, self.notes = _Noting(), notes
        self.shards, self.failed = None, None
        try:
            self.shards = begin(loaded, progress=self.progress, also=also)
        except ReportError as error:
            self.failed = error

    def shard(self, part: Part) -> tuple[str, Any]:
        """What it finds of a class: ("done", (part, the shard's bytes, what was noted)) or ("error", the error)."""
        if self.shards is None:
            return "error", self.failed
        try:
            with tempfile.TemporaryDirectory() as folder:
                data = self.shards.write(part, Path(folder)).read_bytes()
        except ReportError as error:
            return "error", error
        notes, self.progress.notes[:] = tuple(self.progress.notes if self.notes else ()), []
        return "done", (part, data, notes)


@contextmanager
def _connected(loaded: LoadedSpec, jobs: int) -> Iterator[Any]:
    """Ray, of this machine alone or of a cluster.

    Raises: InputError missing-package, ray-unreachable.
    """
    try:
        import ray
        import ray.util
    except ModuleNotFoundError as error:
        message = f"runtime.engine is ray, and the Python package {error.name} is not installed"
        hint = "pip install 'neurflow-report[ray]', or set runtime.engine: here"
        raise InputError("missing-package", message, hint=hint, path=("runtime", "engine")) from error
    address = loaded.spec.runtime.address
    own = {"num_cpus": max(jobs, _cores()), "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError, OSError) as error:
        message = f"there is no Ray at {address!r}: {error}"
        hint = "`ray start --head` starts one, `ray status` says where one is; `local` begins one for this run"
        raise InputError("ray-unreachable", message, hint=hint, path=("runtime", "address")) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _on_gpu(loaded: LoadedSpec, ray: Any) -> bool:
    """Whether actors take a GPU each.

    Raises: InputError device-unavailable.
    """
    asked, there = loaded.spec.runtime.device, ray.cluster_resources().get("GPU", 0) >= 1
    if asked == "auto":
        return bool(there)
    if asked.startswith("cuda") and (asked != "cuda" or not there):
        found = "there is none" if not there else "each actor sees its own GPU alone"
        message = f"runtime.device is {asked!r}, and with Ray {found}"
        hint = "set runtime.device: cuda, or auto" if there else "set runtime.device: cpu, or auto"
        raise InputError("device-unavailable", message, hint=hint, path=("runtime", "device"))
    return asked == "cuda"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
