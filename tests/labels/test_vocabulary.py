"""Files of texts, and what is wrong with them, at line and column."""

from pathlib import Path

import numpy as np
import pytest

from neurflow_report.errors import InputError
from neurflow_report.labels.demo_model import demo_model
from neurflow_report.labels.image_text import ImageText, checked
from neurflow_report.labels.vocabulary import read_vocabulary
from neurflow_report.results.records import LabelSource


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "words.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def told(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_vocabulary(written(folder, text))
    assert {one.slug for one in caught.value.problems()} == {"labels-unusable"}
    assert caught.value.exit_code == 2
    return [str(one).replace(f"{folder}/", "") for one in caught.value.problems()]


def test_texts_stand_in_their_order_without_the_space_around_them(tmp_path: Path) -> None:
    texts, digest = read_vocabulary(written(tmp_path, "dark  ring\r\n\n  pot \n"))
    assert texts == ("dark ring", "pot")
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("", "labels.vocabulary: 'words.txt' has no text, and two are needed [labels-unusable]"),
        ("\n \n", "labels.vocabulary: 'words.txt' has no text, and two are needed [labels-unusable]"),
        ("pot", "labels.vocabulary: 'words.txt' has one text, and two are needed [labels-unusable]"),
        ("pot\nring\n  pot\n", "words.txt:3:3: 'pot' stands in line 1 already [labels-unusable]"),
        (b"pot\nring\n\xff\n", "words.txt:3:1: byte 9 is not UTF-8 [labels-unusable]"),
        ("pot\nri\x07ng\n", "words.txt:2:1: 'ri\\x07ng' holds a control character [labels-unusable]"),
        ("pot\n" + "x" * 201, "words.txt:2:1: a text of 201 characters, and 200 are taken at most [labels-unusable]"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(tmp_path: Path, text: str | bytes, due: str) -> None:
    assert due in [one.split("\n")[0] for one in told(tmp_path, text)]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'none.txt' cannot be read: No such file or directory"):
        read_vocabulary(tmp_path / "none.txt")


def test_words_that_the_demo_s_model_does_not_know_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"words.txt:2:1: the demo's model does not know 'bicycle'; it knows"):
        demo_model(written(tmp_path, "dark ring\nblue bicycle\n"))


def model(texts: np.ndarray, picture: np.ndarray) -> ImageText:
    record = LabelSource(source="openclip", name="m", vocabulary=("a", "b"))
    return ImageText(record=record, side=4, scale=1.0, texts=lambda _: texts, pictures=lambda _: picture)


def test_a_model_whose_embeddings_are_not_finite_or_do_not_fit_is_refused() -> None:
    good = np.ones((2, 3))
    bad = good.copy()
    bad[1, 0] = np.nan
    for texts, picture, due in (
        (bad, np.ones((1, 3)), "the model's embedding of the text 'b' holds NaN or Inf"),
        (good, np.full((1, 3), np.inf), "the model's embedding of a grey picture holds NaN or Inf"),
        (good, np.ones((1, 4)), "the model embeds texts in 3 numbers, and pictures in 4"),
    ):
        with pytest.raises(InputError) as caught:
            checked(model(texts, picture), ("labels", "path"))
        assert caught.value.message == due
        assert caught.value.path == ("labels", "path")
    assert checked(model(good, np.ones((1, 3))), ()).side == 4
