"""What of an output folder may be replaced: a report of this program, of an earlier version, too, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurflow_report.drawing.write.overwrite_guard import MARKS, check_file_free, check_site_free
from neurflow_report.drawing.write.pdf import typeset
from neurflow_report.errors import InputError, InputErrors
from neurflow_report.report import render
from tests.sample_bundle import frozen_bundle

UNMARKED = b"%PDF-1.7\n/Title (neurflow-report)\n"
NOBODY_S = "report.pdf exists, and nothing in it or beside it tells that it is a report of this program"


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def refused(target: Path) -> str:
    with pytest.raises(InputError) as caught:
        check_file_free(target)
    assert caught.value.slug == "output-unwritable"
    return caught.value.message


def test_a_pdf_of_an_earlier_version_is_known_by_what_lies_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    target.write_bytes(UNMARKED)
    assert refused(target) == NOBODY_S
    put(tmp_path, "bundle/.DS_Store", "site/.DS_Store")
    assert refused(target) == NOBODY_S
    (tmp_path / "bundle" / "manifest.json").write_text('{"format_version": 1, "files": {}}')
    check_file_free(target)
    target.write_text("a thesis")
    assert refused(target) == "report.pdf exists and is no report of this program"


def test_or_by_the_site_beside_it(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(UNMARKED)
    put(tmp_path, *(f"site/{mark}" for mark in MARKS))
    check_file_free(tmp_path / "report.pdf")
    put(tmp_path, "site/mine.txt")
    assert refused(tmp_path / "report.pdf") == NOBODY_S


def test_a_pdf_of_this_version_is_known_anywhere(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(typeset('<html lang="en"><title>t</title><p>x', {})[0])
    check_file_free(tmp_path / "report.pdf")


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("<p>a report</p>\n<!-- neurflow-report -->\n", True),
        ("<p>Made with neurflow-report 0.3.0. Spec, …</p></html>\n", True),
        ("<p>we used neurflow-report</p>\n", False),
        ("<!-- neurflow-report --> is how it ends\n", False),
    ],
)
def test_an_html_file_is_not_ours_because_it_names_the_program(tmp_path: Path, text: str, ours: bool) -> None:
    (tmp_path / "report.html").write_text(text)
    if ours:
        check_file_free(tmp_path / "report.html")
    else:
        assert refused(tmp_path / "report.html") == "report.html exists and is no report of this program"


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_bytes(_self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    put(tmp_path, "report.pdf")
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert refused(tmp_path / "report.pdf") == "report.pdf cannot be written: Permission denied"


def test_what_a_file_manager_leaves_is_in_nobody_s_way(tmp_path: Path) -> None:
    left = ("site/.DS_Store", "site/Thumbs.db", "site/desktop.ini", "site/._index.html")
    put(tmp_path, *left)
    check_site_free(tmp_path / "site")
    put(tmp_path, *(f"site/{mark}" for mark in MARKS))
    check_site_free(tmp_path / "site")
    put(tmp_path, "site/._mine/thesis.txt")
    with pytest.raises(InputError, match=r"site holds something that no site of a report has, \._mine"):
        check_site_free(tmp_path / "site")


def test_nothing_is_drawn_where_one_thing_is_in_the_way(tmp_path: Path) -> None:
    bundle = frozen_bundle(tmp_path / "made")
    (tmp_path / "report.pdf").write_text("a thesis")
    (tmp_path / "report.html").write_text("a letter")
    with pytest.raises(InputErrors) as caught:
        render(bundle.root, output=tmp_path, formats=("html", "pdf", "single"))
    assert [error.message for error in caught.value.problems()] == [
        "report.pdf exists and is no report of this program",
        "report.html exists and is no report of this program",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "report.html", "report.pdf"]


def test_where_drawing_fails_no_folder_is_left(tmp_path: Path) -> None:
    bundle = frozen_bundle(tmp_path / "made")
    templates = tmp_path / "templates"
    (templates / "site").mkdir(parents=True)
    (templates / "site/overview.html").write_text("{{ page.no_such_thing.at_all }}", encoding="utf-8")
    with pytest.raises(InputError, match=r"overview\.html"):
        render(bundle.root, output=tmp_path / "new" / "deeper", formats=("html",), templates=templates)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "templates"]
