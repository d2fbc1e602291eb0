"""What is said of a group's label and its tests (METHOD §8)."""

from __future__ import annotations

from neurflow_report.drawing.view.model.names import told_apart
from neurflow_report.drawing.view.model.numbers import interval, p_value, percent
from neurflow_report.results.records import GroupLabel

SOURCES = {
    "demo": "an image–text model",
    "annotations": "annotations",
    "openclip": "an image–text model",
    "transformers": "an image–text model",
    "endpoint": "a model that was asked",
}
"""Who offers labels, by the spec's source."""
LEVEL = 0.05


def label_line(label: GroupLabel) -> str:
    """A sentence for a group: its label and the test beside it, or that there is none, and why; "" where there is
    nothing to tell."""
    if not label.text:
        return f"No label: {label.reason}." if label.reason else ""
    if label.p_value is None:
        return f"No label: “{label.text}” goes best with it, and was not tested: {label.reason}."
    if label.holds:
        return f"Label “{label.text}”: {told_apart(label)}; {_moved(label)}."
    return f"No label: “{label.text}” goes best with it, but fails: {told_apart(label)}; {_moved(label)}{_late(label)}."


def _moved(label: GroupLabel) -> str:
    """What L3 says."""
    p = 1.0 if label.effect_p is None else label.effect_p
    more = "more" if p <= LEVEL else "no more"
    return f"the class loses {more} without the group where it shows (p {p_value(p)})"


def _late(label: GroupLabel) -> str:
    """Where both tests pass alone and not together with the other groups'."""
    if label.p_value is None or label.p_value > LEVEL or label.q_value is None:
        return ""
    return f"; corrected for the class's other groups, p is {p_value(label.q_value)}"


def coherence(label: GroupLabel) -> str:
    """The label-less figure, "–" where there is none."""
    if label.coherence is None or label.coherence_low is None or label.coherence_high is None:
        return "–"
    return f"{percent(label.coherence)} ({interval(label.coherence_low, label.coherence_high)})"
