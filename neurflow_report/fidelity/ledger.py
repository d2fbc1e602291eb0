"""The ledger: each claim of the method at each layer, with its figure, interval, null, n and verdict (METHOD §5).

1. The results of F1 to F14 give rows: a figure for which larger is better, its interval, its null, its test.
2. The p-values of a class's rows are corrected for their number (Benjamini and Hochberg).
3. A row is *supported* where the figure reaches the claim's threshold, its interval stays over the lower one, the null
   and its interval stay under the null's own, and the test, where there is one, has q ≤ 0.05. It is *not supported*
   where the figure is under the lower threshold and all of its interval under the upper one, or where all of the null's
   interval is over the null's own. Else it is *inconclusive*, and the reason is given.
4. What was asked for and failed, and what was not asked for, is *not run*, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from neurflow_report.fidelity.cautions import HALF, LOW
from neurflow_report.fidelity.intervals import benjamini_hochberg, student, wilson
from neurflow_report.fidelity.weights import OWN
from neurflow_report.results.catalogue import CLAIMS, EXPERIMENT_OF, TWO_SIDED
from neurflow_report.results.records import Claim, Masking, Measure, NotRun, Threshold, TwoSided

LEVEL = 0.05
"""False discovery rate at which a test counts."""
AS_MUCH = "random sets have too much of the same effect"
"""The reason of a claim that falls by its null, not by its figure."""
_TIE = 1e-9
"""By how much rounding may carry a null over its limit."""
THRESHOLDS: Mapping[str, Threshold] = {name: claim.threshold for name, claim in CLAIMS.items()}
"""The thresholds as they are unless the spec sets others, by claim."""


def limits(changes: Mapping[str, Mapping[str, float | None] | None]) -> tuple[Threshold, ...]:
    """The thresholds with `changes`, by claim: other values of `supported`, `against`, `null_most` where not None."""
    found = []
    for claim, limit in THRESHOLDS.items():
        own = {name: value for name, value in (changes.get(claim) or {}).items() if value is not None}
        if "against" in own and "supported" not in own:
            own["supported"] = max(own["against"], limit.supported)
        if "supported" in own and "against" not in own:
            own["against"] = own["supported"]
        changed = limit.model_copy(update={**own, "source": "set in the spec"}) if own else limit
        found.append(changed.model_copy(update={"against": min(changed.against, changed.supported)}))
    return tuple(found)


def ledger(
    masking: Sequence[Masking],
    measures: Sequence[Measure],
    not_run: Sequence[NotRun],
    *,
    two_sided: Sequence[TwoSided] = (),
    experiments: Sequence[str],
    thresholds: Sequence[Threshold],
) -> tuple[Claim, ...]:
    """Every row of one class, by claim in the order of `thresholds`, the layers as their results come."""
    found: list[Claim] = []
    limits = {t.claim: t for t in thresholds}
    for claim in limits:
        rows = list(_rows(claim, masking, two_sided, measures))
        found += rows or [_absent(claim, not_run, experiments)]
        if rows:
            found += _missing(claim, rows, not_run)
    q_values = iter(benjamini_hochberg([c.p_value for c in found if c.p_value is not None]))
    tested = [c if c.p_value is None else c.model_copy(update={"q_value": next(q_values)}) for c in found]
    return tuple(c if c.verdict == "not run" else _judged(c, limits[c.claim], masking, measures) for c in tested)


def verdict(claim: Claim, limit: Threshold) -> tuple[str, str]:
    """The verdict on a row and, where the figure alone does not say it, the reason."""
    figure, low, high = claim.figure, claim.low, claim.high
    assert figure is not None  # noqa: S101 a row that has run has a figure
    if low is None or high is None:
        return "inconclusive", "too few for an interval"
    if figure < limit.against and high < limit.supported:
        return "not supported", ""
    least, most = _null_range(claim)
    if limit.null_most is not None and least > limit.null_most + _TIE:
        return "not supported", AS_MUCH
    if limit.against <= figure < limit.supported:
        return "inconclusive", "between the two thresholds"
    if figure < limit.against or low < limit.against:
        return "inconclusive", "the interval contains the threshold"
    if limit.null_most is not None and most > limit.null_most + _TIE:
        return "inconclusive", "the interval of the random sets contains the most of the effect that they may have"
    if claim.q_value is not None and claim.q_value > LEVEL:
        return "inconclusive", "not told apart from chance after correction"
    return "supported", ""


def _null_range(claim: Claim) -> tuple[float, float]:
    """The ends of the null's interval; the null itself, twice, where it has none."""
    if claim.null_low is None or claim.null_high is None:
        return claim.null or 0.0, claim.null or 0.0
    return claim.null_low, claim.null_high


