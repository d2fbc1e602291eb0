"""The demo's check against the truth: how well each neuron group's patches agree with one planted part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurflow_report.analysis.experiments import Findings
from neurflow_report.demo.truth import agreement, part_areas, shown_part, stack_masks, usual_areas
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.preprocess import as_input
from neurflow_report.images.select import Chosen
from neurflow_report.results.records import LayerResult


def with_agreement(
    found: Findings, grid: PatchGrid, chosen: Sequence[Chosen], parts: Sequence[str], seed: int
) -> Findings:
    """`found` with a PartAgreement for every neuron group; as it is where the pictures have no part masks."""
    if not parts or any(picture.item.parts is None for picture in chosen):
        return found
    masks = stack_masks([_input_masks(picture, grid.size) for picture in chosen], parts)
    windows = grid.boxes()
    boxes = np.column_stack([np.repeat(np.arange(len(chosen)), len(windows)), np.tile(windows, (len(chosen), 1))])
    shown = shown_part(part_areas(masks, boxes), boxes[:, 3], usual_areas(masks))

    def checked(layer: LayerResult) -> LayerResult:
        groups = tuple(
            g.model_copy(update={"agreement": agreement(np.array(g.patches), shown, parts, seed=seed)})
            for g in layer.groups
        )
        return layer.model_copy(update={"groups": groups})

    return replace(found, layers=tuple(checked(layer) for layer in found.layers))


def _input_masks(picture: Chosen, size: int) -> dict[str, NDArray[np.bool_]]:
    """A picture's part masks as the network's input of `size` pixels a side shows them."""
    masks = picture.item.parts() if picture.item.parts else {}
    return {part: as_input(mask, picture.region, size) for part, mask in masks.items()}
