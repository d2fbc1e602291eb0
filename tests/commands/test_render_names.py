"""`render --names`: names by hand beside a bundle, what is said of them, and where they stand in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurflow_report import cli
from tests.sample_bundle import frozen_bundle

NAMES = "bee-co: {layer3: {G1: 'pink <i>petals</i>'}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frozen_bundle(tmp_path, pictures=2)
    return tmp_path


def drawn(folder: Path, *options: str) -> int:
    return cli.main(["render", str(folder), "--format", "html", *options])


def text_of(folder: Path) -> str:
    return (folder / "site/class/bee-co/card.png").read_bytes().hex() + (
        folder / "site/class/bee-co/index.html"
    ).read_text(encoding="utf-8")


@pytest.mark.slow
def test_names_beside_the_bundle_are_used_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "names.yaml").write_text(NAMES + "angstrom-3: {layer3: {G77: not there}}\n")
    assert drawn(folder) == 0
    said = capsys.readouterr().err
    assert "names.yaml beside the bundle: 1 names by hand (--no-names leaves them out)" in said
    assert "names.yaml: angstrom-3 has no neuron group G77 at layer3: there are G1" in said
    html = text_of(folder)
    assert "pink &lt;i&gt;petals&lt;/i&gt;" in html
    assert "<i>petals" not in html
    assert drawn(folder, "--no-names") == 0
    assert "beside the bundle" not in capsys.readouterr().err
    assert "petals&lt;" not in text_of(folder)


@pytest.mark.slow
def test_a_file_that_is_named_must_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "mine.yaml"
    file.write_text("bee-co: {layer3: {G77: not there}}\n")
    assert drawn(folder, "--names", str(file), "--quiet") == 2
    assert f"error: {file}:1:19: bee-co has no neuron group G77 at layer3: " in capsys.readouterr().err
    assert not (folder / "site").exists()
    file.write_text(NAMES)
    assert drawn(folder, "--names", str(file), "--quiet") == 0
    assert "pink &lt;i&gt;petals" in text_of(folder)


def test_only_one_of_the_two(folder: Path) -> None:
    assert drawn(folder, "--names", "a", "--no-names") == 2
