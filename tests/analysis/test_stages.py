"""Stages kept by content: with another τ no picture goes through the network again, and the bundle is the same."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch import Tensor

from neurflow_report.analysis import accuracy, class_circuit, masking_passes
from neurflow_report.analysis.masking_passes import MaskingPasses
from neurflow_report.analysis.run import How, analyze
from neurflow_report.analysis.stages import NOTHING_KEPT, Stages
from neurflow_report.errors import InputError
from neurflow_report.network import forward
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.arrays import read_arrays, write_arrays
from neurflow_report.results.cache import STAGE, Cache
from neurflow_report.results.stages import STAGES
from neurflow_report.results.surroundings import digest
from neurflow_report.setup.preflight import preflight
from neurflow_report.spec.load import load_spec
from tests.small_spec import SMALL, merged


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each stage is made."""
    found, monkey = Counter[str](), monkeypatch

    def counted(where: Any, name: str, stage: str) -> None:
        before = getattr(where, name)

        def one(*args: Any, **kwargs: Any) -> Any:
            found[stage] += 1
            return before(*args, **kwargs)

        monkey.setattr(where, name, one)

    counted(class_circuit, "layer_means", "patches")
    counted(masking_passes.MaskingPasses, "_means", "pictures")
    counted(masking_passes.MaskingPasses, "_run", "masking")
    counted(accuracy, "check_finite", "predictions")
    monkey.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return found


