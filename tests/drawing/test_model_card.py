"""card: a section between two markers, and nothing else in the file is touched."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report import cli
from neurflow_report.drawing.view import model_card, site_view
from neurflow_report.drawing.write.model_card import section, spliced, write_section
from neurflow_report.errors import InputError
from neurflow_report.report import archive, render
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.metrics import metrics

BEGIN, END = b"<!-- neurflow-report:begin report -->", b"<!-- neurflow-report:end report -->"
SECTION = b"%s\n\ntext\n\n%s" % (BEGIN, END)
FRONT = b"""---
language: no   # the language, not a refusal
# <!-- neurflow-report:begin report -->
license: apache-2.0
tags: [ a,b ,  "c" ]
"odd key" : 1e3
---
"""


def test_the_wording_is_that_of_the_report(bundle: Bundle) -> None:
    url = "https://example.org/birds/"
    there = replace(bundle, run=bundle.run.model_copy(update={"url": url}))
    text, view = model_card(there, pictured=True), site_view(there)
    assert text.startswith(view.overview.card_markdown + "\n")
    for page in view.classes:
        for line in page.card_markdown.splitlines()[2:4]:
            assert line.rstrip() in text
    plain = {mark: f"\\{mark}" for mark in "\\`*_{}[]<>#|~&"}
    for limit in view.overview.limits:
        assert f"- {limit.title}  \n  {limit.text}\n".translate(str.maketrans(plain)) in text
    assert f"[Report]({url}index.html)" in text


def test_without_an_address_there_is_no_picture(bundle: Bundle, tmp_path: Path) -> None:
    assert section(bundle).startswith("**A sample of flowers**: circuits of ")
    assert "](" not in section(bundle, tmp_path / "README.md")


def test_the_site_beside_the_bundle_is_led_to_from_where_the_file_lies(bundle: Bundle, tmp_path: Path) -> None:
    root = tmp_path / "out put" / "bundle"
    (root.parent / "site").mkdir(parents=True)
    (root.parent / "site" / "card.png").write_bytes(b"x")
    text = section(replace(bundle, root=root), tmp_path / "model" / "README.md")
    assert "](../out%20put/site/card.png)" in text
    assert "[Report](../out%20put/site/index.html)" in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"## Model Examination\n\n" + SECTION + b"\n"),
        (b"# A model\n", b"# A model\n\n## Model Examination\n\n" + SECTION + b"\n"),
        (b"# A model", b"# A model\n\n## Model Examination\n\n" + SECTION + b"\n"),
        (FRONT, FRONT + b"\n## Model Examination\n\n" + SECTION + b"\n"),
        (
            b"## Model Examination [optional]\n\nmore\n",
            b"## Model Examination [optional]\n\n" + SECTION + b"\n\nmore\n",
        ),
        (b"## Model Examination\nmore", b"## Model Examination\n\n" + SECTION + b"\n\nmore"),
        (b"a\n" + BEGIN + b"\nold\n" + END + b" \nb", b"a\n" + SECTION + b" \nb"),
        (
            b"\xef\xbb\xbf" + FRONT + b"\xff\x00\n",
            b"\xef\xbb\xbf" + FRONT + b"\xff\x00\n\n## Model Examination\n\n" + SECTION + b"\n",
        ),
        (
            b"```\n" + BEGIN + b"\n## Model Examination\n```\n",
            b"```\n" + BEGIN + b"\n## Model Examination\n```\n\n## Model Examination\n\n" + SECTION + b"\n",
        ),
    ],
)
def test_where_it_comes_to_stand(before: bytes, after: bytes) -> None:
    found = spliced(before, "text\n", "report")
    assert found.replace(b" \nb", b"\nb") == after.replace(b" \nb", b"\nb")
    assert spliced(found, "text\n", "report") == found
    crlf = before.replace(b"\n", b"\r\n")
    if b"\n" in before:
        assert spliced(crlf, "text\n", "report").replace(b" \r\nb", b"\r\nb") == after.replace(b"\n", b"\r\n").replace(
            b" \r\nb", b"\r\nb"
        )


@given(
    st.binary(max_size=200).map(lambda data: data.replace(b"`", b"").replace(b"~", b"")),
    st.sampled_from([b"", FRONT, FRONT.replace(b"\n", b"\r\n")]),
    st.booleans(),
)
def test_all_else_stays_and_a_second_run_changes_nothing(text: bytes, front: bytes, there: bool) -> None:
    before = front + text + (b"\n" + SECTION + b"\n" + text if there else b"")
    once = spliced(before, "new\n", "report")
    assert once.startswith(front)
    kept = _alike(once, before) + _alike(once[::-1], before[::-1])
    assert kept >= len(before) - (len(b"text") + once.count(b"\r") if there else 0)
    assert spliced(once, "new\n", "report") == once


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes two begin with in common."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


CARDS = {
    "comments in the front matter": b"""---
# chosen by hand
license: apache-2.0   # see LICENSE
library_name: timm
pipeline_tag: image-classification
datasets:
- imagenet-1k  # the 2012 release
metrics: [accuracy]
base_model: timm/resnet50.a1_in1k
---
# Birds

A classifier of birds.

## Model Examination

To come.

## Environmental Impact

None that was measured.
""",
    "a language that YAML takes for a refusal": b"""---
language: no
license: mit
tags:
- vision
---

# Fugler

    ---
    no front matter: this is code
    ---
""",
    "CRLF, with results": b"""---
