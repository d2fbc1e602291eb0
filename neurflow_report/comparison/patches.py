"""Which patches of a class two bundles share: those of the same picture, by its sha256, cut at the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from neurflow_report.results.records import ClassResult, Picture, Run

Box = tuple[int, int, int]
"""Left, top, side, in pixels of the model's input."""
Shown = tuple[int, Box]
"""A shared picture, by its number among the shared ones, and a box in it."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The patches that are candidates in both bundles, as far as one of them names them.

    Attributes:
        pictures: how many pictures are in both.
        a, b: of each bundle's patches, by index, those that both have.
        reason: why there is none; "" where there are some.
    """

    pictures: int
    a: Mapping[int, Shown]
    b: Mapping[int, Shown]
    reason: str = ""


def shared_patches(runs: tuple[Run, Run], results: tuple[ClassResult, ClassResult]) -> Shared:
    """The patches of a class that two bundles share."""
    sizes = [run.model.preprocess.size for run in runs]
    if sizes[0] != sizes[1]:
        return _none(f"the networks see pictures of {sizes[0]} and of {sizes[1]} pixels a side")
    seen = [_seen(result) for result in results]
    both = {sha for sha in seen[0] if sha in seen[1] and seen[0][sha].region == seen[1][sha].region}
    if not both:
        same = seen[0].keys() & seen[1].keys()
        return _none("of each picture another part was shown" if same else "no picture of the class is in both")
    number = {sha: n for n, sha in enumerate(sorted(both))}
    found = [_of(result, number, run) for result, run in zip(results, reversed(runs), strict=True)]
    return Shared(pictures=len(number), a=found[0], b=found[1])


def _none(reason: str) -> Shared:
    return Shared(pictures=0, a={}, b={}, reason=reason)


def _seen(result: ClassResult) -> dict[str, Picture]:
    return {picture.sha256: picture for picture in reversed(result.pictures)}


def _of(result: ClassResult, number: Mapping[str, int], other: Run) -> dict[int, Shown]:
    """Of a bundle's patches those of shared pictures that are candidates in the other bundle, too."""
    first = {picture.sha256: n for n, picture in reversed(list(enumerate(result.pictures)))}
    found = dict[int, Shown]()
    for patch in result.patches:
        sha, box = result.pictures[patch.image].sha256, (patch.left, patch.top, patch.side)
        if sha in number and first[sha] == patch.image and _is_candidate(box, other):
            found[patch.index] = (number[sha], box)
    return found


def _is_candidate(box: Box, run: Run) -> bool:
    """Whether a run's scales and stride put a patch there (METHOD §1)."""
    left, top, side = box
    size, settings = run.model.preprocess.size, run.settings
    if side not in {floor(Fraction(str(scale)) * size) for scale in settings.scales}:
        return False
    step = max(1, min(floor(side * Fraction(str(settings.stride))), size - side))
    return left % step == 0 and top % step == 0 and max(left, top) + side <= size
