"""F1, masking and retaining, as sentences, tables and plots (METHOD §5): always with n, interval, null and test."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Plot, Table
from neurflow_report.drawing.view.model.numbers import MINUS, count, interval, mean, p_value, percent
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Masking, TwoSided

MODES = ("retain", "mask")
SET_TO = {"mean": "their mean", "zero": "0"}
"""What removed channels are set to, in words."""
_J = " J: the share of its own pictures kept less the share of others taken for it."


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


def two_sided_table(
    rows: Sequence[tuple[str, str, TwoSided]], *, download: str, caption: str, brief: bool = False
) -> Table | None:
    """The core kept alone and the core removed, beside each other: how many pictures of the class are recognised
    (TPR), how many of other classes (FPR), and J = TPR − FPR.

    Args:
        rows: as of `masking_table`.
        brief: whether there is little room: without the interval of J where nothing is judged by it.
    """
    found: dict[tuple[object, ...], dict[str, TwoSided]] = {}
    for name, slug, m in rows:
        found.setdefault((name, slug, m.layer, m.tau, m.ablation, m.cumulative), {})[m.mode] = m
    pairs = [(key, one["retain"], one["mask"]) for key, one in found.items() if len(one) == len(MODES)]
    if not pairs:
        return None
    named, several = any(name for name, _, _ in rows), len({m.tau for _, _, m in rows}) > 1
    columns = (
        *((Column(label="Class"),) if named else ()),
        Column(label="Layer"),
        *((Column(label="τ", numeric=True),) if several else ()),
        Column(label="Removed, set to"),
        Column(label="Core alone: TPR", numeric=True),
        Column(label="FPR", numeric=True),
        Column(label="J (95% interval)", numeric=True),
        Column(label="Random sets: J", numeric=True),
        Column(label="p", numeric=True),
        Column(label="Without it: TPR", numeric=True),
        Column(label="Its FPR", numeric=True),
        Column(label="Its J" if brief else "Its J (95% interval)", numeric=True),
    )
    body = tuple(
        (
            *((Cell(text=str(key[0]), href=urls.class_page(str(key[1]))),) if named else ()),
            Cell(text=kept.layer, href=urls.layer_page(str(key[1]), kept.layer)),
            *((Cell(text=str(kept.tau)),) if several else ()),
            Cell(text=SET_TO[kept.ablation]),
            *_rates(kept),
            Cell(text=percent_points(mean(kept.null)) if kept.null else ""),
            Cell(text="" if kept.p_value is None else p_value(kept.p_value)),
            *_rates(masked, brief=brief),
        )
        for key, kept, masked in pairs
    )
    return Table(caption=caption, columns=columns, rows=body, download=download)


def _rates(m: TwoSided, *, brief: bool = False) -> tuple[Cell, Cell, Cell]:
    ends = "" if brief else f" ({percent_points(m.j_low).removesuffix('%')} to {percent_points(m.j_high)})"
    return Cell(text=percent(m.tpr)), Cell(text=percent(m.fpr)), Cell(text=f"{percent_points(m.j)}{ends}")


def percent_points(value: float) -> str:
    """J as a percentage, with a minus where it is below 0."""
    return f"{100 * value:.0f}%".replace("-0%", "0%").replace("-", MINUS)


def two_sided_words(rows: Sequence[TwoSided]) -> tuple[str, ...]:
    """What the figures with pictures of other classes are."""
    if not rows:
        return ()
    n, others = rows[0].n, rows[0].others
    return (
        prose(f"""
            TPR is the share of the class's {count(n, "picture")} recognised as the class, FPR that of
            {count(others, "picture")} of other classes, J = TPR − FPR. A network that assigns every picture to the
            class scores J = 0. “Enough” is judged by J with the core alone and all other channels at their mean over
            these pictures, beside random sets of as many neurons. Setting them to 0 shifts the network further; TPR
            with the others at 0 is the paper's figure, which counts the class's own pictures alone.
        """),
    )


def two_sided_lead(rows: Sequence[TwoSided], layer: str) -> str:
    """What the core of a layer alone keeps of the classes and lets pass of others, at the mean and at 0; "" where that
    was not measured."""
    kept = {way: [m for m in rows if (m.layer, m.mode, m.ablation) == (layer, "retain", way)] for way in SET_TO}
    if not kept["mean"] or not kept["zero"]:
        return ""
    own, alien, at_zero = (
        _span([getattr(m, field) for m in kept[way]])
        for way, field in (("mean", "tpr"), ("mean", "fpr"), ("zero", "fpr"))
    )
    return prose(f"""
        At {layer} the core alone keeps {own} of a class's pictures and takes {alien} of other classes' for it, with all
        other channels at their mean. With these at 0 it takes {at_zero} of them.
    """)


def _span(shares: Sequence[float]) -> str:
    """ "12 to 18%", or "12%"."""
    low, high = percent(min(shares)), percent(max(shares))
    return low if low == high else f"{low.removesuffix('%')} to {high}"


def plot(index: Index) -> Plot | None:
    """The masking plot of one class."""
    if not index.masking:
        return None
    judged = [m for m in index.two_sided if (m.mode, m.ablation, m.cumulative) == ("retain", "mean", False)]
    kept: Sequence[Masking | TwoSided] = judged or [m for m in index.masking if m.mode == "retain"]
    n, sets = index.masking[0].n, count(len(index.masking[0].null), "random set")
    rest = f"all others at their mean, over these and {_others(judged)}" if judged else "all the others"
    return Plot(
        id=f"masking-{index.result.slug}",
        title=f"Masking and retaining: {index.result.name}",
        rows=(*(m for m in index.masking if m.mode == "mask"), *kept),
        caption=prose(f"""
            Over the class's {count(n, "picture")}: above, a layer's core neurons set to 0; below, {rest}. Bars count
            the {sets} of as many neurons by what they leave; figures at the ends count those at 0 and at 100%. The
            triangle is the core set, its line the 95% interval.{_J if judged else ""}
        """),
        svg=urls.data(index.result.slug, "masking.svg"),
        download=urls.data(index.result.slug, "masking.csv"),
    )


def _others(rows: Sequence[TwoSided]) -> str:
    return count(rows[0].others, "picture of another class", "pictures of other classes")


def null_words(draws: int, rows: Sequence[Masking]) -> tuple[str, ...]:
    """What chance and the intervals of masking are."""
    if not rows:
        return ("No masking experiment was part of this run.",)
    return (
        prose(f"""
            Chance in masking is what {count(draws, "random set")} of as many neurons of the same layer do when treated
            in the same way. p is the share of sets at least as extreme as the core, with the core counted among them;
            with {draws} sets it cannot fall below {p_value(1 / (1 + draws))}. The verdict rests on the ledger's
            thresholds and on q, which is p corrected for all tests of the class.
        """),
        prose("""
            Intervals are Wilson's 95% intervals over the class's pictures: they show how a figure might change with
            other pictures, not with another training run.
        """),
    )
