"""The network between two layers as an experiment asks for it: as it is, or with its weights drawn anew (METHOD §5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurflow_report.ablation.ablation import ablations
from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute, prepared
from neurflow_report.circuit.discovery import LayerPair
from neurflow_report.fidelity.experiment import Part
from neurflow_report.network.forward import AdaptiveBatch
from neurflow_report.network.reinitialise import reinitialised
from neurflow_report.setup.workspace import Workspace


def network_part(
    workspace: Workspace,
    cache: ActivationCache,
    pair: LayerPair,
    number: int,
    quadrature: Quadrature,
    *,
    seed: int | None,
    note: Callable[[str], None],
) -> Part:
    """From the layer below to layer `number`.

    Args:
        seed: of weights drawn anew; None: its own.
        note: told where memory runs out.
    """
    assert isinstance(pair.segment, nn.Module)  # noqa: S101 what cut.py makes
    segment, row = pair.segment, workspace.forward.activations(number - 1, cache.pixels[:1])
    if seed is None:
        engine = cache.ablations(number - 1, note)
    else:
        segment = reinitialised(segment, seed=seed)
        rows = AdaptiveBatch(most=workspace.ablation_rows(segment, row), note=note)
        engine = ablations(segment, row, axis=pair.axis, out_axis=pair.out_axis, rows=rows, whole=pair.whole)
    batch = AdaptiveBatch(most=pair.rows, note=note)
    with pair.arithmetic():
        split = None if pair.whole else prepared(segment, row, pair.axis, pair.out_axis)

    def some(full: Tensor, channel: int, rows: int) -> Tensor:
        pairs = Pairs(rows=np.arange(len(full)), channels=np.full(len(full), channel))
        how = {"axis": pair.axis, "out_axis": pair.out_axis, "whole": pair.whole, "split": split}
        memory = pair.memory and pair.memory * rows // pair.rows
        with pair.arithmetic():
            return attribute(segment, full, pairs, quadrature=quadrature, rows=rows, memory=memory, **how).values  # type: ignore[arg-type]

    def attributed(full: Tensor, channel: int) -> Tensor:
        return batch.attempt(partial(some, full, channel))

    def ablated(full: Tensor, sets: NDArray[np.bool_], channel: int) -> Tensor:
        return engine.phi(full, torch.from_numpy(sets), [channel])[:, 0]

    return Part(activations=partial(cache.activations, number - 1), attributed=attributed, ablated=ablated)
