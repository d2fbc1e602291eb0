"""The generator: the same picture every time, exact masks, and parts that are truly shared."""

import hashlib
from itertools import combinations, product

import numpy as np
import pytest

from neurflow_report.demo.flowers import BACKGROUND, DATASET, SIZE, reduce_labels

SOME = [(0, 0, "test"), (3, 17, "test"), (7, 5, "train"), (2, 1000, "val")]


def digest(index: int, number: int, split: str) -> str:
    picture, masks = DATASET.draw(index, number, split)
    parts = b"".join(name.encode() + mask.tobytes() for name, mask in masks.items())
    return hashlib.sha256(picture.tobytes() + parts).hexdigest()


def test_a_picture_is_the_same_whenever_it_is_drawn() -> None:
    first = [digest(*which) for which in SOME]
    assert [digest(*which) for which in reversed(SOME)][::-1] == first


def test_pictures_differ_by_class_number_and_split() -> None:
    digests = [digest(c, n, s) for c, n, s in product((0, 1), (0, 1), ("test", "train", "val"))]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("index", range(len(DATASET.class_names)))
def test_masks_are_disjoint_cover_the_picture_and_name_the_class_parts(index: int) -> None:
    picture, masks = DATASET.draw(index, 4)
    assert (picture.mode, picture.size) == ("RGB", (SIZE, SIZE))
    assert set(masks) == {BACKGROUND, *DATASET.class_parts[DATASET.class_names[index]]}
    assert (np.sum([mask.astype(int) for mask in masks.values()], axis=0) == 1).all()


def test_every_part_is_visible_in_nearly_every_picture() -> None:
    areas = np.array([[m.sum() for m in DATASET.draw(c, n)[1].values()] for c in range(20) for n in range(8)])
    assert (areas > 0).all()
    assert (areas[:, 0] > 0.5 * SIZE**2).all()


def test_no_part_and_no_two_parts_tell_a_class_and_every_two_classes_differ_in_two() -> None:
    classes = list(DATASET.class_parts.values())
    for part in DATASET.parts[:-1]:
        assert sum(part in values for values in classes) >= 4, part
    for values in classes:
        for pair in combinations(values, 2):
            assert sum(set(pair) <= set(others) for others in classes) >= 2, pair
    for one, other in combinations(classes, 2):
        assert len(set(one) & set(other)) <= 3


def test_parts_end_with_the_background_and_are_unique() -> None:
    assert DATASET.parts[-1] == BACKGROUND
    assert len(set(DATASET.parts)) == len(DATASET.parts) == 16


def test_unknown_splits_and_classes_are_refused() -> None:
    with pytest.raises(KeyError, match="dev"):
        DATASET.draw(0, 0, "dev")
    with pytest.raises(IndexError):
        DATASET.draw(20, 0)


def test_labels_are_reduced_by_majority() -> None:
    labels = np.zeros((SIZE * 4, SIZE * 4), np.uint8)
    labels[:4, :3] = 2
    labels[4:8, :2] = 3
    labels[8:12, :1] = 4
    assert reduce_labels(labels)[:3, 0].tolist() == [2, 3, 0]
