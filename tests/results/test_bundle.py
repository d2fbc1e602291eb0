"""Bundles: round trip, digests, atomic writing, and every way in which a bundle can be wrong."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle, canonical_json, check_free, is_bundle, read_bundle, write_bundle
from neurflow_report.results.records import (
    ClassEntry,
    ClassResult,
    Clock,
    DataInfo,
    LayerInfo,
    LayerResult,
    Member,
    ModelInfo,
    Neuron,
    NeuronGroup,
    Patch,
    Picture,
    Preprocess,
    Provenance,
    Region,
    Run,
    SemanticGroup,
    Settings,
    Skipped,
)
from tests.sample_bundle import seal

PICTURES = {"bee/0000.webp": b"first", "bee/0001.webp": b"second"}
PROVENANCE = Provenance(
    generator="neurflow-report 0.1.0",
    spec_text="version: 1\n",
    spec_resolved={"version": 1, "attribution": {"tolerance": 0.02}},
    versions={"numpy": "2.0"},
    device="cpu",
    determinism={"seed": "0"},
    clock=Clock(created="2026-01-01T00:00:00Z", seconds=None),
)
SETTINGS = Settings(
    k=5, scales=(1.0, 0.5), stride=0.5, nodes=8, max_nodes=64, tolerance=0.02, tau=4, max_semantic=5, max_neuron=100,
    taus=(4,), draws=20, experiments=("masking",), seed=0, device="cpu", precision="float32",
)  # fmt: skip
NEURON = Neuron(
    layer="fc", channel=0, concept=(0,), activations=(1.0,), core=(), gap_mean=None, gap_max=None, nodes=None,
    silhouette=None, groups=(SemanticGroup(index=1, patches=(0,), activation=1.0, edges=()),), dead=False,
)  # fmt: skip
GROUP = NeuronGroup(layer="fc", index=1, members=(Member(channel=0, semantic=1),), patches=(0,), share=1.0)
LAYERS = (
    LayerResult(name="conv", channels=3, neurons=(), groups=(), silhouette=None),
    LayerResult(name="fc", channels=2, neurons=(NEURON,), groups=(GROUP,), silhouette=None),
)
RUN = Run(
    title="Wie eine Biene erkannt wird – τ",
    theme="auto",
    formats=("html",),
    model=ModelInfo(
        source="demo", name="flowers", weights="demo", parameters=10, outputs=2, digest="0" * 64,
        preprocess=Preprocess(resize=None, size=64), test_accuracy=1 / 3,
    ),
    data=DataInfo(
        source="demo", name="flowers", select="predicted", limit=5, pool=10,
        skipped=(Skipped(name="x.png", reason="not a picture"),), digest="1" * 64,
    ),
    settings=SETTINGS,
    layers=(
        LayerInfo(name="conv", channels=3, kind="spatial", shape=(3, 8, 8)),
        LayerInfo(name="fc", channels=2, kind="vector", shape=(2,)),
    ),
    classes=(ClassEntry(index=0, name="bee", slug="bee"),),
)  # fmt: skip


def picture(file: str | None) -> Picture:
    region = Region(left=0.0, top=1 / 3, width=64.0, height=64.0)
    return Picture(
        name="a.png", label="bee", predicted="bee", width=64, height=64, region=region, sha256="2" * 64, file=file
    )


def result(slug: str = "bee", files: tuple[str | None, ...] = (*PICTURES, None)) -> ClassResult:
    pictures = tuple(picture(file) for file in files)
    return ClassResult(
        index=0, name="bee", slug=slug, pictures=pictures, candidates=59,
        patches=(Patch(index=0, image=0, top=0, left=0, side=64),), layers=LAYERS, edges=(), masking=(), cautions=(),
    )  # fmt: skip


def write(target: Path, **changes: Any) -> Bundle:
    given: dict[str, Any] = {"run": RUN, "classes": [result()], "provenance": PROVENANCE, "pictures": PICTURES}
    return write_bundle(target, **(given | changes))


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def rewrite(file: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file and make its digest right again."""
    data = json.loads(file.read_text())
    file.write_text(json.dumps(change(data)))
    root = file.parent if file.name in {"run.json", "manifest.json"} else file.parent.parent
    if file.name != "manifest.json":
        manifest = json.loads((root / "manifest.json").read_text())
        manifest["files"][str(file.relative_to(root))] = hashlib.sha256(file.read_bytes()).hexdigest()
        (root / "manifest.json").write_text(json.dumps(manifest))
    seal(root)


