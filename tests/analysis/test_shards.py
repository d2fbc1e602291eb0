"""Shards of a spec, each run apart, make the bundle of one run, byte for byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest
import yaml

from neurflow_report.analysis.processes import examined_in
from neurflow_report.errors import InputError, RunError
from neurflow_report.progress import Silent
from neurflow_report.report import analyze, analyze_shard, merge
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.packed import packed, unpacked
from neurflow_report.results.shard import Part, read_shard
from neurflow_report.spec.load import LoadedSpec, load_spec
from tests.small_spec import SMALL, merged

CLASSES = ["firebell", "snowstar", "larkheart"]


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def spec(folder: Path, **changes: object) -> LoadedSpec:
    """Three classes; what is found goes to the folder `out`."""
    values = merged(SMALL, {"classes": CLASSES, "output": str(folder / "out"), **changes})
    (folder / "spec.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return load_spec(folder / "spec.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shards")


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, bytes]:
    """The bundle of one run; the shards of the same spec lie in `folder`/shards then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        loaded = spec(folder)
        found = files(analyze(loaded))
        shutil.rmtree(folder / "out")
        for number in (3, 1, 2):
            shard = analyze_shard(loaded, Part(i=number, n=3))
            assert shard == folder / "out" / f"shard-{number}-of-3.shard"
        assert sorted(path.name for path in (folder / "out").iterdir()) == [f"shard-{n}-of-3.shard" for n in (1, 2, 3)]
        (folder / "out").rename(folder / "shards")
    return found


@pytest.fixture
def shards(whole: dict[str, bytes], folder: Path, tmp_path: Path) -> list[Path]:
    assert whole
    return [Path(shutil.copy(path, tmp_path)) for path in sorted((folder / "shards").iterdir())]


def test_together_they_are_the_bundle_of_one_run(whole: dict[str, bytes], shards: list[Path]) -> None:
    bundle = merge([shards[0].parent])
    assert bundle == shards[0].parent / "bundle"
    assert files(bundle) == whole
    assert [c.name for c in read_bundle(bundle).classes] == CLASSES


def test_one_that_is_there_twice_does_no_harm(whole: dict[str, bytes], shards: list[Path], tmp_path: Path) -> None:
    again = shutil.copy(shards[1], tmp_path / "again.shard")
    bundle = merge([shards[2], Path(again), *shards], output=tmp_path / "other")
    assert files(bundle) == whole


def test_each_has_its_own_classes(shards: list[Path]) -> None:
    assert [list(read_shard(path).classes) for path in shards] == [["firebell"], ["snowstar"], ["larkheart"]]
    assert [bool(read_shard(path).run.cross_checks) for path in shards] == [True, False, False]


def test_a_class_that_is_missing_is_told(shards: list[Path]) -> None:
    with pytest.raises(InputError) as error:
        merge([shards[0], shards[2]])
    assert (error.value.slug, error.value.message) == ("shard-incomplete", "1 of 3 classes is in no shard: snowstar")
    assert not (shards[0].parent / "bundle").exists()


def test_shards_of_different_runs_are_told_apart(shards: list[Path], folder: Path, tmp_path: Path) -> None:
    other = folder / "other"
    other.mkdir()
    changed = analyze_shard(spec(other, groups={"max_neuron": 3}), Part(i=2, n=3))
    with pytest.raises(InputError) as error:
        merge([shards[0], changed, shards[2]], output=tmp_path / "out")
    assert error.value.slug == "shard-mismatch"
    told = "shard-2-of-3.shard is of another run than shard-1-of-3.shard: run.settings.max_neuron differs"
    assert error.value.message == told


def test_what_was_found_twice_and_differs_is_told(shards: list[Path], tmp_path: Path) -> None:
    inside = unpacked(shards[1])
    record = inside["snowstar/class.json"]
    inside["snowstar/class.json"] = record.replace(b'"candidates": 40', b'"candidates": 41')
    assert inside["snowstar/class.json"] != record
    (tmp_path / "odd.shard").write_bytes(packed(inside))
    with pytest.raises(InputError) as error:
        merge([*shards, tmp_path / "odd.shard"])
    assert error.value.message == "shard-2-of-3.shard and odd.shard have found different things of snowstar"


