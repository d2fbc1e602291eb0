"""Where a run comes from: versions, device, determinism, and the clock (the only part two equal runs differ in)."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from neurflow_report.results.epoch import source_date
from neurflow_report.results.records import Clock, Provenance
from neurflow_report.results.redact import without_paths
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.load import LoadedSpec
from neurflow_report.spec.schema import Spec

PACKAGES = (
    "neurflow-report",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "safetensors",
    "captum",
)


def provenance(
    loaded: LoadedSpec,
    *,
    device: torch.device,
    precision: str,
    seconds: Mapping[str, float],
    peaks: Mapping[str, Mapping[str, int]],
) -> Provenance:
    """The provenance of a run. Absolute paths in the spec are shortened to their last part.

    Args:
        precision: of the attributions.
        seconds: wall time of each stage; left out of the record where SOURCE_DATE_EPOCH is set.
        peaks: `resident` and `allocated` memory by stage, as far as it is known; left out there, too.
    """
    known = described(device)
    return Provenance(
        generator=f"neurflow-report {_version('neurflow-report')}",
        spec_text=without_paths(loaded.text),
        spec_resolved=spec_values(loaded.spec),
        versions=known["versions"],
        device=known["device"],
        determinism={
            "deterministic algorithms": known["deterministic algorithms"],
            "TF32": "in the attributions" if precision == "tf32" else "off",
            "threads": known["threads"],
        },
        clock=clock(seconds, peaks),
    )


def described(device: torch.device) -> dict[str, Any]:
    """What a run's figures depend on beside the spec: the device, the packages, how they compute."""
    return {
        "device": describe(device),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "deterministic algorithms": str(torch.are_deterministic_algorithms_enabled()).lower(),
        "threads": str(torch.get_num_threads()),
    }


def spec_values(spec: Spec) -> dict[str, Any]:
    """Every value of the spec, as a bundle may tell it."""
    values: dict[str, Any] = _redacted(resolved(spec))
    return values


def resolved(spec: Spec) -> dict[str, Any]:
    """Every value of the spec, those that the fidelity preset stands for included."""
    values = spec.model_dump(mode="json", by_alias=True)
    return values | {"fidelity": values["fidelity"] | asdict(sizes(spec.fidelity))}


def clock(seconds: Mapping[str, float], peaks: Mapping[str, Mapping[str, int]]) -> Clock:
    """Now, in UTC to the second, the stages' wall times and memory; SOURCE_DATE_EPOCH, where set, stands for all."""
    if moment := source_date():
        return Clock(created=_iso(moment), seconds=None)
    known = {name: dict(values) for name, values in peaks.items() if values}
    seconds = {k: round(v, 2) for k, v in seconds.items()}
    return Clock(created=_iso(datetime.now(UTC)), seconds=seconds, **known)


def describe(device: torch.device) -> str:
    """The device in words, without anything that names this very machine: `cpu (x86_64)`, `cuda (NVIDIA H200)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.machine()})"


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _redacted(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(v) for v in value]
    return without_paths(value) if isinstance(value, str) else value
