"""A class's verdict, from its ledger alone (METHOD §5): how many of the tests that could decide support the method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

from neurflow_report.results.catalogue import CLAIMS
from neurflow_report.results.records import Claim, ClassResult, Control

Word = Literal["well supported", "partly supported", "weakly supported", "not decidable at these sizes", "not tested"]
MOST, LEAST = Fraction(2, 3), Fraction(1, 3)
"""The shares of deciding tests from which a class is well supported, and under which weakly."""
FEWEST = 4
"""Deciding tests, at least, of a class that is judged."""
LEVEL = 0.05
MOST_DRAWS = 2000
NEEDED = "needed"
"""The claim that the others rest on: a core that is not needed explains nothing."""
RULE = (
    "A class is well supported where at least two thirds of the tests that could decide support their claim, and the "
    "core passes the test of being needed at one layer or more and fails it at none. It is weakly supported where "
    "under a third do, or where the core fails that test at half or more of the layers. Otherwise it is partly "
    "supported. Where fewer than four tests could decide, or more had too few draws than could decide, the class is "
    "not decidable. A test has too few draws where no outcome with so few random sets could have supported its claim."
)
_Z2 = 1.959964**2


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A class's verdict; the numbers are tests, one a claim and layer (and method, where a claim has several).

    Attributes:
        open: inconclusive, though the sizes could have decided.
        too_few: with too few draws.
        settings: the keys of the spec that would let these decide, with the least that would do, where some would.
        not_needed, needed: the layers at which masking the core is told to be harmless, and told not to be.
    """

    word: Word
    supported: int = 0
    refuted: int = 0
    open: int = 0
    too_few: int = 0
    settings: tuple[str, ...] = ()
    not_needed: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    @property
    def deciding(self) -> int:
        """Tests that could decide: all but those with too few draws."""
        return self.supported + self.refuted + self.open


def verdict_of(result: ClassResult | Control, against: float = CLAIMS["optimal"].threshold.against) -> Verdict:
    """The verdict on a class, by `RULE`.

    Args: against: the share of random sets that F2's interval must stay over.
    """
    ran = [c for c in result.claims if c.verdict != "not run"]
    few = [setting for c in ran if (setting := too_few_draws(c, result, against))]
    count = {word: sum(c.verdict == word for c in ran) for word in ("supported", "not supported", "inconclusive")}
    layers = {
        word: tuple(dict.fromkeys(c.layer for c in ran if c.claim == NEEDED and c.verdict == word))
        for word in ("supported", "not supported")
    }
    found = Verdict(
        word="not tested",
        supported=count["supported"],
        refuted=count["not supported"],
        open=count["inconclusive"] - len(few),
        too_few=len(few),
        settings=tuple(dict.fromkeys(few)),
        not_needed=layers["not supported"],
        needed=layers["supported"],
    )
    tested = sum(c.claim == NEEDED for c in ran)
    return Verdict(**{**vars(found), "word": _word(found, tested) if ran else "not tested"})


def _word(found: Verdict, layers: int) -> Word:
    if found.deciding < FEWEST or found.too_few > found.deciding:
        return "not decidable at these sizes"
    share = Fraction(found.supported, found.deciding)
    if share < LEAST or (layers and 2 * len(found.not_needed) >= layers):
        return "weakly supported"
    if share >= MOST and found.needed and not found.not_needed:
        return "well supported"
    return "partly supported"


def undecidable(result: ClassResult | Control, against: float) -> dict[Claim, str]:
    """The tests with too few draws to decide, and the key of the spec that would let each (`too_few_draws`)."""
    found = {c: too_few_draws(c, result, against) for c in result.claims}
    return {c: setting for c, setting in found.items() if setting}


def too_few_draws(claim: Claim, result: ClassResult | Control, against: float) -> str:
    """The key of the spec, with the least that would do, where no outcome with the random sets drawn could have
    supported the claim; "" where one could have, and for what the figure has refuted all the same."""
    if claim.verdict != "inconclusive":
        return ""
    if claim.claim == "optimal":
        sets = [m.n for m in result.measures if m.case == "beaten" and m.layer == claim.layer and m.channel is not None]
        least = ceil(against * _Z2 / (1 - against)) if against < 1 else 0
        return f"fidelity.optimality_draws: {least}" if sets and least and min(sets) < least else ""
    if claim.experiment != "masking" or claim.p_value is None or not result.masking:
        return ""
    others = [c.p_value for c in result.claims if c.p_value is not None]
    others.remove(claim.p_value)
    draws = min(len(m.null) for m in result.masking)
    if _q(1 / (1 + draws), others) <= LEVEL:
        return ""
    enough = (n for n in range(draws + 10, MOST_DRAWS, 10) if _q(1 / (1 + n), others) <= LEVEL)
    found = next(enough, None)
    return "fidelity.draws" if found is None else f"fidelity.draws: {found}"


def _q(p: float, others: Sequence[float]) -> float:
    """Benjamini and Hochberg's q of p among the other tests' p-values."""
    every = [p, *others]
    return min(len(every) * other / sum(one <= other for one in every) for other in every if other >= p)
