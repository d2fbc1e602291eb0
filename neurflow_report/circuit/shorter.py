"""A circuit's neurons as a search at a smaller τ finds them: core sets nest (METHOD §2)."""

from __future__ import annotations

from collections.abc import Sequence

from neurflow_report.results.records import Neuron, NeuronEdge, SemanticGroup


def with_tau(neurons: Sequence[Sequence[Neuron]], tau: int) -> tuple[tuple[Neuron, ...], ...]:
    """The neurons of each layer, input → output, that the heads of the core sets above reach, with these heads.

    The weights of each semantic group sum to 1 over what is left.
    """
    found, wanted = list[tuple[Neuron, ...]](), {n.channel for n in neurons[-1]}
    for layer in reversed(neurons):
        kept = tuple(_cut(n, tau) for n in layer if n.channel in wanted)
        found.append(kept)
        wanted = {score.channel for n in kept for score in n.core}
    return tuple(reversed(found))


def _cut(neuron: Neuron, tau: int) -> Neuron:
    core = neuron.core[:tau]
    left = {score.channel for score in core}
    groups = tuple(_weighed(group, left) for group in neuron.groups)
    return neuron.model_copy(update={"core": core, "groups": groups})


def _weighed(group: SemanticGroup, left: set[int]) -> SemanticGroup:
    edges = [e for e in group.edges if e.channel in left]
    whole = sum(abs(e.weight) for e in edges)
    own = tuple(NeuronEdge(channel=e.channel, weight=e.weight / whole if whole else 0.0) for e in edges)
    return group.model_copy(update={"edges": own})