def test_round_trip(tmp_path: Path) -> None:
    written = write(tmp_path / "out" / "bundle")
    read = read_bundle(tmp_path / "out" / "bundle")
    assert read == written
    assert read.run.title == RUN.title
    assert read.run.model.test_accuracy == 0.3333333
    assert read.manifest.provenance == PROVENANCE
    assert [read.picture(f).read_bytes() for f in PICTURES] == [b"first", b"second"]


def test_what_lies_in_a_bundle(tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    files = tree(tmp_path / "bundle")
    assert files["manifest.sha256"].decode() == f"{hashlib.sha256(files['manifest.json']).hexdigest()}  manifest.json\n"
    assert set(files) == {
        "manifest.json",
        "manifest.sha256",
        "run.json",
        "classes/bee.json",
        *(f"pictures/{f}" for f in PICTURES),
    }
    digests = json.loads(files["manifest.json"])["files"]
    assert digests == {n: hashlib.sha256(d).hexdigest() for n, d in files.items() if "manifest" not in n}
    assert list(tmp_path.iterdir()) == [tmp_path / "bundle"]


def test_same_records_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", pictures=dict(reversed(PICTURES.items())))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_the_parent_of_a_bundle_is_accepted(tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    assert read_bundle(tmp_path).root == tmp_path / "bundle"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_seven_digits_and_are_stable(value: float) -> None:
    region = Region(left=value, top=0.0, width=-0.0, height=0.1 + 0.2)
    once = canonical_json(region)
    again = Region.model_validate_json(once)
    assert canonical_json(again) == once
    assert again.left == pytest.approx(value, rel=5.1e-7, abs=1e-320)
    assert b'"height": 0.3\n' in once
    assert b"-0.0" not in once.split(b"width")[1]


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")) | st.sampled_from("\t\n\r")))
def test_any_text_survives(text: str) -> None:
    skipped = Skipped(name=text, reason="")
    assert Skipped.model_validate_json(canonical_json(skipped)) == skipped


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_that_html_and_svg_may_hold(text: str) -> None:
    read = Skipped.model_validate_json(canonical_json(Skipped(name=text, reason=""))).name
    assert len(read) == len(text)
    found = ElementTree.fromstring(f"<title>{escape(read)}</title>").text or ""
    assert found == read.replace("\r\n", "\n").replace("\r", "\n")


def test_undecodable_file_names_do_not_break_it() -> None:
    assert b'"name": "caf?.png"' in canonical_json(Skipped(name="caf\udce9.png", reason=""))


def test_an_old_bundle_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "bundle", pictures=PICTURES | {"more.webp": b"x"})
    write(tmp_path / "bundle")
    assert not (tmp_path / "bundle/pictures/more.webp").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "bundle"]


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_failure_leaves_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "bundle"
    write(target)
    before = tree(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError) as caught:
        write(target, pictures=PICTURES | {"more.webp": b"x"})
    assert caught.value.message == f"the bundle cannot be written to {target}: No space left on device"
    assert caught.value.hint == "free some space on the disk, or set `output` to a folder on another one"
    assert (caught.value.slug, caught.value.path) == ("output-unwritable", ("output",))
    assert tree(tmp_path) == before
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupt_leaves_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "bundle")
    before = tree(tmp_path)
    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "bundle", pictures=PICTURES | {"more.webp": b"x"})
    assert tree(tmp_path) == before
    assert list(tmp_path.iterdir()) == [tmp_path / "bundle"]


