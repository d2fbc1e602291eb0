"""F7, stability of groups: do the groups stay when the activations they come from are a little off? (METHOD §5)

Every activation in r is multiplied by 1 + u, u uniform in ±5%, and the clustering done again, its number of clusters
included. The adjusted Rand index (Hubert and Arabie 1985) compares it with the groups shown: 1 the same, 0 chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from neurflow_report.circuit.clustering import distances, partition, partitions
from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.fidelity.intervals import student
from neurflow_report.results.catalogue import STABILITY_NOISE
from neurflow_report.results.records import LayerResult, Measure, Neuron

Floats = NDArray[np.floating]


def stability(
    layer: LayerResult, r: Floats, *, draws: int, max_semantic: int, max_neuron: int, seed: Sequence[int]
) -> tuple[Measure, ...]:
    """F7 at one layer: for the semantic groups, and for the neuron groups.

    For the former the mean over the neurons, with Student's interval over them. With fewer than three neurons, and for
    neuron groups, the interval is the range of 95% of the draws. What has one group only is left out: there was nothing
    to divide.

    Args:
        r: (P, m), the activations that the layer's groups were made from.
        max_neuron: 1 for a layer whose neuron groups are not clustered.
    """
    random, found = np.random.default_rng(seed), []
    parted = [n for n in layer.neurons if len(n.groups) > 1]
    if parted:
        each = [_semantic(n, r, draws, max_semantic, random) for n in parted]
        ends = student([v.mean() for v in each])
        values, unit = (np.mean(each, axis=0), "draw") if ends is None else (np.mean(each, axis=1), "neuron")
        found.append(_measure(layer.name, "semantic groups", values, ends or _range(values), unit))
    if len(layer.groups) > 1 and max_neuron > 1:
        values = _neuron_groups(layer, r, draws, max_neuron, random)
        found.append(_measure(layer.name, "neuron groups", values, _range(values), "draw"))
    return tuple(found)


def _range(values: Floats) -> tuple[float, float]:
    """Where 95% of the draws lie, and their mean."""
    low, high = np.quantile(values, [0.025, 0.975])
    return min(float(low), float(values.mean())), max(float(high), float(values.mean()))


def _measure(layer: str, case: str, values: Floats, interval: tuple[float, float], unit: str) -> Measure:
    low, high = max(-1.0, interval[0]), min(1.0, interval[1])
    return Measure(
        experiment="stability", layer=layer, case=case, value=float(values.mean()), low=low, high=high, n=len(values),
        unit=unit, null=0.0,
    )  # fmt: skip


def _shaken(r: Floats, draws: int, random: np.random.Generator) -> Floats:
    """(draws, *r.shape)."""
    return r * (1 + random.uniform(-STABILITY_NOISE, STABILITY_NOISE, (draws, *r.shape)))


def agreements(shown: NDArray[np.int64], found: NDArray[np.int64]) -> Floats:
    """The adjusted Rand index of one labelling, (N,), with each of several, (draws, N), both from 0 on.

    scikit-learn's, whose checks of one pair of labellings take ten times as long as a clustering (ADR 20).
    """
    mine, other = (labels[..., None] == np.arange(labels.max() + 1) for labels in (shown, found))
    table = np.einsum("na,dnb->dab", mine, other, dtype=np.float64)  # how many are in cluster a here and in b there
    together, here, there = (
        (count * (count - 1) / 2).sum(axis=-1) for count in (table.reshape(len(table), -1), table.sum(2), table.sum(1))
    )
    by_chance, most = here * there / max(1, len(shown) * (len(shown) - 1) / 2), (here + there) / 2
    index: Floats = np.divide(together - by_chance, most - by_chance, out=np.ones_like(most), where=most != by_chance)
    return index


def _semantic(neuron: Neuron, r: Floats, draws: int, most: int, random: np.random.Generator) -> Floats:
    """The index of each draw for one neuron's semantic groups."""
    place = {p: g.index for g in neuron.groups for p in g.patches}
    shown = np.array([place[p] - 1 for p in neuron.concept])
    vectors = torch.from_numpy(_shaken(r[list(neuron.concept)], draws, random))
    return agreements(shown, partitions(distances(vectors), most).labels)


def _neuron_groups(layer: LayerResult, r: Floats, draws: int, most: int, random: np.random.Generator) -> Floats:
    """The index of each draw for the layer's neuron groups; the noise is on the patches, the means are taken after."""
    place = {(m.channel, m.semantic): g.index for g in layer.groups for m in g.members}
    members = [(n.channel, g.index, list(g.patches)) for n in layer.neurons for g in n.groups]
    shown = np.array([place[channel, index] - 1 for channel, index, _ in members])
    used = sorted({p for _, _, patches in members for p in patches})
    rows, sizes = {p: i for i, p in enumerate(used)}, [len(patches) for _, _, patches in members]
    places = [rows[p] for _, _, patches in members for p in patches]
    share = np.repeat(1 / np.array(sizes), sizes)
    mean = csr_array((share, places, np.cumsum([0, *sizes])), shape=(len(members), len(used)))
    noisy = (_shaken(r[used], 1, random)[0] for _ in range(draws))
    return agreements(shown, np.stack([partition(mean @ one, most).labels for one in noisy]))


def _run(at: Subject) -> Results:
    """F7 at the layer, whose groups come from the activations of the layer below; the lowest layer's from its own."""
    measures = stability(
        at.layer,
        at.means[max(at.number - 1, 0)],
        draws=at.sizes.noise_draws,
        max_semantic=at.max_semantic,
        max_neuron=at.max_neuron,
        seed=at.seed,
    )
    return Results(measures=measures)


def _work(at: LayerSize) -> Iterator[Work]:
    """Every draw clusters each concept that has groups, and the layer's semantic groups but the logit's."""
    yield Work(part="semantic", times=at.sizes.noise_draws * at.parted)
    if at.number < at.top and at.semantic > 1:
        yield Work(part="neurons", times=at.sizes.noise_draws)


EXPERIMENT = LayerExperiment(name="stability", stage="stability", unit="clusterings", run=_run, work=_work, place=1)
