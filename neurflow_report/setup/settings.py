"""What a run of one class takes from the spec, every value known: the preset's sizes, the rule of the integral."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from neurflow_report.attribution.integrated_gradients import Quadrature
from neurflow_report.fidelity.ledger import limits
from neurflow_report.images.holdout import measured
from neurflow_report.results.catalogue import Sizes
from neurflow_report.results.records import Threshold
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.schema import Spec


@dataclass(frozen=True, kw_only=True)
class Automatic:
    """What a core set is to be certified for: a TPR over `enough`, an FPR under `false_alarms`, both in 0..1."""

    enough: float
    false_alarms: float


OTHERS = 4
"""Pictures of other classes for each of a class, at most."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The values of a spec that the circuit and the experiments of a class depend on.

    Attributes:
        limit: the most pictures of a class.
        tau: the largest, at which the search is run, where it is automatic.
        automatic: what τ is chosen by; None: it is given.
        taus: those of F1.
        sizes: of the experiments.
    """

    k: int
    limit: int
    quadrature: Quadrature
    tau: int
    max_semantic: int
    max_neuron: int
    automatic: Automatic | None
    taus: tuple[int, ...]
    sizes: Sizes
    thresholds: tuple[Threshold, ...]
    controls: tuple[str, ...]
    seed: int
    precision: str

    @classmethod
    def of(cls, spec: Spec) -> RunSettings:
        """What the spec says, and its preset where it says nothing."""
        return cls(
            k=spec.concept.k,
            limit=spec.data.limit,
            quadrature=Quadrature(**spec.attribution.model_dump()),
            tau=spec.core.searched,
            automatic=Automatic(enough=spec.core.enough, false_alarms=spec.core.false_alarms)
            if spec.core.tau == "auto"
            else None,
            max_semantic=spec.groups.max_semantic,
            max_neuron=spec.groups.max_neuron,
            taus=tuple(spec.fidelity.taus or (spec.core.searched,)),
            sizes=sizes(spec.fidelity),
            thresholds=tuple(limits(spec.fidelity.thresholds.changes())),
            controls=tuple(spec.fidelity.controls),
            seed=spec.runtime.seed,
            precision=spec.runtime.precision,
        )

    @property
    def tried(self) -> tuple[int, ...]:
        """The τ that a circuit may be cut to."""
        return tuple(range(self.tau, 0, -1)) if self.automatic else ()

    def at(self, tau: int) -> RunSettings:
        """The same once τ is known: F1 is done at it, and at those smaller ones that the spec names."""
        return replace(self, tau=tau, taus=(*(one for one in self.taus if one < tau), tau))

    def asks(self, *experiments: str) -> bool:
        """Whether one of these experiments is to be run."""
        return not set(experiments).isdisjoint(self.sizes.experiments)


def others_wanted(spec: Spec) -> Callable[[int], int]:
    """How many pictures of other classes F1 and F14 are to have beside so many of a class: `OTHERS` times as many as
    they are measured on; none where none of these, nor an automatic τ, is asked for."""
    asked = not {"masking", "ranges"}.isdisjoint(sizes(spec.fidelity).experiments) or spec.core.tau == "auto"
    share = spec.data.holdout
    return lambda pictures: OTHERS * measured(pictures, share) if asked else 0
