"""Classes are resolved by a clear rule; pictures are chosen in a fixed order, whatever else is examined."""

import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from neurflow_report.errors import InputError, InputErrors, RunError
from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.select import choice_digest, choose, eligible_pictures, load_pixels
from neurflow_report.images.sources import Item, Source, open_source
from neurflow_report.images.taken import again, take
from neurflow_report.results.records import Preprocess, Skipped

PLAIN = Preprocess(resize=None, size=2, mean=(0.0,), std=(1.0,), channels=1)


def damaged() -> Image.Image:
    raise PictureError("damaged: on purpose")


def source_of(pictures: list[tuple[int | None, int | None]], names: tuple[str, ...] = ("ant", "bee", "cat")) -> Source:
    """(label, what the network will predict; None: cannot be read)."""

    def opener(value: int | None) -> Callable[[], Image.Image]:
        return damaged if value is None else lambda: Image.new("L", (2, 2), value)

    items = tuple(Item(name=f"p{i}", label=label, open=opener(p)) for i, (label, p) in enumerate(pictures))
    return Source(name="set", class_names=names, items=items)


def predict(batch: Tensor) -> np.ndarray:
    return (batch[:, 0, 0, 0] * 255).round().long().numpy()


def targets(*indices: int) -> tuple[ClassTarget, ...]:
    return tuple(ClassTarget(index=i, name=("ant", "bee", "cat")[i], label=i) for i in indices)


PICTURES: list[tuple[int | None, int | None]] = [
    (0, 0),
    (0, 1),
    (0, None),
    (0, 0),
    (1, 1),
    (1, 0),
    (2, 2),
    (2, 0),
    (2, 1),
]


def names(choice: object) -> list[list[str]]:
    return [[c.item.name for c in chosen] for chosen in choice.classes]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("select", "pool", "expected"),
    [
        ("predicted", "all", [["p0", "p3", "p5", "p7"], ["p4", "p1", "p8"]]),
        ("predicted", "class", [["p0", "p3"], ["p4"]]),
        ("labelled", "all", [["p0", "p1", "p3"], ["p4", "p5"]]),
        ("correct", "all", [["p0", "p3"], ["p4"]]),
    ],
)
def test_what_counts(select: str, pool: str, expected: list[list[str]]) -> None:
    choice = choose(source_of(PICTURES), targets(0, 1), predict, PLAIN, select=select, pool=pool, batch=2)  # type: ignore[arg-type]
    assert names(choice) == expected
    assert choice.skipped == (Skipped(name="p2", reason="damaged: on purpose"),)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 2))), min_size=1, max_size=25),
    st.integers(1, 6),
    st.integers(1, 9),
)
@settings(max_examples=60)
def test_choice_against_the_definition(pictures: list[tuple[int, int | None]], limit: int, batch: int) -> None:
    source = source_of(list(pictures))
    for index in range(3):
        own = [i for i, (label, _) in enumerate(pictures) if label == index]
        order = own + [i for i in range(len(pictures)) if i not in own]
        expected = [f"p{i}" for i in order if pictures[i][1] == index][:limit]
        if not own or not expected:
            with pytest.raises(InputError) as caught:
                choose(source, targets(index), predict, PLAIN, limit=limit, batch=batch)
            assert caught.value.slug == ("too-few-images" if own else "class-empty")
        else:
            assert names(choose(source, targets(index), predict, PLAIN, limit=limit, batch=batch)) == [expected]


def test_looking_stops_when_every_class_has_enough() -> None:
    looked: list[int] = []
    source = source_of([(0, 0)] * 100 + [(1, 1)] * 100)
    choice = choose(source, targets(0, 1), predict, PLAIN, limit=5, batch=8, on_batch=looked.append)
    assert choice.pool == sum(looked) == 16
    assert names(choice)[1] == [f"p{i}" for i in range(100, 105)]


def test_what_is_known_of_a_chosen_picture() -> None:
    choice = choose(source_of(PICTURES), targets(0), predict, PLAIN, select="labelled")
    second = choice.classes[0][1]
    assert (second.label, second.predicted, second.size) == (0, 1, (2, 2))
    assert second.sha256 == hashlib.sha256(b"L 2 2\0" + bytes([1] * 4)).hexdigest()
    pixels = load_pixels(choice.classes[0], PLAIN)
    assert pixels.shape == (3, 1, 2, 2)
    torch.testing.assert_close(pixels[1], torch.full((1, 2, 2), 1 / 255))
    assert choice_digest(choice) != choice_digest(choose(source_of(PICTURES), targets(1), predict, PLAIN))


