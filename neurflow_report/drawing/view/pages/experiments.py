"""F2 to F14 of one class, experiment by experiment: the question, a chart with intervals and chance, the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.charts import Bar, Forest, Point, Scatter
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Prose, Table
from neurflow_report.drawing.view.model.numbers import correlation, count, figure, listing, p_value, percent
from neurflow_report.drawing.view.text import verdicts
from neurflow_report.drawing.view.text.ledger import control_name
from neurflow_report.drawing.view.text.limits import held_out
from neurflow_report.results.catalogue import EXPERIMENTS, HELD_OUT, LOGIT_IG, prose
from neurflow_report.results.records import Control, Measure, NotRun

MANY_CASES = 4
"""From so many on, methods are counted instead of named."""


@dataclass(frozen=True, kw_only=True)
class ExperimentView:
    """One experiment of one class; `lines`: at which layers its claims hold, `claims`: the same in a
    table, of several; `missing`: what could not be measured;
    `edges`: F11's figures edge by edge."""

    id: str
    title: str
    words: str
    lines: tuple[Prose, ...]
    claims: Table | None
    chart: Forest | None
    scatter: Scatter | None
    table: Table | None
    edges: Table | None
    missing: tuple[str, ...]


def experiments(index: Index) -> tuple[ExperimentView, ...]:
    """Every experiment of a class that was asked for, F1 aside."""
    asked = index.run.settings.experiments
    return tuple(_experiment(index, name) for name in EXPERIMENTS if name in asked and name != "masking")


def _experiment(index: Index, name: str) -> ExperimentView:
    kind = EXPERIMENTS[name]
    words = kind.words
    rows = _shown(index, [m for m in index.result.measures if m.experiment == name and m.channel is None])
    missing = [n for n in index.result.not_run if n.experiment == name]
    patches, every = index.run.settings.patches, index.result.candidates
    if kind.shares_ablations and 0 < patches < every:
        words += f" Ranks were estimated from {patches:,} of the class's {every:,} patches, drawn at random."
    if any(m.experiment == name and m.case == LOGIT_IG for m in index.result.measures):
        told = "is what the paper's own code compares with: integrated gradients from the layer straight to the logit"
        words += f" “{LOGIT_IG}” {told}, over the pictures."
    if name in HELD_OUT and index.held_out:
        words += f" {held_out(index)}"
    return ExperimentView(
        id=name,
        title=f"{kind.number}: {kind.question}",
        words=words,
        lines=verdicts.lines([c for c in index.claims if c.experiment == name], index.too_few),
        claims=verdicts.reasons(index, name),
        chart=None if kind.wide or _exact(rows) else _forest(index, name, rows),
        scatter=_scatter(index) if name == "edges" else None,
        table=(_wide if kind.wide else _table)(index, name, rows) if rows else None,
        edges=_edges(index) if name == "causal" and index.effects else None,
        missing=missing_lines(missing),
    )


def _exact(rows: Sequence[Measure]) -> bool:
    """Whether no figure has an interval: all that there is was counted."""
    return all(m.low == m.high for m in rows)


def missing_lines(what: Sequence[NotRun]) -> tuple[str, ...]:
    """A line a reason: at which layers, and for what, where that is not everything."""
    found = []
    for reason in dict.fromkeys(n.reason for n in what):
        mine = [n for n in what if n.reason == reason]
        layers = listing(list(dict.fromkeys(n.layer for n in mine if n.layer)))
        cases = list(dict.fromkeys(n.case for n in mine if n.case))
        told = listing(cases) if len(cases) < MANY_CASES else f"{len(cases)} methods"
        found.append(f"{', '.join(filter(None, (layers, told)))}: {reason}".removeprefix(": "))
    return tuple(found)


def _shown(index: Index, measures: Sequence[Measure]) -> list[Measure]:
    """The layers' figures from the logit down."""
    order = {layer.name: at for at, layer in enumerate(index.downward())}
    kept = [m for m in measures if m.case != "kept"]
    return sorted(kept, key=lambda m: order[m.layer])


def _label(m: Measure) -> str:
    """What is measured in a row, beside its layer."""
    return EXPERIMENTS[m.experiment].row.format(case=m.case, setting=m.setting)


