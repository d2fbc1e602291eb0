"""F1, masking and retaining, as sentences, tables and plots (METHOD §5): always with n, interval, null and test."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Plot, Table
from neurflow_report.drawing.view.model.numbers import count, interval, mean, p_value, percent
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Masking


def main_row(index: Index, mode: str) -> Masking | None:
    """The row of the layer below the logit with the largest τ, or None where F1 did not run there."""
    return row_of(index, index.below_top.name, mode)


def row_of(index: Index, layer: str, mode: str) -> Masking | None:
    """The row of a layer with the largest τ, or None where F1 did not run there."""
    rows = [m for m in index.masking if m.layer == layer and m.mode == mode]
    return max(rows, key=lambda m: m.tau, default=None)


def masking_table(rows: Sequence[tuple[str, str, Masking]], *, download: str, caption: str) -> Table:
    """Rows given as (class name, slug, figures); without class names where these are empty."""
    named = any(name for name, _, _ in rows)
    columns = (
        *((Column(label="Class"),) if named else ()),
        Column(label="Layer"),
        Column(label="Test"),
        Column(label="τ", numeric=True),
        Column(label="Neurons", numeric=True),
        Column(label="n", numeric=True),
        Column(label="Before", numeric=True),
        Column(label="Accuracy", numeric=True),
        Column(label="95% interval", numeric=True),
        Column(label="Random sets: mean (range)", numeric=True),
        Column(label="p", numeric=True),
    )
    body = tuple(
        (*((Cell(text=name, href=urls.class_page(slug)),) if named else ()), *_cells(slug, m)) for name, slug, m in rows
    )
    return Table(caption=caption, columns=columns, rows=body, download=download)


def _cells(slug: str, m: Masking) -> tuple[Cell, ...]:
    null = f"{percent(mean(m.null))} ({interval(min(m.null), max(m.null))})" if m.null else ""
    return (
        Cell(text=m.layer, href=urls.layer_page(slug, m.layer)),
        Cell(text="mask core" if m.mode == "mask" else "keep core only"),
        Cell(text=str(m.tau)),
        Cell(text=f"{m.size} of {m.channels:,}"),
        Cell(text=str(m.n)),
        Cell(text=percent(m.baseline)),
        Cell(text=percent(m.accuracy)),
        Cell(text=interval(m.low, m.high)),
        Cell(text=null),
        Cell(text=p_value(m.p_value)),
    )


def plot(index: Index) -> Plot | None:
    """The masking plot of one class."""
    if not index.masking:
        return None
    return Plot(
        id=f"masking-{index.result.slug}",
        title=f"Masking and retaining: {index.result.name}",
        rows=index.masking,
        caption=prose(f"""
            Over the class's {count(index.masking[0].n, "picture")}: above, a layer's core neurons set to 0; below, all
            the others. Bars count the {count(len(index.masking[0].null), "random set")} of
            as many neurons by the accuracy that they leave; figures at the ends count those at 0 and at 100%. The
            triangle is the core set, its line the 95% interval.
        """),
        svg=urls.data(index.result.slug, "masking.svg"),
        download=urls.data(index.result.slug, "masking.csv"),
    )


def null_words(draws: int, rows: Sequence[Masking]) -> tuple[str, ...]:
    """What chance and the intervals of masking are."""
    if not rows:
        return ("No masking experiment was part of this run.",)
    return (
        prose(f"""
            Chance in masking is what {count(draws, "random set")} of as many neurons of the same layer do when treated
            in the same way. p is the share of sets at least as extreme as the core, with the core counted among them;
            with {draws} sets it is never under {p_value(1 / (1 + draws))}. The verdict rests on the ledger's thresholds
            and on q, which is p corrected for all tests of the class.
        """),
        prose("""
            Intervals are Wilson's 95% intervals over the class's pictures: they show how a figure might change with
            other pictures, not with another training run.
        """),
    )
