"""The affine part of a segment, for many targets at once: from the gradients at the frontier to T.

1. What is affine has one slope along the path (or a ray): one gradient a pair goes back, whatever the number of steps.
2. The way ends where channels are still apart: T(a, i, v) = Σ_space (x_i(A) − x_i(0)) ⊙ g_i (affine_split.py, 4).
3. A convolution of many taps above such a tensor has its responses in a table (channel_responses.py): one matrix
   product.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, fx

from neurflow_report.attribution.affine_split import only_input
from neurflow_report.attribution.backward import Batch, Gradients, Key, pass_on
from neurflow_report.attribution.channel_responses import Space, responses
from neurflow_report.attribution.nonlinear_part import Group, NonlinearPart, derivative


class StraightLocal:
    """Of the affine part: one step, at A. A ray has the same slope at every α; what is affine needs no values."""

    count = 1

    def __init__(self, core: NonlinearPart, group: Group) -> None:
        self.core, self.group = core, group

    def slope(self, node: fx.Node, sliced: bool) -> Tensor:
        """dy/dx of a pointwise node."""
        return derivative(node, self.middle(only_input(node), sliced))

    def middle(self, node: fx.Node, sliced: bool) -> Tensor:
        """The value of a node at A; zeros of its shape where nobody needs it."""
        part, rows = self.core.part, self.core.rows
        value = self.core.affine.get(node)
        value = (
            part.at_baseline[node].expand(len(rows), *part.at_baseline[node].shape[1:])
            if value is None
            else value[rows]
        )
        if sliced:
            value = value.index_select(part.axis, self.group.channels[node])
        return value.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class Below:
    """What the affine part of a segment is to the pairs of a few patches: see `attributed`.

    `core`: any of the patches'; `axis`, `channels`: A's; `gradients`: how many go back, about. Tables are made in
    `space` when first asked for (channel_responses.py), None where none pays.
    """

    core: NonlinearPart
    axis: int
    channels: int
    gradients: int
    space: Space
    tables: dict[fx.Node, Tensor | None] = field(default_factory=dict)

    def table(self, node: fx.Node) -> Tensor | None:
        """The responses at an affine tensor."""
        if node not in self.tables:
            self.tables[node] = responses(self.core, node, self.gradients, self.space)
        return self.tables[node]


def attributed(below: Below, batch: Batch, gradients: Gradients) -> Tensor:
    """T of each pair, (pairs, channels), from the gradients at the frontier."""
    part, local, pending = below.core.part, StraightLocal(below.core, batch.group), dict(gradients)
    values = below.core.alphas.new_zeros((len(batch), below.channels))
    for node in reversed(part.order):
        for key in ((node, True), (node, False)):
            if key not in pending:
                continue
            gradient = pending.pop(key)
            if node in part.unmixed:
                _end(below, batch, key, gradient, values)
            elif not key[1] and (table := below.table(node)) is not None:
                values += gradient.flatten(1) @ table.T
            else:
                pass_on(part, batch, key, gradient, local, pending)
    return values


def _end(below: Below, batch: Batch, key: Key, gradient: Tensor, values: Tensor) -> None:
    """Σ_space (x(A) − x(0)) ⊙ gradient is added to the values' columns of the key's channels."""
    found = spatial_sum(_move(below.core, batch, key, below.axis) * gradient, below.axis)
    if key[1]:
        values.scatter_add_(1, batch.channel(key[0]).unsqueeze(1), found)
    else:
        values += found


def _move(core: NonlinearPart, batch: Batch, key: Key, axis: int) -> Tensor:
    """u(A) − u(0) of each pair, (pairs or 1, …); of its one channel where it has one. `axis`: u's channel axis."""
    node, sliced = key
    move: Tensor = core.affine[node][core.rows] - core.part.at_baseline[node]
    if sliced:
        return move.movedim(axis, 1)[batch.rows, batch.channel(node)].unsqueeze(axis)
    return move if len(move) == 1 else move[batch.rows]


def spatial_sum(values: Tensor, axis: int) -> Tensor:
    """(N, …) summed over everything but the batch and the channel axis: (N, C)."""
    rest = [d for d in range(1, values.dim()) if d != axis % values.dim()]
    return values.sum(dim=rest) if rest else values