def _forest(index: Index, name: str, rows: Sequence[Measure]) -> Forest:
    slug = index.result.slug
    sizes = sorted({m.setting or 0 for m in rows}) if name == "methods" else []
    if sizes:
        rows = [m for m in rows if m.setting == sizes[0]]
    labels = [_label(m) for m in rows]
    alike = len(set(labels)) == 1 and len({m.layer for m in rows}) == len(rows)
    others = [_matching(control, m) for m in rows for control in index.result.controls[:1]] or [None] * len(rows)
    lowest = min(*(m.low for m in rows), *(m.null_low or 0.0 for m in rows), *(o.value for o in others if o), 0.0)
    limits = {t.claim: t for t in index.run.settings.thresholds}
    limit = limits.get(EXPERIMENTS[name].headline)
    lines = () if limit is None else tuple(sorted({limit.against, limit.supported}))
    return Forest(
        id=f"{name}-{slug}",
        title=f"{EXPERIMENTS[name].question} {index.result.name}",
        rows=tuple(
            Bar(
                block=m.layer,
                label="" if alike else label,
                value=m.value,
                low=m.low,
                high=m.high,
                null=m.null,
                null_low=m.null_low,
                null_high=m.null_high,
                control=None if o is None else o.value,
            )
            for m, label, o in zip(rows, labels, others, strict=True)
        ),
        axis=EXPERIMENTS[name].axis,
        start=0.0 if lowest >= 0 else -0.5 if lowest >= -0.5 else -1.0,
        end=1.0,
        shares=EXPERIMENTS[name].unit == "share",
        lines=lines,
        caption=_caption(index, rows, sizes) + (f" {_cap(labels[0])}." if alike and labels[0] else ""),
        svg=urls.data(slug, f"{name}.svg"),
        download=urls.data(slug, "fidelity.csv"),
    )


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _caption(index: Index, rows: Sequence[Measure], sizes: Sequence[int]) -> str:
    null = "; thin lines below them: the 95% range of chance" if any(m.null_low is not None for m in rows) else ""
    controls = "; open squares: the same network with random weights" if index.result.controls else ""
    shown = f" Sets of size {sizes[0]}; the table has the other sizes." if len(sizes) > 1 else ""
    return f"Thick bars: 95% intervals, {_counted(rows)}{null}{controls}.{shown}"


def _counted(rows: Sequence[Measure]) -> str:
    """ "n = 40 draws", "n = 1 neuron at fc, 6 neurons at block3"; where a layer has several, see the table."""
    layers: dict[tuple[int, str], list[str]] = {}
    for m in rows:
        layers.setdefault((m.n, m.unit), []).append(m.layer)
    if len(layers) == 1:
        return f"n = {count(*next(iter(layers)))}"
    met = [layer for found in layers.values() for layer in dict.fromkeys(found)]
    if len(met) > len(set(met)):
        return "n differs from row to row (see the table)"
    told = [f"{count(*n)} at {listing(list(dict.fromkeys(found)))}" for n, found in layers.items()]
    return f"n = {', '.join(told)}"


def _matching(control: Control, m: Measure) -> Measure | None:
    """The same figure on another network; a number that no row is called by may be another one there."""

    def key(one: Measure) -> tuple[object, ...]:
        named = "{setting}" in EXPERIMENTS[one.experiment].cell
        return one.experiment, one.layer, one.channel, one.case, one.setting if named else None

    return next((other for other in control.measures if key(other) == key(m)), None)


def _table(index: Index, name: str, rows: Sequence[Measure]) -> Table:
    slug = index.result.slug
    varied = EXPERIMENTS[name].varied
    tested, exact = any(m.p_value is not None for m in rows), _exact(rows)
    columns = (
        Column(label="Layer"),
        *((Column(label=varied),) if varied else ()),
        Column(label="Figure", numeric=True),
        *(() if exact else (Column(label="95% interval", numeric=True),)),
        Column(label="n", numeric=True),
        Column(label=EXPERIMENTS[name].beside, numeric=True),
        *((Column(label="p", numeric=True),) if tested else ()),
        *(Column(label=control_name(c.name), numeric=True) for c in index.result.controls),
    )
    return Table(
        caption=f"{EXPERIMENTS[name].number}, {index.result.name}: {EXPERIMENTS[name].axis}",
        columns=columns,
        rows=tuple(_cells(index, name, m, bool(varied), tested, exact) for m in rows),
        download=urls.data(slug, "fidelity.csv"),
    )


