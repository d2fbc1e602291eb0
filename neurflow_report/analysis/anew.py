"""Some neurons and tests of a bundle, computed anew from the model and the data, and compared with what it says.

A neuron is searched again on its own: its concept, its attributions, its core, its semantic groups. A test is a row of
F1, or another experiment at a layer (experiments_anew.py). Another machine rounds otherwise, so they are compared
within `ACTIVATION`, `PATCHES`, `SCORE`, `WEIGHT` and a picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, TypeVar

import numpy as np

from neurflow_report.analysis.class_circuit import Circuit, patch_means
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.experiments import class_masking
from neurflow_report.analysis.experiments_anew import NOT_ANEW, AtLayer, at_layers_of, experiments_anew
from neurflow_report.analysis.run import How, class_run, in_halves, pictures_of
from neurflow_report.circuit.discovery import Search, layer_neurons
from neurflow_report.errors import Path
from neurflow_report.fidelity.certificates import chosen_tau
from neurflow_report.images.select import Chosen
from neurflow_report.network.fence import blamed
from neurflow_report.progress import Progress
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.contradictions import Contradiction
from neurflow_report.results.records import ClassResult, Masking, Neuron, TwoSided
from neurflow_report.setup.precision import arithmetic
from neurflow_report.setup.preflight import Ready, preflight
from neurflow_report.setup.settings import RunSettings
from neurflow_report.spec.load import LoadedSpec
from neurflow_report.spec.schema import Debug, Facets, Labels

ACTIVATION = 1e-3
"""By how much an activation may differ, of the largest of the neuron's."""
PATCHES = 0.9
"""The share of a concept's patches that are to be the same."""
SCORE = 0.02
"""By how much a score may differ, of the largest of the neuron's."""
WEIGHT = 0.02
"""By how much a weight may differ, where the semantic group has the same patches."""


T = TypeVar("T")
Rows = Literal["masking", "two_sided"]
CONSERVED = 3
"""The first format whose experiments are computed as they are today."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What is looked at of one class: neurons by layer and place there, rows of F1 by the record's field and place in
    it, and other tests."""

    neurons: tuple[tuple[int, int], ...]
    rows: tuple[tuple[Rows, int], ...]
    tests: tuple[AtLayer, ...] = ()


def anew(loaded: LoadedSpec, bundle: Bundle, count: int, *, progress: Progress) -> Iterator[Contradiction]:
    """Compute `count` neurons, tests of F1 and other tests anew, drawn by the run's seed, where there are so many.

    Returns: what is not as the bundle says.
    Raises: what `analyze` raises.
    """
    with arithmetic():
        ready = preflight(_without_what_is_left_out(loaded), progress=progress, keep_going=bool(bundle.run.failed))
        with blamed("it is examined"):
            yield from _anew(loaded, ready, bundle, count, progress)


def _without_what_is_left_out(loaded: LoadedSpec) -> LoadedSpec:
    """The spec without what is not computed anew, and so need not be at hand: pictures to explain, a model of labels,
    concepts."""
    spec = loaded.spec
    fidelity = spec.fidelity.model_copy(update={"concepts_from": None})
    update = {"debug": Debug(), "labels": Labels(), "facets": Facets(), "fidelity": fidelity}
    return replace(loaded, spec=spec.model_copy(update=update))


def sample(classes: Sequence[ClassResult], count: int, seed: int, *, other_tests: bool = True) -> tuple[Drawn, ...]:
    """Which neurons, rows of F1 and other tests, `count` of each where there are so many, of each class."""
    neurons = [
        (n, (number, place))
        for n, result in enumerate(classes)
        for number, layer in enumerate(result.layers)
        for place in range(len(layer.neurons))
    ]
    rows = [(n, row) for n, result in enumerate(classes) for row in _rows_of(result)]
    tests = [(n, test) for n, result in enumerate(classes) for test in at_layers_of(result) if other_tests]
    random = np.random.default_rng([seed, count])

    def some(of: Sequence[T]) -> list[T]:
        return [of[i] for i in sorted(random.permutation(len(of))[:count].tolist())]

    drawn = some(neurons), some(rows), some(tests)
    return tuple(
        Drawn(
            neurons=tuple(one for c, one in drawn[0] if c == n),
            rows=tuple(one for c, one in drawn[1] if c == n),
            tests=tuple(one for c, one in drawn[2] if c == n),
        )
        for n in range(len(classes))
    )


def sample_of(bundle: Bundle, count: int) -> tuple[Drawn, ...]:
    """The sample that `anew` looks at."""
    other_tests = bundle.manifest.format_version >= CONSERVED
    return sample(bundle.classes, count, bundle.run.settings.seed, other_tests=other_tests)


