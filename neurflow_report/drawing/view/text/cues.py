"""Cues that a neuron group may stand for something else than it seems to: one picture, another class, the border.

Each is told by a rule, with its figures. A share counts where the lower end of its 95% interval (Wilson) is over what
chance gives by `MARGIN`; chance draws patches at random from the class's. A group of under `FEWEST` patches has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import floor, sqrt
from typing import Literal

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Notice, Span
from neurflow_report.drawing.view.model.numbers import count, listing, percent
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import NeuronGroup, Patch

Code = Literal["one-picture", "other-class", "border"]
FEWEST, FEWEST_AT_BORDER = 8, 10
MARGIN = 0.1
MOST_OF = Fraction(1, 2)
"""The share of a group's patches over which one picture's are told."""
BORDER, OVER_CHANCE = 0.8, 0.3
"""The share of patches at the border from which it is told, and how far over chance's it is at least."""
LEAST_SHARE = 0.05
"""The share of the score from which a group counts for its class."""
MOST_PLACES = 8
LABELS = 2
_Z = 1.959964
_KINDS: dict[Code, tuple[str, str]] = {
    "one-picture": (
        "Groups drawn mostly from one picture",
        "most of a group's patches come from one picture, so it may stand for that picture alone.",
    ),
    "other-class": (
        "Groups from pictures of another class",
        "a group's patches come from pictures with another label more often than those pictures' number makes likely, "
        "so it may stand for what the model mixes up.",
    ),
    "border": (
        "Groups at the pictures' border",
        "a group's patches touch the border of the picture more often than their sizes make likely, so it may answer "
        "to the border, a frame or padding.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Cue:
    """What a group may rest on.

    Attributes:
        text: a sentence with figures.
        part, n: so many of so many patches.
        chance: the share by chance, 0..1.
        low: the lower end of the share's 95% interval (Wilson).
    """

    code: Code
    text: str
    part: int
    n: int
    chance: float
    low: float


def cues(index: Index, layer: str, group: NeuronGroup) -> tuple[Cue, ...]:  # noqa: ARG001 the layer names the group
    """The cues of a neuron group."""
    patches = [index.patches[p] for p in group.patches]
    if len(patches) < FEWEST:
        return ()
    found = (one_picture(index, patches), other_class(index, patches), border(index, patches))
    return tuple(cue for cue in found if cue is not None)


def one_picture(index: Index, patches: Sequence[Patch]) -> Cue | None:
    """Over half of the patches come from one picture, where by chance each picture gives as many."""
    image, part = Counter(p.image for p in patches).most_common(1)[0]
    n, chance = len(patches), 1 / len(index.found_on)
    low = lower_end(part, n)
    if Fraction(part, n) <= MOST_OF or low <= chance + MARGIN:
        return None
    text = f"{part} of {n} patches come from one picture, {index.result.pictures[image].name}."
    return Cue(code="one-picture", text=text, part=part, n=n, chance=chance, low=low)


def other_class(index: Index, patches: Sequence[Patch]) -> Cue | None:
    """The patches come from pictures with another label clearly more often than the class's pictures do."""
    labels = [p.label for p in index.result.pictures]
    known = [p.label for p in index.found_on if p.label is not None]
    own = [label for p in patches if (label := labels[p.image]) is not None]
    other = Counter(label for label in own if label != index.result.name)
    if not other or len(own) < FEWEST:
        return None
    part, n = other.total(), len(own)
    chance = sum(label != index.result.name for label in known) / len(known)
    low = lower_end(part, n)
    if low <= chance + MARGIN:
        return None
    named = [label for label, _ in other.most_common(LABELS)]
    which = listing(named) if len(other) <= LABELS else f"{', '.join(named)} and others"
    of = "" if n == len(patches) else " with a label"
    text = prose(f"""
        {part} of {n} patches{of} come from pictures labelled {which}, not {index.result.name};
        {percent(chance)} of the class's pictures are.
    """)
    return Cue(code="other-class", text=text, part=part, n=n, chance=chance, low=low)


def border(index: Index, patches: Sequence[Patch]) -> Cue | None:
    """The patches smaller than the picture touch its edge far more often than patches of their sizes do."""
    size, stride = index.run.model.preprocess.size, index.run.settings.stride
    smaller = [p for p in patches if p.side < size]
    n, part = len(smaller), sum(at_border(p.left, p.top, p.side, size) for p in smaller)
    if n < FEWEST_AT_BORDER:
        return None
    sides = Counter(p.side for p in smaller)
    chance = float(sum(times * border_share(side, size, stride) for side, times in sides.items()) / n)
    low = lower_end(part, n)
    if part / n < max(BORDER, chance + OVER_CHANCE) or low <= chance + MARGIN:
        return None
    text = f"{part} of {n} patches touch the border of their picture; by chance {percent(chance)} would."
    return Cue(code="border", text=text, part=part, n=n, chance=chance, low=low)


def at_border(left: int, top: int, side: int, size: int) -> bool:
    """Whether a patch touches the edge of its picture."""
    return min(left, top) == 0 or max(left, top) + side >= size


@cache
def border_share(side: int, size: int, stride: float) -> Fraction:
    """The share of a picture's patches of that side that touch its edge: on the grid of METHOD §1, its step
    max(1, min(⌊side·stride⌋, size − side))."""
    step = max(1, min(floor(Fraction(str(stride)) * side), size - side))
    starts = range(0, size - side + 1, step)
    inside = sum(start > 0 and start + side < size for start in starts)
    return 1 - Fraction(inside, len(starts)) ** 2


def lower_end(part: int, n: int) -> float:
    """The lower end of Wilson's 95% interval of part / n."""
    p, z2 = part / n, _Z**2
    return (p + z2 / (2 * n) - _Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)


def class_cues(index: Index) -> tuple[Notice, ...]:
    """The cues of a class's groups with a share of at least `LEAST_SHARE`, one notice a kind, with links."""
    met: dict[Code, list[Span]] = {}
    for layer in index.downward()[1:]:
        for group in layer.groups:
            for cue in cues(index, layer.name, group) if group.share >= LEAST_SHARE else ():
                text = f"{index.called(layer.name, group)} ({cue.part} of {cue.n})"
                href = urls.group(index.result.slug, layer.name, group.index)
                met.setdefault(cue.code, []).append(Span(text=text, href=href))
    notices = []
    for code, (title, meaning) in _KINDS.items():
        if spans := met.get(code):
            parts = [part for span in spans[:MOST_PLACES] for part in (Span(text=", "), span)]
            parts[0] = Span(text="Groups: ")
            more = len(spans) - MOST_PLACES
            rest = (Span(text=f" and {more} more"),) if more > 0 else ()
            amount = f"{count(len(spans), 'group')} with a share of {percent(LEAST_SHARE)} or more"
            notices.append(Notice(code=code, title=title, text=f"{amount}: {meaning}", places=(*parts, *rest)))
    return tuple(notices)
