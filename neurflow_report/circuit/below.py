"""The straight part of a segment, for many targets at once: from the gradients at the frontier to T.

1. What is straight is affine along the path (or a ray): one gradient a pair goes back, whatever the number of steps.
2. The way ends where channels are still apart: T(a, i, v) = Σ_space (x_i(A) − x_i(0)) ⊙ g_i (straight.py, 4).
3. A convolution of many taps above such a tensor has its responses in a table (responses.py): one matrix product.
4. The size of T can be told without going back at all, by random signs (`Below.size`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from neurflow_report.circuit import operations as ops
from neurflow_report.circuit.backward import Batch, Gradients, Key, moving, pass_on
from neurflow_report.circuit.core import Core, Group, derivative
from neurflow_report.circuit.responses import Space, responses
from neurflow_report.circuit.straight import needed, only_input


class StraightLocal:
    """Of the straight part: one step, at A. A ray has the same slope at every α; what is affine needs no values."""

    count = 1

    def __init__(self, core: Core, group: Group) -> None:
        self.core, self.group = core, group

    def slope(self, node: fx.Node, sliced: bool) -> Tensor:
        """dy/dx of a pointwise node."""
        return derivative(node, self.middle(only_input(node), sliced))

    def middle(self, node: fx.Node, sliced: bool) -> Tensor:
        """The value of a node at A; zeros of its shape where nobody needs it."""
        part, rows = self.core.part, self.core.rows
        value = self.core.straight.get(node)
        value = part.zero[node].expand(len(rows), *part.zero[node].shape[1:]) if value is None else value[rows]
        if sliced:
            value = value.index_select(part.axis, self.group.channels[node])
        return value.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class Below:
    """What the straight part of a segment is to the pairs of a few patches: see `attributed`.

    `core`: any of the patches'; `axis`, `channels`: A's; `signs`: (probes, channels) of ±1; `rows`: the most that run
    at once. Tables are made in `space` when first asked for (responses.py), None where none pays.
    """

    core: Core
    axis: int
    channels: int
    pairs: int
    rows: int
    space: Space
    signs: Tensor
    tables: dict[fx.Node, Tensor | None] = field(default_factory=dict)
    probes: dict[fx.Node, Tensor] = field(default_factory=dict)

    def size(self, batch: Batch, gradients: Gradients) -> Tensor:
        """An estimate of the root of Σ_i T_i² of each pair for gradients at the frontier, (pairs,).

        For random signs s_i, Σ_i s_i T_i = <g, u of s ⊙ A> has the mean square Σ_i T_i². The moves of the frontier
        under a few such signs are the same for all targets of a patch, and no gradient has to go back for it.
        """
        total = self.signs.new_zeros((len(batch), len(self.signs)))
        for (node, sliced), gradient in gradients.items():
            probes = self._probe(node)
            if sliced:
                mine = probes.movedim(self.core.part.axis + (self.core.part.axis > 0), 1)
                mine = mine[batch.rows, batch.channel(node)]
            else:
                mine = probes if len(probes) == 1 else probes[batch.rows]
            mine = mine.reshape(len(mine), len(self.signs), -1)
            total += (mine @ gradient.flatten(1).unsqueeze(2)).squeeze(2)
        return total.square().mean(dim=1).sqrt()

    def _probe(self, node: fx.Node) -> Tensor:
        """The move of a straight tensor where A's channels move by signs times their values, (rows, probes, …)."""
        apart = self.core.part.apart
        for one in needed(self.core.part, node, self.probes.__contains__, apart.__contains__):
            self.probes[one] = self._probed(one)
        return self.probes[node]

    def _probed(self, node: fx.Node) -> Tensor:
        if node in self.core.part.apart:
            move = (self.core.straight[node][self.core.rows] - self.core.part.zero[node]).unsqueeze(1)
            axis = (self.axis + (self.axis > 0)) % move.ndim
            ones = (-1 if d == axis else 1 for d in range(2, move.ndim))
            signed: Tensor = move * self.signs.view(1, len(self.signs), *ones)
            return signed
        inputs = {n: self._probe(n).flatten(0, 1) for n in moving(self.core.part, node)}
        move = self._moved_ray if ops.is_homogeneous(node) else self._moved
        every = torch.arange(len(self.core.rows) * len(self.signs), device=self.signs.device)
        parts = [move(node, {n: x[some] for n, x in inputs.items()}, some) for some in torch.split(every, self.rows)]
        moved = torch.cat(parts)
        return moved.view(len(self.core.rows), len(self.signs), *moved.shape[1:])

    def _moved(self, node: fx.Node, inputs: dict[fx.Node, Tensor], _which: Tensor) -> Tensor:
        """Of an affine operation: without its bias."""
        zero = self.core.part.zero
        end: Tensor = ops.run(node, lambda n: inputs.get(n, zero[n]))
        start: Tensor = ops.run(node, lambda n: torch.zeros_like(inputs[n][:1]) if n in inputs else zero[n])
        return end - start

    def _moved_ray(self, node: fx.Node, inputs: dict[fx.Node, Tensor], which: Tensor) -> Tensor:
        """Of a homogeneous operation: along its derivative at A."""
        source = only_input(node)
        at = self.core.straight[source][self.core.rows].repeat_interleave(len(self.signs), 0)[which]
        found: Tensor = torch.func.jvp(lambda x: ops.run(node, lambda _: x), (at,), (inputs[source],))[1]
        return found

    def table(self, node: fx.Node) -> Tensor | None:
        """The responses at a straight tensor."""
        if node not in self.tables:
            self.tables[node] = responses(self.core, node, self.pairs, self.space)
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
            if node in part.apart:
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


def _move(core: Core, batch: Batch, key: Key, axis: int) -> Tensor:
    """u(A) − u(0) of each pair, (pairs or 1, …); of its one channel where it has one. `axis`: u's channel axis."""
    node, sliced = key
    move: Tensor = core.straight[node][core.rows] - core.part.zero[node]
    if sliced:
        return move.movedim(axis, 1)[batch.rows, batch.channel(node)].unsqueeze(axis)
    return move if len(move) == 1 else move[batch.rows]


def spatial_sum(values: Tensor, axis: int) -> Tensor:
    """(N, …) summed over everything but the batch and the channel axis: (N, C)."""
    rest = [d for d in range(1, values.dim()) if d != axis % values.dim()]
    return values.sum(dim=rest) if rest else values
