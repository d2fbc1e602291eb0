"""The user's own concepts: what is read, what is told, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurflow_report.demo.networks import NETWORKS
from neurflow_report.errors import InputError, InputErrors
from neurflow_report.images.concepts import FEWEST, Concept, read_concepts
from neurflow_report.results.records import Skipped

PREPROCESS = NETWORKS["flowers"].preprocess


def paint(folder: Path, count: int, mode: str = "RGB") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(folder.name))
    for number in range(count):
        shape = (9, 7, 3) if mode == "RGB" else (9, 7)
        Image.fromarray(random.integers(256, size=shape, dtype=np.uint8), mode).save(folder / f"{number}.png")


def read(folder: Path) -> tuple[Concept, ...]:
    return read_concepts(folder, PREPROCESS, white=None, path=("fidelity", "concepts_from"))


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as raised:
        read(folder)
    assert (raised.value.slug, raised.value.path) == ("concepts-unusable", ("fidelity", "concepts_from"))
    assert raised.value.hint
    return raised.value.message


def test_a_subfolder_is_a_concept_and_grey_pictures_do(tmp_path: Path) -> None:
    paint(tmp_path / "own" / "stripes", FEWEST)
    paint(tmp_path / "own" / "grey things" / "deep", FEWEST + 1, "L")
    (tmp_path / "own" / "notes.txt").write_text("no concept")
    (tmp_path / "own" / ".git").mkdir()
    grey, stripes = read(tmp_path / "own")
    assert (grey.name, stripes.name) == ("grey things", "stripes")
    assert (len(grey.items), len(stripes.items)) == (FEWEST + 1, FEWEST)
    assert grey.items[0].name == "grey things/deep/0.png"
    assert stripes.record.pictures == FEWEST
    assert stripes.record.digest != grey.record.digest


def test_a_picture_that_is_there_twice_counts_once_and_one_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    paint(tmp_path / "stripes", FEWEST)
    (tmp_path / "stripes" / "again.png").write_bytes((tmp_path / "stripes" / "0.png").read_bytes())
    (tmp_path / "stripes" / "bad.png").write_bytes(b"")
    (stripes,) = read(tmp_path)
    assert len(stripes.items) == len(set(stripes.digests)) == FEWEST
    assert stripes.record.skipped == (Skipped(name="stripes/bad.png", reason="the file is empty"),)


def test_a_changed_picture_changes_the_digest(tmp_path: Path) -> None:
    paint(tmp_path / "stripes", FEWEST)
    (before,) = read(tmp_path)
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "stripes" / "0.png")
    (after,) = read(tmp_path)
    assert before.record.digest != after.record.digest


def test_too_few_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "stripes", 1)
    assert refused(tmp_path) == ("the concept 'stripes' has 1 picture that differs and can be read, and needs 10")
    (tmp_path / "stripes" / "bad.png").write_bytes(b"")
    (tmp_path / "stripes" / "worse.png").write_bytes(b"x")
    assert refused(tmp_path) == (
        "the concept 'stripes' has 1 picture that differs and can be read, and needs 10 (2 cannot be read: "
        "stripes/bad.png, the file is empty, …)"
    )


def test_every_concept_with_too_few_is_told(tmp_path: Path) -> None:
    for name in ("dots", "stripes"):
        paint(tmp_path / name, 2)
    with pytest.raises(InputErrors) as raised:
        read(tmp_path)
    assert [error.message for error in raised.value.problems()] == [
        f"the concept {name!r} has 2 different pictures that can be read, and needs 10" for name in ("dots", "stripes")
    ]


def test_what_is_no_folder_of_concepts(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone") == "the folder of concepts 'gone' cannot be read: No such file or directory"
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file") == "the folder of concepts 'file' cannot be read: Not a directory"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty") == "the folder of concepts 'empty' holds no subfolder"
