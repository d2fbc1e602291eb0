"""`cache`: what is kept is listed, and deleted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from neurflow_report.cli import main
from neurflow_report.commands import commands
from neurflow_report.commands.command import with_force_alone
from neurflow_report.commands.parser import parser_of
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.cache import NAME, Cache, Kept, folder
from neurflow_report.results.surroundings import digest
from tests.sample_bundle import frozen_bundle


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv(NAME, str(tmp_path / "cache"))
    bundle = read_bundle(frozen_bundle(tmp_path, pictures=2, classes=2).root)
    found = Cache(folder=tmp_path / "cache")
    for result in bundle.classes:
        pictures = {p.file: bundle.picture_bytes(p.file) for p in result.pictures if p.file is not None}
        found.put(digest({"class": result.slug}), Kept(result=result, pictures=pictures), title="Flowers")
    return found


def test_an_entry_is_given_back_as_it_was_put(cache: Cache, tmp_path: Path) -> None:
    bundle = read_bundle(tmp_path)
    kept = cache.get(digest({"class": bundle.classes[0].slug}))
    assert kept is not None
    assert kept.result == bundle.classes[0]
    assert {name: bundle.picture_bytes(name) for name in kept.pictures} == kept.pictures
    assert cache.get(digest({"class": "other"})) is None


def test_entries_are_listed_and_deleted(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "list"]) == 0
    told = capsys.readouterr().out
    assert f"{cache.folder}: 2 classes, " in told
    assert "bee & <co>  Flowers" in told
    old = next(entry for entry in cache.entries() if entry.name == "Ångström 3")
    os.utime(old.path, (time.time() - 10 * 86400,) * 2)
    assert main(["cache", "clean", "--unused", "7"]) == 0
    assert ": 1 class deleted, " in capsys.readouterr().out
    assert [entry.name for entry in cache.entries()] == ["bee & <co>"]
    assert main(["cache", "clean", "--quiet"]) == 0
    assert cache.entries() == []
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out.endswith("nothing is kept\n")


def test_the_longest_unused_go_where_there_is_too_much(cache: Cache, tmp_path: Path) -> None:
    bundle, before = read_bundle(tmp_path), cache.entries()
    size = sum(entry.bytes for entry in before)
    for age, entry in enumerate(before):
        os.utime(entry.path, (time.time() - 100 * (age + 1),) * 2)
    small = Cache(folder=cache.folder, most=size + 10)
    small.put(digest({"more": 1}), Kept(result=bundle.classes[1], pictures={}), title="More")
    left = {entry.path for entry in small.entries()}
    assert before[0].path in left
    assert before[-1].path not in left


def test_what_is_no_entry_is_left_alone_and_what_is_damaged_is_told(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    (cache.folder / "notes.txt").write_text("mine")
    entry = cache.entries()[0]
    entry.path.write_bytes(b"0" * 100)
    assert main(["cache", "list"]) == 0
    assert "(damaged)" in capsys.readouterr().out
    assert main(["cache", "clean", "--quiet"]) == 0
    assert [path.name for path in cache.folder.iterdir()] == ["notes.txt"]


def test_files_of_others_are_neither_counted_nor_deleted(cache: Cache) -> None:
    own = {one.path.name for one in cache.entries()}
    others = ["Main.class", "my.run", "a.drawn", "b.stage", f"{'A' * 64}.class", f"{'0' * 64}.class.class"]
    for name in others:
        (cache.folder / name).write_bytes(b"x" * 10_000)
    assert {one.path.name for one in cache.entries()} == own
    most = sum(one.bytes for one in cache.entries()) + 1000
    Cache(folder=cache.folder, most=most).write(digest("more"), ".run", {}, name="x", title="y")
    assert {one.path.name for one in cache.entries()} > own
    assert cache.clean()[0] == 2
    assert sorted(path.name for path in cache.folder.iterdir()) == sorted(others)


@pytest.mark.parametrize(
    ("words", "force", "rest"),
    [
        (["build", "my.yaml", "--force"], True, "my.yaml"),
        (["build", "--force", "my.yaml"], True, "my.yaml"),
        (["build", "--force", "--quiet", "my.yaml"], True, "my.yaml"),
        (["build", "my.yaml", "--force", "masking"], "masking", "my.yaml"),
        (["build", "--force", "masking", "my.yaml"], "masking", "my.yaml"),
        (["build", "my.yaml"], False, "my.yaml"),
    ],
)
def test_a_stage_after_force_is_one_and_a_spec_is_none(words: list[str], force: object, rest: str) -> None:
    options = parser_of(commands()).parse_args(with_force_alone(words))
    assert (options.force, str(options.spec)) == (force, rest)


def test_where_entries_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder("off") is folder("none") is None
    assert folder(str(tmp_path)) == tmp_path
    monkeypatch.setenv(NAME, "OFF")
    assert folder() is None
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out == "nothing is kept: the cache is off\n"
    monkeypatch.setenv(NAME, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "neurflow-report"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / ".cache" / "neurflow-report"
