"""verify: what is whole passes, whatever is changed is found, and nothing of a stranger's does harm."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from neurflow_report import cli
from neurflow_report.errors import InputError
from neurflow_report.report import archive, render
from neurflow_report.results.records import Census
from neurflow_report.verification.derived import contradicted
from neurflow_report.verification.drawn import compared
from neurflow_report.verification.findings import Verified, difference
from neurflow_report.verification.formats import untimely
from neurflow_report.verification.verify import verify
from tests.mutated import mutate, renew
from tests.sample_bundle import frozen_bundle, seal
from tests.verification.edits import IN_FULL, IN_RECORDS, IN_WHAT_IS_DRAWN
from tests.verification.flips import flips
from tests.verification.kept import Drawing, built

FROZEN = Path(__file__).parent.parent / "results" / "frozen"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Drawing:
    return Drawing(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def copied(report: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(report, tmp_path / "copied"))


def never(*_: object) -> None:
    raise AssertionError("nothing is drawn for a bundle alone")


def told(found: Verified) -> list[str]:
    return [str(one).partition("\n")[0] for one in found.findings]


@pytest.mark.slow
def test_a_report_its_bundle_and_its_archive_are_whole(report: Path, draw: Drawing, tmp_path: Path) -> None:
    before = sorted(p for p in report.rglob("*"))
    zipped = archive(report, tmp_path / "small.zip").archive
    for path, kind in ((report / "bundle", "bundle"), (report, "report"), (zipped, "archive")):
        found = verify(path, draw=draw)
        assert (found.kind, told(found), found.passed_over) == (kind, [], ())
    assert found.looked_at[-1] == "site, report.pdf, appendix.pdf and 1 more, drawn again"
    assert sorted(p for p in report.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_RECORDS)
def test_what_contradicts_the_rest_of_a_bundle_is_found(copied: Path, name: str) -> None:
    IN_RECORDS[name](copied)
    found = verify(copied / "bundle", draw=never)
    assert found.findings
    for one in found.findings:
        assert one.where is not None
        assert one.where.file in {"run.json", "classes/firebell.json", "manifest.json"}
        assert one.path or ":" in one.message


@pytest.mark.slow
def test_a_bundle_with_explained_pictures_and_certificates_is_whole(full: Path) -> None:
    found = verify(full / "bundle", draw=never)
    assert (told(found), found.passed_over) == ([], ())


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_FULL)
def test_what_contradicts_an_explained_picture_or_a_certificate_is_found(full: Path, tmp_path: Path, name: str) -> None:
    root = Path(shutil.copytree(full, tmp_path / "copied"))
    edit, place = IN_FULL[name]
    edit(root)
    found = verify(root / "bundle", draw=never)
    assert place in {one.path[: len(place)] for one in found.findings}, told(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_WHAT_IS_DRAWN)
def test_what_is_not_as_it_would_be_drawn_is_found(copied: Path, draw: Drawing, name: str) -> None:
    IN_WHAT_IS_DRAWN[name](copied)
    found = verify(copied, draw=draw)
    assert found.findings
    assert all(one.where is not None and (copied / one.where.file).parent.is_dir() for one in found.findings)


@pytest.mark.slow
def test_a_finding_names_the_file_and_the_place(
    copied: Path, draw: Drawing, capsys: pytest.CaptureFixture[str]
) -> None:
    IN_RECORDS["a weight halved"](copied)
    assert cli.main(["verify", str(copied / "bundle"), "--json"]) == 3
    first = json.loads(capsys.readouterr().out)["errors"][0]
    assert (first["file"], first["slug"]) == ("classes/firebell.json", "bundle-damaged")
    assert first["path"].startswith("layers[")
    assert first["message"].startswith("Σ|w| is ")
    page = copied / "site" / "method" / "index.html"
    page.write_text(page.read_text().replace("<h1>", "<h1>X", 1))
    assert cli.main(["verify", str(copied)]) == 3
    assert "not looked at: site, report.pdf, appendix.pdf and 1 more, drawn again" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_byte_that_is_changed_anywhere_is_found(copied: Path, tmp_path: Path, seed: int) -> None:
    (tmp_path / "scratch").mkdir()
    found = list(flips(copied, 24, seed, tmp_path / "scratch"))
    assert [(kind, what) for kind, what, told in found if not told] == []
    assert {kind for kind, _, _ in found} == {"bundle", "site", "report.pdf", "archive"}


@pytest.mark.slow
def test_what_is_left_out_of_a_report_is_not_looked_for(copied: Path, draw: Drawing) -> None:
    (copied / "report.html").unlink()
    (copied / "notes.txt").write_text("mine")
    assert told(verify(copied, draw=draw)) == []
    shutil.rmtree(copied / "site")
    found = verify(copied, draw=draw)
    assert told(found) == []
    assert found.looked_at[-1] == "report.pdf, appendix.pdf, drawn again"
    assert found.not_there == ("site", "report.html")


@pytest.mark.slow
def test_an_archive_that_was_made_to_fit_is_found(copied: Path, draw: Drawing, tmp_path: Path) -> None:
    """A figure in a page is changed, and all is packed again by the program itself."""
    page = copied / "site" / "index.html"
    page.write_text(page.read_text().replace("<title>", "<title>X", 1))
    found = verify(archive(copied, tmp_path / "x.zip").archive, draw=draw)
    assert [one.partition(":")[0] for one in told(found)] == ["site/index.html"]


def test_without_torch_the_ledger_is_passed_over(tmp_path: Path) -> None:
    """In a process of its own, where neither torch nor SciPy can be imported."""
    root = frozen_bundle(tmp_path, pictures=1, classes=1).root
    code = f"""
