"""Ray: actors examine a class each, and the bundle is that of one run, byte for byte, whoever dies on the way."""

from __future__ import annotations

import builtins
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from neurflow_report.analysis import ray_actors, run
from neurflow_report.analysis.ray_actors import Machine, examined_by_ray
from neurflow_report.errors import InputError, RunError
from neurflow_report.progress import Silent, Step
from neurflow_report.report import analyze
from neurflow_report.results.shard import Part, write_merged
from neurflow_report.spec.load import LoadedSpec, load_spec
from tests.small_spec import SMALL, merged


def spec(folder: Path, **runtime: Any) -> LoadedSpec:
    """Three classes; what is found goes to the folder `out`."""
    changes = {"classes": ["firebell", "snowstar", "larkheart"], "output": str(folder / "out")}
    values = merged(SMALL, changes | {"runtime": {"cache": "off", **runtime}})
    (folder / "spec.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return load_spec(folder / "spec.yaml")


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


class DiesOnce:
    """Examines shards; at the first class that comes to any, its process is killed."""

    def __init__(self, died: Path, *args: Any, **kwargs: Any) -> None:
        self.died, self.shards = died, run.ShardByShard(*args, **kwargs)

    def write(self, part: Part, place: Path) -> Path:
        if not self.died.exists():
            self.died.write_text(str(part))
            os.kill(os.getpid(), signal.SIGKILL)
        return self.shards.write(part, place)


def test_without_ray_it_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError) as error:
        analyze(spec(folder, engine="ray"))
    assert (error.value.slug, error.value.path) == ("missing-package", ("runtime", "engine"))
    assert error.value.message == "runtime.engine is ray, and the Python package ray is not installed"
    assert error.value.hint == "pip install 'neurflow-report[ray]', or set runtime.engine: here"


class FakeRay:
    """Ray, in this process: a call is done where it is made. Of the actors those of the numbers `late` never begin; the
    machine of each is what `machines` makes of its number and its own."""

    def __init__(self, cluster: int, free: int) -> None:
        self.cluster, self.free, self.late = cluster, free, set[int]()
        self.machines: Callable[[int, Machine], Machine] = lambda _number, machine: machine
        self.actors, self.gone, self.given = list[Any](), list[int](), Counter[int]()
        self.own, self.told = list[LoadedSpec](), dict[int, tuple[str, Machine]]()
        self.util, self.exceptions = (
            SimpleNamespace(ActorPool=self.pool),
            SimpleNamespace(RayActorError=ZeroDivisionError),
        )

    def init(self, **_: Any) -> None: ...

    def shutdown(self) -> None: ...

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cluster}

    def available_resources(self) -> dict[str, float]:
        return {"CPU": self.free} if self.free else {}

    def remote(self, kind: Any) -> Any:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=partial(self.begun, kind)))

    def begun(self, kind: Any, *args: Any) -> Any:
        number, made = len(self.actors), kind(*args)

        def shard(own: LoadedSpec, *rest: Any) -> Any:
            self.given[number] += 1
            self.own.append(own)
            return made.shard(own, *rest)

        def machine() -> int:
            told, found = made.machine()
            self.told[number] = told, self.machines(number, found)
            return number

        self.actors.append(
            SimpleNamespace(number=number, machine=SimpleNamespace(remote=machine), shard=SimpleNamespace(remote=shard))
        )
        return self.actors[-1]

    def wait(self, refs: Any, *, num_returns: int, timeout: float | None) -> Any:
        if timeout is None:  # one comes after all
            self.late.remove(min(self.late))
        there = [ref for ref in refs if ref not in self.late]
        assert num_returns == (1 if timeout is None else len(refs))
        return there, [ref for ref in refs if ref in self.late]

    def get(self, refs: Any) -> Any:
        return [self.told[ref] for ref in refs]

    def kill(self, actor: Any) -> None:
        self.gone.append(actor.number)

    def pool(self, actors: Any) -> Any:
        def map_unordered(work: Any, parts: Any) -> Any:
            for number, part in enumerate(parts):
                yield work(actors[number % len(actors)], part)

        return SimpleNamespace(map_unordered=map_unordered)