def _judged(claim: Claim, limit: Threshold, masking: Sequence[Masking], measures: Sequence[Measure]) -> Claim:
    decided, reason = verdict(claim, limit)
    doubt = _doubt(claim, masking)
    if doubt:
        decided, reason = "inconclusive", doubt
    elif decided == "inconclusive" and claim.claim == "optimal":
        reason = _too_few_sets(claim, limit, measures) or reason
    elif decided == "inconclusive" and claim.experiment == "masking" and (claim.q_value or 0.0) > LEVEL:
        sets = min(len(m.null) for m in masking)
        reason += f", as it must with {sets} random sets (fidelity.draws)" if 1 / (1 + sets) > LEVEL else ""
    return claim.model_copy(update={"verdict": decided, "reason": reason or claim.reason})


def _doubt(claim: Claim, masking: Sequence[Masking]) -> str:
    """What makes F1 say little at this layer (METHOD §6)."""
    if claim.experiment != "masking":
        return ""
    if masking[0].baseline < LOW:
        return "the network seldom says this class to begin with"
    layers = list(dict.fromkeys(m.layer for m in masking))
    above = layers[: layers.index(claim.layer)] if claim.claim.endswith("upward") else []
    wide = {m.layer for m in masking if m.size / m.channels > HALF}
    if claim.layer in wide:
        return "the core set is more than half of the layer"
    return f"the core set is more than half of {', '.join(x for x in above if x in wide)}" if wide & set(above) else ""


def _too_few_sets(claim: Claim, limit: Threshold, measures: Sequence[Measure]) -> str:
    """That the figure of F2 is high enough, the neurons agree, and only more random sets can bring its interval over
    the threshold."""
    tested = [m for m in measures if m.case == "beaten" and m.layer == claim.layer and m.channel is not None]
    if claim.figure is None or claim.figure < limit.supported or not tested:
        return ""
    sets, neurons = min(m.n for m in tested), student([m.value for m in tested])
    if wilson(claim.figure * sets, sets)[0] >= limit.against or (neurons and neurons[0] < limit.against):
        return ""
    return f"the interval contains the threshold, as it must with {sets} random sets (fidelity.optimality_draws)"


def _absent(claim: str, not_run: Sequence[NotRun], experiments: Sequence[str]) -> Claim:
    """The row of a claim that has no figure at all."""
    experiment = EXPERIMENT_OF[claim]
    reasons = [n.reason for n in not_run if n.experiment == experiment and _is_of(n, claim)]
    told = reasons[0] if reasons else "nothing to test was found"
    reason = told if experiment in experiments else "this experiment was not asked for"
    return Claim(claim=claim, experiment=experiment, layer="", verdict="not run", reason=reason)


def _is_of(missing: NotRun, claim: str) -> bool:
    """Whether a claim is among those that could not be tested: of F1, the one that is named, and the same upward."""
    return missing.experiment != "masking" or claim.startswith(missing.case)


def _missing(claim: str, rows: Sequence[Claim], not_run: Sequence[NotRun]) -> Iterator[Claim]:
    """The rows of one claim that could not be tested, beside those that could: a layer without a row, once; of F5 each
    method of each layer."""
    every, met = claim == "found_by_others", {row.layer for row in rows}
    for n in not_run:
        if n.experiment == EXPERIMENT_OF[claim] and (every or (n.layer and n.layer not in met)):
            met.add(n.layer)
            case = n.case if every else ""
            yield Claim(
                claim=claim, experiment=n.experiment, layer=n.layer, case=case, verdict="not run", reason=n.reason
            )


