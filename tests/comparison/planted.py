"""Bundles that differ from the sample bundle in one known way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurflow_report.results.bundle import Bundle, read_bundle, write_bundle
from neurflow_report.results.records import ClassResult, LayerResult, Neuron, Run
from tests.sample_bundle import _boxes, sample_bundle

Numbers = Mapping[str, Mapping[int, int]]
OTHER = hashlib.sha256(b"other weights").hexdigest()


def written(
    folder: Path,
    of_run: Callable[[Run], Run] = lambda run: run,
    of_class: Callable[[ClassResult], ClassResult] = lambda one: one,
    provenance: Mapping[str, Any] | None = None,
    classes: slice = slice(None),
) -> Bundle:
    """The sample bundle with changes, written and read back."""
    run, found, origin, drawn = sample_bundle()
    run, found = run.model_copy(update={"classes": run.classes[classes]}), found[classes]
    found = tuple(of_class(one) for one in found)
    shown = {p.file: drawn[p.file] for one in found for p in one.pictures if p.file is not None}
    origin = origin.model_copy(update=dict(provenance or {}))
    write_bundle(folder, run=of_run(run), classes=found, provenance=origin, pictures=shown)
    return read_bundle(folder)


def other_weights(run: Run) -> Run:
    return run.model_copy(update={"model": run.model.model_copy(update={"digest": OTHER})})


def shuffled(run: Run, seed: int = 3) -> Numbers:
    """New numbers for the channels of every layer but the logits."""
    rng = np.random.default_rng(seed)
    found = {layer.name: dict(enumerate(rng.permutation(layer.channels).tolist())) for layer in run.layers[:-1]}
    return found | {run.layers[-1].name: {n: n for n in range(run.layers[-1].channels)}}


def renumbered(one: ClassResult, numbers: Numbers) -> ClassResult:
    """A class with the channels of its network re-labelled in every record."""
    names = [layer.name for layer in one.layers]
    below = dict(zip(names[1:], names, strict=False))

    def neuron(found: Neuron) -> Neuron:
        lower = numbers.get(below.get(found.layer, ""), {})
        core = [c.model_copy(update={"channel": lower[c.channel]}) for c in found.core]
        groups = [
            g.model_copy(update={"edges": tuple(e.model_copy(update={"channel": lower[e.channel]}) for e in g.edges)})
            for g in found.groups
        ]
        own = {"channel": numbers[found.layer][found.channel], "core": tuple(core), "groups": tuple(groups)}
        return found.model_copy(update=own)

    def layer(found: LayerResult) -> LayerResult:
        new = numbers[found.name]
        neurons = sorted(map(neuron, found.neurons), key=lambda a: a.channel)
        groups = [
            g.model_copy(
                update={
                    "members": tuple(
                        sorted(
                            (m.model_copy(update={"channel": new[m.channel]}) for m in g.members),
                            key=lambda m: (m.channel, m.semantic),
                        )
                    )
                }
            )
            for g in found.groups
        ]
        return found.model_copy(update={"neurons": tuple(neurons), "groups": tuple(groups)})

    def placed(record: Any) -> Any:
        if not record.layer or record.channel not in numbers[record.layer]:
            return record
        return record.model_copy(update={"channel": numbers[record.layer][record.channel]})

    return one.model_copy(
        update={
            "layers": tuple(map(layer, one.layers)),
            "cautions": tuple(map(placed, one.cautions)),
            "measures": tuple(map(placed, one.measures)),
        }
    )


def strangers(one: ClassResult, seed: int = 11) -> ClassResult:
    """A class in which every neuron prefers other patches, drawn at random: nothing in common is left."""
    rng, every = np.random.default_rng([seed, one.index]), tuple(_boxes(len(one.pictures)))

    def neuron(found: Neuron) -> Neuron:
        new = rng.permutation(len(every)).tolist()
        groups = [g.model_copy(update={"patches": tuple(new[p] for p in g.patches)}) for g in found.groups]
        return found.model_copy(update={"concept": tuple(new[p] for p in found.concept), "groups": tuple(groups)})

    def layer(found: LayerResult) -> LayerResult:
        neurons = tuple(map(neuron, found.neurons))
        own = {(a.channel, g.index): g.patches for a in neurons for g in a.groups}
        groups = tuple(
            g.model_copy(
                update={"patches": tuple(dict.fromkeys(p for m in g.members for p in own[m.channel, m.semantic]))}
            )
            for g in found.groups
        )
        return found.model_copy(update={"neurons": neurons, "groups": groups})

    return one.model_copy(update={"layers": tuple(map(layer, one.layers)), "patches": every})
