"""What an experiment at a layer is: what it is given, what it gives, and how much it does, for the plan (METHOD §5).

A module of this folder that has an `EXPERIMENT` is one; what is said of it stands under its name in
results/catalogue.py (docs/how-to/add-an-experiment.md). F1 to F4 and F6 are none: F1 looks at whole pictures
(analysis/experiments.py), F2 to F4 share one pass of knock-outs, F6 the engine of the search (analysis/layer_tests.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.circuit.deletions import Inclusion
from neurflow_report.results.catalogue import Sizes
from neurflow_report.results.flow import Edge
from neurflow_report.results.records import Census, EdgeDrop, EdgeEffect, GroupEdge, LayerResult, Measure, NotRun

Floats = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgeTest:
    """F11 of one edge, before all of the class's are judged together.

    Attributes:
        drop: of its upper group.
        null: the same for each of the sets drawn, (n,).
    """

    edge: Edge
    drop: float
    null: Floats

    @property
    def way(self) -> int:
        """1 where the edge is drawn as one that raises, −1 where it lowers."""
        return 1 if self.edge.signed >= 0 else -1


@dataclass(frozen=True, kw_only=True)
class Results:
    """What some experiments found."""

    measures: tuple[Measure, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    edge_drops: tuple[EdgeDrop, ...] = ()
    census: tuple[Census, ...] = ()
    edge_tests: tuple[EdgeTest, ...] = ()
    edge_effects: tuple[EdgeEffect, ...] = ()

    def __add__(self, other: Results) -> Results:
        return Results(
            measures=self.measures + other.measures,
            not_run=self.not_run + other.not_run,
            edge_drops=self.edge_drops + other.edge_drops,
            census=self.census + other.census,
            edge_tests=self.edge_tests + other.edge_tests,
            edge_effects=self.edge_effects + other.edge_effects,
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """The network from the layer below to a layer; all values are on the device.

    Attributes:
        activations: the layer below on some patches, (n, …).
        attributed: T of a channel on such activations, (n, C).
        ablated: φ of a channel on such activations, with each set of their channels at 0, (sets, n); takes the
            activations, which are removed, bool (sets, C), and the channel.
    """

    activations: Callable[[NDArray[np.int64]], Tensor]
    attributed: Callable[[Tensor, int], Tensor]
    ablated: Callable[[Tensor, NDArray[np.bool_], int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One layer of a class's circuit, and the network there.

    Attributes:
        number: this layer's place in `layers`.
        layers: the circuit at each layer, from the input to the output; the logit's is the last.
        edges: those between the neuron groups of all layers.
        means: φ of each layer on the class's P patches, (P, C).
        logit: the number of the class's output.
        max_semantic: the most semantic groups of a neuron.
        max_neuron: the most neuron groups of this layer; 1 where they are not clustered.
        sizes: how large the experiments are.
        seed: for all that this experiment draws at this layer.
        phi: φ of this layer's channels with channels of the layer below removed, (sets, targets, patches); takes which
            are removed, bool (sets, C), the targets' channels and the patches' numbers. Not at the lowest layer.
        from_means: takes sets of channels of the layer below, bool (sets, C), and gives what gives φ of one channel of
            this layer on some patches, (sets, patches), on the device, with each set at its means over the class's
            patches.
        part: the network from the layer below to this one, its weights drawn anew from a seed where one is given.
        pictures: gives this layer's activations on the class's pictures, (n, …), some at a time.
        measured: the same on those that F1 is measured on: held out, where some are.
        others: the same on pictures of other classes; nothing where there are none.
        above: the network from such activations to the outputs, (n, outputs).
        axis: which axis of these activations the channels are.
        inclusion: what of this layer is core without some of the pictures; None where that was not asked for.
    """

    number: int
    layers: Sequence[LayerResult]
    edges: Sequence[GroupEdge]
    means: Sequence[Floats]
    logit: int
    max_semantic: int
    max_neuron: int
    sizes: Sizes
    seed: Sequence[int]
    phi: Callable[[NDArray[np.bool_], Sequence[int], Sequence[int]], Floats]
    from_means: Callable[[NDArray[np.bool_]], Callable[[int, NDArray[np.int64]], Tensor]]
    part: Callable[[int | None], Part]
    pictures: Callable[[], Iterator[Tensor]]
    measured: Callable[[], Iterator[Tensor]]
    others: Callable[[], Iterator[Tensor]]
    above: Callable[[Tensor], Tensor]
    axis: int
    inclusion: Inclusion | None = None

    @property
    def layer(self) -> LayerResult:
        """The layer itself."""
        return self.layers[self.number]

    @property
    def below(self) -> LayerResult:
        """The layer below, towards the input; not of the lowest."""
        return self.layers[self.number - 1]


