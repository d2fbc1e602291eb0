"""Attributions computed again by another's code: a few pairs of each layer by Captum's IntegratedGradients.

Captum runs the segment as it was cut, along the path from 0, with Gauss–Legendre steps; nothing of the split, the cells
or the copies is in it. What differs is the error of both integrals, and of our engine where it is wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.attribution.integrated_gradients import Pairs, attribute
from neurflow_report.circuit.discovery import LayerPair
from neurflow_report.network.forward import AdaptiveBatch, spatial_mean
from neurflow_report.planning.workload import CHECKED_PAIRS, CHECKED_STEPS
from neurflow_report.results.records import CrossCheck, LayerResult


def cross_checks(run: ClassRun, layers: Sequence[LayerResult]) -> tuple[CrossCheck, ...]:
    """How far T is from Captum's at each layer but the lowest, from the logit down; () where Captum is not installed.

    Args: layers: of the class's circuit, input → output. A layer without neurons, and one whose T are all 0, is left
        out.
    """
    if find_spec("captum") is None:
        return ()
    cache, found = ActivationCache(run.workspace, run.pixels), []
    with run.stage("cross-check", None):
        for number in range(len(layers) - 1, 0, -1):
            neurons = layers[number].neurons[:CHECKED_PAIRS]
            if not neurons:
                continue
            patches = torch.tensor([n.concept[0] for n in neurons]).numpy()
            below, channels = cache.activations(number - 1, patches), [n.channel for n in neurons]
            layer_pair = run.layer_pairs()[number - 1]
            own, others = _own(run, layer_pair, below, channels), _captum(layer_pair, below, channels)
            if size := float(others.norm()):
                off = float((own - others).norm()) / size
                found.append(
                    CrossCheck(layer=layers[number].name, pairs=len(neurons), steps=CHECKED_STEPS, difference=off)
                )
    return tuple(found)


def _own(run: ClassRun, layer_pair: LayerPair, below: Tensor, channels: Sequence[int]) -> Tensor:
    """T of each neuron on its patch, (pairs, C), as the search computes it."""
    pairs = Pairs(rows=np.arange(len(below)), channels=np.array(channels))

    def attributed(rows: int) -> Tensor:
        with layer_pair.arithmetic():
            found = attribute(
                layer_pair.segment,
                below,
                pairs,
                axis=layer_pair.axis,
                out_axis=layer_pair.out_axis,
                quadrature=run.settings.quadrature,
                rows=rows,
                whole=layer_pair.whole,
            )
        return found.values.cpu().double()

    return AdaptiveBatch(most=layer_pair.rows).attempt(attributed)


def _captum(layer_pair: LayerPair, below: Tensor, channels: Sequence[int]) -> Tensor:
    """The same by Captum: attributions to each number of the layer below, summed over space."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(lambda x: spatial_mean(layer_pair.segment(x), layer_pair.out_axis))

    def run(rows: int) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum says what it does to inputs that want no gradient
            return torch.cat([
                method.attribute(
                    below[i : i + 1].clone(), target=channel, n_steps=CHECKED_STEPS, method="gausslegendre",
                    internal_batch_size=rows,
                )
                for i, channel in enumerate(channels)
            ])  # fmt: skip

    found = AdaptiveBatch(most=layer_pair.rows).attempt(run)
    axis = layer_pair.axis % found.ndim
    space = [a for a in range(1, found.ndim) if a != axis]
    return (found.sum(dim=space) if space else found).detach().cpu().double()
