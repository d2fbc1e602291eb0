"""Reports of how a vision classifier decides. In Python:

from neurflow_report import build, load_spec

built = build(load_spec("my.yaml"))
print(built.rendered.site)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurflow_report.report import analyze, build, render
    from neurflow_report.spec.load import load_spec

__all__ = ["analyze", "build", "load_spec", "render"]
_HOMES = {"analyze": "report", "build": "report", "render": "report", "load_spec": "spec.load"}


def __getattr__(name: str) -> Any:
    """The public functions, imported when they are asked for: reading a spec needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
