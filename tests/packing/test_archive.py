"""archive: the same bytes each time, metadata that others read, nothing of this machine in it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from neurflow_report import cli
from neurflow_report.errors import InputError
from neurflow_report.packing.crate import digest
from neurflow_report.packing.pack import good_name, unpacked
from neurflow_report.report import archive, render
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.identity import identity
from tests.sample_bundle import frozen_bundle


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a-place-of-mine")
    frozen_bundle(folder, pictures=2, classes=1)
    render(folder / "bundle", formats=["html"])
    return folder


@pytest.fixture(scope="module")
def zipped(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(report, tmp_path_factory.mktemp("zip") / "a.zip").archive


def graph(path: Path) -> dict[str, dict[str, Any]]:
    with zipfile.ZipFile(path) as made:
        return {one["@id"]: one for one in json.loads(made.read("ro-crate-metadata.json"))["@graph"]}


def test_two_runs_give_the_same_bytes(report: Path, zipped: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(report, tmp_path / "elsewhere"))
    for file in copy.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    again = archive(copy)
    assert again.archive == tmp_path / "elsewhere.zip"
    assert again.archive.read_bytes() == zipped.read_bytes()
    assert again.sha256 == digest(zipped)
    assert archive(copy).sha256 == again.sha256  # in place of the one that is there


def test_what_lies_in_it(report: Path, zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as made:
        names = made.namelist()
        assert names == sorted(names)
        assert {
            "index.html",
            "CITATION.cff",
            "ro-crate-metadata.json",
            "bundle/manifest.json",
            "site/index.html",
        } <= set(names)
        assert {entry.compress_type for entry in made.infolist()} == {zipfile.ZIP_STORED}
        assert {entry.date_time for entry in made.infolist()} == {(2026, 1, 2, 3, 4, 4)}
        assert 'href="site/index.html"' in made.read("index.html").decode()
        for name in names:
            if name.startswith(("site/", "bundle/")):
                assert made.read(name) == (report / name).read_bytes()


def test_the_citation_is_one(report: Path, zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as made:
        found = yaml.safe_load(made.read("CITATION.cff"))
    results = identity(read_bundle(report).manifest)
    assert {"cff-version", "message", "title", "authors", "type"} <= set(found)
    assert found["title"] == "A sample of flowers"
    assert found["identifiers"][0]["value"] == f"sha256:{results}"
    assert found["identifiers"][0]["description"] == (
        "The digest of the results: the sha256 over a line for each file that bundle/manifest.json lists, in the order "
        "of their names: the file's sha256, two spaces, its name. It is the same whenever and wherever the same "
        "results are found again, since the clock is not in it; the report and its cards show its first 12 digits."
    )
    files = json.loads((report / "bundle" / "manifest.json").read_text())["files"]
    lines = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    assert hashlib.sha256(lines.encode()).hexdigest() == results
    assert found["references"][0]["identifiers"][0]["value"] == "arXiv:2502.16105"


def test_the_metadata_is_a_process_run_crate(report: Path, zipped: Path) -> None:
    """The offline check: RO-Crate 1.1's and the profile's MUSTs, and that every reference leads somewhere."""
    found = graph(zipped)
    head, root = found["ro-crate-metadata.json"], found["./"]
    assert head["@type"] == "CreativeWork"
    assert head["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert head["about"] == {"@id": "./"}
    assert root["@type"] == "Dataset"
    assert root["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    assert {"name", "description", "datePublished", "license"} <= set(root)
    with zipfile.ZipFile(zipped) as made:
        files = set(made.namelist()) - {"ro-crate-metadata.json"}
    assert {unquote(one["@id"]) for one in root["hasPart"]} == files
    assert {unquote(name) for name, one in found.items() if one["@type"] == "File"} == files
    for action in (found["#run"], found["#drawing"]):
        assert action["@type"] == "CreateAction"
        assert found[action["instrument"]["@id"]]["@type"] == "SoftwareApplication"
        assert {"@id": action["@id"]} in root["mentions"]
        assert action["object"]
        assert action["result"]
    assert found["#run"]["endTime"] == "2026-01-02T03:04:05+00:00"
    program = found[found["#run"]["instrument"]["@id"]]
    assert (program["@id"], program["softwareVersion"]) == ("pkg:generic/neurflow-report@0.1.0", "0.1.0")
    assert "url" not in program
    assert found[program["citation"]["@id"]]["@type"] == "ScholarlyArticle"
    references = {one["@id"] for entity in found.values() for one in _references(entity)}
    outside = {one for one in references - set(found) if not one.startswith(("http://", "https://"))}
    assert outside == set()
    for name, one in found.items():
        if one["@type"] == "File" and name.startswith("bundle/"):
            assert one["sha256"] == digest(report / unquote(name))
            assert one["contentSize"] == str((report / unquote(name)).stat().st_size)


def test_what_the_run_took_is_told(report: Path) -> None:
    from neurflow_report.packing.crate import crate

    bundle = read_bundle(report)

    def run(**changes: object) -> list[tuple[str, str, str]]:
        clock = bundle.manifest.provenance.clock.model_copy(update=changes)
        provenance = bundle.manifest.provenance.model_copy(update={"clock": clock})
        manifest = bundle.manifest.model_copy(update={"provenance": provenance})
        made = json.loads(crate(type(bundle)(**{**vars(bundle), "manifest": manifest}), {}, {}))
        found = {one["@id"]: one for one in made["@graph"]}
        used = [found[one["@id"]] for one in found["#run"].get("resourceUsage", [])]
        assert {one["@type"] for one in used} <= {"PropertyValue"}
        assert "resourceUsage" in made["@context"][1]
        return [(one["name"], one["unitCode"], one["value"]) for one in used]

    seconds = ("seconds of all stages", "SEC", "24.75")
    assert run() == [seconds]
    assert run(seconds=None) == []
    memory = {"resident": {"a": 5_000, "b": 7_000}, "allocated": {"b": 3_000}}
    assert run(**memory) == [
        seconds,
        ("most memory of a process", "AD", "7000"),
        ("most memory of tensors on a GPU", "AD", "3000"),
    ]


def _references(entity: Mapping[str, Any]) -> list[Mapping[str, str]]:
    values = [
        v for key, value in entity.items() if key != "@id" for v in (value if isinstance(value, list) else [value])
    ]
    return [value for value in values if isinstance(value, dict) and set(value) == {"@id"}]


@pytest.mark.filterwarnings("default")
def test_the_package_for_such_metadata_reads_it(zipped: Path, tmp_path: Path) -> None:
    from rocrate.rocrate import ROCrate

    assert list(unpacked(zipped, tmp_path / "there")) == []
    read = ROCrate(str(tmp_path / "there"))
    assert str(read.version) == "1.1"
    assert read.name == "A sample of flowers"
    assert read.mainEntity.id == "index.html"
    run = read.dereference("#run")
    assert run.type == "CreateAction"
    assert run["instrument"].type == "SoftwareApplication"
    assert {one.type for one in run["result"]} == {"File"}
    files = [one for one in read.data_entities if one.type == "File"]
    assert len(files) == sum(1 for p in (tmp_path / "there").rglob("*") if p.is_file()) - 1


@pytest.mark.slow
def test_nothing_of_this_machine_is_in_it(tmp_path: Path) -> None:
    from tests.verification.kept import built

    (tmp_path / "a-place-of-mine").mkdir()
    report = built(tmp_path / "a-place-of-mine")
    zipped = archive(report, tmp_path / "a.zip").archive
    with zipfile.ZipFile(zipped) as made:
        texts = {name: made.read(name) for name in made.namelist()}
    for name in [name for name in texts if name.endswith(".pdf")]:
        streams = re.findall(rb"stream\r?\n(.*?)endstream", texts[name], re.DOTALL)
        texts[name] += b"".join(_inflated(one) for one in streams)
    for name in [name for name in texts if name.endswith(".zip")]:
        with zipfile.ZipFile(report / name) as inner:
            texts |= {f"{name}/{one}": inner.read(one) for one in inner.namelist()}
    secrets = {str(tmp_path), tmp_path.name, "a-place-of-mine", socket.gethostname(), str(Path.home()), str(Path.cwd())}
    secrets |= {os.environ["USER"]} if len(os.environ.get("USER", "")) > 4 else set()
    secrets = {one for one in secrets if len(one) > 4}
    found = [(name, one) for name, data in texts.items() for one in secrets if one.encode() in data]
    assert found == []
    assert len(texts) > 60


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data)
    except zlib.error:
        return b""


def test_what_cannot_be_archived(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(path: Path, *more: str) -> str:
        assert cli.main(["archive", str(path), *more]) == 2
        return capsys.readouterr().err

    assert "[bundle-missing]" in refused(tmp_path)
    copy = Path(shutil.copytree(report, tmp_path / "copy"))
    assert "there is no site to archive" in refused(_alone(copy, tmp_path))
    (tmp_path / "taken.zip").write_text("mine")
    assert "it is no archive of this program" in refused(copy, "--output", str(tmp_path / "taken.zip"))
    assert (tmp_path / "taken.zip").read_text() == "mine"
    (copy / "site" / "link").symlink_to(tmp_path)
    assert "it is no ordinary file" in refused(copy)
    (copy / "site" / "link").unlink()
    shutil.rmtree(copy / "bundle")
    frozen_bundle(copy, pictures=1, classes=1)
    assert "the site is that of another bundle" in refused(copy)
    assert not (tmp_path / "copy.zip").exists()


def _alone(copy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(copy / "bundle", tmp_path / "alone"))


def test_the_command_tells_where_it_is(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["archive", str(report), "--output", str(tmp_path / "a.zip"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["archive"] == str(tmp_path / "a.zip")
    assert found["sha256"] == digest(tmp_path / "a.zip")
    assert found["bytes"] == (tmp_path / "a.zip").stat().st_size


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\\b", "C:a", "a\nb", "a\x00", "x" * 600]
)
def test_names_that_lead_outside_are_none(name: str) -> None:
    assert not good_name(name)
    assert good_name("site/static/ä logo (1).svg")


def test_a_run_before_1980_and_after_2107(report: Path) -> None:
    from neurflow_report.packing.pack import _time

    bundle = read_bundle(report)

    def at(created: str) -> tuple[int, ...]:
        clock = bundle.manifest.provenance.clock.model_copy(update={"created": created})
        provenance = bundle.manifest.provenance.model_copy(update={"clock": clock})
        manifest = bundle.manifest.model_copy(update={"provenance": provenance})
        return _time(type(bundle)(**{**vars(bundle), "manifest": manifest}))

    assert at("1970-01-01T00:00:00Z") == (1980, 1, 1, 0, 0, 0)
    assert at("9999-12-31T23:59:59Z") == (2107, 12, 31, 23, 59, 58)
    assert at("yesterday") == (1980, 1, 1, 0, 0, 0)


def test_an_error_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bundle-missing"):
        archive(tmp_path)