def _wide(index: Index, name: str, rows: Sequence[Measure]) -> Table:
    """A row a layer: each case with its interval and what stands beside it, then n."""
    slug, kind, cases = index.result.slug, EXPERIMENTS[name], list(dict.fromkeys(m.case for m in rows))
    found = {(m.layer, m.case): m for m in rows}
    heads = [label for case in cases for label in (_cap(case), "95% interval", _cap(kind.beside))]

    def cells(m: Measure | None) -> tuple[str, str, str]:
        if m is None:
            return "", "", ""
        return _told(name, m.value), _spread(name, m.low, m.high), "" if m.null is None else _told(name, m.null)

    return Table(
        caption=f"{kind.number}, {index.result.name}: {kind.axis}",
        columns=(
            Column(label="Layer"),
            *(Column(label=label, numeric=True) for label in heads),
            Column(label="n", numeric=True),
        ),
        rows=tuple(
            (
                Cell(text=layer, href=urls.layer_page(slug, layer)),
                *(Cell(text=text) for case in cases for text in cells(found.get((layer, case)))),
                Cell(text=count(*next((m.n, m.unit) for m in rows if m.layer == layer))),
            )
            for layer in dict.fromkeys(m.layer for m in rows)
        ),
        download=urls.data(slug, "fidelity.csv"),
    )


def _cells(index: Index, name: str, m: Measure, varied: bool, tested: bool, exact: bool) -> tuple[Cell, ...]:
    what = EXPERIMENTS[name].cell.format(case=m.case, setting=m.setting)
    others = [_matching(c, m) for c in index.result.controls]
    return (
        Cell(text=m.layer, href=urls.layer_page(index.result.slug, m.layer)),
        *((Cell(text=what),) if varied else ()),
        Cell(text=_told(name, m.value)),
        *(() if exact else (Cell(text=_spread(name, m.low, m.high)),)),
        Cell(text=count(m.n, m.unit)),
        Cell(text="" if m.null is None else _told(name, m.null)),
        *((Cell(text="" if m.p_value is None else p_value(m.p_value)),) if tested else ()),
        *(Cell(text="" if o is None else _told(name, o.value)) for o in others),
    )


def _told(name: str, value: float) -> str:
    unit = EXPERIMENTS[name].unit
    return percent(value) if unit == "share" else figure(value) if unit == "figure" else correlation(value)


def _spread(name: str, low: float, high: float) -> str:
    return (
        f"{100 * low:.0f}–{100 * high:.0f}%"
        if EXPERIMENTS[name].unit == "share"
        else f"{_told(name, low)} to {_told(name, high)}"
    )


def _edges(index: Index) -> Table:
    """F11: every edge tested, from the logit down, the largest drop first."""
    order = {layer.name: at for at, layer in enumerate(index.downward())}
    slug, numeric = index.result.slug, ("Drop", "Chance, 95%", "Sets", "p", "p of all together")

    def group(layer: str, number: int) -> Cell:
        called = index.called(layer, index.groups[layer, number])
        return Cell(text=called, href=urls.group(slug, layer, number))

    return Table(
        caption=f"Drawn edges of {index.result.name}, one by one",
        columns=(
            Column(label="Upper neuron group"),
            Column(label="Lower neuron group"),
            *(Column(label=label, numeric=True) for label in numeric),
        ),
        rows=tuple(
            (
                group(e.upper_layer, e.upper),
                group(e.lower_layer, e.lower),
                Cell(text=correlation(e.drop)),
                Cell(text=f"{correlation(e.null_low)} to {correlation(e.null_high)}"),
                Cell(text=f"{e.sets:,}"),
                Cell(text=p_value(e.p_value)),
                Cell(text=p_value(e.q_value)),
            )
            for e in sorted(index.result.edge_effects, key=lambda e: (order[e.upper_layer], -e.drop))
        ),
        download=urls.data(slug, "edge-effects.csv"),
    )


def _scatter(index: Index) -> Scatter | None:
    """F8: every pair of groups, its weight against the measured drop."""
    drops = index.result.edge_drops
    if not drops:
        return None
    slug = index.result.slug
    return Scatter(
        id="drops",
        title=f"Edge weight and measured drop: {index.result.name}",
        points=tuple(Point(x=d.weight, y=d.drop, series=f"{d.upper_layer} ← {d.lower_layer}") for d in reversed(drops)),
        x="weight W of the edge",
        y="share of the activation lost",
        caption=prose(f"""
            Every pair of an upper and a lower group, {count(len(drops), "pair")}; pairs without an edge have weight
            0.
        """),
        svg=urls.data(slug, "edge-drops.svg"),
        download=urls.data(slug, "edge-drops.csv"),
    )
