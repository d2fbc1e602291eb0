"""The ledger of claims in words and tables: what holds, by how much, against which chance (METHOD §5)."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Notice, Span, Table
from neurflow_report.drawing.view.model.numbers import (
    MINUS,
    apart_from,
    correlation,
    count,
    listing,
    p_value,
    percent,
)
from neurflow_report.results.catalogue import CAUTIONS, CLAIMS, EXPERIMENTS, TWO_SIDED
from neurflow_report.results.records import Claim, Run, Threshold

VERDICTS = ("supported", "not supported", "inconclusive", "not run")
TOO_FEW = "too few draws"
"""What an inconclusive test is called that no outcome with so many random sets could have decided."""
MARKS = {"supported": "✓", "not supported": "✕", "inconclusive": "?", TOO_FEW: "…", "not run": "–"}
AS_RANDOM = "≈"
"""The mark of a claim that falls because random neurons do as much, whatever its own figure."""
_REASONS = {
    "the interval of the random sets contains the most of the effect that they may have":
        "the random sets' interval straddles the limit",
    "not told apart from chance after correction": "not distinguishable from chance after correction",
    "random sets have too much of the same effect": "random sets do nearly as much",
}  # fmt: skip
TITLES: Mapping[str, str] = {
    name: CAUTIONS[claim.caution, False].title for name, claim in CLAIMS.items() if claim.caution
}
"""Claims that have a caution of their own, and its title: the same thing has the same name everywhere."""


def told(claim: str, value: float | None, limit: Threshold | None = None) -> str:
    """A figure of a claim as readers see it: never rounded onto a threshold of `limit` that it misses."""
    if value is None:
        return ""
    return apart_from(correlation if CLAIMS[claim].unit == "correlation" else percent, value, _limits_of(limit))


def measured(c: Claim) -> str:
    """What a test's figure is."""
    return figure_of(c.claim, two_sided=c.case == TWO_SIDED or c.verdict == "not run")


def figure_of(claim: str, *, two_sided: bool) -> str:
    """What a claim's figure is.

    Args: two_sided: whether F1 is judged with pictures of other classes, as bundles before were not.
    """
    kind = CLAIMS[claim]
    return kind.measured if two_sided or not kind.one_sided else kind.one_sided


def _limits_of(limit: Threshold | None) -> list[float]:
    ends = () if limit is None else (limit.supported, limit.against, limit.null_most)
    return [end for end in ends if end is not None]


def limits(run: Run) -> dict[str, Threshold]:
    """A run's thresholds by their claims."""
    return {t.claim: t for t in run.settings.thresholds}


def verdict_text(verdict: str) -> str:
    """The verdict with its mark."""
    return f"{MARKS[verdict]} {verdict}"


def word(c: Claim, few: Container[Claim]) -> str:
    """A test's verdict as readers see it. `few`: the tests with too few draws."""
    return TOO_FEW if c in few else c.verdict


def why_of(c: Claim) -> str:
    """Why a test was judged so, in the report's words: a bundle holds those of its program."""
    for kept, shown in _REASONS.items():
        if c.reason.startswith(kept):
            return shown + c.reason.removeprefix(kept)
    return c.reason