import sys
for name in ("torch", "scipy", "sklearn", "torchvision"):
    sys.modules[name] = None
from neurflow_report.report import verify
found = verify(__import__("pathlib").Path({str(root)!r}))
print(len(found.findings) > 0, *found.passed_over)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout
        == "True the ledger's verdicts, cautions and certificates: torch is not installed (the extra `run`)\n"
    )


def test_what_is_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("text")
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "text.txt"):
        assert cli.main(["verify", str(path)]) == 2
        assert "[bundle-missing]" in capsys.readouterr().err


def test_a_bundle_of_a_later_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = frozen_bundle(tmp_path, pictures=1, classes=1).root
    manifest = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps(manifest | {"format_version": 9}))
    seal(root)
    assert cli.main(["verify", str(root)]) == 2
    assert "use a newer neurflow-report" in capsys.readouterr().err


def test_a_later_format_is_told_of_what_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = frozen_bundle(tmp_path / "folder", pictures=1, classes=1).root
    render(root, formats=["html"])
    zipped = archive(root.parent, tmp_path / "a.zip").archive
    manifest = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps(manifest | {"format_version": 9}))
    seal(root)
    later = tmp_path / "later.zip"
    with zipfile.ZipFile(zipped) as given, zipfile.ZipFile(later, "w") as made:
        names = [name for name in given.namelist() if not name.startswith("bundle/manifest.")]
        kept = {name: given.read(name) for name in names}
        kept |= {f"bundle/{name}": (root / name).read_bytes() for name in ("manifest.json", "manifest.sha256")}
        crate = json.loads(kept.pop("ro-crate-metadata.json"))
        for one in crate["@graph"]:
            if one["@type"] == "File":
                one["sha256"] = hashlib.sha256(kept[one["@id"]]).hexdigest()
        for name, data in {**kept, "ro-crate-metadata.json": json.dumps(crate).encode()}.items():
            made.writestr(name, data)
    message = "the bundle has format 9; this version of neurflow-report reads the formats 1 to 3 [bundle-version]"
    for path, place in (
        (root, f"{root}/manifest.json"),
        (root.parent, f"{root}/manifest.json"),
        (later, f"{later}: bundle/manifest.json"),
    ):
        for command in (["verify", str(path)], ["diff", str(path), str(path)], ["card", str(path)]):
            assert cli.main([*command, "--quiet"]) == 2
            assert capsys.readouterr().err.splitlines()[0] == f"error: {place}: {message}"


