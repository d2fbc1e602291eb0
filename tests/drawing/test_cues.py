"""Cues of what a neuron group rests on: planted ones are found, and patches at random are not blamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.text.cues import (
    LEAST_SHARE,
    at_border,
    border_share,
    class_cues,
    cues,
    lower_end,
)
from neurflow_report.images.patches import PatchGrid
from neurflow_report.results.flow import flow_of, with_shares
from neurflow_report.results.records import ClassResult, NeuronGroup, Patch, Run
from tests.sample_bundle import sample_bundle

PICTURES = 20
OTHERS = 4
"""Pictures of the class that are labelled otherwise."""
Choose = Callable[[Patch], bool]


@pytest.fixture(scope="module")
def index() -> Index:
    """A class of `PICTURES` pictures whose patches are all of the grid's; the first `OTHERS` are labelled daisy."""
    run, classes, _, _ = sample_bundle(pictures=2)
    grid = PatchGrid(size=run.model.preprocess.size, scales=run.settings.scales, stride=run.settings.stride)
    first = classes[0].pictures[0]
    pictures = tuple(
        first.model_copy(update={"name": f"p/{n}", "label": "daisy" if n < OTHERS else classes[0].name})
        for n in range(PICTURES)
    )
    patches = tuple(grid.box(p) for p in range(PICTURES * grid.per_image))
    return Index(run, classes[0].model_copy(update={"pictures": pictures, "patches": patches}))


def group(patches: Sequence[int]) -> NeuronGroup:
    return NeuronGroup(layer="layer3", index=1, members=(), patches=tuple(patches), share=0.5)


def chosen(index: Index, number: int, choose: Choose, seed: int = 0) -> list[int]:
    """So many patches at random of those that are meant."""
    known = [p.index for p in index.result.patches if choose(p)]
    return [int(p) for p in np.random.default_rng(seed).choice(known, number, replace=False)]


def inside(index: Index, p: Patch) -> bool:
    return p.side < 64 and not at_border(p.left, p.top, p.side, 64)


def codes(index: Index, patches: Sequence[int]) -> list[str]:
    return [cue.code for cue in cues(index, "layer3", group(patches))]


def test_patches_of_one_picture_are_told(index: Index) -> None:
    one = chosen(index, 11, lambda p: p.image == 9)
    rest = chosen(index, 3, lambda p: p.image > 9 and inside(index, p))
    (cue,) = cues(index, "layer3", group(one + rest))
    assert cue.text == "11 of 14 patches come from one picture, p/9."
    assert (cue.code, cue.part, cue.n, cue.chance) == ("one-picture", 11, 14, 1 / PICTURES)
    assert cue.low == pytest.approx(0.5241, abs=1e-4)
    assert codes(index, one[:7] + rest) == ["one-picture"]
    assert codes(index, one[:5] + chosen(index, 5, lambda p: p.image > 9 and inside(index, p))) == []


def test_half_of_them_from_one_of_two_pictures_is_nothing(index: Index) -> None:
    two = replace(index, result=index.result.model_copy(update={"pictures": index.result.pictures[-2:]}))
    patches = [p.model_copy(update={"image": int(n % 3 == 0)}) for n, p in enumerate(index.result.patches)]
    two = replace(two, result=two.result.model_copy(update={"patches": tuple(patches)}))
    assert "one-picture" not in codes(two, range(1, 16))


def test_patches_of_pictures_of_another_class_are_told(index: Index) -> None:
    other = chosen(index, 9, lambda p: p.image < OTHERS)
    rest = chosen(index, 3, lambda p: p.image >= OTHERS and inside(index, p))
    found = cues(index, "layer3", group(other + rest))
    (cue,) = [cue for cue in found if cue.code == "other-class"]
    assert cue.text == (
        "9 of 12 patches come from pictures labelled daisy, not bee & <co>; 20% of the class's pictures are."
    )
    assert codes(index, chosen(index, 4, lambda p: p.image < OTHERS and inside(index, p)) + chosen(
        index, 12, lambda p: p.image >= OTHERS and inside(index, p)
    )) == []  # fmt: skip


