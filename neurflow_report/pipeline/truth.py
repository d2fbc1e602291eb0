"""The demo's check against the truth: how well each neuron group's patches agree with one planted part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from neurflow_report.demo.truth import agreement, part_areas, shown_part, stack_masks, usual_areas
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.sources import Item
from neurflow_report.pipeline.examine import Findings
from neurflow_report.results.records import LayerResult


def with_agreement(
    found: Findings, grid: PatchGrid, items: Sequence[Item], parts: Sequence[str], seed: int
) -> Findings:
    """`found` with a PartAgreement for every neuron group; as it is where the pictures have no part masks."""
    if not parts or any(item.parts is None for item in items):
        return found
    masks = stack_masks([item.parts() for item in items if item.parts], parts)
    windows = grid.boxes()
    boxes = np.column_stack([np.repeat(np.arange(len(items)), len(windows)), np.tile(windows, (len(items), 1))])
    shown = shown_part(part_areas(masks, boxes), boxes[:, 3], usual_areas(masks))

    def checked(layer: LayerResult) -> LayerResult:
        groups = tuple(
            g.model_copy(update={"agreement": agreement(np.array(g.patches), shown, parts, seed=seed)})
            for g in layer.groups
        )
        return layer.model_copy(update={"groups": groups})

    return replace(found, layers=tuple(checked(layer) for layer in found.layers))
