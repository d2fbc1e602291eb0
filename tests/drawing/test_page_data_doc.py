"""The page about page data is made from the classes, and is up to date."""

from __future__ import annotations

from pathlib import Path

from neurflow_report.drawing.write.page_data_doc import reference

ROOT = Path(__file__).parents[2]


def test_the_page_about_page_data_is_up_to_date() -> None:
    """If not: python -m neurflow_report.drawing.write.page_data_doc"""
    assert (ROOT / "docs" / "page-data.md").read_text(encoding="utf-8") == reference()


def test_kinds_and_bases_are_said() -> None:
    text = reference()
    assert "| `site/class.html` | [ClassPage](#classpage) |" in text
    assert "Has all of [Page](#page), too." in text
    assert "| `tiles` | Tile… |" in text
    assert "| `feeds` | Table or none |" in text
    assert "| `across` | whole number |" in text