license: cc-by-4.0
model-index:
- name: Birds
  results:
  - task:
      type: image-classification
      name: Image Classification
    dataset:
      type: birds
      name: Birds
    metrics:
    - type: accuracy
      value: 0.91
---
# Birds

Text.
""".replace(b"\n", b"\r\n"),
    "no front matter": b"# Birds\n\nA classifier of birds, without any metadata.",
    "two sections": b"""---
license: other
license_name: own
license_link: LICENSE
---
# Birds

<!-- neurflow-report:begin other -->

of another report

<!-- neurflow-report:end other -->

## Uses

Watching.
""",
}
"""Model cards as they stand on a hub."""


def front_matter(text: bytes) -> bytes:
    return text[: text.index(b"---", 3) + 3] if text.startswith(b"---") else b""


@pytest.mark.parametrize("name", CARDS)
def test_a_card_stays_one_to_those_who_read_cards(name: str, bundle: Bundle, tmp_path: Path) -> None:
    """A second time nothing changes, the front matter is the same byte for byte, and huggingface_hub, which reads and
    checks cards, finds the same metadata in it."""
    from huggingface_hub import ModelCard

    file, before = tmp_path / "README.md", CARDS[name]
    file.write_bytes(before)
    known = ModelCard.load(file).data.to_dict()
    assert bool(known) is (name != "no front matter")
    for changed in (True, False):
        text = section(bundle, file)
        assert write_section(file, text, "report") is changed
        after = file.read_bytes()
        assert front_matter(after) == front_matter(before)
        card = ModelCard.load(file)
        assert card.data.to_dict() == known
        assert (b"\r\n" in after, after.count(b"\n") - after.count(b"\r\n") == 0) == (
            b"\r\n" in before,
            b"\r\n" in before,
        )
        assert "**A sample of flowers**" in card.text
    if name == "CRLF, with results":
        assert [(r.metric_type, r.metric_value) for r in ModelCard.load(file).data.eval_results] == [("accuracy", 0.91)]
    if name == "two sections":
        assert b"\nof another report\n" in after
    gone = [line for line in before.split(b"\n") if line not in after.split(b"\n")]
    assert gone == []


def test_two_sections_of_two_reports_in_one_file() -> None:
    both = spliced(spliced(b"# Birds\n", "one\n", "birds"), "two\n", "trees")
    assert both.count(b"neurflow-report:begin") == 2
    again = spliced(both, "three\n", "birds")
    assert again == both.replace(b"one", b"three")


@pytest.mark.parametrize(
    "text", [SECTION + b"\n" + SECTION, BEGIN, END + b"\n" + BEGIN, BEGIN + b"\n" + BEGIN + b"\n" + END]
)
def test_markers_that_do_not_pair(text: bytes) -> None:
    with pytest.raises(InputError, match="one begin and one end") as caught:
        spliced(text, "text\n", "report", "README.md")
    assert caught.value.slug == "card-file"


def test_the_command(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "README.md"
    file.write_bytes(FRONT.replace(b"\n", b"\r\n") + b"# A model\r\n")
    file.chmod(0o640)
    assert cli.main(["card", str(bundle.root), "--into", str(file)]) == 0
    assert capsys.readouterr().out == f"changed: {file}\n"
    once = file.read_bytes()
    assert once.startswith(FRONT.replace(b"\n", b"\r\n") + b"# A model\r\n\r\n## Model Examination\r\n")
    assert once.count(b"\n") == once.count(b"\r\n")
    assert (file.stat().st_mode & 0o777) == 0o640
    before = file.stat().st_mtime_ns
    assert cli.main(["card", str(bundle.root), "--into", str(file)]) == 0
    assert capsys.readouterr().out == f"unchanged: {file}\n"
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (once, before)
    assert cli.main(["card", str(bundle.root)]) == 0
    assert capsys.readouterr().out == section(bundle)


def test_a_file_that_was_not_there_is_written(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "README.md"
    for word in ("written", "unchanged"):
        assert cli.main(["card", str(bundle.root), "--into", str(file)]) == 0
        assert capsys.readouterr().out == f"{word}: {file}\n"


def test_an_archive_has_the_card_of_its_bundle(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    shutil.copytree(bundle.root, report / "bundle")
    render(report / "bundle", formats=["html"])
    zipped = archive(report).archive
    texts = []
    for path in (bundle.root, report, zipped):
        assert cli.main(["card", str(path)]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[1:] == texts[:1] * 2
    assert cli.main(["card", str(zipped), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, **metrics(bundle)}


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("# A\n")
    (tmp_path / "README.md").symlink_to("real.md")
    assert write_section(tmp_path / "README.md", "text\n", "report")
    assert (tmp_path / "README.md").is_symlink()
    assert "text" in (tmp_path / "real.md").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "real.md"]


def test_files_that_cannot_be_used(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for more in (
        ["--into", str(tmp_path)],
        ["--into", str(tmp_path / "pipe")],
        ["--section", "A b"],
        ["--into", "/nowhere/a"],
    ):
        assert cli.main(["card", str(bundle.root), *more]) == 2
        assert "[card-file]" in capsys.readouterr().err


def test_the_figures_have_flat_names_and_are_numbers(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["card", str(bundle.root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("ok") is True
    assert found == metrics(bundle)
    assert all(isinstance(value, int | float) for value in found.values())
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-./ ") for name in found)  # what MLflow takes
    assert found["classes"] == 2
    assert found["class/bee-co/layer3/without_core"] == min(
        m.accuracy
        for m in bundle.classes[0].masking
        if m.layer == "layer3" and m.mode == "mask" and m.tau == 4 and not m.cumulative
    )
