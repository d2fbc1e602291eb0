"""How often the intervals and tests of the experiments hold what they should, beside others that could be taken.

    python bench/intervals.py [--runs 8] [--class firebell] [--json FILE]

1. A share of 40 pictures (F1): Wilson's interval, Clopper and Pearson's, and a bootstrap over the pictures; exactly, by
   summing over all outcomes. The mean over random sets (F1's null), where sets and pictures differ in what they lose.
2. The correlation of edges (F8) where weights and drops hang on the groups but not on each other: how often the test
   calls it, at 5%, shuffled pair by pair and with the groups renamed; and how often Fisher's interval holds 0.
3. The figures of a layer (F2 to F7): a class of the demo is drawn again and again, 40 fresh pictures a run, and its
   circuit found and tested in each. An interval should hold the figure's mean over the runs, and be about as wide as
   the figure varies between them (3.92 standard deviations). `program` is the interval that the reports show; the
   others are a bootstrap over the neurons tested, Wilson's of all their trials together, and a bootstrap over the
   patches of each concept or over pictures, all patches of one together.

Exit code 1 where a figure's own intervals, over layers with three neurons or more, hold the mean in under 80% of the
runs, F8's test calls more than 7.5% of nothing, or Wilson's interval, or the null's, holds less than 90%.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy import optimize, special, stats

from neurflow_report.analysis.class_circuit import Circuit, find_circuit
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.analysis.layer_tests import LayerTests
from neurflow_report.circuit.top_patches import core_set
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.fidelity.critical import marginal_contributions, neuron_mct
from neurflow_report.fidelity.edges import renamed
from neurflow_report.fidelity.intervals import crossed_share, fisher, pearson, permutation_p, student, wilson
from neurflow_report.fidelity.optimality import optimality
from neurflow_report.fidelity.stability import stability
from neurflow_report.images.patches import PatchGrid
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.cut import cut
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.evidence import Measure
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec

Floats = NDArray[np.floating]
Range = tuple[float, float]
Ways = dict[str, Range]
Row = tuple[str, float, int, Ways]
"""Figure, its value, the neurons behind it, its intervals."""
PICTURES, K, DEEP, DRAWS, RESAMPLES = 40, 50, 110, 50, 400
LAYERS = ("block1", "block2", "block3", "block4", "fc")
SHARES = (0.5, 0.7, 0.9, 0.95, 0.975, 0.99)
EFFECTS = ((0.0, 0.0), (1.5, 0.0), (0.0, 1.5), (1.5, 1.5), (0.0, 8.0))
GRIDS = ((2, 3), (4, 12), (8, 10), (1, 8))
SPEC = Spec.model_validate(
    {
        "version": 1, "title": "t", "model": {"source": "demo", "name": "flowers"},
        "data": {"source": "demo", "limit": PICTURES}, "classes": [0], "layers": list(LAYERS), "concept": {"k": K},
        "core": {"tau": 4}, "runtime": {"memory": "600MiB"},
        "fidelity": {
            "experiments": ("optimality", "weights", "methods", "concepts"), "targets": 50, "optimality_draws": DRAWS,
            "weight_draws": 128, "sizes": (1,), "methods": ("gradient × input",), "method_targets": 8,
            "ks": (30, 70, DEEP), "patches": 0,
        },
    }
)  # fmt: skip


def exact(n: int, share: float) -> dict[str, tuple[float, float]]:
    """(coverage, mean width) of each interval of a share of n pictures, over all outcomes."""
    seen = np.arange(n + 1)
    chances = stats.binom.pmf(seen, n, share)
    ways: dict[str, Callable[[int], Sequence[float]]] = {
        "program": lambda x: wilson(x, n),
        "pictures": lambda x: stats.binom.ppf([0.025, 0.975], n, x / n) / n,
        "Clopper and Pearson": lambda x: stats.binomtest(x, n).proportion_ci(0.95, method="exact"),
    }
    found = {}
    for name, way in ways.items():
        ends = np.array([way(int(x)) for x in seen])
        holds = (ends[:, 0] - 1e-12 <= share) & (share <= ends[:, 1] + 1e-12)
        found[name] = float(chances @ holds), float(chances @ (ends[:, 1] - ends[:, 0]))
    return found


def crossed(
    of_sets: float, of_pictures: float, share: float = 0.1, trials: int = 400
) -> dict[str, tuple[float, float]]:
    """(coverage, mean width) of each interval of what PICTURES random sets lose on average of as many pictures:
    `share`, where the logit of a loss has an effect of the set and one of the picture, of these standard deviations."""
    random, size = np.random.default_rng(0), (PICTURES, PICTURES)
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = float(np.hypot(of_sets, of_pictures))
    shift = optimize.brentq(
        lambda s: float(weights @ special.expit(spread * points + s)) / weights.sum() - share, -50, 50
    )
    ways: dict[str, Callable[[NDArray[np.bool_]], Range]] = {
        "program": crossed_share,
        "sets alone": lambda hits: student(hits.mean(axis=1)) or (0, 1),
        "pictures alone": lambda hits: student(hits.mean(axis=0)) or (0, 1),
        "Wilson, one set": lambda hits: wilson(float(hits.mean()) * PICTURES, PICTURES),
    }
    ends: dict[str, list[Range]] = {name: [] for name in ways}
    for _ in range(trials):
        logits = of_sets * random.normal(size=(size[0], 1)) + of_pictures * random.normal(size=(1, size[1])) + shift
        hits = random.random(size) < special.expit(logits)
        for name, way in ways.items():
            ends[name].append(way(hits))
    return {
        name: (float(np.mean([low <= share <= high for low, high in e])), float(np.mean([h - low for low, h in e])))
        for name, e in ends.items()
    }


def called(upper: int, lower: int, own: float, trials: int = 400) -> dict[str, float]:
    """How often F8's test calls weights and drops that know nothing of each other, each with effects of its groups and
    `own` of each pair beside."""
    random, counts = np.random.default_rng(0), dict.fromkeys(("pair by pair", "program", "Fisher holds 0"), 0)

    def grid() -> Floats:
        return (
            random.normal(size=(upper, 1)) + random.normal(size=(1, lower)) + own * random.normal(size=(upper, lower))
        )

    for _ in range(trials):
        weights, drops = grid(), grid().reshape(-1)
        r = pearson(weights.reshape(-1), drops) or 0.0
        ways = {"pair by pair": lambda w=weights: random.permutation(w.reshape(-1)),
                "program": lambda w=weights: renamed(w, random)}  # fmt: skip
        for name, way in ways.items():
            null = [pearson(way(), drops) or 0.0 for _ in range(99)]
            counts[name] += permutation_p(r, null, smaller=False) <= 0.05
        low, high = fisher(r, weights.size)
        counts["Fisher holds 0"] += low <= 0 <= high
    return {name: count / trials for name, count in counts.items()}


class Recorded(LayerTests):
    """The tests of a layer, with which patches of each concept stay under each set: `inside`, (sets, k) a neuron."""

    def ablate(self, step: Any) -> None:
        """As the program does, all patches ranked for every set."""
        self.inside: list[NDArray[np.bool_]] = []
        super().ablate(step)

    def _is_bounded(self, *_: Any) -> bool:
        return False

    def _kept(self, phi: Floats, concept: NDArray[np.int64]) -> Floats:
        order = np.argsort(-phi, axis=1, kind="stable")[:, : len(concept)]
        top = np.zeros(phi.shape, dtype=bool)
        np.put_along_axis(top, order, True, axis=1)
        self.inside.append(top[:, concept])
        return super()._kept(phi, concept)


def spread(figure: Callable[[np.random.Generator], float]) -> Range:
    """The 95% range of a figure over its resamples."""
    found = [figure(np.random.default_rng(i)) for i in range(RESAMPLES)]
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def neurons_resampled(values: Sequence[float]) -> Range:
    """A bootstrap over the neurons."""
    return spread(lambda random: float(random.choice(values, size=len(values)).mean()))


def pooled(value: float, trials: int) -> Range:
    """Wilson's of all trials together."""
    return wilson(value * trials, trials)


