"""All that a class's results are found from, as one digest: the key under which they are kept (results/cache.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.select import Chosen
from neurflow_report.network.cut import Segments
from neurflow_report.results.surroundings import digest
from neurflow_report.setup.preflight import Ready
from neurflow_report.setup.provenance import described, resolved
from neurflow_report.setup.settings import RunSettings
from neurflow_report.spec.schema import Spec

APART = (
    *("version", "title", "model", "classes", "layers", "preprocess", "report", "names", "output", "debug"),
    *("facets", "labels"),
)
"""Sections of a spec on which no class's results depend, or that are known better: by what the network computes, the
layers it is cut at, and the inputs it is given."""
PLACES = {
    "data": ("root", "limit"),
    "runtime": ("device", "cache", "memory", "engine", "address"),
    "fidelity": ("concepts_from",),
}
"""Values, by their sections, that say where something lies, or how many pictures are looked for: which were found is
known. What is found of the user's own concepts is not kept with a class, but found anew each time."""


def keys(
    spec: Spec,
    ready: Ready,
    settings: RunSettings,
    classes: Sequence[tuple[ClassTarget, str, Sequence[Chosen], Sequence[Chosen]]],
) -> tuple[str, ...]:
    """The key of each class.

    Args:
        settings: with the precision that was taken.
        classes: target, slug, pictures and pictures of other classes, in the spec's order; with the first, cross-checks
            are made, too.
    """
    known = {
        "program": program(),
        "machine": described(ready.workspace.segments.device),
        "spec": _bearing(spec),
        "precision": settings.precision,
        "images": spec.report.images,
        "network": computed(ready.workspace.segments, ready.pictures),
        "state": ready.network.digest,
        "layers": [layer.model_dump(mode="json") for layer in ready.workspace.segments.layers],
        "preprocess": ready.network.preprocess.model_dump(mode="json"),
        "names": [list(ready.names), list(ready.label_names)],
    }
    common = digest(known)
    return tuple(
        digest({"common": common, "class": [number == 0, target.index, target.name, slug, _seen(own), _seen(others)]})
        for number, (target, slug, own, others) in enumerate(classes)
    )


@cache
def program() -> str:
    """The sha256 over this program's own code: another version finds everything again."""
    found, root = hashlib.sha256(), Path(__file__).parent.parent
    for file in sorted(root.rglob("*.py")):
        found.update(file.relative_to(root).as_posix().encode() + b"\0")
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


@torch.inference_mode()
def computed(segments: Segments, pictures: Tensor) -> str:
    """The sha256 over the activations of a few pictures (N, C, S, S) at every layer: networks of one state may still
    compute differently."""
    found, value = hashlib.sha256(), pictures.to(segments.device, segments.dtype)
    for part in (segments.stem, *segments.stages):
        value = part(value)
        found.update(repr(tuple(value.shape)).encode())
        found.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _bearing(spec: Spec) -> dict[str, Any]:
    """The values of the spec on which results may depend; a section that comes later does, until it is said not to."""
    values = {name: section for name, section in resolved(spec).items() if name not in APART}
    for name, apart in PLACES.items():
        section = values[name]
        if isinstance(section, Mapping):
            values[name] = {key: value for key, value in section.items() if key not in apart}
    return values


def _seen(chosen: Sequence[Chosen]) -> list[Any]:
    return [
        [
            picture.item.name,
            picture.sha256,
            picture.label,
            picture.predicted,
            list(picture.size),
            picture.region.model_dump(mode="json"),
        ]
        for picture in chosen
    ]