HINT = "leave the pictures alone while a run reads them; the same command begins again"


def test_a_picture_that_goes_away_while_it_is_read_is_told() -> None:
    opened = 0

    def once() -> Image.Image:
        nonlocal opened
        opened += 1
        return damaged() if opened > 1 else Image.new("L", (2, 2))

    source = Source(name="set", class_names=("ant",), items=(Item(name="p0", label=0, open=once),))
    with pytest.raises(RunError) as caught:
        load_pixels(choose(source, targets(0), predict, PLAIN).classes[0], PLAIN)
    assert (caught.value.slug, caught.value.message, caught.value.hint) == (
        "data-changed", "the picture p0 could be read before, and now cannot: damaged: on purpose", HINT
    )  # fmt: skip


def test_a_picture_that_is_another_one_when_it_is_read_again_is_told() -> None:
    values = iter([0, 1])
    item = Item(name="p0", label=0, open=lambda: Image.new("L", (2, 2), next(values)))
    chosen = choose(Source(name="set", class_names=("ant",), items=(item,)), targets(0), predict, PLAIN).classes[0]
    with pytest.raises(RunError) as caught:
        load_pixels(chosen, PLAIN)
    assert (caught.value.slug, caught.value.message, caught.value.hint) == (
        "data-changed", "the picture p0 was changed after the network had seen it", HINT
    )  # fmt: skip


def test_the_same_pixels_in_other_bytes_are_another_file(tmp_path: Path) -> None:
    file = tmp_path / "ants" / "0.png"
    file.parent.mkdir()
    Image.new("L", (2, 2)).save(file)
    source = open_source(source="folder", name=None, root=tmp_path)
    (chosen,) = choose(source, targets(0), predict, PLAIN).classes[0]
    assert chosen.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert again(chosen.item, chosen.sha256).size == (2, 2)
    Image.new("L", (2, 2)).save(file, compress_level=0)
    with pytest.raises(RunError, match=r"the picture ants/0\.png was changed after the network had seen it"):
        again(chosen.item, chosen.sha256)


def test_what_is_digested_is_what_is_decoded() -> None:
    """Bytes that change from one reading to the next: the digest is of those that the pixels came from."""
    ones = iter([picture_bytes(0), picture_bytes(1)])
    read: list[bytes] = []

    def data() -> bytes:
        read.append(next(ones))
        return read[-1]

    taken = take(Item(name="p0", label=0, open=damaged, data=data))
    assert len(read) == 1
    assert taken.picture.getpixel((0, 0)) == 0
    assert taken.sha256 == hashlib.sha256(picture_bytes(0)).hexdigest()


def picture_bytes(value: int) -> bytes:
    buffer = BytesIO()
    Image.new("L", (2, 2), value).save(buffer, "PNG")
    return buffer.getvalue()


def test_no_picture_counts() -> None:
    with pytest.raises(InputError) as caught:
        choose(source_of([(0, 1), (0, None), (1, 1)]), targets(1, 0), predict, PLAIN)
    assert (caught.value.slug, caught.value.path) == ("too-few-images", ("classes", 1))
    assert caught.value.message == (
        "class 'ant' (logit 0): of 3 pictures looked at, 0 are predicted as it "
        "(1 could not be read: damaged: on purpose)"
    )


def test_an_empty_class_and_one_the_data_lacks() -> None:
    with pytest.raises(InputError) as caught:
        choose(source_of([(0, 0), (1, 2)]), targets(2), predict, PLAIN)
    assert (caught.value.slug, caught.value.path) == ("class-empty", ("data", "root"))
    assert caught.value.message == "class 'cat' has no picture: 'cat' in 'set' holds none that is read"
    absent = ClassTarget(index=2, name="cat", label=None)
    assert names(choose(source_of([(0, 0), (1, 2)]), [absent], predict, PLAIN)) == [["p1"]]
    with pytest.raises(InputError) as caught:
        choose(source_of([(0, 0), (1, 2)]), [absent], predict, PLAIN, select="labelled")
    assert caught.value.message == "class 'cat' (logit 2) has no picture: 'set' has no such class"


