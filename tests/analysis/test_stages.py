"""Stages kept by content: with another τ no picture goes through the network again, and the bundle is the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch import Tensor

from neurflow_report.analysis import accuracy, class_circuit, masking_passes
from neurflow_report.analysis.run import How, analyze
from neurflow_report.errors import InputError
from neurflow_report.progress import Silent
from neurflow_report.results.arrays import read_arrays, write_arrays
from neurflow_report.results.cache import STAGE, Cache
from neurflow_report.results.stages import STAGES
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


def test_the_stages_go_first_and_a_large_one_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path, most=8 * 5000)
    cache.put_stage("large", {"a": np.zeros(5001, np.uint8)}, name="x", title="y")
    assert cache.entries() == []
    cache.write("b", ".run", {"x": np.random.default_rng(0).bytes(20_000)}, name="x", title="y")
    for number in range(6):
        cache.put_stage(f"{number}", {"a": np.full(4000, number, np.uint8)}, name="x", title="y")
    assert sum(one.bytes for one in cache.entries()) <= 8 * 5000
    assert "b.run" in {one.path.name for one in cache.entries()}
    found = cache.stage("5")
    assert found is not None
    assert (found["a"] == 5).all()
    assert cache.stage("0") is None


def test_a_cache_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    cache = Cache(folder="memory://somewhere/cache", most=8 * 10_000)
    assert not cache.shelf.is_there()
    assert cache.stage("a") is None
    cache.put_stage("a", {"a": np.arange(9)}, name="x", title="y")
    cache.write("b", ".run", {"found.json": b"{}"}, name="(the run)", title="y")
    assert cache.shelf.is_there()
    found = cache.stage("a")
    assert found is not None
    assert found["a"].tolist() == list(range(9))
    assert cache.read("b", ".run", lambda files: files["found.json"]) == b"{}"
    assert {(one.path.name, one.name) for one in cache.entries()} == {("a.stage", "x"), ("b.run", "(the run)")}
    system = fsspec.filesystem("memory")
    system.pipe_file("/somewhere/cache/a.stage", b"0" * 99)
    assert cache.stage("a") is None
    assert [one.path.name for one in cache.entries()] == ["b.run"]
    monkeypatch.setattr(type(system), "get_file", _fails)
    assert cache.read("b", ".run", lambda files: files) is None  # the line is down: nothing is deleted
    monkeypatch.undo()
    assert cache.read("b", ".run", lambda files: files["found.json"]) == b"{}"
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
