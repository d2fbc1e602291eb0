"""The site's tables as data: one file a class and kind, and two over all classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.circuit_drawing import Weight, group_weights, neuron_weights
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Data, Value
from neurflow_report.results.records import GroupLabel

GROUPS = ("class", "layer", "group", "share", "members", "patches", "part", "purity", "chance", "p_value", "n")
SUMMARY = (*GROUPS[:4], "neurons", "semantic_groups", *GROUPS[5:])
"""The groups of all classes: counts instead of members and patches, which the classes' own files name."""
EDGES = ("class", "upper_layer", "upper", "lower_layer", "lower", "weight", "flow", "signed")
NEURONS = (
    "class",
    "layer",
    "channel",
    "share",
    "groups",
    "silhouette",
    "gap_mean",
    "gap_max",
    "error_mean",
    "error_max",
    "nodes",
    "dead",
    "sure",
    "core",
    "concept",
)
MASKING = (
    "class", "mode", "layer", "tau", "size", "channels", "n", "baseline", "accuracy", "low", "high", "p_value", "null",
    "cumulative",
)  # fmt: skip
TWO_SIDED = (
    "class", "network", "mode", "ablation", "layer", "tau", "cumulative", "size", "channels", "n", "others",
    "tpr_before", "fpr_before", "tpr", "tpr_low", "tpr_high", "fpr", "fpr_low", "fpr_high", "j", "j_low", "j_high",
    "p_value", "null_low", "null_high", "null",
)  # fmt: skip
MEASURES = (
    "class", "network", "experiment", "layer", "channel", "case", "setting", "value", "low", "high", "n", "unit",
    "null", "null_low", "null_high", "p_value",
)  # fmt: skip
LEDGER = (
    "class", "network", "claim", "experiment", "layer", "case", "figure", "low", "high", "n", "unit", "null",
    "null_low", "null_high", "p_value", "q_value", "verdict", "reason",
)  # fmt: skip
DROPS = ("class", "network", "upper_layer", "upper", "lower_layer", "lower", "weight", "drop")

EFFECTS = (
    "class", "upper_layer", "upper", "lower_layer", "lower", "drop", "null", "null_low", "null_high", "sets", "p_value",
    "q_value",
)  # fmt: skip
CERTIFICATES = (
    "class", "layer", "channels", "certified_tau", "n", "others", "tau", "size", "tpr", "tpr_low", "fpr", "fpr_high",
    "random_size", "needed_n", "needed_others",
)  # fmt: skip
CONCEPTS = (
    "class", "layer", "concept", "n", "value", "low", "high", "slope", "null", "null_low", "null_high", "sets",
    "p_value", "q_value", "reason",
)  # fmt: skip
PATCHES = ("patch", "picture", "left", "top", "side")
DIGITS = 6
"""Significant digits of scores, weights and flows, of which there may be hundreds of thousands; the bundle has all."""
LARGE = 1_000_000
"""Characters of a table from which it is written as CSV alone."""
PICTURES = ("class", "picture", "name", "label", "predicted", "width", "height", "sha256")


def data_files(indices: Sequence[Index]) -> Iterator[Data]:
    """Every table; lists within a cell are parted by spaces.

    The patches, the longest and of no figure, are not written twice: the bundle has them as JSON.
    """
    for i in indices:
        slug = i.result.slug
        yield _file(urls.data(slug, "groups.csv"), GROUPS, _groups(i))
        yield _file(urls.data(slug, "group-edges.csv"), EDGES, _group_edges(i))
        yield _file(urls.data(slug, "neurons.csv"), NEURONS, _neurons(i))
        yield _file(urls.data(slug, "neuron-edges.csv"), EDGES, _neuron_edges(i))
        yield _file(urls.data(slug, "masking.csv"), MASKING, _masking(i))
        yield replace(_file(urls.data(slug, "patches.csv"), PATCHES, _patches(i)), twin=False)
        yield _file(urls.data(slug, "pictures.csv"), PICTURES, _pictures(i))
        evidence = (
            ("fidelity.csv", MEASURES, "measures"),
            ("ledger.csv", LEDGER, "claims"),
            ("two-sided.csv", TWO_SIDED, "two_sided"),
        )
        for name, head, field in (*evidence, ("edge-drops.csv", DROPS, "edge_drops")):
            if getattr(i.result, field):
                yield _file(urls.data(slug, name), head, _records(i, head, field))
        if i.result.edge_effects:
            rows = [[i.result.name, *(getattr(e, key) for key in EFFECTS[1:])] for e in i.result.edge_effects]
            yield _file(urls.data(slug, "edge-effects.csv"), EFFECTS, rows)
        if rows := _certificates(i):
            yield _file(urls.data(slug, "certificates.csv"), CERTIFICATES, rows)
        if i.result.concept_tests:
            rows = [[i.result.name, *(getattr(t, key) for key in CONCEPTS[1:])] for t in i.result.concept_tests]
            yield _file(urls.data(slug, "concepts.csv"), CONCEPTS, rows)
        if i.result.labels:
            rows = [[i.result.name, *one.model_dump().values()] for one in i.result.labels]
            yield _file(urls.data(slug, "labels.csv"), ("class", *GroupLabel.model_fields), rows)
    if any(i.result.claims for i in indices):
        yield _file("data/ledger.csv", LEDGER, [row for i in indices for row in _records(i, LEDGER, "claims")])
    if any(i.result.two_sided for i in indices):
        rows = [row for i in indices for row in _records(i, TWO_SIDED, "two_sided")]
        yield _file("data/two-sided.csv", TWO_SIDED, rows)
    yield _file("data/groups.csv", SUMMARY, [row for i in indices for row in _summary(i)])
    yield _file("data/masking.csv", MASKING, [row for i in indices for row in _masking(i)])


