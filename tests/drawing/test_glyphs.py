"""What no font has is told: which characters, and what brings a font for them."""

from __future__ import annotations

import logging

import pytest

from neurflow_report.drawing.write.glyphs import boxed, boxes_note
from neurflow_report.drawing.write.typeset import typeset

NOWHERE = chr(0x10FFFD)
"""A character of private use, which no font has."""


MANY, ONE = (f"no font of this machine has {what} in the PDF: " for what in (
    "{} characters, which are empty boxes", "1 character, which is an empty box"))  # fmt: skip
AGAIN = "Install a font for {} (Debian: {}) and draw the PDF again."


def test_what_fonts_have_needs_no_note():
    assert boxes_note("") == ""


@pytest.mark.parametrize(
    ("characters", "said", "packages"),
    [
        ("犬犬", ONE + "Chinese, Japanese or Korean (U+72AC)", "fonts-noto-cjk"),
        (
            "שלוםק🐶カ한",
            MANY.format(8) + "Hebrew (U+05D5, U+05DC, U+05DD, U+05E7 and 1 more); "
            "Chinese, Japanese or Korean (U+30AB, U+D55C); emoji (U+1F436)",
            "fonts-noto-core, fonts-noto-cjk, fonts-noto-color-emoji",
        ),
        ("⠿" + NOWHERE, MANY.format(2) + "signs (U+283F); without a meaning in Unicode (U+10FFFD)", "fonts-noto-core"),
    ],
)
def test_the_note_names_scripts_characters_and_packages(characters, said, packages):
    them = "it" if said.startswith(ONE) else "them"
    assert boxes_note(characters) == f"{said}. {AGAIN.format(them, packages)}"


def test_what_has_no_meaning_has_no_font():
    assert boxes_note(NOWHERE) == ONE + "without a meaning in Unicode (U+10FFFD)."


def test_weasyprint_s_message_is_known():
    assert boxed('.notdef glyph rendered for Unicode string unsupported by fonts: "犬" (U+72AC)') == "犬"
    assert boxed('.notdef glyph rendered for Unicode string unsupported by fonts: "\n" (U+000A)') == "\n"
    assert boxed("Ignored `x: y` at 1:1, unknown property.") == ""


@pytest.mark.parametrize(
    ("html", "files"),
    [
        (f"<html lang=en><title>t</title><p>a {NOWHERE} b {NOWHERE}", {}),
        (
            "<html lang=en><title>t</title><img alt=d src=d.svg>",
            {"d.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><text>{NOWHERE}</text></svg>'.encode},
        ),
    ],
)  # fmt: skip
def test_a_character_that_no_font_has_is_told_in_text_and_in_a_drawing(html, files, caplog):
    told: list[str] = []
    with caplog.at_level(logging.WARNING, "weasyprint"):
        typeset(html, files, on_box=told.append)
    assert set(told) == {NOWHERE}
    assert caplog.records == []


def test_what_fonts_have_is_not_told():
    told: list[str] = []
    typeset("<html lang=en><title>t</title><p>Ångström − φ ✓", {}, on_box=told.append)
    assert told == []
