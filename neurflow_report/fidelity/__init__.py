"""The experiments that test a circuit against nulls (METHOD §5): network and records in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from neurflow_report.fidelity.experiment import LayerExperiment
from neurflow_report.results.catalogue import EXPERIMENTS


def layer_experiments(asked: Sequence[str] | None = None) -> tuple[LayerExperiment, ...]:
    """Those of the experiments asked for (None: of all) that are done at one layer after another, in their order there.

    Raises: ValueError for a module whose experiment the catalogue does not know, or another module has.
    """
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    found: list[LayerExperiment] = [module.EXPERIMENT for module in modules if hasattr(module, "EXPERIMENT")]
    names = [e.name for e in found]
    if wrong := sorted({name for name in names if name not in EXPERIMENTS or names.count(name) > 1}):
        raise ValueError(f"experiments that the catalogue does not have, or twice: {', '.join(wrong)}")
    chosen = found if asked is None else [e for e in found if e.name in asked]
    return tuple(sorted(chosen, key=lambda e: (e.place, e.name)))
