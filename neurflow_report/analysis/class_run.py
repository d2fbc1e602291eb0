"""One class of a run: what all that is done for it shares."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor

from neurflow_report.progress import Progress, Step
from neurflow_report.setup.settings import RunSettings
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec


@dataclass(frozen=True, kw_only=True)
class ClassRun:
    """What a run has for one class.

    Attributes:
        pixels: the class's pictures as inputs, (I, C, S, S), on the workspace's device.
        logit: the index of its output.
        name: the class's, for the progress.
    """

    workspace: Workspace
    settings: RunSettings
    pixels: Tensor
    logit: int
    name: str
    progress: Progress

    @classmethod
    def of(
        cls, workspace: Workspace, spec: Spec, pixels: Tensor, *, logit: int, name: str, progress: Progress
    ) -> ClassRun:
        """A class of a run of `spec`."""
        settings = RunSettings.of(spec)
        return cls(workspace=workspace, settings=settings, pixels=pixels, logit=logit, name=name, progress=progress)

    @property
    def patches(self) -> int:
        """How many patches there are."""
        return len(self.pixels) * self.workspace.grid.per_image

    def stage(self, what: str, total: int | None) -> AbstractContextManager[Step]:
        """A stage of the progress that is this class's."""
        return self.progress.stage(f"{self.name}: {what}", total)

    def seed(self, layer: int, experiment: int) -> tuple[int, int, int, int]:
        """The seed of an experiment (its F-number) at a layer."""
        return self.settings.seed, self.logit, layer, experiment
