"""A bundle as tables, against the records that they are made of."""

import re
import sys
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest

from neurflow_report.errors import InputError
from neurflow_report.results.flow import flow_of
from neurflow_report.results.frames import COLUMNS, Tables, rows, tables
from tests.sample_bundle import frozen_bundle

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return frozen_bundle(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def found(bundle):
    return tables(bundle)


def test_every_table_has_its_columns_and_rows(bundle, found):
    assert [f.name for f in fields(Tables)] == list(COLUMNS)
    for name, plain in rows(bundle).items():
        frame = getattr(found, name)
        assert list(frame.columns) == ["logit", "class", *COLUMNS[name]]
        assert len(frame) == len(plain) > 0
        assert set(frame["logit"]) <= {2, 5}
        assert all(len(row) == len(frame.columns) for row in plain)


def test_the_rows_are_the_records(bundle, found):
    first, layers = bundle.classes[0], bundle.classes[0].layers
    mine = {f.name: getattr(found, f.name).query("logit == 2") for f in fields(Tables)}
    neuron = layers[2].neurons[1]
    here = {"layer": layers[2].name, "channel": neuron.channel}

    def of(name, **where):
        frame = mine[name]
        for column, value in where.items():
            frame = frame[frame[column] == value]
        return frame

    assert of("concepts", **here)["patch"].tolist() == list(neuron.concept)
    assert of("concepts", **here)["activation"].tolist() == list(neuron.activations)
    assert of("concepts", **here)["rank"].tolist() == list(range(1, len(neuron.concept) + 1))
    assert of("core", **here)[["lower_channel", "score"]].values.tolist() == [[c.channel, c.score] for c in neuron.core]
    assert set(of("core", **here)["lower_layer"]) == {layers[1].name}
    weights = of("weights", **here, semantic=2)
    assert weights["weight"].tolist() == [e.weight for e in neuron.groups[1].edges]
    assert weights["lower_channel"].tolist() == [e.channel for e in neuron.groups[1].edges]
    group = layers[1].groups[0]
    there = of("groups", layer=group.layer, group=group.index).iloc[0]
    share = flow_of(layers).groups[group.layer][group.index]
    assert (there["share"], there["patches"]) == (share, len(group.patches))
    assert there["neurons"] == len({m.channel for m in group.members})
    assert there["part"] == group.agreement.part
    members = of("members", layer=group.layer, group=group.index)
    assert list(zip(members["channel"], members["semantic"], strict=True)) == [
        (m.channel, m.semantic) for m in group.members
    ]
    assert mine["pictures"]["sha256"].tolist() == [p.sha256 for p in first.pictures]
    assert mine["patches"][["patch", "picture", "top", "left", "side"]].values.tolist() == [
        list(p.model_dump().values()) for p in first.patches
    ]
    assert mine["cautions"]["code"].tolist() == [c.code for c in first.cautions]


def test_edges_have_the_drops_that_were_measured(bundle, found):
    drops = {(d.upper_layer, d.upper, d.lower_layer, d.lower): d.drop for d in bundle.classes[0].edge_drops}
    edges = found.edges.query("logit == 2")
    for e, record in zip(edges.itertuples(), bundle.classes[0].edges, strict=True):
        ends = (record.upper_layer, record.upper, record.lower_layer, record.lower)
        assert (e.upper_layer, e.upper, e.lower_layer, e.lower) == ends
        assert e.weight == record.weight
        assert e.drop == drops[ends] if ends in drops else pd.isna(e.drop)


def test_experiments_and_verdicts_of_the_controls_stand_beside(bundle, found):
    owners = [(o.index, "", o) for o in bundle.classes] + [
        (o.index, c.name, c) for o in bundle.classes for c in o.controls
    ]
    assert len(owners) > len(bundle.classes)
    for logit, control, owner in owners:
        for name, records in (("masking", owner.masking), ("measures", owner.measures), ("verdicts", owner.claims)):
            frame = getattr(found, name)
            mine = frame[(frame["logit"] == logit) & (frame["control"] == control)]
            assert mine["layer"].tolist() == [r.layer for r in records]
            figure = {"masking": "accuracy", "measures": "value", "verdicts": "verdict"}[name]
            assert mine[figure].tolist() == [getattr(r, figure) for r in records]
    first, record = found.masking.iloc[0], bundle.classes[0].masking[0]
    assert (first["draws"], first["null"]) == (len(record.null), pytest.approx(sum(record.null) / len(record.null)))


def test_whole_numbers_stay_whole_where_some_are_missing(found):
    assert str(found.neurons["nodes"].dtype) == "Int64"
    assert found.neurons.query("layer == 'layer1'")["nodes"].isna().all()
    assert str(found.measures["channel"].dtype) == "Int64"
    assert str(found.neurons["channel"].dtype) == "int64"


KINDS = {int: {"int64", "Int64"}, float: {"float64"}, bool: {"bool"}, str: {str(pd.Series([""]).dtype)}}


def test_every_column_has_the_type_of_its_values(bundle, found):
    for name, plain in rows(bundle).items():
        frame = getattr(found, name)
        for column, values in zip(frame.columns, zip(*plain, strict=True), strict=True):
            for kind in {type(value) for value in values if value is not None}:
                assert str(frame[column].dtype) in KINDS[kind], (name, column)


def test_a_column_that_is_missing_throughout_keeps_its_type(bundle, found):
    """Of a class whose one layer is the lowest and has no groups, without experiments: no nodes, no gaps, no parts, and
    tables without a row."""
    one = bundle.classes[0]
    lowest = one.layers[0].model_copy(update={"silhouette": None})
    groups = tuple(g.model_copy(update={"agreement": None}) for g in lowest.groups)
    less = {
        "layers": (lowest.model_copy(update={"groups": groups}),), "edges": (), "edge_drops": (), "masking": (),
        "measures": (), "claims": (), "cautions": (), "controls": (),
    }  # fmt: skip
    lean = tables(replace(bundle, classes=(one.model_copy(update=less),)))
    assert lean.neurons["nodes"].isna().all()
    assert lean.groups["part"].isna().all()
    assert (str(lean.neurons["nodes"].dtype), str(lean.groups["purity"].dtype)) == ("Int64", "float64")
    for field in fields(Tables):
        mine, full = (getattr(x, field.name).dtypes.astype(str).str.lower().to_dict() for x in (lean, found))
        assert mine == full


def test_without_pandas(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError) as caught:
        tables(bundle)
    assert (caught.value.slug, caught.value.message) == (
        "missing-package",
        "the Python package pandas is not installed",
    )
    assert caught.value.hint == "pip install 'neurflow-report[pandas]'"
    assert rows(bundle)["groups"]


def test_the_guide_lists_the_columns():
    table = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = {name: tuple(re.findall(r"`(\w+)`", columns)) for name, columns in table}
    assert listed == COLUMNS