def test_something_else_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="there is something else of that name, which is no bundle") as caught:
        write(tmp_path / "bundle")
    assert caught.value.hint == "move it away, or set `output` to another folder"
    assert tree(tmp_path) == {"bundle/thesis.txt": b"years of work"}


def test_a_manifest_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    os.mkfifo(tmp_path / "bundle" / "manifest.json")
    with pytest.raises(InputError, match="there is something else of that name, which is no bundle"):
        check_free(tmp_path / "bundle")


@pytest.mark.parametrize(
    "manifest", ["[" * 100_000, '{"name": "an app", "icons": []}', '{"files": ["a.js"]}', "[]", "no JSON", "{}"]
)
def test_a_folder_with_another_manifest_is_left_alone(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match="there is something else of that name, which is no bundle"):
        check_free(tmp_path / "bundle")
    with pytest.raises(InputError, match="there is something else of that name, which is no bundle"):
        write(tmp_path / "bundle")
    assert tree(tmp_path) == {"bundle/manifest.json": manifest.encode()}


@pytest.mark.parametrize("name", ["notes.txt", "pictures/mine.png", ".git/config"])
def test_a_file_that_somebody_put_into_a_bundle_is_not_lost(tmp_path: Path, name: str) -> None:
    target = tmp_path / "bundle"
    write(target)
    (target / name).parent.mkdir(exist_ok=True)
    (target / name).write_text("years of work")
    before = tree(tmp_path)
    with pytest.raises(InputError) as caught:
        write(target)
    assert caught.value.message == (
        f"the bundle cannot be written to {target}: the bundle there holds a file that no bundle has, {name}"
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", [".DS_Store", "pictures/bee/Thumbs.db", "desktop.ini", "classes/._bee.json"])
def test_what_a_file_manager_leaves_goes_with_the_bundle(tmp_path: Path, name: str) -> None:
    target = tmp_path / "bundle"
    write(target)
    before = tree(tmp_path)
    (target / name).write_text("")
    check_free(target)
    write(target)
    assert tree(tmp_path) == before


def test_nor_is_it_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / ".DS_Store").write_text("")
    check_free(tmp_path / "bundle")
    assert not is_bundle(tmp_path / "bundle")
    write(tmp_path / "bundle")
    assert is_bundle(tmp_path / "bundle")


def test_a_damaged_bundle_may_be_replaced(tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    before = tree(tmp_path)
    (tmp_path / "bundle" / "run.json").write_text("")
    write(tmp_path / "bundle")
    assert tree(tmp_path) == before


def test_a_file_as_parent_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Not a directory|File exists") as caught:
        write(tmp_path / "file" / "bundle")
    assert caught.value.slug == "output-unwritable"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pictures": PICTURES | {"../x": b""}}, "is no plain file name"),
        ({"pictures": PICTURES | {"/x": b""}}, "is no plain file name"),
        ({"pictures": PICTURES | {".x": b""}}, "is no plain file name"),
        ({"pictures": {}}, "no bytes are given for the picture 'bee/0000.webp'"),
        ({"classes": []}, "the classes are not those of the run"),
        ({"classes": [result("wasp")]}, "the classes are not those of the run"),
    ],
)
def test_mistakes_of_the_caller(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "bundle", **changes)
    assert not list(tmp_path.iterdir())


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_bundle(tmp_path / "none")
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: there is no bundle: there is no such folder [bundle-missing]\n"
        "  hint: give the folder that analyze() or build() wrote: it holds manifest.json, or bundle/"
    )
    with pytest.raises(InputError, match=r"the folder has no manifest\.json"):
        read_bundle(tmp_path)


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Path]:
    write(tmp_path / "bundle")
    return tmp_path / "bundle"  # type: ignore[return-value]


