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
from neurflow_report.results.records import Certificate

SEED = 0
"""Of the random orders, in the place of an experiment's number."""


def certify(run: ClassRun, circuit: Circuit) -> tuple[Certificate, ...]:
    """The certificates of the layers below the logits that have a core, from the lowest up.

    Without pictures of other classes nothing can be certified.
    """
    tested = [number for number, layer in enumerate(circuit.layers[:-1]) if layer.neurons]
    if not len(run.of_others):
        return tuple(
            Certificate(
                layer=circuit.layers[i].name, channels=circuit.layers[i].channels, tau=None, n=len(run.measured),
                others=0, tried=(),
            )
            for i in tested
        )  # fmt: skip
    with run.stage("certificates", None) as step:
        keeps = MaskingPasses(run.workspace, run.measured, run.of_others, run.logit, step)
        return tuple(_layer(run, circuit, number, keeps) for number in tested)


def _layer(run: ClassRun, circuit: Circuit, number: int, passes_of: MaskingPasses) -> Certificate:
    asked, layer, n = run.settings.automatic, circuit.layers[number], len(run.measured)
    assert asked is not None  # noqa: S101 the caller has looked
    sets = [core_sets([one.neurons for one in circuit.layers], tau)[number] for tau in run.settings.tried]
    random = np.random.default_rng(run.seed(number, SEED))
    orders = [random.permutation(layer.channels) for _ in range(ORDERS)]

    def kept(some: Sequence[Sequence[int]]) -> Hits:
        """Which pictures are predicted as the class with each set alone, (sets, pictures)."""
        removed = torch.ones((len(some), layer.channels), dtype=torch.bool)
        for row, own in zip(removed, some, strict=True):
            row[list(own)] = False
        alone, _ = passes_of(number, [Pass(removed=[removed], mean=True, own=True, others=True)])[0]
        return alone

    def meets(size: int) -> bool:
        # all channels are one set, whatever the order
        hits = kept([order[:size].tolist() for order in orders[: 1 if size == layer.channels else ORDERS]])
        found = [one_tau(0, size, one[:n], one[n:]) for one in hits]
        good = sum(passes(one, enough=asked.enough, false_alarms=asked.false_alarms) for one in found)
        return 2 * good > len(found)

    each = [
        one_tau(tau, len(own), hits[:n], hits[n:])
        for tau, own, hits in zip(run.settings.tried, sets, kept(sets), strict=True)
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
