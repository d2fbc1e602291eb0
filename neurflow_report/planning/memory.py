"""The memory that a run takes at its peak, from the sizes of a row at each layer."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from neurflow_report.fidelity import layer_experiments
from neurflow_report.network.forward import kept_bytes, layers_to_keep, row_bytes, widest_row
from neurflow_report.planning.records import PlannedClass, PlannedLayer
from neurflow_report.planning.tasks import Place
from neurflow_report.results.catalogue import ABLATING
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.schema import Spec


@torch.no_grad()
def peak(
    workspace: Workspace,
    place: Place,
    spec: Spec,
    classes: Sequence[PlannedClass],
    layers: Sequence[PlannedLayer],
    rows: Sequence[Tensor],
    picture: Tensor,
) -> int:
    """Bytes at the run's peak: what is taken now, a class's inputs, φ and T, the activations kept (in the experiments
    with what knock-outs make of them), and the widest batch.

    T is held where it is computed; φ on the host, where it counts on a CPU alone.

    Args:
        rows: (1, …) of each layer.
        picture: (1, …).
    """
    segments, size = workspace.segments, picture.element_size()
    stages = list(zip(segments.stages, rows, strict=False))
    pictures = workspace.forward.rows * widest_row(workspace.forward.segments, picture)
    masked = workspace.forward_rows * max(row_bytes(stage, value) for stage, value in stages)
    attributing = [
        rows * row_bytes(stage, value, gradients=True)
        for rows, (stage, value) in zip(workspace.pair_rows, stages, strict=True)
    ]
    most = max(c.patches for c in classes)
    inputs = max(c.pictures for c in classes) * picture.numel() * size
    phi = most * sum(info.channels for info in segments.layers) * size
    kept = sum(kept_bytes(segments, i, most) for i in layers_to_keep(segments, most, workspace.keep))
    kept = max(kept, _evidence(workspace, place, spec, most))
    held = inputs + kept + _attributions(spec, layers, size) + (phi if segments.device.type == "cpu" else 0)
    ablated = _ablated(workspace, spec, rows)
    return _now(segments.device) + held + max(pictures, masked, *attributing, *ablated)


def _evidence(workspace: Workspace, place: Place, spec: Spec, patches: int) -> int:
    """Bytes at the experiments' peak for a class of so many patches: activations, and what knock-outs make of them."""
    if not _ablating(spec):
        return 0
    layers = workspace.segments.layers
    terms = [
        patches * lower.channels * math.prod(upper.shape) // upper.channels * workspace.segments.dtype.itemsize
        for lower, upper in pairwise(layers)
    ]
    held = (at.bytes for at in place.held(patches))
    return max(b + min(more, max(workspace.tables, workspace.keep - b)) for b, more in zip(held, terms, strict=True))


def _ablated(workspace: Workspace, spec: Spec, rows: Sequence[Tensor]) -> list[int]:
    """Bytes of the knock-outs that run at once at each layer but the top, where an experiment asks for any.

    Args: rows: (1, …) of each.
    """
    masked = "masking" in sizes(spec.fidelity).experiments or spec.core.tau == "auto"
    if not _ablating(spec) and not masked:
        return []
    stages = zip(workspace.forward.segments.stages, rows, strict=False)
    return [workspace.ablation_rows(stage, row) * row_bytes(stage, row, kept=True) * 5 // 4 for stage, row in stages]


def _ablating(spec: Spec) -> bool:
    """Whether an experiment asks for φ after knock-outs."""
    asked = sizes(spec.fidelity).experiments
    return not ABLATING.isdisjoint(asked) or any(e.ablates for e in layer_experiments(asked))


def _attributions(spec: Spec, layers: Sequence[PlannedLayer], size: int) -> int:
    """Bytes of the largest layer's T, (targets, k, channels below), which is held on the device."""
    each = [
        (upper.targets_most if upper.targets_likely is None else upper.targets_likely) * spec.concept.k * lower.channels
        for lower, upper in pairwise(layers)
    ]
    return max(each) * size


def _now(device: torch.device) -> int:
    """Bytes that the process (on a GPU: its tensors) takes, at most so far."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
