"""A run of which nothing changed is known without a network; of whatever changed, it is not."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurflow_report.analysis import run, unchanged
from neurflow_report.analysis.run import analyze
from neurflow_report.analysis.unchanged import Unchanged
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.errors import InputError
from neurflow_report.progress import Silent, Timed
from neurflow_report.results import surroundings
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.shard import Merged
from neurflow_report.setup.precision import arithmetic
from neurflow_report.spec.load import LoadedSpec, load_spec
from tests.small_spec import SMALL, merged

CLASSES = ["firebell", "snowstar"]


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def spec(folder: Path, **changes: Any) -> LoadedSpec:
    """The small spec over pictures, weights, names and labels that lie in files."""
    own = {
        "model": {"weights": "net.safetensors", "class_names": "names.txt"},
        "data": {"source": "folder", "root": "pictures", "select": "labelled", "labels": "labels.json"},
        "runtime": {"cache": str(folder / "cache")},
        "output": str(folder / "out"),
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(merged(merged(SMALL, own), changes), sort_keys=False))
    return load_spec(folder / "spec.yaml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of it, in which it was run."""
    folder = tmp_path_factory.mktemp("unchanged")
    for name in CLASSES:
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(4):
            picture = DATASET.draw(DATASET.class_names.index(name), number)[0]
            picture.save(folder / "pictures" / name / f"{number}.png")
    (folder / "pictures" / "firebell" / "x.png").write_bytes(b"no picture")
    shutil.copy(NETWORKS["flowers"].weights, folder / "net.safetensors")
    (folder / "names.txt").write_text("\n".join(DATASET.class_names) + "\n")
    (folder / "labels.json").write_text(json.dumps({name: name for name in CLASSES}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        analyze(spec(folder), progress=Silent())
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; nothing is examined in it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    shutil.copytree(made, tmp_path / "all")
    return tmp_path / "all"


def found(loaded: LoadedSpec) -> Merged | None:
    with arithmetic():
        return Unchanged.of(loaded).found(Timed(Silent()))


def test_the_same_bundle_comes_without_a_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = files(folder / "out" / "bundle")
    monkeypatch.setattr(run, "preflight", lambda *_, **__: pytest.fail("it loads the network"))
    before = (folder / "out" / "bundle").stat().st_ino
    analyze(spec(folder), progress=Silent())
    assert (folder / "out" / "bundle").stat().st_ino == before
    shutil.rmtree(folder / "out")
    analyze(spec(folder), progress=Silent())
    assert files(folder / "out" / "bundle") == first


def test_a_bundle_that_was_changed_is_written_again(folder: Path) -> None:
    first = files(folder / "out" / "bundle")
    record = folder / "out" / "bundle" / "classes" / "firebell.json"
    record.write_bytes(record.read_bytes().replace(b"1", b"2", 1))
    analyze(spec(folder), progress=Silent())
    assert files(folder / "out" / "bundle") == first


def test_the_clock_is_that_of_the_run_that_found_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    analyze(spec(folder), progress=Silent())
    first = files(folder / "out" / "bundle")
    assert b"2023-11-14" not in first["manifest.json"]
    analyze(spec(folder), progress=Silent())
    assert files(folder / "out" / "bundle") == first


HANDED_ON: list[dict[str, Any]] = [
    {"title": "Another"},
    {"report": {"theme": "dark"}},
    {"report": {"formats": ["html"]}},
    {"report": {"tiles": "patch"}},
    {"report": {"url": "https://example.org/x/"}},
]


@pytest.mark.parametrize("changes", HANDED_ON, ids=str)
def test_what_the_run_only_hands_on(folder: Path, changes: dict[str, Any]) -> None:
    known = found(spec(folder, **changes))
    assert known is not None
    for key, value in {**changes, **changes.get("report", {})}.items():
        if key != "report":
            assert getattr(known.run, key) == (tuple(value) if isinstance(value, list) else value)
    other = found(spec(folder))
    assert other is not None
    assert known.classes == other.classes


VALUES: list[dict[str, Any]] = [
    {"core": {"tau": 2}, "fidelity": {"taus": [1, 2]}},
    {"classes": ["firebell"]},
    {"classes": ["snowstar", "firebell"]},
    {"layers": ["block4", "fc"]},
    {"data": {"limit": 3}},
    {"data": {"select": "any"}},
    {"data": {"sample": "random"}},
    {"data": {"holdout": 0.2}},
    {"data": {"white": 200}},
    {"data": {"labels": "names"}},
    {"preprocess": {"mean": [0.4, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}},
    {"concept": {"k": 11}},
    {"attribution": {"nodes": 2}},
    {"groups": {"max_semantic": 3}},
    {"fidelity": {"draws": 6}},
    {"report": {"images": "blur"}},
    {"names": {"firebell": {"block4": {"G1": "x"}}}},
    {"runtime": {"seed": 1}},
    {"runtime": {"precision": "float64"}},
    {"runtime": {"memory": "400MB"}},
    {"model": {"weights": "none"}},
    {"model": {"class_names": None}},
]


@pytest.mark.parametrize("changes", VALUES, ids=str)
def test_a_value_of_the_spec_that_changed(folder: Path, changes: dict[str, Any]) -> None:
    assert found(spec(folder, **changes)) is None


def test_every_key_of_the_spec_is_looked_at_or_handed_on() -> None:
    """A key that comes later is looked at until somebody says otherwise."""
    assert set(unchanged.APART) == {"title", "output", "report", "runtime"}
    told = {key for changes in HANDED_ON for key in changes.get("report", {})}
    drawn_only = {"templates", "attach_bundle", "appendix"}
    assert set(unchanged.APART["report"] or ()) == told | drawn_only
    assert unchanged.APART["runtime"] == ("cache", "engine", "address")


def flip(path: Path) -> None:
    """One bit of a file is another; its size, and when it was written, are as before."""
    state, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


FILES: dict[str, Callable[[Path], object]] = {
    "weights": lambda f: flip(f / "net.safetensors"),
    "class names": lambda f: (f / "names.txt").write_text((f / "names.txt").read_text() + "\n\n"),
    "labels": lambda f: (f / "labels.json").write_text((f / "labels.json").read_text() + " "),
    "no weights": lambda f: (f / "net.safetensors").unlink(),
    "picture": lambda f: flip(f / "pictures" / "firebell" / "2.png"),
    "unread": lambda f: (f / "pictures" / "firebell" / "x.png").write_bytes(b"neither one"),
    "gone": lambda f: (f / "pictures" / "snowstar" / "3.png").unlink(),
    "new": lambda f: shutil.copy(f / "pictures" / "snowstar" / "3.png", f / "pictures" / "snowstar" / "4.png"),
    "renamed": lambda f: (f / "pictures" / "snowstar" / "3.png").rename(f / "pictures" / "snowstar" / "5.png"),
    "moved": lambda f: (f / "pictures" / "snowstar" / "3.png").rename(f / "pictures" / "firebell" / "9.png"),
    "class": lambda f: shutil.copytree(f / "pictures" / "snowstar", f / "pictures" / "larkheart"),
    "no data": lambda f: shutil.rmtree(f / "pictures"),
    "kept class": lambda f: next((f / "cache").glob("*.class")).unlink(),
    "damaged class": lambda f: flip(next((f / "cache").glob("*.class"))),
    "damaged run": lambda f: flip(next((f / "cache").glob("*.run"))),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_changed(folder: Path, what: str) -> None:
    assert found(spec(folder)) is not None
    FILES[what](folder)
    assert found(spec(folder)) is None


def test_a_file_that_lies_elsewhere_is_the_same(folder: Path) -> None:
    (folder / "net.safetensors").rename(folder / "other.safetensors")
    assert found(spec(folder, model={"weights": "other.safetensors"})) is None  # the report calls the weights by it
    (folder / "pictures").rename(folder / "pictures2")
    (folder / "pictures").symlink_to("pictures2")
    (folder / "net.safetensors").symlink_to("other.safetensors")
    assert found(spec(folder)) is not None


def a_package(folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "site" / "more-1.0.dist-info").mkdir(parents=True)
    patch.syspath_prepend(str(folder / "site"))


def edited(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Code of a package that is installed, edited where it lies."""
    (folder / "site" / "timm").mkdir(parents=True)
    (folder / "site" / "timm" / "__init__.py").write_text("")
    patch.syspath_prepend(str(folder / "site"))
    patch.delitem(sys.modules, "timm", raising=False)  # a run in a process of its own has not imported it


AROUND: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "program": lambda _, p: p.setattr(unchanged, "program", lambda: "another"),
    "package": a_package,
    "module": edited,
    "threads": lambda _, p: p.setenv("OMP_NUM_THREADS", "7"),
    "numerics": lambda _, p: p.setenv("ATEN_CPU_CAPABILITY", "default"),
    "processor": lambda _, p: p.setattr(surroundings, "_processor", lambda: ["another"]),
    "system": lambda _, p: p.setattr(surroundings, "_SYSTEM", ("/",)),
    "versions": lambda _, p: p.setattr(unchanged, "described", lambda _device: {"device": "another"}),
    "torch": lambda _, p: p.setattr(unchanged, "_torch", lambda _device: ["another"]),
}


@pytest.mark.parametrize("what", AROUND)
def test_what_is_around_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    assert found(spec(folder)) is not None
    AROUND[what](folder, monkeypatch)
    assert found(spec(folder)) is None


def test_code_that_is_edited_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited(tmp_path, monkeypatch)
    first = surroundings.modules(["timm"])
    assert surroundings.modules(["timm"]) == first
    (tmp_path / "site" / "timm" / "more.py").write_text("")
    assert surroundings.modules(["timm"]) != first


def test_of_a_users_own_code_nobody_knows(folder: Path) -> None:
    loaded = spec(folder, model={"source": "python", "factory": "a.b:c", "name": None, "weights": "none"})
    assert Unchanged.of(loaded).key is None
    loaded = spec(folder, model={"source": "timm", "name": "resnet18", "weights": "pretrained"})
    assert Unchanged.of(loaded).key is None
    loaded = spec(folder, model={"source": "torchvision", "name": "resnet18", "weights": "IMAGENET1K_V1"})
    assert Unchanged.of(loaded).key is None  # they were never fetched


def test_what_is_wrong_already_is_told_by_the_run(folder: Path) -> None:
    assert Unchanged.of(spec(folder), [InputError("graphviz-missing", "m")]).found(Timed(Silent())) is None


@pytest.mark.slow
def test_a_picture_that_changes_during_the_run_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are weights that do."""
    for name in ("pictures/firebell/x.png", "net.safetensors"):
        shutil.rmtree(folder / "cache")

        def changed(*args: Any, name: str = name, chosen: Any = run.choice_of) -> Any:
            found = chosen(*args)
            file = folder / name
            flip(file) if name.startswith("net") else file.write_bytes(b"another")
            if not name.startswith("net"):
                with pytest.raises(Exception, match="known format"):
                    args[1].source.items[4].open()
            return found

        with monkeypatch.context() as patch:
            patch.setattr(run, "choice_of", changed)
            analyze(spec(folder), progress=Silent())
        assert list((folder / "cache").glob("*.class"))
        assert not list((folder / "cache").glob("*.run"))


def test_force_takes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class LoadsError(Exception):
        pass

    def loads(*_: object, **__: object) -> None:
        raise LoadsError

    monkeypatch.setattr(run, "preflight", loads)
    with pytest.raises(LoadsError):
        analyze(spec(folder), progress=Silent(), how=run.How(force=True))
    assert read_bundle(folder / "out").run.title == "Small"
