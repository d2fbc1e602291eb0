"""What is odd about the pictures chosen is told, a line each; pictures that are as they should be say nothing."""

import numpy as np
from PIL import Image

from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.oddities import Look, look_at, odd, unusable
from neurflow_report.images.pictures import FRAMES, HIGHEST
from neurflow_report.images.select import choose, oddities
from neurflow_report.images.sources import Item, Source
from neurflow_report.results.records import Preprocess

PLAIN = Look(flat=False, highest=None, frames=False)


def test_pictures_of_nearly_one_value() -> None:
    values = np.full((100, 100), 40, np.uint8)
    values[0, :50] = 255
    assert look_at(Image.fromarray(values)).flat  # 50 of 10,000 pixels are otherwise
    values[0] = 255
    assert not look_at(Image.fromarray(values)).flat
    ramp = np.linspace(10, 26, 10_000).reshape(100, 100).round().astype(np.uint8)
    assert look_at(Image.fromarray(ramp)).flat
    assert not look_at(Image.fromarray(ramp * 2)).flat
    colours = Image.merge("RGB", [Image.fromarray(ramp), Image.fromarray(ramp), Image.fromarray(ramp * 4)])
    assert not look_at(colours).flat
    assert look_at(Image.new("RGB", (1, 1))).flat


def test_what_was_noted_when_it_was_decoded() -> None:
    picture = Image.new("L", (2, 2))
    picture.info = {HIGHEST: 4080, FRAMES: True}
    assert look_at(picture) == Look(flat=True, highest=4080, frames=True)


def test_what_is_told() -> None:
    flat, dark, stack = (
        Look(flat=True, highest=None, frames=False),
        Look(flat=False, highest=4080, frames=False),
        Look(flat=False, highest=None, frames=True),
    )
    assert odd([("cat", [("a", "1", PLAIN), ("b", "2", PLAIN)]), ("dog", [("a", "1", PLAIN)])]) == ()
    assert odd([("cat", [("a", "1", PLAIN), ("b", "1", PLAIN), ("c", "1", PLAIN), ("d", "2", PLAIN)])]) == (
        "of the 4 pictures of 'cat' 2 are copies of others, so that its figures look surer than they are: "
        "'b' of 'a', 'c' of 'a'",
    )
    assert odd([("cat", [("a", "1", PLAIN)]), ("dog", [("b", "1", PLAIN)])]) == (
        "pictures of different classes that are copies of each other: 'a' (cat) and 'b' (dog)",
    )
    assert odd([("cat", [("a", "1", flat), ("b", "2", PLAIN)])]) == (
        "1 of the 2 pictures chosen are nearly all one value (99% of their pixels within 16 of 256 levels): 'a'",
    )
    assert odd([("cat", [("a", "1", dark), ("b", "2", PLAIN)])]) == (
        "the values of the 1 pictures of 16 bits end at 4,080, and white is 65,535, so that they are nearly black: if "
        "their white is another value, say which (data.white, such as 4095 for 12 bits)",
    )
    assert odd([("cat", [("a", "1", dark), ("b", "2", Look(flat=False, highest=60_000, frames=False))])]) == ()
    assert odd([("cat", [(str(i), str(i), stack) for i in range(5)])]) == (
        "pictures with several frames or pages, of which the first is taken: '0', '1', '2', … (5 in all)",
    )


def test_pictures_that_cannot_be_used_are_told_by_reason() -> None:
    skipped = [(f"a/{i}.png", "the file is empty") for i in range(2000)] + [("b\n.png", "no ordinary file")]
    assert unusable(skipped) == (
        "skipped, the file is empty: 'a/0.png', 'a/1.png', 'a/2.png', … (2000 in all)",
        "skipped, no ordinary file: 'b\\n.png'",
    )


def test_pictures_that_are_chosen_are_looked_at() -> None:
    items = tuple(Item(name=f"p{i}", label=0, open=lambda: Image.new("L", (2, 2), 7)) for i in range(2))
    targets = [ClassTarget(index=0, name="ant", label=0)]
    preprocess = Preprocess(resize=None, size=2, mean=(0.0,), std=(1.0,), channels=1)
    source = Source(name="set", class_names=("ant",), items=items)
    choice = choose(source, targets, lambda batch: np.zeros(len(batch), np.int64), preprocess)
    assert oddities(choice, targets) == (
        "of the 2 pictures of 'ant' 1 are copies of others, so that its figures look surer than they are: 'p1' of 'p0'",
        "2 of the 2 pictures chosen are nearly all one value (99% of their pixels within 16 of 256 levels): 'p0', 'p1'",
    )
