"""`diff` at the command line: what it prints, writes, and exits with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neurflow_report import cli, diff
from neurflow_report.comparison.figures import FIGURES
from neurflow_report.errors import InputErrors
from neurflow_report.report import archive, render
from tests.comparison.planted import other_weights, written
from tests.sample_bundle import frozen_bundle


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The sample bundle, and one with other weights and without its second class."""
    root = tmp_path_factory.mktemp("pair")
    frozen_bundle(root / "then")
    written(root / "now" / "bundle", other_weights, classes=slice(0, 1))
    return str(root / "then"), str(root / "now")


def test_a_bundle_and_itself(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", pair[0], pair[0], "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["diff", pair[0], pair[0]]) == 0
    assert capsys.readouterr().out == "The two bundles are identical, the clock aside.\n"


def test_the_summary_and_the_figures(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", *pair]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "1 class is lost: the second bundle does not have Ångström 3."
    assert cli.main(["diff", *pair, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["identical"], found["findings"][0]) == (True, False, first)
    assert found["figures"]["classes_lost"] == 1
    assert found["figures"]["core_overlap[bee-co/layer3]"] == 1


def test_the_files(pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "compared"
    for _ in range(2):  # a comparison takes the place of a comparison
        assert cli.main(["diff", *pair, "--output", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()[-3:]
    assert told == [f"page: {out / 'diff.html'}", f"pdf: {out / 'diff.pdf'}", f"data: {out / 'diff.json'}"]
    assert sorted(path.name for path in out.iterdir()) == ["diff.html", "diff.json", "diff.pdf"]
    data = json.loads((out / "diff.json").read_text(encoding="utf-8"))
    assert data["made_by"] == "neurflow-report diff"
    assert data["comparison"]["lost"] == ["Ångström 3"]
    before = [path.read_bytes() for path in sorted(out.iterdir())]
    assert cli.main(["diff", *pair, "--output", str(tmp_path / "again")]) == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "again").iterdir())] == before


def test_a_format_may_be_left_out(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where WeasyPrint is not installed, which the error says."""
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    assert cli.main(["diff", *pair, "--output", str(tmp_path / "out"), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "[missing-package]" in told
    assert "pip install weasyprint, or leave diff.pdf out: `--format html`" in told
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    assert cli.main(["diff", *pair, "--output", str(tmp_path / "out"), "--format", "html", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [name for name in ("page", "pdf", "data") if name in found] == ["page", "data"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["diff.html", "diff.json"]
    monkeypatch.undo()
    assert cli.main(["diff", *pair, "--output", str(tmp_path / "out"), "--format", "pdf"]) == 0
    assert "diff.html beside it is of an earlier comparison" in capsys.readouterr().err


def test_an_archive_is_compared_as_the_folder_is(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(pair[0], tmp_path / "then")
    render(tmp_path / "then" / "bundle", formats=["html"])
    zipped = str(archive(tmp_path / "then").archive)
    assert cli.main(["diff", pair[0], zipped]) == 0
    assert capsys.readouterr().out == "The two bundles are identical, the clock aside.\n"
    for name, places in {"folders": pair, "zip": (zipped, pair[1])}.items():
        assert cli.main(["diff", *places, "--output", str(tmp_path / name), "--quiet"]) == 0
    for name in ("diff.html", "diff.json", "diff.pdf"):
        assert (tmp_path / "folders" / name).read_bytes() == (tmp_path / "zip" / name).read_bytes()


@pytest.mark.parametrize("old", ["v1", "v2"])
def test_bundles_of_earlier_formats_are_compared(old: str, pair: tuple[str, str], tmp_path: Path) -> None:
    frozen = Path(__file__).parents[1] / "results" / "frozen" / old
    assert cli.main(["diff", str(frozen), pair[1], "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "diff.pdf").read_bytes().startswith(b"%PDF-")
    assert json.loads((tmp_path / "out" / "diff.json").read_text())["comparison"]["then"]["format"] == int(old[1:])


@pytest.mark.parametrize("name", ["diff.html", "diff.json", "diff.pdf"])
def test_what_is_not_ours_is_left(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("mine")
    assert cli.main(["diff", *pair, "--output", str(tmp_path), "--quiet"]) == 2
    assert "[output-unwritable]" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_nothing_is_written_into_a_bundle(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", *pair, "--output", f"{pair[0]}/bundle", "--quiet"]) == 2
    assert "is the bundle itself, or lies in it" in capsys.readouterr().err


def test_a_condition_that_is_met(pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--fail-if", "classes_lost > 0", "--fail-if", "core_overlap < 0.1", "--fail-if", "min(matched) <= 1"]
    assert cli.main(["diff", *pair, *asked, "--output", str(tmp_path / "d"), "--quiet"]) == 3
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "error: classes_lost > 0: it is 1 [condition-met]"
    assert "error: min(matched) <= 1: it is 1 over 3 values [condition-met]" in told
    assert not any("core_overlap < 0.1" in line for line in told)
    assert "note: 1 class is lost: the second bundle does not have Ångström 3." in told
    assert (tmp_path / "d" / "diff.html").is_file()
    assert cli.main(["diff", *pair, "--fail-if", "classes_lost > 1", "--quiet"]) == 0


def test_conditions_that_cannot_be_read_are_told_together(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--fail-if", "core_overlp < 1", "--fail-if", "core_overlap <", "--json"]
    assert cli.main(["diff", *pair, *asked, "--quiet"]) == 2
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [error["slug"] for error in errors] == ["condition-bad", "condition-bad"]
    assert errors[1]["message"] == "the condition 'core_overlap <', character 15: found the end, expected a number"
    with pytest.raises(InputErrors):
        diff(Path(pair[0]), Path(pair[1]), fail_if=("x", "core_overlap >"))
    with pytest.raises(InputErrors):
        diff(Path(pair[0]), Path(pair[1]), fail_if=("core_overlap[moth] < 1", "verdict_change[moth] < 1"))


def test_a_condition_on_a_lost_class_is_an_error(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", *pair, "--fail-if", "core_overlap[angstrom-3] < 1", "--quiet"]) == 2
    assert "core_overlap has no value at [angstrom-3] in this comparison" in capsys.readouterr().err


def test_the_figures_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", "--figures"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == list(FIGURES)
    assert cli.main(["diff", "--figures", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["core_overlap"]["of"] == "class/layer"


def test_two_bundles_are_needed(pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", pair[0]]) == 2
    assert "two bundles are compared [command-line]" in capsys.readouterr().err
    assert cli.main(["diff", pair[0], str(tmp_path / "nowhere"), "--quiet"]) == 2
    assert "[bundle-missing]" in capsys.readouterr().err
    (tmp_path / "text.txt").write_text("text")
    assert cli.main(["diff", pair[0], str(tmp_path / "text.txt"), "--quiet"]) == 2
    assert "this is a file, and a folder or an archive (.zip) was expected" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "same"), [("torch", False), ("scipy", True)])
def test_what_is_not_needed_may_be_missing(pair: tuple[str, str], hidden: str, same: bool) -> None:
    """No torch in any case, and no SciPy for one network; where it is needed and missing, that is told."""
    begin = "from neurflow_report.cli import main; sys.exit(main(sys.argv[1:]))"
    hide = f"import sys; sys.modules[{hidden!r}] = None; {begin}"
    command = [sys.executable, "-c", hide, "diff", *pair, "--quiet"]
    done = subprocess.run([*command, *["--same-network"] * same], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if hidden == "scipy":
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "the Python package scipy is not installed [missing-package]" in done.stderr