def _rows(
    claim: str, masking: Sequence[Masking], two_sided: Sequence[TwoSided], measures: Sequence[Measure]
) -> Iterator[Claim]:
    """The rows of one claim, not judged yet."""
    if EXPERIMENT_OF[claim] == "masking":
        yield from _needed(claim, masking) if claim.startswith("needed") else _enough(claim, two_sided)
        return
    mine = [m for m in measures if m.experiment == EXPERIMENT_OF[claim] and m.channel is None]
    if claim == "best_method":
        yield from _methods(measures)
    elif claim == "robust":
        yield from (_claim(claim, row) for row in _lowest_by_layer(mine))
    else:
        yield from (_claim(claim, m) for m in mine if _is_wanted(claim, m))


def _is_wanted(claim: str, m: Measure) -> bool:
    return m.case == "beaten" if claim == "optimal" else m.setting == 1 if claim == "faithful" else True


def _needed(claim: str, masking: Sequence[Masking]) -> Iterator[Claim]:
    """F1 at the largest τ: the drop of the accuracy with the core at 0, as in the paper."""
    upward, largest = claim.endswith("upward"), max((m.tau for m in masking), default=0)
    for m in masking:
        if m.tau == largest and m.cumulative == upward and m.mode == "mask":
            yield Claim(
                claim=claim, experiment="masking", layer=m.layer, figure=m.baseline - m.accuracy, low=m.drop_low,
                high=m.drop_high, n=m.n, unit="picture", null=m.baseline - float(np.mean(m.null)),
                null_low=m.null_drop_low, null_high=m.null_drop_high, p_value=m.p_value, verdict="inconclusive",
            )  # fmt: skip


def _enough(claim: str, two_sided: Sequence[TwoSided]) -> Iterator[Claim]:
    """F1 at the largest τ: J with all but the core at their mean. The accuracy alone would let a network pass that says
    the class of every picture."""
    upward, largest = claim.endswith("upward"), max((m.tau for m in two_sided), default=0)
    for m in two_sided:
        judged = m.mode == "retain" and m.ablation == "mean"
        if m.tau == largest and m.cumulative == upward and judged:
            yield Claim(
                claim=claim, experiment="masking", layer=m.layer, case=TWO_SIDED, figure=m.j, low=m.j_low,
                high=m.j_high, n=m.n + m.others, unit="picture", null=float(np.mean(m.null)), null_low=m.null_low,
                null_high=m.null_high, p_value=m.p_value, verdict="inconclusive",
            )  # fmt: skip


def _claim(claim: str, m: Measure) -> Claim:
    case = f"k = {m.setting}" if claim == "robust" else "" if claim in {"optimal", "faithful"} else m.case
    return Claim(
        claim=claim, experiment=m.experiment, layer=m.layer, case=case, figure=m.value, low=m.low, high=m.high, n=m.n,
        unit=m.unit, null=m.null, p_value=m.p_value, verdict="inconclusive",
    )  # fmt: skip


def _lowest_by_layer(measures: Sequence[Measure]) -> list[Measure]:
    """The measure with the smallest value of each layer: the k at which the overlap is worst."""
    worst: dict[str, Measure] = {}
    for m in measures:
        if m.layer not in worst or m.value < worst[m.layer].value:
            worst[m.layer] = m
    return list(worst.values())


def _methods(measures: Sequence[Measure]) -> Iterator[Claim]:
    """F4: r of integrated gradients minus that of the best other method, at size 1, over the neurons of a layer."""
    single = [m for m in measures if m.experiment == "methods" and m.setting == 1]
    for layer in dict.fromkeys(m.layer for m in single):
        whole = {m.case: m.value for m in single if m.layer == layer and m.channel is None}
        others = {case: r for case, r in whole.items() if case != OWN}
        if OWN not in whole or not others:
            continue
        best = max(others, key=lambda case: others[case])
        by = {(m.case, m.channel): m.value for m in single if m.layer == layer and m.channel is not None}
        pairs = [by[OWN, c] - r for (case, c), r in by.items() if case == best and (OWN, c) in by]
        if not pairs:
            continue
        figure, (low, high) = float(np.mean(pairs)), student(pairs) or (None, None)
        yield Claim(
            claim="best_method", experiment="methods", layer=layer, case=f"against {best}", figure=figure, low=low,
            high=high, n=len(pairs), unit="neuron", null=0.0, verdict="inconclusive",
        )  # fmt: skip
