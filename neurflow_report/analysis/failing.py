"""A run that keeps going: what is left of it without the classes that fail."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from neurflow_report.errors import ReportError
from neurflow_report.results.records import FailedClass
from neurflow_report.results.redact import without_paths
from neurflow_report.setup.preflight import Ready
from neurflow_report.spec.schema import Spec


def failed_class(name: str, error: ReportError, slug: str = "") -> FailedClass:
    """The record of a class that failed."""
    reason = without_paths(error.message)
    return FailedClass(name=name, kind=error.slug, reason=reason[:1].upper() + reason[1:], slug=slug)


def spec_without(spec: Spec, numbers: Collection[int]) -> Spec:
    """The spec without some of its classes, by their numbers, and without the names by hand in them."""
    if not numbers:
        return spec
    left = tuple(name for number, name in enumerate(spec.classes) if number not in numbers)
    gone = {str(spec.classes[number]) for number in numbers}
    names = {name: given for name, given in spec.names.items() if name not in gone}
    return spec.model_copy(update={"classes": left, "names": names})


def ready_without(ready: Ready, numbers: Collection[int]) -> Ready:
    """The same without some of its targets, by their numbers."""
    keep = [number for number in range(len(ready.targets)) if number not in numbers]
    return replace(
        ready,
        targets=tuple(ready.targets[number] for number in keep),
        eligible=tuple(ready.eligible[number] for number in keep),
    )