class NothingFound:
    """Examines no shard, so that none is merged."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def write(self, part: Part, place: Path) -> Path:
        if part.i == part.n:
            raise RunError("class-failed", "the last one")
        (place / part.file).write_bytes(b"")
        return place / part.file


class Notes(Silent):
    """What is told."""

    def __init__(self) -> None:
        self.told = list[str]()

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Step]:
        self.told.append(name)
        yield SimpleNamespace(advance=lambda _n=1: None, note=self.told.append)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    found = FakeRay(cluster=8, free=8)
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setitem(sys.modules, "ray.util", found.util)
    monkeypatch.setattr(ray_actors.signal, "signal", lambda *_: None)
    monkeypatch.setattr(ray_actors.torch, "set_num_threads", lambda _: None)
    return found


def begun(folder: Path, jobs: int, **runtime: Any) -> list[str]:
    """What is told of a run that examines nothing."""
    notes, shards = Notes(), folder / "shards"
    shards.mkdir(exist_ok=True)
    with pytest.raises(RunError, match="the last one"):
        examined_by_ray(spec(folder, engine="ray", **runtime), jobs, shards, NothingFound, progress=notes)
    return notes.told


@pytest.mark.parametrize(
    ("jobs", "cluster", "free", "address", "actors"),
    [
        (64, 8, 8, "auto", 3),
        (64, 2, 2, "local", 2),
        (64, 2, 0, "local", 2),
        (2, 8, 8, "auto", 2),
        (64, 8, 2, "auto", 2),
        (64, 8, 0, "auto", 1),
    ],
)
def test_as_many_actors_as_there_are_classes_and_processors_for(
    folder: Path, ray: FakeRay, jobs: int, cluster: int, free: int, address: str, actors: int
) -> None:
    ray.cluster, ray.free = cluster, free
    some = "1 Ray actor" if actors == 1 else f"{actors} Ray actors"
    assert begun(folder, jobs, address=address) == [f"examine the classes in {some} on processors"]
    assert len(ray.actors) == actors
    assert sum(ray.given.values()) == 3


def test_no_class_is_given_to_an_actor_that_has_no_place(folder: Path, ray: FakeRay) -> None:
    ray.late = {0}
    told = begun(folder, 3, address="auto")
    assert told[1:] == ["1 of 3 actors have not begun after 120 s: the run goes on without them"]
    assert (set(ray.given), ray.gone) == ({1, 2}, [0])
    ray.actors.clear()
    ray.given.clear()
    ray.late = {0, 1, 2}
    told = begun(folder, 3, address="auto")
    assert told[1] == "no actor has begun after 120 s: Ray has no place free; the run waits for one"
    assert set(ray.given) == {0}


@pytest.mark.parametrize("address", ["local", "auto"])
def test_actors_on_one_machine_share_its_memory(folder: Path, ray: FakeRay, address: str) -> None:
    begun(folder, 3, address=address, memory="600MiB")
    assert {one.spec.runtime.memory for one in ray.own} == {"200MiB"}
    ray.own.clear()
    ray.actors.clear()
    ray.machines = lambda number, one: replace(one, name=f"{number // 2}", memory=(600 - 350 * (number // 2)) * 2**20)
    begun(folder, 3, address=address)
    assert {one.spec.runtime.memory for one in ray.own} == {"250MiB"}  # two have 600, and one 250 of its own


def test_machines_that_are_not_alike_are_told_before_anything_is_examined(folder: Path, ray: FakeRay) -> None:
    ray.machines = lambda number, one: replace(one, known=one.known | {"torch": "1.0"} if number else one.known)
    (folder / "shards").mkdir()
    with pytest.raises(InputError) as error:
        examined_by_ray(
            spec(folder, engine="ray", address="auto"), 3, folder / "shards", NothingFound, progress=Silent()
        )
    assert error.value.slug == "shard-mismatch"
    assert error.value.message.startswith("Ray's machines are not alike: torch is ")
    assert error.value.message.endswith(" on one, and 1.0 on another")
    assert not ray.given


@pytest.mark.slow
def test_the_bundle_is_that_of_one_run_though_an_actor_was_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    loaded = spec(folder, engine="ray")
    whole = files(analyze(spec(folder)))
    loaded = spec(folder, engine="ray")
    died, shards = folder / "died", folder / "shards"
    shards.mkdir()
    begin = partial(DiesOnce, died)
    found = examined_by_ray(loaded, 2, shards, begin, progress=Silent())
    assert died.read_text()
    write_merged(folder / "again", found, lambda _note: None)
    again = files(folder / "again")
    assert {name: data for name, data in again.items() if not name.startswith("manifest")} == {
        name: data for name, data in whole.items() if not name.startswith("manifest")
    }


@pytest.mark.slow
def test_an_address_where_no_ray_is(folder: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(InputError) as error:
        analyze(spec(folder, engine="ray", address="auto"))
    assert (error.value.slug, error.value.path) == ("ray-unreachable", ("runtime", "address"))
    assert error.value.message.startswith("there is no Ray at 'auto': ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
