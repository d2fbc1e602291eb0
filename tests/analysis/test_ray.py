"""Ray: actors examine a class each, and the bundle is that of one run, byte for byte, whoever dies on the way."""

from __future__ import annotations

import builtins
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurflow_report.analysis import run
from neurflow_report.analysis.ray_actors import examined_by_ray
from neurflow_report.errors import InputError
from neurflow_report.progress import Silent
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
