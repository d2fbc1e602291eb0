"""Cards of a report and its classes: their size, the same bytes again, names of any length and script, no groups."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from neurflow_report.drawing.figures.card import LARGEST, TALL, WIDE, WORDS, card_png
from neurflow_report.drawing.figures.letters import Letters
from neurflow_report.drawing.view import SiteView, site_view
from neurflow_report.drawing.view.model.components import Card, CardColumn
from neurflow_report.drawing.view.text.card import verdict_words
from neurflow_report.drawing.write.downloads import card_files
from neurflow_report.drawing.write.templates import static_files
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.identity import identity
from neurflow_report.results.records import GivenName
from neurflow_report.results.verdict import Verdict


def drawn(bundle: Bundle, view: SiteView) -> tuple[dict[str, bytes], set[str]]:
    boxes: set[str] = set()
    return dict(card_files(bundle, view, static_files(None), boxes.add)), boxes


def test_a_card_of_the_report_and_one_of_each_class(bundle: Bundle, view: SiteView) -> None:
    files, boxes = drawn(bundle, view)
    assert list(files) == ["card.png", "class/bee-co/card.png", "class/angstrom-3/card.png"]
    for data in files.values():
        assert len(data) <= LARGEST
        with Image.open(BytesIO(data)) as picture:
            assert (picture.size, picture.format, picture.info) == ((WIDE, TALL), "PNG", picture.info)
            assert not {"date", "Software"} & set(picture.info)
            assert len(picture.convert("RGB").getcolors(WIDE * TALL) or ()) > 50
            assert picture.convert("RGB").getpixel((20, 5)) == (0x1D, 0x5C, 0x93)
    assert boxes == set()
    assert drawn(bundle, view)[0] == files


def test_what_stands_on_them(bundle: Bundle, view: SiteView) -> None:
    report, bee, _ = view.cards
    digest = identity(bundle.manifest)[:12]
    assert (report.title, report.kicker) == ("A sample of flowers", "NeurFlow report · flowers & <friends>")
    assert report.foot == bee.foot
    assert report.foot.startswith("flowers & <friends> · 2")
    assert report.foot.endswith(f" · neurflow-report 0.1.0 · results {digest}")
    assert [c.name for c in report.columns] == ["bee & <co>", "Ångström 3"]
    assert report.said.startswith("2 classes: ")
    assert bee.title == "bee & <co>"
    assert len(bee.columns) == 3
    assert (bee.columns[0].name, bee.columns[0].note) == ("centre-dark", "53% · layer3 G2")
    assert all(len(c.tiles) <= 6 for c in bee.columns)


def test_a_verdict_in_words() -> None:
    found = Verdict(word="partly supported", supported=5, refuted=4, open=1, not_needed=("a", "b"))
    assert verdict_words(found) == "5 of 10 tests that could decide support it; “core needed” fails at a and b"
    assert verdict_words(replace(found, not_needed=("a", "b", "c"))).endswith("“core needed” fails at 3 layers")
    assert verdict_words(replace(found, not_needed=())) == "5 of 10 tests that could decide support it"
    assert verdict_words(Verdict(word="not tested")) == "no test of this run could decide"


@pytest.fixture(scope="module")
def letters() -> tuple[Letters, Letters]:
    return Letters(()), Letters((), bold=True)


@pytest.mark.parametrize("word", [*WORDS, "not decidable at these sizes", "not tested", ""])
@pytest.mark.parametrize("columns", [0, 1, 3, 4])
def test_any_number_of_groups_and_any_verdict(letters: tuple[Letters, Letters], word: str, columns: int) -> None:
    column = CardColumn(name="a" * 90, note="b" * 200, tiles=(), word=word)
    card = Card(
        file="card.png", kicker="k" * 300, title="Fine-grained " * 30, word=word, said="s" * 300,
        columns=(column,) * columns, foot="f" * 300,
    )  # fmt: skip
    data = card_png(card, lambda tile: pytest.fail(str(tile)), regular=letters[0], bold=letters[1])
    with Image.open(BytesIO(data)) as picture:
        edge = picture.convert("RGB").crop((WIDE - 40, 20, WIDE, TALL))
        assert len(edge.getcolors() or ()) == 1  # nothing runs off it


def test_a_text_is_fitted_and_what_no_font_has_is_told() -> None:
    letters = Letters(())
    size, text = letters.fitted("short", 60, 30, 500)
    assert (size, text) == (60, "short")
    size, text = letters.fitted("a long text " * 20, 60, 30, 500)
    assert size == 30
    assert text.endswith("…")
    assert letters.width(text, size) <= 500
    assert letters.boxes == set()
    letters.width("a" + chr(0x10FFFD) + "b", 20)
    assert letters.boxes == {chr(0x10FFFD)}


def test_letters_that_inter_lacks_come_from_another_font() -> None:
    inter = tuple(read() for name, read in static_files(None).items() if name.endswith("-400-normal.woff2"))
    assert inter
    both, alone = Letters(inter), Letters(())
    assert both.width("αβ", 40) == alone.width("αβ", 40)
    assert both.width("ab", 40) != alone.width("ab", 40)
    assert not both.boxes
    assert Letters((b"no font", *inter)).width("ab", 40) == both.width("ab", 40)


def test_boxes_are_told(bundle: Bundle, tmp_path: Path) -> None:
    from neurflow_report.drawing.write.site import site_files

    odd = replace(bundle, run=bundle.run.model_copy(update={"title": "Birds " + chr(0x10FFFD)}))
    notes: list[str] = []
    names = [name for name, _ in site_files(odd, site_view(odd), on_note=notes.append)]
    assert "card.png" in names
    assert notes == [
        "no font of this machine has 1 character, which is an empty box in the cards: without a meaning in Unicode "
        "(U+10FFFD)."
    ]


def test_the_lines_for_a_model_card(bundle: Bundle) -> None:
    named = (GivenName(slug="bee-co", layer="layer3", code="G1", text="*pink* [petals](x)"),)
    view = site_view(replace(bundle, run=bundle.run.model_copy(update={"names": named})))
    text = view.classes[0].card_markdown
    digest = identity(bundle.manifest)[:12]
    lines = text.splitlines()
    assert lines[0].startswith("![The strongest neuron groups of bee \\& \\<co\\>: ")
    assert lines[0].endswith("](class/bee-co/card.png)")
    assert lines[2].startswith("**bee \\& \\<co\\>** in flowers \\& \\<friends\\>: ")
    assert "\\*pink\\* \\[petals\\](x) · layer3 G1 (" in lines[3]
    assert lines[4].endswith(f" by neurflow-report 0.1.0, results `{digest}`.")
    assert view.overview.card_markdown.startswith("![A sample of flowers: ")
    assert view.overview.card_markdown.splitlines()[0].endswith("](card.png)")


def test_with_an_address_all_is_whole(bundle: Bundle) -> None:
    url = "https://example.org/birds/"
    view = site_view(replace(bundle, run=bundle.run.model_copy(update={"url": url})))
    assert f"]({url}class/bee-co/card.png)" in view.classes[0].card_markdown
    assert f"[Report]({url}class/bee-co/index.html)" in view.classes[0].card_markdown