def test_without_labels_nothing_is_said_of_them(index: Index) -> None:
    pictures = tuple(p.model_copy(update={"label": None}) for p in index.result.pictures)
    bare = replace(index, result=index.result.model_copy(update={"pictures": pictures}))
    assert "other-class" not in codes(bare, chosen(index, 12, lambda p: p.image < OTHERS))


def test_patches_at_the_border_are_told(index: Index) -> None:
    edge = chosen(index, 13, lambda p: p.side == 16 and at_border(p.left, p.top, p.side, 64))
    (cue,) = cues(index, "layer3", group([*edge, *chosen(index, 1, lambda p: p.side == 16 and inside(index, p))]))
    assert cue.text == "13 of 14 patches touch the border of their picture; by chance 49% would."
    large = chosen(index, 16, lambda p: p.side == 32 and at_border(p.left, p.top, p.side, 64))
    assert codes(index, large) == []  # eight of nine such windows do
    assert codes(index, edge[:8]) == []  # too few


@pytest.mark.parametrize(
    ("size", "scales", "stride"),
    [(64, (1.0, 0.5, 0.25), 0.5), (28, (0.5, 0.3), 0.3), (3, (0.7,), 0.5), (31, (0.9, 0.1), 1.0)],
)
def test_chance_at_the_border_is_counted_on_the_grid(size: int, scales: tuple[float, ...], stride: float) -> None:
    grid = PatchGrid(size=size, scales=scales, stride=stride)
    for side in grid.sides:
        boxes = [(top, left) for top, left, s in grid.boxes().tolist() if s == side]
        touching = sum(at_border(left, top, side, size) for top, left in boxes)
        assert border_share(side, size, stride) * len(boxes) == touching


def test_the_interval_is_wilsons() -> None:
    assert lower_end(8, 10) == pytest.approx(0.4902, abs=1e-4)
    assert lower_end(10, 10) == pytest.approx(0.7225, abs=1e-4)


@pytest.mark.parametrize("number", [8, 10, 12, 20, 50])
def test_patches_at_random_are_not_blamed(index: Index, number: int) -> None:
    rng = np.random.default_rng(number)
    draws = 400
    flagged = sum(
        bool(codes(index, rng.choice(len(index.result.patches), number, replace=False).tolist())) for _ in range(draws)
    )
    assert flagged < 0.05 * draws


def test_a_class_is_told_of_its_groups_of_some_share_with_links(index: Index) -> None:
    run, classes, _, _ = sample_bundle(pictures=6)
    result = with_shares(classes[0], flow_of(classes[0].layers))
    patches = tuple(p.model_copy(update={"image": 3}) for p in result.patches)
    notices = class_cues(Index(run, result.model_copy(update={"patches": patches})))
    (notice,) = [one for one in notices if one.code == "one-picture"]
    met = [
        (layer.name, g) for layer in reversed(result.layers[:-1]) for g in layer.groups
        if g.share >= LEAST_SHARE and len(g.patches) >= 8
    ]  # fmt: skip
    assert notice.title == "Groups drawn mostly from one picture"
    assert notice.text.startswith(
        f"{len(met)} groups with a share of 5% or more: most of a group's patches come from one"
    )
    links = [span for span in notice.places if span.href]
    assert [span.href for span in links] == [f"class/bee-co/{name}/index.html#G{g.index}" for name, g in met][:8]
    assert links[0].text.endswith(f"({len(met[0][1].patches)} of {len(met[0][1].patches)})")


def test_nothing_is_raised_on_odd_classes() -> None:
    run, classes, _, _ = sample_bundle(pictures=1)
    result: ClassResult = classes[0]
    odd: Run = run
    for layer in result.layers:
        for one in layer.groups:
            assert all(cue.low <= cue.part / cue.n for cue in cues(Index(odd, result), layer.name, one))
