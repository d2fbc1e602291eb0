"""How often each test finds planted effects of graded strength: its power, beside its false alarms at strength 0.

    python bench/power.py 200      # prints the tables of docs/evidence.md

Networks of one linear layer whose weights and activations are drawn anew in each run, so that what is there is known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from neurflow_report.circuit.deletions import Deletions
from neurflow_report.circuit.top_patches import core_set
from neurflow_report.fidelity.causal import edge_tests, judged
from neurflow_report.fidelity.certificates import certificate, one_tau
from neurflow_report.fidelity.intervals import clopper_pearson
from neurflow_report.results.flow import Edge
from neurflow_report.results.records import LayerResult, Member, Neuron, NeuronGroup, SemanticGroup

CHANNELS, PICTURES, DRAWS, LEVEL = 128, 40, 100, 0.05
Run = Callable[[float, int], bool]


def main(runs: int) -> None:
    """Print a table a test."""
    for title, column, strengths, run in (
        ("F11: an edge counts", "weight of the planted group, others' 0 ± 1", (0.0, 1.0, 2.0, 3.0, 4.0, 6.0), edge),
        ("F13: a neuron is sure", "T of the neuron over the others', in deviations", (0.0, 0.5, 1.0, 1.5, 2.0), sure),
        ("core.tau: a layer is certified, of 20 pictures", "TPR", (0.75, 0.8, 0.9, 0.95, 1.0), partial(held, 20)),
        ("core.tau: a layer is certified, of 50 pictures", "TPR", (0.75, 0.8, 0.9, 0.95, 1.0), partial(held, 50)),
    ):
        print(f"| {title}: {column} | " + " | ".join(f"{s:g}" for s in strengths) + " |")
        print("| --- " * (1 + len(strengths)) + "|")
        shares = [sum(run(strength, seed) for seed in range(runs)) / runs for strength in strengths]
        print(f"| share of {runs} runs | " + " | ".join(f"{share:.0%}" for share in shares) + " |\n", flush=True)


def edge(strength: float, seed: int) -> bool:
    """Whether F11 finds the planted edge among four: the upper neuron's weights to a group of 3 are set, all else is
    drawn around 0. At strength 0 the group is like all others, and any edge counts as found."""
    random = np.random.default_rng([seed, 11])
    weight = random.normal(size=(2, CHANNELS))
    order = random.permutation(CHANNELS)
    groups = [order[:3].tolist(), order[3:5].tolist()]
    if strength:
        weight[0, groups[0]] = strength
    w = torch.from_numpy(weight)
    x = torch.from_numpy(random.lognormal(0, 0.8, size=(PICTURES, CHANNELS)))
    mean = x.mean(dim=0)

    def moved(sets: np.ndarray, target: int, patches: np.ndarray) -> Tensor:
        rows, own = torch.from_numpy(sets), x[torch.from_numpy(patches)]
        return torch.stack([own.where(~row, mean) @ w[target] for row in rows])

    strong = torch.argsort(-(x @ w.T).sum(dim=1))[:10].tolist()
    edges = [
        Edge(upper_layer="b", upper=u, lower_layer="a", lower=v, flow=0.3, signed=0.3) for u in (1, 2) for v in (1, 2)
    ]
    tests = edge_tests(
        layer("b", [[0], [1]], strong), layer("a", groups, strong), edges, lambda sets: partial(moved, sets),
        x[strong].mean(dim=0).numpy(), DRAWS, random,
    )  # fmt: skip
    counted = {(e.upper, e.lower) for e in judged(tuple(tests)).edge_effects if e.q_value <= LEVEL}
    return (1, 1) in counted if strength else bool(counted)


def layer(name: str, groups: list[list[int]], patches: list[int]) -> LayerResult:
    """A layer whose neurons have one semantic group each, of all patches."""
    semantic = (SemanticGroup(index=1, patches=tuple(patches), activation=1.0, edges=()),)
    neurons = tuple(
        Neuron(
            layer=name, channel=c, concept=tuple(patches), activations=(1.0,) * len(patches), core=(), gap_mean=None,
            gap_max=None, nodes=None, silhouette=None, groups=semantic, dead=False,
        )
        for c in sorted({c for g in groups for c in g})
    )  # fmt: skip
    found = tuple(
        NeuronGroup(
            layer=name, index=i, members=tuple(Member(channel=c, semantic=1) for c in g), patches=tuple(patches),
            share=0.5,
        )
        for i, g in enumerate(groups, start=1)
    )  # fmt: skip
    return LayerResult(name=name, channels=CHANNELS, neurons=neurons, groups=found, silhouette=0.5)


def sure(strength: float, seed: int) -> bool:
    """Whether F13 calls the planted neuron sure; at strength 0 whether the weakest neuron of the core is, though it is
    like all others. |T| of a picture's patches go together by half."""
    random = np.random.default_rng([seed, 13])
    own = random.normal(size=(PICTURES, 1, CHANNELS)) + random.normal(size=(PICTURES, 2, CHANNELS))
    values = np.abs(own.reshape(1, 2 * PICTURES, CHANNELS))
    values[:, :, 0] += strength * values.std()
    found = Deletions(pictures=PICTURES, per_picture=2, seed=(seed,), draws=1000)
    wanted = random.permutation(2 * PICTURES)[None, :50]
    found.descend("a", torch.from_numpy(values[:, wanted[0]]), np.array([0]), wanted, [4])
    neuron = 0 if strength else int(core_set(values[0, wanted[0]].mean(axis=0), 4)[-1])
    return clopper_pearson(int(found.found["a", 4].core[neuron]), 1000)[0] > 0.5


def held(pictures: int, strength: float, seed: int) -> bool:
    """Whether a layer whose core keeps this share of the class and takes 10% of the others is certified."""
    random = np.random.default_rng([seed, pictures])
    one = one_tau(4, 4, random.random(pictures) < strength, random.random(4 * pictures) < 0.1)
    found = certificate(
        layer="a", channels=CHANNELS, each=[one], n=pictures, others=4 * pictures, enough=0.8, false_alarms=0.3
    )
    return found.tau is not None


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
