"""What of a circuit is drawn: nodes and stacks, the edges that hold the flow, the main path, and what is said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.view.model import circuit_drawing
from neurflow_report.drawing.view.model.circuit_drawing import (
    GROUP,
    KEPT,
    LEVELS,
    MOST_SMALL_EDGES,
    NEURON,
    Weight,
    folded,
    group_circuit,
    group_weights,
    main_path,
    neuron_circuit,
    neuron_weights,
    prune,
    whole_circuit,
)
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Circuit
from neurflow_report.drawing.view.model.graph import Diagram
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.flow import flow_of, with_shares

LAYERS = ("top", "b3", "b2", "b1")


def edge(upper: str, lower: str, flow: float, signed: float | None = None) -> Weight:
    signed = flow if signed is None else signed
    return Weight(upper=upper, lower=lower, layer=lower.split("/")[0], weight=0.5, flow=flow, signed=signed)


@st.composite
def circuits(draw: st.DrawFn) -> tuple[Weight, ...]:
    """The edges of a circuit of three layers under a logit, in which every node hands all of its share down."""
    sizes = (1, *(draw(st.integers(1, 7)) for _ in LAYERS[1:]))
    shares, found = {"top/G1": 1.0}, list[Weight]()
    for (upper, lower), size in zip(pairwise(LAYERS), sizes[1:], strict=True):
        below: dict[str, float] = defaultdict(float)
        for node, share in shares.items():
            parts = draw(st.lists(st.integers(0, 50), min_size=size, max_size=size).filter(any))
            for at, part in enumerate(parts):
                flow = share * part / sum(parts)
                found.append(
                    edge(f"{upper}/{node.split('/')[1]}", f"{lower}/G{at}", flow, draw(st.sampled_from((1, -1))) * flow)
                )
                below[f"{lower}/G{at}"] += flow
        shares = dict(below)
    return tuple(found)


def pairs(edges: tuple[Weight, ...]) -> Iterator[tuple[str, list[Weight]]]:
    for layer in LAYERS[1:]:
        yield layer, [e for e in edges if e.layer == layer]


@given(circuits())
def test_what_is_drawn_holds_the_flow_with_the_fewest_lines(edges: tuple[Weight, ...]) -> None:
    pruned = prune(edges)
    assert pruned.kept >= KEPT - 1e-9
    for layer, every in pairs(edges):
        own = [link for link in pruned.links if link.lower.startswith(layer)]
        for level in LEVELS:
            shown = [link.flow for link in own if link.level <= level]
            assert sum(shown) >= level / 100 - 1e-6
            wanted = sorted((e.flow for e in every), reverse=True)[: len(shown)]
            assert sum(wanted[:-1]) < level / 100 or any(link.main for link in own)
        assert all(link.flow > 0 for link in own)


@given(circuits(), st.integers(0, 4))
def test_no_more_are_drawn_than_asked_for_beside_the_main_path(edges: tuple[Weight, ...], most: int) -> None:
    pruned = prune(edges, most)
    for layer, _ in pairs(edges):
        assert sum(not link.main for link in pruned.links if link.lower.startswith(layer)) <= most
    assert {(link.upper, link.lower) for link in pruned.links if link.main} == main_path(edges)


@given(circuits())
def test_the_main_path_leads_from_the_logit_to_the_last_layer(edges: tuple[Weight, ...]) -> None:
    path = main_path(edges)
    below = {upper: {low for up, low in path if up == upper} for upper, _ in path}
    reached = {"top/G1"}
    for layer in LAYERS[1:]:
        reached = {low for node in reached for low in below.get(node, ())}
        assert reached
        assert all(node.startswith(layer) for node in reached)
    assert {node for ends in path for node in ends} == {"top/G1"} | {low for _, low in path}
    flows = {(e.upper, e.lower): e.flow for e in edges}
    most = max(flow for (upper, _), flow in flows.items() if upper == "top/G1")
    assert {low for up, low in path if up == "top/G1"} == {
        low for (up, low), flow in flows.items() if up == "top/G1" and flow >= most / 2
    }
    for upper, lower in path:
        if upper != "top/G1":
            assert len(below[upper]) == 1
            assert flows[upper, lower] == max(flow for (up, _), flow in flows.items() if up == upper)


def test_the_main_path_leads_to_a_stack_only_where_nothing_else_is_left() -> None:
    edges = (edge("t/G1", "a/G1", 0.2), edge("t/G1", "a/rest", 0.8), edge("a/G1", "b/rest", 0.2))
    assert main_path(edges) == {("t/G1", "a/G1"), ("a/G1", "b/rest")}


@given(circuits(), st.sets(st.sampled_from([f"{layer}/G{i}" for layer in LAYERS for i in range(7)])))
def test_stacks_conserve_the_flow(edges: tuple[Weight, ...], drawn: set[str]) -> None:
    found = folded(edges, frozenset(drawn | {"top/G1"}))
    ends = {end for e in found for end in (e.upper, e.lower)}
    assert ends <= drawn | {"top/G1"} | {f"{layer}/rest" for layer in LAYERS}
    for way in ("flow", "signed"):
        for layer, every in pairs(edges):
            own = [e for e in found if e.layer == layer]
            assert sum(getattr(e, way) for e in own) == pytest.approx(sum(getattr(e, way) for e in every))
    assert all((e.weight is None) == ("rest" in e.upper + e.lower) for e in found)


@pytest.fixture(scope="module")
def indices(bundle: Bundle) -> tuple[Index, ...]:
    return tuple(Index(bundle.run, with_shares(r, flow_of(r.layers))) for r in bundle.classes)


def inflow(diagram: Diagram, edges: tuple[Weight, ...]) -> dict[str, float]:
    found = dict.fromkeys((n.id for n in diagram.nodes if n.band != diagram.bands[0].name), 0.0)
    for e in edges:
        found[e.lower] += e.flow
    return found


@pytest.mark.parametrize("what", [GROUP, NEURON])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_what_flows_into_a_node_drawn_is_its_share(
    indices: tuple[Index, ...], what: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurflow_report.results.flow.MOST_NODES", most)
    for index in indices:
        made, weights = (group_circuit, group_weights) if what == GROUP else (neuron_circuit, neuron_weights)
        diagram = made(index).diagram
        edges = folded(weights(index), frozenset(n.id for n in diagram.nodes))
        for node, flow in inflow(diagram, edges).items():
            assert flow == pytest.approx(next(n.value for n in diagram.nodes if n.id == node), abs=1e-9)
        for name, row in diagram.rows().items():
            assert len([n for n in row if not n.stack]) <= max(most, 1)
            assert sum(n.stack or 1 for n in row) == len(
                getattr(index.flow, "groups" if what == GROUP else "neurons")[name]
            )
            assert all(n.stack != 1 for n in row) or len(row) == 1
            assert [n.value for n in row if not n.stack] == sorted((n.value for n in row if not n.stack), reverse=True)


def test_a_stack_leads_to_its_layer_and_says_how_many_it_holds(
    indices: tuple[Index, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurflow_report.results.flow.MOST_NODES", 1)
    stack = next(n for n in group_circuit(indices[0]).diagram.nodes if n.stack)
    assert stack.href == f"class/bee-co/{stack.band}/index.html"
    assert stack.title == f"+{stack.stack} groups"
    assert stack.alt.startswith(f"{stack.stack} more groups of {stack.band}, share ")


def test_a_whole_circuit_of_very_many_nodes_shows_the_largest(
    indices: tuple[Index, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in (GROUP, NEURON):
        assert not any(n.stack for n in whole_circuit(indices[0], what).diagram.nodes)
    monkeypatch.setattr(circuit_drawing, "MOST_SMALL", 9)
    monkeypatch.setattr(circuit_drawing, "FEW_SMALL", 6)
    for what in (GROUP, NEURON):
        drawing = whole_circuit(indices[0], what)
        assert len([n for n in drawing.diagram.nodes if not n.stack]) <= 6 + len(drawing.diagram.bands)
        assert any(n.stack for n in drawing.diagram.nodes)
        assert "the rest of each layer is stacked" in drawing.caption
        assert len(drawing.diagram.links) <= (MOST_SMALL_EDGES + 1) * len(drawing.diagram.bands)


def test_a_caption_says_in_one_number_what_is_not_drawn(view: SiteView) -> None:
    drawing = view.classes[0].circuit
    assert drawing.caption.startswith("All 9 neuron groups. A line is as wide as the share of the logit that goes")
    left = sum(float(row[2].text.strip("<%")) > 0 for row in drawing.table.rows) - len(drawing.diagram.links)
    assert f"{left} thinner line{'s' * (left != 1)}, carrying " in drawing.caption


def test_the_table_has_every_edge_with_its_flow_and_weight(indices: tuple[Index, ...]) -> None:
    table = group_circuit(indices[0]).table
    assert [c.label for c in table.columns][1:] == [
        "Lower neuron group",
        "Flow (share of the logit)",
        "W (group edge weight)",
        "Effect (F11)",
    ]
    assert len(table.rows) == len(indices[0].result.edges)
    flows = [float(row[2].text.strip("<%")) for row in table.rows if not row[2].text.startswith("<")]
    assert flows == sorted(flows, reverse=True)
    assert table.rows[0][0].text == "the logit"
    assert table.rows[0][1].text == indices[0].called(
        "layer3", indices[0].groups["layer3", int(table.rows[0][1].href[-1])]
    )


def told(circuit: Circuit) -> Iterator[tuple[str, float]]:
    """Each node's share as its panel has it."""
    assert circuit.panel is not None
    yield from zip((n.id for n in circuit.diagram.nodes), circuit.panel.shares, strict=True)