def test_all_classes_that_have_none_are_told_at_once() -> None:
    with pytest.raises(InputErrors) as caught:
        choose(source_of([(0, 1), (1, 0), (2, 2)]), targets(2, 0, 1), predict, PLAIN, pool="class")
    assert [e.path for e in caught.value.errors] == [("classes", 1), ("classes", 2)]


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=40)
def test_a_drawn_sample_follows_the_seed_and_the_class_alone(seed: int, limit: int) -> None:
    source = source_of([(n % 3, n % 2) for n in range(60)])

    def drawn(*indices: int, seed: int = seed) -> list[list[str]]:
        return names(
            choose(source, targets(*indices), predict, PLAIN, limit=limit, select="any", sample="random", seed=seed)
        )

    assert drawn(0) == drawn(0)
    assert drawn(0, 1)[1] == drawn(1)[0]
    own = {f"p{n}" for n in range(0, 60, 3)}
    assert len(set(drawn(0)[0])) == limit
    assert set(drawn(0)[0]) <= own


def test_a_sample_is_drawn_from_all_alike() -> None:
    """Of 10 pictures 3 are drawn 4000 times: each is there 1200 times, within four standard deviations (29 each)."""
    source, counts = source_of([(0, 0)] * 10), np.zeros(10)
    for seed in range(4000):
        chosen = eligible_pictures(source, targets(0)[0], 0, select="labelled", pool="all", sample="random", seed=seed)[
            :3
        ]
        counts[chosen] += 1
    assert abs(counts - 1200).max() < 4 * np.sqrt(4000 * 0.3 * 0.7)


def test_a_drawn_sample_has_the_class_s_own_pictures_first() -> None:
    order = eligible_pictures(
        source_of(PICTURES), targets(1)[0], 0, select="predicted", pool="all", sample="random", seed=5
    )
    assert set(order[:2]) == {4, 5}
    assert sorted(order) == list(range(9))
    first = eligible_pictures(source_of(PICTURES), targets(1)[0], 0, select="predicted", pool="all")
    assert first == [4, 5, 0, 1, 2, 3, 6, 7, 8]


MANY = [(label, label) for label in range(3) for _ in range(7)]


def others(pictures, index=0, *, most=4, **options):
    choice = choose(source_of(pictures), targets(index), predict, PLAIN, others=lambda _n: most, **options)
    return names_of(choice.others[0])


def names_of(chosen):
    return [c.item.name for c in chosen]


@pytest.mark.parametrize("most", [0, 1, 2, 5, 9, 14, 40])
def test_pictures_of_other_classes_are_spread_evenly_and_drawn_by_the_seed(most):
    found = others(DIFFERENT, most=most)
    labels = [int(name[1:]) // 7 for name in found]
    assert len(found) == len(set(found)) == min(most, 14)
    assert 0 not in labels
    assert abs(labels.count(1) - labels.count(2)) <= 1
    assert found == others(DIFFERENT, most=most)
    assert most < 2 or any(found != others(DIFFERENT, most=most, seed=seed) for seed in range(1, 6)) or most >= 14


DIFFERENT = [(label, 10 * label + i) for label in range(3) for i in range(7)]
"""No two pictures alike."""


def test_what_counts_for_the_class_is_of_no_other():
    """Labelled bee, predicted ant: of the class where the network's word counts."""
    pictures = [(0, 0), (1, 0), (1, 1), (2, 2), (None, 2)]
    assert set(others(pictures)) == {"p2", "p3", "p4"}
    assert set(others([*pictures, (2, None)], select="labelled")) == {"p2", "p3"}
    assert set(others([(0, 0), (0, 1)])) == set()


def test_a_picture_is_not_of_another_class_where_the_same_file_is_of_the_class():
    assert others([(0, 5), (1, 5), (1, 6)], select="labelled") == ["p2"]


def test_the_draw_is_the_same_for_every_class():
    choice = choose(source_of(DIFFERENT), targets(0, 1, 2), lambda batch: np.full(len(batch), -1), PLAIN,
                    select="labelled", others=lambda _n: 14)  # fmt: skip
    orders = [names_of(some) for some in choice.others]
    for one in (0, 1):
        shared = set(orders[one]) & set(orders[2])
        assert [n for n in orders[one] if n in shared] == [n for n in orders[2] if n in shared]
