"""Files with class names."""

from pathlib import Path

import pytest

from neurflow_report.errors import InputError
from neurflow_report.network.names import check_names, read_names


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("n.txt", "\ufefftench\n great white shark \nbee\n\n"),
        ("n.json", '["tench", "great white shark", "bee"]'),
        ("n.json", '{"2": "bee", "0": "tench", "1": "great white shark"}'),
        ("n.JSON", '{"0": ["n01", "tench"], "1": ["n02", "great white shark"], "2": ["n03", "bee"]}'),
    ],
)
def test_names(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert read_names(tmp_path / file) == ("tench", "great white shark", "bee")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("n.txt", None, "there is no file 'n.txt' with class names"),
        ("n.txt", b"\n\n", "the file with the class names, 'n.txt', is empty"),
        ("n.txt", b"a\n\nb\n", "in 'n.txt' the name of logit 1 (line 2) is empty"),
        ("n.txt", b"\xff\xfe", "the file with the class names, 'n.txt', cannot be read (UnicodeDecodeError)"),
        ("n.json", b"[1", "'n.json' is not JSON: Expecting ',' delimiter: line 1 column 3 (char 2)"),
        ("n.json", b"[1]", "in 'n.json' the name of logit 0 is no text"),
        ("n.json", b'{"0": "a", "2": "b"}', "'n.json' has 2 keys, and no 1 among them"),
        ("n.json", b"7", "'n.json' holds no list and no mapping"),
        ("n.json", b"[" * 100_000, "'n.json' is nested too deeply"),
    ],
)
def test_what_is_no_list_of_names(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_names(tmp_path / file)
    assert (caught.value.slug, caught.value.path) == ("names-unreadable", ("model", "class_names"))
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_as_many_names_as_outputs() -> None:
    check_names(("a", "b"), "n.txt", 2)
    with pytest.raises(InputError) as caught:
        check_names(("a", "b"), "n.txt", 3)
    assert caught.value.message == "'n.txt' has 2 class names, and the network 3 outputs"
