"""The experiments that test a circuit against nulls (METHOD §5): network and records in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from neurflow_report.fidelity.experiment import LayerExperiment


def layer_experiments(asked: Sequence[str]) -> tuple[LayerExperiment, ...]:
    """Those of the experiments asked for that are done at one layer after another, in their order there."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    found = [module.EXPERIMENT for module in modules if hasattr(module, "EXPERIMENT")]
    return tuple(sorted((e for e in found if e.name in asked), key=lambda e: (e.place, e.name)))
