"""F1's passes: which pictures are predicted as the class under masks of a layer (METHOD §5).

The pictures, the class's first, then those of other classes, go through the network once: of this come each layer's
mean, and the activations that fit. Above a layer all masks of a picture run together (masked_logits.py). What was
predicted leaves the device once a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurflow_report.ablation.ablation import Ablation
from neurflow_report.ablation.masked_logits import masked_logits
from neurflow_report.analysis.stages import NOTHING_KEPT, Stage, Stages, arrays_of, by_name, by_number, content
from neurflow_report.fidelity.masking import Hits, Pass
from neurflow_report.network import devices
from neurflow_report.network.forward import AdaptiveBatch, KeptActivations, check_finite, layers_to_keep
from neurflow_report.progress import Step
from neurflow_report.setup.workspace import Workspace


class MaskingPasses:
    """`Predictions` on a network.

    Args:
        workspace: of the network.
        own, others: the pictures as inputs, (N, C, S, S), on the workspace's device.
        target: the class's logit.
        step: told of each layer.
        stages: what is kept of the class's stages.
    """

    def __init__(
        self,
        workspace: Workspace,
        own: Tensor,
        others: Tensor,
        target: int,
        step: Step,
        stages: Stages = NOTHING_KEPT,
    ) -> None:
        self.stages = stages
        self.workspace, self.own, self.others, self.target, self.step = workspace, own, others, target, step
        self.segments = workspace.forward.segments
        self.rows = AdaptiveBatch(most=workspace.forward_rows, note=step.note)
        layers = layers_to_keep(self.segments, self.count, workspace.tables)
        self.kept = KeptActivations(layers, self.count, step.note)

    def __call__(self, layer: int, passes: Sequence[Pass]) -> list[tuple[Hits, Hits]]:
        """See `Predictions`."""
        kept = self._stage(
            "masking",
            layer=layer,
            target=self.target,
            passes=[[one.removed, one.mean, one.own, one.others] for one in passes],
        )
        if (known := kept.found()) is not None:
            alone, upward = (by_number(known, what) for what in ("alone", "upward"))
            found = [(alone[number], upward[number]) for number in range(len(passes))]
        else:
            layers, rows = self.kept.layers, self.rows.most
            found = self.rows.attempt(partial(self._run, layer, passes))
            if (self.kept.layers, self.rows.most) == (layers, rows):
                kept.keep(lambda: by_name(alone=[one for one, _ in found], upward=[other for _, other in found]))
        self.step.advance()
        return found

    def _stage(self, stage: str, **made_from: Any) -> Stage:
        own = {"pictures": self._seen, "rows": self.rows.most, "layers": sorted(self.kept.layers)}
        return self.stages.stage(stage, **own, **made_from)

    @cached_property
    def _seen(self) -> Any:
        """The pictures' digests."""
        return content([self.own, self.others])

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.own) + len(self.others)

    @cached_property
    def means(self) -> list[Tensor]:
        """The mean activation of each layer but the top over all pictures, (1, …), as it lies in space.

        Raises: RunError not-finite.
        """
        stage, layers, rows = self._stage("patches"), self.kept.layers, self.rows.most
        if (known := stage.found()) is not None:
            self.kept.restore(by_number(known, "full"), self.own.device)
            return [torch.from_numpy(mean).to(self.own.device) for mean in by_number(known, "mean").values()]
        means = self._means()
        if (self.kept.layers, self.rows.most) == (layers, rows):
            stage.keep(lambda: by_name(mean=arrays_of(means), full=self.kept.values()))
        return means

    def _means(self) -> list[Tensor]:
        sums, step = list[Tensor](), self.rows.most
        for first in range(0, self.count, step):
            end = min(self.count, first + step)
            some, kept = self.rows.attempt(partial(self._through, first, end))
            sums = [a + b for a, b in zip(sums, some, strict=True)] if sums else some
            self.kept.put(kept, end - first)
        for total, info in zip(sums, self.segments.layers, strict=False):
            check_finite(total, info.name)
        dtype, device = self.segments.dtype, self.segments.device
        return [(total / self.count).to(device, dtype).unsqueeze(0) for total in sums]

    @torch.no_grad()
    def _through(self, first: int, end: int, n: int) -> tuple[list[Tensor], dict[int, Tensor]]:
        """Of some pictures, n at a time: the sum of each layer's activations but the top's, float64, and all those of
        the layers that are kept."""
        sums, kept = list[Tensor](), dict[int, list[Tensor]]()
        for some in torch.split(self._pictures(first, end), n):
            value = some.to(self.segments.device, self.segments.dtype)
            for number, stage in enumerate((self.segments.stem, *self.segments.stages[:-1])):
                value = stage(value)
                total = value.to(devices.with_float64(value.device)).sum(dim=0, dtype=torch.float64)
                if number == len(sums):
                    sums.append(total)
                else:
                    sums[number] += total
                if number in self.kept.layers:
                    kept.setdefault(number, []).append(value)
        return sums, {number: torch.cat(values) for number, values in kept.items()}

    def _pictures(self, first: int, end: int) -> Tensor:
        split = len(self.own)
        return torch.cat([self.own[first:end], self.others[max(0, first - split) : max(0, end - split)]])

    def _activations(self, layer: int, first: int, end: int) -> Tensor:
        kept = self.kept.get(layer, np.arange(first, end))
        return self.workspace.forward.activations(layer, self._pictures(first, end)) if kept is None else kept

    def _run(self, layer: int, passes: Sequence[Pass], n: int) -> list[tuple[Hits, Hits]]:
        means, row = self.means, self._activations(layer, 0, 1)
        zero, at_mean = (self.workspace.ablations(layer, row, self.step.note, baseline=b) for b in (None, means[layer]))
        hits = [self._hits(layer, one, at_mean if one.mean else zero, n) for one in passes]
        every = torch.cat([one.flatten() for one in hits]).cpu().numpy()
        ends = np.cumsum([one.numel() for one in hits])[:-1]
        parts = [part.reshape(one.shape) for part, one in zip(np.split(every, ends), hits, strict=True)]
        return [(alone, upward) for alone, upward in parts]

    def _hits(self, layer: int, one: Pass, engine: Ablation, n: int) -> Tensor:
        """Which pictures are predicted as the class, (2, M, N): masked at the layer alone, and from it up."""
        begin, end = 0 if one.own else len(self.own), self.count if one.others else len(self.own)
        above = self.means[layer + 1 : layer + len(one.removed)] if one.mean else None
        removed, parts = [gone.to(self.segments.device) for gone in one.removed], list[Tensor]()
        for first in range(begin, end, n):
            full = self._activations(layer, first, min(end, first + n))
            both = masked_logits(self.segments, layer, engine, full, removed, rows=n, means=above)
            parts.append(torch.stack([logits.argmax(dim=2) == self.target for logits in both]))
        return torch.cat(parts, dim=2)
