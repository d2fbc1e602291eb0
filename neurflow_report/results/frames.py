"""A bundle as tables: plain rows, and pandas data frames of them (extra `pandas`).

Every table begins with the columns `logit` and `class`. Neurons and groups are named as in the records: by layer, and
by channel or by index, which counts from 1; patches by their index in the class's patch order, pictures by their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.flow import flow_of, with_shares
from neurflow_report.results.record import Record
from neurflow_report.results.records import Caution, Claim, ClassResult, Control, Masking, Measure, PartAgreement

if TYPE_CHECKING:
    from pandas import DataFrame

Row = tuple[Any, ...]
_NULL = {"null": ("null", "draws")}  # the accuracies of random sets stand as their mean and their number

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "pictures": ("picture", "name", "label", "predicted", "width", "height", "sha256", "file"),
    "patches": ("patch", "picture", "top", "left", "side"),
    "neurons": (
        *("layer", "channel", "dead", "patches", "semantic_groups", "silhouette"),
        *("gap_mean", "gap_max", "error_mean", "error_max", "nodes"),
    ),
    "concepts": ("layer", "channel", "rank", "patch", "activation"),
    "core": ("layer", "channel", "rank", "lower_layer", "lower_channel", "score"),
    "weights": ("layer", "channel", "semantic", "lower_layer", "lower_channel", "weight"),
    "groups": ("layer", "group", "share", "neurons", "patches", "part", "purity", "chance", "p_value"),
    "members": ("layer", "group", "channel", "semantic", "patches", "activation"),
    "edges": ("upper_layer", "upper", "lower_layer", "lower", "weight", "drop"),
    "masking": ("control", *(new for name in Masking.model_fields for new in _NULL.get(name, (name,)))),
    "measures": ("control", *Measure.model_fields),
    "verdicts": ("control", *Claim.model_fields),
    "cautions": tuple(Caution.model_fields),
}
"""The columns of each table after `logit` and `class`."""
_WHOLE = {
    *("logit", "picture", "width", "height", "patch", "top", "left", "side", "channel", "patches", "semantic_groups"),
    *("nodes", "rank", "lower_channel", "semantic", "group", "neurons", "upper", "lower", "tau", "size", "channels"),
    *("n", "draws", "setting"),
}
_REAL = {
    *("silhouette", "gap_mean", "gap_max", "error_mean", "error_max", "activation", "score", "weight", "share"),
    *("purity", "chance", "p_value", "drop", "baseline", "accuracy", "low", "high", "drop_low", "drop_high", "null"),
    *("null_low", "null_high", "null_drop_low", "null_drop_high", "value", "figure", "q_value", "threshold"),
}
_YES_OR_NO = {"dead", "cumulative"}
"""The columns of numbers and of truth values, under these names in every table; all others are text."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """A bundle's tables as data frames, a row each.

    Attributes:
        patches: those that are shown.
        neurons: the core neurons of every layer, the class's logit at the highest.
        concepts: the patches of a neuron, best first.
        core: a neuron's core neurons in the layer below.
        weights: from these to its semantic groups.
        groups: of neurons.
        members: the semantic groups in them.
        edges: between groups.
        masking: F1.
        measures: F2 to F14.
        verdicts: of the ledger.
    """

    pictures: DataFrame
    patches: DataFrame
    neurons: DataFrame
    concepts: DataFrame
    core: DataFrame
    weights: DataFrame
    groups: DataFrame
    members: DataFrame
    edges: DataFrame
    masking: DataFrame
    measures: DataFrame
    verdicts: DataFrame
    cautions: DataFrame


def tables(bundle: Bundle) -> Tables:
    """The bundle's tables as data frames.

    A column has its type whatever it holds, nothing at all included; whole numbers some of which are missing have
    pandas' type Int64.

    Raises: InputError missing-package without pandas.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        message, hint = "the Python package pandas is not installed", "pip install 'neurflow-report[pandas]'"
        raise InputError("missing-package", message, hint=hint) from error
    return Tables(**{name: _frame(pandas, name, found) for name, found in rows(bundle).items()})


def rows(bundle: Bundle) -> dict[str, list[Row]]:
    """The rows of each table: the class's logit and name, then the values of `COLUMNS`; needs no pandas."""
    return {
        name: [(result.index, result.name, *row) for result in bundle.classes for row in make(result)]
        for name, make in _MAKERS.items()
    }