def damaged(bundle: Path, name: str) -> str:
    with pytest.raises(InputError) as caught:
        read_bundle(bundle)
    error = caught.value
    assert error.slug == "bundle-damaged"
    assert error.where is not None
    assert error.where.file == str(bundle / name)
    assert error.hint == "get a whole copy of the bundle, or make it again with analyze()"
    return error.message


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "run.json", "classes/bee.json"])
def test_no_bit_of_a_file_can_flip_unnoticed(bundle: Path, name: str) -> None:
    data = (bundle / name).read_bytes()
    for place in {*range(0, len(data), max(1, len(data) // 60)), len(data) - 1}:
        for bit in (1, 0x20, 0x80):
            (bundle / name).write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            with pytest.raises(InputError) as caught:
                read_bundle(bundle)
            assert caught.value.slug == "bundle-damaged"


def test_a_manifest_that_is_not_the_one_of_its_digest(bundle: Path) -> None:
    data = (bundle / "manifest.json").read_bytes()
    (bundle / "manifest.json").write_bytes(data.replace(b"neurflow-report 0.1.0", b"neurflow-report 0.1.1"))
    found = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    assert damaged(bundle, "manifest.json") == (
        f"the file's sha256 is {found[:12]}…, but manifest.sha256 says {hashlib.sha256(data).hexdigest()[:12]}…"
    )


@pytest.mark.parametrize("text", ["", "x", "0" * 64, "0" * 64 + "  manifest.json", "0" * 64 + " *manifest.json\n"])
def test_a_digest_that_is_none(bundle: Path, text: str) -> None:
    (bundle / "manifest.sha256").write_text(text)
    assert damaged(bundle, "manifest.sha256") == "it holds no sha256 of manifest.json"


def test_a_lost_digest_is_told_and_no_older_format_does_without_one_that_is_there(bundle: Path) -> None:
    data = (bundle / "manifest.json").read_bytes()
    (bundle / "manifest.json").write_bytes(data.replace(b'"format_version": 3', b'"format_version": 2'))
    assert "but manifest.sha256 says" in damaged(bundle, "manifest.json")
    (bundle / "manifest.json").write_bytes(data)
    (bundle / "manifest.sha256").unlink()
    assert damaged(bundle, "manifest.sha256") == "the file cannot be read (No such file or directory)"


@pytest.mark.parametrize("name", ["notes.txt", "pictures/more.png", ".hidden", "classes/link.json"])
def test_a_file_that_the_manifest_does_not_list_is_told(bundle: Path, name: str) -> None:
    if "link" in name:
        (bundle / name).symlink_to("bee.json")
    else:
        (bundle / name).write_text("")
    with pytest.raises(InputError) as caught:
        read_bundle(bundle)
    assert (caught.value.slug, str(caught.value.where)) == ("bundle-damaged", str(bundle / name))
    assert caught.value.message == "the bundle's manifest does not list this file"
    assert caught.value.hint == "move it out of the bundle"


def test_what_a_file_manager_leaves_is_no_damage(bundle: Path) -> None:
    (bundle / "pictures" / ".DS_Store").write_text("")
    read_bundle(bundle)


def test_a_file_that_changes_after_the_bundle_was_read_is_told_when_it_is_used(bundle: Path) -> None:
    read = read_bundle(bundle)
    assert read.picture_bytes("bee/0000.webp") == b"first"
    (bundle / "pictures/bee/0000.webp").write_bytes(b"other")
    for use in (lambda: read.picture_bytes("bee/0000.webp"), read.files):
        with pytest.raises(InputError, match="the file's sha256 is ") as caught:
            use()
        assert str(caught.value.where) == str(bundle / "pictures/bee/0000.webp")


@pytest.mark.parametrize("name", ["run.json", "classes/bee.json", "pictures/bee/0001.webp"])
def test_a_flipped_byte_or_a_lost_file_is_named(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    assert "the file's sha256 is " in damaged(bundle, name)
    (bundle / name).unlink()
    assert damaged(bundle, name) == "the file cannot be read (No such file or directory)"


@pytest.mark.parametrize("version", [0, 4, 99])
def test_other_formats_are_refused(bundle: Path, version: int) -> None:
    rewrite(bundle / "manifest.json", lambda m: m | {"format_version": version, "new": 1})
    with pytest.raises(InputError) as caught:
        read_bundle(bundle)
    assert caught.value.slug == "bundle-version"
    assert caught.value.message == (
        f"the bundle has format {version}; this version of neurflow-report reads the formats 1 to 3"
    )
    assert ("newer" in caught.value.hint) == (version > 1)


def test_a_bundle_of_format_1_still_reads() -> None:
    old = read_bundle(Path(__file__).parent / "frozen" / "v1")
    assert old.manifest.format_version == 1
    assert [c.name for c in old.classes] == ["bee & <co>", "Ångström 3"]
    assert [len(c.masking) for c in old.classes] == [12, 12]
    assert not any(m.cumulative for c in old.classes for m in c.masking)
    assert [(c.measures, c.claims, c.controls) for c in old.classes] == [((), (), ())] * 2
    assert old.run.settings.thresholds == ()


def test_a_bundle_of_format_2_still_reads() -> None:
    old = read_bundle(Path(__file__).parent / "frozen" / "v2")
    assert old.manifest.format_version == 2
    assert [len(c.claims) > 10 for c in old.classes] == [True, False]
    assert set(old.files()) == {"manifest.json", *old.manifest.files}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format_version": "x"}', "[" * 100_000, "\ud800"])
def test_a_manifest_that_is_none(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert damaged(bundle, "manifest.json")


def test_an_unknown_field_is_refused(bundle: Path) -> None:
    rewrite(bundle / "run.json", lambda r: r | {"extra": 1})
    assert damaged(bundle, "run.json") == "extra: Extra inputs are not permitted"


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "classes/../../secret", "", "a\x00b"])
def test_names_that_lead_outside_are_refused(bundle: Path, name: str) -> None:
    (bundle.parent / "secret").write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    rewrite(bundle / "manifest.json", lambda m: m | {"files": m["files"] | {name: digest}})
    assert damaged(bundle, "manifest.json") == f"{name!r} is no plain file name inside the bundle"


def test_a_link_that_leads_outside_is_refused(bundle: Path) -> None:
    (bundle.parent / "secret").write_bytes(b"first")
    (bundle / "pictures/bee/0000.webp").unlink()
    (bundle / "pictures/bee/0000.webp").symlink_to(bundle.parent / "secret")
    assert "is no plain file name inside the bundle" in damaged(bundle, "manifest.json")


def test_a_picture_that_the_bundle_does_not_have(bundle: Path) -> None:
    read = read_bundle(bundle)
    for name in ("../run.json", "none.webp", "/etc/hostname", ""):
        with pytest.raises(InputError, match="the bundle has no picture named"):
            read.picture(name)


def test_a_class_that_points_at_no_picture(bundle: Path) -> None:
    def change(data: Any) -> Any:
        data["pictures"][0]["file"] = "../run.json"
        return data

    rewrite(bundle / "classes/bee.json", change)
    assert damaged(bundle, "manifest.json") == "the bundle has no picture named '../run.json'"


def test_a_slug_that_leads_outside(bundle: Path) -> None:
    def change(data: Any) -> Any:
        data["classes"][0]["slug"] = "../run"
        return data

    rewrite(bundle / "run.json", change)
    assert damaged(bundle, "manifest.json") == "the bundle has no file classes/../run.json"


@pytest.mark.parametrize("change", [{"slug": "../../../elsewhere"}, {"index": 7}])
def test_a_class_that_is_not_the_run_s(bundle: Path, change: dict[str, Any]) -> None:
    rewrite(bundle / "classes/bee.json", lambda data: data | change)
    told = {"slug": "bee", "index": 0} | change
    assert damaged(bundle, "classes/bee.json") == f"this is class {told['slug']!r}, logit {told['index']}"
