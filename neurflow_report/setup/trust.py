"""What is made of a network's segments, compared with them on real pictures before anything rests on it (METHOD §4).

Where the two differ by more than rounding, the segment is run as it is: slower, never wrong; and the run says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurflow_report.network.cut import Segments
from neurflow_report.setup.agreement import why_not_ablations, why_not_split


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The segments, by the number of the layer below, that are run as they are for attributions, and for knock-outs;
    `notes`: one line for each."""

    attributions: frozenset[int] = frozenset()
    ablations: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


@torch.no_grad()
def trusted(segments: Segments, forward: Segments, pictures: Tensor, pair_rows: Sequence[int]) -> Trust:
    """Which segments have to be run as they are.

    Args:
        forward: the segments for forward passes, which knock-outs run on.
        pictures: (N, C, S, S), of which the first, whole, and the last, a part, are compared, in full precision.
        pair_rows: the most rows with gradients through each stage.
    """
    value = segments.stem(pictures[[0, -1]].to(segments.device, segments.dtype))
    split, ablated, notes = set[int](), set[int](), list[str]()
    for i, stage in enumerate(segments.stages):
        axes = {"axis": segments.feature_axis(i), "out_axis": segments.feature_axis(i + 1), "most": pair_rows[i]}
        name = segments.layers[i + 1].name
        if why := why_not_split(stage, value, **axes):
            split.add(i)
            notes.append(
                f"attributions at {name!r} are slower than they could be: the split segment {why} on the pictures"
            )
        if why := why_not_ablations(forward.stages[i], stage, value, **axes):
            ablated.add(i)
            notes.append(f"knock-outs at {name!r} are slower than they could be: the quick way {why} on the pictures")
        value = stage(value)
    return Trust(attributions=frozenset(split), ablations=frozenset(ablated), notes=tuple(notes))
