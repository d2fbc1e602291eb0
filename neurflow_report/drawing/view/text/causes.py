"""Why a picture is taken for a class, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.numbers import listing, p_value, signed
from neurflow_report.results.records import Cause, Debugged, LayerCauses

FEW = 3
"""Groups of a layer that are told."""


def lines(index: Index, one: Debugged) -> Iterator[str]:
    """The answer and its margin, then of each layer the largest groups, and what it takes to change the answer."""
    held = "its true class" if one.contrast == "truth" else "the runner-up"
    by = "" if one.p == index.result.index else f"; told by the circuit of {index.result.name}"
    yield f"{one.name}: taken for {one.predicted}, {signed(one.margin)} over {one.against}, {held}{by}"
    for layer in one.layers:
        for cause in layer.causes[:FEW]:
            yield f"  {_called(index, layer, cause.group)}: {_figures(cause, one)}"
        if not layer.causes:
            yield f"  {layer.layer}: the circuit has no groups here"
        if layer.flip is not None:
            names = listing([_called(index, layer, group) for group in layer.flip.removed])
            yield f"  without {names} it is taken for {layer.flip.predicted}"


def _called(index: Index, layer: LayerCauses, group: int) -> str:
    return index.called(layer.layer, index.groups[layer.layer, group])


def _figures(cause: Cause, one: Debugged) -> str:
    told = f"{signed(cause.foretold)} foretold, {signed(cause.measured)} measured"
    if cause.p_value is not None and cause.q_value is not None:
        told += f" (p {p_value(cause.p_value)}, {p_value(cause.q_value)} corrected)"
    return told if cause.without == one.predicted else f"{told}; without it {cause.without}"