def _frame(pandas: Any, name: str, found: Sequence[Row]) -> DataFrame:
    frame: DataFrame = pandas.DataFrame(found, columns=["logit", "class", *COLUMNS[name]])
    text = pandas.Series([""]).dtype
    return frame.astype({column: _type(column, bool(frame[column].isna().any()), text) for column in frame.columns})


def _type(column: str, missing: bool, text: Any) -> Any:
    """The type of a column, some of whose values may be `missing`; text is of pandas' own type for it."""
    if column in _WHOLE:
        return "Int64" if missing else "int64"
    return "float64" if column in _REAL else "bool" if column in _YES_OR_NO else text


def _pictures(result: ClassResult) -> Iterator[Row]:
    for number, p in enumerate(result.pictures):
        yield number, p.name, p.label, p.predicted, p.width, p.height, p.sha256, p.file


def _patches(result: ClassResult) -> Iterator[Row]:
    return ((p.index, p.image, p.top, p.left, p.side) for p in result.patches)


def _neurons(result: ClassResult) -> Iterator[Row]:
    for layer in result.layers:
        for n in layer.neurons:
            what = (n.layer, n.channel, n.dead, len(n.concept), len(n.groups), n.silhouette)
            yield *what, n.gap_mean, n.gap_max, n.error_mean, n.error_max, n.nodes


def _concepts(result: ClassResult) -> Iterator[Row]:
    for layer in result.layers:
        for n in layer.neurons:
            for rank, (patch, activation) in enumerate(zip(n.concept, n.activations, strict=True), start=1):
                yield n.layer, n.channel, rank, patch, activation


def _core(result: ClassResult) -> Iterator[Row]:
    for lower, layer in pairwise(result.layers):
        for n in layer.neurons:
            for rank, core in enumerate(n.core, start=1):
                yield n.layer, n.channel, rank, lower.name, core.channel, core.score


def _weights(result: ClassResult) -> Iterator[Row]:
    for lower, layer in pairwise(result.layers):
        for n in layer.neurons:
            for group in n.groups:
                for edge in group.edges:
                    yield n.layer, n.channel, group.index, lower.name, edge.channel, edge.weight


def _groups(result: ClassResult) -> Iterator[Row]:
    for layer in with_shares(result, flow_of(result.layers)).layers:
        for g in layer.groups:
            part = (None,) * 4 if g.agreement is None else _part(g.agreement)
            yield g.layer, g.index, g.share, len({m.channel for m in g.members}), len(g.patches), *part


def _part(a: PartAgreement) -> Row:
    return a.part, a.purity, a.chance, a.p_value


def _members(result: ClassResult) -> Iterator[Row]:
    for layer in result.layers:
        semantic = {(n.channel, g.index): g for n in layer.neurons for g in n.groups}
        for g in layer.groups:
            for m in g.members:
                one = semantic[m.channel, m.semantic]
                yield g.layer, g.index, m.channel, m.semantic, len(one.patches), one.activation


def _edges(result: ClassResult) -> Iterator[Row]:
    drops = {(d.upper_layer, d.upper, d.lower_layer, d.lower): d.drop for d in result.edge_drops}
    for e in result.edges:
        ends = (e.upper_layer, e.upper, e.lower_layer, e.lower)
        yield *ends, e.weight, drops.get(ends)


def _masking(owner: ClassResult | Control) -> Iterator[Row]:
    for m in owner.masking:
        values = dict(m)
        mean = sum(m.null) / len(m.null) if m.null else None
        values |= {"null": mean, "draws": len(m.null)}
        yield tuple(values[name] for name in COLUMNS["masking"][1:])


def _values(records: Sequence[Record]) -> Iterator[Row]:
    return (tuple(value for _, value in record) for record in records)


def _with_controls(make: Callable[[ClassResult | Control], Iterator[Row]]) -> Callable[[ClassResult], Iterator[Row]]:
    """Rows of the class itself, whose `control` is "", then of every control."""

    def found(result: ClassResult) -> Iterator[Row]:
        yield from (("", *row) for row in make(result))
        yield from ((control.name, *row) for control in result.controls for row in make(control))

    return found


_MAKERS: Mapping[str, Callable[[ClassResult], Iterator[Row]]] = {
    "pictures": _pictures,
    "patches": _patches,
    "neurons": _neurons,
    "concepts": _concepts,
    "core": _core,
    "weights": _weights,
    "groups": _groups,
    "members": _members,
    "edges": _edges,
    "masking": _with_controls(_masking),
    "measures": _with_controls(lambda owner: _values(owner.measures)),
    "verdicts": _with_controls(lambda owner: _values(owner.claims)),
    "cautions": lambda result: _values(result.cautions),
}