def remedy(setting: str) -> str:
    """What would decide a test with too few draws: "fidelity.draws: 240 would decide it"."""
    return f"{setting} would decide it" if ":" in setting else f"it takes a larger {setting}"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A claim at one layer: a mark, its look (yes, no, open, chance, none), and the same in words.

    Attributes:
        left: the share of the class's pictures recognised without that layer's core, "" where it is not told.
    """

    layer: str
    mark: str
    look: str
    words: str
    left: str = ""


_LOOKS = {"supported": "yes", "not supported": "no", "inconclusive": "open"}


def mark(index: Index, claim: str, layer: str) -> Mark:
    """What the tests of a claim at a layer say."""
    c = next((c for c in index.claims if c.claim == claim and c.layer == layer), None)
    verdict = "not run" if c is None else word(c, index.too_few)
    said = "not tested" if verdict == "not run" else verdict
    look, shown = _LOOKS.get(verdict, "none"), MARKS[verdict]
    if c is not None and c.verdict == "not supported" and c not in fails(index, claim):
        said, look, shown = "random neurons do much the same", "chance", AS_RANDOM
    return Mark(layer=layer, mark=shown, look=look, words=f"{layer}: {said}")


def ledger_table(index: Index) -> Table | None:
    """Every row of a class's ledger; beside each, the verdict on the control networks."""
    claims = index.claims
    if not claims:
        return None
    controls = index.result.controls
    columns = (
        Column(label="Claim"),
        Column(label="Layer"),
        Column(label="Verdict"),
        Column(label="Figure (95% interval)", numeric=True),
        Column(label="Chance", numeric=True),
        *(Column(label=control_name(c.name), numeric=True) for c in controls),
        Column(label="q", numeric=True),
        Column(label="n", numeric=True),
        Column(label="Why"),
    )
    others = [{_key(c): c for c in control.claims} for control in controls]
    ends = limits(index.run)
    rows = tuple(
        _row(index, claim, [other.get(_key(claim)) for other in others], ends.get(claim.claim)) for claim in claims
    )
    slug = index.result.slug
    return Table(
        caption=f"The ledger of {index.result.name}",
        columns=columns,
        rows=rows,
        download=urls.data(slug, "ledger.csv"),
    )


def control_name(name: str) -> str:
    """A control in words."""
    return {"random_weights": "Random weights"}.get(name, name)


def _key(claim: Claim) -> tuple[str, str, str]:
    case = claim.case if claim.claim in {"found_by_others", "stable"} else ""
    return claim.claim, claim.layer, case


def _row(index: Index, c: Claim, others: Sequence[Claim | None], limit: Threshold | None) -> tuple[Cell, ...]:
    layer = urls.layer_page(index.result.slug, c.layer) if c.layer else ""
    case = f" ({c.case})" if c.case else ""
    beside = ["" if o is None else f"{MARKS[o.verdict]} {told(o.claim, o.figure, limit)}".rstrip() for o in others]
    return (
        Cell(text=f"{EXPERIMENTS[c.experiment].number} {CLAIMS[c.claim].statement}{case}"),
        Cell(text=c.layer or "–", href=layer),
        Cell(text=verdict_text(word(c, index.too_few))),
        Cell(text=_with_interval(c.claim, c.figure, c.low, c.high, limit)),
        Cell(text=_with_interval(c.claim, c.null, c.null_low, c.null_high, limit)),
        *(Cell(text=text) for text in beside),
        Cell(text="" if c.q_value is None else p_value(c.q_value) if c.q_value >= 0.001 else "<0.001"),
        Cell(text="" if c.n is None else count(c.n, c.unit)),
        Cell(text=remedy(index.too_few[c]) if c in index.too_few else why_of(c)),
    )


def _with_interval(
    claim: str, value: float | None, low: float | None, high: float | None, limit: Threshold | None
) -> str:
    """ "90% (76 to 96%)"; the figure alone where it has no interval."""
    text, ends = told(claim, value, limit), _ends(claim, low, high, limit)
    return f"{text} ({ends})" if text and ends else text


def _ends(claim: str, low: float | None, high: float | None, limit: Threshold | None) -> str:
    if low is None or high is None:
        return ""
    spelt = correlation if CLAIMS[claim].unit == "correlation" else _per_cent
    least, most = (apart_from(spelt, end, _limits_of(limit)) for end in (low, high))
    return f"{least.removesuffix('%')} to {most}"


def _per_cent(share: float, more: int) -> str:
    return f"{100 * share:.{more}f}%".replace("-", MINUS)


def thresholds(limits: Sequence[Threshold], *, two_sided: bool = True) -> Table:
    """The thresholds with where they come from.

    Args: two_sided: as of `figure_of`.
    """
    return Table(
        caption="When a claim holds",
        columns=(
            Column(label="Claim"),
            Column(label="Figure"),
            Column(label="Supported from", numeric=True),
            Column(label="Not supported under", numeric=True),
            Column(label="Chance at most", numeric=True),
            Column(label="Source"),
        ),
        rows=tuple(
            (
                Cell(text=CLAIMS[t.claim].statement),
                Cell(text=figure_of(t.claim, two_sided=two_sided)),
                Cell(text=told(t.claim, t.supported)),
                Cell(text=told(t.claim, t.against)),
                Cell(text=told(t.claim, t.null_most)),
                Cell(text=t.source),
            )
            for t in limits
        ),
    )