@pytest.mark.parametrize("place", [0, 10, 63, 64, 100, 5000, -1])
def test_a_shard_that_was_changed_is_refused(shards: list[Path], place: int) -> None:
    data = bytearray(shards[1].read_bytes())
    data[place] ^= 4
    shards[1].write_bytes(data)
    with pytest.raises(InputError) as error:
        merge(shards)
    assert error.value.slug == "shard-damaged"
    assert error.value.message == "the shard is damaged: its sha256 is not the one that it begins with"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"run.json": b"{}"}, "values in it are not as they should be"),
        ({"shard.json": b'{"format": 9}'}, "it has format 9, and this version reads format 1"),
        ({"snowstar/class.json": b"[1"}, "not as they should be"),
        ({"shard.json": b"[]"}, "TypeError"),
    ],
    ids=["run", "format", "class", "list"],
)
def test_a_shard_that_somebody_else_wrote_is_checked(shards: list[Path], change: dict[str, bytes], told: str) -> None:
    shards[1].write_bytes(packed(unpacked(shards[1]) | change))
    with pytest.raises(InputError, match="the shard is damaged: ") as error:
        merge(shards)
    assert told in error.value.message


def test_a_record_that_contradicts_itself_is_refused(shards: list[Path]) -> None:
    inside = unpacked(shards[1])
    name = hashlib.sha256(b"no such picture").hexdigest()[:16]
    record = inside["snowstar/class.json"].decode()
    first = record.index('"file": "') + len('"file": "')
    inside["snowstar/class.json"] = (record[:first] + f"../{name}" + record[record.index('"', first) :]).encode()
    shards[1].write_bytes(packed(inside))
    with pytest.raises((InputError, ValueError)):
        merge(shards)
    assert not (shards[0].parent / "bundle").exists()


def test_there_is_no_shard(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        merge([tmp_path])
    assert error.value.message == f"there is no shard in {tmp_path}"
    with pytest.raises(InputError) as error:
        merge([tmp_path / "none.shard"])
    assert error.value.message == "the shard is damaged: No such file or directory"


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(InputError) as error:
        Part.of(text)
    assert error.value.slug == "command-line"
    assert (
        error.value.message
        == f"--shard {text}: expected a number and how many there are, such as 3/10, from 1/10 to 10/10"
    )


def test_every_class_is_in_one_shard() -> None:
    for n in range(1, 8):
        for number in range(20):
            assert sum(Part(i=i, n=n).has(number) for i in range(1, n + 1)) == 1


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("NEURFLOW_REPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def without_threads(found: dict[str, bytes]) -> dict[str, bytes]:
    """What is not told of the processes themselves."""
    return {name: data for name, data in found.items() if not name.startswith("manifest")}


@pytest.mark.slow
def test_several_processes_find_what_one_does(whole: dict[str, bytes], folder: Path, at_once: Path) -> None:
    found = files(analyze(spec(folder), jobs=2))
    assert without_threads(found) == without_threads(whole)
    manifest = read_bundle(folder / "out").manifest
    assert manifest.provenance.spec_resolved["runtime"]["memory"] == "500MB"
    assert [path.name for path in (folder / "out").iterdir()] == ["bundle"]
    shutil.rmtree(folder / "out")


@pytest.mark.slow
def test_what_a_process_tells_is_raised_where_it_was_asked_for(folder: Path, at_once: Path) -> None:
    with pytest.raises(InputError) as error:
        analyze(spec(folder, layers=["block7", "fc"]), jobs=3)
    assert error.value.slug == "layer-unknown"
    assert error.value.where is not None
    assert not (folder / "out").exists()
    assert not list(at_once.glob("cache/*"))


def died(loaded: LoadedSpec, part: Part, **_: object) -> Path:
    if part.i == 2:
        os._exit(7)
    time.sleep(600)
    return loaded.file


def failed(_loaded: LoadedSpec, _part: Part, **_: object) -> Path:
    raise ZeroDivisionError("by nought")


@pytest.mark.slow
def test_a_process_that_ends_by_itself_ends_the_others(folder: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(RunError) as error:
        examined_in(spec(folder), 2, tmp_path, died, progress=Silent())
    assert error.value.slug == "process-ended"
    assert error.value.message == "process 2 of 2 ended by itself, with code 7"
    assert time.monotonic() - begun < 300


@pytest.mark.slow
def test_a_process_that_fails_is_told_with_its_traceback(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)a process of the run failed:.*ZeroDivisionError: by nought"):
        examined_in(spec(folder), 2, tmp_path, failed, progress=Silent())
