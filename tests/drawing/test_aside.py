"""The appendix may be set in a process of its own: it is the same, and what goes wrong there is told here."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from neurflow_report import report
from neurflow_report.drawing.write.aside import aside
from neurflow_report.errors import InputError, RunError
from neurflow_report.results.bundle import Bundle
from tests.sample_bundle import frozen_bundle

FILES = ("appendix.pdf", "report.pdf", "site/index.html", "site/downloads/appendix.pdf")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return frozen_bundle(tmp_path_factory.mktemp("aside"), pictures=2, classes=1)


def drawn(bundle: Bundle, output: Path) -> dict[str, bytes]:
    report.render(bundle.root, output=output, formats=("html", "pdf"))
    return {name: (output / name).read_bytes() for name in FILES}


@pytest.mark.slow
def test_it_is_the_same(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    here = drawn(bundle, tmp_path / "here")
    monkeypatch.setattr(report, "ASIDE", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr("neurflow_report.drawing.write.pdf.render_appendix", None)  # in this process
    assert drawn(bundle, tmp_path / "aside") == here


@pytest.mark.slow
def test_a_template_that_fails_there_is_told(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "ASIDE", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    (tmp_path / "print").mkdir()
    (tmp_path / "print" / "appendix.html").write_text("<p>\n{{ nobody.knows }}\n")
    with pytest.raises(InputError) as error:
        report.render(bundle.root, output=tmp_path / "out", formats=("html", "pdf"), templates=tmp_path)
    assert error.value.slug == "template-broken"
    assert error.value.where is not None
    assert error.value.where.file.endswith("print/appendix.html")
    assert error.value.where.line == 2
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def died(code: int) -> None:
    os._exit(code)


def slept(seconds: float) -> None:
    time.sleep(seconds)


def complained(text: str) -> None:
    raise KeyError(text)


def test_one_that_ends_by_itself_is_told() -> None:
    with aside(died, 3) as result, pytest.raises(RunError) as error:
        result()
    assert error.value.slug == "process-ended"
    assert error.value.message == "the process that drew the appendix ended by itself, with code 3"


def test_what_it_raises_is_raised_here() -> None:
    with aside(complained, "x") as result, pytest.raises(KeyError, match="'x'"):
        result()


def test_it_ends_with_the_block() -> None:
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), aside(slept, 600.0):
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 60
