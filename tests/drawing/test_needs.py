"""What drawing needs is told before there is anything to draw, all of it at once."""

from pathlib import Path

import pytest

from neurflow_report.drawing.write import needs
from neurflow_report.drawing.write.needs import drawing_problems
from neurflow_report.drawing.write.overwrite_guard import HTML_END, MARKS

EVERYTHING = ("html", "pdf", "single")


def test_nothing_is_wrong_here(tmp_path: Path) -> None:
    assert drawing_problems(tmp_path / "out", EVERYTHING, None) == []


def test_reports_that_are_there_may_be_replaced(tmp_path: Path) -> None:
    for mark in MARKS:
        (tmp_path / "site" / mark).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / mark).write_text("")
    (tmp_path / "report.pdf").write_text("")
    (tmp_path / "appendix.pdf").write_text("")
    (tmp_path / "report.html").write_bytes(HTML_END)
    assert drawing_problems(tmp_path, EVERYTHING, None) == []


def test_somebody_s_own_files_of_these_names_may_not(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_text("a thesis")
    (tmp_path / "report.html").symlink_to("elsewhere.html")
    assert [error.message for error in drawing_problems(tmp_path, EVERYTHING, None)] == [
        "report.pdf exists and is no report of this program",
        "report.html exists and is no report of this program",
    ]


def test_an_appendix_is_in_the_way_only_of_one(tmp_path: Path) -> None:
    (tmp_path / "appendix.pdf").write_text("a thesis's")
    told = "appendix.pdf exists and is no report of this program"
    assert [error.message for error in drawing_problems(tmp_path, EVERYTHING, None)] == [told]
    assert drawing_problems(tmp_path, EVERYTHING, None, appendix=False) == []
    assert drawing_problems(tmp_path, ("html", "single"), None) == []


def test_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").write_text("")
    for name in ("report.pdf", "report.html"):
        (tmp_path / name).mkdir()
    assert [str(error) for error in drawing_problems(tmp_path, EVERYTHING, tmp_path / "branding")] == [
        "Graphviz's program `dot` was not found [graphviz-missing]\n  hint: install Graphviz: apt-get install graphviz",
        "report.templates: there is no directory of templates 'branding' [template-broken]\n"
        "  hint: report.templates is relative to the spec's folder; docs/templates.md says what it holds",
        "output: site exists and is no site of a report [output-unwritable]\n"
        "  hint: choose another folder, or move it away",
        "output: report.pdf cannot be written: there is a folder of that name [output-unwritable]\n"
        "  hint: move it away, or choose another folder",
        "output: report.html cannot be written: there is a folder of that name [output-unwritable]\n"
        "  hint: move it away, or choose another folder",
    ]


@pytest.mark.parametrize(("formats", "asked"), [(("html",), []), (("html", "pdf"), ["weasyprint"])])
def test_weasyprint_is_looked_for_only_where_it_is_needed(
    formats: tuple[str, ...], asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(needs, "load_weasyprint", lambda: seen.append("weasyprint"))
    assert drawing_problems(tmp_path, formats, None) == []
    assert seen == asked
