"""Why pictures are taken for what they are taken for, by one circuit: T of their margins, what knock-outs leave of
them, and where in them the groups lie (METHOD §7).

All pictures of a circuit go together. At a layer the host is asked twice, for T and φ, and for the margins; the search
for the smallest set asks once more for each group that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from neurflow_report.ablation.masked_logits import masked_logits
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute, prepared
from neurflow_report.fidelity import causes as pure
from neurflow_report.fidelity.draws import as_sets
from neurflow_report.network import devices
from neurflow_report.network.forward import AdaptiveBatch, check_finite, layer_means, row_bytes, spatial_mean
from neurflow_report.network.joined import joined
from neurflow_report.progress import Step
from neurflow_report.results.bundle import DIGITS
from neurflow_report.results.flow import memberships
from neurflow_report.results.records import Cause, ClassResult, LayerCauses, LayerResult, WhatIf
from neurflow_report.setup.agreement import why_not_split
from neurflow_report.setup.workspace import Workspace, patch_batches

Floats = NDArray[np.floating]
AT_ONCE, WIDTH = 2**27, 8
"""Bytes of sets, or of their logits of so many bytes, that are there at a time."""


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Pictures and their margins.

    Attributes:
        pixels: (n, C, S, S), on the workspace's device.
        p, q: of each picture the logit that it has, and the one that it is held against, (n,).
        seeds: a number of each picture, from which its random sets are drawn.
    """

    pixels: Tensor
    p: Sequence[int]
    q: Sequence[int]
    seeds: Sequence[int]

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """What is known of a layer before anything is knocked out.

    Attributes:
        number: the layer's.
        full: its activations, (n, …).
        phi, values: φ of each channel, and T of the margins, (n, C).
        members: the channels of each group.
        groups: their numbers.
        foretold: s_G, (n, G).
        outside: (n,).
    """

    number: int
    full: Tensor
    phi: Floats
    values: Tensor
    inside: Floats
    channels: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]
    groups: tuple[int, ...]
    foretold: Floats
    outside: Floats


def explain(
    workspace: Workspace,
    result: ClassResult,
    margins: Margins,
    *,
    quadrature: Quadrature,
    names: Sequence[str],
    seed: int,
    step: Step,
) -> list[tuple[float, tuple[LayerCauses, ...]]]:
    """The margin of each picture, and what it rests on at each layer but the logits', from these down.

    Args:
        result: the class whose circuit they are explained by; of it only the circuit counts.
        quadrature: how the integral is taken.
        names: of the logits.
        seed: the run's.
        step: told of each layer.
    Raises: RunError not-finite.
    """
    top, found = len(workspace.segments.layers) - 1, list[list[LayerCauses]]()
    with torch.no_grad():
        logits = workspace.forward.activations(top, margins.pixels)
        check_finite(logits, workspace.segments.layers[top].name)
        every = np.arange(len(margins))
        z = logits.double().cpu().numpy()
        whole = z[every, list(margins.p)] - z[every, list(margins.q)]
        crops = layer_means(
            workspace.forward.segments,
            patch_batches(workspace, margins.pixels),
            total=len(margins) * workspace.grid.per_image,
            most=workspace.forward.rows,
            note=step.note,
        )
    for number in range(top - 1, -1, -1):
        passes = _Passes(workspace, margins, names, step)
        layer = passes.layer(number, result.layers[number], quadrature)
        parts = crops[number].reshape(len(margins), workspace.grid.per_image, -1)
        found.append(passes.causes(layer, result.layers[number], parts, whole, (seed, result.index, number)))
        step.advance()
    return [(float(whole[n]), tuple(one[n] for one in found)) for n in range(len(margins))]


