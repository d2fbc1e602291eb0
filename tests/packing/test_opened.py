"""What is read of a stranger's archive where its bundle alone is wanted."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from neurflow_report.errors import InputError
from neurflow_report.packing import opened as room
from neurflow_report.packing.opened import opened
from neurflow_report.packing.pack import unpacked
from neurflow_report.report import archive, render
from tests.sample_bundle import frozen_bundle


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    frozen_bundle(folder, pictures=1, classes=1)
    render(folder / "bundle", formats=["html"])
    return archive(folder).archive


def packed_again(zipped: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with its files changed or left out, stored as `archive` stores them."""
    with zipfile.ZipFile(zipped) as given, zipfile.ZipFile(target, "w") as made:
        for entry in given.infolist():
            if (data := change(entry.filename, given.read(entry))) is not None:
                made.writestr(entry, data)
    return target


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught, opened(path):
        raise AssertionError("it is read")
    return caught.value


def test_the_bundle_is_there_inside_and_gone_after(zipped: Path) -> None:
    with opened(zipped) as found:
        assert found.classes[0].slug == "bee-co"
        assert sorted(path.name for path in found.root.parent.iterdir()) == ["bundle"]
        file = next(p.file for p in found.classes[0].pictures if p.file)
        assert found.picture_bytes(file)
    assert not found.root.exists()


def test_what_lies_beside_the_bundle_does_not_matter(zipped: Path, tmp_path: Path) -> None:
    alone = packed_again(zipped, tmp_path / "a.zip", lambda name, d: d if name.startswith("bundle/") else None)
    with opened(alone) as found:
        assert found.run.title == "A sample of flowers"


def test_a_changed_bundle_is_refused(zipped: Path, tmp_path: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        return data.replace(b"flowers", b"Flowers") if name == "bundle/run.json" else data

    told = refused(packed_again(zipped, tmp_path / "a.zip", change))
    assert (told.slug, told.message.partition(" is ")[0]) == (
        "bundle-damaged",
        "bundle/run.json: the file's sha256",
    )
    without = packed_again(zipped, tmp_path / "b.zip", lambda name, d: None if name == "bundle/manifest.json" else d)
    assert refused(without).message == "it holds no bundle/manifest.json"
    assert refused(without).slug == "archive-changed"


def test_what_is_no_archive_does_no_harm(zipped: Path, tmp_path: Path) -> None:
    def made(name: str, mode: int = 0o100644, kind: int = zipfile.ZIP_STORED) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, mode << 16
            archive.writestr(entry, b"0" * 5_000_000, kind)
        return path

    manifest = "bundle/manifest.json"
    told = "its files are compressed; `archive` stores them: unpack it yourself, and give the folder"
    assert refused(made(manifest, kind=zipfile.ZIP_DEFLATED)).message == told
    assert "it is no ordinary file" in refused(made(manifest, 0o120777)).message
    for name in ("bundle/../../out", "/bundle/out", "bundle\\..\\out", "C:bundle/out", "../bundle/out"):
        told = refused(made(name))
        assert (told.slug, "leads outside, or is no name on some systems" in told.message) == ("archive-changed", True)
    assert "it is a folder, and an archive holds files alone" in refused(made("bundle/")).message
    (tmp_path / "text.zip").write_text("no zip")
    assert refused(tmp_path / "text.zip").message == (
        "there is no bundle: this file is named as a zip is, and is none, and a folder or an archive (.zip) was "
        "expected"
    )
    (tmp_path / "cut.zip").write_bytes(zipped.read_bytes()[:5000])
    assert refused(tmp_path / "cut.zip").message == "it cannot be read as a zip (File is not a zip file)"
    (tmp_path / "text").write_text("no zip")
    assert refused(tmp_path / "text").slug == "bundle-missing"
    assert refused(tmp_path / "nothing.zip").slug == "bundle-missing"
    os.mkfifo(tmp_path / "pipe.zip")
    assert refused(tmp_path / "pipe.zip").slug == "bundle-missing"
    assert not list(tmp_path.rglob("out"))


@pytest.mark.parametrize("mode", [0, 0o600, 0o644, 0o100755])
def test_a_zip_that_does_not_say_what_its_files_are_is_read(zipped: Path, tmp_path: Path, mode: int) -> None:
    with zipfile.ZipFile(zipped) as given, zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for name in given.namelist():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            made.writestr(entry, given.read(name))
    with opened(tmp_path / "a.zip") as found:
        assert found.run.title == "A sample of flowers"
    told = list(unpacked(tmp_path / "a.zip", tmp_path / "there"))
    assert [name for name, _ in told] == [""]
    assert told[0][1].endswith("is not as `archive` writes it")


def test_what_is_wrong_with_a_picture_of_an_archive_names_the_archive(zipped: Path) -> None:
    with opened(zipped) as found:
        file = next(p.file for p in found.classes[0].pictures if p.file)

    def read() -> None:
        with opened(zipped) as found:
            (found.root / "pictures" / file).write_bytes(b"x")
            found.picture_bytes(file)

    with pytest.raises(InputError) as caught:
        read()
    assert str(caught.value).startswith(f"{zipped}: bundle/pictures/{file}: the file's sha256 is ")


def test_no_room_for_temporary_files(zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room.tempfile, "TemporaryDirectory", full)
    told = refused(zipped)
    assert (told.slug, told.hint) == ("output-unwritable", "free some space there, or name another folder in TMPDIR")
