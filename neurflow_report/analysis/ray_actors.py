"""The classes of a spec in actors of a Ray cluster, or of Ray on this machine: each class a shard of its own
(results/shard.py), which Ray gives to whichever actor is free, and to another where one dies."""

from __future__ import annotations

import os
import platform
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from neurflow_report.analysis.class_key import program
from neurflow_report.analysis.processes import Shards, with_memory
from neurflow_report.errors import InputError, ReportError, RunError
from neurflow_report.network.forward import memory_budget
from neurflow_report.network.load import choose_device
from neurflow_report.progress import Progress, Silent, SilentStep, Step
from neurflow_report.results.shard import Merged, Part, merged, read_shard
from neurflow_report.setup.provenance import described, spec_values
from neurflow_report.spec.load import LoadedSpec

LOCAL = "local"
RESTARTS = 3
"""How often an actor that died is started again, with the class that it had."""
PATIENCE = 120
"""Seconds within which an actor has begun, or is not waited for."""
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
        jobs: actors, where the run is on processors; on GPUs there is one for each. At most one a class, and one for
            each processor or GPU that is free.
        folder: for the shards, this run's alone.
        begin: makes what examines shards, in an actor.
        also: what the caller found wrong already.
    Raises: what a run raises, of the first class that fails; InputError missing-package without Ray, device-unavailable
        without a GPU that is asked for, ray-unreachable, shard-mismatch where the machines are not alike; RunError
        process-ended where an actor dies again and again.
    """
    classes = len(loaded.spec.classes)
    with _connected(loaded) as ray:
        gpu = _on_gpu(loaded, ray)
        # Of Ray that was begun for this run all is free, and what it says of that may come late.
        free = ray.cluster_resources() if loaded.spec.runtime.address == LOCAL else ray.available_resources()
        count = max(1, min(classes, int(free.get("GPU", 0)) if gpu else min(jobs, int(free.get("CPU", 0)))))
        options = {"num_gpus": 1} if gpu else {"num_cpus": 1}
        actor = ray.remote(_Actor).options(max_restarts=RESTARTS, max_task_retries=RESTARTS, **options)
        begun = [actor.remote(begin, loaded, also, max(1, _cores() // count), str(Path.cwd())) for _ in range(count)]
        some = "1 Ray actor" if count == 1 else f"{count} Ray actors"
        kind = "on a GPU each" if gpu else "on processors"
        with progress.stage(f"examine the classes in {some} {kind}", classes) as step, _none_dies(ray):
            actors, machines = _there(ray, begun, step)
            _check_alike(machines)
            own = loaded if gpu else with_memory(loaded, _shared(machines))
            pool = ray.util.ActorPool(actors)
            parts = [Part(i=number, n=classes) for number in range(1, classes + 1)]
            told = pool.map_unordered(lambda one, part: one.shard.remote(own, part, one is actors[0]), parts)
            files = [_put(folder, one, step) for one in told]
    found = merged([read_shard(file) for file in files])
    values = found.provenance.model_copy(update={"spec_resolved": spec_values(loaded.spec)})
    return replace(found, provenance=values)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where an actor is.

    Attributes:
        name: the machine's.
        known: what its figures depend on, by what that is called.
        memory: bytes for activations, were it alone there.
    """

    name: str
    known: Mapping[str, str]
    memory: int


def _there(ray: Any, actors: Sequence[Any], step: Step) -> tuple[list[Any], list[Machine]]:
    """The actors that have begun, and where each is; at least one is waited for, and those that come too late are let
    go: a class that is given to an actor without a place waits for ever.

    Raises: what they raise.
    """
    asked = [one.machine.remote() for one in actors]
    there, late = ray.wait(asked, num_returns=len(asked), timeout=PATIENCE)
    if not there:
        step.note(f"no actor has begun after {PATIENCE} s: Ray has no place free; the run waits for one")
        there, late = ray.wait(asked, num_returns=1, timeout=None)
    if late:
        step.note(f"{len(late)} of {len(asked)} actors have not begun after {PATIENCE} s: the run goes on without them")
    for one, ref in zip(actors, asked, strict=True):
        if ref in late:
            ray.kill(one)
    told = ray.get(there)
    if error := next((value for kind, value in told if kind == "error"), None):
        raise error
    where = dict(zip(there, (machine for _, machine in told), strict=True))
    found = [(one, where[ref]) for one, ref in zip(actors, asked, strict=True) if ref in where]
    return [one for one, _ in found], [machine for _, machine in found]


def _check_alike(machines: Sequence[Machine]) -> None:
    """Raises InputError shard-mismatch where the shards of two would not fit together."""
    first = machines[0]
    for other in machines[1:]:
        for what, value in first.known.items():
            if other.known[what] != value:
                message = f"Ray's machines are not alike: {what} is {value} on one, and {other.known[what]} on another"
                hint = "install the same on all of them, and let the run have one type of device"
                raise InputError("shard-mismatch", message, hint=hint)


def _shared(machines: Sequence[Machine]) -> int:
    """Bytes for each actor: all have as much as the one that has least, so that all work alike."""
    on = Counter(machine.name for machine in machines)
    return min(machine.memory // on[machine.name] for machine in machines)


@contextmanager
def _none_dies(ray: Any) -> Iterator[None]:
    """Raises: RunError process-ended where an actor does for good."""
    try:
        yield
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
    """Examines one class after another: what they share is done once, with the first. An error of the run is told, not
    raised, so that it comes over as it is."""

    def __init__(
        self, begin: BeginShards, loaded: LoadedSpec, also: Sequence[ReportError], threads: int, place: str
    ) -> None:
        with suppress(OSError):  # on another machine it may not be there
            os.chdir(place)
        with suppress(ValueError):  # Ctrl-C is heard by the one that waits
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        torch.set_num_threads(threads)
        self.progress, self.loaded = _Noting(), loaded
        self.begin: Callable[[LoadedSpec], Shards] = partial(begin, progress=self.progress, also=also)
        self.shards: Shards | None = None

    def machine(self) -> tuple[str, Any]:
        """Where it is: ("there", the machine) or ("error", the error)."""
        try:
            device = choose_device(self.loaded.spec.runtime.device)
        except ReportError as error:
            return "error", error
        found = described(device)
        known = {"the device": found["device"], "threads": found["threads"], "this program": program()[:12]}
        memory = memory_budget(self.loaded.spec.runtime.memory, device)
        return "there", Machine(name=platform.node(), known=known | found["versions"], memory=memory)

    def shard(self, loaded: LoadedSpec, part: Part, notes: bool) -> tuple[str, Any]:
        """What it finds of a class: ("done", (part, the shard's bytes, what was noted)) or ("error", the error).

        Args:
            loaded: with its part of the memory.
            notes: whether what was noted is told.
        """
        try:
            self.shards = self.shards or self.begin(loaded)
            with tempfile.TemporaryDirectory() as folder:
                data = self.shards.write(part, Path(folder)).read_bytes()
        except ReportError as error:
            return "error", error
        told, self.progress.notes[:] = tuple(self.progress.notes if notes else ()), []
        return "done", (part, data, told)


@contextmanager
def _connected(loaded: LoadedSpec) -> Iterator[Any]:
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
    own = {"num_cpus": _cores(), "include_dashboard": False} if address == LOCAL else {}
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
