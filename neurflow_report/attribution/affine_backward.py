"""The backward pass through a segment's affine part, for many targets at once: from the frontier's gradients to T.

1. What is affine in α has one slope along the path: one gradient a pair goes back, whatever the number of steps.
2. The pass ends at unmixed tensors: T(a, i, v) = Σ_space (x_i(A) − x_i(0)) ⊙ g_i (affine_split.py, 4).
3. A convolution of many taps above such a tensor has its responses in a table (channel_responses.py): one matrix
   product.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, fx

from neurflow_report.attribution.affine_split import only_input
from neurflow_report.attribution.backward import Batch, Gradients, Key, pass_on
from neurflow_report.attribution.channel_responses import TableBuffers, responses
from neurflow_report.attribution.nonlinear_part import NonlinearPart, TargetGroup, derivative


class AffineSlopes:
    """The slopes of the affine part, in one step: those at A.

    A ReLU on a tensor that is 0 at A = 0 has the same slope at every α > 0; affine operations need no values.
    """

    count = 1

    def __init__(self, nonlinear: NonlinearPart, group: TargetGroup) -> None:
        self.nonlinear, self.group = nonlinear, group

    def slope(self, node: fx.Node, sliced: bool) -> Tensor:
        """dy/dx of a pointwise node."""
        return derivative(node, self.midpoint(only_input(node), sliced))

    def midpoint(self, node: fx.Node, sliced: bool) -> Tensor:
        """The value of a node at A; that at A = 0 where only its shape counts."""
        split, rows = self.nonlinear.split, self.nonlinear.rows
        value = self.nonlinear.at_input.get(node)
        value = (
            split.at_baseline[node].expand(len(rows), *split.at_baseline[node].shape[1:])
            if value is None
            else value[rows]
        )
        if sliced:
            value = value.index_select(split.axis, self.group.channels[node])
        return value.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class AffinePart:
    """The affine part of a segment on a few patches.

    Attributes:
        nonlinear: the patches' nonlinear part, at any steps.
        axis, channels: A's.
        gradients: how many go back, about.
        buffers: memory for the tables.
        tables: of responses, made when first asked for; None where none pays.
    """

    nonlinear: NonlinearPart
    axis: int
    channels: int
    gradients: int
    buffers: TableBuffers
    tables: dict[fx.Node, Tensor | None] = field(default_factory=dict)

    def table(self, node: fx.Node) -> Tensor | None:
        """The responses at a tensor affine in α (channel_responses.py)."""
        if node not in self.tables:
            self.tables[node] = responses(self.nonlinear, node, self.gradients, self.buffers)
        return self.tables[node]


def attributed(affine_part: AffinePart, batch: Batch, gradients: Gradients) -> Tensor:
    """T of each pair, (pairs, channels), from the gradients at the frontier."""
    nonlinear, pending = affine_part.nonlinear, dict(gradients)
    split, local = nonlinear.split, AffineSlopes(nonlinear, batch.group)
    values = nonlinear.alphas.new_zeros((len(batch), affine_part.channels))
    for node in reversed(split.order):
        for key in ((node, True), (node, False)):
            if key not in pending:
                continue
            gradient = pending.pop(key)
            if node in split.unmixed:
                _add_attribution(affine_part, batch, key, gradient, values)
            elif not key[1] and (table := affine_part.table(node)) is not None:
                # Only the sum over space counts: ⟨g, R_i⟩, (pairs, K·H'·W') × (K·H'·W', Cin).
                values += gradient.flatten(1) @ table.T
            else:
                pass_on(split, batch, key, gradient, local, pending)
    return values


def _add_attribution(affine_part: AffinePart, batch: Batch, key: Key, gradient: Tensor, values: Tensor) -> None:
    """Add Σ_space (x(A) − x(0)) ⊙ gradient to `values`, (pairs, channels); to one column for each pair where sliced."""
    found = spatial_sum(_difference(affine_part.nonlinear, batch, key, affine_part.axis) * gradient, affine_part.axis)
    if key[1]:
        values.scatter_add_(1, batch.channel(key[0]).unsqueeze(1), found)
    else:
        values += found


def _difference(nonlinear: NonlinearPart, batch: Batch, key: Key, axis: int) -> Tensor:
    """u(A) − u(0) of each pair, (pairs or 1, …); of its own channel where sliced. `axis`: u's channel axis."""
    node, sliced = key
    difference: Tensor = nonlinear.at_input[node][nonlinear.rows] - nonlinear.split.at_baseline[node]
    if sliced:
        return difference.movedim(axis, 1)[batch.rows, batch.channel(node)].unsqueeze(axis)
    return difference if len(difference) == 1 else difference[batch.rows]


def spatial_sum(values: Tensor, axis: int) -> Tensor:
    """(N, …) summed over everything but the batch and the channel axis: (N, C)."""
    rest = [d for d in range(1, values.dim()) if d != axis % values.dim()]
    return values.sum(dim=rest) if rest else values
