"""Paths leave free text, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurflow_report.results.redact import without_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root: /data/imagenet/val", "root: …/val"),
        ("root: /data/imagenet/val/", "root: …/val"),
        ("root: '/data/imagenet/val'", "root: '…/val'"),
        ('root: "/home/jane doe/my pictures/val"', 'root: "…/val"'),
        ("root: /home/jane doe/pictures/val # the set", "root: …/val # the set"),
        ("root: ~/pictures/bee", "root: …/bee"),
        ("root: ~jane/pictures", "root: …/pictures"),
        ("{root: /data}", "{root: …/data}"),
        ("{root:/data/x, limit: 5}", "{root:…/x, limit: 5}"),
        ("in /home/jane there", "in ~ there"),
        ("in '/home/jane/' there", "in '~' there"),
        ("in /root", "in ~"),
        (r"C:\Users\jane\data\val", "…/val"),
        (r"C:\Users\jane", "~"),
        ("C:/data/val.zip", "…/val.zip"),
        (r"'\\server\share\my data\x.png'", "'…/x.png'"),
        (r"\\server\share\x.png", "…/x.png"),
        ("file:///home/jane/x.png", "…/x.png"),
        ("/srv/a.yaml:12:3: bad", "…/a.yaml:12:3: bad"),
        ("(/srv/a.yaml)", "(…/a.yaml)"),
        ("PATH=/usr/bin:/opt/x/bin", "PATH=…/bin:…/bin"),
        ("see https://example.org/a/b and /a/b", "see https://example.org/a/b and …/b"),
        ("root: pictures/bee", "root: pictures/bee"),
        ("root: ../pictures/./bee", "root: ../pictures/./bee"),
        ("1/2, and/or, 3 / 4, 50%/x, ~5", "1/2, and/or, 3 / 4, 50%/x, ~5"),
        ("layers: [layer3.0, fc]  # τ", "layers: [layer3.0, fc]  # τ"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert without_paths(text) == expected
    assert without_paths(expected) == expected


PART = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", fullmatch=True)


@pytest.mark.slow
@given(st.lists(PART.map(lambda p: f"secret{p}"), min_size=1, max_size=5), PART, st.sampled_from(["", "'", '"']))
def test_no_folder_of_an_absolute_path_stays(folders: list[str], last: str, quote: str) -> None:
    for path in ("/" + "/".join([*folders, last]), "C:\\" + "\\".join([*folders, last])):
        text = without_paths(f"root: {quote}{path}{quote} # end")
        assert text == f"root: {quote}…/{last}{quote} # end"


@given(st.text(alphabet="ab ~/\\:'\".…C\n", max_size=30))
@example("//a//b")
@example("/C\\:\\C")
def test_idempotent(text: str) -> None:
    once = without_paths(text)
    assert without_paths(once) == once


@given(st.text(alphabet=st.characters(exclude_characters="/\\~"), max_size=60))
def test_text_without_separators_stays(text: str) -> None:
    assert without_paths(text) == text


def test_a_long_text_takes_no_long_time() -> None:
    assert without_paths("a b " * 50_000).startswith("a b")
    assert without_paths("/a b" * 20_000).startswith("…/")
