"""Which pictures a circuit is found on, and which it is tested on: by the picture and the seed alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.images.holdout import FEWEST, halves, held_out, measured

pictures = st.lists(st.integers(0, 60).map(str), min_size=1, max_size=120)
shares = st.floats(0, 0.9)


@given(pictures, shares, st.integers(0, 2**32))
def test_every_picture_is_on_one_side_and_no_picture_on_both(digests, share, seed):
    first, held = halves(digests, share, seed)
    assert sorted(first + held) == list(range(len(digests)))
    assert first == sorted(first)
    assert held == sorted(held)
    assert first
    assert not {digests[n] for n in first} & {digests[n] for n in held}


@given(st.sets(st.integers(), min_size=1, max_size=120).map(lambda s: [str(n) for n in s]), shares, st.integers(0, 99))
def test_as_many_as_asked_for_where_no_two_are_alike(digests, share, seed):
    held = halves(digests, share, seed)[1]
    assert len(held) == held_out(len(digests), share)
    assert not held or abs(len(held) - share * len(digests)) <= 1
    assert bool(held) == (len(digests) >= FEWEST and share > 0)


@given(st.sets(st.integers(), min_size=FEWEST, max_size=120), st.integers(0, 99), st.randoms())
def test_the_seed_and_the_picture_alone_say_on_which_side(numbers, seed, random):
    digests = [str(n) for n in numbers]
    held = {digests[n] for n in halves(digests, 0.5, seed)[1]}
    random.shuffle(digests)
    assert {digests[n] for n in halves(digests, 0.5, seed)[1]} == held


def test_another_seed_is_another_split():
    digests = [str(n) for n in range(50)]
    assert halves(digests, 0.5, 1) == halves(digests, 0.5, 1) != halves(digests, 0.5, 2)


@pytest.mark.parametrize(
    ("number", "share", "held"),
    [(39, 0.5, 0), (40, 0.5, 20), (50, 0.3, 15), (50, 0.0, 0), (40, 1e-9, 1), (41, 0.5, 20)],
)
def test_how_many(number, share, held):
    assert held_out(number, share) == held
    assert measured(number, share) == (held or number)


def test_of_copies_of_one_picture_nothing_is_held_out():
    assert halves(["a"] * 50, 0.5, 0) == (list(range(50)), [])
