"""Annotations from a CSV file: what they say of patches, and what is wrong with them, at line and column."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.select import Chosen
from neurflow_report.images.sources import Item
from neurflow_report.labels.annotations import read_annotations
from neurflow_report.results.records import Region

SIDE = 40
GRID = PatchGrid(size=20, scales=(1.0, 0.5), stride=0.5)


def item(name: str) -> Item:
    return Item(name=name, label=0, open=partial(Image.new, "RGB", (SIDE, SIDE)))


ITEMS = [item("a/1.png"), item("a/2.png")]


def chosen(one: Item) -> Chosen:
    region = Region(left=0, top=0, width=SIDE, height=SIDE)
    return Chosen(item=one, label=0, predicted=0, size=(SIDE, SIDE), region=region, sha256="")


def written(folder: Path, text: str) -> Path:
    file = folder / "boxes.csv"
    file.write_text(text)
    return file


HEAD = "picture,label,left,top,width,height\n"


def test_a_label_holds_where_half_of_it_or_half_of_the_patch_is_covered(tmp_path: Path) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20:, 20:] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    rows = "a/1.png,disc,0,0,20,20,\na/1.png,speck,30,30,2,2,\na/2.png,disc,,,,,m.png\n"
    found = read_annotations(written(tmp_path, HEAD.strip() + ",mask\n" + rows), ITEMS, terms=2)
    assert found.vocabulary == ("disc", "speck")
    assert found.record.name == "boxes.csv"
    assert [found.names(chosen(one)) for one in (*ITEMS, item("a/3.png"))] == [True, True, False]
    assert [name for name, _ in found.record.digests] == ["boxes.csv", "its masks, in the order of their names"]
    truth = found.truth([chosen(one) for one in ITEMS], GRID)
    assert truth.shape == (20, 2)
    windows = GRID.boxes().tolist()

    def covered(left: int, top: int, side: int, patch: list[int]) -> int:
        """Pixels of a square of the input that a window holds."""
        t, x, s = patch
        wide = max(0, min(left + side, x + s) - max(left, x))
        return wide * max(0, min(top + side, t + s) - max(top, t))

    for number, window in enumerate(windows):
        least = min(100, window[2] ** 2)
        assert truth[number, 0] == (covered(0, 0, 10, window) >= least / 2)
        assert truth[number, 1] == (covered(15, 15, 1, window) >= 1)
        assert truth[10 + number, 0] == (covered(10, 10, 10, window) >= least / 2)
        assert not truth[10 + number, 1]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("", ":1:1: its first line names the columns none"),
        ("picture,left\n", ":1:1: its first line names the columns 'picture', 'left'"),
        (HEAD, "labels.file: 'boxes.csv' has no annotation"),
        (HEAD + "a/9.png,disc,0,0,1,1\n", ":2:1: the data has no picture 'a/9.png'"),
        (HEAD + "a/1.png,,0,0,1,1\n", ":2:9: found a label of 0 characters, expected 1 to 200"),
        (HEAD + "a/1.png,disc,x,0,1,1\n", ":2:14: found 'x', expected a number of pixels"),
        (HEAD + "a/1.png,disc,nan,0,1,1\n", ":2:14: found 'nan', expected a number of pixels"),
        (HEAD + "a/1.png,disc,0,0,0,1\n", ":2:18: found 0, expected more than 0"),
        (HEAD + "a/1.png,disc,30,0,20,1\n", ":2:14: the box reaches from 30 to 50, and 'a/1.png' is 40×40"),
        (HEAD + "a/1.png,disc,0,-1,1,1\n", ":2:16: the box reaches from -1 to 0, and 'a/1.png' is 40×40"),
        (HEAD + "a/1.png,disc,0,0,1\n", ":2:1: found 5 values, expected 6, one for each column"),
        (HEAD + 'a/1.png,"disc,0,0,1,1\n', ":2:1: this is no CSV: unexpected end of data"),
        ("picture,label,mask\na/1.png,disc,no.png\n", ":2:14: the mask 'no.png' cannot be read: No such file"),
        ("picture,label,mask\na/1.png,disc,small.png\n", ":2:14: the mask 'small.png' is 8×8, and 'a/1.png' is 40×40"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(tmp_path: Path, text: str, due: str) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "small.png")
    with pytest.raises(InputError) as caught:
        read_annotations(written(tmp_path, text), ITEMS, terms=3)
    assert caught.value.slug == "labels-unusable"
    assert due in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_annotations(written(tmp_path, HEAD + "b,disc,0,0,1,1\na/1.png,disc,0,0,99,1\n"), ITEMS, terms=3)
    assert [one.where.line for one in caught.value.problems() if one.where] == [2, 3]