def told(bundle: Bundle, drawn: Sequence[Drawn]) -> tuple[str, str]:
    """What of a bundle is computed anew, and what is not ("" for nothing), in words."""
    every = sample_of(bundle, sum(map(_size, bundle.classes)))
    counts = [[sum(len(getattr(one, name)) for one in side) for side in (drawn, every)] for name in _PARTS]
    some = [f"{few} of {whole} {what}" for (few, whole), what in zip(counts, _PARTS.values(), strict=True)]
    each = [Counter(test.experiment for one in side for test in one.tests) for side in (drawn, every)]
    known = [f"{e.number} {each[0][name]} of {each[1][name]}" for name, e in EXPERIMENTS.items() if each[1][name]]
    among = f" ({', '.join(known)})" if known else ""
    looked = f"{', '.join(some[:2])} and {some[2]}{among}, computed anew"
    left = ["all other neurons and tests"] if any(few < whole for few, whole in counts) else []
    left += ["F11's p- and q-values"] if each[0]["causal"] else []
    if any(m.experiment == NOT_ANEW for result in bundle.classes for m in result.measures):
        left.append(f"{EXPERIMENTS[NOT_ANEW].number} (its draws need the whole search)")
    left += ["the certificates of τ"] if any(result.certificates for result in bundle.classes) else []
    left += ["the explained pictures"] if any(result.debugged for result in bundle.classes) else []
    left += ["the tests of concepts"] if any(result.concept_tests for result in bundle.classes) else []
    left += ["the pictures made for groups"] if any(result.facets for result in bundle.classes) else []
    left += ["labels of neuron groups"] if bundle.run.labels is not None else []
    left += ["the coherence of neuron groups"] if any(result.labels for result in bundle.classes) else []
    left += ["the controls"] if any(result.controls for result in bundle.classes) else []
    if bundle.manifest.format_version < CONSERVED:
        left.append(f"all experiments but F1, which were measured otherwise in format {bundle.manifest.format_version}")
    return looked, f"{', '.join(left)}, computed anew" if left else ""


_PARTS = {"neurons": "neurons", "rows": "tests of F1", "tests": "other experiments at a layer"}


def _size(result: ClassResult) -> int:
    return sum(len(layer.neurons) for layer in result.layers) + len(_rows_of(result)) + len(at_layers_of(result))


def _rows_of(result: ClassResult) -> list[tuple[Rows, int]]:
    names: tuple[Rows, ...] = ("masking", "two_sided")
    return [(name, place) for name in names for place in range(len(getattr(result, name)))]


def _anew(loaded: LoadedSpec, ready: Ready, bundle: Bundle, count: int, progress: Progress) -> Iterator[Contradiction]:
    run = bundle.run
    unlike = list(_unlike(ready, bundle))
    if unlike:
        yield from (Contradiction(slug=None, place=place, message=message) for place, message in unlike)
        return
    with progress.stage("choose pictures", None) as step:
        spec, ready, choice, _ = pictures_of(loaded.spec, ready, How(keep_going=bool(run.failed)), step)
    settings = replace(RunSettings.of(spec), precision=run.settings.precision)
    known = zip(ready.targets, choice.classes, choice.others, strict=True)
    wanted = {target.index: (target, chosen, alien) for target, chosen, alien in known}
    for result, drawn in zip(bundle.classes, sample_of(bundle, count), strict=True):
        if not drawn.neurons and not drawn.rows and not drawn.tests:
            continue
        if result.index not in wanted:
            told = "the spec does not ask for this class" + (", or it cannot be examined" if run.failed else "")
            yield Contradiction(slug=result.slug, place=("pictures",), message=told)
            continue
        target, chosen, alien = wanted[result.index]
        if told := _other_pictures(result, [*chain(*in_halves(spec, chosen))]):
            yield Contradiction(slug=result.slug, place=("pictures",), message=told)
            continue
        own = class_run(spec, ready, settings, target, chosen, alien, progress)
        for place, message in _of_class(own, result, drawn):
            yield Contradiction(slug=result.slug, place=place, message=message)


def _unlike(ready: Ready, bundle: Bundle) -> Iterator[tuple[Path, str]]:
    """What of the network and the layers is another, so that nothing can be compared."""
    run = bundle.run
    if ready.network.digest != run.model.digest:
        yield (
            ("model", "digest"),
            f"it is {run.model.digest[:12]}…, and the spec's network has {ready.network.digest[:12]}…",
        )
    names = tuple(info.name for info in ready.workspace.segments.layers)
    if names != tuple(layer.name for layer in run.layers):
        yield ("layers",), f"they are not those of the spec, {', '.join(names)}"


def _other_pictures(result: ClassResult, chosen: Sequence[Chosen]) -> str:
    found = [picture.sha256 for picture in chosen]
    due = [picture.sha256 for picture in result.pictures]
    if found == due:
        return ""
    apart = next((n for n, (a, b) in enumerate(zip(found, due, strict=False)) if a != b), min(len(found), len(due)))
    return f"from picture {apart} on they are not those that the spec chooses ({len(due)} and {len(found)})"


