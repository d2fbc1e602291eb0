"""A class's verdict by its printed rule, and which tests have too few draws."""

from __future__ import annotations

from typing import Any

import pytest

from neurflow_report.fidelity.intervals import benjamini_hochberg, wilson
from neurflow_report.results.records import Claim, ClassResult, Masking, Measure
from neurflow_report.results.verdict import _q, too_few_draws, verdict_of

LAYERS = ("c", "b", "a")


def claim(name: str, layer: str, verdict: str, **more: Any) -> Claim:
    experiment = (
        "masking" if name.startswith(("needed", "enough")) else "optimality" if name == "optimal" else "weights"
    )
    return Claim.model_validate(
        {"claim": name, "experiment": experiment, "layer": layer, "verdict": verdict, "figure": 0.5, **more}
    )


def result(claims: list[Claim], masking: list[Masking] = [], measures: list[Measure] = []) -> ClassResult:  # noqa: B006
    return ClassResult(
        index=0, name="a", slug="a", pictures=(), candidates=0, patches=(), layers=(), edges=(),
        masking=tuple(masking), cautions=(), measures=tuple(measures), claims=tuple(claims),
    )  # fmt: skip


def row(draws: int) -> Masking:
    return Masking(
        mode="mask", layer="a", tau=4, size=4, channels=64, n=40, baseline=1, accuracy=0, low=0, high=0.1,
        null=(1.0,) * draws, p_value=1 / (1 + draws),
    )  # fmt: skip


def needed(*verdicts: str) -> list[Claim]:
    return [claim("needed", layer, verdict) for layer, verdict in zip(LAYERS, verdicts, strict=True)]


def faithful(supported: int, refuted: int = 0) -> list[Claim]:
    return [
        claim("faithful", str(n), "supported" if n < supported else "not supported") for n in range(supported + refuted)
    ]


YES, NO, OPEN = "supported", "not supported", "inconclusive"


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ([], "not tested"),
        ([claim("needed", "a", "not run")], "not tested"),
        ([*needed(YES, YES, YES)], "not decidable at these sizes"),
        ([*needed(YES, YES, YES), *faithful(1)], "well supported"),
        ([*needed(YES, YES, OPEN), *faithful(3, 1)], "well supported"),
        ([*needed(YES, YES, NO), *faithful(9)], "partly supported"),
        ([*needed(YES, NO, NO), *faithful(9)], "weakly supported"),
        ([*needed(OPEN, OPEN, OPEN), *faithful(9)], "partly supported"),
        ([*needed(YES, OPEN, OPEN), *faithful(1, 3)], "weakly supported"),
        ([*needed(YES, OPEN, OPEN), *faithful(2, 3)], "partly supported"),
    ],
)
def test_the_word_follows_the_printed_rule(claims: list[Claim], word: str) -> None:
    assert verdict_of(result(claims)).word == word


def test_a_network_that_fails_everything_is_never_well_supported() -> None:
    assert verdict_of(result([*needed(NO, NO, NO), *faithful(0, 9)])).word == "weakly supported"


def beaten(sets: int) -> Measure:
    return Measure(
        experiment="optimality", layer="a", channel=1, case="beaten", value=1, low=0.9, high=1, n=sets,
        unit="random set", p_value=0.02,
    )  # fmt: skip


@pytest.mark.parametrize("sets", [20, 40, 72, 73, 74, 80])
def test_so_many_sets_of_f2_can_show_that_95_per_cent_are_beaten(sets: int) -> None:
    told = too_few_draws(claim("optimal", "a", OPEN), result([], measures=[beaten(sets)]), 0.95)
    assert bool(told) == (wilson(sets, sets)[0] < 0.95)
    if told:
        assert wilson(int(told.split(": ")[1]), int(told.split(": ")[1]))[0] >= 0.95


@pytest.mark.parametrize("draws", [10, 19, 20, 40, 100])
def test_so_many_draws_of_f1_could_have_passed_the_correction(draws: int) -> None:
    claims = [claim("needed", "a", OPEN, p_value=0.4)] + [claim("enough", str(n), NO, p_value=0.5) for n in range(2)]
    told = too_few_draws(claims[0], result(claims, [row(draws)]), 0.95)
    best = benjamini_hochberg([1 / (1 + draws), 0.5, 0.5])[0]
    assert bool(told) == (best > 0.05)
    if told:
        assert benjamini_hochberg([1 / (1 + int(told.split(": ")[1])), 0.5, 0.5])[0] <= 0.05


@pytest.mark.parametrize("p", [0.001, 0.02, 0.3])
def test_q_is_benjamini_and_hochberg_s(p: float) -> None:
    others = [0.004, 0.02, 0.02, 0.6, 0.9]
    assert _q(p, others) == pytest.approx(benjamini_hochberg([p, *others])[0])


def test_a_refutation_counts_however_few_the_draws() -> None:
    claims = [*needed(NO, NO, YES), claim("optimal", "a", NO), claim("optimal", "b", OPEN)]
    found = verdict_of(result(claims, measures=[beaten(40), beaten(40).model_copy(update={"layer": "b"})]))
    assert (found.refuted, found.too_few, found.deciding) == (3, 1, 4)
    assert found.settings == ("fidelity.optimality_draws: 73",)
    assert (found.not_needed, found.needed) == (("c", "b"), ("a",))
