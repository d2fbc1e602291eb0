"""What a plan says, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PlannedClass:
    """A class: how many pictures it has at most, patches of those that its circuit is found on, how many are held out,
    and pictures of other classes."""

    name: str
    index: int
    pictures: int
    patches: int
    held: int = 0
    others: int = 0

    @property
    def measured(self) -> int:
        """The pictures that F1 is measured on."""
        return self.held or self.pictures

    @property
    def held_patches(self) -> int:
        """The patches of the pictures held out."""
        return self.held * self.patches // (self.pictures - self.held) if self.held else 0


@dataclass(frozen=True, kw_only=True)
class PlannedLayer:
    """A layer.

    Attributes:
        targets_most, targets_likely: the targets a class has there at most, and likely (None: not known).
        rows: rows with gradients a batch on the way up from it, None for the last.
    """

    name: str
    channels: int
    shape: tuple[int, ...]
    targets_most: int
    targets_likely: int | None
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """A stage of the run, all classes together.

    Attributes:
        amount: of `unit`.
        seconds: None: not timed, or done by another program.
        measured: whether all that it does was measured, or some of it was extrapolated.
    """

    name: str
    amount: int
    unit: str
    multiply_adds: int
    seconds: float | None
    measured: bool = True


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The sizes that fit some seconds.

    Attributes:
        within: these seconds.
        fits: whether they suffice; else this is the least there is.
        seconds: that it takes then.
        set: what to set, by the spec's path, in the order in which it was given up.
        larger: presets over the spec's that would fit, too.
        unable: what can no longer be shown.
    """

    within: float
    fits: bool
    seconds: float
    set: tuple[tuple[str, object], ...]
    larger: tuple[str, ...]
    unable: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `analyze` would do.

    Attributes:
        memory: bytes of activations.
        peak: bytes of the whole process; on a GPU of its own memory.
        targets: whether stages count the likely number of targets or the most.
        measuring: the seconds that measuring took.
        loading: those before it, which no budget bounds.
    """

    title: str
    device: str
    precision: str
    k: int
    tau: int
    classes: tuple[PlannedClass, ...]
    layers: tuple[PlannedLayer, ...]
    patches_per_picture: int
    forward_rows: int
    memory: int
    peak: int
    targets: str
    stages: tuple[PlannedStage, ...]
    multiply_adds: int
    seconds: float | None
    loading: float
    measuring: float
    fit: Fit | None = None
