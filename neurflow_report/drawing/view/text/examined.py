"""What the network was given, and how often it is right on it: the rows and the doubts of the overview."""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.drawing.view.model.components import Notice
from neurflow_report.drawing.view.model.numbers import count, interval, percent
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Accuracy, Preprocess, Run

ASSUMED = "assumed"
"""The code of the doubt that a preprocessing was assumed."""
FAILED = "failed"
"""The code of the doubt that classes are missing."""
LOW = 0.5
"""Accuracy under which most predictions are wrong."""
_ASSUMED = "assumed"
"""How the note on an assumed preprocessing begins (setup/input_notes.py)."""


def given(run: Run) -> dict[str, str]:
    """Rows of the table of what was examined: the input, the accuracy, and what should be known of both."""
    notes = (*run.model.notes, *run.model.input_notes)
    return {
        "Input": _input(run.model.preprocess),
        **({"To know": "; ".join(notes)} if notes else {}),
        **({"Accuracy": _measured(run.accuracy)} if run.accuracy is not None else {}),
    }


def doubts(run: Run) -> Iterator[Notice]:
    """An accuracy that is no better than chance, or low; a preprocessing that was assumed."""
    if run.failed:
        text = " ".join(f"{one.name}: {one.reason}." for one in run.failed)
        lost, whole = len(run.failed), len(run.failed) + len(run.classes)
        are = "is" if lost == 1 else "are"
        title = f"{lost} of {count(whole, 'class', 'classes')} could not be examined, and {are} missing"
        yield Notice(code=FAILED, title=title, text=text)
    found = run.accuracy
    cause = "Wrong preprocessing, wrong weights, or classes tied to the wrong outputs would look like this"
    if found is not None and found.reordered is not None:
        text = prose(f"""
                {_measured(found)}. With the classes in another order {percent(found.reordered)} would be right: the
                data's classes are tied to the wrong outputs, and every class below is shown on another's pictures.
            """)
        yield Notice(code="reordered", title="Classes tied to the wrong outputs", text=text)
    elif found is not None and found.low <= found.chance:
        text = f"{_measured(found)}: no better than chance, as far as this many pictures can tell. {cause}."
        yield Notice(code="chance", title="The network does no better than chance", text=text)
    elif found is not None and found.high < LOW:
        yield Notice(code="inaccurate", title="The network is mostly wrong", text=f"{_measured(found)}. {cause}.")
    for note in run.model.input_notes:
        if note.startswith(_ASSUMED):
            text = f"{note[0].upper()}{note[1:]}."
            yield Notice(code=ASSUMED, title="Assumed preprocessing", text=text)


def _measured(found: Accuracy) -> str:
    return prose(f"""
            {percent(found.right / found.pictures)}: {found.right:,} of {count(found.pictures, "labelled picture")} of
            {count(found.classes, "class", "classes")} right (95% interval {interval(found.low, found.high)};
            the same answers shuffled, {percent(found.chance)})
        """)


def _input(p: Preprocess) -> str:
    """How a picture becomes the network's input."""
    side = "both sides" if p.squash else "short side"
    resized = "not resized" if p.resize is None else f"{side} resized to {p.resize} ({p.interpolation})"
    mean, std = (", ".join(f"{value:.3g}" for value in values) for values in (p.mean, p.std))
    colour = "RGB" if p.channels == 3 else "grey"
    return f"{p.size} × {p.size} pixels, {colour}; {resized}, mean {mean}, standard deviation {std}"
