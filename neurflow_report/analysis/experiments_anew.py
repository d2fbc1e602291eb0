"""F2 to F12 and F14 computed anew: an experiment at a layer of a class, on the circuit that the bundle has, and what of
its figures is another than the bundle says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurflow_report.analysis.class_circuit import Circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.experiments import experiments
from neurflow_report.analysis.layer_tests import TOGETHER
from neurflow_report.circuit.discovery import Search, layer_neurons
from neurflow_report.errors import Path
from neurflow_report.fidelity.experiment import Results
from neurflow_report.fidelity.ranges import ALIEN, OWN
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.records import Census, ClassResult, EdgeDrop, EdgeEffect, Measure

FIGURE = 0.02
"""By how much a figure of a layer or an edge may differ: shares, correlations and indices, all within −1 to 1."""
NEURON = 0.05
"""The same for a figure of one neuron, where one patch of its concept counts for more."""
CHANNELS = 0.01
"""The share of a layer's channels that may have come to be silent or saturated, or ceased to be; one in any case."""
NOT_ANEW = "deletions"
"""F13: what it counts, the whole search leaves on its way down."""
_ANEW = frozenset(EXPERIMENTS) - {NOT_ANEW}
Found = Iterator[tuple[Path, str]]
Ends = tuple[str, int, str, int]


@dataclass(frozen=True, kw_only=True, order=True)
class AtLayer:
    """An experiment at a layer, by the layer's place in the circuit."""

    number: int
    experiment: str


def at_layers_of(result: ClassResult) -> tuple[AtLayer, ...]:
    """All of which a class has figures, but for `NOT_ANEW` and an experiment that this program does not know."""
    places = {layer.name: number for number, layer in enumerate(result.layers)}
    pairs = [(m.experiment, m.layer) for m in result.measures]
    pairs += [("edges", d.upper_layer) for d in result.edge_drops]
    pairs += [("channels", c.layer) for c in result.census]
    pairs += [("causal", e.upper_layer) for e in result.edge_effects]
    known = {(name, places[layer]) for name, layer in pairs if name in _ANEW and layer in places}
    return tuple(sorted(AtLayer(number=number, experiment=name) for name, number in known))


def experiments_anew(
    run: ClassRun, circuit: Circuit, result: ClassResult, tests: Sequence[AtLayer], search: Search
) -> Found:
    """What of these tests is another than the class's record says.

    Args:
        circuit: the record's, with φ and the cache; its scores are filled here, where a test needs them.
    """
    if not tests:
        return
    for number in sorted({test.number for test in tests if test.experiment in TOGETHER}, reverse=True):
        core = np.array([neuron.channel for neuron in circuit.layers[number].neurons], np.int64)
        with run.stage(f"scores of {circuit.layers[number].name}", len(core)) as step:
            circuit.cache.batch.note = step.note
            names = [layer.name for layer in circuit.layers]
            given = (circuit.means, number, core, circuit.cache.activations, step)
            layer_neurons(search, names, run.layer_pairs(), *given, scores=circuit.scores)
    asked = {(test.experiment, test.number) for test in tests}
    found = experiments(run, circuit, lambda name, number: (name, number) in asked)
    for test in tests:
        yield from unlike(result, found, test)


def unlike(result: ClassResult, found: Results, test: AtLayer) -> Found:
    """What of one test is another."""
    layer, name = result.layers[test.number].name, test.experiment
    if name != "causal":  # what is told of a layer's edges depends on the tests of all of the class's
        kept = {n: m for n, m in enumerate(result.measures) if (m.experiment, m.layer) == (name, layer)}
        again = {_key(m): m for m in found.measures if (m.experiment, m.layer) == (name, layer)}
        yield from _measures(kept, again)
    if name == "edges":
        drops = {n: d for n, d in enumerate(result.edge_drops) if d.upper_layer == layer}
        yield from _drops(drops, {_ends(d): d for d in found.edge_drops if d.upper_layer == layer})
    if name == "channels":
        census = {n: c for n, c in enumerate(result.census) if c.layer == layer}
        yield from _census(census, {c.layer: c for c in found.census})
    if name == "causal":
        effects = {n: e for n, e in enumerate(result.edge_effects) if e.upper_layer == layer}
        yield from _effects(effects, {_ends(e): e for e in found.edge_effects if e.upper_layer == layer})


_Case = tuple[str, int | None, int | None]


def _key(m: Measure) -> _Case:
    return m.case, m.channel, m.setting


def _measures(kept: Mapping[int, Measure], again: Mapping[_Case, Measure]) -> Found:
    for n, one in kept.items():
        other = again.get(_key(one))
        if other is None:
            yield ("measures", n), "anew there is no such figure"
            continue
        yield from _apart(("measures", n), one, other, ("value", "null"), _within(other, again.values()))
    if len(again) > len(kept):
        yield ("measures",), f"there are {len(kept)} figures of it, and anew {len(again)}"


def _within(one: Measure, beside: Iterable[Measure]) -> float:
    """By how much a figure may differ. Shares of pictures (F14): one picture, where another class is predicted at one;
    a difference of two shares: one of each."""
    if one.unit != "picture":
        return FIGURE if one.channel is None else NEURON
    shares = {m.case: 1 / m.n for m in beside if m.case in {OWN, ALIEN}}
    return shares.get(one.case, sum(shares.values())) + 1e-6


def _drops(kept: Mapping[int, EdgeDrop], again: Mapping[Ends, EdgeDrop]) -> Found:
    for n, one in kept.items():
        other = again.get(_ends(one))
        if other is None:
            yield ("edge_drops", n), "anew there is no such edge"
            continue
        yield from _apart(("edge_drops", n), one, other, ("weight", "drop"), FIGURE)


def _effects(kept: Mapping[int, EdgeEffect], again: Mapping[Ends, EdgeEffect]) -> Found:
    for n, one in kept.items():
        other = again.get(_ends(one))
        if other is None:
            yield ("edge_effects", n), "anew there is no such edge"
            continue
        yield from _apart(("edge_effects", n), one, other, ("drop", "null", "null_low", "null_high"), FIGURE)


def _census(kept: Mapping[int, Census], again: Mapping[str, Census]) -> Found:
    for n, one in kept.items():
        other = again.get(one.layer)
        for name in ("silent", "saturated"):
            odd = set(getattr(one, name)) ^ set(getattr(other, name) if other is not None else ())
            if other is None or len(odd) > max(1, CHANNELS * one.channels):
                yield ("census", n, name), f"{len(odd)} channels are in one of the two lists alone"


def _ends(edge: EdgeDrop | EdgeEffect) -> Ends:
    return edge.upper_layer, edge.upper, edge.lower_layer, edge.lower


def _apart(place: Path, one: object, other: object, names: Sequence[str], within: float) -> Found:
    """Figures of two records that are further apart than that."""
    for name in names:
        kept, found = getattr(one, name), getattr(other, name)
        if (kept is None) != (found is None) or (kept is not None and abs(kept - found) > within):
            told = ["nothing" if value is None else f"{value:.6g}" for value in (kept, found)]
            yield (*place, name), f"it is {told[0]}, and anew {told[1]}"
