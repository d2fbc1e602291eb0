"""The ledger of claims in words and tables: what holds, by how much, against which chance (METHOD §5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neurflow_report.drawing.view import places
from neurflow_report.drawing.view.index import Index
from neurflow_report.drawing.view.pages import Cell, Column, Notice, Span, Table
from neurflow_report.drawing.view.words import correlation, count, p_value, percent
from neurflow_report.results.records import Claim, Threshold

STATEMENTS: Mapping[str, str] = {
    "needed": "Without the core neurons of a layer, the class is lost",
    "enough": "The core neurons of a layer alone keep the class",
    "needed_upward": "Without the core neurons from a layer up, the class is lost",
    "enough_upward": "The core neurons from a layer up keep the class",
    "optimal": "A neuron's concept rests on its core set more than on random sets",
    "faithful": "Scores foretell what knocking a channel out does",
    "best_method": "No other attribution method foretells it clearly better",
    "found_by_others": "Other methods find the same neurons",
    "robust": "Core sets do not hang on the size of the concept",
    "stable": "Groups stay the same under a little noise",
    "edges": "Drawn edges say what knocking a group out takes away",
}
MEASURED: Mapping[str, str] = {
    "needed": "drop of the accuracy",
    "enough": "accuracy left",
    "needed_upward": "drop of the accuracy",
    "enough_upward": "accuracy left",
    "optimal": "random sets beaten",
    "faithful": "correlation r",
    "best_method": "difference of r",
    "found_by_others": "share of the core set",
    "robust": "overlap at the worst k",
    "stable": "adjusted Rand index",
    "edges": "correlation r",
}
NAMES: Mapping[str, str] = {
    "masking": "F1", "optimality": "F2", "weights": "F3", "methods": "F4", "critical": "F5", "concepts": "F6",
    "stability": "F7", "edges": "F8",
}  # fmt: skip
CORRELATIONS = {"faithful", "best_method", "stable", "edges"}
"""Claims whose figures are correlations or indices; those of the others are shares."""
VERDICTS = ("supported", "not supported", "inconclusive", "not run")
MARKS = {"supported": "✓", "not supported": "✕", "inconclusive": "?", "not run": "–"}
_MEANT: Mapping[str, str] = {
    "needed": "the class gets by without these core neurons, or loses as much with random ones",
    "enough": "these core neurons alone do not keep the class",
    "needed_upward": "the class gets by without the circuit from here up",
    "enough_upward": "the circuit from here up does not keep the class by itself",
    "optimal": "many random sets matter as much to a neuron as the core set shown",
    "faithful": "a neuron's score says little about what happens without it",
    "best_method": "another attribution method says better what happens",
    "found_by_others": "methods that look for the class's neurons in other ways find others",
    "robust": "with more or fewer patches in a concept, other core neurons come out",
    "stable": "the groups are arbitrary",
    "edges": "a line drawn between groups does not say what happens without the lower one",
}


def told(claim: str, value: float | None) -> str:
    """A figure of a claim as readers see it."""
    if value is None:
        return ""
    return correlation(value) if claim in CORRELATIONS else percent(value).replace("-", "−")


def verdict_text(verdict: str) -> str:
    """The verdict with its mark."""
    return f"{MARKS[verdict]} {verdict}"


def counts(claims: Sequence[Claim]) -> dict[str, int]:
    """How many claims have each verdict."""
    return {verdict: sum(c.verdict == verdict for c in claims) for verdict in VERDICTS}


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
    rows = tuple(_row(index, claim, [other.get(_key(claim)) for other in others]) for claim in claims)
    slug = index.result.slug
    return Table(
        caption=f"The ledger of {index.result.name}",
        columns=columns,
        rows=rows,
        download=places.data(slug, "ledger.csv"),
    )


def control_name(name: str) -> str:
    """A control in words."""
    return {"random_weights": "Random weights"}.get(name, name)


def _key(claim: Claim) -> tuple[str, str, str]:
    case = claim.case if claim.claim in {"found_by_others", "stable"} else ""
    return claim.claim, claim.layer, case


def _row(index: Index, c: Claim, others: Sequence[Claim | None]) -> tuple[Cell, ...]:
    layer = places.layer_page(index.result.slug, c.layer) if c.layer else ""
    case = f" ({c.case})" if c.case else ""
    return (
        Cell(text=f"{NAMES[c.experiment]} {STATEMENTS[c.claim]}{case}"),
        Cell(text=c.layer or "–", href=layer),
        Cell(text=verdict_text(c.verdict)),
        Cell(text=f"{told(c.claim, c.figure)} ({_interval(c)})" if _interval(c) else told(c.claim, c.figure)),
        Cell(text=told(c.claim, c.null)),
        *(Cell(text="" if o is None else f"{MARKS[o.verdict]} {told(o.claim, o.figure)}".rstrip()) for o in others),
        Cell(text="" if c.q_value is None else p_value(c.q_value) if c.q_value >= 0.001 else "<0.001"),
        Cell(text="" if c.n is None else count(c.n, c.unit)),
        Cell(text=c.reason),
    )


def _interval(c: Claim) -> str:
    if c.low is None or c.high is None:
        return ""
    if c.claim in CORRELATIONS:
        return f"{correlation(c.low)} to {correlation(c.high)}"
    return f"{100 * c.low:.0f} to {100 * c.high:.0f}%".replace("-", "−")


def thresholds(limits: Sequence[Threshold]) -> Table:
    """The thresholds with where they come from."""
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
                Cell(text=STATEMENTS[t.claim]),
                Cell(text=MEASURED[t.claim]),
                Cell(text=told(t.claim, t.supported)),
                Cell(text=told(t.claim, t.against)),
                Cell(text=told(t.claim, t.null_most)),
                Cell(text=t.source),
            )
            for t in limits
        ),
    )


def distrust(index: Index) -> tuple[Notice, ...]:
    """What cannot be trusted in a class's circuit, in words: the claims that the evidence does not support."""
    found = []
    for claim in dict.fromkeys(c.claim for c in index.claims):
        failed = [c for c in index.claims if c.claim == claim and c.verdict == "not supported"]
        if failed:
            found.append(
                Notice(
                    code=f"claim-{claim.replace('_', '-')}",
                    title=f"Not supported: {STATEMENTS[claim][0].lower()}{STATEMENTS[claim][1:]}",
                    text=f"{_worst(failed)} That is, {_MEANT[claim]}.",
                    places=_places(index, failed),
                )
            )
    return tuple(found)


def _worst(failed: Sequence[Claim]) -> str:
    c = min(failed, key=lambda c: c.figure if c.figure is not None else 0.0)
    chance = f", chance {told(c.claim, c.null)}" if c.null is not None else ""
    at = f"{'at worst ' if len(failed) > 1 else ''}{told(c.claim, c.figure)} at {c.layer}"
    case = f" ({c.case})" if c.case else ""
    return f"{MEASURED[c.claim][0].upper()}{MEASURED[c.claim][1:]}: {at}{case}, 95% interval {_interval(c)}{chance}."


def _places(index: Index, failed: Sequence[Claim]) -> tuple[Span, ...]:
    layers = list(dict.fromkeys(c.layer for c in failed))
    spans: list[Span] = []
    for layer in layers:
        spans += [Span(text=", ")] if spans else []
        spans.append(Span(text=layer, href=places.layer_page(index.result.slug, layer)))
    return tuple(spans)