def title(claim: str) -> str:
    """What it means, as a title, that a claim is not supported: the same words as the caution that says so."""
    words = TITLES.get(claim) or CLAIMS[claim].refuted
    return words[0].upper() + words[1:]


def refuted(index: Index, besides: Sequence[str] = ()) -> tuple[Notice, ...]:
    """What cannot be trusted in a class's circuit, in words: the claims that the evidence does not support, those that
    fall by their figure (but `besides`) and those that fall by what random sets do apart."""
    found, ends = list[Notice](), limits(index.run)
    for claim in dict.fromkeys(c.claim for c in index.claims):
        failed = [c for c in index.claims if c.claim == claim and c.verdict == "not supported"]
        by_null = [c for c in failed if falls_by_null(c, ends.get(claim))]
        by_figure = [c for c in failed if c not in by_null]
        for rows, words in ((by_figure, _by_figure), (by_null, _by_null)):
            if rows and (claim not in besides or words is _by_null):
                found.append(words(index, rows, ends.get(claim)))
    return tuple(found)


def fails(index: Index, claim: str) -> list[Claim]:
    """The rows of a class's ledger in which a claim falls by its own figure."""
    limit = limits(index.run).get(claim)
    rows = [c for c in index.claims if c.claim == claim and c.verdict == "not supported"]
    return [c for c in rows if not falls_by_null(c, limit)]


def falls_by_null(c: Claim, limit: Threshold | None) -> bool:
    """Whether a claim that is not supported falls by what random sets do, not by its own figure."""
    return limit is not None and c.figure is not None and c.figure >= limit.against


def _by_figure(index: Index, failed: Sequence[Claim], limit: Threshold | None) -> Notice:
    """The claim's own figure is too low."""
    claim, worst = failed[0].claim, min(failed, key=lambda c: c.figure if c.figure is not None else 0.0)
    return Notice(
        code=f"claim-{claim.replace('_', '-')}",
        title=title(claim),
        text=f"{_capital(_measured(worst, len(failed), limit))}.{_wanted(claim, limit)}",
        places=_places(index, failed),
    )


def _wanted(claim: str, limit: Threshold | None) -> str:
    return "" if limit is None else f" The claim needs {told(claim, limit.supported)}."


def _by_null(index: Index, failed: Sequence[Claim], limit: Threshold | None) -> Notice:
    """The figure is high enough, and random sets have the same effect."""
    claim, worst = failed[0].claim, max(failed, key=lambda c: c.null if c.null is not None else 0.0)
    most = "" if limit is None else f" The claim allows random sets at most {told(claim, limit.null_most)}."
    at = listing(list(dict.fromkeys(c.layer for c in failed)))
    return Notice(
        code=f"claim-{claim.replace('_', '-')}-null",
        title=f"At {at}, random neurons do too much of what the core does",
        text=f"{_capital(_measured(worst, len(failed), limit))}.{most}",
        places=_places(index, failed),
    )


def _measured(c: Claim, failed: int, limit: Threshold | None) -> str:
    """ "drop of the accuracy: 12% at block3 (95% interval 5 to 25%), random sets 2%", "at worst" where several fail."""
    interval = _ends(c.claim, c.low, c.high, limit)
    null = _with_interval(c.claim, c.null, c.null_low, c.null_high, limit)
    case = f", {c.case}" if c.case and c.case != TWO_SIDED else ""
    shown = f" (95% interval {interval})" if interval else ""
    chance = "random sets" if c.experiment in ("masking", "optimality") else "chance"
    worst = " at worst" if failed > 1 else ""
    figure = f"{measured(c)}:{worst} {told(c.claim, c.figure, limit)} at {c.layer}{case}{shown}"
    return f"{figure}{f', {chance} {null}' if null else ''}"


def _places(index: Index, failed: Sequence[Claim]) -> tuple[Span, ...]:
    layers = list(dict.fromkeys(c.layer for c in failed))
    spans: list[Span] = []
    for layer in layers:
        spans += [Span(text=", " if spans else "See ")]
        spans.append(Span(text=layer, href=urls.layer_page(index.result.slug, layer)))
    return tuple(spans)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
