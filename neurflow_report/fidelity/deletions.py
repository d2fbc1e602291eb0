"""F13, deletions: which core neurons would still be core on half of the pictures? (METHOD §5)"""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.fidelity.intervals import clopper_pearson, wilson
from neurflow_report.results.catalogue import HALF_OF_DRAWS
from neurflow_report.results.records import Measure, NotRun


def _run(at: Subject) -> Results:
    name, found = at.layer.name, at.inclusion
    if found is None or not at.layer.neurons:
        unknown = "what is core without some of the pictures was not counted in the search"
        reason = unknown if at.layer.neurons else "no neuron of the layer is core"
        return Results(not_run=(NotRun(experiment="deletions", layer=name, reason=reason),))
    single = []
    for neuron in at.layer.neurons:
        times = int(found.core[neuron.channel])
        low, high = clopper_pearson(times, found.draws)
        single.append(
            Measure(
                experiment="deletions", layer=name, channel=neuron.channel, value=times / found.draws, low=low,
                high=high, n=found.draws, unit="draw",
            )
        )  # fmt: skip
    sure = sum(m.low > HALF_OF_DRAWS for m in single)
    low, high = wilson(sure, len(single))
    by_chance = [clopper_pearson(times, found.draws)[0] > HALF_OF_DRAWS for times in found.shuffled.tolist()]
    whole = Measure(
        experiment="deletions", layer=name, value=sure / len(single), low=low, high=high, n=len(single), unit="neuron",
        null=sum(by_chance) / len(by_chance) if by_chance else None,
    )  # fmt: skip
    return Results(measures=(whole, *single))


def _work(_at: LayerSize) -> Iterator[Work]:
    yield from ()


EXPERIMENT = LayerExperiment(name="deletions", stage="deletions", unit="neurons", run=_run, work=_work, top=False)
