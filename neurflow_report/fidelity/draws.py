"""Random sets of a layer's channels, each once, and which neurons of a layer are tested (METHOD §5)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

Sets = NDArray[np.bool_]


def random_sets(channels: int, size: int, draws: int, random: np.random.Generator) -> Sets:
    """(n, channels) bool, each row a set of `size` channels, no two alike; n is `draws`, or all there are if fewer.

    They come in random order: the first few are a sample of all.

    Raises: ValueError unless 1 ≤ size < channels.
    """
    if not 1 <= size < channels:
        raise ValueError(f"sets of {size} of {channels} channels")
    if comb(channels, size) <= draws:
        every = as_sets(list(combinations(range(channels), size)), channels)
        return every[random.spawn(1)[0].permutation(len(every))]
    found: dict[tuple[int, ...], None] = {}
    while len(found) < draws:
        found[tuple(np.sort(random.choice(channels, size=size, replace=False)).tolist())] = None
    return as_sets(list(found), channels)


def as_sets(rows: Sequence[Sequence[int]], channels: int) -> Sets:
    """Sets given by their channels as bool rows (len(rows), channels)."""
    sets = np.zeros((len(rows), channels), dtype=bool)
    for row, members in zip(sets, rows, strict=True):
        row[list(members)] = True
    return sets


def sample(count: int, most: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Which of `count` things are looked at: all, or `most` of them at random; ascending."""
    if count <= most:
        return np.arange(count)
    return np.sort(random.choice(count, size=most, replace=False)).astype(np.int64)


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Inside, numpy's global generator begins at `seed`, for packages that draw from it, and their warnings, which say
    nothing to a reader of the report, are not shown; afterwards both are as they were."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(before)
