"""The pages of the evidence, as frozen values: over all classes, and of one class."""

from __future__ import annotations

from dataclasses import dataclass

from neurflow_report.drawing.view.model.charts import Forest, Scatter
from neurflow_report.drawing.view.model.components import Figure, Notice, Page, Plot, Prose, Span, Table


@dataclass(frozen=True, kw_only=True)
class FidelityPage(Page):
    """The evidence over all classes."""

    lead: str
    terms: tuple[Prose, ...]
    doubts: tuple[Notice, ...]
    words: tuple[str, ...]
    layers: Table | None
    matrix: Table | None
    thresholds: Table | None
    classes: tuple[Span, ...]
    table: Table | None
    plots: tuple[Plot, ...]


@dataclass(frozen=True, kw_only=True)
class ExperimentView:
    """One experiment of one class; `lines`: at which layers its claim holds; `missing`: what could not be measured."""

    id: str
    title: str
    words: str
    lines: tuple[Prose, ...]
    chart: Forest | None
    scatter: Scatter | None
    table: Table | None
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ClassFidelityPage(Page):
    """The evidence of one class: what holds at which layer, then F1, then F2 to F8, then its ledger.

    `refuted`: the claims that do not hold; `distrust`: those, then the cautions that none of them has told already;
    `masking_lines`: what F1 says of its claims; `neighbours`: the circuit, and the evidence of the next classes.
    """

    heading: str
    lead: str
    neighbours: tuple[Span, ...]
    terms: tuple[Prose, ...]
    verdicts: tuple[Figure, ...]
    refuted: tuple[Notice, ...]
    distrust: tuple[Notice, ...]
    layers: Table | None
    ledger: Table | None
    control_words: tuple[str, ...]
    masking_lines: tuple[Prose, ...]
    words: tuple[str, ...]
    plot: Plot | None
    masking: Table | None
    upward: Table | None
    experiments: tuple[ExperimentView, ...]
