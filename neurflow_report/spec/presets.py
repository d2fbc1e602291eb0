"""The presets of `fidelity`: which experiments run, and how large they are (METHOD §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from neurflow_report.spec.fidelity import Fidelity

METHODS = ("gradient × input", "saliency", "SmoothGrad", "guided backprop", "GradientSHAP", "DeepLift", "LRP")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What `fidelity` stands for, every value known: the fields are those of the spec."""

    experiments: tuple[str, ...]
    draws: int
    targets: int
    optimality_draws: int
    weight_draws: int
    patches: int
    sizes: tuple[int, ...]
    methods: tuple[str, ...]
    method_targets: int
    ks: tuple[int, ...]
    noise_draws: int


PRESETS: Mapping[str, Sizes] = {
    "quick": Sizes(
        experiments=("masking", "optimality", "weights", "stability", "edges"),
        draws=40,
        targets=6,
        optimality_draws=40,
        weight_draws=64,
        patches=400,
        sizes=(1,),
        methods=METHODS,
        method_targets=1,
        ks=(30, 70),
        noise_draws=5,
    ),
    "standard": Sizes(
        experiments=("masking", "optimality", "weights", "methods", "critical", "concepts", "stability", "edges"),
        draws=50,
        targets=20,
        optimality_draws=80,
        weight_draws=200,
        patches=0,
        sizes=(1, 5, 20),
        methods=METHODS,
        method_targets=3,
        ks=(30, 70, 110, 190),
        noise_draws=10,
    ),
    "paper": Sizes(
        experiments=("masking", "optimality", "weights", "methods", "critical", "concepts", "stability", "edges"),
        draws=100,
        targets=50,
        optimality_draws=100,
        weight_draws=500,
        patches=0,
        sizes=(1, 5, 10, 20, 50),
        methods=METHODS,
        method_targets=8,
        ks=(30, 50, 70, 90, 110, 130, 150, 170, 190),
        noise_draws=20,
    ),
}
"""`paper` draws 100 sets for F1 where METHOD §5 has 20: with 20 no p-value is under 0.048, which no correction for the
number of tests lets pass."""


def sizes(fidelity: Fidelity) -> Sizes:
    """The preset's sizes with what the spec sets itself."""
    preset = PRESETS[fidelity.preset]
    own = {f.name: getattr(fidelity, f.name) for f in fields(Sizes)}
    return replace(preset, **{name: value for name, value in own.items() if value is not None})
