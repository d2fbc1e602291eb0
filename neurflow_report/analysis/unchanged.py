"""A run of which nothing changed since an earlier one: what it would find is known before a network is loaded (ADR 30).

What a run found of its classes is kept by class (store.py). All else that it found, and the digests of all that it
read, are kept under the digest of what it began with: this program, the packages, the machine, the values of the spec,
and the files that it names. Where that is the same, and whatever was read still is what it was, the run is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from neurflow_report.analysis.store import Store
from neurflow_report.errors import ReportError
from neurflow_report.images.sources import Source
from neurflow_report.images.witness import Witness, unchanged
from neurflow_report.network.checkpoint import is_checkpoint
from neurflow_report.network.load import choose_device, resolved
from neurflow_report.network.zoo import weights_file
from neurflow_report.progress import Timed
from neurflow_report.results.bundle import canonical_json
from neurflow_report.results.cache import Cache, folder
from neurflow_report.results.epoch import source_date
from neurflow_report.results.records import Run
from neurflow_report.results.shard import Merged
from neurflow_report.results.surroundings import (
    IMPORTED,
    NUMERIC,
    digest,
    file_digest,
    modules,
    packages,
    program,
    system,
    variables,
)
from neurflow_report.setup.preflight import Ready, source_of
from neurflow_report.setup.provenance import described, provenance
from neurflow_report.setup.provenance import resolved as values_of
from neurflow_report.spec.data import FILES
from neurflow_report.spec.load import LoadedSpec
from neurflow_report.spec.schema import Spec

SUFFIX = ".run"
APART: Mapping[str, tuple[str, ...] | None] = {
    "title": None,
    "output": None,
    "report": ("formats", "theme", "templates", "attach_bundle", "appendix", "tiles", "url"),
    "runtime": ("cache", "engine", "address"),
}
"""What of a spec a run does not look at but to hand it on; of a section these keys alone. A key that comes later is
looked at until it is said here that it is not."""


def handed_on(spec: Spec) -> dict[str, Any]:
    """The fields of a run's record that are the spec's own words."""
    report = spec.report
    return {
        "title": spec.title,
        "theme": report.theme,
        "formats": report.formats,
        "tiles": report.tiles,
        "url": report.url or "",
    }


class _Found(BaseModel):
    """All that a run found but its classes, what it read, and what its stages took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Run
    source: str
    pictures: dict[int, str]
    classes: tuple[str, ...]
    precision: str
    seconds: dict[str, float]
    peaks: dict[str, dict[str, int]]


@dataclass(kw_only=True)
class Unchanged:
    """A run's key, where one can be had, and what it reads from here on.

    Attributes:
        cache, key: None where nothing is kept, or where nobody can tell whether something changed.
        begun: the state of the files that the run reads, before the key was made.
    """

    loaded: LoadedSpec
    cache: Cache | None
    key: str | None
    begun: str | None = None
    witness: Witness = field(default_factory=Witness)

    @classmethod
    def of(cls, loaded: LoadedSpec, also: Sequence[ReportError] = ()) -> Unchanged:
        """Args: also: what is wrong already: then the run is to tell it."""
        place = folder(loaded.spec.runtime.cache)
        # Pictures that are explained, and concepts, are found anew each time, and may lie outside the data; those made
        # for groups, and labels, are made anew.
        spec = loaded.spec
        anew = (
            spec.debug.images != "none"
            or spec.fidelity.concepts_from is not None
            or spec.labels.source != "none"
            or bool(spec.facets.groups)
        )
        if place is None or also or anew:
            return cls(loaded=loaded, cache=None, key=None)
        begun = _state(loaded)  # before the key: what changes between the two, or later, is seen
        return cls(loaded=loaded, cache=Cache(folder=place), key=_key(loaded), begun=begun)

    def found(self, progress: Timed) -> Merged | None:
        """What an earlier run found, where nothing changed since."""
        if self.cache is None or self.key is None:
            return None
        entry = self.cache.read(self.key, SUFFIX, lambda files: _Found.model_validate_json(files["found.json"]))
        if entry is None:
            return None
        with progress.stage("look into the cache", len(entry.pictures) + len(entry.classes)) as step:
            if not self._same_pictures(entry, step.advance):
                return None
            kept = []
            for key in entry.classes:
                kept.append(self.cache.get(key))
                step.advance(1)
            whole = tuple(one for one in kept if one is not None)
            if len(whole) < len(kept):
                return None
            step.note(f"{len(kept)} of {len(kept)} classes were examined before, all the same")
        return Merged(
            run=entry.run.model_copy(update=handed_on(self.loaded.spec)),
            provenance=provenance(
                self.loaded,
                device=choose_device(self.loaded.spec.runtime.device),
                precision=entry.precision,
                seconds=entry.seconds,
                peaks=entry.peaks,
            ),
            classes=whole,
        )

    def _same_pictures(self, entry: _Found, advance: Callable[[int], None]) -> bool:
        try:
            source = source_of(self.loaded)
        except ReportError:  # the run is to tell it
            return False
        return entry.source == _listing(source) and unchanged(source, entry.pictures, lambda: advance(1))

    def keep(self, ready: Ready, store: Store, run: Run, precision: str, progress: Timed) -> None:
        """Keep what a whole run found, if nothing that it read was changed meanwhile."""
        if self.cache is None or self.key is None or store.cache is None or not self.witness.steady:
            return
        if self.begun is None or self.begun != _state(self.loaded):
            return
        found = _Found(
            run=run,
            source=_listing(ready.source),
            pictures=self.witness.read,
            classes=tuple(store.keys),
            precision=precision,
            seconds=progress.seconds,
            peaks=progress.peaks,
        )
        files = {"found.json": canonical_json(found)}
        try:
            self.cache.write(self.key, SUFFIX, files, name="(the run)", title=self.loaded.spec.title)
        except OSError:
            return  # the classes are kept, and it was told where they could not be