def _value(value: Value | tuple[float, ...]) -> Value:
    """A list of numbers in brackets: a spreadsheet takes a minus that comes first for a formula."""
    return f"[{' '.join(map(str, value))}]" if isinstance(value, tuple) else value


def _file(file: str, head: tuple[str, ...], rows: list[list[Value]]) -> Data:
    size = sum(len(str(cell)) + 1 for row in rows for cell in row)
    return Data(file=file, head=head, rows=tuple(tuple(row) for row in rows), twin=size <= LARGE)


def _short(value: float | None) -> float | None:
    """A figure with as many digits as anybody needs."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _groups(i: Index) -> list[list[Value]]:
    rows: list[list[Value]] = []
    for layer in reversed(i.result.layers):
        for g in layer.groups:
            a = g.agreement
            planted = [a.part, a.purity, a.chance, a.p_value, a.n] if a else [None] * 5
            members = " ".join(f"n{m.channel}-{m.semantic}" for m in g.members)
            patches = " ".join(str(p) for p in g.patches)
            rows.append([i.result.name, layer.name, f"G{g.index}", g.share, members, patches, *planted])
    return rows


def _group_edges(i: Index) -> list[list[Value]]:
    return _edges(i, group_weights(i))


def _edges(i: Index, weights: Sequence[Weight]) -> list[list[Value]]:
    """Every edge: the paper's weight, and the share of the logit that flows there."""
    ends = (((*w.upper.rpartition("/")[::2], *w.lower.rpartition("/")[::2]), w) for w in weights)
    return [[i.result.name, *names, _short(w.weight), _short(w.flow), _short(w.signed)] for names, w in ends]


def _summary(i: Index) -> list[list[Value]]:
    groups = [g for layer in reversed(i.result.layers) for g in layer.groups]
    return [
        [*row[:4], len({m.channel for m in g.members}), len(g.members), len(g.patches), *row[6:]]
        for row, g in zip(_groups(i), groups, strict=True)
    ]


def _neurons(i: Index) -> list[list[Value]]:
    rows: list[list[Value]] = []
    for layer in reversed(i.result.layers):
        for a in layer.neurons:
            groups = sorted(set(i.memberships.get((layer.name, a.channel), {}).values()))
            named = " ".join(f"G{g}" for g in groups)
            core = " ".join(f"n{c.channel}:{_short(c.score)}" for c in a.core)
            concept = " ".join(str(p) for p in a.concept)
            figures = [a.silhouette, a.gap_mean, a.gap_max, a.error_mean, a.error_max, a.nodes, a.dead]
            sure = i.sureness(layer.name, a.channel)
            share = _short(i.flow.neurons[layer.name][a.channel])
            rows.append([i.result.name, layer.name, a.channel, share, named, *figures, sure, core, concept])
    return rows


def _neuron_edges(i: Index) -> list[list[Value]]:
    return _edges(i, neuron_weights(i))


def _masking(i: Index) -> list[list[Value]]:
    return [
        [
            i.result.name, m.mode, m.layer, m.tau, m.size, m.channels, m.n, m.baseline, m.accuracy, m.low, m.high,
            m.p_value, " ".join(str(v) for v in m.null), m.cumulative,
        ]
        for m in (*i.masking, *i.masking_upward)
    ]  # fmt: skip


def _certificates(i: Index) -> list[list[Value]]:
    """A row for each τ tried at a layer."""
    return [
        [
            i.result.name, c.layer, c.channels, c.tau, c.n, c.others, one.tau, one.size, one.tpr, one.tpr_low, one.fpr,
            one.fpr_high, c.random_size, c.needed_n, c.needed_others,
        ]
        for c in i.result.certificates
        for one in c.tried
    ]  # fmt: skip


def _patches(i: Index) -> list[list[Value]]:
    """A row a patch shown; the groups' own table says which groups it is in."""
    return [[p.index, p.image, p.left, p.top, p.side] for p in i.result.patches]


def _pictures(i: Index) -> list[list[Value]]:
    return [
        [i.result.name, number, p.name, p.label, p.predicted, p.width, p.height, p.sha256]
        for number, p in enumerate(i.result.pictures)
    ]


def _records(i: Index, head: Sequence[str], field: str) -> list[list[Value]]:
    """The records of the class and of its controls, under the names of their fields; `network` tells which."""
    networks = (("", i.result), *((c.name, c) for c in i.result.controls))
    return [
        [i.result.name, name, *(_value(getattr(record, key)) for key in head[2:])]
        for name, source in networks
        for record in getattr(source, field)
    ]
