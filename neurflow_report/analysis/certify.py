"""τ by certificate: what the core of each layer keeps at every τ, and the circuit cut to the τ chosen (METHOD §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from neurflow_report.analysis.class_circuit import Circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.masking_passes import MaskingPasses
from neurflow_report.circuit.neuron_groups import group_neurons
from neurflow_report.circuit.shorter import with_tau
from neurflow_report.fidelity.certificates import ORDERS, Hits, certificate, one_tau, passes, smallest
from neurflow_report.fidelity.masking import Pass, core_sets
from neurflow_report.progress import Step
from neurflow_report.results.records import Certificate

SEED = 0
"""Of the random orders, in the place of an experiment's number."""


def certify(run: ClassRun, circuit: Circuit) -> tuple[Certificate, ...]:
    """The certificates of the layers below the logits that have a core, from the lowest up.

    Without pictures held out (n is 0 then), or of other classes, nothing can be certified: on those that the core was
    found on, it is no wonder that it is enough.
    """
    tested = [number for number, layer in enumerate(circuit.layers[:-1]) if layer.neurons]
    if run.held is None or not len(run.of_others):
        return tuple(
            Certificate(
                layer=circuit.layers[i].name, channels=circuit.layers[i].channels, tau=None,
                n=0 if run.held is None else len(run.held), others=len(run.of_others), tried=(),
            )
            for i in tested
        )  # fmt: skip
    with run.stage("certificates", None) as step:
        kept = Kept(run, circuit, step)
        return tuple(_layer(run, circuit, number, kept) for number in tested)


class Kept:
    """Which pictures, the class's that F1 is measured on and then those of other classes, are predicted as the class
    with some channels of a layer alone, all else at its mean."""

    def __init__(self, run: ClassRun, circuit: Circuit, step: Step) -> None:
        self.run, self.circuit = run, circuit
        self.predictions = MaskingPasses(run.workspace, run.measured, run.of_others, run.logit, step)

    def alone(self, number: int, sets: Sequence[Sequence[int]]) -> Hits:
        """With each of some sets of channels, (sets, pictures)."""
        removed = torch.ones((len(sets), self.circuit.layers[number].channels), dtype=torch.bool)
        for row, own in zip(removed, sets, strict=True):
            row[list(own)] = False
        return self.predictions(number, [Pass(removed=[removed], mean=True, own=True, others=True)])[0][0]

    def cores(self, number: int) -> list[tuple[int, ...]]:
        """The core of the layer at each τ, the largest first."""
        return [core_sets([one.neurons for one in self.circuit.layers], t)[number] for t in self.run.settings.tried]

    def at_each_tau(self, number: int) -> Hits:
        """With the core at each τ, (taus, pictures)."""
        return self.alone(number, self.cores(number))


def _layer(run: ClassRun, circuit: Circuit, number: int, kept: Kept) -> Certificate:
    asked, layer, n = run.settings.automatic, circuit.layers[number], len(run.measured)
    assert asked is not None  # noqa: S101 the caller has looked
    random = np.random.default_rng(run.seed(number, SEED))
    orders = [random.permutation(layer.channels) for _ in range(ORDERS)]

    def meets(size: int) -> bool:
        # all channels are one set, whatever the order
        some = [order[:size].tolist() for order in orders[: 1 if size == layer.channels else ORDERS]]
        found = [one_tau(0, size, one[:n], one[n:]) for one in kept.alone(number, some)]
        good = sum(passes(one, enough=asked.enough, false_alarms=asked.false_alarms) for one in found)
        return 2 * good > len(found)

    each = [
        one_tau(tau, len(own), hits[:n], hits[n:])
        for tau, own, hits in zip(run.settings.tried, kept.cores(number), kept.at_each_tau(number), strict=True)
    ]
    return certificate(
        layer=layer.name, channels=layer.channels, each=each, n=n, others=len(run.of_others), enough=asked.enough,
        false_alarms=asked.false_alarms, random_size=smallest(meets, layer.channels),
    )  # fmt: skip


def at_tau(run: ClassRun, circuit: Circuit, tau: int) -> tuple[ClassRun, Circuit]:
    """Both as if the search had been run at a smaller τ."""
    run = replace(run, settings=run.settings.at(tau))
    neurons = with_tau([layer.neurons for layer in circuit.layers], tau)
    names = [layer.name for layer in circuit.layers]
    layers, edges = group_neurons(names, neurons, circuit.means, run.settings.max_neuron)
    return run, replace(circuit, layers=layers, edges=edges)
