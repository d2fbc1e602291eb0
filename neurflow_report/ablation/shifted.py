"""A segment counted from a mean: where its input's channel is 0, the segment has that channel at its mean (METHOD §5).

So what sets channels to 0 (ablation.py) sets them to their means.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from copy import deepcopy

from torch import Tensor, fx

Segment = Callable[[Tensor], Tensor]
MEAN = "counted_from"


def counted_from(segment: Segment, mean: Tensor) -> Segment:
    """x ↦ segment(x + mean); of a graph a graph, whose modules are the same.

    Args: mean: of each channel, of as many axes as the input, 1 along the rows.
    """
    if not isinstance(segment, fx.GraphModule):
        return lambda x: segment(x + mean)
    found = fx.GraphModule(segment, deepcopy(segment.graph))
    found.register_buffer(MEAN, mean)
    graph = found.graph
    source = next(n for n in graph.nodes if n.op == "placeholder")
    with graph.inserting_after(source):
        constant = graph.get_attr(MEAN)
    with graph.inserting_after(constant):
        moved = graph.call_function(operator.add, (source, constant))
    source.replace_all_uses_with(moved, delete_user_cb=lambda user: user is not moved)
    found.recompile()
    return found
