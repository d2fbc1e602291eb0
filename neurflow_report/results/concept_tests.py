"""Concepts of the user's own, tested with concept activation vectors: their records (METHOD §5)."""

from __future__ import annotations

from neurflow_report.results.record import Record


class ConceptTest(Record):
    """How the class's logit follows a concept at a layer. Figures are None where `reason` says why there are none.

    Attributes:
        layer, concept: which.
        n: the class's pictures.
        value, low, high: the share of them whose logit rises along the concept's vector, with Wilson's 95% interval.
        slope: the mean derivative, in the logit's units for a step of one standard deviation of each channel's φ.
        null, null_low, null_high: the mean share of the sets drawn at random, and where 95% of them lie.
        sets: how many there are.
        p_value, q_value: two-sided; corrected by Holm's procedure over the class's concepts and layers.
        reason: why the concept was not tested here, or nothing.
    """

    layer: str
    concept: str
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    slope: float | None = None
    null: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    sets: int = 0
    p_value: float | None = None
    q_value: float | None = None
    reason: str = ""
