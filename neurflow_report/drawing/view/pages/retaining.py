"""F1, masking and retaining, as sentences, tables and plots (METHOD §5): always with n, interval, null and test."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Notice, Plot, Span, Table
from neurflow_report.drawing.view.model.numbers import count, interval, mean, p_value, percent
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Masking
from neurflow_report.results.verdict import LEVEL


def main_row(index: Index, mode: str) -> Masking | None:
    """The row of the layer below the logit with the largest τ, or None where F1 did not run there."""
    rows = [m for m in index.masking if m.layer == index.below_top.name and m.mode == mode]
    return max(rows, key=lambda m: m.tau, default=None)


def masking_sentence(m: Masking) -> str:
    """What one row says, in words, with n, interval and null; the verdict on it is the ledger's."""
    random = f"{count(len(m.null), 'random set')} of the same size leave {percent(mean(m.null))} on average"
    what = (
        f"Setting the {count(m.size, 'core neuron')} of {m.layer} to 0"
        if m.mode == "mask"
        else f"Keeping only the {count(m.size, 'core neuron')} of {m.layer}"
    )
    before, after = percent(m.baseline), percent(m.accuracy)
    change = f"leaves the accuracy at {after}" if before == after else f"takes the accuracy from {before} to {after}"
    return f"{what} {change} (95% interval {interval(m.low, m.high)}, n = {count(m.n, 'picture')}); {random}."


def undecided(rows: Sequence[Masking]) -> Notice | None:
    """A notice when some core sets do no better than random ones; None when all do, or nothing was tested."""
    weak = [m for m in rows if m.p_value > LEVEL]
    if not weak:
        return None
    few = min(len(m.null) for m in rows)
    if 1 / (1 + few) > LEVEL:
        least = p_value(1 / (1 + few))
        text = f"With {few} random sets p cannot be under {least}: no core set can be told apart from them."
        link = (Span(text="The tests", href=urls.FIDELITY),)
        return Notice(code="too-few-draws", title="Too few random sets", text=text, places=link)
    return Notice(
        code="not-told-apart",
        title="Core sets no better than chance",
        text=prose(f"""
            In {len(weak)} of {count(len(rows), "test")} of masking and retaining, the core set is not told apart from
            random sets of the same size (p over {LEVEL}): {_by_layer(rows)}.
        """),
        places=(Span(text="The tests", href=urls.FIDELITY),),
    )


def _by_layer(rows: Sequence[Masking]) -> str:
    """ "block4 2 of 32, block1 30 of 32": in how many of a layer's tests; layers in the order given, those with any."""
    found = []
    for layer in dict.fromkeys(m.layer for m in rows):
        own = [m for m in rows if m.layer == layer]
        weak = sum(m.p_value > LEVEL for m in own)
        found += [f"{layer} {weak} of {len(own)}"] if weak else []
    return ", ".join(found)


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
