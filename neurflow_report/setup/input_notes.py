"""What a network is given: what of its preprocessing was assumed, and what becomes of pictures of their size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neurflow_report.images.pictures import PictureError
from neurflow_report.images.preprocess import region_of, resized_size
from neurflow_report.images.sources import Source
from neurflow_report.network.load import Assumed
from neurflow_report.results.records import Preprocess

LARGER = 1.5
"""How many times as large pictures may be made without a word."""
SEEN = 0.3
"""Share of a picture that the network sees, under which that is told."""
OPENED = 3
"""Pictures of each class that are looked at for their size, at most; twelve in all."""
_IN_ALL = 12


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What pictures look like before anything is done to them: width and height, and whether all are grey."""

    sizes: tuple[tuple[int, int], ...]
    grey: bool


def looks(source: Source, eligible: Sequence[Sequence[int]]) -> Looks:
    """The looks of a few pictures of each class."""
    numbers = [n for own in eligible for n in own[:OPENED]][:_IN_ALL]
    found = []
    for number in dict.fromkeys(numbers):
        try:
            found.append(source.items[number].open())
        except PictureError:
            continue
    return Looks(sizes=tuple(p.size for p in found), grey=bool(found) and all(p.mode == "L" for p in found))


def input_notes(preprocess: Preprocess, assumed: Assumed | None, seen: Looks) -> tuple[str, ...]:
    """What should be known of the input, in whole sentences without a full stop."""
    return tuple(_notes(preprocess, assumed, seen))


def _notes(p: Preprocess, assumed: Assumed | None, seen: Looks) -> Iterator[str]:
    if assumed is not None:
        yield (
            f"assumed of the preprocessing: {', '.join(_value(p, key) for key in assumed.keys)} ({assumed.whose}): "
            "neither the weights nor the spec say it, so set `preprocess` to what the network was trained with"
        )
    if not seen.sizes:
        return
    size = sorted(seen.sizes, key=min)[len(seen.sizes) // 2]
    yield from _sizes(p, size)
    if seen.grey and p.channels == 3:
        yield "the pictures are grey, and the network's input is RGB: it gets the same values in all three channels"


def _sizes(p: Preprocess, size: tuple[int, int]) -> Iterator[str]:
    """What becomes of a picture of that size."""
    scaled, shown = resized_size(size, p), f"{size[0]} × {size[1]}"
    factor, region = min(scaled) / min(size), region_of(size, p)
    if p.resize is None and min(size) < p.size:
        yield f"pictures of {shown} pixels are set into black: the network's input is {p.size} × {p.size}, unresized"
    elif factor > LARGER:
        yield (
            f"pictures of {shown} pixels are made {factor:.1f} times as large, {scaled[0]} × {scaled[1]}, for an input "
            f"of {p.size} × {p.size}: right only for a network that was trained so (`preprocess.size` and `.resize`)"
        )
    share = min(1.0, region.width / size[0]) * min(1.0, region.height / size[1])
    if share < SEEN:
        yield f"the network sees {share:.0%} of a picture of {shown} pixels: the {p.size} × {p.size} in its middle"


def _value(p: Preprocess, key: str) -> str:
    match key:
        case "size":
            return f"size {p.size}"
        case "resize":
            return f"resize {'none' if p.resize is None else p.resize}"
        case "channels":
            return f"channels {p.channels}"
        case _:
            return f"{key} [{', '.join(f'{value:g}' for value in getattr(p, key))}]"
