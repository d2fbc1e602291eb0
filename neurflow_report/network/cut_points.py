"""Where a traced network can be cut: the nodes that every path from the pictures to the logits runs through.

At such a node, which dominates the output, and only there, the layers above are a function of it alone (METHOD §2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from torch import fx

from neurflow_report.network.axes import channel_axes
from neurflow_report.network.trace import Traced

Kind = Literal["spatial", "tokens", "vector"]


@dataclass(frozen=True)
class Cuts:
    """The cuts of a traced network. `axes`: the channels' axis of each tensor, counted from 0."""

    traced: Traced

    @cached_property
    def position(self) -> Mapping[fx.Node, int]:
        """The place of each node in the graph."""
        return {node: i for i, node in enumerate(self.traced.graph.nodes)}

    @cached_property
    def axes(self) -> Mapping[fx.Node, int]:
        """The channels' axis of each tensor, counted from 0."""
        return channel_axes(self.traced.graph, self.traced.root, self.traced.shapes)

    @cached_property
    def relevant(self) -> Mapping[fx.Node, None]:
        """Nodes, in order, that depend on the pictures and that the output depends on. The number of pictures is known
        everywhere, and does not count."""
        from_input: set[fx.Node] = set()
        for node in self.traced.graph.nodes:
            depends = node.op == "placeholder" or any(n in from_input for n in node.all_input_nodes)
            if depends and node is not self.traced.rows:
                from_input.add(node)
        needed = ancestors(self.traced.output, None)
        return {n: None for n in self.traced.graph.nodes if n in needed and n in from_input}

    @cached_property
    def dominators(self) -> frozenset[fx.Node]:
        """Nodes that every path from the pictures to the output runs through: no edge passes beside them."""
        reach, result = -1, set()
        for node in self.relevant:
            if reach <= self.position[node] and node.op != "placeholder":
                result.add(node)
            reach = max([reach, *(self.position[u] for u in node.users if u in self.relevant)])
        return frozenset(result)

    @cached_property
    def legal(self) -> tuple[tuple[str, fx.Node], ...]:
        """The named modules at whose output the network can be cut, in its order; where several return one tensor, all
        of them, outermost last."""
        found = [
            (name, calls[0])
            for name, calls in self.traced.returned.items()
            if name and len(set(calls)) == 1 and calls[0] is not None and calls[0] in self.dominators
        ]
        return tuple(sorted(found, key=lambda pair: self.position[pair[1]]))

    def crossing(self, node: fx.Node) -> list[fx.Node]:
        """Values made before `node` and read after it on the way to the output; none if the output ignores `node`."""
        if node not in self.relevant:
            return []
        here = self.position[node]
        before = [n for n in self.relevant if self.position[n] < here]
        return [n for n in before if any(self.position[u] > here for u in n.users if u in self.relevant)]

    def kind(self, node: fx.Node) -> Kind | None:
        """What a layer with this output is, None where it has no channels that METHOD §1 could mean: spatial
        (N, C, H, W); tokens with their features last, (N, T, D) or on a grid (N, H, W, D); a vector (N, C)."""
        shape, axis = self.traced.shapes.get(node, ()), self.axes.get(node, 0)
        kinds: dict[tuple[int, int], Kind] = {(4, 1): "spatial", (4, 3): "tokens", (3, 2): "tokens", (2, 1): "vector"}
        return kinds.get((len(shape), axis)) if shape[:1] == (1,) else None


def ancestors(end: fx.Node, start: fx.Node | None) -> set[fx.Node]:
    """`end` and all nodes that it is computed from, not looking below `start`."""
    found, pending = {end}, [end]
    while pending:
        node = pending.pop()
        new = () if node is start else (n for n in node.all_input_nodes if n not in found)
        for n in new:
            found.add(n)
            pending.append(n)
    return found