def _of_class(run: ClassRun, result: ClassResult, drawn: Drawn) -> Iterator[tuple[Path, str]]:
    if run.settings.automatic is not None:
        run = replace(run, settings=run.settings.at(chosen_tau(result.certificates, run.settings.tau)))
    means, cache = patch_means(run, "patches")
    search = Search(
        k=run.settings.k,
        tau=run.settings.tau,
        max_semantic=run.settings.max_semantic,
        quadrature=run.settings.quadrature,
    )
    names = [layer.name for layer in result.layers]
    for number in sorted({number for number, _ in drawn.neurons}, reverse=True):
        places = [place for at, place in drawn.neurons if at == number]
        own = [result.layers[number].neurons[place] for place in places]
        core = np.array([neuron.channel for neuron in own], np.int64)
        with run.stage(f"neurons of {names[number]}", len(core)) as step:
            cache.batch.note = step.note
            found = layer_neurons(search, names, run.layer_pairs(), means, number, core, cache.activations, step)
        for place, one, other in zip(places, own, found, strict=True):
            at: Path = ("layers", number, "neurons", place)
            yield from (((*at, *inner), message) for inner, message in differences(one, other))
    circuit = Circuit(means=means, layers=result.layers, edges=result.edges, scores={}, cache=cache)
    if drawn.rows:
        masked = class_masking(run, circuit)
        one_sided = {_key(row): row for row in masked.masking}
        two_sided = {(row.ablation, *_key(row)): row for row in masked.two_sided}
        for name, place in drawn.rows:
            if name == "masking":
                row = result.masking[place]
                yield from _row((name, place), row, one_sided.get(_key(row)))
            else:
                both = result.two_sided[place]
                yield from _both_sides((name, place), both, two_sided.get((both.ablation, *_key(both))))
    yield from experiments_anew(run, circuit, result, drawn.tests, search)


def differences(kept: Neuron, found: Neuron) -> Iterator[tuple[Path, str]]:
    """What of a neuron is another than it is anew, beyond what rounding does."""
    most = max(map(abs, found.activations), default=0.0) or 1.0
    shared = set(kept.concept) & set(found.concept)
    if len(shared) < PATCHES * len(found.concept) or len(kept.concept) != len(found.concept):
        yield ("concept",), f"{len(shared)} of {len(found.concept)} patches are those found anew"
        return
    again = dict(zip(found.concept, found.activations, strict=True))
    for patch, value in zip(kept.concept, kept.activations, strict=True):
        if patch in again and abs(again[patch] - value) > ACTIVATION * most:
            yield ("activations",), f"on patch {patch} it is {value:.6g}, and anew {again[patch]:.6g}"
            break
    scores = {score.channel: score.score for score in found.core}
    top = max(scores.values(), default=0.0)
    last = min(scores.values(), default=0.0)
    for score in kept.core:
        due = scores.get(score.channel, last)
        if abs(score.score - due) > SCORE * top:
            yield ("core",), f"the score of neuron {score.channel} is {score.score:.6g}, and anew {due:.6g}"
            break
    if len(kept.core) != len(found.core):
        yield ("core",), f"it has {len(kept.core)} neurons, and anew {len(found.core)}"
    groups = {frozenset(group.patches): group for group in found.groups}
    for number, group in enumerate(kept.groups):
        other = groups.get(frozenset(group.patches))
        weights = {} if other is None else {edge.channel: edge.weight for edge in other.edges}
        for edge in group.edges:
            if edge.channel in weights and abs(edge.weight - weights[edge.channel]) > WEIGHT:
                told = f"the weight of neuron {edge.channel} is {edge.weight:.6g}, and anew {weights[edge.channel]:.6g}"
                yield ("groups", number, "edges"), told
                break


def _key(row: Masking | TwoSided) -> tuple[str, str, int, bool]:
    return row.mode, row.layer, row.tau, row.cumulative


def _row(place: Path, kept: Masking, found: Masking | None) -> Iterator[tuple[Path, str]]:
    """A row of F1: each accuracy within one picture, and so the mean of its null."""
    if found is None:
        yield place, "anew there is no such test"
        return
    pairs = {name: (getattr(kept, name), getattr(found, name)) for name in ("baseline", "accuracy")}
    pairs["null"] = _mean(kept.null), _mean(found.null)
    yield from _unlike_by_pictures(place, pairs, 1 / max(1, kept.n))


def _both_sides(place: Path, kept: TwoSided, found: TwoSided | None) -> Iterator[tuple[Path, str]]:
    """F1 with pictures of other classes: each share within one of its pictures, J and the mean of its null within one
    of each."""
    if found is None:
        yield place, "anew there is no such test"
        return
    own, others = 1 / max(1, kept.n), 1 / max(1, kept.others)
    for names, one in ((("tpr_before", "tpr"), own), (("fpr_before", "fpr"), others), (("j",), own + others)):
        pairs = {name: (getattr(kept, name), getattr(found, name)) for name in names}
        yield from _unlike_by_pictures(place, pairs, one)
    yield from _unlike_by_pictures(place, {"null": (_mean(kept.null), _mean(found.null))}, own + others)


def _unlike_by_pictures(
    place: Path, pairs: Mapping[str, tuple[float, float]], one: float
) -> Iterator[tuple[Path, str]]:
    for name, (kept, found) in pairs.items():
        if abs(kept - found) > one + 1e-6:
            yield (*place, name), f"it is {kept:.6g}, and anew {found:.6g}"


def _mean(null: Sequence[float]) -> float:
    return float(np.mean(null)) if null else 0.0