class _Passes:
    """The passes of one layer."""

    def __init__(self, workspace: Workspace, margins: Margins, names: Sequence[str], step: Step) -> None:
        self.workspace, self.margins, self.names, self.step = workspace, margins, names, step
        self.segments = workspace.forward.segments
        self.rows = AdaptiveBatch(most=workspace.forward_rows, note=step.note)

    def layer(self, number: int, of: LayerResult, quadrature: Quadrature) -> _Layer:
        """T of the margins, and s_G."""
        full = self.workspace.forward.activations(number, self.margins.pixels)
        check_finite(full, of.name)
        phi = spatial_mean(full, self.segments.feature_axis(number))
        values = self._attributed(number, full, quadrature)
        both = torch.stack([phi.to(values), values]).double().cpu().numpy()
        channels = tuple(neuron.channel for neuron in of.neurons)
        inside = memberships(of.neurons, [group.members for group in of.groups])
        split = [pure.foretold(row, inside, channels) for row in both[1]]
        return _Layer(
            number=number,
            full=full,
            phi=both[0],
            values=values,
            inside=inside,
            channels=channels,
            members=tuple(tuple(sorted({m.channel for m in group.members})) for group in of.groups),
            groups=tuple(group.index for group in of.groups),
            foretold=np.array([s for s, _ in split]).reshape(len(self.margins), len(of.groups)),
            outside=np.array([outside for _, outside in split]),
        )

    def _attributed(self, number: int, full: Tensor, quadrature: Quadrature) -> Tensor:
        """T of the margins to each channel, (n, C): that of z_p less that of z_q."""
        segments, n = self.workspace.segments, len(self.margins)
        segment, axis = joined(segments.stages[number:]), segments.feature_axis(number)
        fitting = self.workspace.memory // 2 // row_bytes(segment, full[:1], gradients=True)
        most = max(1, min(fitting, devices.most_rows(segments.device, gradients=True)))
        few = full[: min(2, n)]
        whole = bool(why_not_split(segment, few, axis=axis, out_axis=1, most=most))
        pairs = Pairs(rows=np.tile(np.arange(n), 2), channels=np.array([*self.margins.p, *self.margins.q]))

        def attributed(rows: int) -> Tensor:
            split = None if whole else prepared(segment, full[:1], axis, 1)
            return attribute(
                segment, full, pairs, axis=axis, out_axis=1, quadrature=quadrature, rows=rows, whole=whole, split=split
            ).values

        values = AdaptiveBatch(most=most, note=self.step.note).attempt(attributed)
        return values[:n] - values[n:]

    def _logits(self, layer: _Layer, sets: Sequence[NDArray[np.bool_]], pictures: Sequence[int]) -> list[Floats]:
        """The logits of each of some pictures with its own sets of channels at 0, (sets, outputs) each."""

        def run(rows: int) -> list[Tensor]:
            engine = self.workspace.ablations(layer.number, layer.full[:1], self.step.note)
            return [
                masked_logits(
                    self.segments, layer.number, engine, layer.full[n : n + 1], [torch.from_numpy(own)], rows=rows
                )[0][:, 0]
                for n, own in zip(pictures, sets, strict=True)
                if len(own)
            ]

        found = self.rows.attempt(run)
        every = torch.cat(found).double().cpu().numpy()
        return np.split(every, np.cumsum([len(own) for own in sets])[:-1])

    def _margin(self, n: int, logits: Floats) -> Floats:
        found: Floats = logits[:, self.margins.p[n]] - logits[:, self.margins.q[n]]
        return found

    def causes(
        self, layer: _Layer, of: LayerResult, crops: Floats, whole: Floats, seed: tuple[int, int, int]
    ) -> list[LayerCauses]:
        """The figures of each picture.

        Args:
            crops: φ on the pictures' crops, (n, crops, C).
            whole: the margins, (n,).
        """
        count, channels = len(self.margins), layer.phi.shape[1]
        usual = np.zeros(channels)
        for neuron in of.neurons:
            usual[neuron.channel] = np.mean([float(f"{a:.{DIGITS}g}") for a in neuron.activations])
        first = [pure.largest(row) for row in layer.foretold]
        alone = as_sets(layer.members, channels)
        ends = as_sets([(), range(channels)], channels)
        flips = self._flips(layer)
        maps = self._maps(layer, first)
        found, rows = list[LayerCauses](), 2 + (1 << pure.LARGEST) + (1 + pure.DRAWS) * len(layer.groups)
        together = max(1, AT_ONCE // (rows * max(channels, WIDTH * self.segments.layers[-1].channels)))
        for start in range(0, count, together):
            part = range(start, min(count, start + together))
            nulls = [
                {
                    g: own
                    for g in np.flatnonzero(layer.foretold[n]).tolist()
                    if len(own := self._null(layer, n, g, seed))
                }
                for n in part
            ]
            sets = [
                np.concatenate([ends, alone, as_sets(_unions(layer.members, first[n]), channels), *null.values()])
                for n, null in zip(part, nulls, strict=True)
            ]
            for n, null, logits in zip(part, nulls, self._logits(layer, sets, part), strict=True):
                counts = {g: len(some) for g, some in null.items()}
                found.append(
                    self._of_picture(layer, n, logits, first[n], counts, flips[n], maps[n], crops[n], usual, whole[n])
                )
        return found

    def _null(self, layer: _Layer, n: int, group: int, seed: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Sets to hold a group of a picture against."""
        random = np.random.default_rng([*seed, self.margins.seeds[n], group])
        return pure.null_sets(layer.phi[n], layer.members[group], random)

    def _of_picture(
        self,
        layer: _Layer,
        n: int,
        logits: Floats,
        first: Sequence[int],
        counts: Mapping[int, int],
        flip: WhatIf | None,
        maps: Sequence[tuple[str, ...]],
        crops: Floats,
        usual: Floats,
        whole: float,
    ) -> LayerCauses:
        margin, own = self._margin(n, logits), layer.foretold[n]
        groups, what_ifs = len(layer.groups), 2 ** len(first)
        drops = margin[0] - margin
        measured, after = drops[2 : 2 + groups], 2 + groups + what_ifs
        null = dict(zip(counts, np.split(drops[after:], np.cumsum([*counts.values()])), strict=False))
        tests = pure.tested(own, measured, null, pure.TIE * float(np.abs(logits[0]).max()))
        order = np.argsort(-np.abs(own), kind="stable").tolist()
        baseline = float(margin[1])
        return LayerCauses(
            layer=self.segments.layers[layer.number].name,
            causes=tuple(
                Cause(
                    group=layer.groups[g],
                    foretold=float(own[g]),
                    measured=float(measured[g]),
                    without=self.names[int(logits[2 + g].argmax())],
                    presence=pure.presence(crops, usual, layer.members[g]),
                    map=maps[first.index(g)] if g in first else (),
                    **(_tested(null[g], *tests[g]) if g in tests else {}),
                )
                for g in order
            ),
            outside=float(layer.outside[n]),
            baseline=baseline,
            rest=float(whole - own.sum() - layer.outside[n] - baseline),
            largest=tuple(layer.groups[g] for g in first),
            what_ifs=tuple(
                self._what_if(layer, n, [first[i] for i in choice], logits[2 + groups + number])
                for number, choice in enumerate(pure.choices(len(first)))
            ),
            flip=flip,
        )

    def _what_if(self, layer: _Layer, n: int, removed: Sequence[int], logits: Floats) -> WhatIf:
        return WhatIf(
            removed=tuple(layer.groups[g] for g in removed),
            predicted=self.names[int(logits.argmax())],
            margin=float(self._margin(n, logits[None])[0]),
        )

    def _flips(self, layer: _Layer) -> list[WhatIf | None]:
        """The smallest set of groups found without which each picture is taken for another class: one at a time the
        group that leaves its logit the least ahead of all others."""
        channels, found = layer.phi.shape[1], list[WhatIf | None]([None] * len(self.margins))
        tried = [
            [g for g in np.argsort(-row, kind="stable").tolist() if row[g] > 0][: pure.TRIED] for row in layer.foretold
        ]
        taken = [list[int]() for _ in tried]
        for _ in range(pure.STEPS):
            left = [[] if found[n] else [g for g in tried[n] if g not in taken[n]] for n in range(len(tried))]
            if not any(left):
                break
            sets = [
                as_sets([sorted({c for h in [*taken[n], g] for c in layer.members[h]}) for g in own], channels)
                for n, own in enumerate(left)
            ]
            for n, logits in enumerate(self._logits(layer, sets, range(len(left)))):
                if not left[n]:
                    continue
                others = np.delete(logits, self.margins.p[n], axis=1).max(axis=1)
                ahead = logits[:, self.margins.p[n]] - others
                best = int(ahead.argmin())
                taken[n].append(left[n][best])
                if ahead[best] < 0:
                    found[n] = self._what_if(layer, n, taken[n], logits[best])
        return found

    def _maps(self, layer: _Layer, first: Sequence[Sequence[int]]) -> list[list[tuple[str, ...]]]:
        """Of each picture's largest groups where they lie: T of each neuron, spread over space as its activation is."""
        full = layer.full
        if full.ndim != 4:
            return [[()] * len(own) for own in first]
        full = full if self.segments.feature_axis(layer.number) == 1 else full.permute(0, 3, 1, 2)
        size = full.abs().sum(dim=(2, 3), keepdim=True).clamp_min(torch.finfo(full.dtype).tiny)
        inside = full.new_zeros((full.shape[1], len(layer.groups)))
        inside[list(layer.channels)] = torch.from_numpy(layer.inside).to(full)
        spread = full.abs() / size * layer.values[:, :, None, None]
        side = min(pure.MAP, full.shape[2]), min(pure.MAP, full.shape[3])
        found = F.adaptive_avg_pool2d(torch.einsum("nchw,cg->nghw", spread, inside), side).double().cpu().numpy()
        return [[pure.digits(np.sign(layer.foretold[n, g]) * found[n, g]) for g in own] for n, own in enumerate(first)]


def _unions(members: Sequence[Sequence[int]], first: Sequence[int]) -> list[list[int]]:
    """The channels of each choice of these groups."""
    return [sorted({c for i in choice for c in members[first[i]]}) for choice in pure.choices(len(first))]


def _tested(null: Floats, alone: float, together: float) -> dict[str, float | int]:
    low, high = np.quantile(null, [0.025, 0.975])
    return {
        "null": float(null.mean()), "null_low": float(low), "null_high": float(high), "sets": len(null),
        "p_value": alone, "q_value": together,
    }  # fmt: skip
