"""What a class's stages found, kept under the digest of all that each was found from (ADR 33): where a spec changes,
the stages that do not depend on what changed are not done again.

A key holds the stage's name, this program, the packages and the machine, what the network computes and its state, how
many rows run at once, and the stage's own: its parameters, and the inputs themselves. Arrays come back bit by bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.analysis.class_key import computed, program
from neurflow_report.images.select import Predict
from neurflow_report.network import devices
from neurflow_report.progress import Step
from neurflow_report.results.arrays import Arrays
from neurflow_report.results.cache import Cache, folder
from neurflow_report.results.surroundings import digest
from neurflow_report.setup.preflight import Ready
from neurflow_report.setup.provenance import described
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec

LARGE = frozenset({"patches", "attributions"})
"""Stages that are kept on a processor alone, and in a folder: a GPU makes them again sooner than a disk gives them, and
a processor sooner than they are sent somewhere else and back."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """What is kept of the stages of one class on one network; nothing, by default.

    Attributes:
        cache: None where nothing is kept.
        common: the digest of what all stages are found from.
        anew: the stages of which nothing is taken.
        large: whether the large ones are kept.
        name, title: the class's, and the report's.
    """

    cache: Cache | None = None
    common: str = ""
    anew: Collection[str] = ()
    large: bool = False
    name: str = ""
    title: str = ""

    @classmethod
    def of(cls, spec: Spec, ready: Ready, anew: Collection[str] = ()) -> Stages:
        """Those of a run. Args: anew: the stages of which nothing is taken."""
        place, workspace = folder(spec.runtime.cache), ready.workspace
        if place is None:
            return cls()
        known = {
            "program": program(),
            "machine": described(workspace.segments.device),
            "network": computed(workspace.segments, ready.pictures),
            "state": ready.network.digest,
            "layers": [layer.model_dump(mode="json") for layer in workspace.segments.layers],
            "precision": spec.runtime.precision,
            "runs": _runs(workspace),
        }
        large = devices.is_host(workspace.segments.device) and isinstance(place, Path)
        return cls(cache=Cache(folder=place), common=digest(known), anew=anew, large=large, title=spec.title)

    def on(self, network: str, workspace: Workspace) -> Stages:
        """The same on another network. Args: network: all that it follows from, beside the run's own."""
        return replace(self, common=digest([self.common, network, _runs(workspace)]))

    def of_class(self, name: str) -> Stages:
        """The same with a class's name, under which it is listed."""
        return replace(self, name=name)

    def stage(self, stage: str, **made_from: Any) -> Stage:
        """One stage. Args: made_from: its own parameters and inputs; tensors and arrays count by content."""
        if self.cache is None or (stage in LARGE and not self.large):
            return Stage()
        key = digest([stage, self.common, {name: content(value) for name, value in made_from.items()}])
        label = {"name": f"({stage}{' of ' + self.name if self.name else ''})", "title": self.title}
        return Stage(cache=self.cache, key=key, look=stage not in self.anew, label=label)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: what is kept of it is found, or what was made is kept; neither, by default."""

    cache: Cache | None = None
    key: str = ""
    look: bool = True
    label: Mapping[str, str] = field(default_factory=dict)

    def found(self) -> Arrays | None:
        """What is kept of it."""
        return self.cache.stage(self.key) if self.cache is not None and self.look else None

    def keep(self, arrays: Callable[[], Arrays]) -> None:
        """Keep what it found; where that cannot be written, the class's own entry tells it."""
        if self.cache is not None:
            with suppress(OSError):
                self.cache.put_stage(self.key, arrays(), **self.label)


@dataclass(kw_only=True)
class Heard:
    """A step that remembers whether anything was noted of it, such as that memory ran out: what it found then is of
    other batches, and is not kept."""

    step: Step
    noted: bool = False

    def advance(self, n: int = 1) -> None:
        """`n` more units are done."""
        self.step.advance(n)

    def note(self, text: str) -> None:
        """Pass it on."""
        self.noted = True
        self.step.note(text)


@contextmanager
def remembered(predict: Predict, stage: Stage, heard: Heard) -> Iterator[Predict]:
    """What predicts pictures, and knows those batches that it has predicted before, by their content.

    Args: heard: what `predict` tells its notes.
    """
    known, used = stage.found() or {}, dict[str, NDArray[Any]]()

    def predicted(batch: Tensor) -> NDArray[np.int64]:
        name = digest(content(batch))
        found: NDArray[np.int64] = known[name] if name in known else predict(batch)
        used[name] = found
        return found

    yield predicted
    if used.keys() != known.keys() and not heard.noted:
        stage.keep(lambda: used)


def _runs(workspace: Workspace) -> dict[str, Any]:
    """What of a workspace may change the last digits: how many rows run at once, and on which copies. Not the memory
    that this follows from: what is free is another number of bytes each time. (A GPU's blocks of attributions do follow
    from it byte by byte, and these are not kept.)"""
    segments, pairs = workspace.forward.segments, workspace.segments
    rows = [torch.empty((1, *info.shape), device=pairs.device, dtype=pairs.dtype) for info in pairs.layers]
    return {
        "rows": [workspace.forward_rows, workspace.forward.rows, *workspace.pair_rows],
        "ablations": [workspace.ablation_rows(*pair) for pair in zip(segments.stages, rows, strict=False)],
        "grid": asdict(workspace.grid),
        "copies": list(workspace.notes),
    }


def content(value: Any) -> Any:
    """A value as a key holds it: a tensor or an array by the digest of its content."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()]
    if isinstance(value, list | tuple):
        return [content(one) for one in value]
    return value


def arrays_of(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Tensors at the host."""
    return [value.detach().cpu().numpy() for value in tensors]


def by_name(**arrays: Sequence[NDArray[Any]] | Mapping[int, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Numbered arrays of several kinds under one name each."""
    numbered = {what: some if isinstance(some, Mapping) else dict(enumerate(some)) for what, some in arrays.items()}
    return {f"{what} {number}": one for what, some in numbered.items() for number, one in some.items()}


def by_number(arrays: Arrays, what: str) -> dict[int, NDArray[Any]]:
    """Those of one kind, by number, in the order in which they were kept."""
    parted = {name: name.split(" ") for name in arrays}
    return {int(number): arrays[name] for name, (kind, number) in parted.items() if kind == what}


NOTHING_KEPT = Stages()
