"""One class of a run: what all that is done for it shares."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

from torch import Tensor

from neurflow_report.analysis.stages import Stages
from neurflow_report.circuit.discovery import LayerPair
from neurflow_report.progress import Progress, Step
from neurflow_report.setup.precision import arithmetic
from neurflow_report.setup.settings import RunSettings
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec


@dataclass(frozen=True, kw_only=True)
class ClassRun:
    """What a run has for one class.

    Attributes:
        pixels: the class's pictures as inputs, (I, C, S, S), on the workspace's device: those that the circuit is
            found on.
        logit: the index of its output.
        name: the class's, for the progress.
        held: its pictures that the circuit is not found on, and F1 and F8 are measured on; None: the same as `pixels`.
        others: pictures of other classes; None: there are none.
        stages: what is kept of its stages.
    """

    workspace: Workspace
    settings: RunSettings
    pixels: Tensor
    logit: int
    name: str
    progress: Progress
    held: Tensor | None = None
    others: Tensor | None = None
    stages: Stages = field(default_factory=Stages)

    @classmethod
    def of(
        cls, workspace: Workspace, spec: Spec, pixels: Tensor, *, logit: int, name: str, progress: Progress
    ) -> ClassRun:
        """A class of a run of `spec`."""
        settings = RunSettings.of(spec)
        return cls(workspace=workspace, settings=settings, pixels=pixels, logit=logit, name=name, progress=progress)

    @property
    def pictures(self) -> int:
        """How many pictures the class has."""
        return len(self.pixels) + (0 if self.held is None else len(self.held))

    @property
    def measured(self) -> Tensor:
        """The pictures that F1 is measured on."""
        return self.pixels if self.held is None else self.held

    @property
    def of_others(self) -> Tensor:
        """The pictures of other classes, as `pixels`."""
        return self.pixels[:0] if self.others is None else self.others

    @property
    def patches(self) -> int:
        """How many patches the circuit is found on."""
        return len(self.pixels) * self.workspace.grid.per_image

    def layer_pairs(self) -> tuple[LayerPair, ...]:
        """The steps of the recursion, lowest first, with the arithmetic of attributions."""
        within = partial(arithmetic, self.settings.precision)
        return tuple(replace(pair, arithmetic=within) for pair in self.workspace.layer_pairs())

    def with_precision(self, precision: str) -> ClassRun:
        """The same with attributions in another arithmetic."""
        return replace(self, settings=replace(self.settings, precision=precision))

    def stage(self, what: str, total: int | None) -> AbstractContextManager[Step]:
        """A stage of the progress that is this class's."""
        return self.progress.stage(f"{self.name}: {what}", total)

    def seed(self, layer: int, experiment: int) -> tuple[int, int, int, int]:
        """The seed of an experiment (its F-number) at a layer."""
        return self.settings.seed, self.logit, layer, experiment
