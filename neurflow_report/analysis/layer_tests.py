"""F2, F3, F4 and F6 at one layer of one class: the knock-outs and attributions that they share, made once (METHOD §5).

One pass of knock-outs over the class's patches serves F2, F3 and F4: the core sets of the neurons tested, the
random sets of F2 and the random sets of F3 are its masks. The random sets are drawn once a layer and shared by its
neurons. The scores that F3 asks about are the search's own; for F6 each neuron is attributed on as many of its
strongest patches as the largest k.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from neurflow_report.ablation.ablation import Ablation
from neurflow_report.ablation.linear_mix import LinearMixAblation
from neurflow_report.ablation.topk_bounds import candidates
from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.class_circuit import Circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.circuit.discovery import attributions
from neurflow_report.circuit.top_patches import concepts
from neurflow_report.fidelity import methods
from neurflow_report.fidelity.concepts import robustness
from neurflow_report.fidelity.draws import Sets, as_sets, random_sets, sample
from neurflow_report.fidelity.experiment import Results
from neurflow_report.fidelity.optimality import estimated_share, kept_share, optimality
from neurflow_report.fidelity.weights import OWN, faithfulness
from neurflow_report.network import devices
from neurflow_report.progress import Step
from neurflow_report.results.catalogue import ABLATING, Sizes
from neurflow_report.results.records import Neuron, NotRun

TOGETHER = ABLATING | {"concepts"}
"""The experiments that are done here: what one draws depends on which others are asked for."""
Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


def layer_tests(run: ClassRun, cache: ActivationCache, circuit: Circuit, number: int) -> Results:
    """F2, F3, F4 and F6, those asked for, of the neurons of layer `number` ≥ 1, with knock-outs in the layer below."""
    asked, layer = set(run.settings.sizes.experiments), circuit.layers[number]
    if not layer.neurons or not asked & TOGETHER:
        return Results()
    tests = LayerTests(run, cache, circuit, number, np.random.default_rng(run.seed(number, 2)))
    found = Results()
    if "concepts" in asked:
        with run.stage(f"attributions for the tests at {layer.name}", len(tests.neurons)) as step:
            tests.attribute(step)
    if asked & ABLATING:
        with run.stage(f"knock-outs for {layer.name}", len(tests.neurons)) as step:
            tests.ablate(step)
    for experiment, test in (
        ("optimality", tests.optimality),
        ("weights", tests.weights),
        ("concepts", tests.robustness),
    ):
        found += test() if experiment in asked else Results()
    if "methods" in asked:
        found += tests.methods()
    return found


class LayerTests:
    """The tests of one layer: first `attribute` (for F6) and `ablate`, then the experiments."""

    def __init__(
        self, run: ClassRun, cache: ActivationCache, circuit: Circuit, number: int, random: np.random.Generator
    ) -> None:
        self.run, self.settings, self.cache, self.number = run, run.settings, cache, number
        self.size, self.layer, self.workspace = run.settings.sizes, circuit.layers[number], run.workspace
        self.means, self.scored = circuit.means[number], circuit.scores
        self.width = circuit.means[number - 1].shape[1]
        chosen = sample(len(self.layer.neurons), self.size.targets, random)
        self.neurons: list[Neuron] = [self.layer.neurons[i] for i in chosen]
        self.channels = [n.channel for n in self.neurons]
        self.plan = _Plan.draw(self.size, self.neurons, self.width, random)
        self.rows, self.sample = self._ranked(random)
        self.attributions: list[Floats] = []
        self.kept = np.empty((0, 0))

    @cached_property
    def depth(self) -> int:
        """How many of a neuron's strongest patches are attributed for F6."""
        return min(max((self.settings.k, *self.size.ks)), len(self.means))

    def _ranked(self, random: np.random.Generator) -> tuple[Indices, Indices]:
        """The patches ranked after a knock-out, and which of them are a random sample of all; all where so few."""
        every = len(self.means)
        if not 0 < self.size.patches < every:
            return np.arange(every), np.arange(every)
        drawn = sample(every, self.size.patches, random)
        rows = np.union1d(drawn, np.array([n.concept for n in self.neurons]).reshape(-1))
        return rows, np.searchsorted(rows, drawn)

    def attribute(self, step: Step) -> None:
        """T of each neuron tested on its strongest patches, (depth, C), strongest first."""
        channels = np.array(self.channels)
        wanted = concepts(self.means, channels, self.depth)
        self.cache.batch.note = step.note
        pair, below = self.run.layer_pairs()[self.number - 1], self.number - 1
        found = attributions(self.settings.quadrature, pair, below, channels, wanted, self.cache.activations, step)
        self.attributions = np.split(found.values.cpu().double().numpy(), len(channels))

    def ablate(self, step: Step) -> None:
        """L of every set for every neuron, (neurons, sets)."""
        self.kept = np.empty((len(self.neurons), len(self.plan.sets)))
        engine = self.cache.ablations(self.number - 1, step.note)
        numbers = self.cache.room(self.number - 1) // self.cache.pixels.element_size()
        if isinstance(engine, LinearMixAblation) and self._is_bounded(engine, numbers):
            self._ablate_bounded(engine, step)
            return
        for some in _portions(engine, len(self.channels), self.plan.sets, len(self.rows), numbers):
            phi = self._phi(engine, some)
            for t, place in enumerate(range(len(self.channels))[some.targets]):
                self.kept[place, some.sets] = self._kept(phi[:, t], np.array(self.neurons[place].concept))
            step.advance(len(range(len(self.channels))[some.targets]) if some.last else 0)

    def _is_bounded(self, engine: LinearMixAblation, numbers: int) -> bool:
        """Whether all patches are ranked, and at hand, bounds are known, and a target is offered at most `numbers`. A
        device has computed φ of all patches before the host knew which it needs."""
        if (
            not devices.is_host(self.cache.pixels.device)
            or len(self.rows) < len(self.means)
            or not engine.bounded
            or not self.cache.holds(self.number - 1)
        ):
            return False
        row = self.cache.activations(self.number - 1, self.rows[:1])
        return bool(len(self.rows) * self.width * engine.places(row) <= numbers)

    def _ablate_bounded(self, engine: LinearMixAblation, step: Step) -> None:
        """L of every set, from the patches alone that can be among a neuron's strongest."""
        removed = torch.from_numpy(self.plan.sets).to(self.cache.pixels.device)
        for place, neuron in enumerate(self.neurons):
            concept = torch.tensor(neuron.concept, device=removed.device)
            chunks = self.cache.chunks(self.number - 1)
            for found in candidates(
                engine.channel_terms(chunks, neuron.channel, patches=len(self.rows)), removed, concept
            ):
                columns = torch.searchsorted(found.patches, concept).cpu().numpy()
                self.kept[place, found.sets.cpu().numpy()] = kept_share(found.phi.cpu().numpy(), columns)
            step.advance()

    def _phi(self, engine: Ablation, some: _Portion) -> Floats:
        removed = torch.from_numpy(self.plan.sets[some.sets])
        below, every = self.number - 1, len(self.rows) == len(self.means)
        chunks = self.cache.chunks(below, None if every else self.rows)
        return np.concatenate(
            [engine.phi(x, removed, self.channels[some.targets]).cpu().numpy() for x in chunks], axis=2
        )

    def _kept(self, phi: Floats, concept: Indices) -> Floats:
        """L of each set for one neuron, (sets,), from φ of the patches ranked."""
        if len(self.rows) == len(self.means):
            return kept_share(phi, concept)
        return estimated_share(phi, np.searchsorted(self.rows, concept), self.sample, len(self.means))

    def optimality(self) -> Results:
        """F2."""
        core = [float(self.kept[i, self.plan.core[i]]) for i in range(len(self.neurons)) if i in self.plan.core]
        null = [self.kept[i, self.plan.null[len(self.neurons[i].core)]] for i in self.plan.core]
        tested = [self.channels[i] for i in self.plan.core]
        found = optimality(self.layer.name, tested, core, null, k=self.settings.k) if tested else ()
        return Results(measures=found)

    def weights(self) -> Results:
        """F3 at every size."""
        return self._through(self._scores(), "weights", OWN) + self._too_large()

    def robustness(self) -> Results:
        """F6."""
        k, ks = self.settings.k, [k for k in self.size.ks if k <= self.depth]
        if not set(ks) - {k}:
            reason = f"no other k than the circuit's own, {k}, is asked for and possible (fidelity.ks)"
            return Results(not_run=(NotRun(experiment="concepts", layer=self.layer.name, reason=reason),))
        reason = f"k over {self.depth}, the number of the class's patches"
        left = (
            [NotRun(experiment="concepts", layer=self.layer.name, reason=reason)] if len(ks) < len(self.size.ks) else []
        )
        found = robustness(self.layer.name, self.attributions, k=k, ks=ks, tau=self.settings.tau)
        return Results(measures=found, not_run=tuple(left))

    def methods(self) -> Results:
        """F4: the same sets, the scores of other methods, for the first neurons of those tested."""
        if not self.size.methods:
            reason = "no other method is asked for (fidelity.methods)"
            return Results(not_run=(NotRun(experiment="methods", layer=self.layer.name, reason=reason),))
        count = min(self.size.method_targets, len(self.neurons))
        found = self._through(self._scores()[:count], "methods", OWN)
        for method in self.size.methods:
            with self.run.stage(f"attribution by {method}", count) as step:
                try:
                    scores = np.stack([self._scored(method, i, step.advance) for i in range(count)])
                    found += self._through(scores, "methods", method)
                except methods.NotApplicableError as error:
                    missing = NotRun(experiment="methods", layer=self.layer.name, case=method, reason=str(error))
                    found += Results(not_run=(missing,))
        return found

    def _scores(self) -> Floats:
        """score(a, i) of the circuit itself, (neurons, C)."""
        return np.stack([self.scored[self.layer.name, channel] for channel in self.channels])

    def _scored(self, method: str, place: int, done: Callable[[int], None]) -> Floats:
        pair = self.workspace.layer_pairs()[self.number - 1]
        assert isinstance(pair.segment, fx.GraphModule)  # noqa: S101 what cut.py makes
        full = self.cache.activations(self.number - 1, np.array(self.neurons[place].concept))
        found = methods.scores(
            method,
            pair.segment,
            full,
            self.channels[place],
            axis=pair.axis,
            out_axis=pair.out_axis,
            rows=pair.rows,
            seed=self.settings.seed,
        )
        done(1)
        return found

    def _through(self, scores: Floats, experiment: str, method: str) -> Results:
        """F3 of the scores, one row for each of the first neurons, at every size that the layer below allows."""
        found, count = Results(), len(scores)
        for size, rows in self.plan.random.items():
            measures, missing = faithfulness(
                self.layer.name,
                self.channels[:count],
                self.plan.sets[rows],
                scores,
                self.kept[:count, rows],
                size=size,
                experiment=experiment,
                method=method,
            )
            told = missing if experiment == "weights" or not measures else ()
            found += Results(measures=measures, not_run=told)
        return found

    def _too_large(self) -> Results:
        """The sizes of F3 that the layer below does not allow."""
        sizes = [size for size in self.size.sizes if size >= self.width]
        reason = f"sets of {', '.join(map(str, sizes))}: the layer below has {self.width} channels"
        left = NotRun(experiment="weights", layer=self.layer.name, reason=reason)
        return Results(not_run=(left,) if sizes else ())


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """All sets of one layer, and which of them serve what; there a set that was drawn twice is listed twice.

    Attributes:
        sets: each once, (M, C), True where a channel is knocked out.
        core: by neuron tested, its own set.
        null: by size of a core set.
        random: by size, F3's.
    """

    sets: Sets
    core: dict[int, int]
    null: dict[int, Indices]
    random: dict[int, Indices]

    @classmethod
    def draw(cls, size: Sizes, neurons: Sequence[Neuron], width: int, random: np.random.Generator) -> _Plan:
        """The sets that the experiments asked for need."""
        asked = size.experiments
        rows: list[Sets] = [np.zeros((0, width), dtype=bool)]

        def add(sets: Sets) -> Indices:
            start = sum(map(len, rows))
            rows.append(sets)
            return np.arange(start, start + len(sets))

        core, null, drawn = dict[int, Indices](), dict[int, Indices](), dict[int, Indices]()
        if "optimality" in asked:
            for i, neuron in enumerate(neurons):
                if 0 < len(neuron.core) < width:
                    core[i] = add(as_sets([[s.channel for s in neuron.core]], width))
            for count in sorted({len(neurons[i].core) for i in core}):
                null[count] = add(random_sets(width, count, size.optimality_draws, random))
        if {"weights", "methods"} & set(asked):
            for count in size.sizes:
                if count < width:
                    drawn[count] = add(random_sets(width, count, size.weight_draws, random))
        every, found = np.unique(np.concatenate(rows), axis=0, return_inverse=True)
        place = found.reshape(-1)
        return cls(
            sets=every,
            core={i: int(place[row[0]]) for i, row in core.items()},
            null={count: place[row] for count, row in null.items()},
            random={count: place[row] for count, row in drawn.items()},
        )


@dataclass(frozen=True, kw_only=True)
class _Portion:
    targets: slice
    sets: slice
    last: bool


def _portions(engine: Ablation, targets: int, sets: Sets, patches: int, numbers: int) -> Iterator[_Portion]:
    """Targets and sets a few at a time, so that φ of all patches is at most `numbers` numbers: a mixed segment is
    cheapest with all sets at once, one that is run whole with all targets at once."""
    fitting = max(1, numbers // patches)
    if isinstance(engine, LinearMixAblation):
        step, width = max(1, fitting // max(1, len(sets))), max(1, len(sets))
    else:
        step, width = targets, max(1, fitting // targets)
    for t in range(0, targets, step):
        for m in range(0, len(sets), width):
            yield _Portion(targets=slice(t, t + step), sets=slice(m, m + width), last=m + width >= len(sets))
