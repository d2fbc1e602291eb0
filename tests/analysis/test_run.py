"""The whole analysis on the demo network: what is in the bundle, twice the same, and what it does not give away."""

import gc
import getpass
import json
import platform
import socket
import weakref
from pathlib import Path

import pytest
import yaml

from neurflow_report.analysis import run
from neurflow_report.analysis.run import analyze, slugs
from neurflow_report.progress import Silent
from neurflow_report.report import build
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.load import load_spec
from tests.small_spec import SMALL


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def build_in(folder: Path, name: str) -> Path:
    """The small spec's output with a site, put to `folder`/`name`; it was made at the same place whatever the name."""
    place = folder / "where"
    place.mkdir()
    spec = SMALL | {"output": str(place / "out"), "report": {"formats": ["html"]}}
    (place / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    build(load_spec(place / "spec.yaml"), progress=Silent())
    return place.rename(folder / name) / "out"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def built(folder):
    return build_in(folder, "a")


@pytest.fixture(scope="module")
def bundle(built):
    return read_bundle(built)


def test_the_records_keep_the_promises_of_the_method(bundle):
    assert [c.name for c in bundle.classes] == ["firebell", "snowstar"]
    for found in bundle.classes:
        assert (len(found.pictures), found.candidates) == (4, 4 * 10)
        assert [layer.name for layer in found.layers] == ["block3", "block4", "fc"]
        known = {p.index for p in found.patches}
        logit = found.layers[-1].neurons[0]
        assert logit.channel == found.index
        for below, layer in zip(found.layers, found.layers[1:], strict=False):
            expected = {s.channel for n in layer.neurons for s in n.core}
            assert {n.channel for n in below.neurons} == expected
            for neuron in layer.neurons:
                assert len(neuron.core) == 3
                assert list(neuron.activations) == sorted(neuron.activations, reverse=True)
                for group in neuron.groups:
                    assert sum(abs(e.weight) for e in group.edges) == pytest.approx(1, abs=1e-6)
        for layer in found.layers:
            assert sum(g.share for g in layer.groups) == pytest.approx(1, abs=1e-6)
            for neuron in layer.neurons:
                assert set(neuron.concept) <= known
                assert sorted(p for g in neuron.groups for p in g.patches) == sorted(neuron.concept)
            members = sorted((m.channel, m.semantic) for g in layer.groups for m in g.members)
            assert members == sorted((n.channel, g.index) for n in layer.neurons for g in n.groups)


def test_masking_is_there_for_each_layer_tau_and_mode_with_its_null(bundle):
    for found in bundle.classes:
        keys = [(m.tau, m.layer, m.cumulative, m.mode) for m in found.masking]
        levels = (("block4", False), ("block3", False), ("block3", True))
        assert keys == [(t, n, up, m) for t in (1, 3) for n, up in levels for m in ("mask", "retain")]
        for m in found.masking:
            assert (m.baseline, m.n, len(m.null)) == (1.0, 4, 5)
            assert 0 <= m.low <= m.accuracy <= m.high <= 1
            assert m.p_value in [pytest.approx(i / 6) for i in range(1, 7)]


def test_every_group_says_how_well_it_agrees_with_a_planted_part(bundle):
    for found in bundle.classes:
        for layer in found.layers:
            for group in layer.groups:
                assert group.agreement.part in bundle.run.parts
                assert group.agreement.n == len(group.patches)
                assert group.agreement.purity >= group.agreement.chance


def test_pictures_are_kept_once_in_their_own_colours(bundle):
    from PIL import Image

    from neurflow_report.demo.flowers import DATASET

    picture = bundle.classes[0].pictures[0]
    number = int(picture.name.partition("/")[2])
    kept = Image.open(bundle.picture(picture.file))
    assert kept.tobytes() == DATASET.draw(0, number)[0].tobytes()


@pytest.mark.slow
def test_twice_the_same_bundle_and_site_but_for_the_clock(folder, built):
    roots = [built, build_in(folder, "b")]
    first, second = (files(root / "site") for root in roots)
    different = {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
    assert different <= {"provenance/index.html", "downloads/bundle.zip"}  # the bundle holds the clock, too
    manifests = [json.loads((root / "bundle" / "manifest.json").read_text()) for root in roots]
    for manifest in manifests:
        manifest["provenance"].pop("clock")
    assert manifests[0] == manifests[1]


@pytest.mark.slow
def test_with_source_date_epoch_wholly_the_same(write_spec, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    roots = []
    for name in ("a", "b"):
        spec = write_spec(output=str(tmp_path / "where" / "out"), classes=["firebell"], layers=["block4", "fc"])
        build(load_spec(spec), progress=Silent())
        roots.append((tmp_path / "where").rename(tmp_path / name) / "out")
    assert files(roots[0]) == files(roots[1])
    assert "2023-11-14T22:13:20Z" in (roots[0] / "bundle" / "manifest.json").read_text()


def test_a_bundle_gives_away_no_path_user_or_host(write_spec, picture_folder, tmp_path, monkeypatch):
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME", "HOSTNAME"):
        monkeypatch.setenv(name, "jane-unlikely")
    monkeypatch.setattr(socket, "gethostname", lambda: "secret-host-name")
    monkeypatch.setattr(platform, "node", lambda: "secret-host-name")
    monkeypatch.setenv("HOME", "/home/jane-unlikely")
    spec = write_spec(data={"source": "folder", "root": str(picture_folder(4)), "limit": None}, classes=["firebell"])
    spec.write_text(spec.read_text() + "# kept in /home/jane-unlikely/specs on the laptop\n")
    root = analyze(load_spec(spec), progress=Silent())
    assert getpass.getuser() == "jane-unlikely"
    for name, content in files(root).items():
        for secret in (str(tmp_path), "jane-unlikely", "secret-host-name"):
            assert secret.encode() not in content, (name, secret)


@pytest.mark.slow
def test_the_same_network_over_the_same_pictures_as_files_gives_the_same_circuit(bundle, write_spec, picture_folder):
    data = {"source": "folder", "root": str(picture_folder(4))}
    filed = read_bundle(analyze(load_spec(write_spec(data=data)), progress=Silent()))
    for a, b in zip(bundle.classes, filed.classes, strict=True):
        assert [layer.neurons for layer in a.layers] == [layer.neurons for layer in b.layers]
        assert (a.edges, a.masking) == (b.edges, b.masking)
        assert all(g.agreement is None for layer in b.layers for g in layer.groups)


@pytest.mark.slow
def test_an_unreadable_picture_is_skipped_and_listed(write_spec, picture_folder):
    root = picture_folder(4)
    (root / "firebell" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "firebell" / "2.png").write_bytes(b"")
    spec = write_spec(data={"source": "folder", "root": str(root)}, classes=["firebell"], report={"formats": ["html"]})
    built = build(load_spec(spec), progress=Silent())
    bundle = read_bundle(built.bundle)
    assert [s.name for s in bundle.run.data.skipped] == ["firebell/1.png", "firebell/2.png"]
    assert len(bundle.classes[0].pictures) == 2
    assert "few-images" in {c.code for c in bundle.classes[0].cautions}
    page = "".join(p.read_text() for p in built.rendered.site.rglob("*.html"))
    assert "firebell/1.png" in page


@pytest.mark.slow
def test_memory_does_not_change_what_is_found(write_spec):
    low, high = (
        read_bundle(analyze(load_spec(write_spec(runtime={"memory": memory})), progress=Silent()))
        for memory in ("40MB", "900MB")
    )
    for a, b in zip(low.classes, high.classes, strict=True):
        for upper, lower in zip(a.layers, b.layers, strict=True):
            assert [n.channel for n in upper.neurons] == [n.channel for n in lower.neurons]
            assert [n.concept for n in upper.neurons] == [n.concept for n in lower.neurons]
            assert [g.members for g in upper.groups] == [g.members for g in lower.groups]


@pytest.mark.slow
def test_float64_agrees_with_float32(write_spec):
    single, double = (
        read_bundle(analyze(load_spec(write_spec(runtime={"precision": p})), progress=Silent()))
        for p in ("float32", "float64")
    )
    for a, b in zip(single.classes, double.classes, strict=True):
        for upper, lower in zip(a.layers, b.layers, strict=True):
            assert [(n.channel, n.concept) for n in upper.neurons] == [(n.channel, n.concept) for n in lower.neurons]


@pytest.mark.slow
def test_nothing_is_left_behind_when_the_run_is_interrupted(write_spec, tmp_path, monkeypatch):
    def stop(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("neurflow_report.analysis.run.examine", stop)
    with pytest.raises(KeyboardInterrupt):
        analyze(load_spec(write_spec()), progress=Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_network_is_gone_when_the_report_is_drawn(write_spec, monkeypatch):
    made = []
    real = run.preflight

    def preflight(*arguments, **options):
        ready = real(*arguments, **options)
        made.append(weakref.ref(ready.network.module))
        return ready

    monkeypatch.setattr(run, "preflight", preflight)
    with run.analyzed(load_spec(write_spec()), progress=Silent()):
        gc.collect()
        assert made[0]() is None


def test_slugs_are_plain_and_unlike_each_other():
    assert slugs(["Bee & <co>", "bee-co", "犬", "猫", ""]) == ("bee-co", "bee-co-2", "class", "class-2", "class-3")