def _key(loaded: LoadedSpec) -> str | None:
    """The digest of what a run begins with; None where it begins with something of which nobody can tell whether it
    changed, or with something that is wrong."""
    spec, base = loaded.spec, loaded.file.resolve().parent
    try:
        source_date()
        files = _files(spec, base)
        device = choose_device(spec.runtime.device)
        if files is None:
            return None
        digests = {name: file_digest(path) for name, path in files.items()}
    except (ReportError, OSError, ValueError):
        return None
    return digest(
        {
            "program": program(),
            "packages": packages(),
            "modules": modules(IMPORTED),
            "system": system(),
            "variables": variables(NUMERIC),
            "machine": described(device),
            "torch": _torch(device),
            "spec": _looked_at(spec),
            "files": digests,
        }
    )


def _state(loaded: LoadedSpec) -> str | None:
    """Of what a key holds, that which can change while a run goes on and reads it. (Libraries set variables of the
    environment when they are imported: how it was at the beginning counts, and is in the key.)"""
    try:
        files = _files(loaded.spec, loaded.file.resolve().parent) or {}
        return digest([{name: file_digest(path) for name, path in files.items()}, modules(IMPORTED)])
    except (OSError, ValueError):
        return None


def _looked_at(spec: Spec) -> dict[str, Any]:
    values = dict(values_of(spec))
    for name, keys in APART.items():
        if keys is None:
            del values[name]
        else:
            values[name] = {key: value for key, value in values[name].items() if key not in keys}
    return values


def _files(spec: Spec, base: Path) -> dict[str, Path] | None:
    """The files that the spec names, beside its pictures; None where its network comes from what cannot be seen whole:
    code of the user's own, and weights of which only the package knows where they lie."""
    model, found = spec.model, dict[str, Path]()
    if model.source == "python":
        return None
    if is_checkpoint(model.weights):
        found["weights"] = resolved(base, model.weights)
    elif model.weights != "none" and model.source != "demo":  # the demo's are this program's own
        weights = weights_file(model.name or "", model.weights) if model.source == "torchvision" else None
        if weights is None:
            return None
        found["weights"] = weights
    if model.class_names is not None:
        found["class_names"] = resolved(base, model.class_names)
    if isinstance(spec.data.labels, str) and spec.data.labels.lower().endswith(FILES):
        found["labels"] = resolved(base, spec.data.labels)
    return found


def _torch(device: torch.device) -> list[str]:
    """What torch computes with, beside its version, and how it was told to."""
    cuda = device.type == "cuda"
    return [
        str(device),
        str(torch.cuda.device_count()),
        str(torch.version.cuda),
        str(torch.backends.cudnn.version() if cuda else None),  # type: ignore[no-untyped-call]
        str(torch.cuda.get_device_properties(device) if cuda else None),
        torch.backends.cpu.get_cpu_capability(),
        str(torch.get_default_dtype()),
        torch.get_float32_matmul_precision(),
        str(torch.get_num_interop_threads()),
        str(torch.backends.mkldnn.enabled),
        str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    ]


def _listing(source: Source) -> str:
    """The digest of all that a source says of its pictures before any is opened."""
    return digest(
        [
            source.name,
            source.class_names,
            [[item.name, item.label, item.white] for item in source.items],
            source.order,
            source.notes,
            [left.model_dump(mode="json") for left in source.left_out],
            source.empty,
            source.painted,
        ]
    )