def bundle(folder: Path, how: How = How(), **changes: Any) -> dict[str, bytes]:  # noqa: B008
    """The files of a small bundle of one class, without the spec's own words."""
    own = {"classes": ["firebell"], "runtime": {"cache": str(folder / "cache")}, "output": str(folder / "out")}
    values = merged(merged(SMALL, own), changes)
    (folder / "spec.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    root = analyze(load_spec(folder / "spec.yaml"), progress=Silent(), how=how)
    files = {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
    return {name: data for name, data in files.items() if not name.startswith("manifest")}


ANOTHER = {"core": {"tau": 2}, "fidelity": {"taus": [1, 2]}, "data": {"holdout": 0.5, "limit": 8}}


@pytest.mark.slow
def test_another_tau_repeats_no_pass_of_the_pictures(tmp_path: Path, made: Counter[str]) -> None:
    plain = bundle(tmp_path, **merged(ANOTHER, {"runtime": {"cache": "off"}}))
    bundle(tmp_path, **merged(ANOTHER, {"core": {"tau": 3}, "fidelity": {"taus": [1, 3]}}))
    made.clear()
    assert bundle(tmp_path, **ANOTHER) == plain
    assert set(made) == {"masking"}  # not at τ = 1, which both have
    assert made["masking"] == 2


@pytest.mark.slow
def test_an_entry_that_is_not_whole_is_made_again(tmp_path: Path, made: Counter[str]) -> None:
    whole = bundle(tmp_path)
    stages = [one for one in Cache(folder=tmp_path / "cache").entries() if one.kind == STAGE]
    assert {one.name.split(" ")[0].strip("()") for one in stages} == {*STAGES}
    for number, one in enumerate(stages):
        data = bytearray(one.path.read_bytes())
        data[len(data) // 2] ^= 1
        one.path.write_bytes(data[: len(data) // 2] if number % 2 else data)
    made.clear()
    assert bundle(tmp_path, title="Another", report={"images": "none"}, groups={"max_neuron": 9})
    assert set(made) >= {"patches", "masking"}
    made.clear()
    bundle(tmp_path, groups={"max_neuron": 8})
    assert not made
    assert bundle(tmp_path, How.of("masking")) == whole
    assert set(made) == {"masking"}


@pytest.mark.slow
def test_a_little_less_free_memory_finds_the_stages(
    tmp_path: Path, made: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_free_bytes", lambda _device: 1_000_000_000)
    bundle(tmp_path, runtime={"memory": "auto"})
    assert set(made) == set(STAGES) - {"attributions"} | {"pictures"}
    made.clear()
    monkeypatch.setattr(forward, "_free_bytes", lambda _device: 990_000_000)
    bundle(tmp_path, runtime={"memory": "auto"}, title="Another", report={"images": "none"})
    assert not made


def test_what_follows_from_the_memory_is_in_the_key(tmp_path: Path) -> None:
    own = {"classes": ["firebell"], "runtime": {"cache": str(tmp_path / "cache")}, "output": str(tmp_path / "out")}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(merged(SMALL, own)))
    loaded = load_spec(tmp_path / "spec.yaml")
    ready = preflight(loaded, progress=Silent())
    workspace = ready.workspace

    def common(**changes: Any) -> str:
        return Stages.of(loaded.spec, replace(ready, workspace=replace(workspace, **changes))).common

    assert common() == common(memory=workspace.memory * 99 // 100, keep=workspace.keep * 99 // 100)
    assert common() != common(memory=workspace.memory // 64, keep=workspace.keep // 64)
    assert common() != common(forward_rows=workspace.forward_rows // 2)
    passes = [
        MaskingPasses(replace(workspace, memory=memory), ready.pictures, ready.pictures, 0, SilentStep(), NOTHING_KEPT)
        for memory in (workspace.memory, 0)
    ]
    assert passes[0].kept.layers != passes[1].kept.layers


def test_there_is_no_such_stage() -> None:
    with pytest.raises(InputError) as error:
        How.of("mask")
    assert (error.value.slug, error.value.message) == ("command-line", "there is no stage 'mask'")
    assert How.of(True).anew == frozenset(STAGES)
    assert How.of(False).anew == frozenset()


def test_arrays_come_back_bit_by_bit(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6.0).reshape(2, 3)[:, ::2],
        "b 1": np.array([True, False]),
        "c": np.zeros((0, 4), np.float32),
    }
    with (tmp_path / "x").open("w+b") as stream:
        write_arrays(stream, {"class": "x"}, arrays)
    found = read_arrays(tmp_path / "x")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    data = (tmp_path / "x").read_bytes()
    for odd in (b"", data[:-1], data[:70], data[:64] + b"\0" * 99, data + b"1"):
        (tmp_path / "x").write_bytes(odd)
        with pytest.raises(ValueError, match="sha256"):
            read_arrays(tmp_path / "x")


def key(name: object) -> str:
    """A key, as a digest is."""
    return digest(str(name))


def test_the_stages_go_first_and_a_large_one_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path, most=8 * 5000)
    cache.put_stage(key("large"), {"a": np.zeros(5001, np.uint8)}, name="x", title="y")
    assert cache.entries() == []
    cache.write(key("b"), ".run", {"x": np.random.default_rng(0).bytes(20_000)}, name="x", title="y")
    for number in range(6):
        run = Cache(folder=tmp_path, most=8 * 5000, begun=time.time() + 60)  # another run each
        run.put_stage(key(number), {"a": np.full(4000, number, np.uint8)}, name="x", title="y")
    assert sum(one.bytes for one in cache.entries()) <= 8 * 5000
    assert f"{key('b')}.run" in {one.path.name for one in cache.entries()}
    found = cache.stage(key(5))
    assert found is not None
    assert (found["a"] == 5).all()
    assert cache.stage(key(0)) is None


def test_no_stage_pushes_out_a_class_or_what_its_own_run_has_kept(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path, most=8 * 5000, begun=time.time() - 60)
    cache.write(key("b"), ".run", {"x": np.random.default_rng(0).bytes(20_000)}, name="x", title="y")
    for number in range(6):
        cache.put_stage(key(number), {"a": np.full(4000, number, np.uint8)}, name="x", title="y")
    assert [cache.stage(key(number)) is not None for number in range(6)] == [True] * 4 + [False] * 2
    cache.write(key("c"), ".run", {"x": np.random.default_rng(1).bytes(17_000)}, name="x", title="y")
    assert {one.kind for one in cache.entries()} == {".run"}
    held = sum(one.bytes for one in cache.entries())
    for most in (held + 3999, held + 4000):  # in the latter there is room for the numbers, and not for what names them
        tight = Cache(folder=tmp_path, most=most)
        tight.put_stage(key("d"), {"a": np.zeros(4000, np.uint8)}, name="x", title="y")
        assert {one.path.name for one in tight.entries()} >= {f"{key('b')}.run", f"{key('c')}.run"}
    assert Cache(folder=tmp_path, most=held + 3999).stage(key("d")) is not None


def test_a_cache_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    cache = Cache(folder="memory://somewhere/cache", most=8 * 10_000)
    assert not cache.shelf.is_there()
    assert cache.stage(key("a")) is None
    cache.put_stage(key("a"), {"a": np.arange(9)}, name="x", title="y")
    cache.write(key("b"), ".run", {"found.json": b"{}"}, name="(the run)", title="y")
    assert cache.shelf.is_there()
    found = cache.stage(key("a"))
    assert found is not None
    assert found["a"].tolist() == list(range(9))
    assert cache.read(key("b"), ".run", lambda files: files["found.json"]) == b"{}"
    assert {(one.path.name, one.name) for one in cache.entries()} == {
        (f"{key('a')}.stage", "x"),
        (f"{key('b')}.run", "(the run)"),
    }
    system = fsspec.filesystem("memory")
    system.pipe_file(f"/somewhere/cache/{key('a')}.stage", b"0" * 99)
    assert cache.stage(key("a")) is None
    assert [one.path.name for one in cache.entries()] == [f"{key('b')}.run"]
    monkeypatch.setattr(type(system), "get_file", _fails)
    assert cache.read(key("b"), ".run", lambda files: files) is None  # the line is down: nothing is deleted
    monkeypatch.undo()
    assert cache.read(key("b"), ".run", lambda files: files["found.json"]) == b"{}"
    cache.clean()
    assert cache.entries() == []


def _fails(*_: object, **__: object) -> Tensor:
    raise RuntimeError("no answer")


def test_an_address_of_nothing_is_told() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InputError) as error:
        Cache(folder="nowhere://x").shelf.is_there()
    assert (error.value.slug, error.value.path) == ("spec-bad-value", ("runtime", "cache"))
    assert error.value.message.startswith("'nowhere://x' is no place for a cache: ")
