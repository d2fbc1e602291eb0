"""A circuit on pictures that it was not found on: there each neuron has its strongest patches, too, and each of them
goes to the nearest of its semantic groups (METHOD §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.class_circuit import Circuit, Means, patch_means
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.circuit.top_patches import concepts
from neurflow_report.results.records import LayerResult, Neuron

Floats = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The circuit's neurons on other pictures.

    Attributes:
        layers: the circuit, with concepts and semantic groups of patches of these pictures.
        means: φ of all their patches.
        cache: the activations on them.
    """

    layers: tuple[LayerResult, ...]
    means: Means
    cache: ActivationCache


def hold_out(run: ClassRun, circuit: Circuit) -> HeldOut:
    """The circuit on the pictures held out.

    Raises: RunError not-finite.
    """
    assert run.held is not None  # noqa: S101 the caller has looked
    means, cache = patch_means(replace(run, pixels=run.held), "held-out patches")
    layers = tuple(with_patches(layer, number, circuit.means, means) for number, layer in enumerate(circuit.layers))
    return HeldOut(layers=layers, means=means, cache=cache.going_up())


def with_patches(layer: LayerResult, number: int, found_on: Sequence[Floats], held: Sequence[Floats]) -> LayerResult:
    """A layer whose neurons have patches of other pictures: as large a share of all as they have of their own.

    A semantic group that is nearest to none has no patches, and is left out of its neuron; of the neuron groups only
    the upper one of an edge is asked for its members, so that they stay what they are.

    Args: found_on, held: φ of the patches, (P, C) a layer.
    """
    if not layer.neurons:
        return layer
    k, below = len(layer.neurons[0].concept), max(number - 1, 0)
    count = min(len(held[number]), max(1, round(k * len(held[number]) / len(found_on[number]))))
    channels = np.array([n.channel for n in layer.neurons], dtype=np.int64)
    strongest = concepts(held[number], channels, count)
    neurons = tuple(
        _with_patches(neuron, patches, found_on[below], held[below], held[number])
        for neuron, patches in zip(layer.neurons, strongest, strict=True)
    )
    filled = {(n.channel, g.index) for n in neurons for g in n.groups}
    groups = tuple(
        g.model_copy(update={"members": tuple(m for m in g.members if (m.channel, m.semantic) in filled)})
        for g in layer.groups
    )
    return layer.model_copy(update={"neurons": neurons, "groups": groups})


def _with_patches(neuron: Neuron, patches: NDArray[np.int64], found_on: Floats, held: Floats, phi: Floats) -> Neuron:
    """A neuron with its strongest patches of other pictures, each in the group whose mean r is nearest to its own."""
    centres = np.stack([found_on[list(g.patches)].mean(axis=0, dtype=np.float64) for g in neuron.groups])
    r = held[patches].astype(np.float64)
    nearest = np.argmin(((r[:, None] - centres) ** 2).sum(axis=2), axis=1)
    groups = tuple(
        group.model_copy(update={"patches": tuple(patches[nearest == at].tolist())})
        for at, group in enumerate(neuron.groups)
        if (nearest == at).any()
    )
    activations = tuple(map(float, phi[patches, neuron.channel]))
    return neuron.model_copy(update={"concept": tuple(patches.tolist()), "activations": activations, "groups": groups})
