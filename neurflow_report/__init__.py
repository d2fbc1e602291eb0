"""Reports of how a vision classifier decides. In Python:

from neurflow_report import build, load_spec, read_bundle, tables

built = build(load_spec("my.yaml"))
print(built.rendered.site)
print(tables(read_bundle(built.bundle)).groups)

What goes wrong is raised as a ReportError: InputError, InputErrors, RunError or CheckErrors.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not imported for it: the command line imports nothing before it hears an interrupt

if TYPE_CHECKING:
    from typing import Any

    from neurflow_report.errors import CheckError, CheckErrors, InputError, InputErrors, ReportError, RunError
    from neurflow_report.report import analyze, archive, build, card, check, diff, layers, plan, render, verify
    from neurflow_report.results.bundle import read_bundle
    from neurflow_report.results.frames import tables
    from neurflow_report.spec.load import load_spec

__all__ = [
    "CheckError",
    "CheckErrors",
    "InputError",
    "InputErrors",
    "ReportError",
    "RunError",
    "analyze",
    "archive",
    "build",
    "card",
    "check",
    "diff",
    "layers",
    "load_spec",
    "plan",
    "read_bundle",
    "render",
    "tables",
    "verify",
]
_HOMES = {
    "CheckError": "errors",
    "CheckErrors": "errors",
    "InputError": "errors",
    "InputErrors": "errors",
    "ReportError": "errors",
    "RunError": "errors",
    "analyze": "report",
    "archive": "report",
    "build": "report",
    "card": "report",
    "check": "report",
    "diff": "report",
    "layers": "report",
    "plan": "report",
    "render": "report",
    "verify": "report",
    "load_spec": "spec.load",
    "read_bundle": "results.bundle",
    "tables": "results.frames",
}


def __getattr__(name: str) -> Any:
    """The public functions, imported when they are asked for: reading a spec needs no torch."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
