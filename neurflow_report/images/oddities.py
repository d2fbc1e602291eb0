"""What should be known of pictures that were chosen: copies, ones of nearly one value, dark ones of 16 bits, stacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image

from neurflow_report.images.pictures import FRAMES, HIGHEST

FLAT = 16
"""Grey levels of 256 that 99% of the pixels of a picture of nearly one value lie within."""
_RARE = 0.005
DARK = 2**14
"""Values of 16 bits that do not reach a quarter of white."""
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of a picture: whether nearly all of it is one value; the highest value where it has 16 bits and
    only their number says which is white, None elsewhere; whether it has frames besides the one taken."""

    flat: bool
    highest: int | None
    frames: bool


def look_at(picture: Image.Image) -> Look:
    """What is seen of a picture, RGB or L, as `decode` gives it."""
    counts = picture.histogram()
    flat = all(_span(counts[start : start + 256]) <= FLAT for start in range(0, len(counts), 256))
    return Look(flat=flat, highest=picture.info.get(HIGHEST), frames=bool(picture.info.get(FRAMES)))


def _span(counts: Sequence[int]) -> int:
    """How far apart the values lie, but for the lowest and the highest half percent of them."""
    rare = _RARE * sum(counts)
    return max(0, 255 - _within(counts[::-1], rare) - _within(counts, rare))


def _within(counts: Sequence[int], rare: float) -> int:
    """The first value up to which more than `rare` pixels lie."""
    total = 0
    for value, count in enumerate(counts):
        total += count
        if total > rare:
            return value
    return 0


def odd(classes: Sequence[tuple[str, Sequence[tuple[str, str, Look]]]]) -> tuple[str, ...]:
    """A line for everything that is odd.

    Args: classes: for each its name, and its pictures' names, digests and looks.
    """
    seen = {name: seen for _, pictures in classes for name, _, seen in pictures}
    copies = (line for name, pictures in classes for line in _copies(name, pictures))
    return (*copies, *_twice(classes), *_flat(seen), *_dark(seen), *_frames(seen))


def _copies(name: str, pictures: Sequence[tuple[str, str, Look]]) -> Iterable[str]:
    """A line where the same bytes stand for several pictures of a class."""
    first: dict[str, str] = {}
    copies = [f"{p!r} of {first[digest]!r}" for p, digest, _ in pictures if first.setdefault(digest, p) != p]
    if copies:
        what = f"of the {len(pictures)} pictures of {name!r} {len(copies)} are copies of others"
        yield f"{what}, so that its figures look surer than they are: {_some(copies)}"


def _twice(classes: Sequence[tuple[str, Sequence[tuple[str, str, Look]]]]) -> Iterable[str]:
    """A line where the same bytes stand under different names for pictures of different classes."""
    first: dict[str, tuple[str, str]] = {}
    both: list[str] = []
    for name, pictures in classes:
        for picture, digest, _ in pictures:
            other, its = first.setdefault(digest, (name, picture))
            if other != name and its != picture:
                both.append(f"{its!r} ({other}) and {picture!r} ({name})")
    if both:
        yield f"pictures of different classes that are copies of each other: {_some(both)}"


def _flat(seen: dict[str, Look]) -> Iterable[str]:
    flat = [repr(name) for name, look in seen.items() if look.flat]
    if flat:
        yield (
            f"{len(flat)} of the {len(seen)} pictures chosen are nearly all one value (99% of their pixels within "
            f"{FLAT} of 256 levels): {_some(flat)}"
        )


def _dark(seen: dict[str, Look]) -> Iterable[str]:
    values = [look.highest for look in seen.values() if look.highest is not None]
    if values and max(values) < DARK:
        yield (
            f"the values of the {len(values)} pictures of 16 bits end at {max(values):,}, and white is 65,535, so that "
            "they are nearly black: if their white is another value, say which (data.white, such as 4095 for 12 bits)"
        )


def _frames(seen: dict[str, Look]) -> Iterable[str]:
    several = [repr(name) for name, look in seen.items() if look.frames]
    if several:
        yield f"pictures with several frames or pages, of which the first is taken: {_some(several)}"


def _some(told: Sequence[str]) -> str:
    more = f", … ({len(told)} in all)" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more


def unusable(skipped: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """A line for each reason for which pictures could not be used.

    Args: skipped: (name, reason) of each.
    """
    reasons: dict[str, list[str]] = {}
    for name, reason in skipped:
        reasons.setdefault(reason, []).append(repr(name))
    return tuple(f"skipped, {reason}: {_some(names)}" for reason, names in reasons.items())