def test_a_panel_tells_what_the_pages_tell(indices: tuple[Index, ...]) -> None:
    index = indices[0]
    circuit = group_circuit(index)
    assert circuit.panel is not None
    assert dict(told(circuit)) == {n.id: pytest.approx(n.value, abs=1e-4) for n in circuit.diagram.nodes}
    for node, tiles, members in zip(circuit.diagram.nodes, circuit.panel.tiles, circuit.panel.members, strict=True):
        assert 0 < len(tiles) <= 12
        assert [t[0] for t in tiles][: len(node.tiles)] == [t.index for t in node.tiles] or len(tiles) > len(node.tiles)
        if not node.stack:
            layer, _, code = node.id.rpartition("/")
            lent = index.lent(layer, index.groups[layer, int(code[1:])])
            assert sum(share for channel, share in members if channel >= 0) <= node.value + 1e-3
            assert [channel for channel, _ in members if channel >= 0] == list(lent)[:12]
    flows = {
        (e.upper, e.lower): e.flow for e in folded(group_weights(index), frozenset(n.id for n in circuit.diagram.nodes))
    }
    for upper, lower, flow, sign, _ in circuit.panel.edges:
        ends = circuit.diagram.nodes[upper].id, circuit.diagram.nodes[lower].id
        assert flow == pytest.approx(flows[ends], abs=1e-4)
        assert sign in (1, -1)


def test_a_narrow_screen_lists_the_three_largest_of_each_layer(indices: tuple[Index, ...]) -> None:
    diagram = group_circuit(indices[0]).diagram
    listed = diagram.listed
    assert [one.band for one in listed] == list(diagram.bands)
    for one, row in zip(listed, diagram.rows().values(), strict=True):
        assert [r.node for r in one.rows] == [n for n in row if not n.stack][:3]
    assert listed[0].rows[0].sources == ""
    assert listed[1].rows[0].sources == "bee & <co>"


def test_shares_of_neurons_add_up_in_each_layer(indices: tuple[Index, ...]) -> None:
    for index in indices:
        ranks = index.flow.neurons
        assert set(ranks) == {layer.name for layer in index.result.layers}
        for layer in index.result.layers:
            assert sum(ranks[layer.name].values()) == pytest.approx(1)
            assert set(ranks[layer.name]) == {a.channel for a in layer.neurons}