@dataclass(frozen=True, kw_only=True)
class LayerSize:
    """How large a class's circuit is at a layer, as a plan expects it.

    Attributes:
        number: the layer's; the lowest has 0.
        top: the number of the logits.
        pictures: the class's pictures.
        patches: the class's patches.
        neurons: the layer's core neurons.
        parted: those of them that have more than one semantic group.
        semantic: the semantic groups of all of them.
        groups_below: the neuron groups of the layer below.
        k: patches in a concept.
        concepts: different patches in the concepts of all of them.
        sizes: how large the experiments are.
    """

    number: int
    top: int
    pictures: int
    patches: int
    neurons: int
    parted: int
    semantic: int
    groups_below: int
    k: int
    concepts: float
    sizes: Sizes


@dataclass(frozen=True, kw_only=True)
class Work:
    """Work of one kind at a layer, as a plan counts and measures it: so many `times`, all on the same `rows`.

    - "knock-outs": `times` sets are removed from the layer below, φ of `neurons` of the layer's core neurons (None: of
      all) on `rows` patches.
    - "semantic", "neurons": `times` clusterings of a concept's patches, or of the layer's semantic groups.
    - "marginal contributions": a gradient of the logit with respect to the layer, on `rows` pictures.
    - "search": attributions of a neuron on `rows` patches, `times` over.
    - "knockoffs": of the layer's channels, on `rows` patches.
    """

    part: Literal["knock-outs", "semantic", "neurons", "marginal contributions", "knockoffs", "search"]
    times: int = 1
    rows: float = 0.0
    neurons: int | None = None


@dataclass(frozen=True, kw_only=True)
class LayerExperiment:
    """An experiment that is done at one layer after another.

    Attributes:
        name: what the spec and the catalogue call it.
        stage: what the progress and the plan call it; with {layer} in it, each layer is a stage of its own.
        unit: what the plan counts of it, in the plural.
        run: does it at a layer.
        work: says what that takes; nothing where it is made of figures at hand, in no time to speak of.
        lowest: whether it is done at the lowest layer, below which there is none.
        top: whether it is done at the logits.
        ablates: whether it sets channels of the layer below.
        held_out: whether it is measured on the pictures held out, where there are some: then `layers` has this layer's
            neurons with their patches of these, and all others as they were found.
        place: its place among the experiments of a layer, the smallest first; ties by name.
    """

    name: str
    stage: str
    unit: str
    run: Callable[[Subject], Results]
    work: Callable[[LayerSize], Iterable[Work]]
    lowest: bool = True
    top: bool = True
    ablates: bool = False
    held_out: bool = False
    place: int = 9

    def __post_init__(self) -> None:
        """Below the lowest layer there is nothing to remove."""
        if self.ablates and self.lowest:
            raise ValueError(f"{self.name}: an experiment that ablates is not done at the lowest layer")

    @property
    def is_by_layer(self) -> bool:
        """Whether each layer is a stage of its own in the progress."""
        return "{layer}" in self.stage

    def numbers(self, top: int) -> range:
        """The numbers of the layers at which it is done.

        Args: top: that of the logits.
        """
        return range(0 if self.lowest else 1, top + 1 if self.top else top)