def test_a_text_that_is_named_as_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is bad input; what begins as a zip and is cut off is evidence that is off."""
    file = tmp_path / "text.zip"
    for data in (b"", b"text"):
        file.write_bytes(data)
        assert cli.main(["verify", str(file)]) == 2
        told = "this file is named as a zip is, and is none, and a folder or an archive (.zip) was expected"
        first = capsys.readouterr().err.splitlines()[0]
        assert first == f"error: {file}: there is no bundle: {told} [bundle-missing]"
    file.write_bytes(b"PK\x03\x04 and then nothing")
    assert cli.main(["verify", str(file), "--quiet"]) == 3
    told = "it cannot be read as a zip (File is not a zip file)"
    assert capsys.readouterr().err.splitlines()[0] == f"error: text.zip: {told} [archive-changed]"


def test_the_digest_of_a_development_build(tmp_path: Path) -> None:
    root = frozen_bundle(tmp_path, pictures=2, classes=1).root
    run, one = root / "run.json", root / "classes" / "bee-co.json"
    for file, change in ((run, {"data": {"digest": "0" * 64}}), (one, {})):
        record = json.loads(file.read_text())
        record.pop("others_digest", None)
        for name, values in change.items():
            record[name] |= values
        file.write_text(json.dumps(record))
        renew(root, file)
    assert (
        "run.json data.digest: it cannot be checked: neurflow-report 0.1.0 wrote this bundle on 2026-01-02 in a "
        "development build, in which it did not follow from the records; `neurflow-report analyze` and the spec make "
        "the bundle again [bundle-damaged]"
    ) in told(verify(root, draw=never))
    one.write_text(json.dumps(json.loads(one.read_text()) | {"others_digest": ""}))
    renew(root, one)
    found = told(verify(root, draw=never))
    message = "run.json data.digest: it is not that of the pictures' digests, in their order [bundle-damaged]"
    assert message in found


def test_a_drawing_of_an_earlier_version_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("then")

    def draw(_bundle: Path, output: Path, _formats: object, _append: bool) -> None:
        output.mkdir()
        (output / "report.html").write_text("now")

    (tmp_path / "scratch").mkdir()
    found = list(compared(tmp_path, tmp_path, tmp_path / "scratch", draw))
    assert [one.message for one in found] == ["line 1: it has 'then', and the bundle gives 'now'"]
    assert found[0].hint.partition(": ")[2] == (
        "where others drew the report, an earlier version of this program did, or your own templates did "
        "(--templates), that alone may be why; `neurflow-report render` draws the report anew from the bundle"
    )


@pytest.mark.parametrize("seed", range(40))
def test_whatever_stands_in_the_records_it_does_not_fail(tmp_path: Path, seed: int) -> None:
    root = frozen_bundle(tmp_path, pictures=1, classes=1).root
    for turn in range(3):
        mutate(root, 100 * seed + turn)
    with suppress(InputError):  # a manifest of another format, or none
        verify(root, draw=never)


@pytest.mark.parametrize("number", [1, 2])
def test_of_an_earlier_format_it_is_told_what_was_not_looked_at(tmp_path: Path, number: int) -> None:
    root = Path(shutil.copytree(FROZEN / f"v{number}", tmp_path / "bundle"))
    found = verify(root, draw=never)
    assert not [one for one in told(found) if "came with format" in one]
    assert found.looked_at[1:] == ("weights, groups, patches, and the accuracy's interval", "the pictures")
    assert [one.rpartition(": ")[0] for one in found.passed_over[:2]] == [
        "shares, edges, regions, the experiments' intervals and p-values",
        "the ledger's verdicts, cautions and certificates",
    ]


def test_what_came_later_than_the_format_is_told_once_of_each_kind(tmp_path: Path) -> None:
    bundle = frozen_bundle(tmp_path, pictures=1, classes=1)
    for number, at_least in ((3, 0), (2, 20), (1, 40)):
        manifest = bundle.manifest.model_copy(update={"format_version": number})
        found = [(file, place) for file, place, _ in untimely(bundle.run, bundle.classes, manifest)]
        assert len(found) >= at_least
        assert bool(found) == bool(at_least)
        assert len(set(found)) == len(found)


def test_a_census_that_does_not_fit_the_neurons(tmp_path: Path) -> None:
    bundle = frozen_bundle(tmp_path, pictures=1, classes=1)
    result = bundle.classes[0]
    layer = result.layers[0]
    loud = next(neuron.channel for neuron in layer.neurons if max(neuron.activations) > 0)
    right = Census(layer=layer.name, channels=layer.channels, silent=(), saturated=())
    for changes, place in (
        ({}, None),
        ({"channels": layer.channels // 2}, ("census", 0, "channels")),
        ({"silent": (loud,)}, ("census", 0, "silent")),
        ({"silent": (layer.channels,)}, ("census", 0)),
    ):
        one = result.model_copy(update={"census": (right.model_copy(update=changes),)})
        found = [c.place for c in contradicted(bundle.run, [one], bundle.manifest) if c.place[0] == "census"]
        assert found == ([] if place is None else [place])


def test_the_weights_of_a_checkpoint_are_its_file(tmp_path: Path) -> None:
    bundle = frozen_bundle(tmp_path, pictures=1, classes=1)
    for source, asked, weights, right in (
        ("torchvision", "…/my model.pt", "my model.pt", True),
        ("torchvision", "w\\model.pt", "model.pt", True),
        ("torchvision", "w/model.pt", "other.pt", False),
        ("python", "none", "the factory's", True),
        ("torchvision", "none", "the factory's", False),
    ):
        spec = {"model": {"source": source, "factory": "nets:made", "name": None, "weights": asked}}
        provenance = bundle.manifest.provenance.model_copy(update={"spec_resolved": spec})
        model = bundle.run.model.model_copy(update={"source": source, "name": "made", "weights": weights})
        given = bundle.run.model_copy(update={"model": model}), bundle.classes
        found = contradicted(*given, bundle.manifest.model_copy(update={"provenance": provenance}))
        assert [c.place for c in found if c.place[0] == "model" and len(c.place) == 2 and c.place[1] != "outputs"] == (
            [] if right else [("model", "weights")]
        )


def test_whatever_the_drawing_raises_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = frozen_bundle(tmp_path, pictures=1, classes=1).root.parent
    monkeypatch.setattr("neurflow_report.verification.derived.contradicted", lambda *_: iter(()))
    monkeypatch.setattr("neurflow_report.verification.derived.unjudged", lambda *_: iter(()))
    monkeypatch.setattr("neurflow_report.verification.verify._pictures", lambda *_: iter(()))
    (root / "report.html").write_text("x")

    def fails(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    assert told(verify(root, draw=fails)) == [
        "report.html: the bundle cannot be drawn (ZeroDivisionError: by zero) [report-changed]"
    ]


def test_links_are_told_and_not_followed(tmp_path: Path) -> None:
    root = frozen_bundle(tmp_path / "out", pictures=1, classes=1).root
    (tmp_path / "secret").write_text("secret")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "pictures" / "all").symlink_to(tmp_path)
    assert told(verify(root, draw=never)) == [
        "link: it is a link, and a bundle holds files alone [bundle-damaged]",
        "pictures/all: it is a link, and a bundle holds files alone [bundle-damaged]",
    ]
    os.mkfifo(root / "pipe")
    assert "pipe: it is no ordinary file, and a bundle holds files alone [bundle-damaged]" in told(
        verify(root, draw=never)
    )


def test_a_report_whose_bundle_is_a_link(tmp_path: Path) -> None:
    frozen_bundle(tmp_path / "out", pictures=1, classes=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bundle").symlink_to(tmp_path / "out" / "bundle")
    assert told(verify(tmp_path / "mine", draw=never)) == [
        "bundle/: it is a link, and a bundle holds files alone [bundle-damaged]"
    ]


def test_a_picture_that_holds_what_a_camera_wrote(tmp_path: Path) -> None:
    from PIL import Image

    root = frozen_bundle(tmp_path, pictures=1, classes=1).root
    file = next((root / "pictures").rglob("*.png"))
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010F] = "a maker"
    with Image.open(file) as picture:
        picture.save(file, exif=exif)
    renew(root, file)
    name = file.relative_to(root).as_posix()
    assert f"{name}: it holds exif, which a camera or a program wrote [bundle-damaged]" in told(
        verify(root, draw=never)
    )


def zipped(change: Callable[[zipfile.ZipFile], None], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        change(made)
    return path


def test_odd_zips_do_no_harm(tmp_path: Path) -> None:
    def bomb(made: zipfile.ZipFile) -> None:
        made.writestr("bundle/manifest.json", b"0" * 200_000_000, zipfile.ZIP_DEFLATED)

    def link(made: zipfile.ZipFile) -> None:
        entry = zipfile.ZipInfo("bundle/manifest.json")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        made.writestr(entry, "/etc/passwd")

    def twice(made: zipfile.ZipFile) -> None:
        for name in ("a", "A"):
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            made.writestr(entry, "x")

    cases: dict[str, Callable[[zipfile.ZipFile], None]] = {
        "bomb": bomb,
        "link": link,
        "twice": twice,
        "empty": lambda made: None,
        **{
            name: (lambda made, name=name: made.writestr(name, "x"))
            for name in ("../out", "/out", "a/../../out", "C:out")
        },
    }
    for number, change in enumerate(cases.values()):
        path = zipped(change, tmp_path / f"{number}.zip")
        assert verify(path, draw=never).findings
    (tmp_path / "short.zip").write_bytes((tmp_path / "0.zip").read_bytes()[:-40])
    found = told(verify(tmp_path / "short.zip", draw=never))
    assert [one.partition(" (")[0] for one in found] == ["short.zip: it cannot be read as a zip"]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path.parent / "out").exists()


def test_where_two_files_differ() -> None:
    assert difference(b"a\nb c\n", b"a\nb d\n") == "line 2: it has 'b c', and the bundle gives 'b d'"
    assert difference(b"a\n", b"a\nb") == "line 2: it has '', and the bundle gives 'b'"
    assert difference(b"\xff\x01", b"\xff\x02\x03") == "from byte 1 on it is not what the bundle gives"