def times(random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """How often each of `count` things is drawn in a bootstrap."""
    return np.bincount(random.integers(count, size=count), minlength=count)


def of(m: Measure) -> Range:
    """The interval that the reports show."""
    return m.low, m.high


def optimal(tests: Recorded, per: int) -> Iterator[Row]:
    """F2: the share of random sets beaten, and the share of the concept kept."""
    places = list(tests.plan.core)
    inside = [tests.inside[i].astype(float) for i in places]
    pictures = [np.array(tests.neurons[i].concept) // per for i in places]
    sets = [(tests.plan.core[i], tests.plan.null[len(tests.neurons[i].core)]) for i in places]
    core, null = ([rows[s].mean(axis=-1) for rows, both in zip(inside, sets, strict=True) for s in [both[part]]]
                  for part in (0, 1))  # fmt: skip
    found = {m.case: m for m in optimality("a", places, core, null, k=K) if m.channel is None}
    beaten = [float((n > c).mean()) for n, c in zip(null, core, strict=True)]

    def figure(weights: Sequence[Floats], case: str) -> float:
        each = []
        for rows, w, (own, others) in zip(inside, weights, sets, strict=True):
            left = rows @ w / max(1, w.sum())
            each.append(float((left[others] > left[own] + 1e-12).mean() if case == "beaten" else left[own]))
        return float(np.mean(each))

    for case, one, trials in (("beaten", beaten, DRAWS), ("kept", core, K)):
        ways = {
            "program": of(found[case]),
            "neurons": neurons_resampled(one),
            "all trials": pooled(float(np.mean(one)), trials * len(one)),
            "patches": spread(lambda random, c=case: figure([times(random, K) for _ in inside], c)),
            "pictures": spread(lambda random, c=case: _by_picture(figure, times(random, PICTURES), pictures, c)),
        }
        yield f"F2 {case}", found[case].value, len(one), ways


def _by_picture(figure: Any, drawn: NDArray[np.int64], pictures: Sequence[NDArray[np.int64]], case: str) -> float:
    return float(figure([drawn[p].astype(float) for p in pictures], case))


def robust(tests: Recorded, per: int) -> Iterator[Row]:
    """F6: the overlap of the core sets at k = 30 and 70 with those at 50."""
    order = [np.argsort(-tests.means[:, c], kind="stable")[:DEEP] // per for c in tests.channels]

    def overlap(T: Floats, rows: NDArray[np.int64], k: int) -> float:
        sets = [set(core_set(np.abs(T[rows[:size]]).mean(axis=0), 4).tolist()) for size in (K, k)]
        return len(sets[0] & sets[1]) / len(sets[0]) if sets[0] else float("nan")

    def by_picture(random: np.random.Generator, k: int) -> float:
        drawn, every = times(random, PICTURES), np.arange(DEEP)
        return float(
            np.nanmean(
                [overlap(T, np.repeat(every, drawn[p]), k) for T, p in zip(tests.attributions, order, strict=True)]
            )
        )

    for m in tests.robustness().measures:
        if m.setting in {30, 70}:
            one = [overlap(T, np.arange(DEEP), m.setting) for T in tests.attributions]
            yield (
                f"F6 k = {m.setting}",
                m.value,
                len(one),
                {
                    "program": of(m),
                    "neurons": neurons_resampled([x for x in one if x == x]),
                    "pictures": spread(lambda random, k=m.setting: by_picture(random, k)),
                },
            )


def correlations(tests: Recorded) -> Iterator[Row]:
    """F3: r of single channels; F4: r of the circuit's scores less that of gradient × input, over the neurons."""
    found = tests.methods("x", Silent()).measures
    yield from (
        ("F3 r", m.value, len(tests.channels), {"program": of(m)})
        for m in tests.weights().measures
        if m.channel is None
    )
    own, other = ({m.channel: m.value for m in found if m.case == c and m.channel is not None} for c in
                  ("integrated gradients", "gradient × input"))  # fmt: skip
    pairs = [own[c] - other[c] for c in own if c in other]
    ends = student(pairs)
    if ends is not None:
        ways = {"program": ends, "neurons": neurons_resampled(pairs)}
        yield "F4 difference of r", float(np.mean(pairs)), len(pairs), ways


def grouped(circuit: Circuit, number: int) -> Iterator[Row]:
    """F7: the adjusted Rand index of the semantic groups, over the neurons."""
    layer, r = circuit.layers[number], circuit.means[max(number - 1, 0)]
    parted = [n for n in layer.neurons if len(n.groups) > 1]
    options: dict[str, Any] = {"draws": 10, "max_semantic": 5, "max_neuron": 1, "seed": (0,)}
    for m in stability(layer, r, **options):
        one = [stability(layer.model_copy(update={"neurons": (n,)}), r, **options)[0].value for n in parted]
        yield "F7 semantic groups", m.value, len(parted), {"program": of(m), "neurons": neurons_resampled(one)}


def critical(workspace: Workspace, circuit: Circuit, number: int, logit: int, pixels: torch.Tensor) -> Iterator[Row]:
    """F5, NeuronMCT: the share of the core set found."""
    core, top = [n.channel for n in circuit.layers[number].neurons], len(LAYERS) - 1
    above, axis = workspace.segments.between(number, top), workspace.segments.feature_axis(number)
    given = marginal_contributions(above, workspace.forward.activations(number, pixels), logit, axis)
    m = neuron_mct(LAYERS[number], core, given)
    again = spread(lambda random: neuron_mct("", core, given[random.integers(len(given), size=len(given))]).value)
    yield "F5 NeuronMCT", m.value, len(core), {"program": of(m), "pictures": again}


def rows_of(model: torch.nn.Module, logit: int, number: int) -> Iterator[tuple[str, Row]]:
    """(layer, figure) of everything, on 40 pictures of its own."""
    preprocess, first = NETWORKS["flowers"].preprocess, 1000 + 2 * PICTURES * number
    pool = torch.stack([to_input(DATASET.draw(logit, first + n)[0], preprocess)[0] for n in range(2 * PICTURES)])
    pixels = pool[model(pool).argmax(1) == logit][:PICTURES]
    grid = PatchGrid(size=64, scales=(1.0, 0.5, 0.25), stride=0.5)
    workspace = Workspace.set_up(cut(model, list(LAYERS), pixels[:1]), grid, 600 * 2**20, pixels[:1])
    run = ClassRun.of(workspace, SPEC, pixels, logit=logit, name="x", progress=Silent())
    circuit = find_circuit(run)
    cache = circuit.cache.going_up()
    for at, layer in enumerate(LAYERS):
        rows = [*grouped(circuit, at)]
        rows += critical(workspace, circuit, at, logit, pixels) if at < len(LAYERS) - 1 else []
        if at:
            tests = Recorded(run, cache, circuit, at, np.random.default_rng([number, at]))
            tests.attribute(SilentStep())
            tests.ablate(SilentStep())
            rows += [*optimal(tests, grid.per_image), *robust(tests, grid.per_image), *correlations(tests)]
        yield from ((layer, row) for row in rows)


def coverage(found: Sequence[tuple[float, int, Ways]]) -> dict[str, Any]:
    """How often each interval holds the figure's mean over the runs, and its mean width."""
    values, ways = [value for value, _, _ in found], found[0][2]
    mean = float(np.mean(values))

    def one(way: str) -> dict[str, float]:
        ends = np.array([row[2][way] for row in found])
        held = (ends[:, 0] - 1e-9 <= mean) & (mean <= ends[:, 1] + 1e-9)
        return {"held": float(held.mean()), "width": float((ends[:, 1] - ends[:, 0]).mean())}

    return {
        "mean": mean,
        "varies": 3.92 * float(np.std(values, ddof=1)),
        "neurons": float(np.mean([n for _, n, _ in found])),
        "ways": {way: one(way) for way in ways},
    }


def figures(logit: int, runs: int) -> dict[str, dict[str, Any]]:
    """The coverage of every figure's intervals, by "figure, layer"."""
    network, found = NETWORKS["flowers"], defaultdict[str, list[tuple[float, int, Ways]]](list)
    model = network.build()
    model.load_state_dict(load_file(network.weights))
    model.eval().requires_grad_(False)
    for number in range(runs):
        for layer, (name, *row) in rows_of(model, logit, number):
            found[f"{name}, {layer}"].append((row[0], row[1], row[2]))
    return {title: coverage(rows) for title, rows in sorted(found.items()) if len(rows) > 1}


def failures(
    shares: Mapping[float, Mapping[str, tuple[float, float]]],
    nulls: Mapping[str, Mapping[str, tuple[float, float]]],
    tests: Mapping[str, Mapping[str, float]],
    rows: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """What does not hold as often as it should."""
    by_figure = defaultdict[str, list[float]](list)
    for title, row in rows.items():
        if row["neurons"] >= 3:
            by_figure[title.split(",")[0]].append(row["ways"]["program"]["held"])
    return [
        *(f"Wilson at {share}" for share, ways in shares.items() if ways["program"][0] < 0.9),
        *(f"the null with {effects}" for effects, ways in nulls.items() if ways["program"][0] < 0.9),
        *(f"F8 with {grid}" for grid, ways in tests.items() if ways["program"] > 0.075),
        *(name for name, held in by_figure.items() if np.mean(held) < 0.8),
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the four tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8, help="samples of 40 pictures")
    parser.add_argument("--class", dest="name", default="firebell", help="a class of the demo")
    parser.add_argument("--json", type=Path, help="write the rows there")
    options = parser.parse_args(argv)
    shares = {share: exact(PICTURES, share) for share in SHARES}
    for share, ways in shares.items():
        print(f"share {share}:", ", ".join(f"{w} {held:.0%} (width {width:.2f})" for w, (held, width) in ways.items()))
    nulls = {f"sets {a}, pictures {b}": crossed(a, b) for a, b in EFFECTS}
    for effects, ways in nulls.items():
        print(
            f"null, {effects}:", ", ".join(f"{w} {held:.0%} (width {width:.2f})" for w, (held, width) in ways.items())
        )
    tests = {f"{u} × {lower} groups": called(u, lower, 0.5) for u, lower in GRIDS}
    for grid, found in tests.items():
        print(f"F8, {grid}:", ", ".join(f"{name} {share:.1%}" for name, share in found.items()), flush=True)
    rows = figures(DATASET.class_names.index(options.name), options.runs) if options.runs else {}
    for title, row in rows.items():
        told = ", ".join(f"{way} {w['held']:.0%} (width {w['width']:.2f})" for way, w in row["ways"].items())
        print(f"{title}: mean {row['mean']:.2f}, varies {row['varies']:.2f}, {row['neurons']:.0f} neurons; {told}")
    if options.json:
        options.json.write_text(
            json.dumps({"shares": shares, "nulls": nulls, "edges": tests, "figures": rows}, indent=1)
        )
    failed = failures(shares, nulls, tests, rows)
    print("\n".join(f"too narrow: {name}" for name in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
