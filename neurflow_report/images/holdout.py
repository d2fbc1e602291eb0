"""Which of a class's pictures its circuit is found on, and which F1 and F8 are measured on (METHOD §5)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

FEWEST = 40
"""Pictures from which on some are held out."""


def held_out(pictures: int, share: float) -> int:
    """How many of a class's pictures are held out, if no two are alike: none of fewer than `FEWEST`."""
    if share == 0 or pictures < FEWEST:
        return 0
    return min(max(1, round(share * pictures)), pictures - 1)


def measured(pictures: int, share: float) -> int:
    """How many pictures F1 is measured on: those held out, or all where none are."""
    return held_out(pictures, share) or pictures


def halves(digests: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """The numbers of the pictures to find the circuit on, and of those held out, ascending.

    Each picture has its place in a draw by its digest and the seed, whatever the others are: so the same picture is
    never on both sides, though it be there twice. Where that leaves one side empty, nothing is held out.

    Args: share: of the pictures to hold out, 0 … 1.
    """
    ranks = [hashlib.sha256(f"{seed} {digest}".encode()).hexdigest() for digest in digests]
    count, order = held_out(len(digests), share), sorted(ranks)
    last = order[count - 1] if count else ""
    held = [n for n, rank in enumerate(ranks) if rank <= last]
    if len(held) == len(digests):
        return list(range(len(digests))), []
    return [n for n, rank in enumerate(ranks) if rank > last], held
