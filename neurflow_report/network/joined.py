"""Several segments as one graph, so that what is made of a segment can be made of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx, nn


def joined(segments: Sequence[fx.GraphModule]) -> fx.GraphModule:
    """The segments one after another, as a module of one argument. Their modules and parameters are shared."""
    if len(segments) == 1:
        return segments[0]
    root, graph = nn.Module(), fx.Graph()
    value = graph.placeholder("activation")
    for number, segment in enumerate(segments):
        name = f"part{number}"
        root.add_module(name, segment)
        copied = dict[fx.Node, fx.Node]()
        for node in segment.graph.nodes:
            if node.op == "placeholder":
                copied[node] = value
            elif node.op == "output":
                value = copied[node.args[0]]
            else:
                copied[node] = graph.node_copy(node, lambda n, copied=copied: copied[n])  # type: ignore[misc]
                if node.op in {"call_module", "get_attr"}:
                    copied[node].target = f"{name}.{node.target}"
    graph.output(value)
    return fx.GraphModule(root, graph).eval()
